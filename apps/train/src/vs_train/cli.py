"""``vs-train``: one configuration, several learning rates and seeds at once."""

import signal
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated

import tyro
from vs_logging import run_id

from vs_train.config import TrainConfig
from vs_train.progress import watch
from vs_train.record import columns, train_and_record


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train soft actor-critic agents and write the run table as they learn.

    Every learning rate is one run: a folder in --out with its settings (run.json) and its rows,
    one per evaluation of one seed. All agents of the command train side by side in one process.
    Stopping with Ctrl-C or SIGTERM keeps the rows written so far; the same command then starts the
    unfinished cell again.
    """

    config: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(default_factory=TrainConfig)
    out: Path = Path("runs")
    """Folder of run folders."""
    dry_run: bool = False
    """Say what would be written where, and stop."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``vs-train``; exits with 2 and one sentence on bad input."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        command = tyro.cli(Command, args=arguments)
        if command.dry_run:
            for rate in command.config.learning_rates:
                run = run_id(columns(command.config, rate))
                print(f"{command.out / run}: learning rate {rate:g}, {command.config.seeds} seeds")
            return
        with closing(train_and_record(command.config, command.out)) as evaluations:
            watch(evaluations, command.config, sys.stderr)
    except ValueError as error:
        print(f"vs-train: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _terminate(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


if __name__ == "__main__":
    main()
