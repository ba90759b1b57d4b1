"""What the laws say about a σ that was not run, and how a run there compares."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import vs_laws as laws

from vs_analyze.book import Sampled, TaskLaws
from vs_analyze.evaluate import Check
from vs_analyze.measure import measure
from vs_analyze.runs import AnalysisError, Run
from vs_analyze.settings import Settings


@dataclass(frozen=True)
class LevelForecast:
    """One level at the forecast's σ.

    Attributes:
        level: normalised return.
        data: D_J, env steps.
        verdict: what the data say about the level's law.
        reason: why.
    """

    level: float
    data: laws.Estimate
    verdict: str
    reason: str


@dataclass(frozen=True)
class Forecast:
    """One task at a σ that was not run; intervals are percentiles over the study's bootstraps.

    Attributes:
        sigma: σ, updates per env step.
        batch_size: B*(σ).
        learning_rate: η*(σ).
        levels: D_J(σ) at every level with a law.
        unsupported: name, verdict and reason of every law that the data do not support.
    """

    env: str
    sigma: float
    critic_params: int
    batch_size: laws.Estimate
    learning_rate: laws.Estimate
    levels: tuple[LevelForecast, ...]
    unsupported: tuple[tuple[str, str, str], ...]


def forecast(task: TaskLaws, sigma: float) -> Forecast:
    """Predict hyperparameters and data of one task at ``sigma``."""
    if not 0 < sigma < float("inf"):
        raise AnalysisError(f"utd {sigma:g}: expected a positive number")

    def at(sampled: Sampled[Any]) -> laws.Estimate:
        value = float(np.squeeze(sampled.law(sigma)))
        return laws.Estimate.from_samples(value, sampled.samples(sigma))

    named: list[tuple[str, Sampled[Any]]] = [
        ("the batch size", task.batch_size),
        ("the learning rate", task.learning_rate),
    ]
    named += [(f"the data law at level {entry.level:.4g}", entry.data) for entry in task.levels]
    return Forecast(
        env=task.env,
        sigma=sigma,
        critic_params=task.critic_params,
        batch_size=at(task.batch_size),
        learning_rate=at(task.learning_rate),
        levels=tuple(
            LevelForecast(e.level, at(e.data), e.data.verdict, e.data.reason) for e in task.levels
        ),
        unsupported=tuple(
            (name, sampled.verdict, sampled.reason)
            for name, sampled in named
            if sampled.verdict != "supported"
        ),
    )


def compare(predicted: Forecast, run: Run, settings: Settings) -> list[Check]:
    """Set a run at the forecast's σ beside it: D_J and C_J at every level that the run reaches.

    C_J is 10·N·B·σ·D_J on both sides, with the batch size that was run.

    Raises:
        AnalysisError: if the run is of another task or σ.
    """
    if (run.env, run.utd) != (predicted.env, predicted.sigma):
        raise AnalysisError(
            f"the run is {run.label}; expected {predicted.env} at utd {predicted.sigma:g}"
        )
    (cell,) = measure([run], settings, np.random.default_rng(settings.seed))
    per_step = float(laws.update_flops(predicted.critic_params, run.batch_size)) * run.utd
    checks = []
    for entry in predicted.levels:
        index = settings.levels.index(entry.level)
        if not np.isfinite(cell.data[index]):
            continue
        measured = laws.Estimate.from_samples(float(cell.data[index]), cell.samples[:, index])
        for name, factor in (("data", 1.0), ("compute", per_step)):
            checks.append(
                Check(
                    run.env,
                    name,
                    f"utd {run.utd:g}",
                    entry.level,
                    _times(measured, factor),
                    {"law": _times(entry.data, factor)},
                )
            )
    return checks


def _times(estimate: laws.Estimate, factor: float) -> laws.Estimate:
    return laws.Estimate(
        estimate.value * factor,
        estimate.low * factor,
        estimate.high * factor,
        estimate.std_error * factor,
    )
