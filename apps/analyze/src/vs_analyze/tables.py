"""The rows that a page, a terminal and JSON show: every number is written once, by one formatter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import vs_laws as laws

from vs_analyze.checks import Evaluation
from vs_analyze.findings import Findings
from vs_analyze.study import ONE, Study, TaskStudy

SYMBOLS = {"sigma": "σ*", "critic_params": "N*", "data": "D*", "compute": "C*"}
PUBLISHED_EXTRA = {"sigma": 0.11, "critic_params": 0.26}
"""Extra data that σ alone and N alone need within the budget of both (arXiv:2508.14881, budget optima)."""
ALONE = {"sigma": "utd alone", "critic_params": "model size alone"}
_PLACES = {"sigma": "σ", "critic_params": "N"}


@dataclass(frozen=True)
class Table:
    """Rows of text under a header."""

    name: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {"caption": self.caption, "header": self.header, "rows": self.rows}


def table(
    name: str, caption: str, header: Sequence[str], rows: Sequence[Sequence[object]]
) -> Table:
    """Return a table with its cells as text."""
    return Table(name, caption, tuple(header), tuple(tuple(str(c) for c in row) for row in rows))


def number(value: float) -> str:
    """Return a number to three digits; a dash where it is not known."""
    return "–" if np.isnan(value) else f"{value:.3g}"


def interval(estimate: laws.Estimate) -> str:
    """Return ``value [low, high]`` to three digits; the value alone where its interval is not known."""
    if np.isnan(estimate.low) and np.isnan(estimate.high):
        return number(estimate.value)
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def exponents(fit: laws.Fit | None) -> str:
    """Return the exponents and slopes of a fit with intervals."""
    if fit is None:
        return ""
    wanted = ("exponent", "slope", "power", "rise")
    found = {k: e for k, e in fit.parameters.items() if k.endswith(wanted)}
    if len(found) == 1:
        return interval(next(iter(found.values())))
    return ", ".join(f"{name} {interval(estimate)}" for name, estimate in found.items())


def arguments(study: Study) -> str:
    """Return the axes as arguments of a law: ``σ`` or ``σ, N``."""
    return ", ".join(_PLACES[axis] for axis in study.axes)


def verdicts(study: Study) -> Table:
    """Return every law with its verdict and the sentence behind it."""
    at, rows = arguments(study), []
    if study.axes == ONE:
        names = {"batch_size": f"B*({at})", "learning_rate": f"η*({at})"}
        rows += [(names[name], fit) for name, fit in study.shared.items()]
        rows += [
            (f"D_J({at}) at {entry.level:g}, {', '.join(entry.envs)}", entry.fit)
            for entry in study.data_fits
        ]
    for task in study.tasks:
        if study.axes != ONE:
            rows.append((f"B*({at}), {task.env}", task.batch_size.fit))
            rows += [(f"D_J({at}) at {level:g}, {task.env}", task.laws.level(level))
                     for level in task.shown_levels()]  # fmt: skip
        if task.budget is not None:
            shown = ("sigma",) if study.axes == ONE else SYMBOLS
            rows += [(f"{SYMBOLS[name]}(F), {task.env}", task.budget.fits[name]) for name in shown]
    return table(
        "verdicts", "Verdicts, and why.", ("law", "verdict", "exponent [95 %]", "why"),
        [(law, _word(fit), exponents(fit), fit.reason) for law, fit in rows],
    )  # fmt: skip


def _word(fit: laws.Fit) -> str:
    return "constant" if fit.form == "constant" else str(fit.verdict)


def recommendations(findings: Findings) -> Table:
    """Return the budget-optimal setting at three levels of each task."""
    one = findings.study.axes == ONE
    rows = [
        (r.env, f"{r.level.value:g}", interval(r.utd),
         *(() if one else (interval(r.critic_params), r.shape)), r.batch_size_rounded,
         interval(r.batch_size),
         ", ".join(f"{rate:g}" for rate in r.learning_rates) if r.learning_rate is None
         else interval(r.learning_rate),
         interval(r.data), interval(r.compute), "; ".join(r.warnings) or "none")
        for r in findings.decisions
    ]  # fmt: skip
    size = () if one else ("N", "width")
    return table(
        "recommendations",
        f"{'σ has' if one else 'σ and N have'} the interval of the optimum; the rest is what the laws "
        "expect there.",
        ("task", "level", "σ", *size, "run B =", "B*", "η", "data (env steps)", "compute (FLOPs)",
         "warnings"),
        rows,
    )  # fmt: skip


def steps(study: Study) -> Table:
    """Return the env steps to each level of the runs behind the data laws: over two axes to the top."""
    rows, one = [], study.axes == ONE
    for task in study.tasks:
        top = task.levels.index(list(task.laws.levels)[-1]) if task.laws.levels else -1
        for cell in task.chosen:
            pairs = list(zip(cell.data, cell.last_step, cell.seeds, strict=True))
            kept = pairs if one else pairs[top : top + 1] or pairs[-1:]
            stopped = 0 if cell.run.stopped is None else int(cell.run.stopped.sum())
            size = () if one else (f"{cell.params:,.0f}", cell.run.shape)
            rows.append(
                (task.env, f"{cell.utd:g}", *size, cell.run.batch_size,
                 f"{cell.run.learning_rate:g}", cell.run.returns.shape[1],
                 stopped, int(cell.run.failed.sum()),
                 *(f"{d:,.0f}" if np.isfinite(d) else f"> {last:,.0f}" for d, last, _ in kept),
                 kept[-1][2])
            )  # fmt: skip
    levels = [f"{level:g}" for level in study.settings.levels] if one else ["env steps"]
    return table(
        "steps",
        ("Env steps to each level" if one else "Env steps to the highest level")
        + " of the runs behind the data laws ('>': censored), and how many seeds are in the mean at the "
        "last of them: those still running, and those stopped on success above the level. Seeds that "
        "ended early otherwise do not reach what they had not reached.",
        ("task", "σ", *(() if one else ("N", "width")), "B", "η", "seeds", "stopped on success",
         "ended early",
         *levels, "seeds in the mean"),
        rows,
    )  # fmt: skip


def hyperparameters(study: Study) -> Table:
    """Return the best values found at each place, and the laws there."""
    rows = []
    for task in study.tasks:
        batch, rate = task.batch_size, task.learning_rate
        for i, place in enumerate(batch.places.tolist()):
            here: dict[str, Any] = dict(zip(study.axes, place, strict=True))
            row = [task.env, *(f"{v:,.6g}" for v in place), interval(batch.estimates[i]),
                   number(float(batch.fit.law(**here)))]  # fmt: skip
            notes = [batch.notes[i]]
            if rate is not None:
                row += [interval(rate.estimates[i]), number(float(rate.fit.law(**here)))]
                notes.append(rate.notes[i])
            rows.append([*row, "; ".join(note for note in notes if note)])
    at = arguments(study)
    rates = ("η̃", f"η*({at})") if study.axes == ONE else ()
    return table(
        "hyperparameters", "Best values found at each place, and the laws there.",
        ("task", *(_PLACES[axis] for axis in study.axes), "B̃", f"B*({at})", *rates, "notes"), rows,
    )  # fmt: skip


def data_laws(study: Study) -> Table:
    """Return the data laws by level and task."""
    rows = []
    for task in study.tasks:
        for level, fit in task.laws.levels.items():
            floor = fit.parameters.get("d_min")
            rows.append(
                (task.env, f"{level:g}", fit.n, "" if floor is None else interval(floor),
                 exponents(fit), f"{fit.r2_log:.3f}", number(fit.loss), _word(fit))
            )  # fmt: skip
    return table(
        "data_laws", "Data laws by level.",
        ("task", "level", "points", "D_min (env steps)", "exponents", "R² (log)",
         f"loss ({study.settings.loss})", "verdict"),
        rows,
    )  # fmt: skip


def budget(study: Study) -> Table:
    """Return the exponents along the budget, and the error at the held-out budgets."""
    rows = []
    for task in study.tasks:
        if task.budget is None:
            continue
        named = {f"{SYMBOLS[name]}(F)": (name, fit) for name, fit in task.budget.fits.items()}
        named |= {name: (name, fit) for name, fit in task.budget.between.items()}
        for label, (name, fit) in named.items():
            check = task.budget.checks.get(name)
            errors = (
                "none held out"
                if check is None
                else ", ".join(f"{error:+.1%}" for error in check.relative_error)
            )
            rows.append((task.env, label, exponents(fit), _word(fit), errors))
    return table(
        "budget", "Exponents along the budget, and the error at the held-out budgets.",
        ("task", "law", "exponent", "verdict", "held-out error"), rows,
    )  # fmt: skip


def alone(study: Study) -> Table:
    """Return what one axis alone needs more than both."""
    rows = [
        (task.env, ALONE[axis], ", ".join(f"{v:,.6g}" for v in one.hold.values()),
         *(percent(extra(one, f"{name}_ratio")) for name in ("data", "compute", "budget")),
         f"{int((one.optimum.edges != '').sum())} of {one.optimum.edges.size}",
         f"{PUBLISHED_EXTRA[axis]:.0%} more data")
        for task in study.tasks for axis, one in task.alone.items()
    ]  # fmt: skip
    return table(
        "alone", "What one axis alone needs more than both; medians over levels.",
        ("task", "scaled", "other axis at", "data", "FLOPs", "budget", "optima at an edge", "paper 2"),
        rows,
    )  # fmt: skip


def scores(evaluation: Evaluation) -> Table:
    """Return the accuracy of every predictor."""
    rows = []
    for s in evaluation.scores():
        cover = [""] * 2 if s.intervals is None else [
            " / ".join(f"{100 * share:.0f}" for share in s.intervals.coverage.values()),
            f"×{np.exp(s.intervals.log_width / 2):.2f}",
        ]  # fmt: skip
        rows.append(
            (s.quantity, s.levels, s.predictor, s.n, f"{s.median:.1%}", f"{s.p90:.1%}",
             f"{s.rms_log:.3f}", number(s.noise), *cover, number(s.skill),
             "" if s.ranked is None else f"{s.ranked:.0%}",
             "" if s.regret is None else f"{s.regret:.0%}")
        )  # fmt: skip
    left = (
        f" {len(evaluation.checks)} (run, level) pairs; {evaluation.censored} more censored and left out."
        if evaluation.paired
        else ""
    )
    return table(
        "scores", f"Held out: {evaluation.hold_out}.{left}",
        ("quantity", "levels", "predictor", "n", "median |error|", "90 % |error|", "rms log error",
         "of which seeds", "inside 50 / 80 / 90 / 95 %", "90 % factor", "skill over nearest",
         "pairs ranked", "regret"),
        rows,
    )  # fmt: skip


def checks(evaluation: Evaluation) -> Table:
    """Return every held-out number beside its predictions."""
    names = list(dict.fromkeys(name for c in evaluation.checks for name in c.predicted))
    rows = [
        (c.env, c.quantity, c.at, f"{c.level:g}", interval(c.measured),
         *(interval(c.predicted[name]) if name in c.predicted else "" for name in names))
        for c in evaluation.checks
    ]  # fmt: skip
    return table(
        "checks", f"Each check; held out: {evaluation.hold_out}.",
        ("task", "quantity", "at", "level", "measured", *names), rows,
    )  # fmt: skip


def sentences(task: TaskStudy) -> Iterator[str]:
    """Yield what the laws along the budget say, in words and numbers."""
    if task.laws.growth:
        yield task.laws.growth
    for axis, one in task.alone.items():
        held = ", ".join(
            f"N = {value:,.0f}" if name == "critic_params" else f"utd {value:g}"
            for name, value in one.hold.items()
        )
        yield (
            f"{ALONE[axis]} ({held}), median over levels: data {percent(extra(one, 'data_ratio'))} "
            f"within the same FLOPs (the paper: {PUBLISHED_EXTRA[axis]:.0%} more), FLOPs "
            f"{percent(extra(one, 'compute_ratio'))} within the same data, budget "
            f"{percent(extra(one, 'budget_ratio'))} at its own best"
        )


def extra(one: laws.OneAxis, name: str) -> float:
    """Return the median over levels of what an axis alone needs more."""
    return laws.median_ratio(getattr(one, name)) - 1


def percent(value: float) -> str:
    """Return ``11.0% more``; ``out of reach`` where most levels are."""
    if np.isnan(value):
        return "not known"
    return "out of reach" if np.isinf(value) else f"{value:.1%} more"
