"""The status of a sweep, from its folder alone."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vs_train.config import TrainConfig
from vs_train.sweep.cells import Cell, cell_flops, survey
from vs_train.sweep.pool import longest_first, makespan
from vs_train.sweep.records import Record, cell_at_work, pool_workers, read_record

type State = Literal["done", "running", "failed", "waiting"]


@dataclass(frozen=True, kw_only=True)
class CellStatus:
    """One cell.

    Attributes:
        cell: what a person reads.
        state: done, running, failed (it is tried again by the next run) or waiting.
        env_step: environment step reached; of a cell that does not run, its checkpoint's.
        steps: environment steps in all.
        error: last line of its output, when failed.
        seconds_left: from measured speeds; None when none is known.
    """

    cell: str
    state: State
    env_step: int
    steps: int
    error: str | None
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class Status:
    """A sweep's progress.

    Attributes:
        cells: all of them; what still has to be done in the order in which it begins.
        at_work: whether a pool runs now, or jobs that a lost one has left on a cluster.
        workers: cells at a time of the last run, None before any.
        seconds_left: until all are done with as many workers; None when unknown.
    """

    cells: list[CellStatus]
    at_work: bool
    workers: int | None
    seconds_left: float | None

    def counts(self) -> dict[str, int]:
        """Return how many cells there are of each state."""
        found = Counter(cell.state for cell in self.cells)
        return {state: found[state] for state in ("done", "running", "failed", "waiting")}

    def to_dict(self) -> dict[str, object]:
        """Return plain values, counts included."""
        return asdict(self) | {"counts": self.counts()}


def sweep_status(configs: Iterable[TrainConfig], out: Path) -> Status:
    """Look at a sweep's folder; nothing in it is changed.

    Args:
        configs: the sweep's cells.
        out: its folder.

    Raises:
        ValueError: if there is no such folder, or it holds other seeds.
    """
    if not out.is_dir():
        raise ValueError(f"{out}: no such folder; expected that of a sweep")
    workers, at_work = pool_workers(out)
    cells = survey(configs, out)
    ordered = [cell for cell in cells if cell.done] + longest_first(cells)
    records = {cell.name: read_record(out, cell.name) for cell in ordered}
    at_work = at_work or any(cell_at_work(out, cell.name) for cell in ordered)
    pace = _Pace(ordered, records)
    statuses = [_status(cell, records[cell.name], pace, at_work=at_work) for cell in ordered]
    left = [cell.seconds_left for cell in statuses if cell.state != "done"]
    known = [seconds for seconds in left if seconds is not None]
    total = makespan(known, workers or 1) if len(known) == len(left) else None
    return Status(cells=statuses, at_work=at_work, workers=workers, seconds_left=total)


class _Pace:
    """Seconds per environment step of a cell from those that were measured.

    Cells with as many FLOPs per step take as long; between them it is interpolated, and outside
    the nearest one is taken.
    """

    def __init__(self, cells: list[Cell], records: dict[str, Record | None]) -> None:
        measured: dict[float, list[float]] = {}
        for cell in cells:
            own = pace_of(records[cell.name])
            if own is not None:
                measured.setdefault(_flops_per_step(cell), []).append(own)
        self._flops = sorted(measured)
        self._seconds = [float(np.mean(measured[flops])) for flops in self._flops]

    def of(self, cell: Cell) -> float | None:
        if not self._flops:
            return None
        return float(np.interp(_flops_per_step(cell), self._flops, self._seconds))


def pace_of(record: Record | None) -> float | None:
    """Return a record's seconds per environment step, None where it has no step yet."""
    if record is None or record.env_step <= record.first_step or record.seconds <= 0:
        return None
    return record.seconds / (record.env_step - record.first_step)


def _flops_per_step(cell: Cell) -> float:
    return cell_flops(cell.config) / cell.config.steps


def _status(cell: Cell, record: Record | None, pace: _Pace, *, at_work: bool) -> CellStatus:
    steps, reached = cell.config.steps, cell.start or 0
    state: State = "waiting"
    if cell.done:
        state, reached = "done", steps
    elif record is not None and record.state == "running" and at_work:
        state, reached = "running", record.env_step
    elif record is not None and record.state == "failed":
        state = "failed"
    own = (pace_of(record) if state == "running" else None) or pace.of(cell)
    left = None if own is None else own * (steps - reached)
    return CellStatus(
        cell=cell.label,
        state=state,
        env_step=reached,
        steps=steps,
        error=record.error if record is not None and state == "failed" else None,
        seconds_left=0.0 if state == "done" else left,
    )
