"""Budget-optimal σ*, D*, C* as power laws of the budget F (arXiv:2502.04327, problem 3.2).

For every level J the σ of least ``C_J + δ·D_J`` gives a pair (F*_J, σ*_J). Over J these follow
power laws, fitted with the largest budgets held out so that the extrapolation can be checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws._path import path_law
from vs_laws.allocate import Allocation, least_budget
from vs_laws.compute import ComputeLaw
from vs_laws.forms import Floats, PowerLaw
from vs_laws.result import Fit, Prediction
from vs_laws.surface_allocate import SurfaceAllocation

QUANTITIES = ("sigma", "data", "compute")


@dataclass(frozen=True)
class HeldOut:
    """One quantity at the held-out budgets.

    Attributes:
        predicted: what the law fitted on the smaller budgets says, with its 95 % interval.
        actual: the optimum computed directly for those levels.
        relative_error: predicted / actual − 1.
    """

    predicted: Prediction
    actual: Floats
    relative_error: Floats


@dataclass(frozen=True)
class BudgetLaws:
    """σ*(F), D*(F) and C*(F).

    Attributes:
        levels: (m,) performance levels J, ascending.
        optimum: allocation of every level, arrays (m,); its ``samples`` have (K, m).
        held_out: (m,) the levels left out of the fits, those of the largest F.
        sigma: fit of σ*(F).
        data: fit of D*(F).
        compute: fit of C*(F).
        checks: by quantity (``sigma``, ``data``, ``compute``), the held-out budgets; empty without.
    """

    levels: Floats
    optimum: Allocation
    held_out: NDArray[np.bool_]
    sigma: Fit
    data: Fit
    compute: Fit
    checks: Mapping[str, HeldOut]


def fit_budget_laws(
    levels: ArrayLike,
    law: ComputeLaw,
    delta: float,
    *,
    hold_out: int = 2,
    samples: ComputeLaw | None = None,
    sigma_range: tuple[float, float] | None = None,
    grid: ArrayLike | None = None,
) -> BudgetLaws:
    """Budget-optimal allocation of every level, and its power laws in the budget.

    Args:
        levels: (m,) performance levels J.
        law: C_J of all levels: the data law's fields have shape (m,).
        delta: price of an env step in FLOPs.
        hold_out: number of largest budgets left out of the fits.
        samples: the same law for every bootstrap: data-law fields (K, m), others (K, 1). In each
            bootstrap both F* and σ* move, and the fit is repeated on its own pairs.
        sigma_range: range of σ the laws were fitted on; a law through optima outside it is not
            called supported.
        grid: see `least_budget`.

    Raises:
        ValueError: if shapes do not match, fewer than two levels remain, or see `least_budget`.
    """
    goal = np.asarray(levels, float)
    if goal.ndim != 1 or not np.all(np.diff(goal) > 0):
        raise ValueError(f"levels must be 1-D and strictly ascending, got {goal.tolist()}")
    if hold_out < 0 or goal.size - hold_out < 2:
        raise ValueError(
            f"{goal.size} levels with {hold_out} held out leave fewer than two for a law; "
            "hold out fewer or add levels"
        )
    optimum = least_budget(law, delta, sigma_range=sigma_range, grid=grid)
    if optimum.sigma.shape != goal.shape:
        raise ValueError(
            f"the law describes {optimum.sigma.shape} levels, expected ({goal.size},): one data "
            "law per level"
        )
    if samples is not None:
        drawn = least_budget(samples, delta, sigma_range=sigma_range, grid=grid)
        if drawn.sigma.ndim != 2 or drawn.sigma.shape[1] != goal.size:
            raise ValueError(
                f"samples describe {drawn.sigma.shape}, expected (bootstraps, {goal.size})"
            )
        optimum = optimum.with_samples(drawn)
    if np.isnan(optimum.budget).any():
        at = int(np.isnan(optimum.budget).argmax())
        raise ValueError(
            f"level {goal[at]:g} has no finite budget-optimal sigma: its C + delta*D has no minimum"
        )
    held = np.zeros(goal.size, bool)
    held[np.argsort(optimum.budget, kind="stable")[goal.size - hold_out :]] = True
    fits = {name: _fit(name, optimum, ~held) for name in QUANTITIES}
    checks = {}
    if hold_out:
        for name, fit in fits.items():
            actual = getattr(optimum, name)[held]
            predicted = fit.predict(optimum.budget[held])
            checks[name] = HeldOut(predicted, actual, predicted.value / actual - 1.0)
    return BudgetLaws(goal, optimum, held, fits["sigma"], fits["data"], fits["compute"], checks)


def _fit(name: str, optimum: Allocation, used: NDArray[np.bool_]) -> Fit[PowerLaw]:
    """Power law of one quantity in F over the levels in use."""
    drawn = None
    if optimum.samples is not None:
        drawn = optimum.samples.budget[:, used], getattr(optimum.samples, name)[:, used]
    return path_law(
        f"{name} = coefficient * F^exponent",
        optimum.budget[used],
        getattr(optimum, name)[used],
        drawn,
        outside=int(optimum.extrapolated[used].sum()),
        where="outside the range of sigma that was run",
    )


@dataclass(frozen=True)
class BestLevel:
    """The best level that budgets pay for, arrays of the shape of the budgets.

    Attributes:
        level: J; NaN below the cheapest level, the highest level when the budget exceeds it.
        sigma: updates per env step to use.
        data: env steps that will be spent.
        compute: FLOPs that will be spent.
        out_of_range: True where the budget is outside the budgets of the levels.
        critic_params: N to use; NaN where the allocation has no such axis.
    """

    level: Floats
    sigma: Floats
    data: Floats
    compute: Floats
    out_of_range: NDArray[np.bool_]
    critic_params: Floats


def best_level(
    levels: ArrayLike,
    optimum: Allocation | SurfaceAllocation,
    budget: ArrayLike,
    *,
    delta: float,
) -> BestLevel:
    """Problem 3.2: the best J under ``C + δ·D ≤ F₀``, the inverse of J ↦ F*_J.

    Between levels, J, log σ*, log N* and log D* are linear in log F. Reaching a level implies reaching the
    lower ones, so a level costs at most what any higher one does; levels that the fits make dearer
    than a higher one are passed over. With a budget above the dearest level, that level's own
    allocation is returned and flagged.

    Args:
        levels: (m,) ascending.
        optimum: `least_budget` or `least_surface_budget` of every level, arrays (m,), or (K, m) for
            bootstraps.
        budget: F₀ in FLOPs: scalar or (n,).
        delta: price of an env step, as used for ``optimum``.

    Returns:
        Arrays of shape ``budget.shape``, or ``(K, *budget.shape)``.

    Raises:
        ValueError: if budgets are not positive, or levels do not match the allocation.
    """
    goal, wanted = np.asarray(levels, float), np.asarray(budget, float)
    if goal.ndim != 1 or goal.size == 0 or not np.all(np.diff(goal) > 0):
        raise ValueError("levels must be 1-D, not empty and strictly ascending")
    if optimum.budget.ndim not in (1, 2) or optimum.budget.shape[-1] != goal.size:
        raise ValueError(
            f"the allocation has shape {optimum.budget.shape}, expected ({goal.size},) or "
            f"(bootstraps, {goal.size}): one optimum per level"
        )
    if not np.all(np.isfinite(wanted) & (wanted > 0)):
        raise ValueError("budget must be positive and finite (FLOPs)")
    single = optimum.budget.ndim == 1
    params = np.full_like(optimum.sigma, np.nan)
    if isinstance(optimum, SurfaceAllocation):
        params = optimum.critic_params
    costs: Floats = np.atleast_2d(optimum.budget)
    followed: Floats = np.stack(
        [np.atleast_2d(v) for v in (optimum.sigma, optimum.data, params)], axis=1
    )
    parts = [_invert(goal, costs[k], followed[k], np.ravel(wanted)) for k in range(len(costs))]
    level, values, spent, outside = (np.stack(part) for part in zip(*parts, strict=True))
    shape = wanted.shape if single else (len(level), *wanted.shape)
    sigma, data, params = (values[:, i].reshape(shape) for i in range(3))
    return BestLevel(
        level=level.reshape(shape),
        sigma=sigma,
        data=data,
        compute=spent.reshape(shape) - delta * data,
        out_of_range=outside.reshape(shape),
        critic_params=params,
    )


def _invert(
    goal: Floats, cost: Floats, followed: Floats, wanted: Floats
) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """One row of `best_level`: level, what follows F, the budget spent, whether it is out of range."""
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
