"""Runs that are left out, each predicted from the others of its task by every form of the data law."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import vs_laws as laws
from numpy.typing import NDArray
from vs_laws import Estimate

from vs_analyze.checks import Check, Evaluation
from vs_analyze.measure import Cell, measure_once
from vs_analyze.runs import AnalysisError, Run
from vs_analyze.study import Study, TaskStudy

type Floats = NDArray[np.float64]
type HoldOut = Literal[
    "largest", "smallest", "largest-params", "smallest-params", "budgets", "each", "compute"
]

LEVELS = "levels at once"
"""Name of the law that is fitted to all levels at once."""

SHARED = "additive, shared exponents"


def held_out_runs(study: Study, runs: Sequence[Run]) -> Evaluation:
    """Predict every held-out run at every level of its task, from the runs of the study.

    Raises:
        AnalysisError: no held-out run is of a task of the study, or none reaches any level.
    """
    tasks = {task.env: task for task in study.tasks}
    notes = []
    unknown = sorted({run.env for run in runs} - set(tasks))
    if unknown:
        notes.append(f"held-out runs of tasks that were not fitted: {', '.join(unknown)}")
    kept = [run for run in runs if run.env in tasks]
    if not kept:
        raise AnalysisError(
            f"held-out runs: none is of a fitted task ({', '.join(tasks)}), but of "
            f"{', '.join(unknown) or 'nothing'}"
        )
    if "critic_params" in study.axes and any(run.critic_params is None for run in kept):
        raise AnalysisError("held-out runs: the table does not record critic_params")
    cells = {
        env: [measure_once(run, tasks[env].levels) for run in kept if run.env == env]
        for env in dict.fromkeys(run.env for run in kept)
    }
    seen = {(c.run.env, c.place(study.axes)) for task in study.tasks for c in task.chosen}
    both = sum((c.run.env, c.place(study.axes)) in seen for own in cells.values() for c in own)
    if both:
        notes.append(f"{both} held-out runs are at a utd and model size that was fitted")
    checks, censored = [], 0
    pooled = _pooled(study)
    shared = _solve_shared(study, pooled, pooled.data) if len(tasks) > 1 else None
    for env, own in cells.items():
        task, place = tasks[env], list(tasks).index(env)
        measured = np.stack([cell.data for cell in own], axis=1)  # (J, n)
        censored += int(np.isinf(measured).sum())
        at: dict[str, Any] = {
            str(axis): np.array([c.place(study.axes)[k] for c in own])
            for k, axis in enumerate(study.axes)
        }
        predicted = {name: _solve(study, task, name, task.data.T)(**at) for name in laws.FORMS}
        if shared is not None:  # fields (J, tasks, 1)
            predicted[SHARED] = shared(**at)[: len(task.levels), place]
        several = None
        if task.laws.level_law is not None:
            several = _predicted(task.laws.level_law, task, own)
        checks += _pairs(task, at, measured, predicted, several, [c.run.batch_size for c in own])
    if not checks:
        raise AnalysisError("held-out runs: none reaches any level")
    return Evaluation("held-out runs", tuple(checks), tuple(notes), censored, paired=True)


def each_place(study: Study) -> Evaluation:
    """Predict each fitted place from the other ones of its task."""
    checks, censored = [], 0
    pooled, together = _pooled(study), None
    if len(study.tasks) > 1:
        law = _solve_shared(study, pooled, _without_each(pooled.data))  # fields (J, n, tasks, 1)
        each = np.arange(len(pooled.task))
        together = law(**pooled.places)[:, each, pooled.task, each]  # (J, n)
    for place, task in enumerate(study.tasks):
        data = task.data.T  # (J, n)
        censored += int(np.isinf(data).sum())
        without = _without_each(data)
        predicted = {
            name: np.diagonal(_solve(study, task, name, without)(**task.places), axis1=1, axis2=2)
            for name in laws.FORMS
        }
        if together is not None:
            predicted[SHARED] = together[: len(data), pooled.task == place]
        several = _each_level_law(study, task)
        sizes = [cell.run.batch_size for cell in task.chosen]
        checks += _pairs(task, task.places, data, predicted, several, sizes)
    return Evaluation("leave one out", tuple(checks), (), censored, paired=True)


def _without_each(data: Floats) -> Floats:
    """Return (J, n, n) from (J, n): row i lacks point i."""
    return np.where(np.eye(data.shape[1], dtype=bool), np.nan, data[:, None, :])


def all_but_some(study: Study, hold_out: HoldOut, share: float) -> Evaluation:
    """Predict each task's held-out runs from the others, by every form of the data law."""
    checks, censored, notes = [], 0, []
    for task in study.tasks:
        held = _held(task, hold_out, share)
        kept = int((~held).sum())
        if kept < 3:
            notes.append(f"{task.env}: {kept} runs are left to fit; three are needed")
            continue
        notes.append(f"{task.env}: {kept} of {held.size} runs fitted")
        data = task.data.T  # (J, n)
        censored += int(np.isinf(data[:, held]).sum())
        at = {axis: values[held] for axis, values in task.places.items()}
        out = [cell for cell, left in zip(task.chosen, held, strict=True) if left]
        known = np.where(held, np.nan, data)
        predicted = {name: _solve(study, task, name, known)(**at) for name in laws.FORMS}
        several = None
        if task.laws.level_law is not None:
            try:
                law = laws.fit_level_law(task.laws.level_law.measured.without(held))
                several = _predicted(law, task, out)
            except ValueError as error:
                notes.append(f"{task.env}: {error}")
        sizes = [cell.run.batch_size for cell in out]
        checks += _pairs(task, at, data[:, held], predicted, several, sizes)
    if not checks:
        raise AnalysisError(f"--hold-out {hold_out}: nothing to compare ({'; '.join(notes)})")
    name = f"compute (fitted on {share:.0%} of it)" if hold_out == "compute" else hold_out
    return Evaluation(name, tuple(checks), tuple(notes), censored, paired=True)


def _held(task: TaskStudy, hold_out: HoldOut, share: float) -> NDArray[np.bool_]:
    """Return the runs of a task that are held out, (n,)."""
    if hold_out == "compute":
        spent = np.array([
            task.laws.flops_per_step(cell.run.batch_size, cell.utd, cell.params) * cell.run.steps[-1]
            for cell in task.chosen
        ])  # fmt: skip
        order = np.argsort(spent, kind="stable")
        held = np.ones(spent.size, bool)
        held[order[np.cumsum(spent[order]) <= share * spent.sum()]] = False
        return held
    axis = "critic_params" if hold_out.endswith("params") else "sigma"
    size = task.places[axis]
    if axis == "critic_params" and all(cell.run.critic_width for cell in task.chosen):
        size = np.array([cell.run.critic_width for cell in task.chosen], float)
    return size == (size.max() if hold_out.startswith("largest") else size.min())


type Predicted = tuple[Floats, Floats]
"""D and the standard deviation of log D, both (J, n)."""


def _predicted(law: laws.LevelLaw, task: TaskStudy, cells: Sequence[Cell]) -> Predicted:
    """Return what a law says of n runs, with their seeds and evaluations, at every level of the task."""
    rows = np.array([cell.place(law.axes) for cell in cells])
    levels = np.asarray(task.levels, float)[:, None]
    places: dict[str, Any] = {axis: rows[None, :, k] for k, axis in enumerate(law.axes)}
    found = law.predict(
        level=levels, seeds=np.array([[cell.distinct for cell in cells]]),
        spacing=np.array([[cell.usual_spacing for cell in cells]]), **places,
    )  # fmt: skip
    return found.value, found.log_sd


def _each_level_law(study: Study, task: TaskStudy) -> Predicted | None:
    """Return what the law of all levels says of each run from the others; None where it is not fitted."""
    law = task.laws.level_law
    if law is None:
        return None
    parts = []
    for run in range(len(task.chosen)):
        held = np.arange(len(task.chosen)) == run
        try:
            rest = laws.fit_level_law(law.measured.without(held))
            parts.append(_predicted(rest, task, task.chosen[run : run + 1]))
        except ValueError:
            blank = np.full((len(task.levels), 1), np.nan)
            parts.append((blank, blank))
    value, spread = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    return value, spread


def _pairs(
    task: TaskStudy,
    at: Mapping[str, Floats],
    measured: Floats,
    predicted: Mapping[str, Floats],
    several: Predicted | None,
    batch_sizes: Sequence[float],
) -> list[Check]:
    """Return checks from arrays (J, n); censored measurements have none."""
    names = sorted(predicted, key=lambda name: name == "nearest")
    params = at.get("critic_params", np.full(measured.shape[1], np.nan))
    price = [
        task.laws.flops_per_step(size, float(sigma), float(n)) + task.laws.delta
        for size, sigma, n in zip(batch_sizes, at["sigma"], params, strict=True)
    ]
    checks = []
    for j, i in np.argwhere(np.isfinite(measured)).tolist():
        ours, spread = {}, {}
        if several is not None:
            value, sd = float(several[0][j, i]), float(several[1][j, i])
            ours[LEVELS] = laws.Prediction(value, sd, sd, False, "run", 0.0).estimate()
            spread[LEVELS] = sd
        ours |= {name: Estimate(float(predicted[name][j, i])) for name in names}
        checks.append(
            Check(
                task.env, "data", {axis: float(values[i]) for axis, values in at.items()},
                task.levels[j], j == len(task.levels) - 1, Estimate(float(measured[j, i])), ours,
                spread, price[i],
            )
        )  # fmt: skip
    return checks


def _solve(study: Study, task: TaskStudy, form: str, data: Floats) -> laws.Law:
    """Return the law of every row of ``data`` (…, n)."""
    loss = study.settings.loss if study.settings.loss in laws.FORMS[form].losses else "log"
    return laws.solve_data_laws(data, form=form, loss=loss, **task.places)[0]


@dataclass(frozen=True)
class _Pooled:
    """The points of all tasks in a row: places and task (n,), data (J, n).

    Tasks share the rank of a level, not its value; NaN where a task has fewer levels.
    """

    places: Mapping[str, Any]
    task: NDArray[np.int64]
    data: Floats


def _pooled(study: Study) -> _Pooled:
    count = max(len(task.levels) for task in study.tasks)
    rows = [
        np.pad(task.data.T, ((0, count - len(task.levels)), (0, 0)), constant_values=np.nan)
        for task in study.tasks
    ]
    return _Pooled(
        {axis: np.concatenate([task.places[axis] for task in study.tasks]) for axis in study.axes},
        np.repeat(np.arange(len(rows)), [row.shape[1] for row in rows]),
        np.concatenate(rows, axis=1),
    )


def _solve_shared(study: Study, pooled: _Pooled, data: Floats) -> laws.Law:
    """Return the additive law whose exponents all tasks share, for every row of ``data`` (…, n)."""
    return laws.solve_data_laws(
        data, loss=study.settings.loss, tasks=[study.tasks[i].env for i in pooled.task],
        **pooled.places,
    )[0]  # fmt: skip
