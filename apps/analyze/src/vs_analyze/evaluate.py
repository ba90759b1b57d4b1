"""Hold data out, fit on the rest, predict what was held out, compare with what was measured.

Hold-outs: the ``largest`` or ``smallest`` utd, the largest ``budgets``, every place in turn
(``each``), or given tables of runs. Predictors stand in one table by name. Over utd they are the law,
the value of the nearest run, a power law without an offset (for B and η one slope per task), and
constant hyperparameters: B and η of the middle σ, for D_J and C_J the data law of runs that keep them.
Where places are left out, they are all registered forms of the data law.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import vs_laws as laws
from numpy.typing import NDArray
from vs_laws import Estimate

from vs_analyze.analysis import fit_cells
from vs_analyze.checks import Check, Evaluation
from vs_analyze.hyperparameters import Hyperparameter, optimum
from vs_analyze.measure import measure_once, nearest_cells, only_cells
from vs_analyze.runs import AnalysisError, Run
from vs_analyze.study import ONE, Study, TaskStudy

type Floats = NDArray[np.float64]
type HoldOut = Literal["largest", "smallest", "budgets", "each"]

SHARED = "additive, shared exponents"


def evaluate(
    study: Study, *, hold_out: HoldOut | None = None, baseline: Sequence[Run] = ()
) -> Evaluation:
    """Hold out the largest or smallest utd, the largest budgets, or each place in turn.

    Levels that were chosen from the curves (none given) were chosen with the held-out in sight.

    Args:
        study: the analysis of all data; its measured curves are fitted again without the held-out.
        hold_out: what the fits do not see; by default the largest utd, over two axes each place.
        baseline: over utd, runs at constant hyperparameters; by default the grid's cells there.

    Raises:
        AnalysisError: too little is left to fit, or the hold-out has no meaning over these axes.
    """
    chosen = hold_out or ("largest" if study.axes == ONE else "each")
    if chosen == "budgets":
        return _budgets(study)
    if chosen == "each":
        return _each(study)
    if study.axes != ONE:
        raise AnalysisError(
            f"--hold-out {chosen} is for a study over utd alone; use each or budgets"
        )
    values = sorted({cell.utd for cell in (study.fitted or study.cells)})
    if len(values) < 4:
        raise AnalysisError(f"{len(values)} values of utd; holding one out needs at least four")
    held = values[-1] if chosen == "largest" else values[0]
    rest = fit_cells(
        [cell for cell in study.cells if cell.utd != held],
        [cell for cell in study.fitted if cell.utd != held],
        {task.env: task.levels for task in study.tasks},
        study.settings,
        study.axes,
    )
    checks = [*_hyperparameters(rest, study, held), *_data(rest, study, baseline, held)]
    if not checks:
        raise AnalysisError(f"no task reaches a level at the held-out utd {held:g}")
    return Evaluation(f"utd {held:g} ({chosen})", tuple(checks), rest.notes)


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
        checks += _pairs(task, at, measured, predicted)
    if not checks:
        raise AnalysisError("held-out runs: none reaches any level")
    return Evaluation("held-out runs", tuple(checks), tuple(notes), censored, paired=True)


def _each(study: Study) -> Evaluation:
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
        checks += _pairs(task, task.places, data, predicted)
    return Evaluation("leave one out", tuple(checks), (), censored, paired=True)


def _without_each(data: Floats) -> Floats:
    """Return (J, n, n) from (J, n): row i lacks point i."""
    return np.where(np.eye(data.shape[1], dtype=bool), np.nan, data[:, None, :])


def _pairs(
    task: TaskStudy, at: Mapping[str, Floats], measured: Floats, predicted: Mapping[str, Floats]
) -> list[Check]:
    """Return checks from arrays (J, n); censored measurements have none."""
    names = sorted(predicted, key=lambda name: name == "nearest")
    return [
        Check(
            task.env, "data", {axis: float(values[i]) for axis, values in at.items()},
            task.levels[j], j == len(task.levels) - 1, Estimate(float(measured[j, i])),
            {name: Estimate(float(predicted[name][j, i])) for name in names},
        )
        for j, i in np.argwhere(np.isfinite(measured)).tolist()
    ]  # fmt: skip


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


type Predictors = Mapping[str, Callable[[Floats, Floats, float], float]]
"""By name, the value at σ from values (n,) at σ (n,)."""

BASELINES: Predictors = {
    "nearest run": lambda sigma, value, at: float(
        value[laws.grid.nearest({"x": sigma}, {"x": at})]
    ),
    "power law": lambda sigma, value, at: _power_law_at(sigma, value, at),
}


def _power_law_at(sigma: Floats, value: Floats, at: float) -> float:
    if np.unique(sigma).size < 2:
        return float("nan")
    return float(laws.fit_power_law(value, sigma=sigma).predict(sigma=at).value)


def _baselines(sigma: Floats, value: Floats, at: float) -> dict[str, float]:
    """Return what the baselines say at σ from the values that are known."""
    known = np.isfinite(value)
    return {name: rule(sigma[known], value[known], at) for name, rule in BASELINES.items()}


def _hyperparameters(rest: Study, study: Study, held: float) -> list[Check]:
    """Compare B* and η* at the held-out σ with the grid's own B̃ and η̃ there."""
    fitted = {task.env: task for task in rest.tasks}
    checks = []
    for table in study.grids:
        if table.utd != held or table.env not in fitted:
            continue
        best = optimum(table, study.settings)
        task = fitted[table.env]
        level = study.settings.hyperparameter_level or task.levels[-1]
        for law in (task.batch_size, task.learning_rate):
            if law is None:
                continue
            found: laws.grid.Optimum = getattr(best, law.name)
            if not np.isfinite(found.value) or found.grid.size < 2:
                continue
            predicted = {"law": law.fit.predict(sigma=held)}
            several = _baselines(law.places[:, 0], law.values, held)
            predicted |= {name: Estimate(value) for name, value in several.items()}
            predicted["constant"] = Estimate(law.baseline)
            checks.append(
                Check(table.env, law.name, {"sigma": held}, level, level == task.levels[-1],
                      found.estimate, predicted)
            )  # fmt: skip
    return checks


def _data(rest: Study, study: Study, baseline: Sequence[Run], held: float) -> list[Check]:
    """Compare D_J and C_J at the held-out σ, at every level that was reached there."""
    tasks = {task.env: task for task in rest.tasks}
    source = study.fitted or study.cells
    cells = [cell for cell in source if cell.utd == held and cell.run.env in tasks]
    if study.fitted:
        truth = only_cells(cells, ONE)
    else:
        targets = {
            env: tuple(
                float(law.fit.law(sigma=held)) if law else np.nan
                for law in (task.batch_size, task.learning_rate)
            )
            for env, task in tasks.items()
        }
        truth = nearest_cells(cells, ONE, lambda env, _: (targets[env][0], targets[env][1]))
    constant = _constant_data(rest, baseline, held)
    checks = []
    for env, (cell,) in truth.items():
        task = tasks[env]
        for index, level in enumerate(task.levels):
            if level not in task.laws.levels or not np.isfinite(cell.data[index]):
                continue
            values = _baselines(task.places["sigma"], task.data[:, index], held)
            if env in constant and np.isfinite(constant[env][index]):
                values["constant"] = float(constant[env][index])
            data = {"law": task.laws.level(level).predict(sigma=held)}
            data |= {name: Estimate(value) for name, value in values.items()}
            top = level == task.levels[-1]
            measured, place = cell.at(index), {"sigma": held}
            checks.append(Check(env, "data", place, level, top, measured, data))
            flops = measured.times(_per_step(task, cell.run.batch_size, held))
            checks.append(
                Check(env, "compute", place, level, top, flops, _compute(task, level, values, held))
            )
    return checks


def _per_step(task: TaskStudy, batch_size: float, utd: float) -> float:
    return float(
        laws.flops_per_step(
            sigma=utd, critic_params=float(task.laws.critic_params or np.nan), batch_size=batch_size,
            actor_params=task.laws.actor_params, passive_params=task.laws.passive_params,
            action_repeat=task.laws.action_repeat,
        )
    )  # fmt: skip


def _compute(
    task: TaskStudy, level: float, data: Mapping[str, float], held: float
) -> dict[str, Estimate]:
    """Return FLOPs to the level by predictor, each with its own batch size."""
    cost = task.laws.cost([level])
    value = float(np.squeeze(cost(sigma=held)))
    drawn = cost.draws
    law = Estimate(value) if drawn is None else Estimate.from_draws(value, drawn(sigma=held))
    batch: Hyperparameter = task.batch_size
    sizes = {**_baselines(batch.places[:, 0], batch.values, held), "constant": batch.baseline}
    return {"law": law} | {
        name: Estimate(steps * _per_step(task, sizes[name], held)) for name, steps in data.items()
    }


def _constant_data(rest: Study, baseline: Sequence[Run], held: float) -> dict[str, Floats]:
    """Return D at the held-out σ by env, shape (J,), from the runs that keep the middle σ's B and η.

    NaN at levels that they reach at fewer than three σ.
    """
    found = {}
    for task in rest.tasks:
        rate = task.learning_rate
        best = (task.batch_size.baseline, np.nan if rate is None else rate.baseline)
        own = [
            run
            for run in (baseline or [cell.run for cell in task.cells])
            if run.utd != held
            and run.env == task.env
            and (baseline or (run.batch_size, run.learning_rate) == best)
        ]
        sigma = np.array([run.utd for run in own])
        if np.unique(sigma).size < 3:
            continue
        data = np.stack([measure_once(run, task.levels).data for run in own], axis=1)
        law, _ = laws.solve_data_laws(data, loss=rest.settings.loss, sigma=sigma)
        found[task.env] = law(sigma=held)[:, 0]
    return found


def _budgets(study: Study) -> Evaluation:
    """Compare the optimum at the largest budgets with the laws fitted on the smaller ones."""
    checks = []
    for task in study.tasks:
        budget = task.budget
        if budget is None:
            continue
        used, spent = ~budget.held_out, budget.optimum.budget
        for name, check in budget.checks.items():
            if name not in budget.fits:
                continue
            y, draws = budget.optimum[name], budget.optimum.draws
            for k, column in enumerate(np.flatnonzero(budget.held_out)):
                actual, level = float(check.actual[k]), float(budget.levels[column])
                ends = (check.predicted.value, check.predicted.low, check.predicted.high)
                near = laws.grid.nearest({"x": spent[used]}, {"x": spent[column]})
                checks.append(
                    Check(
                        task.env, {"sigma": "utd"}.get(name, name), {}, level,
                        column == len(spent) - 1,
                        Estimate(actual) if draws is None
                        else Estimate.from_draws(actual, draws[name][:, column]),
                        {
                            "law": Estimate(float(ends[0][k]), float(ends[1][k]), float(ends[2][k])),
                            "nearest run": Estimate(float(y[used][near])),
                        },
                    )
                )  # fmt: skip
    if not checks:
        raise AnalysisError("no task has a law along the budget: " + "; ".join(study.notes))
    held = study.settings.hold_out_budgets
    return Evaluation(f"the {held} largest budgets of each task", tuple(checks), study.notes)
