"""The files that a source names: one file, or those below a folder."""

import re
from collections.abc import Iterator
from pathlib import Path

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


def name_below(root: Path, path: Path) -> str:
    """Return the path below ``root``; for ``root`` itself, its last folder's name."""
    return path.relative_to(root).as_posix() if path != root else root.resolve().name


def _matching(root: Path, names: str, begins: bytes) -> Iterator[Path]:
    for path in root.rglob("*") if root.is_dir() else [root]:
        if re.fullmatch(names, path.name) and path.is_file():
            with path.open("rb") as file:
                if file.read(len(begins)) == begins:
                    yield path
