"""One attempt at a cell: a process of its own, and the record of how far it came.

The local pool, Slurm jobs and Ray tasks all train their cells through this module.
"""

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from vs_train.config import TrainConfig
from vs_train.record import checkpoint_step
from vs_train.stop import StopRequest
from vs_train.sweep.cells import Cell
from vs_train.sweep.child import encoded
from vs_train.sweep.records import Record, log_path, write_record

WORKER = (sys.executable, "-m", "vs_train.sweep.worker")
KILLED = "killed by "
"""Prefix of the error of a process killed by a foreign signal."""

_RECORD_EVERY = 2.0  # seconds

type Said = queue.Queue[tuple[Attempt, int | None]]
"""Messages from attempts: the env step reached; None at the end of their output."""


def attempt_cell(
    config: TrainConfig,
    out: Path,
    *,
    checkpoint_every: int,
    environment: Mapping[str, str],
    stop: StopRequest,
    command: tuple[str, ...] = WORKER,
) -> Record:
    """Train one cell in a process on this machine, from its checkpoint where there is one.

    Its record in ``out`` is kept up to date. To be called from the main thread.

    Args:
        config: the cell.
        out: folder of the sweep.
        checkpoint_every: environment steps between two checkpoints; 0 for none before the end.
        environment: of the process.
        stop: asks for a checkpoint and an early end.
        command: starts the process.

    Returns:
        How it ended: done, failed or stopped.
    """
    cell = Cell(config, done=False, start=checkpoint_step(config, out))
    said: Said = queue.Queue()
    # A cluster signals all processes of a job at once. Only this one stops the worker, which so
    # receives one SIGTERM, and no signal that it does not handle.
    masked = signal.pthread_sigmask(
        signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    )
    try:
        attempt = Attempt(
            cell,
            out,
            checkpoint_every=checkpoint_every,
            environment=environment,
            said=said,
            command=command,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
    try:
        while True:
            if stop.signum is not None:
                attempt.stop()
            try:
                _, env_step = said.get(timeout=0.2)
            except queue.Empty:
                continue
            if env_step is not None:
                attempt.reached(env_step)
                continue
            return attempt.end()
    finally:
        attempt.kill()


class Attempt:
    """One cell's process."""

    def __init__(
        self,
        cell: Cell,
        out: Path,
        *,
        checkpoint_every: int,
        environment: Mapping[str, str],
        said: Said,
        command: tuple[str, ...] = WORKER,
        inherited: tuple[int, ...] = (),
    ) -> None:
        """Start it.

        Args:
            cell: what to train.
            out: folder of the sweep.
            checkpoint_every: environment steps between two checkpoints.
            environment: of the process.
            said: gets the process's messages, and None at the end.
            command: starts it.
            inherited: file descriptors that it holds, too.
        """
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
                env=environment,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for the parent
                pass_fds=inherited,
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
            self._first = now  # again once it learns: compilation is not counted
            self._record = replace(self._record, first_step=env_step)
        self._record = replace(self._record, env_step=env_step, seconds=now - self._first)
        if now - self._written > _RECORD_EVERY:
            self._write()

    def stop(self) -> None:
        """Ask for a checkpoint and the end, once."""
        if not self._asked:
            self._asked = True
            _pipe(self._process.stdin).close()
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
            return f"{KILLED}{signal.Signals(-code).name}"
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
