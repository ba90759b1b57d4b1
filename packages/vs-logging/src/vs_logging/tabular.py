"""Import a tidy CSV of logged metrics."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from vs_logging._assemble import Curves
from vs_logging._collect import Part, read_parts, tabulate
from vs_logging._configure import check_constants, compile_pattern, complete_config, parse_name
from vs_logging._grammars import RETURN_METRICS
from vs_logging._importer import DEFAULTS, Importer, ImportOptions
from vs_logging._long import Series, align, split_repeats
from vs_logging._text import TABLES, is_table, read_text, seed_numbers
from vs_logging.report import Imported, Problems
from vs_logging.table import RunTableError
from vs_logging.tables import TABLE

COLUMNS = ("exp_name", "env_name", "seed", "metric", "env_step", "value")


def import_csv(path: str | Path, options: ImportOptions = DEFAULTS) -> Imported:
    """Import a CSV with columns ``exp_name, env_name, seed, metric, env_step, value``.

    The hyperparameters come from ``exp_name``, by ``pattern``, and from ``constants``. Each
    ``exp_name`` is a configuration of its own, less what a group named ``seed`` matches in it.

    Rows that repeat (exp_name, env_name, seed, metric, env_step) are never averaged. Exact copies
    are dropped and counted. With different values they are unnamed seeds: they are separated when
    the file holds one seed's rows after another's (see the report's notes), else refused.

    Args:
        path: The file; further columns are ignored.
        options: ``return_key`` is the metric that is the evaluation return; by default the one of
            ``return``, ``episode.return``, ``avg_return`` that the file has. Other metrics are
            diagnostics.

    Raises:
        RunTableError: A column is missing, a row holds what is not a number, hyperparameters are
            missing, or nothing is left to import.
    """
    path = Path(path)
    problems = Problems(str(path), options.on_error)
    given = check_constants(options.constants)
    pattern = compile_pattern(options.pattern)
    frame = _read(path)
    chosen = _return_metric(frame, options.return_key, path)
    experiments = [
        (f"{experiment}, {env}", (str(experiment), str(env), rows))
        for (experiment, env), rows in frame.group_by("exp_name", "env_name", maintain_order=True)
    ]

    def read(_: str, content: tuple[str, str, pl.DataFrame]) -> Part:
        experiment, env, rows = content
        parsed, identity = parse_name(experiment, pattern, what="exp_name")
        config = complete_config({"exp_name": identity, "env": env, **given, **parsed})
        return _seeds(rows, config, chosen)

    found = read_parts(experiments, read, problems)
    notes = [f"the return is the metric {chosen}"]
    named = sum(rows["seed"].n_unique() for (_, _, rows), _ in found)
    if unnamed := sum(len(part.curves) for _, part in found) - named:
        notes.append(
            f"{unnamed} seeds have no number of their own in the file: repeated rows, separated by "
            "the order of the rows and numbered after the named seeds"
        )
    return tabulate(
        [part for _, part in found],
        problems,
        grammar="csv",
        expected="rows of a return metric",
        notes=notes,
    )


CSV = Importer(
    name="csv",
    source="a tidy .csv",
    example="curves.csv --pattern 'utd(?P<utd>[0-9.]+)'",
    sniff=lambda source: (
        Path(source).is_file() and is_table(source, TABLES, lambda names: {*COLUMNS} <= {*names})
    ),
    read=lambda source, options: (
        TABLE.read(source, options)
        if options.columns or options.mapping
        else import_csv(source, options)
    ),
)


def _read(path: Path) -> pl.DataFrame:
    frame = read_text(path)
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise RunTableError(
            f"{path}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"expected {', '.join(COLUMNS)}"
        )
    if frame.is_empty():
        raise RunTableError(f"{path}: no rows below the header")
    text = frame.select(pl.col(name).str.strip_chars() for name in COLUMNS)
    # An empty value is one that was not logged; everything else must be there.
    text = text.with_columns(
        value=pl.col("value").replace("", None).fill_null("nan"), seed=seed_numbers(text["seed"])
    )
    numbers = text.with_columns(pl.col("seed", "env_step", "value").cast(pl.Float64, strict=False))
    for name in COLUMNS:
        column = numbers[name]
        expected = "a number"
        if name in ("exp_name", "env_name", "metric"):
            bad, expected = column.is_null() | (column == ""), "a non-empty string"
        elif name == "value":
            bad, expected = column.is_null() | column.is_infinite(), "a finite number or nothing"
        else:
            bad, expected = column.is_null() | (column != column.round()), "an integer"
            if name == "env_step":
                bad, expected = bad | (column < 0), "a non-negative integer"
        where = bad.fill_null(value=True).arg_true()
        if len(where):
            raise RunTableError(
                f"{path}: row {where[0] + 1} below the header, column {name} is "
                f"{frame[name][where[0]]!r}; expected {expected}"
            )
    return numbers.with_columns(pl.col("seed", "env_step").cast(pl.Int64))


def _return_metric(frame: pl.DataFrame, wanted: str | None, path: Path) -> str:
    present = frame["metric"].unique(maintain_order=True).to_list()
    found = [m for m in present if (m in RETURN_METRICS if wanted is None else m == wanted)]
    if len(found) != 1:
        raise RunTableError(
            f"{path}: the metrics are {', '.join(present[:20])}; expected "
            + (f"{wanted} among them" if wanted else "--return-key to say which is the return")
        )
    return found[0]


def _seeds(rows: pl.DataFrame, config: Mapping[str, Any], return_metric: str) -> Part:
    """Return the curves of one experiment; seeds without a number get the next free ones."""
    curves: list[Curves] = []
    spare: list[dict[str, Series]] = []
    copied = 0
    for (seed,), mine in rows.group_by("seed", maintain_order=True):
        split: dict[str, list[Series]] = {}
        for (metric,), one in mine.group_by("metric", maintain_order=True):
            name = "return_" if metric == return_metric else str(metric)
            series = Series(one["env_step"].to_numpy(), one["value"].to_numpy())
            try:
                split[name], repeats = split_repeats(series)
            except RunTableError as error:
                raise RunTableError(f"seed {seed}, metric {metric}: {error}") from None
            copied += repeats
        if "return_" not in split:
            raise RunTableError(f"seed {seed} has no row of the metric {return_metric}")
        count = len(split["return_"])
        for name, several in split.items():
            if len(several) != count:
                raise RunTableError(
                    f"seed {seed} stands for {count} unnamed seeds in {return_metric} but for "
                    f"{len(several)} in {name}; expected as many in every metric"
                )
        parts = [{name: several[k] for name, several in split.items()} for k in range(count)]
        curves.append(align(config, parts[0], seeds=np.array([seed])))
        spare += parts[1:]
    free = int(rows["seed"].max()) + 1  # ty: ignore[invalid-argument-type]
    curves += [align(config, part, seeds=np.array([free + i])) for i, part in enumerate(spare)]
    return Part(curves, copied)
