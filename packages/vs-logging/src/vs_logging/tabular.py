"""Import a tidy CSV of logged metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from vs_logging._collect import Part, read_parts, tabulate
from vs_logging._configure import compile_pattern, complete_config, given_constants, parse_name
from vs_logging._grammars import RETURN_METRICS
from vs_logging._importer import DEFAULTS, Importer, ImportOptions
from vs_logging._lines import Table
from vs_logging._long import Series, seed_curves
from vs_logging._process import seed_number
from vs_logging._text import TABLES, is_table, read_lines, seed_numbers
from vs_logging.report import Imported, Problems
from vs_logging.table import RunTableError
from vs_logging.tables import TABLE

COLUMNS = ("exp_name", "env_name", "seed", "metric", "env_step", "value")


@dataclass(frozen=True)
class _Rows:
    """The rows of one seed of an experiment, with their line numbers in a column ``line``.

    Attributes:
        seeds: The experiment's seeds on this task, as written.
        damage: Reason why this is no row at all.
    """

    experiment: str
    env: str
    seed: str
    frame: pl.DataFrame
    seeds: tuple[str, ...] = ()
    damage: str = ""


def import_csv(path: str | Path, options: ImportOptions = DEFAULTS) -> Imported:
    """Import a CSV with columns ``exp_name, env_name, seed, metric, env_step, value``.

    The hyperparameters come from ``exp_name``, by ``pattern``, and from ``constants``. Each
    ``exp_name`` is a configuration of its own, less what a group named ``seed`` matches in it; that
    is then the seed, and the column ``seed`` must not tell several apart within the ``exp_name``.

    A seed of an ``exp_name`` on a task owns its rows; ``repeats`` says what becomes of steps that it
    has several times. Whole curves over the same steps, one after another, are seeds without a
    number.

    Args:
        path: The file; further columns are ignored.
        options: ``return_key`` is the metric that is the evaluation return; by default the one of
            ``return``, ``episode.return``, ``avg_return`` that the file has. Other metrics are
            diagnostics: all of them, or the ``diagnostics`` that are named.

    Raises:
        RunTableError: A column is missing, a step, seed or return is not a number, hyperparameters
            are missing, or nothing is left to import.
    """
    path = Path(path)
    problems = Problems(str(path), options.on_error)
    given = given_constants(options)
    pattern = compile_pattern(options.pattern)
    table = _read(path)
    chosen = _return_metric(table.frame, options.return_key, path)
    names = {metric: column for column, metric in options.diagnostics.items()}

    def read(_: str, rows: _Rows) -> Part:
        if rows.damage:
            raise RunTableError(rows.damage)
        parsed, identity = parse_name(rows.experiment, pattern, what="exp_name")
        named = parsed.pop("seed", None)
        if named is not None and len(rows.seeds) > 1:
            raise RunTableError(
                f"--pattern reads seed {named} in exp_name, but the column seed has "
                f"{', '.join(rows.seeds[:5])} for it; expected one seed for each exp_name, or a "
                "pattern without a seed"
            )
        seed = seed_number(rows.seed if named is None else named)
        config = complete_config({"exp_name": identity, "env": rows.env, **given, **parsed})
        if not options.selects(config):
            return Part([])
        metrics = _metrics(rows.frame, {chosen: "return_"} | names)
        found = seed_curves(
            config, seed, metrics,
            return_name=chosen, repeats=options.repeats, scale=options.scale(config),
        )  # fmt: skip
        return Part(found.curves[:1], found.curves[1:], found.copies, found.remarks)

    wanted = pl.col("metric").is_in([chosen, *names]) if names else pl.lit(value=True)
    parts = [part for _, part in read_parts(_parts(table, wanted), read, problems)]
    notes = [f"the return is the metric {chosen}"]
    notes += [f"{count} {what}" for what, count in table.remarks.items()]
    return tabulate(
        parts, problems, options, grammar="csv", expected="rows of a return metric", notes=notes
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


def _read(path: Path) -> Table:
    table = read_lines(path)
    missing = [name for name in COLUMNS if name not in table.frame.columns]
    if missing:
        raise RunTableError(
            f"{path}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"expected {', '.join(COLUMNS)}"
        )
    if table.frame.is_empty() and not table.damaged:
        cut = "".join(f" ({what})" for what in table.remarks)
        raise RunTableError(f"{path}: no rows below the header{cut}")
    return table


def _return_metric(frame: pl.DataFrame, wanted: str | None, path: Path) -> str:
    present = frame["metric"].unique(maintain_order=True).to_list()
    found = [m for m in present if (m in RETURN_METRICS if wanted is None else m == wanted)]
    if len(found) != 1:
        raise RunTableError(
            f"{path}: the metrics are {', '.join(present[:20])}; expected "
            + (f"{wanted} among them" if wanted else "--return-key to say which is the return")
        )
    return found[0]


def _parts(table: Table, wanted: pl.Expr) -> list[tuple[str, _Rows]]:
    """Split a table by exp_name, env_name and seed; lines that are no rows are parts of their own."""
    frame = table.frame.select(*COLUMNS).with_columns(line=table.lines)
    frame = frame.with_columns(seed=seed_numbers(frame["seed"]))
    # "0" and "0.0" are one seed
    number = pl.col("seed").cast(pl.Float64, strict=False)
    whole = number.is_finite() & (number == number.round()) & (number.abs() < 2**53)
    number = pl.when(whole).then(number).cast(pl.Int64).cast(pl.String)
    frame = frame.filter(wanted).with_columns(seed=pl.coalesce(number, "seed"))
    of = ("exp_name", "env_name")
    seeds = {
        key: tuple(found["seed"].unique(maintain_order=True))
        for key, found in frame.group_by(*of, maintain_order=True)
    }
    parts = []
    for (experiment, env, seed), rows in frame.group_by(*of, "seed", maintain_order=True):
        blank = next((n for n, v in zip(of, (experiment, env), strict=True) if not v), "")
        damage = f"column {blank} is empty; expected a non-empty string" if blank else ""
        owner = f"line {rows['line'][0]}" if blank else f"{experiment}, {env}, seed {seed}"
        content = _Rows(str(experiment), str(env), str(seed), rows, seeds[experiment, env], damage)
        parts.append((owner, content))
    damaged = [
        (f"line {line}", _Rows("", "", "", frame.head(0), damage=reason))
        for line, reason in table.damaged.items()
    ]
    return damaged + parts


def _metrics(rows: pl.DataFrame, names: Mapping[str, str]) -> dict[str, Series]:
    metrics = {}
    for (metric,), mine in rows.group_by("metric", maintain_order=True):
        name = names.get(str(metric), str(metric))
        remarks: dict[str, int] = {}
        if name == "return_":
            _check_cells(mine, "env_step", _steps_are_bad(mine), "a non-negative number")
        elif bad := len(_steps_are_bad(mine).arg_true()):
            mine = mine.filter(~_steps_are_bad(mine))
            remarks[f"rows of {name} left out: their env_step is not a number of at least 0"] = bad
        # An empty value is one that was not logged.
        values = mine["value"].replace("", "nan").cast(pl.Float64, strict=False)
        if name == "return_":
            bad_values = values.is_null() | values.is_infinite()
            _check_cells(mine, "value", bad_values, "a finite number or nothing")
        steps = mine["env_step"].cast(pl.Float64).to_numpy()
        metrics[name] = Series(steps, values.fill_null(np.inf).to_numpy(), remarks)
    return metrics


def _steps_are_bad(rows: pl.DataFrame) -> pl.Series:
    steps = rows["env_step"].cast(pl.Float64, strict=False)
    return (~steps.is_finite() | (steps < 0)).fill_null(value=True)


def _check_cells(rows: pl.DataFrame, column: str, bad: pl.Series, expected: str) -> None:
    where = bad.arg_true()
    if len(where):
        line, cell = rows["line"][where[0]], rows[column][where[0]]
        raise RunTableError(f"line {line}, column {column} is {cell!r}; expected {expected}")
