"""Hold data out, fit on the rest, predict what was held out, compare with what was measured.

Hold-outs: the ``largest`` or ``smallest`` utd or model size, the largest ``budgets``, every place in
turn (``each``), all but the cheapest runs that make up a share of the compute (``compute``), or given
tables of runs. Predictors stand in one table by name. Over utd they are the law,
the value of the nearest run, a power law without an offset (for B and η one slope per task), and
constant hyperparameters: B and η of the middle σ, for D_J and C_J the data law of runs that keep them.
Where places are left out, they are all registered forms of the data law.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import vs_laws as laws
from numpy.typing import NDArray
from vs_laws import Estimate

from vs_analyze.analysis import fit_cells
from vs_analyze.checks import Check, Evaluation
from vs_analyze.hyperparameters import Hyperparameter, optimum
from vs_analyze.left_out import HoldOut, all_but_some, each_place
from vs_analyze.measure import measure_once, nearest_cells, only_cells
from vs_analyze.runs import AnalysisError, Run
from vs_analyze.study import ONE, Study, TaskStudy

type Floats = NDArray[np.float64]


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
        return each_place(study)
    if study.axes != ONE or chosen == "compute":
        return all_but_some(study, chosen, share)
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
            flops = measured.times(task.laws.flops_per_step(cell.run.batch_size, held))
            compute = _compute(task, level, values, held, seeds)
            for name, value, found in (("data", measured, data), ("compute", flops, compute)):
                sd = {"law": _log_sd(task, found["law"])}
                checks.append(Check(env, name, place, level, top, value, found, sd))
    return checks


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
        name: Estimate(steps * task.laws.flops_per_step(sizes[name], held))
        for name, steps in data.items()
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
