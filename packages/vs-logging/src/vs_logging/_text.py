"""Text tables as people have them: any separator, gzip, upper-case endings, ``seed_0``."""

import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import IO

import polars as pl

from vs_logging._lines import Table, parse_table
from vs_logging._sources import find_files, is_format
from vs_logging.table import RunTableError

TABLES = r"(?i)[^.].*\.(csv|tsv|tab)(\.gz)?"
"""Names of text tables."""

_SEPARATORS = ",;\t"
_SEED = r"^(?:[A-Za-z_ ]+-?)?([0-9]+)(?:\.0*)?$"


def header(path: Path) -> tuple[str, ...]:
    """Return the column names of a text table, () for a file that is not one."""
    try:
        with _open(path) as file:
            return _split(file.readline())[1]
    except (OSError, EOFError):
        return ()


def is_table(source: str, names: str, test: Callable[[tuple[str, ...]], bool]) -> bool:
    """Tell whether a path has text tables of which one's column names pass a test."""
    if not is_format(source, names):
        return False
    return any(test(header(path)) for _, path in find_files(source, names))


def read_text(path: Path) -> pl.DataFrame:
    """Read a text table of which every line must be a row, blank ones apart.

    Returns:
        Columns of strings, without white space around them; empty cells are null.

    Raises:
        RunTableError: The file is absent, empty, damaged or not a table.
    """
    table = read_lines(path, keep_last=True)
    for line, reason in table.damaged.items():
        raise RunTableError(f"{path}: line {line}: {reason}")
    return table.frame.with_columns(pl.all().replace("", None))


def read_lines(path: Path, *, keep_last: bool = False) -> Table:
    """Read a text table; the separator (comma, semicolon, tab) is that of its header.

    Raises:
        RunTableError: The file is absent, empty or not a table.
    """
    try:
        with _open(path) as file:
            text = file.read()
        separator, _ = _split(text.partition("\n")[0])
        return parse_table(text, separator=separator, keep_last=keep_last)
    except FileNotFoundError:
        raise RunTableError(f"{path}: no such file") from None
    except RunTableError as error:
        raise RunTableError(f"{path}: {error}") from None
    except (OSError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise RunTableError(f"{path}: not readable as CSV ({reason})") from error


def seed_numbers(seeds: pl.Series) -> pl.Series:
    """Write seeds such as ``seed_0``, ``s3`` and ``7.0`` as their number; leave other text."""
    return seeds.cast(pl.String).str.strip_chars().str.replace(_SEED, "${1}")


def _open(path: Path) -> IO[str]:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    return opener(path, "rt", encoding="utf-8-sig", errors="replace")


def _split(line: str) -> tuple[str, tuple[str, ...]]:
    """Return the separator that makes most columns of a header, and their names."""
    found = [(s, next(csv.reader([line], delimiter=s), [])) for s in _SEPARATORS]
    separator, names = max(found, key=lambda pair: len(pair[1]))
    return separator, tuple(name.strip() for name in names)
