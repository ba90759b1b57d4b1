"""Import runs of Weights & Biases through its public API object."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Protocol

import numpy as np

from vs_logging._assemble import Curves, assemble, duplicate_seeds
from vs_logging._configure import check_constants
from vs_logging._long import Series
from vs_logging._mapped import SeedRegister, mapped_config, one_seed
from vs_logging.report import Imported, ImportReport, OnError, Problems
from vs_logging.table import RunTableError, run_id


class WandbRun(Protocol):
    """What is used of ``wandb.apis.public.Run``."""

    id: str
    state: str
    config: Mapping[str, Any]

    def scan_history(self, keys: list[str] | None = None) -> Iterable[Mapping[str, Any]]:
        """Every logged row that has all of ``keys``."""
        ...


class WandbApi(Protocol):
    """What is used of ``wandb.Api``."""

    def runs(self, path: str, filters: dict[str, Any] | None = None) -> Iterable[WandbRun]:
        """The runs of a project."""
        ...


def import_wandb(
    api: WandbApi,
    path: str,
    *,
    return_key: str,
    step_key: str = "env_step",
    diagnostics: Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
    constants: Mapping[str, object] | None = None,
    filters: Mapping[str, Any] | None = None,
    on_error: OnError = "raise",
) -> Imported:
    """Import the runs of a W&B project; each is one seed's process.

    Unfinished and crashed runs are imported as far as they logged; the report counts the states.

    Args:
        api: ``wandb.Api()``, or anything with its ``runs`` method.
        path: ``entity/project``.
        return_key: History key of the evaluation return.
        step_key: History key of the env step; ``_step`` is W&B's own counter.
        diagnostics: Column → history key of further metrics.
        fields: Column → key in the run's config, dots for nesting (``{"utd": "agent.utd"}``); a
            name that is not a column is a further setting that tells runs apart. Columns not named
            here, and ``seed``, are looked up under their own names.
        constants: Settings of all runs.
        filters: Passed on to ``api.runs`` (a MongoDB query).
        on_error: ``raise`` on the first bad run, or ``skip`` it and name it in the report.

    Raises:
        RunTableError: A run is bad (``on_error="raise"``), or nothing is left to import.
    """
    problems = Problems(path, on_error)
    given = check_constants(constants or {})
    keys = {"return_": return_key, **(diagnostics or {})}
    register = SeedRegister()

    def read(run: WandbRun) -> tuple[Curves, int]:
        config, seed = mapped_config(run.config, fields or {}, given, {})
        metrics = {name: _history(run, step_key, key) for name, key in keys.items()}
        present = {name: series for name, series in metrics.items() if len(series.steps)}
        curves = one_seed(config, seed, present, return_key)
        register.add(run.id, run_id(config), seed)
        return curves

    runs: list[Curves] = []
    repeats = 0
    states: dict[str, int] = {}
    for run in api.runs(path, filters=None if filters is None else dict(filters)):
        found = problems.attempt(f"run {run.id}", lambda run=run: read(run))
        if found is not None:
            runs.append(found[0])
            repeats += found[1]
            states[run.state] = states.get(run.state, 0) + 1
    if not runs:
        raise problems.nothing_left(f"runs that logged {step_key} and {return_key}")
    table = assemble(runs, source=path)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    report = ImportReport(
        source=path,
        grammar="wandb",
        runs=table["run"].n_unique(),
        seeds=len(runs),
        rows=table.height,
        duplicate_seeds=duplicate_seeds(runs),
        deduplicated_rows=repeats,
        skipped=tuple(problems.skipped),
        notes=(f"states of the runs: {counts}",),
    )
    return Imported(table, report)


def _history(run: WandbRun, step_key: str, key: str) -> Series:
    # One scan per metric: a scan of several keys yields only the rows that have all of them.
    rows = run.scan_history(keys=[step_key, key])
    pairs = chain.from_iterable((row.get(step_key), row.get(key)) for row in rows)
    flat = [_number(value, run.id) for value in pairs]
    steps, values = np.array(flat[::2]), np.array(flat[1::2])
    bad = ~np.isfinite(steps) | (steps < 0) | (steps != np.round(steps))
    if bad.any():
        raise RunTableError(
            f"{step_key} is {steps[np.argmax(bad)]} in a row; expected a non-negative integer"
        )
    return Series(steps.astype(np.int64), values)


def _number(value: object, run: str) -> float:
    if value is None:
        return float("nan")
    # W&B writes non-finite numbers as the strings "NaN", "Infinity".
    try:
        return float(value)  # ty: ignore[invalid-argument-type]
    except (TypeError, ValueError):
        raise RunTableError(f"run {run} logged {value!r} where a number was expected") from None
