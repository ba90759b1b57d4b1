"""Cells on this machine: one process each, a fixed number at a time, the longest first."""

import heapq
import os
import queue
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from vs_train.config import TrainConfig
from vs_train.stop import StopRequest
from vs_train.sweep.attempt import WORKER, Attempt, Said
from vs_train.sweep.cells import Cell, cell_flops, survey
from vs_train.sweep.child import child_environment
from vs_train.sweep.records import COMPILED, Record, pool_lock


class Watcher(Protocol):
    """Callbacks of a running sweep."""

    def begin(self, cell: Cell) -> None:
        """Called when a cell's process was started."""

    def step(self, cell: Cell, env_step: int) -> None:
        """Called with the env step that a cell has reached."""

    def end(self, cell: Cell, record: Record) -> None:
        """Called when a cell's process has ended."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of a pool, or of a cluster.

    Attributes:
        done: cells finished by it.
        failed: cells that failed, with the last line of their output.
        stopped: cells that were stopped with a checkpoint, or not begun.
    """

    done: list[Cell] = field(default_factory=list)
    failed: list[tuple[Cell, str]] = field(default_factory=list)
    stopped: list[Cell] = field(default_factory=list)

    def take(self, cell: Cell, record: Record) -> None:
        """Add a cell that has ended."""
        match record.state:
            case "done":
                self.done.append(cell)
            case "stopped":
                self.stopped.append(cell)
            case _:
                self.failed.append((cell, record.error or ""))


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus() -> list[str]:
    """Return the NVIDIA GPUs that JAX could use here, as ``CUDA_VISIBLE_DEVICES`` names them."""
    if not any(find_spec(f"jax_cuda{version}_plugin") for version in (12, 13)):
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    listed = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    return [str(k) for k in range(sum(line.startswith("GPU ") for line in listed.splitlines()))]


def longest_first(cells: Iterable[Cell]) -> list[Cell]:
    """Return what is not done by FLOPs still to do, most first."""

    def left(cell: Cell) -> float:
        return cell_flops(cell.config) * (1 - (cell.start or 0) / cell.config.steps)

    return sorted((cell for cell in cells if not cell.done), key=left, reverse=True)


def makespan(seconds: Iterable[float], workers: int) -> float:
    """Return how long jobs take, each given to the first worker that is free, in this order."""
    free = [0.0] * workers
    for job in seconds:
        heapq.heapreplace(free, free[0] + job)
    return max(free)


def run_sweep(
    configs: Iterable[TrainConfig],
    out: Path,
    *,
    workers: int,
    checkpoint_every: int,
    stop: StopRequest,
    watcher: Watcher,
    command: tuple[str, ...] = WORKER,
) -> Outcome:
    """Train what is not finished yet in ``out``, which is a run table meanwhile and afterwards.

    A cell that fails does not end the others. On a stop request, all workers write a checkpoint.

    Args:
        configs: the cells.
        out: folder of run folders; created if needed.
        workers: processes at a time, of one thread each; they share the GPUs, where there are any.
        checkpoint_every: environment steps between two checkpoints; 0 for none before the end.
        stop: requests an early end.
        watcher: callbacks.
        command: starts one worker.

    Raises:
        ValueError: if another pool is at work in ``out``, or it holds other seeds.
    """
    out.mkdir(parents=True, exist_ok=True)
    outcome = Outcome()
    said: Said = queue.Queue()
    environments = _environments(out, workers)
    with ExitStack() as stack:
        lock = stack.enter_context(pool_lock(out, workers=workers))
        waiting = longest_first(survey(configs, out))[::-1]
        running: dict[Attempt, int] = {}
        stack.callback(lambda: [worker.kill() for worker in running])
        while running or waiting:
            if stop.signum is not None:
                outcome.stopped.extend(reversed(waiting))
                waiting.clear()
                for worker in running:
                    worker.stop()
            while waiting and len(running) < workers:
                place = min(set(range(workers)) - set(running.values()))
                worker = Attempt(
                    waiting.pop(),
                    out,
                    checkpoint_every=checkpoint_every,
                    environment=environments[place],
                    said=said,
                    command=command,
                    inherited=(lock,),
                )
                running[worker] = place
                watcher.begin(worker.cell)
            try:
                worker, env_step = said.get(timeout=0.2)
            except queue.Empty:
                continue
            if env_step is not None:
                worker.reached(env_step)
                watcher.step(worker.cell, env_step)
                continue
            del running[worker]
            record = worker.end()
            watcher.end(worker.cell, record)
            outcome.take(worker.cell, record)
    return outcome


def _environments(out: Path, workers: int) -> list[dict[str, str]]:
    """Return the environment of the process in every place of the pool."""
    cache, devices = out / COMPILED, gpus()
    if not devices:
        return [child_environment(cache=cache)] * workers
    share = min(1.0, len(devices) / workers)
    return [
        child_environment(cache=cache, gpus=share, device=devices[place % len(devices)])
        for place in range(workers)
    ]
