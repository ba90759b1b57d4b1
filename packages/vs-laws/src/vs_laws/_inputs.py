"""Arguments checked once at the door, with one sentence when they are wrong."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from vs_laws.forms import Floats


def levels(name: str, values: ArrayLike) -> Floats:
    """(n,) positive finite levels, at least two of them distinct."""
    array = np.asarray(values, float)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be a non-empty 1-D array, got shape {array.shape}")
    bad = ~(np.isfinite(array) & (array > 0))
    if bad.any():
        at = int(bad.argmax())
        raise ValueError(f"{name}[{at}] = {array[at]:g}: levels must be positive and finite")
    if np.unique(array).size < 2:
        raise ValueError(f"{name} has one distinct level ({array[0]:g}); a law needs at least two")
    return array


def positive(name: str, values: ArrayLike, n: int) -> tuple[Floats, tuple[str, ...]]:
    """(n,) values: positive, or NaN/+inf for "not reached" (turned into NaN, with a note)."""
    array = np.asarray(values, float)
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}, expected ({n},), one value per level")
    if np.any(array <= 0):
        at = int((array <= 0).argmax())
        raise ValueError(f"{name}[{at}] = {array[at]:g}: values must be positive")
    missing = ~np.isfinite(array)
    if missing.all():
        raise ValueError(f"every value of {name} is missing or censored; nothing can be fitted")
    if not missing.any():
        return array, ()
    note = (
        f"{int(missing.sum())} of {n} points are missing or censored (no run reached the level) "
        "and were left out; where they are censored, the fit is too optimistic there"
    )
    return np.where(missing, np.nan, array), (note,)


def sample_rows(name: str, values: ArrayLike, n: int) -> Floats:
    """(K, n) bootstraps; non-finite entries become NaN."""
    array = np.asarray(values, float)
    if array.ndim != 2 or array.shape[1] != n or array.shape[0] == 0:
        raise ValueError(f"{name} has shape {array.shape}, expected (bootstraps, {n})")
    if np.any(array <= 0):
        raise ValueError(f"{name} must be positive (inf or NaN where the level was not reached)")
    return np.where(np.isfinite(array), array, np.nan)


def weights_like(weights: ArrayLike | None, n: int) -> Floats:
    """(n,) non-negative weights, not all 0; ones by default."""
    if weights is None:
        return np.ones(n)
    array = np.asarray(weights, float)
    if array.shape != (n,):
        raise ValueError(f"weights has shape {array.shape}, expected ({n},)")
    if not np.all(np.isfinite(array) & (array >= 0)) or not array.any():
        raise ValueError("weights must be finite and non-negative, with at least one positive")
    return array


def labels(groups: Sequence[str] | None, n: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Distinct labels in order of appearance, and each point's index into them."""
    if groups is None:
        return (), np.zeros(n, dtype=int)
    if len(groups) != n:
        raise ValueError(f"groups has {len(groups)} labels, expected {n}, one per point")
    names = tuple(dict.fromkeys(str(g) for g in groups))
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place[str(g)] for g in groups])
