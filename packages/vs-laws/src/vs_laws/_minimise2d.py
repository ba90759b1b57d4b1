"""Minimise smooth functions of two variables in boxes, many at once.

A grid over the box finds the basin, and a damped projected Newton method, with derivatives by central
differences, the minimum in it. The argument is good to about 1e-8 of a log unit.
"""

from collections.abc import Callable

import numpy as np

from vs_laws.forms import Floats

_GRID = 25  # points per axis
_STEP = 1e-4
_ITERATIONS = 80


def minimise(
    function: Callable[[Floats, Floats], Floats],
    low: tuple[Floats, Floats],
    high: tuple[Floats, Floats],
) -> tuple[Floats, Floats]:
    """Arguments (s, t) of the minimum, of the shape of the bounds; NaN where f is NaN throughout.

    Args:
        function: elementwise f(s, t) of that shape.
        low: lower bounds of s and t.
        high: upper bounds; equal bounds hold a variable fixed.
    """
    bottom, top = np.stack(low), np.stack(high)
    best = np.full(bottom.shape[1:], np.inf)
    point = np.full(bottom.shape, np.nan)
    for a in np.linspace(0.0, 1.0, _GRID):
        for b in np.linspace(0.0, 1.0, _GRID):
            tried = bottom + np.array([a, b]).reshape(2, *[1] * best.ndim) * (top - bottom)
            value = function(tried[0], tried[1])
            better = value < best
            best, point = np.where(better, value, best), np.where(better, tried, point)
    damping = np.full(best.shape, 1e-3)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for _ in range(_ITERATIONS):
            gradient, (ss, st, tt) = _derivatives(function, point)
            held = ((point <= bottom) & (gradient > 0)) | ((point >= top) & (gradient < 0))
            held |= bottom == top
            gradient = np.where(held, 0.0, gradient)
            bend = damping * (np.abs(ss) + np.abs(tt) + 1e-8)
            ss, tt = np.where(held[0], 1.0, ss + bend), np.where(held[1], 1.0, tt + bend)
            st = np.where(held.any(axis=0), 0.0, st)
            det = ss * tt - st * st
            step = -np.stack(
                [tt * gradient[0] - st * gradient[1], ss * gradient[1] - st * gradient[0]]
            )
            sound = (det > 0) & (ss > 0)  # else a short step downhill
            step = np.where(sound, step / det, -gradient / (np.abs(ss) + np.abs(tt) + 1e-8))
            moved = np.clip(point + np.clip(step, -2.0, 2.0), bottom, top)
            value = function(moved[0], moved[1])
            small = np.abs(moved - point).max(axis=0) < 1e-6
            # so close to the minimum f is flat to rounding: the gradient decides, not f
            better = (value < best) | (small & sound & (value <= best * (1 + 1e-14)))
            shift = np.where(better, np.abs(moved - point).max(axis=0), 0.0)
            point, best = np.where(better, moved, point), np.where(better, value, best)
            damping = np.where(better, damping * 0.1, damping * 10.0)
            if not np.any((shift > 1e-11) | (~better & (damping < 1e6) & np.isfinite(best))):
                break
    return point[0], point[1]


def _derivatives(
    function: Callable[[Floats, Floats], Floats], point: Floats
) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
    s, t = point
    h = _STEP
    centre = function(s, t)
    right, left = function(s + h, t), function(s - h, t)
    up, down = function(s, t + h), function(s, t - h)
    corner = function(s + h, t + h) + function(s - h, t - h)
    corner -= function(s + h, t - h) + function(s - h, t + h)
    gradient = np.stack([right - left, up - down]) / (2.0 * h)
    curvature = (
        (right - 2.0 * centre + left) / h**2,
        corner / (4.0 * h**2),
        (up - 2.0 * centre + down) / h**2,
    )
    return gradient, curvature
