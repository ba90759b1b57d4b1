"""One analysis over named axes: curves → D_J → B*, η* → data laws → compute, budget.

The axes are σ (D_J(σ), arXiv:2502.04327 eq. 4.1), or σ and N (D_J(σ, N), arXiv:2508.14881). One
bootstrap over seeds drives all of it: index k of every ``draws`` is the same resample.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import vs_laws as laws

from vs_analyze.data_laws import data_laws
from vs_analyze.hyperparameters import Hyperparameters, over_both, over_utd
from vs_analyze.laws_file import TaskLaws
from vs_analyze.levels import Levels, study_levels
from vs_analyze.measure import Cell, crossing_notes, measure, nearest_cells, only_cells
from vs_analyze.runs import AnalysisError, Run, check_runs, curve_notes, one_run_per_place
from vs_analyze.settings import DEFAULT_DELTA, Settings, TaskFacts, task_facts
from vs_analyze.study import BOTH, ONE, Axis, DataFit, Study, TaskStudy


def infer_axes(runs: Sequence[Run]) -> tuple[Axis, ...]:
    """Return both axes where some task was run at three model sizes or more, else σ alone."""
    sizes: dict[str, set[int | None]] = {}
    for run in runs:
        sizes.setdefault(run.env, set()).add(run.critic_params)
    return BOTH if any(len(found) > 2 for found in sizes.values()) else ONE


def analyze(
    runs: Sequence[Run],
    settings: Settings,
    *,
    fitted: Sequence[Run] = (),
    axes: tuple[Axis, ...] | None = None,
) -> Study:
    """Run the whole analysis.

    Args:
        runs: over the axes × batch size × learning rate.
        settings: of the analysis (levels, bootstrap, averaging, loss, δ).
        fitted: over utd alone, runs at the fitted hyperparameters, one per (env, σ); empty to take the
            configuration nearest to the fitted hyperparameters.
        axes: ``("sigma",)`` or ``("sigma", "critic_params")``; by default `infer_axes`.

    Raises:
        AnalysisError: the curves cannot carry an analysis (one σ, one seed, no run at the level…).
    """
    axes = axes or infer_axes(runs)
    if fitted and axes != ONE:
        raise AnalysisError("--fitted is for a study over utd alone; give all runs as the table")
    check_runs([*runs, *fitted], axes)
    one_run_per_place(runs)
    one_run_per_place(fitted)
    levels = study_levels([*runs, *fitted], settings, axes)
    if axes == ONE:
        settings = replace(settings, levels=next(iter(levels.values())))
    rng = np.random.default_rng(settings.seed)
    count = settings.bootstraps
    if axes == ONE:
        streams = rng.spawn(2)
        cells = measure(runs, levels, bootstraps=count, rng=streams[0])
        known = measure(fitted, levels, bootstraps=count, rng=streams[1])
    else:
        envs = list(levels)
        cells, known = [], []
        for env, stream in zip(envs, rng.spawn(len(envs)), strict=True):
            own = [run for run in runs if run.env == env]
            cells += measure(own, levels, bootstraps=count, rng=stream)
    return fit_cells(cells, known, levels, settings, axes)


def fit_cells(
    cells: Sequence[Cell],
    fitted: Sequence[Cell],
    levels: Mapping[str, Levels],
    settings: Settings,
    axes: tuple[Axis, ...],
) -> Study:
    """Do `analyze` from its second step on, for configurations that are measured already."""
    best = (over_utd if axes == ONE else over_both)(cells, levels, settings)
    if fitted:
        chosen = only_cells(fitted, axes)
        unknown = sorted(set(chosen) - set(best.tasks))
        if unknown:
            raise AnalysisError(f"fitted runs: {unknown[0]} is not among the grid's tasks")
    else:
        kept = [cell for cell in cells if cell.run.env in best.tasks]
        chosen = nearest_cells(kept, axes, best.target)
    measured = (*cells, *fitted)
    notes = [
        *curve_notes([c.run for c in measured]),
        *crossing_notes(measured, levels),
        *best.notes,
    ]
    data_fits, level_laws = data_laws(chosen, levels, settings, axes, notes)
    tasks = []
    for env, own in chosen.items():
        own_cells = tuple(cell for cell in cells if cell.run.env == env)
        found = _task(env, own, best, data_fits, settings, axes)
        found = replace(found, level_law=level_laws.get(env), surface=best.surface)
        task = TaskStudy(found, own_cells, tuple(own), levels[env], *best.tasks[env])
        tasks.append(_along_budget(task, settings, notes))
    return Study(
        settings, axes, tuple(tasks), tuple(fitted), best.grids, best.shared, tuple(data_fits),
        tuple(notes),
    )  # fmt: skip


def _task(
    env: str,
    chosen: Sequence[Cell],
    best: Hyperparameters,
    data_fits: Sequence[DataFit],
    settings: Settings,
    axes: tuple[Axis, ...],
) -> TaskLaws:
    """Return what predicts, with the facts of a task."""
    run = chosen[0].run
    facts = task_facts(run.benchmark, env) or TaskFacts(float("nan"), None, None)
    params = None
    if "critic_params" not in axes:
        params = settings.critic_params.get(env) or run.critic_params or facts.critic_params
        if params is None:
            raise AnalysisError(
                f"{env}: the table does not record critic_params; give it with --critic-params {env} N"
            )
    places = np.array([cell.place(axes) for cell in chosen])
    depth = Counter(cell.run.critic_depth for cell in chosen).most_common(1)[0][0]
    widths = {
        (cell.params, float(cell.run.critic_width))
        for cell in chosen
        if cell.run.critic_width and cell.run.critic_depth == depth
    }
    batch, rate = best.tasks[env]
    return TaskLaws(
        algo=run.algo,
        benchmark=run.benchmark,
        env=env,
        optimal_return=run.optimal_return,
        delta=settings.delta or facts.delta or DEFAULT_DELTA,
        critic_params=None if params is None else float(params),
        ranges={
            axis: (float(places[:, k].min()), float(places[:, k].max()))
            for k, axis in enumerate(axes)
        },
        batch_size=batch.fit,
        learning_rate=None if rate is None else rate.fit,
        learning_rates=tuple(sorted({cell.run.learning_rate for cell in chosen})),
        levels={
            entry.level: entry.fit.of(env) if entry.fit.tasks else entry.fit
            for entry in data_fits
            if env in entry.envs
        },
        depth=depth,
        widths=tuple(sorted(widths)) if "critic_params" in axes else (),
        actor_params=settings.actor_params,
        passive_params=settings.passive_params,
        action_repeat=run.action_repeat,
    )


def _along_budget(task: TaskStudy, settings: Settings, notes: list[str]) -> TaskStudy:
    """Return the task with its laws along the budget, and what one axis alone costs."""
    found = task.laws
    if not found.levels:
        return task
    cost = found.cost()
    try:
        budget = laws.fit_budget_laws(
            list(found.levels), cost, found.delta, hold_out=settings.hold_out_budgets
        )
    except ValueError as error:
        notes.append(f"{task.env}: no law along the budget ({error})")
        return task
    alone = {}
    for axis in found.axes if len(found.axes) > 1 else ():
        middle = {
            other: laws.grid.middle_level(values)
            for other, values in task.places.items()
            if other != axis
        }
        alone[axis] = laws.one_axis(cost, budget.optimum, found.delta, axis=axis, hold=middle)
    growth = budget.growth.sentence if len(found.axes) > 1 else ""
    return replace(task, laws=replace(found, growth=growth), budget=budget, alone=alone)
