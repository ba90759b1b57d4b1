"""How many updates per env step: problems 3.1 and 3.2 of arXiv:2502.04327.

C is convex in log σ and D falls, so each problem has one solution; it is in closed form where one
exists, otherwise a monotone Newton iteration. Nothing is clipped to the fitted range of σ: the laws
are followed, and a solution outside ``sigma_range`` is marked as an extrapolation, unless ``limits``
keep it in. Only where the
laws have no finite optimum (σ → 0 or ∞) is the edge of the range taken.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws._exponentials import solve
from vs_laws.compute import ComputeLaw
from vs_laws.forms import Floats
from vs_laws.result import Estimate


class Where(StrEnum):
    """What determines the solution."""

    INTERIOR = "interior"  # a stationary point of the objective
    CONSTRAINT = "constraint"  # the limit on compute or data is met with equality
    BEYOND = (
        "beyond the data range"  # stationary, but extrapolated (two axes: vs_laws.surface_allocate)
    )
    EDGE = "edge of the data range"  # the laws have no finite optimum; the range's end was taken
    UNBOUNDED = "unbounded"  # as EDGE, with no range given: σ is 0 or inf
    INFEASIBLE = "infeasible"


@dataclass(frozen=True)
class Allocation:
    """Solutions; all arrays share one shape. NaN where infeasible.

    Attributes:
        sigma: updates per env step.
        data: D(σ), env steps.
        compute: C(σ), FLOPs.
        budget: C + δ·D, FLOPs; NaN where no δ was given.
        feasible: whether the constraint can be met.
        where: `Where` words.
        extrapolated: whether σ lies outside ``sigma_range`` (False when none was given).
        samples: the same problem on every bootstrap, arrays (K, …); None without.
    """

    sigma: Floats
    data: Floats
    compute: Floats
    budget: Floats
    feasible: NDArray[np.bool_]
    where: NDArray[np.object_]
    extrapolated: NDArray[np.bool_]
    samples: "Allocation | None" = None

    def estimate(self, name: str) -> Estimate:
        """``sigma``, ``data``, ``compute`` or ``budget`` of a single problem with its interval.

        Bootstraps in which the problem is infeasible are left out; `feasible_share` tells how many.

        Raises:
            ValueError: if the name is unknown, or the allocation holds several problems.
        """
        known = ("sigma", "data", "compute", "budget")
        if name not in known:
            raise ValueError(f"unknown quantity {name!r}, expected one of {', '.join(known)}")
        if self.sigma.size != 1:
            raise ValueError(f"estimate() needs a single problem, this has {self.sigma.size}")
        value = float(getattr(self, name).item())
        return (
            Estimate.from_samples(value, getattr(self.samples, name))
            if self.samples
            else (Estimate(value))
        )

    @property
    def feasible_share(self) -> float:
        """Share of the bootstraps in which the problem has a solution (1 or 0 without any)."""
        return float((self.samples or self).feasible.mean())

    def with_samples(self, samples: "Allocation") -> "Allocation":
        """This allocation with its bootstraps: ``solve(law).with_samples(solve(sampled_law))``."""
        return replace(self, samples=samples)


def least_data(
    law: ComputeLaw,
    max_compute: ArrayLike,
    *,
    sigma_range: tuple[float, float] | None = None,
    limits: tuple[float, float] | None = None,
    delta: float | None = None,
) -> Allocation:
    """Problem 3.1(1): least D under ``C ≤ max_compute``: the largest σ the compute allows.

    Args:
        law: C_J, with D_J inside; bootstraps as (K, 1) fields against (n,) limits.
        max_compute: C₀ in FLOPs.
        sigma_range: range of σ the laws were fitted on.
        limits: range that σ must stay in; by default it may go anywhere.
        delta: FLOPs per env step, only to report the budget.

    Raises:
        ValueError: if ``max_compute`` is not positive, or the range or δ is not sensible.
    """
    limit = positive("max_compute", max_compute)
    floor, amplitude, alpha, p, unit = _terms(law)
    with np.errstate(all="ignore"):
        log_floor, log_amp = np.log(unit * floor), np.log(unit * amplitude)
        both = solve(log_floor, p, log_amp, p - alpha, np.log(limit))
        single = np.where(p > alpha, (np.log(limit) - log_amp) / (p - alpha), np.inf)
        sigma = np.exp(np.where(floor > 0, np.where(p > 0, both, np.inf), single))
    sigma = _keep_nan(sigma, floor, amplitude, alpha, p)
    words = np.full(sigma.shape, Where.CONSTRAINT, dtype=object)
    sigma, words = _to_range(sigma, words, sigma_range, limits)
    with np.errstate(all="ignore"):
        held = (words == Where.CONSTRAINT) | (law(sigma) <= limit * (1 + 1e-9))
    return _allocation(law, sigma, words, ~np.isnan(sigma) & held, sigma_range, delta)


def least_compute(
    law: ComputeLaw,
    max_data: ArrayLike,
    *,
    sigma_range: tuple[float, float] | None = None,
    limits: tuple[float, float] | None = None,
    delta: float | None = None,
) -> Allocation:
    """Problem 3.1(2): least C under ``D ≤ max_data``.

    ``σ = (A/(D₀ − D_min))^(1/α)`` where C rises there; where the minimum of C lies at
    a larger σ, that minimum, which needs less data *and* less compute (the paper assumes that C
    rises everywhere; on Gym it does not).

    Args:
        law: C_J, with D_J inside; bootstraps as (K, 1) fields against (n,) limits.
        max_data: D₀ in env steps.
        sigma_range: range of σ the laws were fitted on.
        limits: range that σ must stay in; by default it may go anywhere.
        delta: FLOPs per env step, only to report the budget.

    Raises:
        ValueError: if ``max_data`` is not positive, or the range or δ is not sensible.
    """
    limit = positive("max_data", max_data)
    floor, amplitude, alpha, p, _ = _terms(law)
    with np.errstate(all="ignore"):
        needed = (amplitude / (limit - floor)) ** (1.0 / alpha)
    needed = np.where(limit > floor, needed, np.nan)
    needed = _keep_nan(needed, floor, amplitude, alpha, p)
    cheapest = law.minimiser()
    sigma = np.maximum(needed, cheapest)
    words = np.where(cheapest >= needed, Where.INTERIOR, Where.CONSTRAINT).astype(object)
    sigma, words = _to_range(sigma, words, sigma_range, limits)
    with np.errstate(all="ignore"):
        held = (words != Where.EDGE) | (law.data(sigma) <= limit * (1 + 1e-9))
    return _allocation(law, sigma, words, ~np.isnan(sigma) & held, sigma_range, delta)


def least_budget(
    law: ComputeLaw,
    delta: ArrayLike,
    *,
    sigma_range: tuple[float, float] | None = None,
    limits: tuple[float, float] | None = None,
    grid: ArrayLike | None = None,
) -> Allocation:
    """Problem 3.2 for one level: the σ that minimises ``C(σ) + δ·D(σ)``.

    Stationarity, divided by ``σ^(−α−1)``, is ``p·k·d·σ^(p+α) + (p−α)·k·A·σ^p = α·δ·A``. It is in
    closed form where d = 0, p = α or δ = 0; else its logarithm is solved by Newton.

    Args:
        law: C_J, with D_J inside; fields broadcast against δ.
        delta: price of an env step in FLOPs, ≥ 0.
        sigma_range: range of σ the laws were fitted on.
        limits: range that σ must stay in; by default it may go anywhere.
        grid: minimise over these values of σ only (the published code:
            ``geomspace(0.25, 16, 100)``, which leaves σ* up to 2 % off); the exact minimum by
            default. An end of the grid is reported as an edge.

    Raises:
        ValueError: if δ is negative or the range or grid is not sensible.
    """
    price = np.asarray(delta, float)
    if not np.all(np.isfinite(price) & (price >= 0)):
        raise ValueError("delta must be finite and not negative (FLOPs per env step)")
    if grid is None:
        sigma = _stationary(law, price)
        words = np.full(sigma.shape, Where.INTERIOR, dtype=object)
    else:
        tried = positive("grid", grid)
        sigma = _on_grid(law, price, tried)
        ends = (sigma == tried.min()) | (sigma == tried.max())
        words = np.where(ends, Where.EDGE, Where.INTERIOR).astype(object)
    sigma, words = _to_range(sigma, words, sigma_range, limits)
    return _allocation(law, sigma, words, ~np.isnan(sigma), sigma_range, price)


def _stationary(law: ComputeLaw, price: Floats) -> Floats:
    floor, amplitude, alpha, p, unit = _terms(law)
    with np.errstate(all="ignore"):
        rise = np.log(p * unit * floor)  # NaN where p < 0; those rows are replaced below
        pull = np.log(alpha * price * amplitude)
        middle = np.log(np.abs(p - alpha) * unit * amplitude)
        equal = (pull - rise) / (p + alpha)
        # p > α: both terms rise to the constant. p < α: the middle term joins the right side;
        # divided by the rising term, both fall to 1.
        above = solve(rise, p + alpha, middle, p, pull)
        below = solve(pull - rise, -(p + alpha), middle - rise, -alpha, np.zeros_like(rise))
        mixed = np.exp(np.where(p > alpha, above, np.where(p < alpha, below, equal)))
        no_floor = np.where(p > alpha, np.exp((pull - middle) / p), np.inf)
        sigma = np.where(floor > 0, np.where(p > 0, mixed, np.inf), no_floor)
    # without a price, or without a part of D that depends on σ, only C counts
    sigma = np.where((price == 0) | (amplitude == 0), law.minimiser(), sigma)
    return _keep_nan(sigma, floor, amplitude, alpha, p)


def _on_grid(law: ComputeLaw, price: Floats, grid: Floats) -> Floats:
    cells = np.broadcast_shapes(*(v.shape for v in _terms(law)), price.shape)
    best, sigma = np.full(cells, np.inf), np.full(cells, np.nan)
    for value in np.ravel(grid):
        total = law(value) + price * law.data(value)
        sigma = np.where(total < best, value, sigma)
        best = np.minimum(best, np.where(np.isnan(total), np.inf, total))
    return sigma


def _allocation(
    law: ComputeLaw,
    sigma: Floats,
    words: NDArray[np.object_],
    feasible: NDArray[np.bool_],
    sigma_range: tuple[float, float] | None,
    delta: ArrayLike | None,
) -> Allocation:
    sigma = np.where(feasible, sigma, np.nan)
    with np.errstate(all="ignore"):
        open_end = (sigma > 0) & np.isfinite(sigma)
        inside = np.where(open_end, sigma, np.nan)
        data, compute = law.data(inside), law(inside)
        budget = compute + np.asarray(np.nan if delta is None else delta, float) * data
    words = np.where(feasible, words, Where.INFEASIBLE)
    outside = np.zeros(sigma.shape, bool)
    if sigma_range is not None:
        low, high = sigma_range
        outside = (sigma < low * (1 - 1e-12)) | (sigma > high * (1 + 1e-12))
    return Allocation(sigma, data, compute, budget, feasible, words, outside)


def _to_range(
    sigma: Floats,
    words: NDArray[np.object_],
    sigma_range: tuple[float, float] | None,
    limits: tuple[float, float] | None,
) -> tuple[Floats, NDArray[np.object_]]:
    """Keep σ within ``limits``, and replace 0 and ∞ by the ends of the fitted range.

    C, D and C + δD are convex in log σ, so the best σ within limits is the best one overall, clipped.
    """
    for name, span in (("sigma_range", sigma_range), ("limits", limits)):
        if span is not None and not 0 < span[0] <= span[1] < np.inf:
            raise ValueError(f"{name} must be 0 < low <= high, got {span}")
    if limits is not None:
        kept = np.clip(sigma, *limits)
        return kept, np.where((kept != sigma) & ~np.isnan(sigma), Where.EDGE, words)
    open_end = (sigma == 0) | np.isinf(sigma)
    if sigma_range is None:
        return sigma, np.where(open_end, Where.UNBOUNDED, words)
    low, high = sigma_range
    sigma = np.where(sigma == 0, low, np.where(np.isinf(sigma), high, sigma))
    return sigma, np.where(open_end, Where.EDGE, words)


def _terms(law: ComputeLaw) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """d, A, α, p, k of ``C = k·d·σ^p + k·A·σ^(p−α)``."""
    parts = (law.data.d_min, law.data.amplitude, law.data.alpha, law.power, law.unit)
    floor, amplitude, alpha, p, unit = np.broadcast_arrays(*(np.asarray(v, float) for v in parts))
    return floor, amplitude, alpha, p, unit


def _keep_nan(sigma: Floats, *parameters: Floats) -> Floats:
    unknown = np.isnan(np.sum(np.broadcast_arrays(*parameters), axis=0))
    return np.where(unknown, np.nan, sigma)


def positive(name: str, value: ArrayLike) -> Floats:
    """``value`` as an array; a ValueError names it where it is not positive."""
    array = np.asarray(value, float)
    if array.size == 0 or not np.all(array > 0):
        raise ValueError(f"{name} must be positive")
    return array
