"""A small scaling study from the first run to a checked prediction."""

from vs_quickstart.study import Outcome, run_study

__all__ = ["Outcome", "run_study"]
