"""``vs-sweep``: a grid of cells from a short TOML file, on this machine or a cluster."""

import json
import signal
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from tyro.conf import Positional

from vs_train.config import TrainConfig
from vs_train.stop import StopRequest
from vs_train.sweep.calibrate import calibrate
from vs_train.sweep.cells import Cell, survey
from vs_train.sweep.jobs import JobSettings, Resources
from vs_train.sweep.lanes import choose_lanes
from vs_train.sweep.on_ray import run_on_ray
from vs_train.sweep.plan import make_plan
from vs_train.sweep.pool import Outcome, Watcher, cores, gpus, longest_first, run_sweep
from vs_train.sweep.records import keep_spec
from vs_train.sweep.show import page, print_plan, print_status
from vs_train.sweep.slurm import run_on_slurm
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
    executor: Literal["local", "slurm", "ray"] = "local"
    """Executor: processes here, a Slurm job array (pip install 'vs-train[slurm]') or Ray tasks
    ('vs-train[ray]'). All nodes must see --out."""
    workers: int | None = None
    """Cells at a time: processes of one thread each [as many as GPUs, else as cores], or elements
    of the Slurm array [all]; Ray goes by the resources."""
    resources: Annotated[Resources, tyro.conf.arg(name="")] = field(default_factory=Resources)
    address: str | None = None
    """Ray cluster: auto, or HOST:PORT [an instance of its own on this machine]."""
    checkpoint_every: int = 50_000
    """Environment steps between two checkpoints; 0 for none before the end."""
    lanes: str = "auto"
    """Agents of a cell that share one compiled program: a number, all, or auto: what a short
    measurement on this machine finds fastest, kept in --out. A spec's lanes_per_program goes first."""
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
    _check(command)
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
    if command.lanes != "all":
        configs = _with_lanes(command, cells, configs)
        cells = survey(configs, command.out)
    stop = StopRequest()
    stop.listen()
    with SweepWatch(cells, sys.stderr) as watch:
        outcome = _execute(command, configs, stop, watch)
    return _summary(command, outcome, stop, cells=len(cells))


def _with_lanes(
    command: RunCommand, cells: list[Cell], configs: list[TrainConfig]
) -> list[TrainConfig]:
    """Return the cells with their lanes per program; those that are done need no measurement."""
    todo = {cell.config for cell in cells if not cell.done}
    undone = [config for config in configs if config in todo]
    if command.lanes == "auto":
        with Console(stderr=True).status("measuring how many agents to put into one program"):
            chosen = choose_lanes(undone, command.out)
    else:
        chosen = [
            replace(config, lanes_per_program=config.lanes_per_program or int(command.lanes))
            for config in undone
        ]
    by_config = dict(zip(undone, chosen, strict=True))
    return [by_config.get(config, config) for config in configs]


def _check(command: RunCommand) -> None:
    if command.lanes not in ("auto", "all") and not (
        command.lanes.isdecimal() and int(command.lanes) > 0
    ):
        raise ValueError(f"lanes = {command.lanes}: expected auto, all, or a number from 1 on")
    if command.workers is not None and command.workers < 1:
        raise ValueError(f"workers = {command.workers}: expected 1 or more")
    if command.checkpoint_every < 0:
        raise ValueError(f"checkpoint_every = {command.checkpoint_every}: expected 0 or more")
    if command.executor == "local":
        command.resources.check("local", known=())
    if command.executor == "ray" and command.workers is not None:
        raise ValueError(
            f"workers = {command.workers}: Ray goes by --cpus and --gpus; expected none"
        )
    if command.executor != "ray" and command.address is not None:
        raise ValueError(f"address = {command.address}: expected with --executor ray only")


def _execute(
    command: RunCommand, configs: list[TrainConfig], stop: StopRequest, watcher: Watcher
) -> Outcome:
    settings = JobSettings(
        out=command.out.absolute(),
        checkpoint_every=command.checkpoint_every,
        resources=command.resources,
    )
    match command.executor:
        case "slurm":
            return run_on_slurm(
                configs, settings, at_once=command.workers, stop=stop, watcher=watcher
            )
        case "ray":
            return run_on_ray(
                configs, settings, address=command.address, stop=stop, watcher=watcher
            )
    return run_sweep(
        configs,
        command.out,
        workers=command.workers or len(gpus()) or cores(),
        checkpoint_every=command.checkpoint_every,
        stop=stop,
        watcher=watcher,
    )


def _summary(command: RunCommand, outcome: Outcome, stop: StopRequest, *, cells: int) -> int:
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
            f"vs-sweep: {count} of {cells} cells failed; what they said is in "
            f"{command.out / 'cells'}, and the same command tries them again",
            file=sys.stderr,
        )
    return int(bool(outcome.failed))


if __name__ == "__main__":
    main()
