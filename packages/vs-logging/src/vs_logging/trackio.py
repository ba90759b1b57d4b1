"""Import projects of Trackio from their SQLite files (``~/.cache/huggingface/trackio/*.db``)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from vs_logging import _sqlite
from vs_logging._importer import Importer, ImportOptions
from vs_logging._rows import Rows, import_rows
from vs_logging._sources import find_files
from vs_logging.report import Imported

_STEPS = ("env_step", "global_step", "step")


def _read(source: str, options: ImportOptions) -> Imported:
    """Import each run as one process; the pattern is searched in its name, too."""
    return import_rows(
        source,
        find_files(source, _sqlite.FILES, begins=_sqlite.BEGINS),
        _runs,
        options,
        grammar="trackio",
        expected="Trackio projects with runs that logged an env step and a return",
        steps=_STEPS,
    )


TRACKIO = Importer(
    name="trackio",
    source="the SQLite file of a Trackio project",
    example="project.db --columns step=env_step value=eval/return",
    sniff=lambda source: (
        _sqlite.has_table(source, "metrics") and _sqlite.has_table(source, "configs")
    ),
    read=_read,
)


def _runs(name: str, path: Path) -> Iterator[Rows]:
    with _sqlite.reading(path) as database:
        # Files of older versions know a run by its name alone.
        key = "run_id" if "run_id" in _sqlite.columns(database, "metrics") else "run_name"
        stored = {
            row["key"]: json.loads(row["config"])
            for row in database.execute(f"SELECT {key} AS key, config FROM configs")  # noqa: S608
        }
        runs: dict[str, tuple[str, list[dict[str, Any]]]] = {}
        for row in database.execute(
            f"SELECT {key} AS key, run_name, step, metrics FROM metrics ORDER BY id"  # noqa: S608
        ):
            logged = {k: float(v) for k, v in json.loads(row["metrics"]).items() if _is_number(v)}
            _, rows = runs.setdefault(row["key"], (row["run_name"], []))
            rows.append({"step": float(row["step"]), **logged})
    for run, (title, rows) in runs.items():
        frame = pl.DataFrame(rows, infer_schema_length=None)
        yield Rows(f"{name}, {title}", frame, stored.get(run, {}))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or value in ("NaN", "Infinity", "-Infinity")
