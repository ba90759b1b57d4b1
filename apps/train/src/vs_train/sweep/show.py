"""Plans and progress as tables for a person."""

from datetime import timedelta
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table

from vs_train.sweep.plan import Plan
from vs_train.sweep.status import Status

_RIGHT: Literal["right"] = "right"
_WIDTH = 120  # of a table that is not read on a terminal


def page() -> Console:
    """Return where to print: a terminal as it is, anything else wide enough for a plan."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def print_plan(plan: Plan, console: Console) -> None:
    """Print a plan: cells in the order in which they begin, totals, and time by workers."""
    names = (
        "task",
        "utd",
        "batch",
        "width",
        "depth",
        "runs",
        "lanes",
        "env steps",
        "FLOPs",
        "measured",
    )
    table = Table(*names, "replay", "time", title="cells, longest first", box=box.SIMPLE)
    for column in table.columns[1:]:
        column.justify, column.no_wrap = _RIGHT, True
    for cell in plan.cells:
        sizes = (cell.batch_size, cell.critic_width, cell.critic_depth)
        configuration = (f"{cell.utd:g}", *map(str, sizes))
        table.add_row(cell.env, *configuration, *_amounts(vars(cell)))
    table.add_section()
    total = plan.total()
    table.add_row(f"{total['cells']} cells", "", "", "", "", *_amounts(total))
    console.print(table)
    by = Table("workers", "time", "replay memory", title="on this machine", box=box.SIMPLE)
    for workers in plan.workers:
        size = _bytes(workers.replay_bytes)
        by.add_row(str(workers.workers), duration(workers.seconds), size)
    console.print(by)
    console.print(
        "FLOPs: 10 N B per critic update (arXiv:2502.04327); measured: XLA's count, actor included. "
        "Replay memories are held in memory, and kept in checkpoints as far as they are filled: the "
        "column's total is the disk the sweep needs. Times suppose that workers do not slow each "
        "other down.",
        highlight=False,
    )


def print_status(status: Status, console: Console) -> None:
    """Print every cell's state, and when the sweep will be done."""
    table = Table("state", "cell", "env step", "left", "error", box=box.SIMPLE)
    for cell in status.cells:
        step = f"{cell.env_step}/{cell.steps}"
        table.add_row(cell.state, cell.cell, step, duration(cell.seconds_left), cell.error or "")
    console.print(table)
    counts = ", ".join(f"{count} {state}" for state, count in status.counts().items())
    pool = "at work" if status.at_work else "not running now"
    left = duration(status.seconds_left)
    console.print(f"{counts}; {left} left with {status.workers or 1} workers, {pool}")


def duration(seconds: float | None) -> str:
    """Return a time as a person says it; "unknown" for None."""
    return "unknown" if seconds is None else str(timedelta(seconds=round(seconds)))


def _amounts(values: dict) -> list[str]:
    measured = values["measured_flops"]
    return [
        str(values["runs"]),
        str(values["lanes"]),
        f"{values['env_steps']:.3g}",
        f"{values['flops']:.3g}",
        "-" if measured is None else f"{measured:.3g}",
        _bytes(values["replay_bytes"]),
        "-" if values["seconds"] is None else duration(values["seconds"]),
    ]


def _bytes(count: float) -> str:
    return f"{count / 2**20:.0f} MiB" if count < 2**30 else f"{count / 2**30:.1f} GiB"
