"""The files that a source names: one file, or those below a folder; and plain numbers in them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vs_logging._lines import BLANK, CUT, HEADER, is_cut
from vs_logging.table import RunTableError

EVENTS = ".*tfevents.*"
"""Names of TensorBoard's event files."""


def find_files(source: str, names: str, *, begins: bytes = b"") -> list[tuple[str, Path]]:
    """Find the files of a format.

    Args:
        source: A file, or a folder that is searched at any depth.
        names: Regular expression that a file's whole name follows.
        begins: First bytes of such a file.

    Returns:
        Per file (sorted by path) its name, in which patterns are searched, and its path. The name
        is the path below the folder, or the file's path as given.

    Raises:
        RunTableError: There is no such file or folder.
    """
    root = Path(source)
    if not root.exists():
        raise RunTableError(f"{source}: no such file or folder")
    return [
        (name_below(root, path) if root.is_dir() else root.as_posix(), path)
        for path in sorted(_matching(root, names, begins))
    ]


def is_format(source: str, names: str, *, begins: bytes = b"") -> bool:
    """Tell whether a path has files of a format; a folder with event files is left to TensorBoard."""
    root = Path(source)
    if not root.exists() or (root.is_dir() and any(_matching(root, EVENTS, b""))):
        return False
    return any(_matching(root, names, begins))


def name_below(root: Path, path: Path) -> str:
    """Return the path below ``root``; for ``root`` itself, its last folder's name."""
    return path.relative_to(root).as_posix() if path != root else root.resolve().name


def is_clutter(name: str) -> bool:
    """Tell whether a path is of a file that no one would call data (``.DS_Store``, ``__MACOSX/…``)."""
    *folders, file = re.split(r"[/\\]", name)
    return (
        "__MACOSX" in folders
        or file.startswith("._")
        or file.lower() in (".ds_store", "thumbs.db", "desktop.ini")
    )


def load_numbers(
    path: Path, columns: Sequence[int], *, skip: int = 0, separator: str | None = None
) -> tuple[NDArray[np.float64], dict[str, int]]:
    """Read columns of numbers from a text file.

    Blank lines, repeats of the line above the first row, and a last line that has no end are passed
    over and counted.

    Args:
        path: The file.
        columns: Positions of the columns, from 0.
        skip: Number of lines above the first row.
        separator: Between columns; any white space by default.

    Returns:
        Shape (rows, columns), and what was passed over → number of lines.

    Raises:
        RunTableError: There is no row, or one lacks a number; names the line.
    """
    rows = []
    remarks: Counter[str] = Counter()
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    if len(lines) > skip and is_cut(text):
        lines.pop()
        remarks[CUT] += 1
    for number, line in enumerate(lines[skip:], start=skip + 1):
        if not line.strip():
            remarks[BLANK] += 1
        elif skip and line == lines[skip - 1]:
            remarks[HEADER] += 1
        else:
            cells = line.split(separator)
            try:
                rows.append([float(cells[column]) for column in columns])
            except (ValueError, IndexError):
                raise RunTableError(
                    f"line {number} of {path.name} is {line[:80]!r}; expected numbers in columns "
                    f"{', '.join(str(column + 1) for column in columns)}"
                ) from None
    if not rows:
        raise RunTableError(f"{path.name} has no rows")
    return np.array(rows), dict(remarks)


def _matching(root: Path, names: str, begins: bytes) -> Iterator[Path]:
    for path in root.rglob("*") if root.is_dir() else [root]:
        if re.fullmatch(names, path.name) and path.is_file() and not is_clutter(path.as_posix()):
            with path.open("rb") as file:
                if file.read(len(begins)) == begins:
                    yield path
