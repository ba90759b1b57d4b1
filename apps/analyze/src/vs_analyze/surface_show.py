"""A study of two axes as text, as tables on a terminal, and as the document of laws.json."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import vs_laws as laws
from rich.console import Console
from rich.table import Table

from vs_analyze.book import SCHEMA, SURFACE_VERSION
from vs_analyze.recommend import Question
from vs_analyze.report import interval, versions
from vs_analyze.surface import SurfaceStudy, TaskSurface, median_ratio
from vs_analyze.surface_evaluate import SurfaceEvaluation
from vs_analyze.surface_recommend import recommend_surface

PUBLISHED_EXTRA = {"sigma": 0.11, "critic_params": 0.26}
"""Extra data that scaling one axis alone needs within the same budget (arXiv:2508.14881)."""
ALONE = {"sigma": "utd alone", "critic_params": "model size alone"}


def surface_document(study: SurfaceStudy, sources: Sequence[str]) -> dict[str, Any]:
    """What ``laws.json`` holds (schema: `vs_analyze.surface_book`)."""
    return {
        "schema": SCHEMA,
        "version": SURFACE_VERSION,
        "axes": ["utd", "critic_params"],
        "versions": versions(),
        "sources": list(sources),
        "settings": vars(study.settings),
        "notes": study.notes,
        "tasks": {task.env: task.laws.to_dict() for task in study.tasks},
        "fits": {task.env: _fits(task) for task in study.tasks},
    }


def _fits(task: TaskSurface) -> dict[str, Any]:
    budget = task.budget
    found: dict[str, Any] = {
        "batch_size": None if task.batch.fit is None else task.batch.fit.to_dict(),
        "data": [{"level": level, **fit.to_dict()} for level, fit in task.fits.items()],
    }
    if budget is not None:
        found["budget"] = {name: fit.to_dict() for name, fit in budget.fits.items()}
        found["sigma_of_params"] = budget.sigma_of_params.to_dict()
        found["growth"] = budget.growth.to_dict()
        found["alone"] = {
            axis: {
                "fixed": one.fixed, "data_ratio": one.data_ratio, "compute_ratio": one.compute_ratio,
                "budget_ratio": one.budget_ratio,
            }
            for axis, one in task.alone.items()
        }  # fmt: skip
    return found


def surface_text(study: SurfaceStudy) -> str:
    """All fits as a person reads them."""
    parts = []
    for task in study.tasks:
        parts += [f"B*(σ, N), {task.env}, from {task.batch.source}"]
        parts += [str(task.batch.fit or task.batch.law.law), ""]
        for level, fit in task.fits.items():
            parts += [f"D_J(σ, N), {task.env}, env steps to level {level:g}", str(fit), ""]
        if task.budget is not None:
            for name, symbol in SYMBOLS.items():
                parts += [f"{symbol}(F), {task.env}", str(task.budget.fits[name]), ""]
            parts += [f"σ*(N*), {task.env}", str(task.budget.sigma_of_params), ""]
        parts += [f"{task.env}: {sentence}" for sentence in sentences(task)] + [""]
    if study.notes:
        parts += ["notes", *(f"  - {note}" for note in study.notes)]
    return "\n".join(parts).rstrip()


SYMBOLS = {"sigma": "σ*", "critic_params": "N*", "data": "D*", "compute": "C*"}


def extra(one: laws.SingleAxis, name: str) -> float:
    """Median over levels of the extra that an axis alone needs; see `median_ratio`."""
    return median_ratio(getattr(one, name)) - 1


def sentences(task: TaskSurface) -> Iterator[str]:
    """What the laws along the budget say, in words and numbers."""
    if task.budget is None:
        yield "no law along the budget"
        return
    yield task.laws.growth
    for axis, one in task.alone.items():
        held = f"N = {one.fixed:,.0f}" if axis == "sigma" else f"utd {one.fixed:g}"
        yield (
            f"{ALONE[axis]} ({held}), median over levels: data {percent(extra(one, 'data_ratio'))} "
            f"within the same FLOPs (the paper: {PUBLISHED_EXTRA[axis]:.0%} more), FLOPs "
            f"{percent(extra(one, 'compute_ratio'))} within the same data, budget "
            f"{percent(extra(one, 'budget_ratio'))} at its own best"
        )


def percent(value: float) -> str:
    """``11.0% more``; ``out of reach`` where most levels are."""
    if np.isnan(value):
        return "not known"
    return "out of reach" if np.isinf(value) else f"{value:.1%} more"


def print_surface_study(study: SurfaceStudy, console: Console) -> None:
    """Verdicts and the budget-optimal setting at the highest level of each task."""
    table = Table(title="Laws", title_justify="left")
    for name in ("task", "law", "verdict", "exponents [95 %]"):
        table.add_column(name)
    for task in study.tasks:
        table.add_row(task.env, "B*(σ, N)", task.batch.law.verdict, exponents(task.batch.fit))
        for level in shown_levels(task):
            fit = task.fits[level]
            table.add_row(task.env, f"D_J at {level:g}", str(fit.verdict), exponents(fit))
        if task.budget is not None:
            for name, symbol in SYMBOLS.items():
                fit = task.budget.fits[name]
                table.add_row(task.env, f"{symbol}(F)", str(fit.verdict), exponents(fit))
    console.print(table)
    for note in study.notes:
        console.print(f"note: {note}", style="dim", highlight=False, soft_wrap=True)
    for task in study.tasks:
        answer = recommend_surface(task.laws, Question(level=list(task.fits)[-1]))
        console.print(str(answer), highlight=False, markup=False, soft_wrap=True)
        for sentence in list(sentences(task))[1:]:
            console.print(f"  > {sentence}", highlight=False, markup=False, soft_wrap=True)


def shown_levels(task: TaskSurface) -> list[float]:
    """The lowest, middle and highest fitted level."""
    known = list(task.fits)
    return [known[i] for i in sorted({0, len(known) // 2, len(known) - 1})]


def exponents(fit: Any) -> str:
    """Exponents and slopes of a fit, with intervals."""
    if fit is None:
        return ""
    wanted = ("exponent", "slope", "power")
    return ", ".join(
        f"{name} {interval(estimate)}"
        for name, estimate in fit.parameters.items()
        if name.endswith(wanted)
    )


def print_surface_evaluations(
    evaluations: Sequence[SurfaceEvaluation], study: SurfaceStudy, console: Console
) -> None:
    """Scores of every rival, at the top level and at all."""
    for evaluation in evaluations:
        table = Table(
            title=f"{evaluation.check}: {len(evaluation.checks)} (run, level) pairs, "
            f"{evaluation.censored} more censored and left out",
            title_justify="left",
        )
        for name in ("levels", "form", "n", "median |error|", "90 % |error|", "rms log error"):
            table.add_column(name)
        for s in evaluation.scores():
            table.add_row(
                s.levels,
                s.predictor,
                str(s.n),
                f"{s.median:.3f}",
                f"{s.p90:.3f}",
                f"{s.rms_log:.3f}",
            )
        console.print(table)
        for note in evaluation.notes:
            console.print(f"note: {note}", style="dim", highlight=False, soft_wrap=True)
    for note in study.notes:
        console.print(f"note: {note}", style="dim", highlight=False, soft_wrap=True)
