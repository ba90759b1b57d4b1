"""Cells as jobs of a cluster: what each needs, and following them through their records.

All nodes see the sweep's folder. A job calls `run_job`, which writes the cell's record as the local
pool does; here it is read.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from vs_train.record import is_finished
from vs_train.stop import StopRequest
from vs_train.sweep.attempt import attempt_cell
from vs_train.sweep.cells import Cell
from vs_train.sweep.child import child_environment, decoded
from vs_train.sweep.pool import Outcome, Watcher
from vs_train.sweep.records import COMPILED, Record, cell_at_work, read_record, write_record

_LOOK_EVERY = 1.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Resources of one cell on a cluster."""

    cpus: int = 1
    """Cores per cell (slurm, ray)."""
    gpus: float = 0
    """GPUs per cell (slurm, ray); with ray also a part of one, such as 0.25."""
    memory_gb: float | None = None
    """Memory per cell (slurm, ray) [the cluster's default]."""
    hours: float = 24
    """Time limit of a job (slurm); what is not done by then goes on in the next."""
    partition: str | None = None
    """Partition (slurm) [the cluster's default]."""

    def check(self, executor: str, *, known: tuple[str, ...]) -> None:
        """Refuse what makes no sense, and what an executor cannot give.

        Args:
            executor: its name, for the message.
            known: what it can give; nothing else may be asked for.

        Raises:
            ValueError: naming what was asked for.
        """
        if self.cpus < 1:
            raise ValueError(f"cpus = {self.cpus}: expected 1 or more")
        if self.gpus < 0 or (self.gpus > 1 and self.gpus != int(self.gpus)):
            raise ValueError(f"gpus = {self.gpus:g}: expected a whole number, or a part of 1")
        for name in ("memory_gb", "hours"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} = {value:g}: expected a positive number")
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default and field.name not in known:
                raise ValueError(
                    f"{field.name} = {value}: not known to --executor {executor}, "
                    f"expected {', '.join(known) or 'none of these'}"
                )


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """Settings common to all jobs of a sweep.

    Attributes:
        out: the sweep's folder, absolute.
        checkpoint_every: environment steps between two checkpoints; 0 for none before the end.
        resources: per cell.
    """

    out: Path
    checkpoint_every: int
    resources: Resources


def run_job(order: str, settings: JobSettings, stop: StopRequest) -> Record:
    """Train a cell on this node and keep its record: the whole work of a job.

    Args:
        order: the cell, `encoded`.
        settings: the sweep's.
        stop: asks for a checkpoint and an early end.
    """
    resources = settings.resources
    return attempt_cell(
        decoded(order),
        settings.out,
        checkpoint_every=settings.checkpoint_every,
        environment=child_environment(
            cache=settings.out / COMPILED, threads=resources.cpus, gpus=resources.gpus
        ),
        stop=stop,
    )


class Job(Protocol):
    """One cell's job."""

    cell: Cell

    def ended(self, *, asked: bool) -> Record | None:
        """Return how it ended, None while it has not; ``asked`` is whether it was cancelled."""


def follow(
    jobs: Sequence[Job],
    out: Path,
    *,
    stop: StopRequest,
    watcher: Watcher,
    cancel: Callable[[], None],
) -> Outcome:
    """Wait until all jobs have ended, and tell what their records say meanwhile.

    Args:
        jobs: submitted.
        out: the sweep's folder.
        stop: asks for an early end.
        watcher: callbacks for the progress of cells.
        cancel: cancels all jobs; those that run write checkpoints.
    """
    outcome, asked = Outcome(), False
    at_first = {job.cell.name: read_record(out, job.cell.name) for job in jobs}
    reached: dict[str, int] = {}
    left = list(jobs)
    while left:
        if stop.signum is not None and not asked:
            asked = True
            cancel()
        for job in tuple(left):
            cell = job.cell
            record, ended = read_record(out, cell.name), job.ended(asked=asked)
            begun = record is not None and record != at_first[cell.name]
            if cell.name not in reached and (begun or (ended and ended.state != "stopped")):
                reached[cell.name] = cell.start or 0
                watcher.begin(cell)
            if begun and record is not None and record.env_step != reached[cell.name]:
                reached[cell.name] = record.env_step
                watcher.step(cell, record.env_step)
            if ended is not None:
                left.remove(job)
                outcome.take(cell, ended)
                if cell.name in reached:
                    watcher.end(cell, ended)
        if left:
            time.sleep(_LOOK_EVERY)
    return outcome


def settle(cell: Cell, out: Path, *, asked: bool, error: str) -> Record | None:
    """Write and return the record of a cell whose job is gone and has not said how it ended.

    Args:
        cell: which one.
        out: the sweep's folder.
        asked: whether it was cancelled.
        error: what to write down if it was not.

    Returns:
        None while its process, which notices that the job is gone, still writes its checkpoint.
    """
    if cell_at_work(out, cell.name):
        return None
    start = cell.start or 0
    fresh = Record(cell=cell.label, state="stopped", first_step=start, env_step=start, seconds=0.0)
    record = read_record(out, cell.name) or fresh
    if is_finished(cell.config, out):
        record = replace(record, state="done", env_step=cell.config.steps, error=None)
    elif asked:
        record = replace(record, state="stopped", error=None)
    else:
        record = replace(record, state="failed", error=error)
    write_record(out, cell.name, record)
    return record


def optional(module: str, *, extra: str) -> Any:
    """Import an optional dependency.

    Raises:
        ImportError: one sentence with the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"--executor {extra} needs {module}, which is not installed: "
            f"pip install 'vs-train[{extra}]'"
        ) from error
