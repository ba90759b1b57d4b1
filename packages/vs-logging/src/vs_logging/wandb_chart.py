"""Import the CSV of a chart of Weights & Biases: the x axis, then three columns for each run."""

from dataclasses import replace
from pathlib import Path

import polars as pl

from vs_logging._importer import Importer, ImportOptions
from vs_logging._rows import Rows, import_rows, numbers
from vs_logging._sources import find_files
from vs_logging._text import TABLES, header, is_table, read_text
from vs_logging.report import Imported
from vs_logging.table import RunTableError

_BOUNDS = ("__MIN", "__MAX")


def _read(source: str, options: ImportOptions) -> Imported:
    """Import each column ``RUN - METRIC`` as one process; the pattern is searched in ``RUN``, too.

    ``__MIN`` and ``__MAX`` are left out. The x axis must be the env step. Of a chart of several
    metrics, ``return_key`` names the one that is the return.
    """
    files = find_files(source, TABLES)
    return import_rows(
        source,
        files,
        lambda name, path: _runs(name, path, options.return_key),
        replace(options, return_key=None),
        grammar="wandb-chart",
        expected="tables with a column of steps, then 'RUN - METRIC' and its __MIN and __MAX",
        notes=[*_axes(files), *_grouped(files)],
    )


WANDB_CHART = Importer(
    name="wandb-chart",
    source="the .csv of a W&B chart",
    example="chart.csv --pattern 'utd(?P<utd>[0-9]+)-s(?P<seed>[0-9]+)'",
    sniff=lambda source: is_table(source, TABLES, lambda names: any(map(_is_bound, names))),
    read=_read,
)


def _is_bound(name: str) -> bool:
    return name.endswith(_BOUNDS)


def _runs(name: str, path: Path, metric: str | None) -> list[Rows]:
    frame = read_text(path)
    step, *columns = (column for column in frame.columns if not _is_bound(column))
    named = [
        column
        for column in columns
        if not column.endswith(" - _step")
        and (metric is None or column.rpartition(" - ")[2] == metric)
    ]
    if not named:
        raise RunTableError(
            f"its columns are {', '.join(frame.columns[:9])}; expected RUN - {metric or 'METRIC'}"
        )
    return [
        Rows(
            f"{name}, {column.rpartition(' - ')[0] or column}",
            frame.select(env_step=pl.col(step), return_=pl.col(column)).drop_nulls(),
        )
        for column in named
    ]


def _axes(files: list[tuple[str, Path]]) -> list[str]:
    axes = dict.fromkeys(name for _, path in files for name in header(path)[:1])
    return [f"the x axis, {' or '.join(axes)}, is taken as the env step"]


def _grouped(files: list[tuple[str, Path]]) -> list[str]:
    """Return a note if values differ from their bounds: they are means, not values of one run."""
    for name, path in files:
        try:
            column = _mean(read_text(path))
        except RunTableError:  # a bad file is reported where its runs are read
            continue
        if column is not None:
            return [
                f"{name}: values of {column} differ from their __MIN: means over a group of runs "
                "or over neighbouring steps; the runs' own values need an export without them"
            ]
    return []


def _mean(frame: pl.DataFrame) -> str | None:
    """Return the first column that is not equal to its lower bound."""
    for column in frame.columns:
        low = f"{column}__MIN"
        if low in frame.columns and (numbers(frame, column) != numbers(frame, low)).any():
            return column
    return None
