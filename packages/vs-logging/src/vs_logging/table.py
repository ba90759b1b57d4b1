"""The run table's schema, and the check every table passes before it is analysed.

One row per evaluation of one seed. A column that is not listed here is a diagnostic and travels
untouched (``critic_loss``, ``validation_critic_loss``, ``critic_param_norm`` …).
"""

import hashlib
import json
import math
from collections.abc import Mapping

import numpy as np
import polars as pl

SCHEMA: dict[str, pl.DataType] = {
    "run": pl.String(),
    "algo": pl.String(),
    "benchmark": pl.String(),
    "env": pl.String(),
    "utd": pl.Float64(),
    "batch_size": pl.Int64(),
    "learning_rate": pl.Float64(),
    "critic_params": pl.Int64(),
    "critic_width": pl.Int64(),
    "seed": pl.Int64(),
    "env_step": pl.Int64(),
    "return_": pl.Float64(),
}
"""The columns every run table has, in order."""

OPTIONAL_SCHEMA: dict[str, pl.DataType] = {
    "variant": pl.String(),
    "stopped_on_success": pl.Boolean(),
    "critic_depth": pl.Int64(),
    "passive_critic_width": pl.Int64(),
    "passive_critic_params": pl.Int64(),
    "optimal_return": pl.Float64(),
    "action_repeat": pl.Int64(),
    "reset_every": pl.Int64(),
}
"""Columns with a fixed type that a table may have.

``optimal_return``, the raw return that counts as optimal on the run's task, is a fact and not a
setting: it is constant within a run (null where unknown), but tells no runs apart. So is
``action_repeat``, the env steps per decision of the agent (1 where unknown): updates happen per decision.
So is ``reset_every``, the critic updates between two resets of the agent (null where there are none).
"""

FACTS: tuple[str, ...] = ("optimal_return", "action_repeat", "reset_every")
"""The optional columns that are facts: a run's metadata may hold them."""

CONFIG_COLUMNS: tuple[str, ...] = (
    "algo",
    "benchmark",
    "env",
    "utd",
    "batch_size",
    "learning_rate",
    "critic_params",
    "critic_width",
)
"""The columns that every run table has and that are constant within a run."""

IDENTITY_COLUMNS: tuple[str, ...] = (
    *CONFIG_COLUMNS,
    "variant",
    "critic_depth",
    "passive_critic_width",
    "passive_critic_params",
)
"""The columns that distinguish runs; the last four are optional."""

NULLABLE: frozenset[str] = frozenset({"critic_params", "critic_width", "return_", *FACTS})
"""Columns whose value may be unknown; an unlogged ``return_`` may also be NaN."""


_RENAMED = {"hbench": "humanoid_bench"}  # benchmarks, from the name in a configuration


def benchmark_name(benchmark: str) -> str:
    """Return the table's name of a benchmark: ``humanoid_bench`` for ``hbench``, else the same.

    Configurations keep the name they were made with, since it is part of their run's id.
    """
    return _RENAMED.get(benchmark, benchmark)


def constant_columns(
    config: Mapping[str, object], metadata: Mapping[str, object]
) -> dict[str, object]:
    """Return the column values of a run: required columns always, optional ones if present.

    All are settings of its configuration, but for the `FACTS` of its metadata.
    """
    columns = {n: config.get(n) for n in IDENTITY_COLUMNS if n in CONFIG_COLUMNS or n in config}
    if isinstance(columns["benchmark"], str):
        columns["benchmark"] = benchmark_name(columns["benchmark"])
    return columns | {name: metadata[name] for name in FACTS if name in metadata}


class RunTableError(ValueError):
    """Data that cannot be a run table; the message names the file, row and field."""


def run_id(config: Mapping[str, object]) -> str:
    """Identify a configuration: 12 hex digits of the SHA-256 of everything but the seed.

    The order of the keys does not matter, and ``1`` and ``1.0`` are the same value, so the id does
    not change between the program that trained and the one that imports.

    Args:
        config: Names to strings, numbers, booleans, ``None``, or lists and mappings of these.

    Raises:
        RunTableError: A value has no stable text form (NaN, an object).
    """
    kept = {key: _canonical(value, key) for key, value in config.items() if key != "seed"}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _canonical(value: object, name: str) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(k): _canonical(v, f"{name}.{k}") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(v, name) for v in value]
    raise RunTableError(
        f"config: {name} is {value!r}; expected a string, a finite number, a boolean, null, "
        "or a list or mapping of these"
    )


def check_columns(schema: Mapping[str, pl.DataType], *, source: str = "run table") -> None:
    """Check that every column is there with a type that converts without loss.

    Raises:
        RunTableError: Naming the missing or mistyped column.
    """
    missing = [name for name in SCHEMA if name not in schema]
    if missing:
        raise RunTableError(
            f"{source}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"a run table has {', '.join(SCHEMA)}"
        )
    for name, expected in (SCHEMA | OPTIONAL_SCHEMA).items():
        if name in schema and not _converts(schema[name], expected, name):
            raise RunTableError(
                f"{source}: column {name} has type {schema[name]}; expected {expected}"
            )


def _converts(found: pl.DataType, expected: pl.DataType, name: str) -> bool:
    if found == expected:
        return True
    if found == pl.Null():
        return name in NULLABLE or name in OPTIONAL_SCHEMA
    if expected == pl.Float64():
        return found.is_numeric()
    if expected == pl.Int64():
        return found.is_integer()
    return expected == pl.String() and isinstance(found, pl.Categorical | pl.Enum)


def conform(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Put the known columns first, with the schema's types; diagnostics follow as they are.

    Benchmarks get the table's name (`benchmark_name`).
    """
    names = frame.collect_schema().names()
    known = SCHEMA | {k: v for k, v in OPTIONAL_SCHEMA.items() if k in names}
    return frame.select(
        *(pl.col(name).cast(dtype) for name, dtype in known.items()),
        *(pl.col(name) for name in names if name not in known),
    ).with_columns(pl.col("benchmark").replace(_RENAMED))


def validate(frame: pl.DataFrame | pl.LazyFrame, *, source: str = "run table") -> pl.DataFrame:
    """Check a run table row by row and return it with the schema's types and column order.

    Args:
        frame: The candidate table; a lazy frame is collected.
        source: Its name in messages, usually the file's.

    Returns:
        The same rows in the same order.

    Raises:
        RunTableError: The table is empty, a column is missing or mistyped, or a row holds a value
            that cannot be; the first offending row is named, counting from 1.
    """
    check_columns(frame.lazy().collect_schema(), source=source)
    table = conform(frame.lazy()).collect()
    if table.is_empty():
        raise RunTableError(f"{source}: the table is empty; expected at least one evaluation row")
    _check_values(table, source)
    _check_one_config_per_run(table, source)
    _check_duplicates(table, source)
    return table


def _positive(name: str) -> pl.Expr:
    return (pl.col(name) > 0) & pl.col(name).is_finite()


# column -> (what a good value satisfies, how to say it); nulls are judged apart.
_RULES: dict[str, tuple[pl.Expr, str]] = {
    **{
        name: (pl.col(name).str.len_bytes() > 0, "a non-empty string")
        for name in ("run", "algo", "benchmark", "env")
    },
    "utd": (_positive("utd"), "a finite number above 0"),
    "batch_size": (pl.col("batch_size") >= 1, "an integer of at least 1"),
    "learning_rate": (_positive("learning_rate"), "a finite number above 0"),
    "critic_params": (pl.col("critic_params") >= 1, "an integer of at least 1, or null"),
    "critic_width": (pl.col("critic_width") >= 1, "an integer of at least 1, or null"),
    "seed": (pl.col("seed").is_not_null(), "an integer"),
    "env_step": (pl.col("env_step") >= 0, "an integer of at least 0"),
    "return_": (~pl.col("return_").is_infinite(), "a finite number, NaN or null"),
    "action_repeat": (pl.col("action_repeat") >= 1, "a positive integer, or null"),
    "reset_every": (pl.col("reset_every") >= 1, "a positive integer, or null"),
    "optimal_return": (pl.col("optimal_return").is_finite(), "a finite number, or null"),
}


def _check_values(table: pl.DataFrame, source: str) -> None:
    first = table.select(
        (~rule.fill_null(name in NULLABLE)).arg_true().first().alias(name)
        for name, (rule, _) in _RULES.items()
        if name in table.columns
    ).row(0, named=True)
    offences = [(row, name) for name, row in first.items() if row is not None]
    if offences:
        row, name = min(offences, key=lambda offence: offence[0])
        value = table[name][row]
        shown = "null" if value is None else repr(value)
        raise RunTableError(
            f"{source}: row {row + 1}, column {name} is {shown}; expected {_RULES[name][1]}"
        )


def _check_one_config_per_run(table: pl.DataFrame, source: str) -> None:
    columns = [name for name in IDENTITY_COLUMNS if name in table.columns]
    _check_constant(table.select("run", *columns), source)
    for fact in FACTS:  # unknown in older folders of the same run
        if fact in table.columns:
            _check_constant(table.select("run", fact).drop_nulls(), source)


def _check_constant(columns: pl.DataFrame, source: str) -> None:
    distinct = columns.unique(maintain_order=True)
    twice = distinct.filter(pl.col("run").is_duplicated())
    if not twice.is_empty():
        run = twice["run"][0]
        rows = twice.filter(pl.col("run") == run)
        name = next(c for c in columns.columns if rows[c].n_unique() > 1)
        values = rows[name].unique(maintain_order=True)
        raise RunTableError(
            f"{source}: run {run} has {name} {values[0]!r} in one row and {values[1]!r} in another;"
            " expected one configuration per run"
        )


def _check_duplicates(table: pl.DataFrame, source: str) -> None:
    key = ["run", "seed", "env_step"]
    # Integer run codes make the comparison of a million rows cheap.
    coded = table.select(pl.col("run").rank("dense"), "seed", "env_step")
    if coded.n_unique() == coded.height:
        return
    where = coded.with_row_index("row").filter(pl.struct(key).is_duplicated())
    again = where.filter(~pl.struct(key).is_first_distinct()).row(0, named=True)
    first = where.filter(*(pl.col(k) == again[k] for k in key))["row"][0]
    raise RunTableError(
        f"{source}: row {again['row'] + 1} repeats row {first + 1} (run {table['run'][first]}, "
        f"seed {again['seed']}, env_step {again['env_step']}); expected one row per evaluation"
    )
