"""Import studies of Optuna from SQLite storage: trials with intermediate values are curves."""

import json
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from vs_logging import _sqlite
from vs_logging._importer import Importer, ImportOptions
from vs_logging._rows import Rows, import_rows
from vs_logging._sources import find_files
from vs_logging.report import Imported

_TRIALS = """SELECT trial_id, number, state, study_name
FROM trials JOIN studies USING (study_id) ORDER BY trial_id"""
_SPECIAL = {"NAN": math.nan, "INF_POS": math.inf, "INF_NEG": -math.inf}


def _read(source: str, options: ImportOptions) -> Imported:
    """Import each trial as one process.

    Its settings are its parameters and user attributes; its seed is the trial's number, unless one
    of them is called ``seed``. The step of ``trial.report`` is taken as env step.
    """
    return import_rows(
        source,
        find_files(source, _sqlite.FILES, begins=_sqlite.BEGINS),
        _trials,
        options,
        grammar="optuna",
        expected="trials with intermediate values, that called trial.report(value, step)",
        notes=[
            "the step of trial.report is the env step; trials that reported nothing are left out"
        ],
    )


OPTUNA = Importer(
    name="optuna",
    source="the SQLite storage of an Optuna study",
    example="study.db --fields learning_rate lr",
    sniff=lambda source: _sqlite.has_table(source, "trial_intermediate_values"),
    read=_read,
)


def _trials(name: str, path: Path) -> Iterator[Rows]:
    with _sqlite.reading(path) as database:
        kinds = _sqlite.columns(database, "trial_intermediate_values")
        kind = "intermediate_value_type" if "intermediate_value_type" in kinds else "'FINITE'"
        for trial in database.execute(_TRIALS).fetchall():
            rows = database.execute(
                f"SELECT step, intermediate_value AS value, {kind} AS kind "  # noqa: S608
                "FROM trial_intermediate_values WHERE trial_id = ? ORDER BY step",
                [trial["trial_id"]],
            ).fetchall()
            if rows:
                values = [_SPECIAL.get(row["kind"], row["value"]) for row in rows]
                steps = [row["step"] for row in rows]
                yield Rows(
                    f"{name}, {trial['study_name']}/{trial['number']}",
                    pl.DataFrame({"env_step": steps, "return_": values}),
                    {"seed": trial["number"], **_settings(database, trial["trial_id"])},
                )


def _settings(database: sqlite3.Connection, trial: int) -> dict[str, Any]:
    attributes = database.execute(
        "SELECT key, value_json FROM trial_user_attributes WHERE trial_id = ?", [trial]
    )
    found = {row["key"]: json.loads(row["value_json"]) for row in attributes}
    parameters = database.execute(
        "SELECT param_name, param_value, distribution_json FROM trial_params WHERE trial_id = ?",
        [trial],
    )
    for row in parameters:
        # A categorical parameter is stored as the position of its choice.
        choices = json.loads(row["distribution_json"])["attributes"].get("choices")
        value = row["param_value"]
        found[row["param_name"]] = value if choices is None else choices[int(value)]
    return found
