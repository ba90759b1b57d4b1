"""The findings of a report, computed once: the page, the terminal and JSON only render them."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import vs_laws as laws

from vs_analyze.checks import Evaluation
from vs_analyze.evaluate import evaluate
from vs_analyze.laws_file import SCHEMA, VERSION
from vs_analyze.recommend import Question, Recommendation, recommend
from vs_analyze.runs import AnalysisError, Run
from vs_analyze.study import ONE, Study, TaskStudy


@dataclass(frozen=True)
class Findings:
    """A study with its checks and decisions.

    Attributes:
        evaluations: the hold-outs that the data allow.
        decisions: the least-budget setting at the lowest, middle and highest level of every task.
        notes: remarks on the data, and why a check is missing.
    """

    study: Study
    evaluations: tuple[Evaluation, ...]
    decisions: tuple[Recommendation, ...]
    notes: tuple[str, ...]


def find(study: Study, *, baseline: Sequence[Run] = ()) -> Findings:
    """Return the findings of a study: over utd both ends are held out, over two axes each place."""
    evaluations, notes = [], list(study.notes)
    for hold_out in ("largest", "smallest") if study.axes == ONE else ("each",):
        try:
            evaluations.append(evaluate(study, hold_out=hold_out, baseline=baseline))
        except AnalysisError as error:
            notes.append(f"no check with the {hold_out} utd held out: {error}")
    decisions = [
        recommend(task.laws, Question(level=level))
        for task in study.tasks
        for level in task.shown_levels()
    ]
    return Findings(study, tuple(evaluations), tuple(decisions), tuple(notes))


def versions() -> dict[str, str]:
    """Return versions of the packages that make the numbers."""
    names = ("vs-analyze", "vs-isotonic", "vs-laws", "vs-logging", "numpy", "scipy", "polars")
    return {name: metadata.version(name) for name in names}


def laws_document(study: Study) -> dict[str, Any]:
    """Return the contents of ``laws.json`` (schema: `vs_analyze.laws_file`)."""
    labels = {"sigma": "utd", "critic_params": "critic_params"}
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "axes": [labels[axis] for axis in study.axes],
        "versions": versions(),
        "sources": list(study.sources),
        "settings": vars(study.settings),
        "notes": study.notes,
        "tasks": {task.env: task.laws.to_dict() for task in study.tasks},
        "fits": {
            "shared": {name: summary(fit) for name, fit in study.shared.items()},
            "data": [
                {"level": entry.level, "envs": list(entry.envs), **summary(entry.fit)}
                for entry in study.data_fits
            ],
            "budget": {task.env: _budget(task) for task in study.tasks if task.budget is not None},
        },
        "baseline": {
            task.env: {
                law.name: law.baseline
                for law in (task.batch_size, task.learning_rate)
                if law is not None
            }
            for task in study.tasks
            if study.axes == ONE
        },
    }


def summary(fit: laws.Fit) -> dict[str, Any]:
    """Return a fit for reading: without its bootstraps."""
    return {k: v for k, v in fit.to_dict().items() if k not in ("draws", "covariance")}


def _budget(task: TaskStudy) -> dict[str, Any]:
    if task.budget is None:
        return {}
    return {
        **{name: summary(fit) for name, fit in task.budget.fits.items()},
        **{name: summary(fit) for name, fit in task.budget.between.items()},
        "growth": task.budget.growth.to_dict(),
        "alone": {
            axis: {
                "hold": dict(one.hold), "data_ratio": one.data_ratio,
                "compute_ratio": one.compute_ratio, "budget_ratio": one.budget_ratio,
            }
            for axis, one in task.alone.items()
        },
    }  # fmt: skip
