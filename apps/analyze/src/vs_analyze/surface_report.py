"""The page of a study of two axes; see `vs_analyze.report` for that of one."""

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import vs_plots as plots

from vs_analyze import drawing
from vs_analyze.book import jsonable
from vs_analyze.drawing import Drawn
from vs_analyze.recommend import Question
from vs_analyze.report import inline, interval, versions, write_page
from vs_analyze.surface import SurfaceStudy
from vs_analyze.surface_evaluate import SurfaceEvaluation, leave_one_out
from vs_analyze.surface_figures import measured, surface_figures, surface_grid
from vs_analyze.surface_recommend import recommend_surface
from vs_analyze.surface_show import (
    ALONE,
    PUBLISHED_EXTRA,
    SYMBOLS,
    exponents,
    extra,
    percent,
    sentences,
    shown_levels,
    surface_document,
)
from vs_analyze.td_errors import sentences as td_sentences

TURNABLE = 40  # points of the surface that can be turned, each way


def write_surface_report(
    study: SurfaceStudy, sources: Sequence[str], folder: Path, *, pool: Executor
) -> Path:
    """Write ``index.html``, ``laws.json`` and ``figures/*.png, *.svg``; see `write_report`."""
    drawings = drawing.begin(study, surface_figures, pool)
    evaluation = leave_one_out(study)
    turnable, missing = _turnable(study)
    drawn = drawings.finish()
    context = _context(study, evaluation, sources, drawn, turnable, missing)
    return write_page(folder, context, surface_document(study, sources), drawn)


def _turnable(study: SurfaceStudy) -> tuple[list[str], list[str]]:
    """Surfaces that can be turned, or the sentence that says what to install."""
    fragments: list[str] = []
    for number, task in enumerate(study.tasks):
        top = list(task.fits)[-1]
        try:
            fragments.append(
                plots.surface_html(
                    surface_grid(task, top, TURNABLE), div_id=f"surface-{number}",
                    measured=measured(task, top), title=f"{task.env}, level {top:g}",
                    include_js=number == 0,
                )
            )  # fmt: skip
        except ImportError:
            return [], [
                "Surfaces that can be turned need plotly, which is not installed: "
                'pip install "vs-plots[html]", then write this report again.'
            ]
    return fragments, []


def _context(
    study: SurfaceStudy,
    evaluation: SurfaceEvaluation,
    sources: Sequence[str],
    drawn: Sequence[Drawn],
    turnable: list[str],
    missing: list[str],
) -> dict[str, Any]:
    figure = {
        item.name: {"svg": inline(item.name, item.svg), "caption": item.caption} for item in drawn
    }

    def section(
        title: str, text: str, *prefixes: str, tables: Sequence[dict[str, Any]] = (), **more: Any
    ) -> dict[str, Any]:
        shown = [entry for name, entry in figure.items() if name.startswith(prefixes)]
        return {
            "title": title, "text": text, "figures": shown if prefixes else [], "tables": tables,
            "fits": [], **more,
        }  # fmt: skip

    tasks = study.tasks
    runs = sum(len(task.cells) for task in tasks)
    sections = [
        section(
            "What to run",
            "The budget-optimal setting for the lowest, middle and highest level: the σ and N that "
            "minimise C + δ·D. Intervals are 95 % over seeds.",
            tables=[_recommendations(study)],
            said=[f"{task.env}: {task.laws.growth}" for task in tasks if task.laws.growth],
        ),
        section(
            "Data over σ and N",
            "D_J(σ, N) = d_min + A·σ^(−α) + C·N^(−β), fitted per task and level to env steps until the "
            "isotonic fit of the mean over seeds reaches J. A run that never does is censored."
            if study.settings.form == "additive"
            else f"D_J(σ, N) in the {study.settings.form} form, fitted per task and level.",
            "contours", "data_along",
            tables=[_data_table(study), _steps_table(study)],
            html=turnable, said=missing,
            fits=[{"title": f"Fit of D_J(σ, N) at level {level:g}, {task.env}",
                   "text": str(task.fits[level])}
                  for task in tasks for level in shown_levels(task)],
        ),
        section(
            "Batch size",
            "B*(σ, N) = a/(σ^α·(1 + (b/N)^c)), or a power law where no asymptote is supported.",
            "batch_size_along",
            fits=[{"title": f"Fit of B*(σ, N), {task.env}, from {task.batch.source}",
                   "text": str(task.batch.fit or task.batch.law.law)} for task in tasks],
        ),
        section(
            "Compute and budget",
            "C_J = 10·N·B·σ·D_J, and over levels J the σ and N that minimise F = C + δ·D. The largest "
            "budgets are held out of the fits.",
            "compute_along", "budget_", "partition",
            tables=[_budget_table(study)],
        ),
        section(
            "One axis alone",
            "What scaling σ alone (N fixed at the middle of the runs) or N alone (σ fixed) needs more "
            "than scaling both. Data: with no more FLOPs than both need; FLOPs: with no more data; "
            "budget: each at its own best. Medians over levels.",
            "strategies",
            tables=[_alone_table(study)],
            said=[f"{t.env}: {sentence}" for t in tasks for sentence in list(sentences(t))[1:]],
        ),
        section(
            "Leave one out",
            "Every fitted (σ, N) predicted from the other ones of its task, by every form. Pairs that "
            "some form cannot predict are left out for all.",
            tables=[score_table(evaluation)],
        ),
    ]  # fmt: skip
    if study.td_errors:
        sections.append(
            section(
                "TD-overfitting",
                "Training error and error on held-out transitions at the end of training.",
                "td_",
                said=[sentence for found in study.td_errors for sentence in td_sentences(found)],
            )
        )
    return {
        "title": f"Scaling laws over utd and model size: {tasks[0].laws.algo} on "
        + ", ".join(task.env for task in tasks),
        "subtitle": f"{runs} configurations from {', '.join(sources)}; "
        f"{study.settings.bootstraps} bootstraps over seeds; returns normalised to 1000.",
        "verdicts": _verdicts(study),
        "notes": study.notes,
        "sections": sections,
        "checklist": _checklist(study, evaluation, sources),
    }


def _verdicts(study: SurfaceStudy) -> list[dict[str, str]]:
    rows = []
    for task in study.tasks:
        batch = task.laws.batch_size
        rows.append((f"B*(σ, N), {task.env}", batch.verdict, batch.reason))
        for level in shown_levels(task):
            fit = task.fits[level]
            rows.append((f"D_J(σ, N) at {level:g}, {task.env}", str(fit.verdict), fit.reason))
        if task.budget is not None:
            for name, symbol in SYMBOLS.items():
                law = task.budget.fits[name]
                rows.append((f"{symbol}(F), {task.env}", str(law.verdict), law.reason))
    return [{"law": law, "verdict": verdict, "reason": reason} for law, verdict, reason in rows]


def _recommendations(study: SurfaceStudy) -> dict[str, Any]:
    rows = []
    for task in study.tasks:
        for level in shown_levels(task):
            r = recommend_surface(task.laws, Question(level=level))
            rows.append(
                [r.env, f"{level:g}", interval(r.utd), interval(r.critic_params),
                 r.shape, r.batch_size_rounded, interval(r.data),
                 interval(r.compute), "; ".join(r.warnings) or "none"]
            )  # fmt: skip
    return {
        "caption": "σ and N have the intervals of the optimum; the rest is what the laws expect there.",
        "header": ["task", "level", "σ", "N", "width", "run B =", "data (env steps)",
                   "compute (FLOPs)", "warnings"],
        "rows": rows,
    }  # fmt: skip


def _steps_table(study: SurfaceStudy) -> dict[str, Any]:
    rows = []
    for task in study.tasks:
        index = task.levels.index(list(task.fits)[-1])
        for cell in task.chosen:
            data, last = cell.data[index], cell.last_step[index]
            rows.append(
                [task.env, f"{cell.utd:g}", f"{cell.run.critic_params:,}", cell.run.shape,
                 cell.run.batch_size, cell.run.returns.shape[1],
                 0 if cell.run.stopped is None else int(cell.run.stopped.sum()),
                 f"{data:,.0f}" if np.isfinite(data) else f"> {last:,.0f}", int(cell.seeds[index])]
            )  # fmt: skip
    return {
        "caption": "Env steps to the highest level ('>': censored), and how many seeds are in the mean "
        "there: those still running, and those stopped on success above the level.",
        "header": ["task", "σ", "N", "width", "B", "seeds", "stopped on success", "env steps",
                   "seeds in the mean"],
        "rows": rows,
    }  # fmt: skip


def _data_table(study: SurfaceStudy) -> dict[str, Any]:
    rows = [
        [task.env, f"{level:g}", fit.n, exponents(fit), f"{fit.r2_log:.3f}", f"{fit.loss:.3g}",
         str(fit.verdict)]
        for task in study.tasks for level, fit in task.fits.items()
    ]  # fmt: skip
    return {
        "caption": "Data laws by level.",
        "header": ["task", "level", "points", "exponents", "R² (log)",
                   f"loss ({study.settings.loss})", "verdict"],
        "rows": rows,
    }  # fmt: skip


def _budget_table(study: SurfaceStudy) -> dict[str, Any]:
    rows = []
    for task in study.tasks:
        if task.budget is None:
            continue
        laws = {f"{symbol}(F)": (name, task.budget.fits[name]) for name, symbol in SYMBOLS.items()}
        laws["σ*(N*)"] = ("sigma_of_params", task.budget.sigma_of_params)
        for label, (name, fit) in laws.items():
            check = task.budget.checks.get(name)
            rows.append(
                [task.env, label, interval(fit.parameters["exponent"]), str(fit.verdict),
                 "none held out" if check is None
                 else ", ".join(f"{error:+.1%}" for error in check.relative_error)]
            )  # fmt: skip
    return {
        "caption": "Exponents along the budget, and the error at the held-out budgets.",
        "header": ["task", "law", "exponent", "verdict", "held-out error"],
        "rows": rows,
    }


def _alone_table(study: SurfaceStudy) -> dict[str, Any]:
    rows: list[list[Any]] = [
        [task.env, ALONE[axis], f"{one.fixed:,.6g}",
         *(percent(extra(one, f"{name}_ratio")) for name in ("data", "compute", "budget")),
         f"{int(one.edge.sum())} of {one.edge.size}", f"{PUBLISHED_EXTRA[axis]:.0%} more data"]
        for task in study.tasks for axis, one in task.alone.items()
    ]  # fmt: skip
    return {
        "caption": "What one axis alone needs more than both.",
        "header": ["task", "scaled", "other axis at", "data", "FLOPs", "budget", "optima at an edge",
                   "paper 2"],
        "rows": rows,
    }  # fmt: skip


def score_table(evaluation: SurfaceEvaluation) -> dict[str, Any]:
    """All rivals."""
    return {
        "caption": f"{evaluation.check}: {len(evaluation.checks)} (run, level) pairs; "
        f"{evaluation.censored} more are censored and left out.",
        "header": ["levels", "form", "n", "median |error|", "90 % |error|", "rms log error"],
        "rows": [
            [s.levels, s.predictor, s.n, f"{s.median:.3f}", f"{s.p90:.3f}", f"{s.rms_log:.3f}"]
            for s in evaluation.scores()
        ],
    }


def _checklist(
    study: SurfaceStudy, evaluation: SurfaceEvaluation, sources: Sequence[str]
) -> list[tuple[str, str]]:
    settings, tasks = study.settings, study.tasks
    seeds = [cell.run.returns.shape[1] for task in tasks for cell in task.cells]
    facts = jsonable(vars(settings))
    return [
        ("Form", f"{settings.form} law of D_J over σ and N per task and level; "
         "C_J = 10·N·B·σ·D_J, with B from "
         + "; ".join(sorted({task.batch.source for task in tasks}))
         + "; σ*, N*, D*, C* power laws of F = C + δ·D"),
        ("Data", f"{', '.join(sources)}: {len(seeds)} configurations, {min(seeds)}–{max(seeds)} "
         "distinct seeds each; censored points are left out of their level"),
        ("Levels", "; ".join(f"{task.env}: {len(task.levels)} from {task.levels[0]:g} to "
                             f"{task.levels[-1]:g}" for task in tasks)
         + " (normalised return, 1000 = optimal)"),
        ("Tasks", "; ".join(f"{t.env}: optimal return {t.laws.optimal_return:g}, "
                            f"δ = {t.laws.delta:.3g} FLOPs per env step" for t in tasks)),
        ("Optimiser", "variable projection over the two exponents in [0.01, 10] (global), the other "
         "parameters not negative"),
        ("Loss", f"{settings.loss} loss of the data law, per task"),
        ("Hold-out", f"{evaluation.check}; budget laws: the {settings.hold_out_budgets} largest "
         "budgets"),
        ("Uncertainty", f"{settings.bootstraps} bootstraps over seeds drive crossings, laws, C_J and "
         "the optima; 95 % percentile intervals. A bootstrap in which a point is censored lacks it. "
         "Where the runs have one batch size per (σ, N), its law is taken as known"),
        ("Not covered", "simulator or algorithm changes; depth; levels above the highest listed; σ "
         "and N outside the ranges that were run (flagged as extrapolation)"),
        ("Settings", ", ".join(f"{key} = {value}" for key, value in facts.items())),
        ("Versions", ", ".join(f"{key} {value}" for key, value in versions().items())),
    ]  # fmt: skip
