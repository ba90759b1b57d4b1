"""Import ``monitor.csv``, which the Monitor of Stable-Baselines3 (and of baselines) writes."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vs_logging._importer import Importer, ImportOptions
from vs_logging._long import Series, checked_steps
from vs_logging._process import import_processes
from vs_logging._sources import find_files, is_format, load_numbers
from vs_logging.report import Imported
from vs_logging.table import RunTableError

_NAMES, _BEGINS = r"[^.].*\.csv", b"#{"
_NUMBERED = r"[0-9.]+monitor\.csv"


def _read(source: str, options: ImportOptions) -> Imported:
    """Import runs, of seed 0 unless the pattern finds another in the path.

    Files ``0.monitor.csv``, ``1.monitor.csv`` … in one folder belong to the environments of one run,
    also where only one of them is given. As in SB3's ``load_results`` and ``ts2xy``, their episodes
    are put in order of time, and an episode's env step is the sum of the lengths up to its end.
    """
    runs: dict[tuple[Path, ...], str] = {}
    for name, path in find_files(source, _NAMES, begins=_BEGINS):
        runs.setdefault(_files_of_run(path), name)
    return import_processes(
        source,
        ((name, paths) for paths, name in runs.items()),
        options,
        stored=lambda paths: _header(paths[0]) | {"seed": 0},
        metrics=_episodes,
        return_name="r",
        grammar="sb3-monitor",
        expected="Monitor files, which begin with #{ and have the columns r,l,t",
        notes=_notes,
    )


SB3_MONITOR = Importer(
    name="sb3-monitor",
    source="a monitor.csv of Stable-Baselines3",
    example="logs --pattern 'utd(?P<utd>[0-9]+)_s(?P<seed>[0-9]+)'",
    sniff=lambda source: is_format(source, _NAMES, begins=_BEGINS),
    read=_read,
)


def _files_of_run(path: Path) -> tuple[Path, ...]:
    if not re.fullmatch(_NUMBERED, path.name):
        return (path,)
    return tuple(sorted(p for p in path.parent.iterdir() if re.fullmatch(_NUMBERED, p.name)))


def _header(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8", errors="replace") as file:
        first, columns = file.readline().removeprefix("#"), file.readline().strip()
    try:
        header = json.loads(first)
        start = float(header.get("t_start") or 0.0)
    except ValueError as error:
        raise RunTableError(f"line 1 of {path.name} is not # and JSON ({error})") from error
    if columns.split(",")[:3] != ["r", "l", "t"]:
        raise RunTableError(f"line 2 of {path.name} is {columns!r}; expected r,l,t")
    return header | {"t_start": start, "env": header.get("env_id")}


def _episodes(paths: Sequence[Path]) -> dict[str, Series]:
    found = []
    remarks: Counter[str] = Counter()
    for path in paths:
        rows, passed = load_numbers(path, (0, 1, 2), skip=2, separator=",")
        found.append(rows)
        remarks.update(passed)
    for path, rows in zip(paths, found, strict=True):
        rows[:, 2] += _header(path)["t_start"]
    returns, lengths, ends = np.concatenate(found).T
    order = np.argsort(ends, kind="stable")
    steps = checked_steps(np.cumsum(lengths[order]), "the sum of l")
    return {"return_": Series(steps, returns[order], remarks)}


def _notes(runs: Sequence[Sequence[Path]]) -> list[str]:
    notes = ["returns are those of training episodes (exploration included), not of evaluations"]
    if several := sum(len(paths) > 1 for paths in runs):
        notes.append(f"{several} runs have a numbered file for each of their environments: merged")
    return notes
