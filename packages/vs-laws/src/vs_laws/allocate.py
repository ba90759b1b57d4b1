"""Places to run: least C + δ·D, least C within a limit on D, least D within a limit on C, on K axes.

Problems 3.1 and 3.2 of arXiv:2502.04327 (σ alone), and the budget optimum (σ*, N*) of
arXiv:2508.14881, argmin C_J(σ, N) + δ·D_J(σ, N).
`vs_laws._solvers` has the mathematics.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws._solvers import TIGHT, Bools, Goal, closed, searched
from vs_laws.cost import Cost
from vs_laws.forms import DataLaw
from vs_laws.law import Floats
from vs_laws.result import Estimate

REACH = 1e4
"""Factor beyond the data, each way and on each axis, up to which laws are followed without a box."""

_EDGE = 1e-9  # relative distance within which a place is at an edge

type Range = tuple[float, float]


class Where(StrEnum):
    """The thing that determines a solution."""

    INTERIOR = "interior"  # a stationary point inside the data on all axes
    CONSTRAINT = "constraint"  # inside the data, the limit is met with equality
    BEYOND = "beyond the data range"  # an extrapolation on at least one axis
    EDGE = "edge of the data range"  # an axis was stopped at an end of its range, or of `within`
    UNBOUNDED = "unbounded"  # no finite optimum, and no range to stop at
    INFEASIBLE = "infeasible"  # the limit cannot be met, or the law is unknown


@dataclass(frozen=True, eq=False)
class Allocation:
    """Solutions; all arrays share one shape. NaN where there is none.

    ``allocation[name]`` returns an axis, ``"data"``, ``"compute"`` or ``"budget"``.

    Attributes:
        axes: axes that were free.
        places: the solution by axis; 0 or inf where it is unbounded.
        data: D there, env steps.
        compute: C there, FLOPs.
        budget: C + δ·D, FLOPs; NaN without δ.
        where: `Where` words.
        edges: axes at or beyond the edge of the data, joined by ``", "``; ``""`` without any.
        extrapolated: whether the place lies outside the data.
        draws: the same problems on every bootstrap, arrays (S, …); None without.
    """

    axes: tuple[str, ...]
    places: Mapping[str, Floats]
    data: Floats
    compute: Floats
    budget: Floats
    where: NDArray[np.object_]
    edges: NDArray[np.object_]
    extrapolated: Bools
    draws: "Allocation | None" = None

    def __getitem__(self, name: str) -> Floats:
        known = dict(self.places, data=self.data, compute=self.compute, budget=self.budget)
        if name not in known:
            raise ValueError(f"unknown quantity {name!r}, expected one of {', '.join(known)}")
        return known[name]

    def estimate(self, name: str) -> Estimate:
        """Return a quantity with its interval over the bootstraps.

        Bootstraps in which the problem has no solution are left out; see `feasible_share`.

        Raises:
            ValueError: if the name is unknown.
        """
        value = self[name]
        if self.draws is None:
            return Estimate(float(value) if value.ndim == 0 else value)
        return Estimate.from_draws(value, self.draws[name])

    @property
    def feasible(self) -> Bools:
        """True where the limit can be met (and the law is known)."""
        return np.asarray(self.where != Where.INFEASIBLE)

    @property
    def feasible_share(self) -> float:
        """Share of the bootstraps in which the limit can be met (of the problems, without any)."""
        return float((self.draws or self).feasible.mean())


def allocate(
    cost: Cost,
    *,
    delta: ArrayLike | None = None,
    max_data: ArrayLike | None = None,
    max_compute: ArrayLike | None = None,
    within: Mapping[str, Range] | None = None,
    hold: Mapping[str, ArrayLike] | None = None,
) -> Allocation:
    """Return the places of least C + δ·D, of least C with D ≤ D₀, or of least D with C ≤ C₀.

    Without ``within`` the laws are followed up to `REACH` times beyond the data. An axis without an
    optimum up to there is held at the end of its data, and the others are solved again.

    Args:
        cost: C, with D inside; its bootstraps are solved too.
        delta: price of an env step in FLOPs, ≥ 0. With a limit it only reports the budget.
        max_data: D₀ in env steps.
        max_compute: C₀ in FLOPs.
        within: (low, high) by axis, a box that the solution stays in.
        hold: value by axis, for axes that are not free.

    Returns:
        Arrays of the shape of the levels, limits and held values, broadcast.

    Raises:
        ValueError: if not exactly one problem is given, a number is not positive, a box is not
            0 < low ≤ high or names an unknown axis, or a cost without a closed form has neither
            a box nor a data range.
    """
    goal, price = _goal(delta, max_data, max_compute)
    cost = cost.hold(**hold) if hold else cost
    box = dict(within or {})
    for axis, span in box.items():
        if axis not in cost.axes:
            raise ValueError(f"within names {axis!r}, the cost is over {', '.join(cost.axes)}")
        if not 0 < span[0] <= span[1] < np.inf:
            raise ValueError(f"within[{axis!r}] must be 0 < low <= high, got {span}")
    found = _solve(cost, goal, price, cost.ranges, box)
    if cost.draws is None:
        return found
    if found.data.ndim > 1:
        raise ValueError("with bootstraps, prices, limits and held values must be 0-D or 1-D")
    drawn = _solve(cost.draws, goal, price, cost.ranges, box)
    shape = (len(drawn.data), *found.data.shape)
    reshaped = {
        name: value.reshape(shape)
        for name, value in vars(drawn).items()
        if isinstance(value, np.ndarray)
    }
    places = {axis: values.reshape(shape) for axis, values in drawn.places.items()}
    return replace(found, draws=replace(drawn, places=places, **reshaped))


def contour(law: DataLaw, data: ArrayLike, *, axis: str, **others: ArrayLike) -> Floats:
    """Return the place on ``axis`` at which ``D = data``; NaN where the other terms alone exceed it.

    Args:
        law: the data law.
        data: D in env steps, broadcast against the other places and the law's fields.
        axis: the axis to solve for.
        **others: places on all other axes.

    Raises:
        ValueError: if ``axis`` and the others are not the axes of the law.
    """
    alone = law.hold(**others)
    if alone.axes != (axis,):
        raise ValueError(
            f"a contour needs places on all axes but one: the law is over {', '.join(law.axes)}, got "
            f"{', '.join((*others, axis))}"
        )
    rest = np.asarray(data, float) - np.asarray(alone.d_min)
    amplitude, exponent = (np.asarray(v)[..., 0] for v in (alone.amplitude, alone.exponent))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return (amplitude / np.where(rest > 0, rest, np.nan)) ** (1.0 / exponent)


def _goal(
    delta: ArrayLike | None, max_data: ArrayLike | None, max_compute: ArrayLike | None
) -> tuple[Goal, Floats]:
    """Return the problem that is asked for, and δ (NaN without one)."""
    price = np.asarray(np.nan if delta is None else delta, float)
    if delta is not None and not np.all(np.isfinite(price) & (price >= 0)):
        raise ValueError("delta must be finite and not negative (FLOPs per env step)")
    given = [value for value in (delta, max_data, max_compute) if value is not None]
    if not given or (max_data is not None and max_compute is not None):
        raise ValueError("give one of: delta alone, max_data, max_compute")
    if max_data is not None:
        return Goal("max_data", _positive("max_data", max_data)), price
    if max_compute is not None:
        return Goal("max_compute", _positive("max_compute", max_compute)), price
    return Goal("delta", price), price


def _positive(name: str, value: ArrayLike) -> Floats:
    array = np.asarray(value, float)
    if array.size == 0 or not np.all(array > 0):
        raise ValueError(f"{name} must be positive")
    return array


def _solve(
    cost: Cost, goal: Goal, price: Floats, ranges: Mapping[str, Range], box: Mapping[str, Range]
) -> Allocation:
    """Solve in ``box``; on its other axes up to `REACH` beyond the data, or anywhere without ranges."""
    at_one = np.shape(cost(**dict.fromkeys(cost.axes, 1.0)))
    shape = np.broadcast_shapes(at_one, goal.bound.shape, price.shape)
    data = {axis: ranges.get(axis, (0.0, np.inf)) for axis in cost.axes}
    wide = {axis: (low / REACH, high * REACH) for axis, (low, high) in data.items()}
    with np.errstate(divide="ignore"):
        (first, last), (low, high) = (
            np.log([[np.full(shape, span[end]) for span in spans.values()] for end in (0, 1)])
            for spans in (data, {**wide, **box})
        )
    solver = closed(cost, goal, shape)
    if solver is None:
        if not np.isfinite([low, high]).all():
            raise ValueError(
                "this cost has no closed form, and the range of its data is not known: give within=, "
                f"a range for each of {', '.join(cost.axes)}"
            )
        solver = searched(cost, goal)
    wall = np.array([axis in box for axis in cost.axes]).reshape(-1, *[1] * len(shape))
    stopped = np.zeros(low.shape, bool)
    with np.errstate(all="ignore"):
        point, binds, runs = solver(low, high)
        for _ in cost.axes:  # holding one axis may let another one run away
            below, above = point <= low + TIGHT, point >= high - TIGHT
            runaway = (below | above) & ~wall & ~stopped & np.isfinite(low)
            if not runaway.any():
                break
            end = np.where(below, first, last)
            low, high = np.where(runaway, end, low), np.where(runaway, end, high)
            stopped |= runaway
            point, binds, runs = solver(low, high)
        stopped |= wall & ((point <= low + _EDGE) | (point >= high - _EDGE))
        places = np.where(np.isfinite(point).all(axis=0) | runs, np.exp(point), np.nan)
        inside = np.where(np.isfinite(point).all(axis=0), places, np.nan)
        at = dict(zip(cost.axes, inside, strict=True))
        steps, flops = cost.steps(**at), cost(**at)
    # a limit that binds is met exactly, not to rounding
    steps = np.minimum(steps, goal.bound) if goal.kind == "max_data" else steps
    flops = np.minimum(flops, goal.bound) if goal.kind == "max_compute" else flops
    where, edges, outside = _words(cost.axes, point, binds, runs, stopped, (first, last))
    return Allocation(
        axes=cost.axes,
        places={axis: np.asarray(places[k]) for k, axis in enumerate(cost.axes)},
        data=np.asarray(steps),
        compute=np.asarray(flops),
        budget=np.asarray(flops + price * steps),
        where=where,
        edges=edges,
        extrapolated=outside,
    )


def _words(
    axes: tuple[str, ...],
    point: Floats,
    binds: Bools,
    runs: Bools,
    stopped: Bools,
    data: tuple[Floats, Floats],
) -> tuple[NDArray[np.object_], NDArray[np.object_], Bools]:
    """Return ``where``, ``edges`` and ``extrapolated`` of solutions log x (K, …)."""
    known, (first, last) = np.isfinite(point).all(axis=0), data
    beyond = known & ((point < first - _EDGE) | (point > last + _EDGE))
    edge = known & ((point <= first + _EDGE) | (point >= last - _EDGE) | stopped)
    outside = beyond.any(axis=0)
    cases = {
        Where.UNBOUNDED: ~known & runs,
        Where.INFEASIBLE: ~known,
        Where.EDGE: stopped.any(axis=0) | (edge.any(axis=0) & ~outside),
        Where.BEYOND: outside,
        Where.CONSTRAINT: binds,
        Where.INTERIOR: known,
    }
    case = np.argmax(np.stack([*cases.values()]), axis=0)
    subsets = product((False, True), repeat=len(axes))
    names = [", ".join(a for a, on in zip(axes, subset, strict=True) if on) for subset in subsets]
    bits = (1 << np.arange(len(axes))[::-1]).reshape(-1, *[1] * known.ndim)
    chosen = (edge * bits).sum(axis=0)
    where, edges = np.array([*cases], dtype=object)[case], np.array(names, dtype=object)[chosen]
    return np.asarray(where, dtype=object), np.asarray(edges, dtype=object), np.asarray(outside)
