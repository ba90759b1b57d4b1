"""One analysis, in the order of the papers: curves → D_J → B*, η* → D_J(σ) → C_J(σ), σ*(F).

One bootstrap over seeds drives all of it: index k of every ``samples`` is the same resample.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import vs_laws as laws
from numpy.typing import NDArray

from vs_analyze.book import LevelLaw, Sampled, TaskLaws
from vs_analyze.choose import fitted_cells, nearest_cells
from vs_analyze.measure import Cell, Grid, grids, measure, with_levels
from vs_analyze.runs import AnalysisError, Run, one_run_per_place
from vs_analyze.settings import Settings, TaskFacts, task_facts

type Floats = NDArray[np.float64]

DEFAULT_DELTA = 1e10
"""δ in FLOPs per env step where the benchmark has no published value: paper 1's value on DMC."""


@dataclass(frozen=True)
class HyperparameterLaw:
    """B*(σ) or η*(σ): one exponent, one coefficient per task.

    Attributes:
        env: task of each point, n of them.
        sigma: σ of each point, shape (n,).
        optima: B̃ or η̃ at each point, with samples.
        baseline: by env, the best value at one middle σ, kept at every σ.
    """

    name: Literal["batch_size", "learning_rate"]
    fit: laws.Fit
    env: tuple[str, ...]
    sigma: Floats
    optima: tuple[laws.Optimum, ...]
    baseline: dict[str, float]

    def task(self, env: str) -> Sampled[laws.PowerLaw]:
        """One task's law with its bootstrap."""
        return task_law(self.fit, env)


@dataclass(frozen=True)
class Study:
    """Everything an analysis found.

    Attributes:
        cells: the grid's configurations, measured.
        fitted: the runs at fitted hyperparameters, measured; empty when there are none.
        grids: the grid at the hyperparameter level, per (env, σ).
        chosen: by env, the cell that stands for each σ in the data laws, sorted by σ.
        data_fits: the data law by level and env; tasks that share a law share the fit.
        tasks: per-task laws, what ``laws.json`` holds.
        budgets: by env, the laws along the budget; empty where they could not be fitted.
        notes: what a reader must know about the data.
    """

    settings: Settings
    cells: tuple[Cell, ...]
    fitted: tuple[Cell, ...]
    grids: tuple[Grid, ...]
    batch_size: HyperparameterLaw
    learning_rate: HyperparameterLaw
    chosen: dict[str, list[Cell]]
    data_fits: dict[float, dict[str, laws.Fit]]
    tasks: tuple[TaskLaws, ...]
    budgets: dict[str, laws.BudgetLaws]
    notes: tuple[str, ...]


def analyze(grid: Sequence[Run], fitted: Sequence[Run], settings: Settings) -> Study:
    """Run the whole analysis.

    Args:
        grid: runs over σ × batch size × learning rate.
        fitted: runs at the fitted hyperparameters, one per (env, σ); empty to take the grid's cell
            nearest to the fitted hyperparameters.
        settings: of the analysis (levels, bootstrap, averaging, loss, δ).

    Raises:
        AnalysisError: the curves cannot carry an analysis (one σ, one seed, no run at the level…).
    """
    _check_one_study([*grid, *fitted])
    one_run_per_place(grid)
    one_run_per_place(fitted)
    settings = with_levels(settings, [*grid, *fitted])
    streams = np.random.default_rng(settings.seed).spawn(2)
    return fit_cells(
        measure(grid, settings, streams[0]), measure(fitted, settings, streams[1]), settings
    )


def fit_cells(cells: Sequence[Cell], fitted: Sequence[Cell], settings: Settings) -> Study:
    """`analyze` from its second step on, for configurations that are measured already."""
    tables = grids(cells, settings.hyperparameter_level_index)
    batch_size, learning_rate = hyperparameter_laws(tables, settings)
    if fitted:
        chosen = fitted_cells(fitted)
        strangers = sorted(set(chosen) - set(batch_size.fit.groups))
        if strangers:
            raise AnalysisError(f"fitted runs: {strangers[0]} is not among the grid's tasks")
    else:
        targets = {env: (batch_size.task(env).law, learning_rate.task(env).law)
                   for env in batch_size.fit.groups}  # fmt: skip
        chosen = nearest_cells(
            [cell for cell in cells if cell.run.env in targets],
            lambda env, utd: (float(targets[env][0](utd)), float(targets[env][1](utd))),
        )
    data_fits, skipped = data_laws(chosen, settings)
    tasks = tuple(
        _task_laws(env, chosen, data_fits, batch_size, learning_rate, settings) for env in chosen
    )
    budgets, budget_notes = budget_laws(tasks, settings)
    notes = [*curve_notes([cell.run for cell in (*cells, *fitted)]), *skipped, *budget_notes]
    return Study(
        settings, tuple(cells), tuple(fitted), tuple(tables), batch_size, learning_rate, chosen,
        data_fits, tasks, budgets, tuple(notes),
    )  # fmt: skip


def hyperparameter_laws(
    tables: Sequence[Grid], settings: Settings
) -> tuple[HyperparameterLaw, HyperparameterLaw]:
    """B*(σ) and η*(σ) from the grids at the hyperparameter level."""
    level = settings.levels[settings.hyperparameter_level_index]
    if not any(np.isfinite(table.data).any() for table in tables):
        raise AnalysisError(
            f"no run reaches level {level:g} (normalised return; 1000 = optimal): "
            "choose lower --levels or run longer"
        )
    if len({table.utd for table in tables}) < 2:
        raise AnalysisError(
            f"all runs have utd {tables[0].utd:g}; a law over utd needs at least two values"
        )
    optima = [
        laws.grid_optimum(
            table.samples,
            learning_rates=table.learning_rates,
            batch_sizes=table.batch_sizes,
            mean=settings.mean,
            unreached=settings.unreached,
        )
        for table in tables
    ]
    found_at = [
        t.env for t, o in zip(tables, optima, strict=True) if np.isfinite(o.batch_size.value)
    ]
    known = {env for env in found_at if found_at.count(env) >= 2}
    if not known:
        raise AnalysisError(
            f"no task reaches level {level:g} at two values of utd: choose lower --levels"
        )
    kept = [(t, o) for t, o in zip(tables, optima, strict=True) if t.env in known]
    env = tuple(table.env for table, _ in kept)
    sigma = np.array([table.utd for table, _ in kept])
    baselines = {name: _baseline([t for t, _ in kept if t.env == name], settings) for name in known}
    found = []
    for name in ("batch_size", "learning_rate"):
        points = tuple(getattr(optimum, name) for _, optimum in kept)
        fit = laws.fit_hyperparameter_law(sigma, points, tasks=env)
        baseline = {task: getattr(best, name) for task, best in baselines.items()}
        found.append(HyperparameterLaw(name, fit, env, sigma, points, baseline))
    return found[0], found[1]


def _baseline(tables: Sequence[Grid], settings: Settings) -> laws.Configuration:
    """The papers' baseline: the best configuration at the middle σ of those that reach the level."""
    reached = [table for table in tables if np.isfinite(table.samples).any()]
    middle = laws.middle_level([table.utd for table in reached])
    table = next(table for table in reached if table.utd == middle)
    return laws.best_configuration(
        table.samples,
        learning_rates=table.learning_rates,
        batch_sizes=table.batch_sizes,
        mean=settings.mean,
    )


def data_laws(
    chosen: dict[str, list[Cell]], settings: Settings
) -> tuple[dict[float, dict[str, laws.Fit]], list[str]]:
    """D_J(σ) at every level, by level and env, and notes on what could not be fitted.

    Tasks that reach the level at every σ share one shape; a task that does not is fitted alone, over
    the σ at which it does.
    """
    sigma, data, samples = _data_arrays(chosen, settings)
    scales = None
    if settings.median_over == "utd and levels":
        scales = laws.task_scales(data.reshape(len(chosen), -1))
    fits: dict[float, dict[str, laws.Fit]] = {}
    notes: list[str] = []
    envs = list(chosen)
    for index, level in enumerate(settings.levels):
        here, draws = data[..., index], samples[..., index]
        whole = [i for i in range(len(envs)) if np.isfinite(here[i]).all()]
        groups = [whole, *([i] for i in range(len(envs)) if i not in whole)]
        fits[level] = {}
        for group in filter(None, groups):
            names = tuple(envs[i] for i in group)
            known = np.isfinite(here[group]).all(axis=0)
            if not known.all():
                lost = ", ".join(f"{s:g}" for s in sigma[~known])
                notes.append(f"level {level:g}: {names[0]} does not reach it at utd {lost}")
            try:
                fit = laws.fit_data_law_tasks(
                    sigma[known],
                    here[group][:, known],
                    tasks=names,
                    loss=settings.loss,
                    samples=draws[:, group][:, :, known],
                    scales=None if scales is None else scales[group],
                )
            except ValueError as error:
                notes.append(f"level {level:g}, {', '.join(names)}: no data law ({error})")
                continue
            fits[level].update(dict.fromkeys(names, fit))
    if not any(fits.values()):
        raise AnalysisError(f"no level has a data law: {notes[-1]}")
    return fits, notes


def _data_arrays(
    chosen: dict[str, list[Cell]], settings: Settings
) -> tuple[Floats, Floats, Floats]:
    """σ (n,), D (tasks, n, J) and its samples (K, tasks, n, J); NaN where a task has no such σ."""
    sigma = np.unique([cell.utd for cells in chosen.values() for cell in cells])
    shape = (len(chosen), len(sigma), len(settings.levels))
    data = np.full(shape, np.nan)
    samples = np.full((settings.bootstraps, *shape), np.nan)
    for i, cells in enumerate(chosen.values()):
        for cell in cells:
            j = int(np.searchsorted(sigma, cell.utd))
            data[i, j] = cell.data
            samples[:, i, j] = cell.samples
    return sigma, data, samples


def _task_laws(
    env: str,
    chosen: dict[str, list[Cell]],
    fits: dict[float, dict[str, laws.Fit]],
    batch_size: HyperparameterLaw,
    learning_rate: HyperparameterLaw,
    settings: Settings,
) -> TaskLaws:
    run = chosen[env][0].run
    facts = task_facts(run.benchmark, env) or TaskFacts(float("nan"), None, None)
    params = settings.critic_params.get(env) or run.critic_params or facts.critic_params
    if params is None:
        raise AnalysisError(
            f"{env}: the table does not record critic_params; give it with --critic-params {env} N"
        )
    delta = settings.delta or facts.delta or DEFAULT_DELTA
    scale = settings.optimal_returns.get(env, facts.optimal_return)
    levels = tuple(
        LevelLaw(float(level), task_law(by_env[env], env))
        for level, by_env in fits.items()
        if env in by_env
    )
    return TaskLaws(
        algo=run.algo,
        benchmark=run.benchmark,
        env=env,
        optimal_return=scale,
        critic_params=params,
        delta=delta,
        sigma_low=min(cell.utd for cell in chosen[env]),
        sigma_high=max(cell.utd for cell in chosen[env]),
        batch_size=batch_size.task(env),
        learning_rate=learning_rate.task(env),
        levels=levels,
    )


def budget_laws(
    tasks: Sequence[TaskLaws], settings: Settings
) -> tuple[dict[str, laws.BudgetLaws], list[str]]:
    """σ*(F), D*(F), C*(F) of every task, over its levels, with the largest budgets held out."""
    found, notes = {}, []
    for task in tasks:
        if not task.levels:
            continue
        law, samples = compute_laws(task)
        try:
            found[task.env] = laws.fit_budget_laws(
                [entry.level for entry in task.levels],
                law,
                task.delta,
                hold_out=settings.hold_out_budgets,
                samples=samples,
                sigma_range=(task.sigma_low, task.sigma_high),
            )
        except ValueError as error:
            notes.append(f"{task.env}: no law along the budget ({error})")
    return found, notes


def compute_laws(task: TaskLaws) -> tuple[laws.ComputeLaw, laws.ComputeLaw]:
    """C_J of all levels of a task, fields (J,), and its bootstrap, fields (K, J) and (K, 1)."""
    names = [entry.name for entry in fields(laws.DataLaw)]
    stack = [entry.data for entry in task.levels]
    data = {name: np.array([getattr(s.law, name) for s in stack]) for name in names}
    draws = {name: np.hstack([getattr(s.samples, name) for s in stack]) for name in names}
    batch = task.batch_size
    return (
        laws.ComputeLaw(laws.DataLaw(**data), batch.law, task.critic_params),
        laws.ComputeLaw(laws.DataLaw(**draws), batch.samples, task.critic_params),
    )


def _check_one_study(runs: Sequence[Run]) -> None:
    if not runs:
        raise AnalysisError("the table has no runs")
    kinds = sorted({(run.algo, run.benchmark) for run in runs})
    if len(kinds) > 1:
        raise AnalysisError(
            "the laws have one exponent per benchmark and algorithm, but the tables hold "
            + " and ".join(f"{algo} on {benchmark}" for algo, benchmark in kinds)
            + "; analyse them one at a time"
        )
    for env in sorted({run.env for run in runs}):
        sizes = {str(run.critic_params) for run in runs if run.env == env}
        if len(sizes) > 1:
            raise AnalysisError(
                f"{env}: runs have several critic_params ({', '.join(sorted(sizes))}), and a study over "
                "utd alone needs one model size: filter the table, or, with three sizes and more, "
                "study both axes (--axes utd params)"
            )
    lonely = [run for run in runs if run.returns.shape[1] < 2]
    if len(lonely) == len(runs):
        raise AnalysisError(
            "every run has one seed; intervals need at least two distinct seeds per configuration"
        )


def curve_notes(runs: Sequence[Run]) -> list[str]:
    """What is special about the seeds of these runs."""
    notes = []
    copies = sum(run.duplicates for run in runs)
    if copies:
        files = sum(run.duplicates > 0 for run in runs)
        notes.append(
            f"{copies} seed columns in {files} of {len(runs)} runs are exact copies of another seed"
        )
    lonely = [run.label for run in runs if run.returns.shape[1] < 2]
    if lonely:
        notes.append(
            f"{len(lonely)} runs have one distinct seed, so their bootstrap has no spread: "
            + "; ".join(lonely[:3])
        )
    return notes


def task_law(fit: laws.Fit, env: str) -> Sampled:
    """One group's law of a fit, with its bootstrap."""
    i = fit.groups.index(env)
    form = type(fit.law)
    names = [entry.name for entry in fields(fit.law)]
    law = {name: np.asarray(getattr(fit.law, name), float) for name in names}  # (G, 1)
    samples = {name: np.asarray(getattr(fit.samples, name), float) for name in names}  # (K, G, 1)
    return Sampled(
        form(**{name: float(field[min(i, len(field) - 1), 0]) for name, field in law.items()}),
        form(**{name: field[:, min(i, field.shape[1] - 1)] for name, field in samples.items()}),
        str(fit.verdict),
        fit.reason,
    )
