"""Data against compute: the frontier of a level, and of measured runs (arXiv:2502.04327 §4)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws.compute import ComputeLaw
from vs_laws.forms import Floats


@dataclass(frozen=True)
class Frontier:
    """Points (D_J(σ), C_J(σ)); leading axes are levels or bootstraps, the last one is σ.

    Attributes:
        sigma: (n,) updates per env step.
        data: (…, n) env steps.
        compute: (…, n) FLOPs.
        efficient: (…, n) whether no other σ needs less of both. Left of the minimum of C a larger
            σ saves data *and* compute, so those points are not on the frontier.
    """

    sigma: Floats
    data: Floats
    compute: Floats
    efficient: NDArray[np.bool_]


def frontier(law: ComputeLaw, sigma: ArrayLike) -> Frontier:
    """The curve σ ↦ (D_J(σ), C_J(σ)) of one level, or of many with (J, 1) fields.

    Args:
        law: compute law of the level.
        sigma: (n,) positive values.

    Raises:
        ValueError: if ``sigma`` is not a non-empty 1-D array of positive finite values.
    """
    grid = np.asarray(sigma, float)
    if grid.ndim != 1 or grid.size == 0 or not np.all(np.isfinite(grid) & (grid > 0)):
        raise ValueError("sigma must be a non-empty 1-D array of positive finite values")
    compute = law(grid)
    data = np.broadcast_to(law.data(grid), compute.shape)
    return Frontier(grid, data, compute, np.broadcast_to(grid >= law.minimiser(), compute.shape))


def non_dominated(data: ArrayLike, compute: ArrayLike) -> NDArray[np.bool_]:
    """Which measured points (n,) have no other point with less or equal of both and less of one.

    Points that are not finite (the level was not reached) are never on the frontier; exact copies
    of a frontier point all are.

    Raises:
        ValueError: if the two arrays are not 1-D of one length.
    """
    steps, flops = np.asarray(data, float), np.asarray(compute, float)
    if steps.ndim != 1 or steps.shape != flops.shape:
        raise ValueError(
            f"data and compute must be 1-D of one length, got {steps.shape} and {flops.shape}"
        )
    finite = np.isfinite(steps) & np.isfinite(flops)
    order = np.lexsort((flops, steps))
    order = order[finite[order]]
    keep = np.zeros(steps.size, bool)
    best, best_steps = np.inf, np.nan
    for i in order:
        # sorted by data: only strictly less compute, or a copy of the last kept point, survives
        if flops[i] < best or (flops[i] == best and steps[i] == best_steps):
            keep[i] = True
            best, best_steps = flops[i], steps[i]
    return keep
