"""Hold data out, fit on the rest, predict what was held out, compare with what was measured.

Hold-outs: the ``largest`` or ``smallest`` utd or model size, the largest ``budgets``, every place in
turn (``each``), all but the cheapest runs that make up a share of the compute (``compute``), or given
tables of runs. Predictors stand in one table by name. Over utd they are the law,
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
from vs_analyze.measure import Cell, measure_once, nearest_cells, only_cells
from vs_analyze.runs import AnalysisError, Run
from vs_analyze.study import ONE, Study, TaskStudy

type Floats = NDArray[np.float64]
type HoldOut = Literal[
    "largest", "smallest", "largest-params", "smallest-params", "budgets", "each", "compute"
]

LEVELS = "levels at once"
"""Name of the law that is fitted to all levels at once."""

SHARED = "additive, shared exponents"


def evaluate(
    study: Study,
    *,
    hold_out: HoldOut | None = None,
    share: float = 0.1,
    baseline: Sequence[Run] = (),
) -> Evaluation:
    """Hold data out, fit on the rest, and predict what was held out.

    Levels that were chosen from the curves (none given) were chosen with the held-out in sight.

    Args:
        study: the analysis of all data; its measured curves are fitted again without the held-out.
        hold_out: what the fits do not see; by default the largest utd, over two axes each place.
        share: of the compute of a task's runs that ``compute`` fits on, the cheapest first.
        baseline: over utd, runs at constant hyperparameters; by default the grid's cells there.

    Raises:
        AnalysisError: too little is left to fit, or the hold-out has no meaning over these axes.
    """
    chosen = hold_out or ("largest" if study.axes == ONE else "each")
    if chosen == "budgets":
        return _budgets(study)
    if chosen == "each":
        return _each(study)
    if study.axes != ONE or chosen == "compute":
        return _without(study, chosen, share)
    if chosen not in ("largest", "smallest"):
        raise AnalysisError(f"--hold-out {chosen} is for a study over utd and model size")
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
        several = None
        if task.laws.level_law is not None:
            several = _predicted(task.laws.level_law, task, own)
        checks += _pairs(task, at, measured, predicted, several, [c.run.batch_size for c in own])
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
        several = _each_level_law(study, task)
        sizes = [cell.run.batch_size for cell in task.chosen]
        checks += _pairs(task, task.places, data, predicted, several, sizes)
    return Evaluation("leave one out", tuple(checks), (), censored, paired=True)


def _without_each(data: Floats) -> Floats:
    """Return (J, n, n) from (J, n): row i lacks point i."""
    return np.where(np.eye(data.shape[1], dtype=bool), np.nan, data[:, None, :])


def _without(study: Study, hold_out: HoldOut, share: float) -> Evaluation:
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
            _per_step(task, cell.run.batch_size, cell.utd, cell.params) * cell.run.steps[-1]
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
        _per_step(task, size, float(sigma), float(n)) + task.laws.delta
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
        task, place, seeds = tasks[env], {"sigma": held}, cell.run.returns.shape[1]
        for index, level in enumerate(task.levels):
            if level not in task.laws.levels or not np.isfinite(cell.data[index]):
                continue
            values = _baselines(task.places["sigma"], task.data[:, index], held)
            if env in constant and np.isfinite(constant[env][index]):
                values["constant"] = float(constant[env][index])
            data = {"law": task.laws.steps(level, place, seeds=seeds)}
            data |= {name: Estimate(value) for name, value in values.items()}
            top, measured = level == task.levels[-1], cell.at(index)
            flops = measured.times(_per_step(task, cell.run.batch_size, held))
            compute = _compute(task, level, values, held, seeds)
            for name, value, found in (("data", measured, data), ("compute", flops, compute)):
                sd = {"law": _log_sd(task, found["law"])}
                checks.append(Check(env, name, place, level, top, value, found, sd))
    return checks


def _per_step(
    task: TaskStudy, batch_size: float, utd: float, params: float = float("nan")
) -> float:
    """Return FLOPs per env step of a run; N where it is no axis is the task's."""
    exact = task.laws.critic_params
    return float(
        laws.flops_per_step(
            sigma=utd, critic_params=params if exact is None else float(exact),
            batch_size=batch_size, actor_params=task.laws.actor_params,
            passive_params=task.laws.passive_params, action_repeat=task.laws.action_repeat,
        )
    )  # fmt: skip


def _log_sd(task: TaskStudy, law: Estimate) -> float:
    """Return the standard deviation of the logarithm behind an estimate of `TaskLaws.steps`."""
    if task.laws.level_law is not None:
        return float(law.std_error / law.value)
    return float(laws.scoring.log_sd(law.low, law.high))


def _compute(
    task: TaskStudy, level: float, data: Mapping[str, float], held: float, seeds: int
) -> dict[str, Estimate]:
    """Return FLOPs to the level by predictor, each with its own batch size."""
    law = task.laws.spend(level, {"sigma": held}, seeds=seeds)
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
