"""The progress of a sweep: a live bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from vs_train.sweep.cells import Cell, cell_flops
from vs_train.sweep.records import Record


class SweepWatch:
    """Shows what begins, how far it is and how it ends; a `Watcher` for `run_sweep`."""

    def __init__(self, cells: Iterable[Cell], stream: TextIO) -> None:
        """Say nothing yet.

        Args:
            cells: all of the sweep's, done or not.
            stream: where to show it.
        """
        cells = list(cells)
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._total, self._ended = len(cells), sum(cell.done for cell in cells)
        self._flops = {cell.name: cell_flops(cell.config) for cell in cells if not cell.done}
        self._reached = {c.name: _share(c, c.start or 0) for c in cells if not c.done}
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._all = self._bar.add_task("all", total=sum(self._flops.values()) or 1.0)
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Show the bar, on a terminal."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is."""
        self._bar.stop()

    def begin(self, cell: Cell) -> None:
        """Show a cell that begins."""
        where = f" from env step {cell.start}" if cell.start else ""
        self._line(f"begun: {cell.label}{where}")
        self._begun[cell.name] = time.monotonic()
        start, total = cell.start or 0, cell.config.steps
        self._tasks[cell.name] = self._bar.add_task(cell.label, completed=start, total=total)

    def step(self, cell: Cell, env_step: int) -> None:
        """Show how far a cell is."""
        self._bar.update(self._tasks[cell.name], completed=env_step)
        self._reached[cell.name] = _share(cell, env_step)
        shares = self._reached
        work = sum(flops * shares[name] for name, flops in self._flops.items())
        self._bar.update(self._all, completed=work)

    def end(self, cell: Cell, record: Record) -> None:
        """Show how a cell has ended."""
        self._bar.remove_task(self._tasks.pop(cell.name))
        if record.state == "done":
            self._ended += 1
        reason = f": {record.error}" if record.error else ""
        seconds = time.monotonic() - self._begun[cell.name]
        self._line(f"{record.state} in {seconds:.0f} s: {cell.label}{reason}")

    def _line(self, text: str) -> None:
        self._console.print(f"{self._ended}/{self._total} {text}", markup=False)


def _share(cell: Cell, env_step: int) -> float:
    return env_step / cell.config.steps
