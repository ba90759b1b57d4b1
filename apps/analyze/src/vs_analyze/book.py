"""``laws.json``: the fitted laws of one analysis, written once and read by ``recommend``.

Schema ``value-scaling/laws``. Version 1 holds laws over utd, version 2 laws over utd and model size
(`vs_analyze.surface_book`). Top level: ``schema``, ``version``, ``versions`` (packages),
``sources`` (tables read), ``settings``, ``notes``, ``tasks`` and ``fits``. ``fits`` holds every fit's
``to_dict()`` for reading; ``tasks`` holds what is needed to predict: per task the laws' parameters and
their K bootstrap samples (same index = same bootstrap in every law). Numbers that are not finite are
written as ``"inf"``, ``"-inf"`` or ``null`` (unknown).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import vs_logging as vslog
from numpy.typing import NDArray
from vs_laws import DataLaw, OffsetPowerLaw, PowerLaw

from vs_analyze.runs import AnalysisError

SCHEMA = "value-scaling/laws"
VERSION = 1
"""Of laws over utd."""
SURFACE_VERSION = 2
"""Of laws over utd and model size; a program that knows version 1 only refuses it."""

type Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sampled[L: PowerLaw | DataLaw | OffsetPowerLaw]:
    """A law, its bootstrap (fields of shape (K, 1)) and what the data say about it."""

    law: L
    samples: L
    verdict: str
    reason: str


@dataclass(frozen=True)
class LevelLaw:
    """D_J(σ) of one task at one level."""

    level: float
    data: Sampled[DataLaw]


@dataclass(frozen=True)
class TaskLaws:
    """Everything needed to recommend for one task.

    Attributes:
        critic_params: N of the runs, parameters of the critic.
        delta: δ, FLOPs per env step.
        sigma_low: smallest σ the laws were fitted on.
        sigma_high: largest.
    """

    algo: str
    benchmark: str
    env: str
    optimal_return: float
    critic_params: int
    delta: float
    sigma_low: float
    sigma_high: float
    batch_size: Sampled[PowerLaw]
    learning_rate: Sampled[PowerLaw]
    levels: tuple[LevelLaw, ...]

    def level(self, level: float) -> LevelLaw:
        """The law at one level; an AnalysisError names the levels there are."""
        for entry in self.levels:
            if np.isclose(entry.level, level):
                return entry
        known = ", ".join(f"{entry.level:g}" for entry in self.levels)
        raise AnalysisError(f"{self.env}: no law at level {level:g}; the fitted levels are {known}")


def number(value: float) -> float | str | None:
    """A float as laws.json writes it."""
    if np.isnan(value):
        return None
    return float(f"{value:.8g}") if np.isfinite(value) else ("inf" if value > 0 else "-inf")


def jsonable(value: Any) -> Any:
    """Replace arrays and non-finite floats by what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return number(float(value))
    return value


def task_to_dict(task: TaskLaws) -> dict[str, Any]:
    """One entry of ``tasks``."""
    plain = ("algo", "benchmark", "env", "optimal_return", "critic_params", "delta", "sigma_low",
             "sigma_high")  # fmt: skip
    return {
        **{name: getattr(task, name) for name in plain},
        "batch_size": _sampled_to_dict(task.batch_size),
        "learning_rate": _sampled_to_dict(task.learning_rate),
        "levels": [{"level": e.level, "data": _sampled_to_dict(e.data)} for e in task.levels],
    }


def _sampled_to_dict(sampled: Sampled[Any]) -> dict[str, Any]:
    return {
        **law_to_dict(sampled.law, sampled.samples),
        "verdict": sampled.verdict,
        "reason": sampled.reason,
    }


def law_to_dict(law: Any, samples: Any) -> dict[str, Any]:
    """The parameters of a law and of its bootstrap (None without), by name."""
    names = [entry.name for entry in fields(law)]
    return {
        "law": {name: np.asarray(getattr(law, name)).item() for name in names},
        "samples": None
        if samples is None
        else {name: np.ravel(getattr(samples, name)) for name in names},
    }


def law_from_dict[L](entry: Mapping[str, Any], form: Callable[..., L]) -> tuple[L, L | None]:
    """What `law_to_dict` wrote: the law and its bootstrap, fields (K, 1)."""
    law = form(**{name: _float(value) for name, value in entry["law"].items()})
    if entry["samples"] is None:
        return law, None
    samples = form(
        **{
            name: np.array([_float(value) for value in values])[:, None]
            for name, values in entry["samples"].items()
        }
    )
    return law, samples


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON through a temporary file, so that a reader never sees half of it."""
    text = json.dumps(jsonable(document), indent=1, allow_nan=False) + "\n"
    with vslog.whole_file(path) as temporary:
        temporary.write_text(text, "utf-8")


def read_document(path: Path) -> dict[str, Any]:
    """Read a laws.json of either version and check its head.

    Raises:
        AnalysisError: the file is missing, is not JSON, or is not a laws.json of a known version.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise AnalysisError(f"{path}: no such file; write it with `vs-analyze fit`") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise AnalysisError(f"{path}: not a JSON file ({error})") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise AnalysisError(f'{path}: not a laws.json (expected "schema": "{SCHEMA}")')
    if document.get("version") not in (VERSION, SURFACE_VERSION):
        raise AnalysisError(
            f"{path}: laws.json version {document.get('version')}, this program reads {VERSION} "
            f"(utd) and {SURFACE_VERSION} (utd and model size); run `vs-analyze fit` again"
        )
    if document.get("tasks") == {}:
        raise AnalysisError(f"{path}: no task in this laws.json; run `vs-analyze fit` again")
    return document


def read_tasks(path: Path) -> dict[str, TaskLaws]:
    """Read the ``tasks`` of a laws.json over utd, by env.

    Raises:
        AnalysisError: see `read_document`; or the laws are over utd and model size.
    """
    document = read_document(path)
    if document["version"] != VERSION:
        raise AnalysisError(
            f"{path}: laws over utd and model size (laws.json version {document['version']}), "
            f"expected laws over utd alone (version {VERSION})"
        )
    return parsed(path, document, _task)


def parsed[T](
    path: Path, document: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], T]
) -> dict[str, T]:
    """The ``tasks`` of a document, by env; an AnalysisError says what is damaged."""
    try:
        return {env: parse(entry) for env, entry in document["tasks"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnalysisError(
            f"{path}: the tasks of this laws.json are damaged ({error!r})"
        ) from None


def _task(entry: Mapping[str, Any]) -> TaskLaws:
    plain = {f.name: entry[f.name] for f in fields(TaskLaws) if f.name in entry}
    plain["batch_size"] = _sampled(entry["batch_size"], PowerLaw)
    plain["learning_rate"] = _sampled(entry["learning_rate"], PowerLaw)
    plain["levels"] = tuple(
        LevelLaw(float(level["level"]), _sampled(level["data"], DataLaw))
        for level in entry["levels"]
    )
    return TaskLaws(**plain)


def _sampled(entry: Mapping[str, Any], form: type) -> Any:
    law, samples = law_from_dict(entry, form)
    if samples is None:
        raise TypeError("samples is null")
    return Sampled(law, samples, entry["verdict"], entry["reason"])


def _float(value: float | str | None) -> float:
    return float("nan") if value is None else float(value)
