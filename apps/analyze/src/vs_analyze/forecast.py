"""Predictions at a place that was not run: what the laws say, which configuration to run, how it compares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import vs_laws as laws
from vs_laws import Estimate

from vs_analyze.checks import Check
from vs_analyze.laws_file import TaskLaws
from vs_analyze.measure import measure
from vs_analyze.runs import AnalysisError, Run
from vs_analyze.settings import Settings

NEAR = 2.0
"""Factor by which hyperparameters that are to be run may leave those of the grid."""


@dataclass(frozen=True)
class LevelForecast:
    """One level at the forecast's place.

    Attributes:
        level: normalised return.
        data: D_J, env steps.
        verdict: of the level's law.
        reason: the sentence behind it.
        supported: True where the data carry the law.
    """

    level: float
    data: Estimate
    verdict: str
    reason: str
    supported: bool


@dataclass(frozen=True)
class Forecast:
    """One task at a place that was not run.

    Attributes:
        place: by axis of the laws.
        critic_params: N there.
        action_repeat: env steps per decision of the agent.
        batch_size: B* there.
        learning_rate: η* there; None where no law of it was fitted.
        levels: D_J at every level with a law.
        unsupported: name, verdict and reason of every law that the data do not support.
        interval: what the intervals of the levels are intervals of.
    """

    env: str
    place: Mapping[str, Any]
    critic_params: float
    action_repeat: int
    batch_size: Estimate
    learning_rate: Estimate | None
    levels: tuple[LevelForecast, ...]
    unsupported: tuple[tuple[str, str, str], ...]
    interval: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        rate = self.learning_rate
        return {
            **vars(self),
            "place": dict(self.place),
            "batch_size": self.batch_size.to_dict(),
            "learning_rate": None if rate is None else rate.to_dict(),
            "levels": [{**vars(entry), "data": entry.data.to_dict()} for entry in self.levels],
            "unsupported": [list(entry) for entry in self.unsupported],
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Forecast":
        """Bring back a forecast from its `to_dict`."""
        parts: dict[str, Any] = dict(entry)
        rate, params = entry["learning_rate"], entry["critic_params"]
        parts |= {
            "critic_params": float("nan") if params is None else float(params),
            "batch_size": Estimate.from_dict(entry["batch_size"]),
            "learning_rate": None if rate is None else Estimate.from_dict(rate),
            "levels": tuple(
                LevelForecast(
                    float(one["level"]), Estimate.from_dict(one["data"]), one["verdict"],
                    one["reason"], one["supported"],
                )
                for one in entry["levels"]
            ),
            "unsupported": tuple(tuple(one) for one in entry["unsupported"]),
        }  # fmt: skip
        return cls(**parts)

    def __str__(self) -> str:
        where = ", ".join(f"{name} {value:g}" for name, value in self.place.items())
        lines = [f"{self.env} at {where}  ({self.interval})"]
        lines.append(f"  {'batch size':<14} {self.batch_size.value:>10.4g}")
        if self.learning_rate is not None:
            lines.append(f"  {'learning rate':<14} {self.learning_rate.value:>10.4g}")
        lines += [
            f"  level {entry.level:<8g} {entry.data.value:>10.4g}  "
            f"[{entry.data.low:.4g}, {entry.data.high:.4g}]  env steps"
            for entry in self.levels
        ]
        return "\n".join(lines)

    @property
    def utd(self) -> float:
        """σ of the forecast."""
        return self.place["sigma"]


def forecast(
    task: TaskLaws, utd: float, critic_params: float | None = None, *, seeds: float | None = None
) -> Forecast:
    """Predict hyperparameters and data of one task.

    Args:
        task: its laws.
        utd: σ.
        critic_params: N, for laws over it.
        seeds: of the run; by default as many as the fitted runs have.

    Raises:
        AnalysisError: a coordinate is missing or not positive.
    """
    place = task.place(utd, critic_params)
    named = [("the batch size", task.batch_size)]
    if task.learning_rate is not None:
        named.append(("the learning rate", task.learning_rate))
    named += [(f"the data law at level {level:.4g}", fit) for level, fit in task.levels.items()]
    return Forecast(
        env=task.env,
        place=place,
        critic_params=float(place.get("critic_params", task.critic_params or np.nan)),
        action_repeat=task.action_repeat,
        batch_size=task.batch_size.predict(**place),
        learning_rate=None if task.learning_rate is None else task.learning_rate.predict(**place),
        levels=tuple(
            LevelForecast(
                level,
                task.steps(level, place, seeds=seeds),
                str(fit.verdict),
                fit.reason,
                fit.supported,
            )
            for level, fit in task.levels.items()
        ),
        unsupported=tuple(
            (name, str(fit.verdict), fit.reason) for name, fit in named if not fit.supported
        ),
        interval=task.interval,
    )


def compare(predicted: Forecast, run: Run, settings: Settings) -> list[Check]:
    """Set a run at the forecast's place beside it: D_J and C_J at every level that the run reaches.

    C_J is counted with the batch size that was run, on both sides.

    Raises:
        AnalysisError: if the run is of another task or place.
    """
    if (run.env, run.utd) != (predicted.env, predicted.utd):
        raise AnalysisError(
            f"the run is {run.label}; expected {predicted.env} at utd {predicted.utd:g}"
        )
    levels = [entry.level for entry in predicted.levels]
    (cell,) = measure(
        [run], {run.env: levels}, bootstraps=settings.bootstraps,
        rng=np.random.default_rng(settings.seed),
    )  # fmt: skip
    per_step = float(
        laws.flops_per_step(
            sigma=run.utd, critic_params=predicted.critic_params, batch_size=run.batch_size,
            action_repeat=predicted.action_repeat,
        )
    )  # fmt: skip
    return [
        Check(
            run.env, name, predicted.place, entry.level, entry.level == levels[-1],
            cell.at(index).times(factor), {"law": entry.data.times(factor)},
        )
        for index, entry in enumerate(predicted.levels)
        if np.isfinite(cell.data[index])
        for name, factor in (("data", 1.0), ("compute", per_step))
    ]  # fmt: skip


def price_of_a_step(runs: Sequence[Run]) -> float:
    """Return δ: the cost of an update at the grid's middle batch size, in FLOPs.

    So at σ = 1 data and compute weigh alike. The papers' δ would make the data of a small network all
    that counts.

    Raises:
        AnalysisError: the runs do not record their parameter count.
    """
    params = [run.critic_params for run in runs if run.critic_params is not None]
    if not params:
        raise AnalysisError("the runs do not record critic_params; expected those of vs-train")
    batch = float(np.exp(np.mean(np.log(sorted({run.batch_size for run in runs})))))
    return float(
        laws.flops_per_step(sigma=1.0, critic_params=float(np.median(params)), batch_size=batch)
    )


def near(value: float, seen: Sequence[float]) -> float:
    """Return a hyperparameter within a factor `NEAR` of those that were run; their mean where unknown."""
    if not np.isfinite(value):
        return float(np.exp(np.mean(np.log(sorted(set(seen))))))
    return float(np.clip(value, min(seen) / NEAR, max(seen) * NEAR))


def configuration(
    predicted: Forecast, runs: Sequence[Run], *, multiple: int = 8
) -> tuple[int, float]:
    """Return the batch size and the learning rate to run at a forecast's place.

    Args:
        predicted: the forecast.
        runs: those behind the laws; hyperparameters stay near theirs.
        multiple: the batch size is a multiple of it.
    """
    rate = np.nan if predicted.learning_rate is None else predicted.learning_rate.value
    batch = near(predicted.batch_size.value, [run.batch_size for run in runs])
    size = max(multiple, int(laws.grid.round_batch_size(batch, to=multiple)))
    return size, float(f"{near(rate, [run.learning_rate for run in runs]):.3g}")
