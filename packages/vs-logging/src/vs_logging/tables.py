"""Import tables of any columns: text, Parquet, and frames in memory."""

from pathlib import Path

import polars as pl

from vs_logging._importer import DEFAULTS, Importer, ImportOptions
from vs_logging._rows import Rows, import_rows
from vs_logging._sources import find_files, is_format
from vs_logging._text import TABLES, read_text
from vs_logging.report import Imported
from vs_logging.table import RunTableError

_PARQUET = r"(?i)[^.].*\.(parquet|pq)"


def _read_text(source: str, options: ImportOptions) -> Imported:
    return import_rows(
        source,
        find_files(source, TABLES),
        lambda name, path: [Rows(name, read_text(path))],
        options,
        grammar="table",
        expected="text tables (.csv, .tsv, also .gz) with a step and a value in each row",
    )


def _read_parquet(source: str, options: ImportOptions) -> Imported:
    return import_rows(
        source,
        find_files(source, _PARQUET),
        lambda name, path: [Rows(name, _parquet(path))],
        options,
        grammar="parquet",
        expected="Parquet files with a step and a value in each row",
    )


def import_frame(
    frame: pl.DataFrame, options: ImportOptions = DEFAULTS, *, source: str = "frame"
) -> Imported:
    """Import a frame in which each row is one evaluation, by ``options.columns``.

    Args:
        frame: Any columns.
        options: As for a text table.
        source: The frame's name, in messages and for ``pattern``.

    Raises:
        RunTableError: A column or a setting is missing, or a row is bad.
    """
    return import_rows(
        source,
        [(source, Path(source))],
        lambda name, _: [Rows(name, frame)],
        options,
        grammar="frame",
        expected="rows with a step and a value",
    )


TABLE = Importer(
    name="table",
    source="a table of any columns (.csv, .tsv, .gz)",
    example="curves.tsv --columns env=task step=frame value=episode_reward seed=seed",
    sniff=lambda source: is_format(source, TABLES),
    read=_read_text,
)

PARQUET = Importer(
    name="parquet",
    source="a .parquet of any columns",
    example="curves.parquet --columns env=task step=frame value=episode_reward seed=seed",
    sniff=lambda source: is_format(source, _PARQUET),
    read=_read_parquet,
)


def _parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise RunTableError(f"not readable as Parquet ({reason})") from error
