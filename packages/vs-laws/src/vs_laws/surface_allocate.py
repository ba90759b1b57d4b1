"""How many updates and how large a critic: argmin of C_J(σ, N) + δ·D_J(σ, N) (arXiv:2508.14881).

On an iso-data contour ``A·σ^(−α) + C·N^(−β) = E`` (E = D − d_min), with FLOPs per env step
``k·σ^p·N^q``, the least compute is where the terms share E as p/α : q/β. With a constant batch size
(p = q = 1) that is the paper's

    σ* = a'·((1 + α/β)/E)^(1/α),  N* = b'·((1 + β/α)/E)^(1/β),  a' = A^(1/α), b' = C^(1/β),

and D then minimises a sum of powers of E. Elsewhere (an asymptote in B*, actor or passive-critic
FLOPs, rival forms) the minimum is found numerically in (log σ, log N).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws._exponentials import solve
from vs_laws._minimise2d import minimise
from vs_laws.allocate import Where
from vs_laws.batch_surface import BatchPower
from vs_laws.forms import Floats
from vs_laws.result import Estimate
from vs_laws.surface_compute import SurfaceCompute
from vs_laws.surfaces import SurfaceLaw

_REACH = 1e4  # how far beyond the data range the numerical search goes, each way and axis

type Range = tuple[float, float]


@dataclass(frozen=True)
class SurfaceAllocation:
    """Budget optima; all arrays share one shape. NaN where the law is unknown.

    Attributes:
        sigma: updates per env step.
        critic_params: N.
        data: D(σ, N), env steps.
        compute: C(σ, N), FLOPs.
        budget: C + δ·D, FLOPs.
        where: `Where` words: *interior* only for a stationary point inside the data on both axes,
            *beyond the data range* for one outside, *edge of the data range* where an axis was
            stopped at its end.
        edges: the axes that are at or beyond the edge: ``""``, ``"sigma"``, ``"critic_params"`` or
            ``"sigma, critic_params"``.
        extrapolated: whether (σ, N) lies outside the data range.
        samples: the same problem on every bootstrap, arrays (K, …); None without.
    """

    sigma: Floats
    critic_params: Floats
    data: Floats
    compute: Floats
    budget: Floats
    where: NDArray[np.object_]
    edges: NDArray[np.object_]
    extrapolated: NDArray[np.bool_]
    samples: "SurfaceAllocation | None" = None

    def estimate(self, name: str) -> Estimate:
        """``sigma``, ``critic_params``, ``data``, ``compute`` or ``budget`` of a single problem.

        Raises:
            ValueError: if the name is unknown, or the allocation holds several problems.
        """
        known = ("sigma", "critic_params", "data", "compute", "budget")
        if name not in known:
            raise ValueError(f"unknown quantity {name!r}, expected one of {', '.join(known)}")
        if self.sigma.size != 1:
            raise ValueError(f"estimate() needs a single problem, this has {self.sigma.size}")
        value = float(getattr(self, name).item())
        if self.samples is None:
            return Estimate(value)
        return Estimate.from_samples(value, getattr(self.samples, name))

    def with_samples(self, samples: "SurfaceAllocation") -> "SurfaceAllocation":
        """This allocation with its bootstraps."""
        return replace(self, samples=samples)


def contour_optimum(law: SurfaceCompute, data: ArrayLike) -> tuple[Floats, Floats]:
    """(σ*, N*) of least compute on the contour ``D(σ, N) = data``: the star on it.

    Args:
        law: C_J with an additive (or floorless) data law and a constant or power-law batch size.
        data: D in env steps, broadcast against the law's fields.

    Returns:
        σ* and N*; NaN at or below d_min, and where a term of the law is absent.

    Raises:
        ValueError: if the law has no closed form, or FLOPs fall with σ or N.
    """
    terms = _closed_terms(law)
    if terms is None:
        raise ValueError(
            "contour_optimum needs an additive data law, a constant or power-law batch size, and "
            "no actor or passive-critic FLOPs"
        )
    surface, power = terms
    return _on_contour(surface, power, np.asarray(data, float) - np.asarray(surface.d_min, float))


def contour(law: SurfaceLaw, data: ArrayLike, sigma: ArrayLike) -> Floats:
    """N on the contour ``D(σ, N) = data`` of the additive law; NaN where σ alone cannot reach it."""
    rest = np.asarray(data, float) - law.d_min
    rest = rest - law.sigma_amplitude * np.asarray(sigma, float) ** -np.asarray(
        law.sigma_exponent, float
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.asarray(law.params_amplitude, float) / np.where(rest > 0, rest, np.nan)
        return ratio ** (1.0 / np.asarray(law.params_exponent, float))


def least_surface_budget(
    law: SurfaceCompute,
    delta: ArrayLike,
    *,
    sigma_range: Range,
    params_range: Range,
    within_data: bool = False,
    numerical: bool = False,
) -> SurfaceAllocation:
    """(σ*, N*) that minimise ``C(σ, N) + δ·D(σ, N)``, in closed form where there is one.

    Args:
        law: C_J, with D_J inside; fields broadcast against δ.
        delta: price of an env step in FLOPs, > 0.
        sigma_range: range of σ the laws were fitted on.
        params_range: range of N the laws were fitted on.
        within_data: keep the optimum within both ranges. Otherwise the laws are followed, up to
            10⁴ times beyond; an axis without a finite optimum stops at the end of its range.
        numerical: search even where there is a closed form.

    Raises:
        ValueError: if δ is not positive or a range is not 0 < low ≤ high.
    """
    price = np.asarray(delta, float)
    if not np.all(np.isfinite(price) & (price > 0)):
        raise ValueError("delta must be finite and positive (FLOPs per env step)")
    ranges = (sigma_range, params_range)
    for name, span in zip(("sigma_range", "params_range"), ranges, strict=True):
        if not 0 < span[0] <= span[1] < np.inf:
            raise ValueError(f"{name} must be 0 < low <= high, got {span}")
    shape = np.shape(law(sigma_range[0], params_range[0]) + price)
    closed = None if numerical or within_data else _closed(law, price)
    if closed is None:
        sigma, params, stopped = search(law, price, shape, ranges, within_data)
    else:
        sigma, params = (np.broadcast_to(v, shape) for v in closed)
        stopped = np.zeros((2, *shape), bool)
        far = ~_reachable(sigma, sigma_range) | ~_reachable(params, params_range)
        if far.any():  # a term is absent, or the optimum is out of any reach
            other = search(law, price, shape, ranges, within_data)
            sigma, params = np.where(far, other[0], sigma), np.where(far, other[1], params)
            stopped = stopped | (far & other[2])
    return allocation(law, price, sigma, params, stopped, ranges)


def _closed_terms(law: SurfaceCompute) -> tuple[SurfaceLaw, BatchPower] | None:
    power = law.power
    if not isinstance(law.data, SurfaceLaw) or power is None:
        return None
    rising = np.all(np.asarray(power.sigma_power) > 0) and np.all(
        np.asarray(power.params_power) > 0
    )
    return (law.data, power) if rising else None


def _on_contour(surface: SurfaceLaw, power: BatchPower, excess: Floats) -> tuple[Floats, Floats]:
    alpha = np.asarray(surface.sigma_exponent, float)
    beta = np.asarray(surface.params_exponent, float)
    first, second = power.sigma_power / alpha, power.params_power / beta
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        room = np.where(excess > 0, excess, np.nan)
        sigma = (surface.sigma_amplitude * (1.0 + second / first) / room) ** (1.0 / alpha)
        params = (surface.params_amplitude * (1.0 + first / second) / room) ** (1.0 / beta)
    present = (np.asarray(surface.sigma_amplitude) > 0) & (np.asarray(surface.params_amplitude) > 0)
    return np.where(present, sigma, np.nan), np.where(present, params, np.nan)


def _closed(law: SurfaceCompute, price: Floats) -> tuple[Floats, Floats] | None:
    """Stationarity in E: ``δ·E^(r+1) + κ(1−r)·E = r·κ·d`` with κ·E^(−r) the FLOPs per step."""
    terms = _closed_terms(law)
    if terms is None:
        return None
    surface, power = terms
    sigma, params = _on_contour(surface, power, np.ones(()))  # at E = 1
    rate = power.sigma_power / np.asarray(surface.sigma_exponent, float)
    rate = rate + power.params_power / np.asarray(surface.params_exponent, float)
    with np.errstate(all="ignore"):
        unit = np.log(power.coefficient) + power.sigma_power * np.log(sigma)
        unit = unit + power.params_power * np.log(params)
        floor, cost = np.log(np.asarray(surface.d_min, float)), np.log(price)
        middle = unit + np.log(np.abs(1.0 - rate))
        right = unit + np.log(rate) + floor
        # r < 1: both terms on the left rise in E. r > 1: the middle one goes to the right, and
        # divided by E^(r+1) both fall to δ. Without a floor one term is left on the right.
        below = solve(cost, rate + 1.0, middle, np.ones_like(rate), right)
        above = solve(middle, -rate, right, -(rate + 1.0), cost)
        equal = (right - cost) / (rate + 1.0)
        log_excess = np.where(rate < 1.0, below, np.where(rate > 1.0, above, equal))
        excess = np.exp(np.where(np.isneginf(floor) & (rate <= 1.0), -np.inf, log_excess))
    return _on_contour(surface, power, excess)


def _reachable(values: Floats, span: Range) -> NDArray[np.bool_]:
    return (values >= span[0] / _REACH) & (values <= span[1] * _REACH)


def search(
    law: SurfaceCompute,
    price: Floats,
    shape: tuple[int, ...],
    ranges: tuple[Range, Range],
    within: bool,
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """σ, N of least C + δ·D by search and, by axis (2, …), whether it was stopped at its range's end."""

    def cost(s: Floats, t: Floats) -> Floats:
        sigma, params = np.exp(s), np.exp(t)
        with np.errstate(all="ignore"):
            return np.log(law(sigma, params) + price * law.data(sigma, params))

    reach = 1.0 if within else _REACH
    low = np.stack([np.full(shape, np.log(r[0] / reach)) for r in ranges])
    high = np.stack([np.full(shape, np.log(r[1] * reach)) for r in ranges])
    stopped = np.zeros((2, *shape), bool)
    point = np.stack(minimise(cost, (low[0], low[1]), (high[0], high[1])))
    for _ in range(
        2
    ):  # an axis that runs away is held at the end of its data, the other one solved
        runaway = ((point <= low) | (point >= high)) & ~stopped
        if within or not runaway.any():
            break
        for axis, span in enumerate(ranges):
            end = np.where(point[axis] <= low[axis], np.log(span[0]), np.log(span[1]))
            low[axis] = np.where(runaway[axis], end, low[axis])
            high[axis] = np.where(runaway[axis], end, high[axis])
        stopped |= runaway
        point = np.stack(minimise(cost, (low[0], low[1]), (high[0], high[1])))
    if within:
        stopped = (point <= low) | (point >= high)
    return np.exp(point[0]), np.exp(point[1]), stopped


def allocation(
    law: SurfaceCompute,
    price: Floats,
    sigma: Floats,
    params: Floats,
    stopped: NDArray[np.bool_],
    ranges: tuple[Range, Range],
) -> SurfaceAllocation:
    """What is to be said of optima (σ, N) that were found."""
    known = np.isfinite(sigma) & np.isfinite(params)
    sigma, params = np.where(known, sigma, np.nan), np.where(known, params, np.nan)
    data = np.where(known, law.data(sigma, params), np.nan)
    compute = law(sigma, params)
    outside, at_edge = [], []
    for values, (low, high) in zip((sigma, params), ranges, strict=True):
        outside.append((values < low * (1 - 1e-9)) | (values > high * (1 + 1e-9)))
        at_edge.append((values <= low * (1 + 1e-9)) | (values >= high * (1 - 1e-9)))
    marks = np.array(at_edge) | stopped
    words = np.where(np.any(outside, axis=0), Where.BEYOND, Where.INTERIOR).astype(object)
    words = np.where(stopped.any(axis=0), Where.EDGE, words)
    words = np.where(marks.any(axis=0) & (words == Where.INTERIOR), Where.EDGE, words)
    words = np.where(known, words, Where.INFEASIBLE)
    names = np.array(["", "sigma", "critic_params", "sigma, critic_params"], dtype=object)
    edges = names[marks[0].astype(int) + 2 * marks[1].astype(int)]
    return SurfaceAllocation(
        sigma,
        params,
        data,
        compute,
        compute + price * data,
        np.asarray(words, dtype=object),
        np.asarray(edges, dtype=object),
        np.any(outside, axis=0),
    )
