"""A cell's lanes over several processes of one XLA thread each.

On a CPU, processes are faster than lanes for wide networks. The parent writes everything but the
checkpoints. Workers wait for each other at every evaluation, so that they are never further apart
than one interval, and stop at one common step.

Messages from a worker: ``("evaluation", Evaluation)``, ``("step", n)`` about once a second,
``("saved", n)``, ``("at", n)`` in answer to "stop", ``("done",)``, ``("error", sentence)``. To a
worker: ``("go",)`` on to the next evaluation, ``("stop",)`` and then ``("until", n)``.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing.connection import Connection, wait
from typing import Any

from vs_train.cell import Evaluation, lane_axes, merged
from vs_train.checkpoint import Checkpoints, checkpoint_due, next_checkpoint
from vs_train.config import TrainConfig
from vs_train.processes import process_settings
from vs_train.programs import Programs
from vs_train.stop import Stopped, StopRequest


class WorkerError(RuntimeError):
    """A worker process ended before its work was done."""


def shares(lanes: int, processes: int) -> list[slice]:
    """Return the lanes of each process: neighbours, in shares that differ by one lane at most."""
    bounds = [lanes * k // processes for k in range(processes + 1)]
    return [slice(*pair) for pair in pairwise(bounds)]


def train_in_processes(
    config: TrainConfig,
    checkpoints: Checkpoints,
    *,
    processes: int,
    start: int | None,
    checkpoint_every: int,
    stop: StopRequest,
    on_step: Callable[[int], None],
) -> Generator[Evaluation]:
    """Yield the cell's evaluations, all lanes together, as `vs_train.train` does.

    Args:
        config: the cell.
        checkpoints: where its checkpoints go, one part per process.
        processes: how many, at most the number of lanes.
        start: env step of the checkpoint to go on from, None to begin.
        checkpoint_every: env steps between checkpoints, 0 for only the last.
        stop: requests an early end.
        on_step: called with the env step that every worker has reached, now and then.

    Raises:
        Stopped: on a stop request; all workers have their checkpoint of the same step.
        WorkerError: a worker died; the others are ended too.
    """
    parts = shares(len(lane_axes(config)[0]), processes)
    with _started(config, checkpoints, parts, start, checkpoint_every) as (workers, pipes):
        evaluations: dict[int, Evaluation] = {}
        reached = dict.fromkeys(range(processes), start or 0)
        saved: dict[int, int] = {}
        stopping: dict[int, int] | None = None
        until = config.steps
        live = set(range(processes))
        while live:
            if stop.signum is not None and stopping is None:
                stopping = {k: config.steps for k in range(processes) if k not in live}
                _tell(pipes, live, ("stop",))
            for pipe in wait([pipes[k] for k in sorted(live)], timeout=0.2):
                k = pipes.index(pipe)  # ty: ignore[invalid-argument-type]
                kind, *value = _receive(workers, pipes, k)
                match kind, value:
                    case "evaluation", [evaluation]:
                        evaluations[k] = evaluation
                    case "step", [step]:
                        reached[k] = step
                        on_step(min(reached.values()))
                    case "saved", [step]:
                        saved[k] = step
                        if set(saved.values()) == {step} and len(saved) == processes:
                            checkpoints.prune(keep=step)
                    case "at", [step] if stopping is not None:
                        stopping[k] = step
                        if len(stopping) == processes:
                            until = max(stopping.values())
                            _tell(pipes, live, ("until", until))
                    case "done", []:
                        live.discard(k)
                    case "error", [sentence]:
                        raise WorkerError(f"worker {k + 1} of {processes}: {sentence}")
                if len(evaluations) == processes:
                    evaluation = merged(evaluations[k] for k in range(processes))
                    evaluations.clear()
                    _tell(pipes, live, ("go",))
                    yield evaluation
        if stop.signum is not None and until < config.steps:
            raise Stopped(stop.signum, until)


@contextmanager
def _started(
    config: TrainConfig,
    checkpoints: Checkpoints,
    parts: list[slice],
    start: int | None,
    checkpoint_every: int,
) -> Generator[tuple[list[Any], list[Connection]]]:
    spawn = multiprocessing.get_context("spawn")
    workers, pipes = [], []
    try:
        with _children_told(process_settings()):
            for k, lanes in enumerate(parts):
                ours, theirs = spawn.Pipe()
                work = (theirs, config, checkpoints, k, lanes, start, checkpoint_every)
                worker = spawn.Process(target=_work, args=work, daemon=True)
                worker.start()
                theirs.close()
                workers.append(worker)
                pipes.append(ours)
        yield workers, pipes
    finally:
        for worker, pipe in zip(workers, pipes, strict=True):
            pipe.close()
            worker.kill()  # nothing is lost: the table is ours, and checkpoints are atomic
            worker.join()


@contextmanager
def _children_told(settings: dict[str, str]) -> Generator[None]:
    """Set variables that children started now inherit, before they import jax."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _receive(workers: list[Any], pipes: list[Connection], k: int) -> tuple[Any, ...]:
    try:
        return pipes[k].recv()
    except (EOFError, OSError):
        workers[k].join()
        code = workers[k].exitcode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        raise WorkerError(f"worker {k + 1} of {len(workers)} {how}") from None


def _tell(pipes: list[Connection], live: set[int], message: tuple[Any, ...]) -> None:
    for k in live:
        try:
            pipes[k].send(message)
        except OSError:  # it has ended: its last messages are still to be read
            continue


def _work(
    pipe: Connection,
    config: TrainConfig,
    checkpoints: Checkpoints,
    part: int,
    lanes: slice,
    start: int | None,
    checkpoint_every: int,
) -> None:
    """Train some lanes in a process of their own."""
    # Ctrl-C reaches the whole group; only the parent acts on it
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)
    try:
        trainer = Programs(config, lanes=lanes)
        if start is not None:
            checkpoints.restore(trainer, start, part=part)
        _advance(pipe, config, checkpoints, trainer, part, checkpoint_every)
        pipe.send(("done",))
    except (EOFError, BrokenPipeError):  # the parent is gone
        return
    except Exception as error:
        lines = str(error).splitlines() or [""]
        pipe.send(("error", f"{type(error).__name__}: {lines[-1]}"))


def _advance(
    pipe: Connection,
    config: TrainConfig,
    checkpoints: Checkpoints,
    trainer: Programs,
    part: int,
    checkpoint_every: int,
) -> None:
    until, agreed, told = config.steps, False, time.monotonic()
    while trainer.env_step < until:
        evaluation = trainer.advance(next_checkpoint(trainer.env_step, until, checkpoint_every))
        step = trainer.env_step
        if evaluation is not None:
            pipe.send(("evaluation", evaluation))
        if time.monotonic() - told > 1.0:
            told = time.monotonic()
            pipe.send(("step", step))
        if not agreed and step < until and (evaluation is not None or pipe.poll()):
            message = pipe.recv()
            if message == ("stop",):
                pipe.send(("at", step))
                while message[0] != "until":  # a "go" may have been on its way
                    message = pipe.recv()
                until, agreed = message[1], True
        if checkpoint_due(step, until=until, every=checkpoint_every):
            checkpoints.save(step, trainer.state(), part=part)
            pipe.send(("saved", step))
