"""How well each form of D_J(σ, N) predicts runs that it did not see.

Two checks, with the same scores. *Held-out runs*: fit on one table, predict another. *Leave one out*:
predict each fitted run from the others of its task, which says which form to choose without looking at
any held-out run. Every rival fits the same points; nothing is tuned. A run whose mean never reaches a
level is censored there and cannot be compared: those are counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import vs_isotonic as iso
import vs_laws as laws
from numpy.typing import NDArray

from vs_analyze.runs import AnalysisError, Run
from vs_analyze.surface import SurfaceStudy, TaskSurface

type Floats = NDArray[np.float64]

SHARED = "additive, shared exponents"
PREDICTORS: dict[str, laws.SurfaceForm] = {
    "additive": "additive",
    SHARED: "additive",
    "floorless": "floorless",
    "product": "product",
    "log_linear": "log_linear",
    "log_quadratic": "log_quadratic",
    "nearest": "nearest",
}
"""Rivals by name; the paper's form first, the nearest run last."""


@dataclass(frozen=True)
class SurfaceScore:
    """One predictor over a set of (run, level) pairs.

    Attributes:
        levels: ``top`` (each task's highest level) or ``all``.
        n: pairs compared.
        median: of |relative error|.
        p90: 90th percentile of it.
        rms_log: root mean square of log(predicted/measured).
    """

    check: str
    predictor: str
    levels: Literal["top", "all"]
    n: int
    median: float
    p90: float
    rms_log: float


@dataclass(frozen=True)
class SurfaceCheck:
    """One (run, level) pair: env steps measured and predicted, by predictor."""

    env: str
    utd: float
    critic_params: int
    level: float
    top: bool
    measured: float
    predicted: dict[str, float]


@dataclass(frozen=True)
class SurfaceEvaluation:
    """All pairs of one check.

    Attributes:
        check: ``held-out runs`` or ``leave one out``.
        censored: pairs left out because the run does not reach the level.
    """

    check: str
    checks: tuple[SurfaceCheck, ...]
    censored: int
    notes: tuple[str, ...]

    def scores(self) -> list[SurfaceScore]:
        """Per predictor, at the top level and at all; over pairs that every predictor predicts."""
        found = []
        for levels in ("top", "all"):
            kept = [c for c in self.checks if levels == "all" or c.top]
            kept = [c for c in kept if np.isfinite(list(c.predicted.values())).all()]
            for name in kept[0].predicted if kept else ():
                ratio = np.array([c.predicted[name] / c.measured for c in kept])
                error = np.abs(ratio - 1)
                found.append(
                    SurfaceScore(
                        self.check, name, levels, len(kept), float(np.median(error)),
                        float(np.quantile(error, 0.9)), float(np.sqrt(np.mean(np.log(ratio) ** 2))),
                    )
                )  # fmt: skip
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "check": self.check,
            "scores": [vars(score) for score in self.scores()],
            "censored": self.censored,
            "notes": self.notes,
            "checks": [vars(check) for check in self.checks],
        }


def held_out_runs(study: SurfaceStudy, runs: Sequence[Run]) -> SurfaceEvaluation:
    """Predict every held-out run at every level of its task, from the runs of the study.

    Raises:
        AnalysisError: no held-out run is of a task of the study, or none reaches any level.
    """
    tasks = {task.env: task for task in study.tasks}
    notes = []
    strangers = sorted({run.env for run in runs} - set(tasks))
    if strangers:
        notes.append(f"held-out runs of tasks that were not fitted: {', '.join(strangers)}")
    kept = [run for run in runs if run.env in tasks]
    if not kept:
        raise AnalysisError(
            f"held-out runs: none is of a fitted task ({', '.join(tasks)}), but of "
            f"{', '.join(strangers) or 'nothing'}"
        )
    seen = {(c.run.env, c.utd, c.run.critic_params) for task in study.tasks for c in task.chosen}
    both = sum((run.env, run.utd, run.critic_params) in seen for run in kept)
    if both:
        notes.append(f"{both} held-out runs are at a utd and model size that was fitted")
    checks, censored = [], 0
    rivals = _rivals(study)
    pooled = _pooled(study)
    shared = _fit_shared(study, pooled, pooled.data) if SHARED in rivals else None
    for env in dict.fromkeys(run.env for run in kept):
        task = tasks[env]
        own = [run for run in kept if run.env == env]
        if any(run.critic_params is None for run in own):
            raise AnalysisError(f"held-out runs: {env}: the table does not record critic_params")
        measured = np.stack(
            [iso.mean_crossings(r.steps, r.returns, task.levels, stopped=r.stopped).step
             for r in own], axis=1,
        )  # fmt: skip
        censored += int(np.isinf(measured).sum())
        sigma = np.array([run.utd for run in own])
        params = np.array([float(run.critic_params or np.nan) for run in own])
        place = list(tasks).index(env)
        predicted = {
            name: shared(sigma, params)[: len(task.levels), place]  # fields (J, tasks, 1)
            if shared is not None and name == SHARED
            else _fit(study, task, form, task.data.T)(sigma, params)
            for name, form in rivals.items()
        }
        checks += _pairs(task, sigma, params, measured, predicted)
    if not checks:
        raise AnalysisError("held-out runs: none reaches any level")
    return SurfaceEvaluation("held-out runs", tuple(checks), censored, tuple(notes))


def leave_one_out(study: SurfaceStudy) -> SurfaceEvaluation:
    """Predict each fitted (σ, N) from the other ones of its task."""
    checks, censored = [], 0
    rivals = _rivals(study)
    pooled = _pooled(study)
    together = None
    if SHARED in rivals:
        law = _fit_shared(study, pooled, _without_each(pooled.data))  # fields (J, n, tasks, 1)
        each = np.arange(len(pooled.task))
        together = law(pooled.sigma, pooled.params)[:, each, pooled.task, each]  # (J, n)
    for place, task in enumerate(study.tasks):
        data = task.data.T  # (J, n)
        censored += int(np.isinf(data).sum())
        without = _without_each(data)
        predicted = {
            name: together[: len(data), pooled.task == place]
            if together is not None and name == SHARED
            else np.diagonal(
                _fit(study, task, form, without)(task.sigma, task.params), axis1=1, axis2=2
            )
            for name, form in rivals.items()
        }
        checks += _pairs(task, task.sigma, task.params, data, predicted)
    return SurfaceEvaluation("leave one out", tuple(checks), censored, ())


def _rivals(study: SurfaceStudy) -> dict[str, laws.SurfaceForm]:
    """Nothing is shared by one task alone."""
    return {
        name: form for name, form in PREDICTORS.items() if name != SHARED or len(study.tasks) > 1
    }


def _without_each(data: Floats) -> Floats:
    """(J, n) → (J, n, n): row i lacks point i."""
    return np.where(np.eye(data.shape[1], dtype=bool), np.nan, data[:, None, :])


def _pairs(
    task: TaskSurface, sigma: Floats, params: Floats, measured: Floats, predicted: dict[str, Floats]
) -> list[SurfaceCheck]:
    """Arrays are (J, n); censored measurements have no pair."""
    return [
        SurfaceCheck(
            task.env, float(sigma[i]), int(params[i]), task.levels[j], j == len(task.levels) - 1,
            float(measured[j, i]), {name: float(v[j, i]) for name, v in predicted.items()},
        )
        for j, i in np.argwhere(np.isfinite(measured)).tolist()
    ]  # fmt: skip


def _fit(study: SurfaceStudy, task: TaskSurface, form: laws.SurfaceForm, data: Floats) -> Any:
    """The law of every row of ``data`` (…, n)."""
    loss = study.settings.loss if form in ("additive", "floorless", "product") else "log"
    law, _ = laws.fit_surfaces(task.sigma, task.params, data, form=form, loss=loss)
    return law


@dataclass(frozen=True)
class _Pooled:
    """The points of all tasks in a row: σ, N and task (n,), data (J, n).

    Tasks share the rank of a level, not its value; NaN where a task has fewer levels.
    """

    sigma: Floats
    params: Floats
    task: NDArray[np.int64]
    data: Floats


def _pooled(study: SurfaceStudy) -> _Pooled:
    count = max(len(task.levels) for task in study.tasks)
    rows = [
        np.pad(task.data.T, ((0, count - len(task.levels)), (0, 0)), constant_values=np.nan)
        for task in study.tasks
    ]
    return _Pooled(
        np.concatenate([task.sigma for task in study.tasks]),
        np.concatenate([task.params for task in study.tasks]),
        np.repeat(np.arange(len(rows)), [row.shape[1] for row in rows]),
        np.concatenate(rows, axis=1),
    )


def _fit_shared(study: SurfaceStudy, pooled: _Pooled, data: Floats) -> Any:
    """The additive law whose exponents all tasks share, for every row of ``data`` (…, n)."""
    law, _ = laws.fit_surfaces(
        pooled.sigma, pooled.params, data, loss=study.settings.loss,
        tasks=[study.tasks[index].env for index in pooled.task],
    )  # fmt: skip
    return law
