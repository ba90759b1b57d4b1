"""From learning curves to laws, recommendations, held-out checks and a report."""

from vs_analyze.analysis import analyze
from vs_analyze.checks import Evaluation
from vs_analyze.evaluate import evaluate
from vs_analyze.findings import Findings, find
from vs_analyze.forecast import compare, forecast
from vs_analyze.importing import read_curves
from vs_analyze.laws_file import TaskLaws, read_laws
from vs_analyze.left_out import held_out_runs
from vs_analyze.recommend import Question, Recommendation, recommend
from vs_analyze.runs import AnalysisError, Run, load_runs
from vs_analyze.settings import Settings, published, published2
from vs_analyze.study import Study

__all__ = [
    "AnalysisError",
    "Evaluation",
    "Findings",
    "Question",
    "Recommendation",
    "Run",
    "Settings",
    "Study",
    "TaskLaws",
    "analyze",
    "compare",
    "evaluate",
    "find",
    "forecast",
    "held_out_runs",
    "load_runs",
    "published",
    "published2",
    "read_curves",
    "read_laws",
    "recommend",
]
