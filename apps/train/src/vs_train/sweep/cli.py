"""``vs-sweep``: a grid of cells from a short TOML file, on this machine."""

import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from tyro.conf import Positional

from vs_train.stop import StopRequest
from vs_train.sweep.calibrate import calibrate
from vs_train.sweep.cells import survey
from vs_train.sweep.plan import make_plan
from vs_train.sweep.pool import cores, longest_first, run_sweep
from vs_train.sweep.records import keep_spec
from vs_train.sweep.show import page, print_plan, print_status
from vs_train.sweep.spec import load_spec, preset_names, spec_text
from vs_train.sweep.status import sweep_status
from vs_train.sweep.watch import SweepWatch


@dataclass(frozen=True)
class PlanCommand:
    """Say what a sweep will be: cells, agents, FLOPs, memory, and time on this machine."""

    spec: Positional[str]
    """A TOML file, or the name of a preset."""
    calibrate: bool = True
    """Time a few steps of every kind of cell, in a process of one thread."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class RunCommand:
    """Train what is not finished yet in --out, several cells at a time, the longest first.

    The same command goes on after any end: finished runs are kept, begun ones go on from their
    checkpoints, failed ones are tried again. SIGTERM and Ctrl-C write checkpoints.
    """

    spec: Positional[str]
    """A TOML file, or the name of a preset."""
    out: Path
    """Folder of the sweep, a run table."""
    workers: int | None = None
    """Processes at a time, one thread each [as many as cores]."""
    checkpoint_every: int = 50_000
    """Environment steps between two checkpoints; 0 for none before the end."""
    dry_run: bool = False
    """Say what would be run, in which order, and stop."""


@dataclass(frozen=True)
class StatusCommand:
    """Say which cells of a sweep are done, running, failed or waiting, and how long it will take."""

    out: Positional[Path]
    """Folder of the sweep."""
    spec: Positional[str]
    """A TOML file, or the name of a preset."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class PresetsCommand:
    """List the specs that come with the package, or print one, to begin your own with."""

    name: Positional[str | None] = None
    """The one to print."""


type Command = (
    Annotated[PlanCommand, tyro.conf.subcommand("plan")]
    | Annotated[RunCommand, tyro.conf.subcommand("run")]
    | Annotated[StatusCommand, tyro.conf.subcommand("status")]
    | Annotated[PresetsCommand, tyro.conf.subcommand("presets")]
)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``vs-sweep``; exits with 2 and one sentence on bad input."""
    command = tyro.cli(Command, prog="vs-sweep", description=__doc__, args=arguments)
    try:
        status = _carry_out(command)
    except (ValueError, OSError, ImportError) as error:
        print(f"vs-sweep: {error}", file=sys.stderr)
        status = 2
    if status:
        sys.exit(status)


def _carry_out(command: object) -> int:
    match command:
        case PlanCommand():
            _plan(command)
        case RunCommand():
            return _run(command)
        case StatusCommand():
            status = sweep_status(load_spec(command.spec).cells(), command.out)
            if command.json:
                print(json.dumps(status.to_dict(), indent=1))
            else:
                print_status(status, page())
        case PresetsCommand(name=None):
            print(*preset_names(), sep="\n")
        case PresetsCommand(name=name):
            if name not in preset_names():
                raise ValueError(f"{name}: expected one of {', '.join(preset_names())}")
            print(spec_text(name), end="")
    return 0


def _plan(command: PlanCommand) -> None:
    cells = load_spec(command.spec).cells()
    speeds = None
    if command.calibrate:
        error_console = Console(stderr=True)
        with error_console.status("calibrating") as shown:
            speeds = calibrate(
                cells, on_kind=lambda k, n: shown.update(f"calibrating: {k} of {n} kinds of cell")
            )
    plan = make_plan(cells, cores=cores(), speeds=speeds)
    if command.json:
        print(json.dumps(plan.to_dict(), indent=1))
    else:
        print_plan(plan, page())


def _run(command: RunCommand) -> int:
    workers = cores() if command.workers is None else command.workers
    if workers < 1:
        raise ValueError(f"workers = {workers}: expected 1 or more")
    if command.checkpoint_every < 0:
        raise ValueError(f"checkpoint_every = {command.checkpoint_every}: expected 0 or more")
    configs = load_spec(command.spec).cells()
    cells = survey(configs, command.out)
    if command.dry_run:
        for cell in longest_first(cells):
            print(f"{cell.label}" + (f", from env step {cell.start}" if cell.start else ""))
        print(f"{sum(cell.done for cell in cells)} of {len(cells)} cells are done")
        return 0
    command.out.mkdir(parents=True, exist_ok=True)
    text = spec_text(command.spec)
    kept = keep_spec(command.out, text)
    if kept.name != "spec.toml":
        print(
            f"vs-sweep: {command.out / 'spec.toml'} is another spec; this one is {kept.name} there",
            file=sys.stderr,
        )
    stop = StopRequest()
    stop.listen()
    with SweepWatch(cells, sys.stderr) as watch:
        outcome = run_sweep(
            configs,
            command.out,
            workers=workers,
            checkpoint_every=command.checkpoint_every,
            stop=stop,
            watcher=watch,
        )
    for cell, error in outcome.failed:
        print(f"vs-sweep: failed: {cell.label}: {error}", file=sys.stderr)
    if stop.signum is not None and outcome.stopped:
        name = signal.Signals(stop.signum).name
        left = len(outcome.stopped)
        print(f"vs-sweep: {name}: {left} cells left; the same command goes on", file=sys.stderr)
        return 128 + stop.signum
    if outcome.failed:
        count = len(outcome.failed)
        print(
            f"vs-sweep: {count} of {len(cells)} cells failed; what they said is in "
            f"{command.out / 'cells'}, and the same command tries them again",
            file=sys.stderr,
        )
    return int(bool(outcome.failed))


if __name__ == "__main__":
    main()
