"""Import runs of Weights & Biases through its public API object."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Protocol

import numpy as np

from vs_logging._extras import optional_module
from vs_logging._importer import DEFAULTS, Importer, ImportOptions
from vs_logging._long import Series, checked_steps
from vs_logging._process import import_processes
from vs_logging.report import Imported
from vs_logging.table import RunTableError

_PREFIX = "wandb:"


class WandbRun(Protocol):
    """The attributes of ``wandb.apis.public.Run`` that are used."""

    id: str
    state: str
    config: Mapping[str, Any]

    def scan_history(self, keys: list[str] | None = None) -> Iterable[Mapping[str, Any]]:
        """Yield every logged row that has all of ``keys``."""
        ...


class WandbApi(Protocol):
    """The method of ``wandb.Api`` that is used."""

    def runs(self, path: str, filters: dict[str, Any] | None = None) -> Iterable[WandbRun]:
        """List the runs of a project."""
        ...


def import_wandb(
    path: str,
    options: ImportOptions = DEFAULTS,
    *,
    api: WandbApi | None = None,
) -> Imported:
    """Import the runs of a W&B project; each is one seed's process.

    Unfinished and crashed runs are imported as far as they logged; the report counts the states.

    Args:
        path: ``entity/project``; ``wandb:`` may stand before it.
        options: ``return_key`` is the history key of the evaluation return, ``step_key`` that of the
            env step (``env_step`` by default; ``_step`` is W&B's own counter), ``diagnostics`` has
            those of further metrics, ``fields`` keys of the run's config. ``filters`` and ``tags``
            select runs; each must have one of the tags.
        api: ``wandb.Api()`` by default, or anything with its ``runs`` method.

    Raises:
        ImportError: W&B is not installed.
        RunTableError: ``return_key`` is not given, a run is bad (``on_error="raise"``), or nothing
            is left to import.
    """
    keys = {"return_": options.needed_key(path), **options.diagnostics}
    step_key = options.step_key or options.columns.get("step", "env_step")
    project = path.removeprefix(_PREFIX)
    opened: WandbApi = optional_module("wandb", "wandb").Api() if api is None else api

    def metrics(run: WandbRun) -> dict[str, Series]:
        found = {name: _history(run, step_key, key) for name, key in keys.items()}
        return {name: series for name, series in found.items() if len(series.steps)}

    tagged = {"tags": {"$in": list(options.tags)}} if options.tags else {}
    runs = opened.runs(project, filters={**options.filters, **tagged} or None)
    return import_processes(
        project,
        ((f"run {run.id}", run) for run in runs),
        replace(options, pattern=None),
        stored=lambda run: run.config,
        metrics=metrics,
        return_name=keys["return_"],
        grammar="wandb",
        expected=(f"runs that logged {step_key} (--step-key) and {keys['return_']} (--return-key)"),
        notes=_states,
    )


WANDB = Importer(
    name="wandb",
    source="wandb:ENTITY/PROJECT",
    example="wandb:ENTITY/PROJECT --return-key eval/return --columns step=global_step",
    sniff=lambda source: source.startswith(_PREFIX),
    read=import_wandb,
)


def _states(runs: Sequence[WandbRun]) -> list[str]:
    counts = sorted(Counter(run.state for run in runs).items())
    return [f"states of the runs: {', '.join(f'{count} {state}' for state, count in counts)}"]


def _history(run: WandbRun, step_key: str, key: str) -> Series:
    # One scan per metric: a scan of several keys yields only the rows that have all of them.
    rows = run.scan_history(keys=[step_key, key])
    pairs = chain.from_iterable((row.get(step_key), row.get(key)) for row in rows)
    flat = [_number(value, run.id) for value in pairs]
    return Series(checked_steps(np.array(flat[::2]), step_key), np.array(flat[1::2]))


def _number(value: object, run: str) -> float:
    if value is None:
        return float("nan")
    # W&B writes non-finite numbers as the strings "NaN", "Infinity".
    try:
        return float(value)  # ty: ignore[invalid-argument-type]
    except (TypeError, ValueError):
        raise RunTableError(f"run {run} logged {value!r} where a number was expected") from None
