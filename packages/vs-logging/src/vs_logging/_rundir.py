"""The inside of one run's folder, shared by the writer and the reader."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from vs_logging.table import OPTIONAL_SCHEMA, SCHEMA, RunTableError

METADATA = "run.json"
ROWS = "rows.jsonl"
PARQUET = "rows.parquet"


def read_document(path: Path) -> dict[str, Any]:
    """Read a ``run.json``.

    Raises:
        RunTableError: It is not JSON, or not a run's.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunTableError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(document, dict) or not {"run", "config", "state"} <= document.keys():
        raise RunTableError(f"{path}: expected an object with run, config and state")
    return document


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Read the rows of a run folder, live or compacted; none when there are none yet."""
    try:
        text = (folder / ROWS).read_bytes()
    except FileNotFoundError:  # finished, perhaps since we looked
        parquet = folder / PARQUET
        if not parquet.exists():
            return []
        frame = pl.read_parquet(parquet, hive_partitioning=False)
        own = [n for n in frame.columns if n not in SCHEMA or n in ("seed", "env_step", "return_")]
        rows = frame.select(own).to_dicts()
        return [{k: v for k, v in row.items() if v is not None or k == "return_"} for row in rows]
    whole = text[: text.rfind(b"\n") + 1]  # a line without its end is still in flight
    try:
        return json.loads(b"[" + b",".join(whole.splitlines()) + b"]")
    except ValueError as error:
        raise RunTableError(f"{folder / ROWS}: a line is not JSON ({error})") from error


def rows_frame(rows: list[dict[str, Any]], constants: Mapping[str, object]) -> pl.DataFrame:
    """Make the run table of one run from its rows and its constant columns."""
    names = dict.fromkeys(name for row in rows for name in row)
    own = {name: SCHEMA.get(name) or OPTIONAL_SCHEMA.get(name, pl.Float64()) for name in names}
    frame = pl.DataFrame(
        {name: [row.get(name) for row in rows] for name in names}, schema=own, strict=False
    )
    try:
        frame = frame.with_columns(
            pl.lit(constants[name], dtype=dtype).alias(name)
            for name, dtype in (SCHEMA | OPTIONAL_SCHEMA).items()
            if name in constants
        )
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise RunTableError(f"config: a value has the wrong type ({error})") from error
    return frame.select(*SCHEMA, *(name for name in frame.columns if name not in SCHEMA))
