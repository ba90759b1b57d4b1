"""True ends of the seeds of forward-filled curves; ends by success are marked.

A process trains several seeds and stops when their mean return passes a level. The file then
repeats each seed's last return; only the trailing NaN of the critic loss shows that nothing ran.
Some processes died instead, which leaves the same trace. Neither the level nor the processes are
in the files, but the level is one number per task: seeds of an array that end at the same row are
taken as one process, and it died if its mean return there is below 80 % of the median over all
processes of the task that ended early. (In the published BRO files no such mean is below 89 %; in
the SimbaV2 file they reach down to 2 %, but stay above 99 % for the two narrowest critics.)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vs_logging._assemble import Curves

LOWEST_SUCCESS = 0.8
"""Fraction of the median return at which the processes of a task stopped."""


@dataclass(frozen=True)
class _Ends:
    """Per seed: number of leading rows that are measurements, a flag if rows follow, last return."""

    rows: NDArray[np.int64]
    early: NDArray[np.bool_]
    last: NDArray[np.float64]
    unexplained: int

    def processes(self) -> list[tuple[NDArray[np.int64], float]]:
        """Seeds that stopped early together, and their mean return at the stop."""
        stops = np.unique(self.rows[self.early])
        groups = [np.flatnonzero(self.early & (self.rows == row)) for row in stops]
        return [(seeds, float(self.last[seeds].mean())) for seeds in groups]


def cut_at_true_ends(
    runs: Sequence[Curves], *, drop_after_end: bool
) -> tuple[list[Curves], int, list[str]]:
    """Mark the seeds that stopped on success; cut each at its true end if ``drop_after_end``.

    Returns:
        The runs, the number of rows cut, and a note on everything that was assumed or seen.
    """
    found = [_true_ends(curves) for curves in runs]
    stops: dict[str, list[float]] = {}
    for curves, ends in zip(runs, found, strict=True):
        if ends is not None:
            env = str(curves.config["env"])
            stops.setdefault(env, []).extend(level for _, level in ends.processes())
    levels = {env: float(np.median(values)) for env, values in stops.items() if values}
    marked: list[Curves] = []
    cut = died = 0
    for curves, ends in zip(runs, found, strict=True):
        if ends is None:
            marked.append(curves)
            continue
        success = np.zeros(len(ends.rows), dtype=bool)
        for seeds, level in ends.processes():
            success[seeds] = level >= LOWEST_SUCCESS * levels[str(curves.config["env"])]
        died += int((ends.early & ~success).sum())
        rows = None
        if drop_after_end:
            rows = ends.rows
            cut += int((len(curves.steps) - rows).sum())
        marked.append(replace(curves, ends=rows, flags={"stopped_on_success": success}))
    return marked, cut, _notes(runs, found, levels, died)


def _notes(
    runs: Sequence[Curves], found: Sequence[_Ends | None], levels: dict[str, float], died: int
) -> list[str]:
    notes = []
    if unknown := sum(ends is None for ends in found):
        notes.append(
            f"{unknown} runs have no critic_loss: forward-filled rows cannot be told, all are kept"
        )
    if changing := sum(ends.unexplained for ends in found if ends is not None):
        notes.append(
            f"{changing} seeds' returns change after their critic_loss ends: kept to the end"
        )
    if levels:
        shown = ", ".join(f"{env} {level:.0f}" for env, level in sorted(levels.items()))
        notes.append(f"median mean return at which processes stopped early: {shown}")
    if died:
        notes.append(
            f"{died} seeds ended early at less than {LOWEST_SUCCESS:.0%} of it: taken to have "
            "died, not stopped on success"
        )
    longest: dict[str, int] = {}
    for curves in runs:
        env = str(curves.config["env"])
        longest[env] = max(longest.get(env, 0), int(curves.steps[-1]))
    short = sum(int(curves.steps[-1]) < longest[str(curves.config["env"])] for curves in runs)
    if short:
        notes.append(
            f"{short} runs' arrays end before the longest of their task, as if cut where one group "
            "of seeds stopped: a level not reached there is censored, not failed"
        )
    return notes


def _true_ends(curves: Curves) -> _Ends | None:
    """Find each seed's last measurement by its critic loss; None if no loss was logged."""
    loss = curves.diagnostics.get("critic_loss")
    if loss is None or np.isnan(loss).all():
        return None
    length = len(curves.steps)
    row = np.arange(length)[:, None]
    logged = ~np.isnan(loss)
    ends = length - np.argmax(logged[::-1], axis=0)
    ends[~logged.any(axis=0)] = length
    # The last return may be older than the last loss: evaluations can be rarer.
    evaluated = ~np.isnan(curves.returns) & (row < ends)
    newest = length - 1 - np.argmax(evaluated[::-1], axis=0)
    last = curves.returns[newest, np.arange(len(ends))]
    last[~evaluated.any(axis=0)] = np.nan
    # Forward fill repeats the last value; what changes after the end was measured after all.
    same = (curves.returns == last) | np.isnan(curves.returns)
    changes = ((row >= ends) & ~same).any(axis=0)
    early = (ends < length) & ~changes & ~np.isnan(last)
    return _Ends(np.where(changes, length, ends), early, last, int(changes.sum()))
