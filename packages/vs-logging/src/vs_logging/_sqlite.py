"""SQLite files of other programs, read only."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from vs_logging._sources import find_files, is_format
from vs_logging.table import RunTableError

FILES = r"(?i)[^.].*\.(db|sqlite3?)"
"""Names of SQLite files."""

BEGINS = b"SQLite format 3\0"


@contextmanager
def reading(path: Path) -> Generator[sqlite3.Connection]:
    """Open a file for reading; rows have names.

    Raises:
        RunTableError: It is damaged, or a query inside fails.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            yield database
    except sqlite3.Error as error:
        raise RunTableError(f"not readable as SQLite of a known layout ({error})") from error


def columns(database: sqlite3.Connection, table: str) -> set[str]:
    """Return the names of a table's columns; there are none where there is no such table."""
    return {
        row["name"] for row in database.execute("SELECT name FROM pragma_table_info(?)", [table])
    }


def has_table(source: str, table: str) -> bool:
    """Tell whether a path has SQLite files of which one has a table."""
    if not is_format(source, FILES, begins=BEGINS):
        return False
    for _, path in find_files(source, FILES, begins=BEGINS):
        try:
            with reading(path) as database:
                if columns(database, table):
                    return True
        except RunTableError:
            continue
    return False
