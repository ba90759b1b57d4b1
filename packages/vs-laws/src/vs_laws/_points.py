"""Arguments checked once at the door, with one sentence when they are wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws.law import Floats


@dataclass(frozen=True)
class Points:
    """Places of the data.

    Attributes:
        axes: K names.
        x: (n, K) positive places.
        member: (n,) index of each point's task, 0 … T−1.
        tasks: T labels; empty for one law without a dimension of tasks.
    """

    axes: tuple[str, ...]
    x: Floats
    member: NDArray[np.int64]
    tasks: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """T, one for a single law."""
        return max(len(self.tasks), 1)

    @property
    def one_hot(self) -> Floats:
        """(n, T) membership."""
        return np.equal.outer(self.member, np.arange(self.count)).astype(float)

    @property
    def places(self) -> dict[str, Floats]:
        """The places by axis, each (n,), as a law is called."""
        return {axis: self.x[:, k] for k, axis in enumerate(self.axes)}

    def task(self, index: int) -> "Points":
        """Return one task's points as those of a single law."""
        here = self.member == index
        return Points(self.axes, self.x[here], np.zeros(int(here.sum()), int))


def points(axes: Mapping[str, ArrayLike | None], tasks: Sequence[str] | None) -> Points:
    """Return the places of n data points, checked; axes that are None are left out.

    Raises:
        ValueError: if no axis is given, lengths differ, a place is not positive and finite, or an
            axis has one distinct place.
    """
    given = {name: np.asarray(v, float) for name, v in axes.items() if v is not None}
    if not given:
        raise ValueError("a law needs at least one axis, e.g. sigma=…")
    size = next(iter(given.values())).size
    for name, values in given.items():
        if values.ndim != 1 or values.size == 0:
            raise ValueError(f"{name} must be a non-empty 1-D array, got shape {values.shape}")
        if values.size != size:
            first = next(iter(given))
            raise ValueError(f"{name} has {values.size} points, expected {size}, one per {first}")
        bad = ~(np.isfinite(values) & (values > 0))
        if bad.any():
            at = int(bad.argmax())
            raise ValueError(f"{name}[{at}] = {values[at]:g}: levels must be positive and finite")
        if np.unique(values).size < 2:
            raise ValueError(
                f"{name} has one distinct level ({values[0]:g}); a law needs at least two"
            )
    names, member = labels(tasks, size)
    return Points(tuple(given), np.stack(list(given.values()), axis=1), member, names)


def observed(name: str, values: ArrayLike, n: int) -> tuple[Floats, tuple[str, ...]]:
    """Return (n,) values: positive, or NaN/+inf for "not reached" (turned into NaN, with a note)."""
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


def bootstrap_rows(name: str, values: ArrayLike | None, n: int) -> Floats | None:
    """Return (S, n) bootstraps, non-finite entries as NaN; None without any."""
    if values is None:
        return None
    array = np.asarray(values, float)
    if array.ndim != 2 or array.shape[1] != n or array.shape[0] == 0:
        raise ValueError(f"{name} has shape {array.shape}, expected (bootstraps, {n})")
    if np.any(array <= 0):
        raise ValueError(f"{name} must be positive (inf or NaN where the level was not reached)")
    return np.where(np.isfinite(array), array, np.nan)


def bootstrap_notes(draws: Floats | None, used: NDArray[np.bool_], lost: int) -> tuple[str, ...]:
    """Return what was left out of the bootstraps, in words."""
    holes = 0 if draws is None else int((~np.isfinite(draws[:, used])).any(axis=1).sum())
    if draws is None or holes == 0:
        return ()
    return (
        f"{holes} of {len(draws)} bootstraps have censored points, left out of that bootstrap; "
        f"{lost} could not be fitted",
    )


def weights_like(weights: ArrayLike | None, n: int) -> Floats:
    """Return (n,) non-negative weights, not all 0; ones by default."""
    if weights is None:
        return np.ones(n)
    array = np.asarray(weights, float)
    if array.shape != (n,):
        raise ValueError(f"weights has shape {array.shape}, expected ({n},)")
    if not np.all(np.isfinite(array) & (array >= 0)) or not array.any():
        raise ValueError("weights must be finite and non-negative, with at least one positive")
    return array


def labels(tasks: Sequence[str] | None, n: int) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return distinct labels in order of appearance, and each point's index into them."""
    if tasks is None:
        return (), np.zeros(n, dtype=int)
    if len(tasks) != n:
        raise ValueError(f"tasks has {len(tasks)} labels, expected {n}, one per point")
    names = tuple(dict.fromkeys(str(t) for t in tasks))
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place[str(t)] for t in tasks])
