"""``vs-quickstart``: a small real study in minutes, from training to a checked prediction."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro
from rich.console import Console
from vs_train import StopRequest, TrainConfig
from vs_train.sweep.cells import survey
from vs_train.sweep.pool import cores, run_sweep
from vs_train.sweep.spec import load_spec
from vs_train.sweep.watch import SweepWatch

from vs_quickstart.show import print_outcome
from vs_quickstart.study import run_study

_WIDTH = 120  # of output that is not a terminal


@dataclass(frozen=True)
class Quickstart:
    """Train a small grid, fit scaling laws, predict a utd that was not run, run it, and compare.

    After an interruption, the same command resumes it.
    """

    out: Path = Path("quickstart")
    """Folder for the run tables and the report."""
    spec: str = "quickstart"
    """A TOML file as for vs-sweep, or the name of a preset."""
    hold_out: float = 8.0
    """The utd that no law sees."""
    workers: int | None = None
    """Processes at a time, one thread each [as many as cores]."""


class TrainingEndedError(Exception):
    """A training was stopped, or failed; its files remain."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; exits with 2 and one sentence on bad input, 1 where a training failed."""
    command = tyro.cli(Quickstart, prog="vs-quickstart", description=__doc__, args=arguments)
    begun = time.monotonic()
    stop = StopRequest()
    stop.listen()

    def say(sentence: str) -> None:
        print(f"[{time.monotonic() - begun:4.0f} s] {sentence}", file=sys.stderr, flush=True)

    try:
        outcome = run_study(
            load_spec(command.spec),
            command.out,
            sigma=command.hold_out,
            train=partial(_train, workers=command.workers or cores(), stop=stop),
            say=say,
        )
    except TrainingEndedError as error:
        print(f"vs-quickstart: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except (ValueError, OSError, ImportError) as error:
        print(f"vs-quickstart: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    console = Console()
    print_outcome(outcome, console if console.is_terminal else Console(width=_WIDTH))
    say("done")


def _train(configs: Sequence[TrainConfig], out: Path, *, workers: int, stop: StopRequest) -> None:
    with SweepWatch(survey(configs, out), sys.stderr) as watch:
        outcome = run_sweep(
            configs, out, workers=workers, checkpoint_every=5_000, stop=stop, watcher=watch
        )
    if outcome.failed:
        cell, why = outcome.failed[0]
        raise TrainingEndedError(
            f"{len(outcome.failed)} cells failed, among them {cell.label}: {why}"
        )
    if stop.signum is not None:
        raise TrainingEndedError("stopped; the same command resumes from the checkpoints")
