"""The best performance level that a budget pays for: problem 3.2 of arXiv:2502.04327, on any axes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws.allocate import Allocation
from vs_laws.law import Floats


@dataclass(frozen=True)
class BestLevel:
    """The best level that budgets pay for, arrays of the shape of the budgets.

    Attributes:
        level: J; NaN below the cheapest level, the highest level when the budget exceeds it.
        places: the place to run, by axis.
        data: env steps that will be spent.
        compute: FLOPs that will be spent.
        out_of_range: True where the budget is outside the budgets of the levels.
    """

    level: Floats
    places: Mapping[str, Floats]
    data: Floats
    compute: Floats
    out_of_range: NDArray[np.bool_]


def best_level(
    levels: ArrayLike, optimum: Allocation, budget: ArrayLike, *, delta: float
) -> BestLevel:
    """Return the best J under ``C + δ·D ≤ F₀``: the inverse of J ↦ F*_J.

    Between levels, J and the logarithms of places and D* are linear in log F. Reaching a level implies
    reaching the lower ones, so a level costs at most what any higher one does; levels that the fits
    make dearer than a higher one are passed over. With a budget above the dearest level, that level's
    own allocation is returned and flagged.

    Args:
        levels: (m,) ascending.
        optimum: the budget optimum of every level, arrays (m,), or (S, m) for bootstraps.
        budget: F₀ in FLOPs: scalar or (n,).
        delta: price of an env step, as used for ``optimum``.

    Returns:
        Arrays of shape ``budget.shape``, or ``(S, *budget.shape)``.

    Raises:
        ValueError: if budgets are not positive, or levels do not match the allocation.
    """
    goal, wanted = ascending(levels), np.asarray(budget, float)
    if optimum.budget.ndim not in (1, 2) or optimum.budget.shape[-1] != goal.size:
        raise ValueError(
            f"the allocation has shape {optimum.budget.shape}, expected ({goal.size},) or "
            f"(bootstraps, {goal.size}): one optimum per level"
        )
    if not np.all(np.isfinite(wanted) & (wanted > 0)):
        raise ValueError("budget must be positive and finite (FLOPs)")
    costs = np.atleast_2d(optimum.budget)
    followed = np.stack([np.atleast_2d(optimum[v]) for v in (*optimum.axes, "data")], axis=1)
    parts = [_invert(goal, costs[s], followed[s], np.ravel(wanted)) for s in range(len(costs))]
    shape = wanted.shape if optimum.budget.ndim == 1 else (len(costs), *wanted.shape)
    level, values, spent, outside = (np.stack(part) for part in zip(*parts, strict=True))
    *places, data = (values[:, i].reshape(shape) for i in range(values.shape[1]))
    return BestLevel(
        level=level.reshape(shape),
        places=dict(zip(optimum.axes, places, strict=True)),
        data=data,
        compute=spent.reshape(shape) - delta * data,
        out_of_range=outside.reshape(shape),
    )


def ascending(levels: ArrayLike) -> Floats:
    """Return levels as a 1-D array.

    Raises:
        ValueError: if they are not 1-D, not empty and strictly ascending.
    """
    goal = np.asarray(levels, float)
    if goal.ndim != 1 or goal.size == 0 or not np.all(np.diff(goal) > 0):
        raise ValueError(
            f"levels must be 1-D, not empty and strictly ascending, got {goal.tolist()}"
        )
    return goal


def _invert(
    goal: Floats, cost: Floats, followed: Floats, wanted: Floats
) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """Return one row of `best_level`: level, what follows F, budget spent, whether out of range."""
    known = np.isfinite(cost)
    # keep the levels that are cheaper than every higher one
    cheapest_above = np.minimum.accumulate(np.where(known, cost, np.inf)[::-1])[::-1]
    later = np.append(cheapest_above[1:], np.inf)
    keep = known & (cost < later)
    if not keep.any():
        lost = np.full(wanted.shape, np.nan)
        return lost, np.tile(lost, (len(followed), 1)), lost, np.ones(wanted.shape, bool)
    at, price = np.log(wanted), np.log(cost[keep])
    outside = (at < price[0]) | (at > price[-1])

    def between(values: Floats) -> Floats:
        return np.interp(at, price, values[keep], left=np.nan)

    values = np.stack([np.exp(between(np.log(row))) for row in followed])
    spent = np.where(at < price[0], np.nan, np.exp(np.minimum(at, price[-1])))
    return between(goal), values, spent, outside
