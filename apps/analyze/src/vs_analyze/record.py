"""Forecasts on record: what was predicted before a run, dated and hashed, and how it came out.

``forecast.json``, schema ``value-scaling/forecast``, version 1: ``made`` (UTC), ``laws`` (name and SHA-256
of the file it was made from), ``task`` (what measuring the run needs), ``forecast`` and ``sha256`` of all
the rest. A file that was changed after it was written is refused.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import vs_laws as laws
import vs_logging as vslog

from vs_analyze.checks import Check, Evaluation
from vs_analyze.forecast import Forecast, compare
from vs_analyze.laws_file import TaskLaws, jsonable, read_document
from vs_analyze.runs import AnalysisError, Run
from vs_analyze.settings import Settings

SCHEMA = "value-scaling/forecast"
VERSION = 1


@dataclass(frozen=True)
class Record:
    """A forecast with its date and origin.

    Attributes:
        made: when, UTC, in ISO 8601.
        laws: name and SHA-256 of the laws it was made from.
        optimal_return: raw return that counts as 1000 in its levels.
        forecast: what was predicted.
    """

    made: str
    laws: tuple[str, str]
    optimal_return: float
    forecast: Forecast


def write_forecast(forecast: Forecast, task: TaskLaws, source: Path, out: Path) -> Record:
    """Write a forecast; nothing is overwritten.

    Raises:
        AnalysisError: the file exists.
    """
    if out.exists():
        raise AnalysisError(f"{out} exists, and a forecast on record is not replaced: choose --out")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    made = datetime.now(UTC).isoformat(timespec="seconds")
    body = jsonable({
        "schema": SCHEMA, "version": VERSION, "made": made,
        "laws": {"name": source.name, "sha256": digest},
        "task": {"optimal_return": task.optimal_return},
        "forecast": forecast.to_dict(),
    })  # fmt: skip
    vslog.write_json(out, {**body, "sha256": _digest(body)})
    return Record(made, (source.name, digest), task.optimal_return, forecast)


def read_forecast(path: Path) -> Record:
    """Read a forecast.

    Raises:
        AnalysisError: the file is missing, no forecast, or was changed after it was written.
    """
    document = read_document(path, SCHEMA, "forecast", "forecast")
    if document.get("version") != VERSION:
        raise AnalysisError(
            f"{path}: forecast version {document.get('version')}, this program reads {VERSION}"
        )
    body = {name: value for name, value in document.items() if name != "sha256"}
    if document.get("sha256") != _digest(body):
        raise AnalysisError(f"{path}: changed after it was written (its sha256 does not match)")
    try:
        return Record(
            body["made"],
            (body["laws"]["name"], body["laws"]["sha256"]),
            float(body["task"]["optimal_return"]),
            Forecast.from_dict(body["forecast"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AnalysisError(f"{path}: the forecast is damaged ({error!r})") from None


def check(record: Record, runs: Sequence[Run], settings: Settings) -> Evaluation:
    """Score a forecast by the run at its place.

    Raises:
        AnalysisError: no run, or several, are at the forecast's place.
    """
    predicted = record.forecast
    params = predicted.place.get("critic_params")
    here = [
        run
        for run in runs
        if (run.env, run.utd) == (predicted.env, predicted.utd)
        and (params is None or run.critic_params == params)
    ]
    if len(here) != 1:
        size = "" if params is None else f", critic_params {params:,.0f}"
        raise AnalysisError(
            f"{len(here)} runs are at the forecast's place ({predicted.env}, utd {predicted.utd:g}"
            f"{size}); expected one configuration with its seeds"
        )
    checks = [_scored(one) for one in compare(predicted, here[0], settings)]
    if not checks:
        raise AnalysisError(f"{here[0].label} reaches none of the forecast's levels")
    missed = len(predicted.levels) - len({one.level for one in checks})
    notes = (f"predicted on {record.made} from {record.laws[0]} ({record.laws[1][:12]})",)
    return Evaluation(f"forecast of {record.made}", tuple(checks), notes, missed)


def _scored(one: Check) -> Check:
    law = one.predicted["law"]
    known = law.std_error / law.value if law.std_error == law.std_error else None
    spread = float(laws.scoring.log_sd(law.low, law.high)) if known is None else float(known)
    return replace(one, log_sd={"law": spread})


def _digest(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
