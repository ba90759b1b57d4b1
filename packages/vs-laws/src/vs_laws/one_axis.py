"""The price of scaling one axis only, against the optimum over all axes.

arXiv:2508.14881 compares σ alone and N alone with both, at the budget optimum of C_J + δ·D_J.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vs_laws.allocate import Allocation, allocate
from vs_laws.cost import Cost
from vs_laws.law import Floats

_ROUNDING = 1.0 + 1e-9  # a limit that is an optimum's own D or C is not missed by rounding


@dataclass(frozen=True)
class OneAxis:
    """The price of scaling one axis only, arrays of the shape of the levels.

    Attributes:
        axis: the axis that is scaled.
        hold: the values at which the other axes are held.
        data_ratio: least data with no more compute than the full optimum, over its data (the paper's
            comparison: 11 % more for σ alone, 26 % for N alone); inf where that compute does not
            suffice.
        compute_ratio: least compute with no more data, over the optimum's; inf likewise.
        budget_ratio: least C + δ·D over the optimum's; inf likewise.
        optimum: the allocation of least C + δ·D on that axis.
    """

    axis: str
    hold: Mapping[str, float]
    data_ratio: Floats
    compute_ratio: Floats
    budget_ratio: Floats
    optimum: Allocation


def one_axis(
    cost: Cost, optimum: Allocation, delta: float, *, axis: str, hold: Mapping[str, float]
) -> OneAxis:
    """Compare scaling one axis with the budget optimum over all axes.

    Where that optimum was held at an end of the axis' data, the axis alone stays within its data too.

    Args:
        cost: C_J of the levels.
        optimum: its budget optimum at the same δ.
        delta: price of an env step in FLOPs.
        axis: the axis to scale.
        hold: values of all other axes.

    Raises:
        ValueError: if ``axis`` and ``hold`` are not the axes of the cost, or see `allocate`.
    """
    if {axis, *hold} != set(cost.axes) or axis in hold:
        raise ValueError(
            f"one axis is scaled and the others are held: the cost is over {', '.join(cost.axes)}, "
            f"got axis={axis!r} and hold for {', '.join(hold) or 'none'}"
        )
    point, span = cost.without_draws(), cost.ranges.get(axis)
    stays = np.zeros(optimum.data.shape, bool)
    if span is not None:
        with np.errstate(divide="ignore"):
            distance = np.abs(np.log(optimum[axis])[..., None] - np.log(span))
        stays = (distance < np.log(_ROUNDING)).any(axis=-1)

    def least(**goal: Any) -> Allocation:
        free = allocate(point, hold=hold, **goal)
        if span is None or not stays.any():
            return free
        inside = allocate(point, hold=hold, within={axis: span}, **goal)
        chosen = {
            name: np.where(stays, getattr(inside, name), value)
            for name, value in vars(free).items()
            if isinstance(value, np.ndarray)
        }
        return replace(free, places={axis: np.where(stays, inside[axis], free[axis])}, **chosen)

    def ratio(name: str, found: Allocation) -> Floats:
        value = np.where(np.isnan(found[name]), np.inf, found[name])
        return np.where(np.isnan(optimum[name]), np.nan, value / optimum[name])

    # a level without an optimum has no ratio; 1 stands for its limit
    data, compute = (np.nan_to_num(optimum[v], nan=1.0) * _ROUNDING for v in ("data", "compute"))
    alone = least(delta=delta)
    return OneAxis(
        axis=axis,
        hold=dict(hold),
        data_ratio=ratio("data", least(max_compute=compute)),
        compute_ratio=ratio("compute", least(max_data=data)),
        budget_ratio=ratio("budget", alone),
        optimum=alone,
    )


def median_ratio(ratios: ArrayLike) -> float:
    """Return the median of ratios, where inf counts as more than any number; NaN entries left out.

    The mean of the two middle ones of an even number, inf if either is; NaN without any.
    """
    known = np.asarray(ratios, float)
    known = np.sort(known[~np.isnan(known)])
    if known.size == 0:
        return float("nan")
    return float(known[[(known.size - 1) // 2, known.size // 2]].mean())
