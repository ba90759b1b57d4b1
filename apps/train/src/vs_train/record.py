"""Write a cell's evaluations into the run table, one run per learning rate."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from vs_logging import RunTableError, RunWriter, Sink, read_metadata, run_id, scan

from vs_train.cell import Evaluation, lane_axes, with_backend
from vs_train.checkpoint import Checkpoints, checkpoint_due, next_checkpoint
from vs_train.config import TrainConfig
from vs_train.divergence import DivergenceWatch
from vs_train.facts import columns, flops, metadata
from vs_train.programs import Programs
from vs_train.stop import Stopped, StopRequest
from vs_train.success import Successes
from vs_train.workers import train_in_processes

_STOPPED = "stopped_on_success"


def is_finished(config: TrainConfig, out: Path) -> bool:
    """Tell whether every agent of a cell is finished in ``out``, with as many steps or more."""
    return finished_seeds(config, out).issuperset(config.agent_seeds)


def finished_seeds(config: TrainConfig, out: Path) -> set[int]:
    """Return the seeds that a cell's runs in ``out`` hold, if finished with its steps or more.

    The runs of a cell have their names from its settings, whatever the seeds: it is finished there
    only if these are its own.
    """
    runs = _runs(config, out)
    for facts in map(_facts, runs):
        if facts["state"] != "finished" or facts["steps"] < config.steps:
            return set()
    return set.intersection(*map(_seeds, runs))


def checkpoint_step(config: TrainConfig, out: Path, *, processes: int = 1) -> int | None:
    """Return the env step that ``resume=True`` continues from, None where there is no checkpoint.

    Raises:
        ValueError: if the checkpoint was written by another number of processes.
    """
    return _checkpoints(config, out, processes).latest()


def train_and_record(
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = False,
    checkpoint_every: int = 0,
    processes: int = 1,
    sinks: tuple[Sink, ...] = (),
    stop: StopRequest | None = None,
    on_step: Callable[[int], None] = lambda _: None,
) -> Generator[Evaluation]:
    """Train a cell and append every evaluation to its runs' folders before yielding it.

    A checkpoint is written at the end, and so a finished cell can go on with more steps. Closing
    the iterator, or an exception in it, leaves complete tables marked as failed. A cell that was
    cut off before its first checkpoint starts again from its beginning. A `DivergenceWarning` says
    once of every agent's metric that it has become NaN.

    Args:
        config: the cell.
        out: folder of run folders; created if needed.
        resume: go on from the cell's checkpoint in ``out``.
        checkpoint_every: environment steps between two checkpoints; 0 for none before the end.
        processes: number of processes, of one XLA thread each, to split the lanes over. The main
            module must be importable without effect (``if __name__ == "__main__":``).
        sinks: where the rows go as well; closed at the end.
        stop: requests an early end: a checkpoint is written.
        on_step: called with the env step reached, after each or at least every second or so.

    Raises:
        ValueError: if there is nothing to resume from, the checkpoint is damaged or cannot be used
            here, or without ``resume`` if work in ``out`` would be lost.
        Stopped: once stopped; the tables are marked failed with a text that says so.
        WorkerError: a worker process died.
    """
    stop = stop or StopRequest()
    config = with_backend(config)[0]
    lanes = len(lane_axes(config)[0])
    if not 1 <= processes <= lanes:
        raise ValueError(f"processes = {processes}: expected 1 to {lanes}, the number of lanes")
    if checkpoint_every < 0:
        raise ValueError(f"checkpoint_every = {checkpoint_every}: expected 0 or more")
    checkpoints = _checkpoints(config, out, processes)
    start = _start(config, out, checkpoints, resume=resume)
    if start is not None:
        config = replace(config, lanes_per_program=checkpoints.lanes_per_program())
        checkpoints = _checkpoints(config, out, processes)
    facts = metadata(config, processes=processes)
    successes = Successes(config, before=_succeeded(config, out, start))
    trainer = Programs(config) if processes == 1 else None
    if trainer is not None and start is not None:
        checkpoints.restore(trainer, start)  # before anything is changed: it may be damaged
    with ExitStack() as stack:
        for sink in sinks:
            stack.push(partial(_close, sink))
        checkpoints.begin(keep=start)
        settings = [columns(config, rate) for rate in config.learning_rates]
        writers = [
            stack.enter_context(RunWriter(out, one, metadata=facts, resume_at=start or 0))
            for one in settings
        ]
        if trainer is not None:
            evaluations = _train(config, trainer, checkpoints, checkpoint_every, stop, on_step)
        else:
            evaluations = train_in_processes(
                config,
                checkpoints,
                processes=processes,
                start=start,
                checkpoint_every=checkpoint_every,
                stop=stop,
                on_step=on_step,
            )
        stack.enter_context(closing(evaluations))
        seeds, divergence = lane_axes(config)[1], DivergenceWatch(config)
        for evaluation in evaluations:
            learning, reached = successes.look(evaluation)
            for lane in np.flatnonzero(learning).tolist():
                run, seed = lane // config.seeds, int(seeds[lane])
                row = _row(config, evaluation, lane)
                writers[run].write(seed=seed, stopped_on_success=bool(reached[lane]), **row)
                for sink in sinks:
                    sink.write(settings[run], seed=seed, **row)
            divergence.look(evaluation)
            yield evaluation
            if successes.all:
                break


def _train(
    config: TrainConfig,
    trainer: Programs,
    checkpoints: Checkpoints,
    every: int,
    stop: StopRequest,
    on_step: Callable[[int], None],
) -> Generator[Evaluation]:
    while trainer.env_step < config.steps:
        evaluation = trainer.advance(next_checkpoint(trainer.env_step, config.steps, every))
        step = trainer.env_step
        on_step(step)
        if evaluation is not None:
            yield evaluation
        until = config.steps if stop.signum is None else step
        if checkpoint_due(step, until=until, every=every):
            checkpoints.save(step, trainer.state())
            checkpoints.prune(keep=step)
        if stop.signum is not None and step < config.steps:
            raise Stopped(stop.signum, step)


def _row(config: TrainConfig, evaluation: Evaluation, lane: int) -> dict[str, Any]:
    row = {
        "env_step": evaluation.env_step,
        "return_": float(evaluation.returns[lane]),
        "updates": evaluation.updates,
    }
    row |= flops(config, env_step=evaluation.env_step, updates=evaluation.updates)
    return row | {name: float(values[lane]) for name, values in evaluation.metrics.items()}


def _close(sink: Sink, kind: object, error: BaseException | None, trace: object) -> None:
    sink.close(error=None if error is None else f"{type(error).__name__}: {error}")


def _start(config: TrainConfig, out: Path, checkpoints: Checkpoints, *, resume: bool) -> int | None:
    """Return the env step to go on from, None to begin; refuse what would lose work."""
    wanted, done = set(config.agent_seeds), finished_seeds(config, out)
    if wanted <= done:
        raise ValueError(f"{out}: this cell is already finished there; expected another folder")
    if done:
        raise _other_seeds(out, done)
    start = checkpoints.latest()
    if resume and start is None:
        raise ValueError(
            f"{out}: no checkpoint to resume from; expected one of a cell with these settings"
            f"{checkpoints.nearest()}"
        )
    if not resume and start is not None:
        raise ValueError(
            f"{out}: this cell has a checkpoint there at env step {start}; "
            "expected --resume, or another folder"
        )
    if start is not None and start > config.steps:
        raise ValueError(f"steps = {config.steps}: the checkpoint is at {start} already")
    for run in _runs(config, out):
        facts, held = _facts(run), _seeds(run)
        if held - wanted:
            raise _other_seeds(run, held)
        if start is None and facts["state"] == "finished":
            raise ValueError(
                f"{run}: already finished, after {facts['steps']} steps and without a checkpoint "
                "to go on from; expected another folder"
            )
    return start


def _succeeded(config: TrainConfig, out: Path, start: int | None) -> list[int]:
    """Return the lanes that had succeeded by env step ``start``."""
    if config.stop_at_success is None or start is None:
        return []
    found: list[int] = []
    for k, run in enumerate(_runs(config, out)):
        rows = scan(run).collect()
        if _STOPPED not in rows.columns:
            continue
        ended = rows.filter(rows[_STOPPED].fill_null(value=False) & (rows["env_step"] <= start))
        seeds = set(ended["seed"])
        found += [k * config.seeds + i for i, s in enumerate(config.agent_seeds) if s in seeds]
    return found


def _other_seeds(where: Path, held: set[int]) -> ValueError:
    return ValueError(
        f"{where}: holds the seeds {sorted(held)} of these settings; expected another folder for "
        "further seeds (the analysis reads several)"
    )


def _runs(config: TrainConfig, out: Path) -> list[Path]:
    return [out / run_id(columns(config, rate)) for rate in config.learning_rates]


def _facts(run: Path) -> dict[str, Any]:
    return read_metadata(run).row(0, named=True) if run.exists() else {"state": "absent"}


def _seeds(run: Path) -> set[int]:
    try:
        return set(scan(run).select("seed").unique().collect()["seed"])
    except RunTableError:  # no row yet
        return set()


def _checkpoints(config: TrainConfig, out: Path, processes: int) -> Checkpoints:
    config = with_backend(config)[0]
    runs = [run.name for run in _runs(config, out)]
    return Checkpoints(out, runs, config, processes=processes)
