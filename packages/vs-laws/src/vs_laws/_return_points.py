"""Arguments of a law of returns, checked once at the door."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from vs_laws.law import Floats

LEAST = 8
"""Evaluations that a curve needs for a fit: twice the law's parameters."""


def checked_curve(returns: ArrayLike, axis: Mapping[str, ArrayLike]) -> tuple[str, Floats, Floats]:
    """Return the axis' name, its places (T,) and the returns (T,), checked."""
    if len(axis) != 1:
        raise ValueError(
            f"a law of returns has one axis, e.g. env_step=…, got {', '.join(axis) or 'none'}"
        )
    name, places = next(iter(axis.items()))
    x, y = np.asarray(places, float), np.asarray(returns, float)
    if y.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"returns has shape {y.shape} and {name} {x.shape}; expected one return per {name}: the "
            "curve of one seed, or the mean over seeds"
        )
    if np.isinf(y).any():
        raise ValueError(
            f"returns[{int(np.isinf(y).argmax())}] is infinite; leave it out or give NaN"
        )
    if not (np.isfinite(x).all() and (x >= 0).all() and (np.diff(x) > 0).all()):
        raise ValueError(f"{name} must be finite, not negative and increasing")
    count = int(np.isfinite(y).sum())
    if count < LEAST:
        raise ValueError(f"{count} evaluations are known; a law of returns needs at least {LEAST}")
    return name, x, y


def checked_bootstraps(draws: ArrayLike | None, size: int) -> Floats | None:
    """Return (S, T) bootstraps, checked; None without any."""
    if draws is None:
        return None
    rows = np.asarray(draws, float)
    if rows.ndim != 2 or rows.shape[1] != size or len(rows) < 2:
        raise ValueError(
            f"draws has shape {rows.shape}, expected (bootstraps, {size}), two bootstraps at least"
        )
    return rows
