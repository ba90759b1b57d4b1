"""The two solvers behind `vs_laws.allocate`: by one root where there is a closed form, else by search.

With ``D = d + Σ A_k·x_k^(−α_k)``, ``k·Π x_k^(p_k)`` FLOPs per env step and ``E = D − d``, least compute
at a given D shares E among the terms as p_k/α_k. FLOPs per env step are then ``κ·E^(−r)``, where
``r = Σ p_k/α_k`` and ``κ = k·Π (A_k·r·α_k/p_k)^(p_k/α_k)``, and each problem is one root in E:

- least C + δ·D: ``δ·E^(r+1) + κ·(1 − r)·E = r·κ·d``;
- least C with D ≤ D₀: ``E = D₀ − d``, or ``E = r·d/(1 − r)`` where C is least at fewer steps already;
- least D with C ≤ C₀: the smallest E with ``κ·d·E^(−r) + κ·E^(1−r) = C₀``.

All of it is convex in the logarithms of x, so in a box every axis is free or at an end of it. A term
whose axis is at an end joins d, and its FLOPs join k.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws._minimise import minimise
from vs_laws._roots import solve
from vs_laws.cost import Cost
from vs_laws.forms import DataLaw
from vs_laws.law import Floats

TIGHT = 1e-12
"""Relative distance within which a place is at an end of its box, and a limit is met."""

_BINDS = 1e-9  # a limit binds where no more than this share of it is left
_PRICES = 1e8  # a searched δ goes this far past the FLOPs per env step at the corners of the box
_SECTIONS, _ROUNDS = 33, 5

type Bools = NDArray[np.bool_]
type Ends = tuple[int | None, ...]
type Solver = Callable[[Floats, Floats], tuple[Floats, Bools, Bools]]
"""From log ends of a box, (K, …) each: log x (K, …), NaN where there is no solution; whether the limit
binds; whether the optimum runs away through an open end of the box (log x is ±inf there, or NaN)."""


@dataclass(frozen=True)
class Goal:
    """An objective and its limit, named as the arguments of `vs_laws.allocate.allocate`."""

    kind: Literal["delta", "max_data", "max_compute"]
    bound: Floats
    """δ, D₀ or C₀."""

    def objective(self, data: Floats, compute: Floats) -> Floats:
        """Return the quantity that is minimised."""
        if self.kind == "delta":
            return compute + self.bound * data
        return compute if self.kind == "max_data" else data

    def used(self, data: Floats, compute: Floats) -> Floats:
        """Return the share of the limit that is used; 0 without a limit."""
        if self.kind == "delta":
            return np.zeros(np.shape(data))
        return (data if self.kind == "max_data" else compute) / self.bound

    def log_excess(self, floor: Floats, unit: Floats, rate: Floats) -> Floats:
        """Return log E from d, log κ and r; ±inf where E has no finite optimum, NaN without E."""
        log_floor, bound, bare = np.log(floor), np.log(self.bound), floor == 0
        if self.kind == "max_data":
            tight = np.log(np.where(self.bound > floor, self.bound - floor, np.nan))
            cheapest = np.log(rate) + log_floor - np.log(1.0 - rate)
            return np.minimum(tight, np.where(rate < 1.0, cheapest, np.inf))
        if self.kind == "max_compute":
            root = solve(unit + log_floor, -rate, unit, 1.0 - rate, bound)
            free = bare & ((rate < 1.0) | ((rate == 1.0) & (unit <= bound)))
            return np.where(free, -np.inf, root)
        middle, right = unit + np.log(np.abs(1.0 - rate)), unit + np.log(rate) + log_floor
        # r < 1: both terms on the left rise in E. r > 1: the middle one goes to the right, and
        # divided by E^(r+1) both fall to δ. Without a floor one term is left on the right.
        low = rate < 1.0
        root = solve(
            np.where(low, bound, middle), np.where(low, rate + 1.0, -rate),
            np.where(low, middle, right), np.where(low, 1.0, -(rate + 1.0)),
            np.where(low, right, bound),
        )  # fmt: skip
        root = np.where(rate == 1.0, (right - bound) / (rate + 1.0), root)
        root = np.where(bare & (rate <= 1.0), -np.inf, root)
        return np.where((self.bound == 0) & (rate >= 1.0), np.inf, root)


@dataclass(frozen=True)
class _Terms:
    """``D = floor + Σ amplitude_k·x_k^(−exponent_k)``, ``exp(unit)·Π x_k^(power_k)`` FLOPs per step."""

    unit: Floats  # (n,)
    floor: Floats  # (n,)
    power: Floats  # (K, n), as those below
    amplitude: Floats
    exponent: Floats

    def at(self, index: NDArray[np.int_]) -> "_Terms":
        return _Terms(*(values[..., index] for values in vars(self).values()))

    def prices(self, x: Floats) -> tuple[Floats, Floats]:
        """Return D and C (n,) at log x (K, n)."""
        data = self.floor + (self.amplitude * np.exp(-self.exponent * x)).sum(axis=0)
        return data, np.exp(self.unit + (self.power * x).sum(axis=0)) * data

    def stationary(self, goal: Goal, ends: Ends, box: Floats) -> tuple[Floats, Bools]:
        """Return log x (K, n) with every axis free (None) or at an end of the box (2, K, n).

        Also whether the free axes run away through an open end, as `Solver` does.
        """
        free = [k for k, end in enumerate(ends) if end is None]
        held = [k for k, end in enumerate(ends) if end is not None]
        x = np.stack([box[end or 0, k] for k, end in enumerate(ends)])
        terms = self.amplitude[held] * np.exp(-self.exponent[held] * x[held])
        floor = self.floor + terms.sum(axis=0)
        unit = self.unit + (self.power[held] * x[held]).sum(axis=0)
        if not free:
            return x, np.zeros(floor.shape, bool)
        power, amplitude, exponent = self.power[free], self.amplitude[free], self.exponent[free]
        rates = power / exponent
        rate = rates.sum(axis=0)
        size = np.log(amplitude * rate / rates)  # log x^α at E = 1
        excess = goal.log_excess(floor, unit + (rates * size).sum(axis=0), rate)
        turns = (power > 0) & (amplitude > 0)  # else more is always better, or less is
        more = (power < 0) | ((power == 0) & (amplitude > 0))
        ways = np.where(turns, np.nan, np.where(more, np.inf, -np.inf))
        x[free] = np.where(turns.all(axis=0), (size - excess) / exponent, ways)
        opened = ~np.isfinite(box[:, free]).all(axis=0)
        runs = np.where(turns.all(axis=0), np.isinf(excess), (~turns & opened).any(axis=0))
        known = np.isfinite(floor + unit + (power + amplitude + exponent).sum(axis=0))
        met = (goal.kind != "max_data") | (goal.bound > floor)
        return x, runs & opened.any(axis=0) & known & met


def closed(cost: Cost, goal: Goal, shape: tuple[int, ...]) -> Solver | None:
    """Return the solver by roots; None where the cost has no closed form."""
    law, power = cost.law, cost.power
    if power is None or not isinstance(law, DataLaw):
        return None
    count = len(cost.axes)

    def flat(values: ArrayLike) -> Floats:
        return np.broadcast_to(np.asarray(values, float), shape).ravel()

    def by_axis(values: ArrayLike) -> Floats:
        full = np.broadcast_to(np.asarray(values, float), (*shape, count))
        return np.moveaxis(full, -1, 0).reshape(count, -1)

    terms = _Terms(
        np.log(flat(power.coefficient)), flat(law.d_min), by_axis(power.exponent),
        by_axis(law.amplitude), by_axis(law.exponent),
    )  # fmt: skip
    single = replace(goal, bound=flat(goal.bound))

    def solver(low: Floats, high: Floats) -> tuple[Floats, Bools, Bools]:
        point, runs = _best(terms, single, np.stack([low, high]).reshape(2, count, -1))
        binds = single.used(*terms.prices(point)) >= 1.0 - _BINDS
        return point.reshape(low.shape), binds.reshape(shape), runs.reshape(shape)

    return solver


def _best(terms: _Terms, goal: Goal, box: Floats) -> tuple[Floats, Bools]:
    """Return the best log x (K, n) of all choices of axes to hold at an end of the box."""
    _, count, size = box.shape
    point, runs = np.full((count, size), np.nan), np.zeros(size, bool)
    best, work = np.full((2, size), np.inf)
    rest = np.arange(size)
    for ends in product((None, 0, 1), repeat=count):
        here, aim, span = terms.at(rest), replace(goal, bound=goal.bound[rest]), box[..., rest]
        x, away = here.stationary(aim, ends, span)
        sound = np.isfinite(x) & (x >= span[0] - TIGHT) & (x <= span[1] + TIGHT)
        inside = np.clip(x, *span)
        data, compute = here.prices(inside)
        value, both = aim.objective(data, compute), data * compute
        sound = sound.all(axis=0) & np.isfinite(both)
        if None not in ends:  # free axes meet a limit by construction, to rounding
            sound &= aim.used(data, compute) <= 1.0 + TIGHT
        # of two places as good, the one with less of the other quantity
        level = (value == best[rest]) & (both < work[rest])
        better = sound & ((value < best[rest]) | level)
        at = rest[better]
        best[at], work[at], point[:, at] = value[better], both[better], inside[:, better]
        away &= np.isinf(best[rest])
        runs[rest[away]], point[:, rest[away]] = True, x[:, away]
        if ends == (None,) * count:  # convex: a free optimum inside the box is the optimum
            rest = rest[~sound]
            if rest.size == 0:
                break
    return point, runs


def searched(cost: Cost, goal: Goal) -> Solver:
    """Return the solver by search.

    Where a limit binds, the point of least C with D ≤ D₀ is one of least C + δ·D at some δ: the dearer
    an env step, the less data and the more compute are spent. So δ is searched, by sections of log δ.
    Where the trade-off is not convex (some rivals), the nearest point that meets the limit is taken.
    """

    def prices(x: Floats) -> tuple[Floats, Floats]:
        places = dict(zip(cost.axes, np.exp(x), strict=True))
        data = cost.steps(**places)
        return data, cost.per_step(**places) * data

    def least(price: Floats, low: Floats, high: Floats) -> Floats:
        def value(x: Floats) -> Floats:
            data, compute = prices(x)
            return np.log(compute + price * data)

        return minimise(value, low, high)

    def budget(low: Floats, high: Floats) -> tuple[Floats, Bools, Bools]:
        none = np.zeros(low.shape[1:], bool)
        return least(goal.bound, low, high), none, none

    def limit(low: Floats, high: Floats) -> tuple[Floats, Bools, Bools]:
        shape = low.shape[1:]
        rates = [
            np.log(np.divide(*prices(np.stack(corner))[::-1]))
            for corner in product(*zip(low, high, strict=True))
        ]
        bottom = np.minimum.reduce(rates) - np.log(_PRICES)
        top = np.maximum.reduce(rates) + np.log(_PRICES)
        share = np.linspace(0.0, 1.0, _SECTIONS).reshape(-1, *[1] * len(shape))
        wide = [np.repeat(end[:, None], _SECTIONS, axis=1) for end in (low, high)]
        feasible = binds = np.zeros(shape, bool)
        point = np.full(low.shape, np.nan)
        for turn in range(_ROUNDS):
            logs = bottom + (top - bottom) * share
            x = least(np.exp(logs), *wide)
            met = goal.used(*prices(x)) <= 1.0
            # the cheapest price that meets a limit on data, the dearest that meets one on compute
            of_data = goal.kind == "max_data"
            last = met.argmax(axis=0) if of_data else _SECTIONS - 1 - met[::-1].argmax(axis=0)
            beside = np.clip(last - 1 if of_data else last + 1, 0, _SECTIONS - 1)
            if turn == 0:
                feasible, binds = met.any(axis=0), beside != last
            point = np.take_along_axis(x, last[None, None], axis=1)[:, 0]
            pair = [np.take_along_axis(logs, at[None], axis=0)[0] for at in (last, beside)]
            bottom, top = np.minimum(*pair), np.maximum(*pair)
        return np.where(feasible, point, np.nan), binds, np.zeros(shape, bool)

    return budget if goal.kind == "delta" else limit
