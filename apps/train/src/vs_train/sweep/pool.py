"""Cells on this machine: one process each, so many at a time, the longest first."""

import heapq
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Protocol

from vs_train.config import TrainConfig
from vs_train.stop import StopRequest
from vs_train.sweep.cells import Cell, cell_flops, survey
from vs_train.sweep.child import child_environment, encoded
from vs_train.sweep.records import COMPILED, Record, log_path, pool_lock, write_record

WORKER = (sys.executable, "-m", "vs_train.sweep.worker")
_RECORD_EVERY = 2.0  # seconds


class Watcher(Protocol):
    """Who is told what happens."""

    def begin(self, cell: Cell) -> None:
        """Tell that a cell's process was started."""

    def step(self, cell: Cell, env_step: int) -> None:
        """Tell the environment step that a cell has reached."""

    def end(self, cell: Cell, record: Record) -> None:
        """Tell how a cell's process ended."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a pool has done.

    Attributes:
        done: cells finished by it.
        failed: cells that failed, with the last line of what they said.
        stopped: cells that were stopped with a checkpoint, or not begun.
    """

    done: list[Cell] = field(default_factory=list)
    failed: list[tuple[Cell, str]] = field(default_factory=list)
    stopped: list[Cell] = field(default_factory=list)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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

    A cell that fails does not end the others. Once asked to stop, all workers write a checkpoint.

    Args:
        configs: the cells.
        out: folder of run folders; created if needed.
        workers: processes at a time, of one thread each.
        checkpoint_every: environment steps between two checkpoints; 0 for none before the end.
        stop: asks for an early end.
        watcher: is told what happens.
        command: starts one worker.

    Raises:
        ValueError: if another pool is at work in ``out``, or it holds other seeds.
    """
    out.mkdir(parents=True, exist_ok=True)
    outcome, said = Outcome(), queue.Queue[tuple[_Worker, int | None]]()
    with ExitStack() as stack:
        lock = stack.enter_context(pool_lock(out, workers=workers))
        waiting = longest_first(survey(configs, out))[::-1]
        running: list[_Worker] = []
        stack.callback(lambda: [worker.kill() for worker in running])
        while running or waiting:
            if stop.signum is not None:
                outcome.stopped.extend(reversed(waiting))
                waiting.clear()
                for worker in running:
                    worker.stop()
            while waiting and len(running) < workers:
                worker = _Worker(waiting.pop(), out, checkpoint_every, command, lock, said)
                running.append(worker)
                watcher.begin(worker.cell)
            try:
                worker, env_step = said.get(timeout=0.2)
            except queue.Empty:
                continue
            if env_step is not None:
                worker.reached(env_step)
                watcher.step(worker.cell, env_step)
                continue
            running.remove(worker)
            record = worker.end()
            watcher.end(worker.cell, record)
            match record.state:
                case "done":
                    outcome.done.append(worker.cell)
                case "stopped":
                    outcome.stopped.append(worker.cell)
                case _:
                    outcome.failed.append((worker.cell, record.error or ""))
    return outcome


class _Worker:
    """One cell's process."""

    def __init__(
        self,
        cell: Cell,
        out: Path,
        checkpoint_every: int,
        command: tuple[str, ...],
        lock: int,
        said: "queue.Queue[tuple[_Worker, int | None]]",
    ) -> None:
        self.cell, self._out, self._said = cell, out, said
        self._asked = False
        start = cell.start or 0
        self._record = Record(
            cell=cell.label, state="running", first_step=start, env_step=start, seconds=0.0
        )
        self._first: float | None = None
        self._written = 0.0
        self._write()
        with log_path(out, cell.name).open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_environment(cache=out / COMPILED),
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for the pool, which asks
                pass_fds=(lock,),
            )
        order = f"{encoded(cell.config)}\n{out.absolute()}\n{checkpoint_every}\n"
        with suppress(BrokenPipeError):  # it has ended already: its log says why
            _pipe(self._process.stdin).write(order.encode())
        threading.Thread(target=self._listen, daemon=True).start()

    def reached(self, env_step: int) -> None:
        """Take note of progress."""
        now = time.monotonic()
        warmup = self.cell.config.choices.warmup_steps
        if self._first is None or self._record.first_step <= warmup < env_step:
            self._first = now  # again once it learns: compiling is not its pace
            self._record = replace(self._record, first_step=env_step)
        self._record = replace(self._record, env_step=env_step, seconds=now - self._first)
        if now - self._written > _RECORD_EVERY:
            self._write()

    def stop(self) -> None:
        """Ask for a checkpoint and the end, once."""
        if not self._asked:
            self._asked = True
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once; its checkpoint is whole."""
        self._process.kill()
        self._process.wait()
        _pipe(self._process.stdin).close()

    def end(self) -> Record:
        """Return how it ended, after it has closed its output."""
        code = self._process.wait()
        _pipe(self._process.stdin).close()
        if code == 0:
            self._record = replace(self._record, state="done", env_step=self.cell.config.steps)
        elif self._asked and code in (128 + signal.SIGTERM, -signal.SIGTERM):
            self._record = replace(self._record, state="stopped")
        else:
            self._record = replace(self._record, state="failed", error=self._error(code))
        self._write()
        return self._record

    def _error(self, code: int) -> str:
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        log = log_path(self._out, self.cell.name).read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in log.splitlines() if line.strip()]
        return lines[-1] if lines else f"ended with status {code}"

    def _listen(self) -> None:
        with _pipe(self._process.stdout) as output:
            for line in output:
                if line.strip().isdigit():
                    self._said.put((self, int(line)))
        self._said.put((self, None))

    def _write(self) -> None:
        self._written = time.monotonic()
        write_record(self._out, self.cell.name, self._record)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("the worker was started without pipes")
    return pipe
