"""A study in a notebook: from a DataFrame to a decision in a few lines."""

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import polars as pl
import vs_laws as laws
import vs_logging as vslog

from vs_analyze import tables
from vs_analyze.analysis import analyze
from vs_analyze.importing import to_polars
from vs_analyze.recommend import Question, Recommendation, recommend
from vs_analyze.runs import load_runs
from vs_analyze.settings import Settings
from vs_analyze.study import Axis, Study, TaskStudy

_DEFAULTS: Mapping[str, Any] = {
    "algo": "unknown",
    "benchmark": "unknown",
    "critic_params": None,
    "critic_width": None,
}
"""Columns that a DataFrame may leave out, and their values then."""


def read_table(table: Any, *, source: str = "table") -> pl.DataFrame:
    """Return a run table from a path, or a polars or pandas DataFrame.

    A DataFrame may leave out ``run`` (then it is the hash of the configuration), ``algo``,
    ``benchmark``, ``critic_params`` and ``critic_width``.

    Raises:
        AnalysisError: the object is none of these.
        vs_logging.RunTableError: the rows break the run table's rules.
    """
    if isinstance(table, (str, Path)):
        return vslog.scan([Path(table)]).collect()
    table = to_polars(table, source=source)
    missing = {k: v for k, v in _DEFAULTS.items() if k not in table.columns}
    frame = table.with_columns(pl.lit(value).alias(name) for name, value in missing.items())
    known = {**vslog.SCHEMA, **vslog.OPTIONAL_SCHEMA}
    frame = frame.with_columns(
        pl.col(name).cast(known[name], strict=False) for name in frame.columns if name in known
    )
    if "run" in frame.columns:
        return frame
    names = [name for name in vslog.IDENTITY_COLUMNS if name in frame.columns]
    ids = frame.select(names).unique(maintain_order=True)
    runs = [vslog.run_id(row) for row in ids.to_dicts()]
    return frame.join(ids.with_columns(run=pl.Series(runs)), on=names, how="left", nulls_equal=True)


def from_table(
    table: Any,
    *,
    fitted: Any = None,
    axes: tuple[Axis, ...] | None = None,
    settings: Settings | None = None,
    **choices: Any,
) -> Study:
    """Analyse a run table; see `Study.from_table`."""
    chosen = replace(settings or Settings(), **choices)
    runs = load_runs(read_table(table), chosen, source="table")
    more = [] if fitted is None else load_runs(read_table(fitted), chosen, source="fitted")
    sources = tuple(
        Path(t).name if isinstance(t, (str, Path)) else "a DataFrame"
        for t in (table, fitted)
        if t is not None
    )
    return replace(analyze(runs, chosen, fitted=more, axes=axes), sources=sources)


def predict(
    task: TaskStudy, utd: float, critic_params: float | None, level: float | None
) -> laws.Estimate:
    """Return the env steps to a level at a place; by default to the highest level with a law."""
    chosen = list(task.laws.levels)[-1] if level is None else level
    return task.laws.steps(chosen, task.laws.place(utd, critic_params))


def ask(task: TaskStudy, delta: float | None, **question: float | None) -> Recommendation:
    """Return the answer to a question; without one, the least budget to the highest level."""
    given = {name: value for name, value in question.items() if value is not None}
    if not given:
        given = {"level": list(task.laws.levels)[-1]}
    return recommend(task.laws, Question(**given), delta=delta)


def html(table: tables.Table) -> str:
    """Return a table for a notebook."""
    head = "".join(f"<th>{escape(name)}</th>" for name in table.header)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return (
        f"<table><caption>{escape(table.caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )
