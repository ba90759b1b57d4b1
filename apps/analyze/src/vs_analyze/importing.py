"""``vs-analyze import``: any sources to one run table, with a report of what was left out."""

import glob
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import polars as pl
import vs_logging as vslog

from vs_analyze.runs import AnalysisError


def import_curves(sources: Sequence[str], options: vslog.ImportOptions) -> vslog.Imported:
    """Read sources into one run table; several are files (or folders) of one format or of many.

    Args:
        sources: paths, glob patterns or ``wandb:ENTITY/PROJECT``; `vs_logging.IMPORTERS` lists the
            formats.
        options: facts that the sources do not hold. With ``on_error="skip"`` a bad source among
            several is left out and named in the report.

    Raises:
        ImportError: the format needs an optional install.
        vs_logging.RunTableError: with one sentence on what is wrong.
    """
    names = [name for source in sources for name in _expand(source)]
    if not names:
        raise vslog.RunTableError("no source is given; vs-analyze import --list shows the formats")
    if len(names) == 1:
        return _read(names[0], options)
    found: list[vslog.Imported] = []
    skipped: list[vslog.Skipped] = []
    holders: dict[tuple[str, int], str] = {}
    for name in names:
        try:
            imported = _read(name, options)
            _register(name, imported.table, holders)
        except vslog.RunTableError as error:
            if options.on_error == "raise":
                raise
            skipped.append(vslog.Skipped(name, str(error).removeprefix(f"{name}: ")))
        else:
            found.append(imported)
    if not found:
        raise vslog.RunTableError(
            f"{' '.join(sources)}: nothing to import (first problem: {': '.join(skipped[0])})"
        )
    source = " ".join(sources) if len(sources) < 4 else f"{sources[0]} … {sources[-1]}"
    return _merge(source, found, skipped)


def read_curves(
    frame: Any,
    *,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, object] | None = None,
    return_key: str | None = None,
    pattern: str | None = None,
    mapping: str | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> vslog.Imported:
    """Turn a frame with an evaluation in each row into a run table, for `load_runs`.

    Args:
        frame: a polars or pandas frame of any columns.
        columns: column of the run table → column of the frame, as ``{"step": "frame", "value":
            "episode_reward", "env": "task"}``; columns with the table's own names need no entry.
        constants: settings of all rows, as ``{"algo": "sac"}``.
        return_key: the column (or the value of a column ``metric``) that is the return.
        pattern: regular expression with named groups, searched in a column ``exp_name``.
        mapping: file whose first column is ``exp_name`` and whose others are settings.
        on_error: stop at a bad curve, or leave it out and name it in the report.

    Returns:
        The table and the report.

    Raises:
        AnalysisError: the object is no frame.
        vs_logging.RunTableError: with one sentence on what is wrong.
    """
    options = vslog.ImportOptions(
        columns=columns or {}, constants=constants or {}, return_key=return_key,
        pattern=pattern, mapping=mapping, on_error=on_error,
    )  # fmt: skip
    return vslog.import_frame(to_polars(frame, source="frame"), options)


def to_polars(frame: Any, *, source: str) -> pl.DataFrame:
    """Return a polars or pandas frame as a polars DataFrame.

    Raises:
        AnalysisError: the object is neither.
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    if not hasattr(frame, "columns") or not hasattr(frame, "to_dict"):
        raise AnalysisError(
            f"{source}: expected a polars or pandas DataFrame, got {type(frame).__name__}"
        )
    data = {str(name): frame[name].to_list() for name in frame.columns}
    return pl.DataFrame(data, strict=False)


def _expand(source: str) -> list[str]:
    """Return the paths that a glob pattern stands for; a source that is no pattern is itself."""
    if Path(source).exists() or not glob.has_magic(source):
        return [source]
    found = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 (absolute patterns, too)
    if not found:
        raise vslog.RunTableError(f"{source}: no file matches this pattern")
    return found


def _read(source: str, options: vslog.ImportOptions) -> vslog.Imported:
    return vslog.find_importer(source, options.grammar).read(source, options)


def _register(name: str, table: pl.DataFrame, holders: dict[tuple[str, int], str]) -> None:
    """Note the seeds of a source, and refuse one that an earlier source has."""
    seeds = [(run, seed) for run, seed in table.select("run", "seed").unique().rows()]
    for run, seed in sorted(seeds):
        if (run, seed) in holders:
            raise vslog.RunTableError(
                f"{name}: same configuration and seed {seed} as {holders[run, seed]}; leave one out, "
                "or name in --columns, --pattern or --mapping the setting in which they differ"
            )
    holders.update(dict.fromkeys(seeds, name))


def _merge(
    source: str, found: Sequence[vslog.Imported], skipped: Sequence[vslog.Skipped]
) -> vslog.Imported:
    reports = [imported.report for imported in found]
    table = vslog.validate(
        pl.concat([imported.table for imported in found], how="diagonal"), source=source
    )
    counts = ("seeds", "duplicate_seeds", "deduplicated_rows", "after_end_rows")
    report = replace(
        reports[0],
        source=source,
        grammar=", ".join(dict.fromkeys(report.grammar for report in reports)),
        runs=table["run"].n_unique(),
        rows=table.height,
        skipped=(*(entry for report in reports for entry in report.skipped), *skipped),
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
        **{name: sum(getattr(report, name) for report in reports) for name in counts},
    )
    return vslog.Imported(table, report)
