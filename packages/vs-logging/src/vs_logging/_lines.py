"""The lines of a text table, without those that are no rows: blank, repeated header, cut short."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from vs_logging.table import RunTableError

CUT = "last line left out: it has no line end, so that it may be cut (a newline there keeps it)"
BLANK = "blank lines passed over"
HEADER = "repeated headers passed over"


@dataclass(frozen=True)
class Table:
    """A text table.

    Attributes:
        frame: Columns of stripped text, empty cells as ``""``.
        lines: Line number in the file, per row of ``frame``.
        damaged: Line number → reason, of the lines that are no rows of this table.
        remarks: What was done → number of lines.
    """

    frame: pl.DataFrame
    lines: pl.Series
    damaged: Mapping[int, str]
    remarks: Mapping[str, int]


def parse_table(text: str, *, separator: str = ",", keep_last: bool = False) -> Table:
    """Read a text table with a header.

    Args:
        text: The file's text.
        separator: Between cells.
        keep_last: Take a last line without a line end, as files from elsewhere than a logger have.

    Raises:
        RunTableError: There is no header, or the text is no table.
    """
    rows: list[list[str]] = []
    numbers: list[int] = []
    damaged: dict[int, str] = {}
    remarks: Counter[str] = Counter()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    header: list[str] | None = None
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if not any(row):
                remarks[BLANK] += 1
            elif header is None:
                header = row
            elif row == header:
                remarks[HEADER] += 1
            else:
                rows.append(row)
                numbers.append(reader.line_num)
    except csv.Error as error:
        raise RunTableError(f"line {reader.line_num} is not readable as CSV ({error})") from None
    if header is None:
        raise RunTableError("the file is empty")
    if rows and is_cut(text) and not keep_last:
        rows.pop()
        numbers.pop()
        remarks[CUT] += 1
    for position in reversed(range(len(rows))):
        if len(rows[position]) != len(header):
            found = rows.pop(position)
            damaged[numbers.pop(position)] = (
                f"it has {len(found)} cells, the header {len(header)}: {separator.join(found)[:80]!r}"
            )
    columns = dict(
        zip(header, zip(*rows, strict=True) if rows else [()] * len(header), strict=True)
    )
    frame = pl.DataFrame(columns, schema=dict.fromkeys(header, pl.String()))
    return Table(frame, pl.Series(numbers, dtype=pl.Int64), dict(sorted(damaged.items())), remarks)


def is_cut(text: str) -> bool:
    """Tell whether the last line has no end, as where a process was killed while it wrote."""
    return not text.rstrip(" \t").endswith(("\n", "\r"))
