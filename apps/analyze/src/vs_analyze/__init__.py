"""From learning curves to laws, recommendations, held-out checks and a report."""

from vs_analyze.evaluate import Evaluation, evaluate
from vs_analyze.recommend import Question, Recommendation, recommend
from vs_analyze.runs import AnalysisError, Run, load_runs
from vs_analyze.settings import Settings, published, published2
from vs_analyze.study import Study, analyze
from vs_analyze.surface import SurfaceStudy, analyze_surface
from vs_analyze.surface_evaluate import held_out_runs, leave_one_out
from vs_analyze.surface_recommend import SurfaceRecommendation, recommend_surface

__all__ = [
    "AnalysisError",
    "Evaluation",
    "Question",
    "Recommendation",
    "Run",
    "Settings",
    "Study",
    "SurfaceRecommendation",
    "SurfaceStudy",
    "analyze",
    "analyze_surface",
    "evaluate",
    "held_out_runs",
    "leave_one_out",
    "load_runs",
    "published",
    "published2",
    "recommend",
    "recommend_surface",
]
