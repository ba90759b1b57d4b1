"""Data laws of a study: all levels of a task at once, or each level alone as the papers fit them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import vs_laws as laws

from vs_analyze.levels import Levels
from vs_analyze.measure import Cell
from vs_analyze.runs import AnalysisError
from vs_analyze.settings import Settings
from vs_analyze.study import BOTH, ONE, Axis, DataFit


def data_laws(
    chosen: Mapping[str, Sequence[Cell]],
    levels: Mapping[str, Levels],
    settings: Settings,
    axes: tuple[Axis, ...],
    notes: list[str],
) -> tuple[list[DataFit], dict[str, laws.LevelLaw]]:
    """Return the data laws at every level, and by env the law they are levels of.

    With ``settings.estimator == "each"`` every level is fitted alone, and there is no such law. What
    could not be fitted is added to the notes.

    Raises:
        AnalysisError: no level has a data law.
    """
    if settings.estimator == "each":
        return each_level(chosen, levels, settings, axes, notes), {}
    tasks = {}
    for env, cells in chosen.items():
        try:
            measured = cells_measured(cells, levels[env], axes)
            laws.fit_level_law(measured)
            tasks[env] = measured
        except ValueError as error:
            notes.append(f"{env}: no data law ({error})")
    if not tasks:
        raise AnalysisError(f"no task has a data law: {notes[-1]}")
    fitted = laws.fit_level_laws(tasks)
    found = []
    for env, law in fitted.items():
        reached = [level for level, known in zip(
            levels[env], np.isfinite(law.measured.data).any(axis=0), strict=True) if known]  # fmt: skip
        draws = law.sample(settings.bootstraps, np.random.default_rng(settings.seed))
        found += [
            DataFit(level, (env,), fit)
            for level, fit in laws.level_fits(law, reached, draws).items()
        ]
        lost = [level for level in levels[env] if level not in reached]
        if lost:
            notes.append(f"{env}: no run reaches {', '.join(f'{level:g}' for level in lost)}")
    return sorted(found, key=lambda entry: entry.level), fitted


def cells_measured(cells: Sequence[Cell], levels: Levels, axes: Sequence[str]) -> laws.Measured:
    """Return what configurations measured, as laws are fitted to it."""
    places = np.array([cell.place(axes) for cell in cells])
    return laws.Measured.of(
        np.stack([cell.data for cell in cells]),
        levels,
        draws=np.stack([cell.draws for cell in cells], axis=1),
        seeds=[cell.distinct for cell in cells],
        spacing=[cell.usual_spacing for cell in cells],
        last_step=np.stack([cell.last_step for cell in cells]),
        **{axis: places[:, k] for k, axis in enumerate(axes)},
    )


def each_level(
    chosen: Mapping[str, Sequence[Cell]],
    levels: Mapping[str, Levels],
    settings: Settings,
    axes: tuple[Axis, ...],
    notes: list[str],
) -> list[DataFit]:
    """Return the data laws of each level.

    Over utd, tasks that reach a level at every σ share one shape by the papers' median normalisation;
    a task that does not is fitted alone, over the σ at which it does. Over two axes every task is
    fitted alone.

    Raises:
        AnalysisError: no level has a data law.
    """
    scales = _scales(chosen, settings)
    found: list[DataFit] = []
    for index in range(max(len(known) for known in levels.values())):
        envs = [env for env in chosen if index < len(levels[env])]
        for group in _groups(envs, chosen, index, axes):
            level = levels[group[0]][index]
            cells = [cell for env in group for cell in chosen[env]]
            reached = [cell for cell in cells if np.isfinite(cell.data[index])]
            if axes == ONE and len(reached) < len(cells):
                lost = ", ".join(f"{c.utd:g}" for c in cells if not np.isfinite(c.data[index]))
                notes.append(f"level {level:g}: {group[0]} does not reach it at utd {lost}")
                cells = reached
            try:
                fit = _fit_level(cells, index, scales, settings, axes)
            except ValueError as error:
                notes.append(f"{', '.join(group)}, level {level:g}: no data law ({error})")
                continue
            found.append(DataFit(level, tuple(group), fit))
    if not found:
        raise AnalysisError(f"no level has a data law: {notes[-1]}")
    if axes == BOTH:
        notes += _censored_notes(chosen, levels)
    return found


def _groups(
    envs: Sequence[str], chosen: Mapping[str, Sequence[Cell]], index: int, axes: tuple[Axis, ...]
) -> list[list[str]]:
    """Return the tasks that are fitted together at a level: those that reach it everywhere, over utd."""
    if axes != ONE:
        return [[env] for env in envs]
    every = {cell.utd for cells in chosen.values() for cell in cells}
    whole = [
        env
        for env in envs
        if {cell.utd for cell in chosen[env] if np.isfinite(cell.data[index])} == every
    ]
    alone = [[env] for env in envs if env not in whole]
    return [whole, *alone] if whole else alone


def _scales(chosen: Mapping[str, Sequence[Cell]], settings: Settings) -> dict[str, float] | None:
    """Return each task's median over σ and levels, where settings ask for it."""
    if settings.median_over != "utd and levels":
        return None
    return {
        env: float(
            laws.sharing.task_medians(np.stack([cell.data for cell in cells]).reshape(1, -1))[0]
        )
        for env, cells in chosen.items()
    }


def _fit_level(
    cells: Sequence[Cell],
    index: int,
    scales: Mapping[str, float] | None,
    settings: Settings,
    axes: tuple[Axis, ...],
) -> laws.Fit:
    if not cells:
        raise ValueError("no run reaches the level")
    places = np.array([cell.place(axes) for cell in cells])
    envs = [cell.run.env for cell in cells]
    sharing: dict[str, Any] = {}
    if axes == ONE:
        order = list(dict.fromkeys(envs))
        medians = None if scales is None else [scales[env] for env in order]
        sharing = {"tasks": envs, "share": "median", "scales": medians}
    return laws.fit_data_law(
        np.array([cell.data[index] for cell in cells]),
        form=settings.form,
        loss=settings.loss,
        draws=np.stack([cell.draws[:, index] for cell in cells], axis=1),
        **sharing,
        **{axis: places[:, k] for k, axis in enumerate(axes)},
    )


def _censored_notes(
    chosen: Mapping[str, Sequence[Cell]], levels: Mapping[str, Levels]
) -> list[str]:
    notes = []
    for env, cells in chosen.items():
        lost = int(sum(np.isinf(cell.data).sum() for cell in cells))
        if lost:
            notes.append(
                f"{env}: {lost} of {len(cells) * len(levels[env])} (run, level) pairs are censored "
                "and left out of their level's fit; runs cut or stopped early are among them, so this "
                "is not a sign of slow learning alone"
            )
    return notes
