"""The sweep's own files in its folder, beside the run table.

* ``spec.toml``, and ``spec_2.toml`` … for others that were run there later
* ``cells/<cell>.json``: how far the last attempt at a cell came; ``<cell>.log``: its stderr;
  ``<cell>.lock``: held by the process that trains it
* ``sweep.lock``: held by whoever runs the sweep, and by a pool's workers, while they work
* ``compiled/``: compiled programs, shared by all workers
"""

import fcntl
import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from vs_logging import whole_file, write_json

from vs_train.stop import StopRequest

COMPILED = "compiled"
_LOCK = "sweep.lock"

type State = Literal["running", "done", "failed", "stopped"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """The last attempt at a cell.

    Attributes:
        cell: label to show.
        state: where it ended, or "running", which a killed pool leaves, too.
        first_step: environment step it began at, or an early one at which it learns already.
        env_step: environment step reached.
        seconds: from ``first_step`` to ``env_step``.
        error: last line of its output when it failed.
    """

    cell: str
    state: State
    first_step: int
    env_step: int
    seconds: float
    error: str | None = None


def record_path(out: Path, name: str) -> Path:
    """Return where a cell's record is."""
    return out / "cells" / f"{name}.json"


def log_path(out: Path, name: str) -> Path:
    """Return where the standard error of a cell's last attempt is."""
    return out / "cells" / f"{name}.log"


def write_record(out: Path, name: str, record: Record) -> None:
    """Write a record, whole or not at all."""
    write_json(record_path(out, name), asdict(record))


def read_record(out: Path, name: str) -> Record | None:
    """Return a cell's record, None before its first attempt."""
    try:
        return Record(**json.loads(record_path(out, name).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def keep_spec(out: Path, text: str) -> Path:
    """Copy a spec into the folder unless it is there, beside those that are; return the copy."""
    number, path = 1, out / "spec.toml"
    while path.exists() and path.read_text(encoding="utf-8") != text:
        number += 1
        path = out / f"spec_{number}.toml"
    if not path.exists():
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return path


@contextmanager
def pool_lock(out: Path, *, workers: int) -> Generator[int]:
    """Hold the folder's lock; yields the file descriptor that workers inherit to hold it as well.

    Raises:
        ValueError: if another pool, or a worker that it left, is at work there.
    """
    with (out / _LOCK).open("a+") as file:
        for attempt in range(10):
            if _take(file.fileno()):
                break
            if attempt == 9:
                raise ValueError(
                    f"{out}: another vs-sweep run is at work there, or its workers still write "
                    "their checkpoints"
                )
            time.sleep(0.1)  # `vs-sweep status` takes the lock for a moment: retry
        file.truncate(0)
        file.write(json.dumps({"workers": workers}))
        file.flush()
        yield file.fileno()


def pool_workers(out: Path) -> tuple[int | None, bool]:
    """Return how many workers the last pool had, None before any, and whether it is at work."""
    try:
        with (out / _LOCK).open("r+") as file:
            at_work = not _take(file.fileno())
            text = file.read()
    except FileNotFoundError:
        return None, False
    return (json.loads(text)["workers"] if text else None), at_work


@contextmanager
def cell_lock(out: Path, name: str, *, stop: StopRequest) -> Generator[bool]:
    """Wait until nobody else trains a cell, and hold it; yield False if a stop comes first.

    A cluster may start a cell again while the process that trained it, on another node perhaps,
    still writes its checkpoint.
    """
    path = _cell_lock_path(out, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        while not (held := _take(file.fileno())) and stop.signum is None:
            time.sleep(0.2)
        yield held


def cell_at_work(out: Path, name: str) -> bool:
    """Tell whether a process trains a cell now, here or on another node."""
    try:
        with _cell_lock_path(out, name).open("a") as file:
            return not _take(file.fileno())
    except FileNotFoundError:
        return False


def _cell_lock_path(out: Path, name: str) -> Path:
    return out / "cells" / f"{name}.lock"


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
