"""Minimise smooth functions of K variables in boxes, many at once.

A grid over the box finds the basin, and a damped projected Newton method, with derivatives by central
differences, the minimum in it. The argument is good to about 1e-8 of a log unit.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from vs_laws.law import Floats

_GRID = 625  # points in all: 625, 25² or 9³ for one, two or three variables
_STEP = 1e-4
_ITERATIONS = 80

type Function = Callable[[Floats], Floats]


def minimise(function: Function, low: Floats, high: Floats) -> Floats:
    """Return arguments (K, …) of the minima, of the shape of the bounds; NaN where f is NaN throughout.

    Args:
        function: f(x) for x of the shape (K, …), elementwise over the other dimensions.
        low: lower bounds (K, …).
        high: upper bounds; equal bounds hold a variable fixed.
    """
    count = len(low)
    best, point = np.full(low.shape[1:], np.inf), np.full(low.shape, np.nan)
    shares = np.linspace(0.0, 1.0, max(5, round(_GRID ** (1.0 / count))))
    for share in product(shares, repeat=count):
        tried = low + np.reshape(share, (count, *[1] * best.ndim)) * (high - low)
        value = function(tried)
        better = value < best
        best, point = np.where(better, value, best), np.where(better, tried, point)
    damping = np.full(best.shape, 1e-3)
    for _ in range(_ITERATIONS):
        with np.errstate(invalid="ignore", over="ignore"):
            slopes = _derivatives(function, point)
        step, sound = _newton(*slopes, damping, point <= low, point >= high)
        moved = np.clip(point + np.clip(step, -2.0, 2.0), low, high)
        value = function(moved)
        distance = np.abs(moved - point).max(axis=0)
        # so close to the minimum f is flat to rounding: the gradient decides, not f
        flat = (distance < 1e-6) & sound & (value <= best + 1e-14 * np.abs(best))
        better = (value < best) | flat
        shift = np.where(better, distance, 0.0)
        point, best = np.where(better, moved, point), np.where(better, value, best)
        damping = np.where(better, damping * 0.1, damping * 10.0)
        if not np.any((shift > 1e-11) | (~better & (damping < 1e6) & np.isfinite(best))):
            break
    return point


def _newton(
    gradient: Floats,
    curvature: Floats,
    damping: Floats,
    at_low: NDArray[np.bool_],
    at_high: NDArray[np.bool_],
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return downhill steps (K, …), and whether f is convex there; curvature is (…, K, K)."""
    held = (at_low & (gradient > 0)) | (at_high & (gradient < 0)) | (at_low & at_high)
    free = np.moveaxis(~held & np.isfinite(gradient), 0, -1)
    slope = np.where(free, np.moveaxis(gradient, 0, -1), 0.0)
    known = free[..., :, None] & free[..., None, :] & np.isfinite(curvature)
    values, vectors = np.linalg.eigh(np.where(known, curvature, 0.0))
    size = np.abs(values).max(axis=-1, keepdims=True)
    bend = np.abs(values) + damping[..., None] * (size + 1e-8) + 1e-300
    step = -np.einsum("...ij,...kj,...k->...i", vectors / bend[..., None, :], vectors, slope)
    return np.moveaxis(step, -1, 0), (values >= -1e-12 * size).all(axis=-1)


def _derivatives(function: Function, point: Floats) -> tuple[Floats, Floats]:
    """Return the gradient (K, …) and the matrix of second derivatives (…, K, K)."""
    count = len(point)
    steps = _STEP * np.eye(count).reshape(count, count, *[1] * (point.ndim - 1))
    centre = function(point)
    ahead, behind = ([function(point + sign * step) for step in steps] for sign in (1, -1))
    curvature = np.empty((*centre.shape, count, count))
    for j in range(count):
        curvature[..., j, j] = (ahead[j] - 2.0 * centre + behind[j]) / _STEP**2
        for k in range(j):
            both, apart = steps[j] + steps[k], steps[j] - steps[k]
            corner = function(point + both) + function(point - both)
            corner = corner - function(point + apart) - function(point - apart)
            curvature[..., j, k] = curvature[..., k, j] = corner / (4.0 * _STEP**2)
    return (np.stack(ahead) - np.stack(behind)) / (2.0 * _STEP), curvature
