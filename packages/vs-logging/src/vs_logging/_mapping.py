"""A mapping file: from the name of an experiment to the settings that it stands for."""

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from vs_logging._text import read_text
from vs_logging.table import RunTableError


def read_mapping(path: str | None) -> Callable[[str], dict[str, str]]:
    """Return the function from a process's name to its settings; without a file it has none.

    The first column of the file holds the names: each is an ``exp_name``, or a folder, a file or a
    file's stem in the path of a process. Empty cells give no setting.

    Raises:
        RunTableError: The file is no text table with two columns, or has a name twice. The function
            raises it for a process whose name is not in the file, or that matches several rows.
    """
    if path is None:
        return lambda _: {}
    frame = read_text(Path(path))
    if frame.width < 2:
        raise RunTableError(f"{path}: expected a column of names, then columns of settings")
    key, *settings = frame.columns
    names = frame[key].to_list()
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RunTableError(f"{path}: {key} {twice} has two rows; expected one")
    rows = {
        row[key]: {name: row[name] for name in settings if row[name] is not None}
        for row in frame.to_dicts()
    }

    def settings_of(name: str) -> dict[str, str]:
        found = [part for part in _parts(name) if part in rows]
        if len(found) != 1:
            matches = f"matches {' and '.join(found)} of" if found else "has no row in"
            raise RunTableError(f"it {matches} --mapping {path}; expected one {key} of it")
        return rows[found[0]]

    return settings_of


def _parts(name: str) -> list[str]:
    """Return the parts of a name, once each: ``a/b.csv, exp_name=c`` gives a, b.csv, b and c."""
    parts = [part.removeprefix("exp_name=") for part in re.split(r"/|, ", name)]
    stems = [PurePosixPath(part).stem for part in parts]
    return list(dict.fromkeys([*parts, *stems]))
