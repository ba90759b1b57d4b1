"""The cells of a sweep, checked once: any set of (task, σ, B, η) with env steps to J levels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws._points import labels
from vs_laws.law import Floats


@dataclass(frozen=True)
class Sweep:
    """n cells in G groups (the cells of one task and σ), with K bootstraps.

    Attributes:
        tasks: T labels.
        task: (n,) index of each cell's task.
        sigma: (n,).
        places: (n,) values of each hyperparameter.
        seeds: (n,).
        data: (n, J); ``inf`` censored, NaN missing.
        spacing: (n, J).
        last_steps: (n, J).
        draws: (K, n, J); the data, K times, without bootstraps.
        resampled: True with bootstraps.
        levels: (J,) positions of the levels from 0 to 1.
        group: (n,) index of each cell's group.
        group_task: (G,) index of each group's task.
        group_sigma: (G,).
    """

    tasks: tuple[str, ...]
    task: NDArray[np.int64]
    sigma: Floats
    places: Mapping[str, Floats]
    seeds: Floats
    data: Floats
    spacing: Floats
    last_steps: Floats
    draws: Floats
    resampled: bool
    levels: Floats
    group: NDArray[np.int64]
    group_task: NDArray[np.int64]
    group_sigma: Floats

    @property
    def varying(self) -> tuple[str, ...]:
        """Hyperparameters with two values in some group."""
        groups = range(len(self.group_task))
        return tuple(
            name
            for name, x in self.places.items()
            if any(np.ptp(x[self.group == g]) > 0 for g in groups)
        )

    def ends(self, x: Floats, of: NDArray[np.int64]) -> Floats:
        """Return the least and largest of x (n,) among the cells of each index in ``of``, (…, 2)."""
        parts = [x[of == index] for index in range(of.max() + 1)]
        return np.array([(part.min(), part.max()) for part in parts])


def sweep(
    data: ArrayLike,
    *,
    tasks: Sequence[str],
    sigma: ArrayLike,
    seeds: ArrayLike,
    spacing: ArrayLike,
    draws: ArrayLike | None,
    last_steps: ArrayLike,
    levels: ArrayLike | None,
    count: int,
    **places: ArrayLike,
) -> tuple[Sweep, NDArray[np.bool_], tuple[str, ...]]:
    """Return the cells of groups that reach some level, which of all they are (n,), and remarks.

    Raises:
        ValueError: as `fit_hyperparameters`.
    """
    steps = np.asarray(data, float)
    steps = steps[:, None] if steps.ndim == 1 else steps
    if steps.ndim != 2 or steps.size == 0:
        raise ValueError(f"data has shape {np.shape(data)}, expected (cells, levels)")
    if np.any(steps <= 0):
        raise ValueError("data must be positive (inf where a level was not reached)")
    n, J = steps.shape
    names, task = labels(tasks, n)
    at = {name: _positive(name, x, n) for name, x in {"sigma": sigma, **places}.items()}
    many = np.broadcast_to(np.asarray(seeds, float), (n,))
    if not np.all(many >= 1):
        raise ValueError(f"seeds must be at least 1, got {many.min():g}")
    rows = _draws(draws, steps, count)
    where = np.arange(J, dtype=float) if levels is None else np.asarray(levels, float)
    if where.shape != (J,) or np.any(np.diff(where) <= 0):
        raise ValueError(f"levels must be {J} increasing numbers, one per column of data")

    pairs = np.stack([task.astype(float), at["sigma"]], axis=1)
    found, group = np.unique(pairs, axis=0, return_inverse=True)
    live = np.bincount(group, np.isfinite(steps).any(axis=1)) > 0
    if not live.any():
        raise ValueError("no cell reaches any level; give lower levels or longer runs")
    notes = tuple(
        f"{names[int(t)]} at sigma {s:g}: no cell reaches any level, left out"
        for t, s in found[~live]
    )
    keep = live[group]
    names, task = labels([names[t] for t in task[keep]], int(keep.sum()))
    group = (np.cumsum(live) - 1)[group[keep]]
    first = np.unique(group, return_index=True)[1]
    kept_sigma = at.pop("sigma")[keep]
    whole = Sweep(
        tasks=names,
        task=task,
        sigma=kept_sigma,
        places={name: x[keep] for name, x in at.items()},
        seeds=many[keep],
        data=steps[keep],
        spacing=_per_level("spacing", spacing, n, J)[keep],
        last_steps=_per_level("last_steps", last_steps, n, J)[keep],
        draws=rows[:, keep],
        resampled=draws is not None,
        levels=(where - where[0]) / max(where[-1] - where[0], 1e-300),
        group=group,
        group_task=task[first],
        group_sigma=kept_sigma[first],
    )
    if not whole.varying:
        raise ValueError(
            f"none of {', '.join(places)} varies between cells of one task and sigma; a best value "
            "needs at least two that were tried"
        )
    return whole, keep, notes


def _positive(name: str, values: ArrayLike, n: int) -> Floats:
    array = np.asarray(values, float)
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}, expected ({n},), one per cell")
    bad = ~(np.isfinite(array) & (array > 0))
    if bad.any():
        at = int(bad.argmax())
        raise ValueError(f"{name}[{at}] = {array[at]:g}: expected a positive, finite number")
    return array


def _per_level(name: str, values: ArrayLike, n: int, levels: int) -> Floats:
    array = np.asarray(values, float)
    array = array[:, None] if array.ndim == 1 else array
    if array.shape not in ((), (n, 1), (n, levels)):
        raise ValueError(
            f"{name} has shape {np.shape(values)}, expected a number, ({n},) or ({n}, {levels})"
        )
    if not np.all(array > 0):
        raise ValueError(f"{name} must be positive, got {np.min(array):g}")
    return np.broadcast_to(array, (n, levels))


def _draws(values: ArrayLike | None, steps: Floats, count: int) -> Floats:
    """Return bootstraps (K, n, J), the data themselves ``count`` times without any."""
    if values is None:
        if count < 2:
            raise ValueError(f"count must be at least 2, got {count}")
        return np.repeat(steps[None], count, axis=0)
    rows = np.asarray(values, float)
    rows = rows[:, :, None] if rows.ndim == 2 else rows
    if rows.ndim != 3 or rows.shape[1:] != steps.shape or len(rows) < 2:
        raise ValueError(
            f"draws has shape {np.shape(values)}, expected (bootstraps, {', '.join(map(str, steps.shape))})"
        )
    if np.any(rows <= 0):
        raise ValueError("draws must be positive (inf where a level was not reached)")
    return rows
