"""Along the budget F: the optimum of every level, and its power laws in F, over any axes.

For every level J the place of least ``C_J + δ·D_J`` gives F*_J with its σ*, N*, D* and C*
(arXiv:2502.04327, problem 3.2; arXiv:2508.14881, budget-optimal σ* and N*). Over J these follow power
laws in F, fitted with the largest budgets held out so that the extrapolation can be checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws import verdict as rules
from vs_laws._regress import regress
from vs_laws.allocate import Allocation, Range, allocate
from vs_laws.best_level import ascending
from vs_laws.cost import Cost
from vs_laws.forms import PowerLaw
from vs_laws.law import Floats, json_numbers
from vs_laws.power_law import fit_power_law
from vs_laws.result import Estimate, Fit
from vs_laws.verdict import Judgement, Verdict

LABELS = {"sigma": "the UTD ratio", "critic_params": "the critic's parameters"}
"""Names of axes in sentences; other axes go by their own."""


@dataclass(frozen=True)
class HeldOut:
    """One quantity at the held-out budgets.

    Attributes:
        predicted: by the law fitted on the smaller budgets, with its 95 % interval.
        actual: the optimum computed directly for those levels.
        relative_error: predicted / actual − 1.
    """

    predicted: Estimate
    actual: Floats
    relative_error: Floats


@dataclass(frozen=True)
class Growth:
    """The resource to grow next.

    Attributes:
        elasticities: by quantity, d log y / d log F along the path, with its interval.
        factors: by quantity, y(10·F)/y(F).
        compute_share: C/F at the largest budget.
        sentence: the same in words.
    """

    elasticities: Mapping[str, Estimate]
    factors: Mapping[str, float]
    compute_share: float
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "elasticities": {name: rate.to_dict() for name, rate in self.elasticities.items()},
            "factors": {name: json_numbers(value) for name, value in self.factors.items()},
            "compute_share": json_numbers(self.compute_share),
            "sentence": self.sentence,
        }


@dataclass(frozen=True)
class BudgetLaws:
    """The optimal path of one task.

    Attributes:
        levels: (m,) performance levels J, ascending.
        optimum: allocation of every level, arrays (m,); its ``draws`` have (S, m).
        held_out: (m,) the levels left out of the fits, those of the largest F.
        fits: by axis, ``"data"`` and ``"compute"``: the power law over ``budget``.
        between: the first axis as a power law of each other one, by ``"sigma of critic_params"``.
        checks: by the names of ``fits`` and ``between``, the held-out levels; empty without.
        growth: which resource to grow next.
    """

    levels: Floats
    optimum: Allocation
    held_out: NDArray[np.bool_]
    fits: Mapping[str, Fit]
    between: Mapping[str, Fit]
    checks: Mapping[str, HeldOut]
    growth: Growth


def fit_budget_laws(
    levels: ArrayLike,
    cost: Cost,
    delta: float,
    *,
    hold_out: int = 2,
    within: Mapping[str, Range] | None = None,
) -> BudgetLaws:
    """Return the budget optimum of every level, and its power laws in the budget.

    In each bootstrap both F* and the optimum move, and the laws are fitted to its own pairs. A law
    through optima at or beyond the edge of the data is not called *supported*.

    Args:
        levels: (m,) performance levels J.
        cost: C_J of all levels, one data law per level.
        delta: price of an env step in FLOPs.
        hold_out: number of largest budgets left out of the fits.
        within: see `vs_laws.allocate.allocate`.

    Raises:
        ValueError: if the cost is not that of the levels, fewer than two levels remain, a level has
            no optimum, an axis has the same optimum at every level, or see `allocate`.
    """
    goal = ascending(levels)
    if hold_out < 0 or goal.size - hold_out < 2:
        raise ValueError(
            f"{goal.size} levels with {hold_out} held out leave fewer than two for a law; "
            "hold out fewer or add levels"
        )
    optimum = allocate(cost, delta=delta, within=within)
    if optimum.data.shape != goal.shape:
        raise ValueError(
            f"the cost has the shape {optimum.data.shape}, expected ({goal.size},): one data law per "
            "level"
        )
    if np.isnan(optimum.budget).any():
        at = int(np.isnan(optimum.budget).argmax())
        raise ValueError(
            f"level {goal[at]:g} has no finite budget optimum: it has no law (too few runs reach it), "
            "or its C + delta*D has no minimum; leave it out"
        )
    held = np.zeros(goal.size, bool)
    held[np.argsort(optimum.budget, kind="stable")[goal.size - hold_out :]] = True
    first, *others = optimum.axes
    pairs = {name: ("budget", name) for name in (*optimum.axes, "data", "compute")}
    pairs |= {f"{first} of {axis}": (axis, first) for axis in others}
    laws = {name: _path_law(*pair, optimum, ~held) for name, pair in pairs.items()}
    checks = {}
    for name, (x, y) in pairs.items() if hold_out else ():
        predicted, actual = laws[name].predict(**{x: optimum[x][held]}), optimum[y][held]
        checks[name] = HeldOut(predicted, actual, predicted.value / actual - 1.0)
    between = {name: fit for name, fit in laws.items() if pairs[name][0] != "budget"}
    fits = {name: fit for name, fit in laws.items() if name not in between}
    return BudgetLaws(goal, optimum, held, fits, between, checks, _growth(fits, optimum))


def _path_law(x: str, y: str, optimum: Allocation, used: NDArray[np.bool_]) -> Fit:
    """Return ``y = coefficient · x^exponent`` through optima, with intervals over the bootstraps."""
    places, name = optimum[x][used], f"{x}_exponent"
    axis: dict[str, Any] = {x: places}
    if np.unique(places).size < 2:
        raise ValueError(f"the optimal {x} is the same at every level: no law of {y} in it")
    fit = fit_power_law(optimum[y][used], **axis)
    if optimum.draws is None:
        note = "the interval is that of the scatter over levels only, not of the seeds"
        fit = replace(fit, notes=(*fit.notes, note))
    else:
        with np.errstate(all="ignore"):
            log_x, log_y = (np.log(optimum.draws[v][:, used]) for v in (x, y))
            ones = np.ones(places.size)
            found = regress(log_x[..., None], log_y, ones, ones[:, None])
            top = np.exp(found.intercept)
        lost = int(np.isnan(found.slope).sum())
        note = f"{lost} of {len(log_x)} bootstraps had fewer than two optima"
        fit = replace(
            fit,
            draws=PowerLaw(top, found.slope, axes=(x,)),
            covariance=None,
            dof=0.0,
            parameters={
                "coefficient": Estimate.from_draws(fit.parameters["coefficient"].value, top),
                name: Estimate.from_draws(fit.parameters[name].value, found.slope),
            },
            notes=(*fit.notes, note) if lost else fit.notes,
        )
    judgement = _judge(fit, x, float(np.ptp(np.log10(places))))
    outside = int((optimum.edges[used] != "").sum())
    if judgement.verdict is Verdict.SUPPORTED and outside:
        reason = f"{outside} of {places.size} optima lie at or beyond the edge of the data"
        judgement = Judgement(Verdict.UNIDENTIFIED, reason)
    return replace(
        fit,
        formula=f"{y} = coefficient * {x}^{name}",
        verdict=judgement.verdict,
        reason=judgement.reason,
        judgements={x: judgement},
    )


def _judge(fit: Fit, axis: str, decades: float) -> Judgement:
    """Return the verdict, by the seeds' interval where there are bootstraps."""
    if fit.draws is None or fit.verdict in (Verdict.TOO_FEW_LEVELS, Verdict.NON_MONOTONE):
        return Judgement(fit.verdict, fit.reason)
    exponent = fit.parameters[f"{axis}_exponent"]
    if level := rules.flat(exponent.low, exponent.high, axis):
        return level
    span = (exponent.high - exponent.low) * decades
    if span > rules.MAX_DECADES:
        reason = f"the 95% interval of the exponent leaves {span:.1f} decades over these levels"
        return Judgement(Verdict.UNIDENTIFIED, reason)
    interval = f"[{exponent.low:.3g}, {exponent.high:.3g}]"
    return rules.supported(f"the 95% interval of the exponent over seeds, {interval}, excludes 0")


def _growth(fits: Mapping[str, Fit], optimum: Allocation) -> Growth:
    rates = {name: fit.parameters["budget_exponent"] for name, fit in fits.items()}
    factors = {name: float(10.0**rate.value) for name, rate in rates.items()}
    top = int(np.argmax(optimum.budget))
    order = sorted(optimum.axes, key=lambda axis: -rates[axis].value)
    sure = [axis for axis in order if rates[axis].low > 0 or rates[axis].high < 0]
    label = {axis: LABELS.get(axis, axis) for axis in order}
    parts = [
        f"{label[axis]} {factors[axis]:.2g} times"
        + ("" if axis in sure else " (not distinguishable from no change)")
        for axis in order
    ]
    parts.append(f"and data {factors['data']:.2g} times")
    if not sure:
        lead = f"these data do not show whether to grow {' or '.join(label.values())}"
    elif order[0] in sure and factors[order[0]] > 1:
        lead = f"grow {label[order[0]]}" + (" first" if len(order) > 1 else "")
    else:
        lead = f"{' and '.join(label.values())} need not grow, collect more data"
    edges = int((optimum.edges != "").sum())
    caution = (
        f"; {edges} of {optimum.edges.size} optima lie at or beyond the edge of what was run"
        if edges
        else ""
    )
    sentence = f"With ten times the budget: {lead}; {', '.join(parts)}{caution}."
    return Growth(rates, factors, float(optimum.compute[top] / optimum.budget[top]), sentence)
