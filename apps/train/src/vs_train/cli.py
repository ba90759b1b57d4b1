"""``vs-train``: one configuration, several learning rates and seeds at once."""

import sys
import warnings
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from vs_logging import Sink, TensorBoardSink, WandbSink, run_id

from vs_train.cell import with_backend
from vs_train.config import TrainConfig
from vs_train.facts import columns
from vs_train.progress import Watch
from vs_train.record import checkpoint_step, train_and_record
from vs_train.stop import Stopped, StopRequest
from vs_train.workers import WorkerError


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train agents and write the run table as they learn.

    Every learning rate is one run: a folder in --out with its settings (run.json) and its rows,
    one per evaluation of one seed. All agents of the command train side by side. SIGTERM and Ctrl-C
    finish the step in flight and write a checkpoint; the same command with --resume continues from
    it, and from the last one after a kill -9. A second signal ends at once.
    """

    config: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(default_factory=TrainConfig)
    out: Path = Path("runs")
    """Folder of run folders."""
    checkpoint_every: int = 50_000
    """Environment steps between two checkpoints; 0 for none before the end."""
    resume: bool = False
    """Go on from the checkpoint of this cell in --out."""
    processes: int = 1
    """Number of processes, of one XLA thread each, to split the agents over."""
    wandb: str | None = None
    """Send the rows to this Weights & Biases project too."""
    tensorboard: bool = False
    """Write TensorBoard event files too, in OUT/tensorboard."""
    dry_run: bool = False
    """Say what would be written where, and stop."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``vs-train``; exits with 2 and one sentence on bad input."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show  # ty: ignore[invalid-assignment]
            _run(tyro.cli(Command, args=arguments))
    except (ValueError, ImportError) as error:
        _end(error, 2)
    except WorkerError as error:
        _end(error, 1)
    except Stopped as stopped:
        _end(stopped, 128 + stopped.signum)


def _run(command: Command) -> None:
    config, why = with_backend(command.config)
    if command.config.backend == "auto":
        print(f"vs-train: {why}", file=sys.stderr)
    start = None
    if command.resume:
        start = checkpoint_step(config, command.out, processes=command.processes)
    if command.dry_run:
        first, last = config.first_seed, config.first_seed + config.seeds - 1
        for rate in config.learning_rates:
            run = run_id(columns(config, rate))
            begin = f" from env step {start}" if start else ""
            print(f"{command.out / run}: learning rate {rate:g}, seeds {first} to {last}{begin}")
        return
    stop = StopRequest()
    watch = Watch(config, sys.stderr, start=start or 0)
    evaluations = train_and_record(
        config,
        command.out,
        resume=command.resume,
        checkpoint_every=command.checkpoint_every,
        processes=command.processes,
        sinks=_sinks(command),
        stop=stop,
        on_step=watch.step,
    )
    stop.listen()
    with closing(evaluations):
        watch.follow(evaluations)


def _sinks(command: Command) -> tuple[Sink, ...]:
    sinks: list[Sink] = []
    if command.wandb is not None:
        sinks.append(WandbSink(command.wandb, folder=command.out))
    if command.tensorboard:
        sinks.append(TensorBoardSink(command.out / "tensorboard"))
    return tuple(sinks)


def _show(message: Warning | str, *_: object) -> None:
    print(f"vs-train: {message}", file=sys.stderr)


def _end(error: Exception, status: int) -> None:
    print(f"vs-train: {error}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
