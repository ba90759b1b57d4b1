"""Import trials of RLlib and Ray Tune: ``result.json`` (a JSON object a line) or ``progress.csv``."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from vs_logging._importer import Importer, ImportOptions
from vs_logging._rows import Rows, import_rows
from vs_logging._sources import find_files, is_format
from vs_logging._text import header, read_text
from vs_logging.report import Imported
from vs_logging.table import RunTableError

_NAMES = r"result\.json|progress\.csv"
_STEPS = (
    "num_env_steps_sampled_lifetime",
    "env_runners/num_env_steps_sampled_lifetime",
    "num_env_steps_sampled",
    "timesteps_total",
)
_RETURNS = (
    "env_runners/episode_return_mean",
    "env_runners/episode_reward_mean",
    "episode_return_mean",
    "episode_reward_mean",
    "sampler_results/episode_reward_mean",
)


def _read(source: str, options: ImportOptions) -> Imported:
    """Import each folder as one process; settings are those of its ``config`` or ``params.json``."""
    # Of two files in a folder the later name, result.json, is taken: it has the configuration.
    folders = {path.parent: (name, path) for name, path in find_files(source, _NAMES)}
    return import_rows(
        source,
        folders.values(),
        lambda name, path: [_trial(name, path)],
        options,
        grammar="rllib",
        expected="files called result.json or progress.csv with a training_iteration",
        steps=_STEPS,
        returns=_RETURNS,
        notes=["returns are those of training episodes, unless --return-key names evaluation/…"],
    )


RLLIB = Importer(
    name="rllib",
    source="a result.json or progress.csv of RLlib",
    example="ray_results --fields batch_size train_batch_size learning_rate lr",
    sniff=lambda source: (
        is_format(source, _NAMES) and any(_is_trial(path) for _, path in find_files(source, _NAMES))
    ),
    read=_read,
)


def _is_trial(path: Path) -> bool:
    if path.suffix == ".csv":
        return "training_iteration" in header(path)
    with path.open("rb") as file:
        return b'"training_iteration"' in file.readline()


def _trial(name: str, path: Path) -> Rows:
    params = path.parent / "params.json"
    stored = _object(params.read_text(encoding="utf-8"), params.name) if params.exists() else {}
    if path.suffix == ".csv":
        return Rows(name, read_text(path), stored)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    results = [_object(text, f"line {k}") for k, text in enumerate(lines, 1) if text.strip()]
    stored = stored | (results[0].get("config") or {} if results else {})
    rows = [dict(_flat({k: v for k, v in one.items() if k != "config"})) for one in results]
    return Rows(name, pl.DataFrame(rows, infer_schema_length=None), stored)


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RunTableError(f"{where} is not JSON ({error})") from error
    if not isinstance(found, dict):
        raise RunTableError(f"{where} is no JSON object")
    return found


def _flat(result: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float | None]]:
    for name, value in result.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}/")
        elif isinstance(value, int | float) or value is None:
            yield f"{above}{name}", None if value is None else float(value)
