"""Tables of any columns → the processes in them: a column map says which columns are which."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from vs_logging._configure import look_up
from vs_logging._grammars import RETURN_METRICS
from vs_logging._importer import ImportOptions
from vs_logging._long import Series, checked_steps
from vs_logging._process import import_processes
from vs_logging._text import seed_numbers
from vs_logging.report import Imported
from vs_logging.table import IDENTITY_COLUMNS, OPTIONAL_SCHEMA, RunTableError

DIAGNOSTICS = (
    "critic_loss",
    "validation_critic_loss",
    "passive_validation_critic_loss",
    "critic_param_norm",
)
"""Diagnostics that are taken where a table has (or the column map names) them."""

STEPS = ("env_step", "step")
RETURNS = ("return_", "return")
TIDY = {"env": "env_name", "return_": "value"}
"""Columns of the tidy form, beside a column ``metric``."""

_SETTINGS = (*IDENTITY_COLUMNS, "seed")
_ROLES = (*DIAGNOSTICS, "env_step", "return_", "metric", "exp_name")
_FACTS = tuple(name for name in OPTIONAL_SCHEMA if name not in IDENTITY_COLUMNS)
_ROW = " row"  # position in the file, for messages
_ALIASES = {"step": "env_step", "value": "return_", "return": "return_"}


@dataclass(frozen=True)
class Rows:
    """The rows of a file, or of one run in it.

    Attributes:
        name: Text in which the pattern is searched.
        frame: Rows with the source's own column names.
        stored: Settings of all rows; columns of the frame go before them.
    """

    name: str
    frame: pl.DataFrame
    stored: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Process:
    stored: Mapping[str, Any]
    metrics: Mapping[str, Series]
    value: str
    step: str
    unused: tuple[str, ...]


def import_rows(
    source: str,
    files: Iterable[tuple[str, Path]],
    load: Callable[[str, Path], Iterable[Rows]],
    options: ImportOptions,
    *,
    grammar: str,
    expected: str,
    steps: Sequence[str] = STEPS,
    returns: Sequence[str] = RETURNS,
    notes: Sequence[str] = (),
) -> Imported:
    """Import tables in which every row is one evaluation, or one metric of one (tidy form).

    A column map (``options.columns``) says which column is ``step``, ``value``, ``seed``,
    ``env`` or any setting; columns with the run table's own names need none. Each combination of
    settings, seed and ``exp_name`` in a table is one process, of seed 0 if nothing names its seed.

    Args:
        source: Its name.
        files: Name and path of each.
        load: From name and path to tables.
        options: ``return_key`` is the column (tidy form: the metric) of the evaluation return.
        grammar: Format of the source.
        expected: Contents of such a source, for messages.
        steps: Columns that are taken as the env step, the first that is there.
        returns: As ``steps``, for the return.
        notes: For the report.

    Raises:
        RunTableError: A table is bad (``on_error="raise"``), or none is left.
    """
    columns = {_ALIASES.get(name, name): column for name, column in options.columns.items()}
    for name in _FACTS:
        if name in columns:
            raise RunTableError(f"{source}: --columns {name}: it is not read from a column")
    others = {name: name for name in columns if name not in (*_SETTINGS, *_ROLES)}

    def processes() -> Iterable[tuple[str, _Process | RunTableError]]:
        for name, path in files:
            try:
                for rows in load(name, path):
                    table = _Columns(rows, columns, options.return_key, steps, returns)
                    for label, values, part in table.split((*_SETTINGS, *others, "exp_name")):
                        yield f"{rows.name}{label}", table.process(values, part)
            except RunTableError as error:
                yield name, RunTableError(str(error).removeprefix(f"{path}: "))

    return import_processes(
        source,
        processes(),
        replace(options, fields={**others, **options.fields}),
        stored=lambda process: _good(process).stored,
        metrics=lambda process: _good(process).metrics,
        return_name=options.return_key or columns.get("return_") or "the return",
        grammar=grammar,
        expected=expected,
        what="its path or exp_name",
        notes=lambda found: [*_notes([_good(each) for each in found]), *notes],
    )


def _good(process: _Process | RunTableError) -> _Process:
    if isinstance(process, RunTableError):
        raise process
    return process


def _notes(found: Sequence[_Process]) -> list[str]:
    named = dict.fromkeys((process.value, process.step) for process in found)
    unused = dict.fromkeys(name for process in found for name in process.unused)
    notes = [
        f"the return is {value}, the env step is {step}"
        for value, step in named
        if (value, step) != ("return_", "env_step")
    ]
    if unused:
        shown = ", ".join(list(unused)[:12]) + ", …" * (len(unused) > 12)
        notes.append(f"columns not used: {shown} (--columns NAME={next(iter(unused))} takes one)")
    return notes


class _Columns:
    """The columns of one table, under the run table's names."""

    def __init__(
        self,
        rows: Rows,
        columns: Mapping[str, str],
        return_key: str | None,
        steps: Sequence[str],
        returns: Sequence[str],
    ) -> None:
        if rows.frame.is_empty():
            raise RunTableError("no rows below the header")
        names = rows.frame.columns
        tidy = columns.get("metric", "metric") in names
        given = dict(columns)
        if return_key is not None and not tidy:
            given["return_"] = return_key
        self.stored = {"seed": 0, **rows.stored, **_elsewhere(given, rows)}
        own = {name: name for name in (*_SETTINGS, *_ROLES)}
        own |= {"env_step": _first(names, steps), "return_": _first(names, returns)}
        if tidy:
            own |= {name: column for name, column in TIDY.items() if column in names}
        self.of = {name: column for name, column in (own | given).items() if column in names}
        for name, flag in (("env_step", "step"), ("return_", "value")):
            if name not in self.of:
                raise RunTableError(
                    f"no column is known to be the {flag}; give --columns {flag}=COLUMN, one of "
                    f"{', '.join(names[:20])}"
                )
        self.metric = _metric(rows.frame, self.of["metric"], return_key) if tidy else None
        self.unused = tuple(name for name in names if name and name not in self.of.values())
        self.frame = rows.frame.with_row_index(_ROW, offset=1)

    def split(self, settings: Sequence[str]) -> Iterable[tuple[str, dict[str, Any], pl.DataFrame]]:
        """Yield a label, the settings and the rows of each process."""
        names = [name for name in dict.fromkeys(settings) if name in self.of]
        if not names:
            yield "", {}, self.frame
            return
        keys = list(dict.fromkeys(self.of[name] for name in names))
        varies = {name for name in names if self.frame[self.of[name]].n_unique() > 1}
        varies |= {"exp_name"} & {*names}
        for values, part in self.frame.group_by(keys, maintain_order=True):
            cells = dict(zip(keys, values, strict=True))
            found = {name: cells[self.of[name]] for name in names}
            label = "".join(f", {name}={found[name]}" for name in names if name in varies)
            yield label, found, part

    def process(self, values: Mapping[str, Any], part: pl.DataFrame) -> _Process | RunTableError:
        """Return the settings and metrics of one process, or the error that makes it a bad one."""
        stored = self.stored | {n: value for n, value in values.items() if value is not None}
        stored["seed"] = seed_numbers(pl.Series([stored["seed"]]))[0]
        try:
            return _Process(
                stored, dict(self._metrics(part)), self.shown, self.of["env_step"], self.unused
            )
        except RunTableError as error:
            return error

    @property
    def shown(self) -> str:
        """The source's name of the return."""
        return self.metric or self.of["return_"]

    def _metrics(self, part: pl.DataFrame) -> Iterable[tuple[str, Series]]:
        if self.metric is None:
            for name in ("return_", *DIAGNOSTICS):
                if name in self.of:
                    yield name, self._series(part, self.of[name])
            return
        for (metric,), mine in part.group_by(self.of["metric"], maintain_order=True):
            name = "return_" if metric == self.metric else str(metric)
            yield name, self._series(mine, self.of["return_"])

    def _series(self, part: pl.DataFrame, column: str) -> Series:
        step = self.of["env_step"]
        pairs = part.select(step=numbers(part, step), value=numbers(part, column))
        pairs = pairs.filter(pl.col("step").is_not_nan(), pl.col("value").is_not_null())
        return Series(checked_steps(pairs["step"].to_numpy(), step), pairs["value"].to_numpy())


def numbers(frame: pl.DataFrame, column: str) -> pl.Series:
    """Return a column as floats; empty cells are null.

    Raises:
        RunTableError: A cell is not a number; the message has the first such.
    """
    found = frame[column]
    if found.dtype == pl.String():
        found = found.str.strip_chars().replace("", None)
    cast = found.cast(pl.Float64, strict=False)
    bad = (cast.is_null() & found.is_not_null()).arg_true()
    if len(bad):
        row = frame[_ROW][bad[0]] if _ROW in frame.columns else bad[0] + 1
        raise RunTableError(
            f"row {row} below the header, column {column} is {found[bad[0]]!r}; expected a number"
        )
    return cast


def _elsewhere(given: Mapping[str, str], rows: Rows) -> dict[str, Any]:
    """Return the mapped names that are no columns of a table but settings stored with it."""
    found = {}
    for name, column in given.items():
        if column not in rows.frame.columns:
            found[name] = look_up(rows.stored, column)
            if found[name] is None:
                raise RunTableError(
                    f"it has no column {column} (for {name}); its columns are "
                    f"{', '.join(rows.frame.columns[:20])}"
                )
    return found


def _first(names: Sequence[str], wanted: Sequence[str]) -> str:
    return next((name for name in wanted if name in names), "")


def _metric(frame: pl.DataFrame, column: str, wanted: str | None) -> str:
    present = frame[column].drop_nulls().unique(maintain_order=True).cast(pl.String).to_list()
    found = [m for m in present if (m in RETURN_METRICS if wanted is None else m == wanted)]
    if len(found) != 1:
        raise RunTableError(
            f"the metrics are {', '.join(present[:20])}; expected "
            + (f"{wanted} among them" if wanted else "--return-key to say which is the return")
        )
    return found[0]
