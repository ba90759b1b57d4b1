"""Read run folders, sweeps and consolidated files, lazily."""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from vs_logging._rundir import METADATA, PARQUET, ROWS, read_document, read_rows, rows_frame
from vs_logging.files import whole_file, write_json
from vs_logging.table import (
    RunTableError,
    benchmark_name,
    check_columns,
    conform,
    constant_columns,
    validate,
)

_OWNER = ("run", "seed")

type Paths = str | Path | Iterable[str | Path]


def scan(paths: Paths) -> pl.LazyFrame:
    """Open run tables lazily as one frame; columns that only some have are null elsewhere.

    Args:
        paths: A ``.parquet`` file, a run's folder, a folder of these (a sweep, at any depth), or
            several of them. Runs that are being written are read as far as they have come.

    Returns:
        The rows in the order of the (sorted) files; nothing but the columns' types is checked.

    Raises:
        RunTableError: A path does not exist, holds no rows, or has a missing or mistyped column; or
            a seed of a run is in two files, whose curves would be woven into one.
    """
    groups: dict[tuple[tuple[str, pl.DataType], ...], list[Path]] = defaultdict(list)
    live: list[pl.LazyFrame] = []
    owned: list[pl.LazyFrame] = []
    for path in _each(paths):
        found = False
        for item in _tables(path):
            if item.is_dir():
                rows = _live_rows(item)
                if rows is not None:
                    live.append(rows)
                    owned.append(rows.select(*_OWNER, file=pl.lit(str(item))))
                found |= rows is not None
                continue
            groups[_schema(item)].append(item)
            found = True
        if not found:
            raise RunTableError(f"{path}: no run table found; expected .parquet files or runs")
    frames = [
        conform(pl.scan_parquet(files, hive_partitioning=False, glob=False))
        for files in groups.values()
    ]
    owned += [
        pl.scan_parquet(
            files, hive_partitioning=False, glob=False, include_file_paths="file"
        ).select(*_OWNER, "file")
        for files in groups.values()
    ]
    if len(live) + sum(map(len, groups.values())) > 1:
        _check_owners(owned)
    return conform(pl.concat(frames + live, how="diagonal_relaxed"))


def read_table(paths: Paths) -> pl.DataFrame:
    """Read run tables into memory and check every row: ``validate(scan(paths))``.

    Raises:
        RunTableError: As :func:`scan` and :func:`vs_logging.validate` do.
    """
    shown = list(_each(paths))
    return validate(scan(shown), source=str(shown[0]) if len(shown) == 1 else "run tables")


def read_metadata(path: str | Path) -> pl.DataFrame:
    """Read one row per run: run, state, error, started, wall_seconds, host, and what was recorded.

    The configuration's further fields and the metadata follow as columns of their own
    (``versions.jax``); lists are given as JSON text.

    Args:
        path: A sweep's or run's folder, or a consolidated ``.parquet`` file.

    Returns:
        An empty frame (columns ``run``, ``state``) where none was recorded, as for imported tables.
    """
    documents = _documents(Path(path))
    rows = [_flat(document) for document in documents]
    if not rows:
        return pl.DataFrame(schema={"run": pl.String(), "state": pl.String()})
    return pl.DataFrame(rows, infer_schema_length=None, strict=False)


def write_table(table: pl.DataFrame, out: str | Path) -> None:
    """Check a run table and write it to one zstd Parquet file, which appears only when whole.

    Raises:
        RunTableError: The name does not end in ``.parquet``, or a row fails
            :func:`vs_logging.validate`; nothing is written then.
    """
    out = _parquet(out)
    checked = validate(table, source=str(out))
    with whole_file(out) as temporary:
        checked.write_parquet(temporary, compression="zstd", compression_level=12)


def consolidate(root: Paths, out: str | Path) -> Path:
    """Gather runs into one zstd Parquet file, their ``run.json`` beside it.

    Args:
        root: Paths as for :func:`scan`.
        out: ``NAME.parquet``; the metadata goes to ``NAME.metadata.json``.

    Returns:
        The path of the metadata file.

    Raises:
        RunTableError: The rows do not pass :func:`vs_logging.validate`; nothing is written then.
    """
    out = _parquet(out)
    roots = list(_each(root))
    table = scan(roots).collect().sort("algo", "benchmark", "env", "run", "seed", "env_step")
    documents = [document for path in roots for document in _documents(path)]
    write_table(table, out)
    sidecar = _sidecar(out)
    write_json(sidecar, sorted(documents, key=lambda document: document["run"]))
    return sidecar


def _check_owners(owned: Sequence[pl.LazyFrame]) -> None:
    pairs = pl.concat(owned, how="vertical_relaxed").unique().collect()
    twice = pairs.filter(pl.struct(_OWNER).is_duplicated()).sort(*_OWNER, "file")
    if not twice.is_empty():
        run, seed, one = twice.row(0)
        raise RunTableError(
            f"seed {seed} of run {run} is in {one} and in {twice['file'][1]}; expected each seed in "
            "one file: leave one out, or give its seeds other numbers"
        )


def _each(paths: Paths) -> Iterator[Path]:
    for path in [paths] if isinstance(paths, str | Path) else paths:
        if not Path(path).exists():
            raise RunTableError(f"{path}: no such file or folder")
        yield Path(path)


def _walk(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """Folders and their file names, in order; a run's own subfolders are not entered."""
    for folder, below, files in os.walk(path):
        below[:] = [] if METADATA in files else sorted(below)
        yield Path(folder), sorted(files)


def _tables(path: Path) -> Iterator[Path]:
    """Parquet files, and the folders of runs that are being written."""
    if path.is_file():
        yield path
        return
    for folder, files in _walk(path):
        if METADATA in files:
            if ROWS in files:  # it outranks a Parquet file beside it, see writer.py
                yield folder
            elif PARQUET in files:
                yield folder / PARQUET
        else:
            for name in files:
                if name.endswith(".parquet") and not name.startswith("."):
                    yield folder / name


def _schema(path: Path) -> tuple[tuple[str, pl.DataType], ...]:
    try:
        schema = pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise RunTableError(f"{path}: not a readable Parquet file ({reason})") from error
    check_columns(schema, source=str(path))
    return tuple(schema.items())


def _live_rows(folder: Path) -> pl.LazyFrame | None:
    rows = read_rows(folder)
    if not rows:
        return None
    document = read_document(folder / METADATA)
    constants = constant_columns(document["config"], document.get("metadata") or {})
    constants["run"] = document["run"]
    return rows_frame(rows, constants).lazy()


def _parquet(out: str | Path) -> Path:
    if Path(out).suffix != ".parquet":
        raise RunTableError(f"{out}: expected a name that ends in .parquet")
    return Path(out)


def _sidecar(parquet: Path) -> Path:
    return parquet.with_suffix(".metadata.json")


def _documents(path: Path) -> list[dict[str, Any]]:
    if path.is_file():
        sidecar = _sidecar(path)
        return json.loads(sidecar.read_text(encoding="utf-8")) if sidecar.exists() else []
    found: list[dict[str, Any]] = []
    for folder, files in _walk(path):
        if METADATA in files:
            found.append(read_document(folder / METADATA))
        else:
            names = [n for n in files if n.endswith(".parquet") and not n.startswith(".")]
            found += [d for name in names for d in _documents(folder / name)]
    return found


def _flat(document: Mapping[str, Any]) -> dict[str, object]:
    row = {key: value for key, value in document.items() if key not in ("config", "metadata")}
    for part in ("config", "metadata"):
        row |= {name: value for name, value in _leaves(document.get(part) or {}) if name not in row}
    if "benchmark" in row:
        row["benchmark"] = benchmark_name(str(row["benchmark"]))
    return row


def _leaves(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value) if isinstance(value, list) else value
