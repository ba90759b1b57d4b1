"""Least compute under a limit on data, and least data under a limit on compute, over (σ, N).

Where the limit binds, the point of least C under D ≤ D₀ is one of least C + δ·D at some price δ of an env
step: the dearer it is, the less data and the more compute are spent. So δ is searched, by sections
of log δ. Where the trade-off between D and C is not convex (some rival forms), the nearest point that
meets the limit is taken.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from vs_laws.allocate import Where, positive
from vs_laws.forms import Floats
from vs_laws.surface_allocate import Range, SurfaceAllocation, allocation, search
from vs_laws.surface_compute import SurfaceCompute

_PRICES = 1e8  # δ goes this far past the values of C/D in the box, each way
_SECTIONS, _ROUNDS = 33, 5


def least_surface_compute(
    law: SurfaceCompute,
    max_data: ArrayLike,
    *,
    sigma_range: Range,
    params_range: Range,
    delta: float | None = None,
) -> SurfaceAllocation:
    """(σ*, N*) of least C under ``D ≤ max_data``: problem 3.1(2) of arXiv:2502.04327 on two axes.

    Args:
        law: C_J, with D_J inside; fields broadcast against the limit.
        max_data: D₀ in env steps, > 0.
        sigma_range: range that σ stays in.
        params_range: range that N stays in.
        delta: FLOPs per env step, only to report the budget.

    Returns:
        The optimum; NaN and *infeasible* where no (σ, N) of the ranges needs so little data.

    Raises:
        ValueError: if the limit or δ is not positive, or a range is not 0 < low ≤ high.
    """
    limit = positive("max_data", max_data)
    return _least(law, limit, True, (sigma_range, params_range), delta)


def least_surface_data(
    law: SurfaceCompute,
    max_compute: ArrayLike,
    *,
    sigma_range: Range,
    params_range: Range,
    delta: float | None = None,
) -> SurfaceAllocation:
    """(σ*, N*) of least D under ``C ≤ max_compute``: problem 3.1(1) on two axes.

    Arguments, result and errors are those of `least_surface_compute`, with C₀ in FLOPs.
    """
    limit = positive("max_compute", max_compute)
    return _least(law, limit, False, (sigma_range, params_range), delta)


def _least(
    law: SurfaceCompute,
    limit: Floats,
    of_data: bool,
    ranges: tuple[Range, Range],
    delta: float | None,
) -> SurfaceAllocation:
    price = np.asarray(np.nan) if delta is None else positive("delta", delta)
    corners = [(s, n) for s in ranges[0] for n in ranges[1]]
    rates = [law(s, n) / law.data(s, n) for s, n in corners]
    shape = np.broadcast_shapes(np.shape(rates[0]), limit.shape)
    with np.errstate(all="ignore"):
        low = np.broadcast_to(np.log(np.minimum.reduce(rates) / _PRICES), shape)
        high = np.broadcast_to(np.log(np.maximum.reduce(rates) * _PRICES), shape)
    share = np.linspace(0.0, 1.0, _SECTIONS).reshape(-1, *[1] * len(shape))
    feasible = binding = np.zeros(shape, bool)
    sigma = params = np.full(shape, np.nan)
    for turn in range(_ROUNDS):
        logs = low + (high - low) * share
        s, n, _ = search(law, np.exp(logs), logs.shape, ranges, True)
        met = (law.data(s, n) if of_data else law(s, n)) <= limit
        # the cheapest price that meets a limit on data, the dearest that meets one on compute
        last = met.argmax(axis=0) if of_data else _SECTIONS - 1 - met[::-1].argmax(axis=0)
        other = np.clip(last - 1 if of_data else last + 1, 0, _SECTIONS - 1)
        if turn == 0:
            feasible, binding = met.any(axis=0), other != last
        sigma, params = (np.take_along_axis(v, last[None], axis=0)[0] for v in (s, n))
        ends = [np.take_along_axis(logs, at[None], axis=0)[0] for at in (last, other)]
        low, high = np.minimum(*ends), np.maximum(*ends)
    sigma, params = np.where(feasible, sigma, np.nan), np.where(feasible, params, np.nan)
    found = allocation(law, price, sigma, params, np.zeros((2, *shape), bool), ranges)
    inside = binding & (found.where == Where.INTERIOR)
    return replace(found, where=np.where(inside, Where.CONSTRAINT, found.where).astype(object))
