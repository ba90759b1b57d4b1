"""The result of an import: a table, and a report of what was left out and why."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import polars as pl

from vs_logging.table import RunTableError

type OnError = Literal["raise", "skip"]


class Skipped(NamedTuple):
    """A part of the source that is not in the table."""

    name: str
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """Counts and notes of an import: what it read, skipped, dropped and assumed.

    Attributes:
        source: The file, folder or project that was read.
        grammar: Format of the source (``qscaled``, ``bro``, ``csv`` …).
        runs: Number of configurations in the table.
        seeds: Number of curves in the table, duplicates included.
        rows: Number of rows in the table.
        duplicate_seeds: Curves that are exact copies of another seed of the same run; their rows
            are kept, for the analysis to drop.
        deduplicated_rows: Rows that repeated another row exactly and were dropped.
        after_end_rows: Rows after a seed's true end (forward-filled returns) that were dropped.
        skipped: Bad or foreign parts of the source.
        notes: Assumptions and peculiarities, a sentence each.
    """

    source: str
    grammar: str
    runs: int
    seeds: int
    rows: int
    duplicate_seeds: int = 0
    deduplicated_rows: int = 0
    after_end_rows: int = 0
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the report as JSON-able values."""
        return {
            **{k: v for k, v in vars(self).items() if k not in ("skipped", "notes")},
            "skipped": [entry._asdict() for entry in self.skipped],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [
            f"{self.source} ({self.grammar}): {self.runs} runs, {self.seeds} seeds, "
            f"{self.rows} rows"
        ]
        for count, what in (
            (self.duplicate_seeds, "seeds are exact copies of another seed of their run (kept)"),
            (self.deduplicated_rows, "exact repeats of a row dropped"),
            (self.after_end_rows, "rows after a seed's true end dropped"),
            (len(self.skipped), "parts of the source skipped:"),
        ):
            lines += [f"  {count} {what}"] if count else []
        lines += [f"    {entry.name}: {entry.reason}" for entry in self.skipped]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)


class Imported(NamedTuple):
    """A validated run table and the report on its import."""

    table: pl.DataFrame
    report: ImportReport


@dataclass
class Problems:
    """Bad parts of a source, collected or raised at the first, as ``on_error`` says."""

    source: str
    on_error: OnError
    skipped: list[Skipped] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.on_error not in ("raise", "skip"):
            raise ValueError(f"on_error is {self.on_error!r}; expected 'raise' or 'skip'")

    def attempt[T](self, name: str, work: Callable[[], T]) -> T | None:
        """Return ``work()``, or record why this part is bad and return None."""
        try:
            return work()
        except RunTableError as error:
            if self.on_error == "raise":
                where = self.source if name == self.source else f"{self.source}: {name}"
                raise RunTableError(f"{where}: {error}") from error
            self.skipped.append(Skipped(name, str(error)))
            return None

    def nothing_left(self, expected: str) -> RunTableError:
        """Return the error for a source of which no part could be imported."""
        why = f" (first problem: {': '.join(self.skipped[0])})" if self.skipped else ""
        return RunTableError(f"{self.source}: nothing to import{why}; expected {expected}")
