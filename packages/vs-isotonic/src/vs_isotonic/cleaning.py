"""Repairs of published curves before they are averaged."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from vs_isotonic._checks import Floats, Integers, as_floats, as_returns, as_steps


@dataclass(frozen=True)
class DistinctSeeds:
    """Seed columns to keep; ``print`` it for the sentence to report.

    Attributes:
        kept: indices of the columns to keep, increasing: ``returns[:, kept]``.
        copies: groups of identical columns, first (kept) index first; empty if all are distinct.
    """

    kept: Integers
    copies: tuple[tuple[int, ...], ...]

    @property
    def dropped(self) -> int:
        """Number of columns that repeat another one."""
        return sum(len(group) - 1 for group in self.copies)

    def __str__(self) -> str:
        total = self.kept.size + self.dropped
        if not self.copies:
            return f"{total} distinct seeds"
        groups = "; ".join(" = ".join(map(str, group)) for group in self.copies)
        return f"{self.kept.size} distinct seeds of {total}: identical columns {groups}"


def distinct_seeds(returns: ArrayLike) -> DistinctSeeds:
    """Find seed columns that are exact copies of another one.

    A column counts as a copy only if its values vary: seeds of a task without reward so far are all
    zero without being copies, and so are seeds that never logged anything.

    Args:
        returns: shape ``(T, S)``, one column per seed; NaNs at the same rows compare equal.

    Returns:
        The columns to keep (the first of every group) and the groups of copies.

    Raises:
        ValueError: not a ``(T, S)`` array, or infinite values.
    """
    values = as_returns(returns) + 0.0  # −0 + 0 = 0: equal numbers get equal bytes
    values[np.isnan(values)] = np.nan
    groups: dict[object, list[int]] = {}
    for seed in range(values.shape[1]):
        column = values[:, seed]
        observed = column[~np.isnan(column)]
        varies = observed.size > 0 and observed.min() < observed.max()
        groups.setdefault(column.tobytes() if varies else seed, []).append(seed)
    return DistinctSeeds(
        kept=np.array([group[0] for group in groups.values()], dtype=np.int64),
        copies=tuple(tuple(group) for group in groups.values() if len(group) > 1),
    )


def remove_resets(steps: ArrayLike, curve: ArrayLike, resets: ArrayLike) -> Floats:
    """Take out the dip after every agent reset, so that the isotonic fit does not average it in.

    In the segment after a reset only the evaluations from the first one that is back at the level
    just before that reset (the last observation before it) are kept. A segment that never gets back
    is taken out whole. An evaluation at the very step of a reset may have been made before or after
    it: it counts as after if the curve drops at least as much towards it as it drops behind it.

    Args:
        steps: env steps of the evaluations, ``(T,)``, strictly increasing.
        curve: returns, ``(..., T)``, NaN where there is no evaluation.
        resets: env steps of the agent's resets, ``(R,)``, strictly increasing; may be empty.

    Returns:
        A copy of ``curve`` with NaN at the evaluations taken out, as ``crossings`` and
        ``isotonic_regression`` want it. (``last_step`` is then the last one kept.)

    Raises:
        ValueError: shapes that do not fit, steps or resets that do not increase.

    Source: arXiv:2502.04327 App. D.
    """
    values = as_floats(curve, "curve")
    if values.ndim == 0 or values.shape[-1] == 0:
        raise ValueError("curve must have at least one evaluation on its last axis")
    axis = as_steps(steps, values.shape[-1], "curve")
    times = as_floats(resets, "resets")
    if times.ndim != 1 or not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        raise ValueError("resets must be a list of finite, strictly increasing env steps")

    kept = values.reshape(-1, axis.size).copy()
    for row in kept:
        observed = np.flatnonzero(~np.isnan(row))
        row[observed] = _without_dips(axis[observed], row[observed], times)
    return kept.reshape(values.shape)


def _without_dips(steps: Floats, row: Floats, resets: Floats) -> Floats:
    """Return a row without holes, (T,), with NaN over its dips."""
    starts = np.searchsorted(steps, resets, side="left")
    for k, start in enumerate(starts):
        if 0 < start < steps.size - 1 and steps[start] == resets[k]:
            before, at, after = row[start - 1 : start + 2]
            starts[k] = start if before - at >= at - after else start + 1
    kept = row.copy()
    for start, end in pairwise([*starts, steps.size]):
        if 0 < start < end:
            back = row[start:end] >= row[start - 1]
            kept[start : start + back.argmax() if back.any() else end] = np.nan
    return kept
