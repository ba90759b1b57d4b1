"""From learning curves to laws, recommendations, held-out checks and a report."""

from vs_analyze.evaluate import Evaluation, evaluate
from vs_analyze.recommend import Question, Recommendation, recommend
from vs_analyze.runs import AnalysisError, Run, load_runs
from vs_analyze.settings import Settings, published
from vs_analyze.study import Study, analyze

__all__ = [
    "AnalysisError",
    "Evaluation",
    "Question",
    "Recommendation",
    "Run",
    "Settings",
    "Study",
    "analyze",
    "evaluate",
    "load_runs",
    "published",
    "recommend",
]
