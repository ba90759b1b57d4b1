"""What scaling only σ or only N costs, against scaling both (arXiv:2508.14881).

For each level the two-axis optimum has data D*, compute C* and budget F*. With one axis fixed at a
reference, three prices of the same level are compared with it:

- ``data_ratio``: least data with no more compute than C*, over D*: the extra data needed within the
  same FLOPs (P2's comparison: 11 % for σ alone, 26 % for N alone);
- ``compute_ratio``: least FLOPs with no more data than D*, over C*;
- ``budget_ratio``: least C + δ·D, over F*.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vs_laws._minimise2d import minimise
from vs_laws.forms import Floats
from vs_laws.surface_allocate import Range, SurfaceAllocation
from vs_laws.surface_compute import SurfaceCompute

type Axis = Literal["sigma", "critic_params"]

_POINTS = 400  # of the moving axis, log-spaced, before bisection
_BISECTIONS = 50


@dataclass(frozen=True)
class SingleAxis:
    """Scaling one axis only; arrays share the shape of the optimum they are compared with.

    Attributes:
        axis: the axis that is scaled.
        fixed: the value at which the other axis is held.
        data_ratio: see `vs_laws.single_axis`; inf where the same compute does not suffice.
        compute_ratio: the same with the roles exchanged; inf where the same data do not suffice.
        budget_ratio: least budget over the two-axis one, ≥ 1.
        value: σ (or N) of least budget.
        data: env steps of least budget.
        compute: FLOPs of least budget.
        edge: whether that value is at or beyond the edge of the data range.
    """

    axis: Axis
    fixed: float
    data_ratio: Floats
    compute_ratio: Floats
    budget_ratio: Floats
    value: Floats
    data: Floats
    compute: Floats
    edge: NDArray[np.bool_]


def single_axis(
    law: SurfaceCompute,
    delta: float,
    optimum: SurfaceAllocation,
    *,
    axis: Axis,
    fixed: float,
    value_range: Range,
    reach: float = 1e4,
) -> SingleAxis:
    """Compare scaling one axis with the two-axis optimum of the same levels and law.

    Args:
        law: C_J, fields of the optimum's shape.
        delta: price of an env step, as used for ``optimum``.
        optimum: from `least_surface_budget` with this law.
        axis: the axis to scale.
        fixed: value of the other axis.
        value_range: data range of the scaled axis.
        reach: how many times beyond its range the axis may go; 1 keeps it within. As in
            `least_surface_budget`, it stays within where the two-axis optimum was held at an end of
            the range, and a least budget that runs away is taken at the range's end.

    Raises:
        ValueError: on an unknown axis, or values that are not positive.
    """
    if axis not in ("sigma", "critic_params"):
        raise ValueError(f"axis must be 'sigma' or 'critic_params', got {axis!r}")
    if not (fixed > 0 and delta > 0 and reach >= 1 and 0 < value_range[0] < value_range[1]):
        raise ValueError("fixed, delta and value_range must be positive, reach at least 1")
    least, most = np.log(value_range)
    at = np.log(getattr(optimum, axis))
    held = (np.abs(at - least) < 1e-9) | (np.abs(at - most) < 1e-9)
    beyond = np.where(held, 0.0, np.log(reach))
    low, high = least - beyond, most + beyond

    def price(t: Floats) -> tuple[Floats, Floats]:
        """D and C at the axis' value exp(t)."""
        point = (np.exp(t), fixed) if axis == "sigma" else (fixed, np.exp(t))
        data = law.data(*point)
        return data, law.per_step(*point) * data

    grid = np.linspace(low, high, _POINTS)
    data_grid, compute_grid = (
        np.stack(part) for part in zip(*(price(t) for t in grid), strict=True)
    )
    tiny = 1.0 + 1e-9
    data = _least(grid, data_grid, compute_grid, optimum.compute * tiny, price, 0)
    compute = _least(grid, compute_grid, data_grid, optimum.data * tiny, price, 1)

    def cost(t: Floats, _: Floats) -> Floats:
        steps, flops = price(t)
        return np.log(flops + delta * steps)

    still = np.zeros(low.shape)
    best, _ = minimise(cost, (low, still), (high, still))
    best = np.where(best <= low, least, np.where(best >= high, most, best))
    steps, flops = price(best)
    value = np.exp(best)
    inner = (value_range[0] * (1 + 1e-9), value_range[1] * (1 - 1e-9))
    return SingleAxis(
        axis,
        fixed,
        data / optimum.data,
        compute / optimum.compute,
        (flops + delta * steps) / optimum.budget,
        value,
        steps,
        flops,
        (value <= inner[0]) | (value >= inner[1]),
    )


def _least(
    grid: Floats,
    wanted: Floats,
    limited: Floats,
    limit: Floats,
    price: Callable[[Floats], tuple[Floats, Floats]],
    which: int,
) -> Floats:
    """Least of one price under a limit on the other; inf where no point meets the limit.

    The least feasible point of the grid is moved towards its better neighbour by bisection, up to
    where the limit binds.
    """
    feasible = limited <= limit
    score = np.where(feasible, wanted, np.inf)
    at = score.argmin(axis=0)
    found = np.take_along_axis(score, at[None], axis=0)[0]
    for side in (-1, 1):
        beside = np.clip(at + side, 0, len(grid) - 1)
        good, bad = (np.take_along_axis(grid, i[None], axis=0)[0] for i in (at, beside))
        for _ in range(_BISECTIONS):
            middle = 0.5 * (good + bad)
            prices = price(middle)
            inside = prices[1 - which] <= limit
            good, bad = np.where(inside, middle, good), np.where(inside, bad, middle)
        prices = price(good)
        ok = np.isfinite(found) & (prices[1 - which] <= limit)
        found = np.where(ok, np.minimum(found, prices[which]), found)
    return found
