"""Best batch size and learning rate of a study: laws over utd, or over utd and model size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import vs_laws as laws
from numpy.typing import NDArray

from vs_analyze.levels import Levels, level_index
from vs_analyze.measure import Cell, Grid, Place, by_place, grid
from vs_analyze.runs import AnalysisError
from vs_analyze.settings import Settings

type Floats = NDArray[np.float64]
type Name = Literal["batch_size", "learning_rate"]


@dataclass(frozen=True)
class Hyperparameter:
    """B* or η* of one task.

    Attributes:
        fit: the law over the study's axes, or a constant.
        places: where it was estimated, (n, axes).
        estimates: the best (or only) value at each place.
        notes: of each place, e.g. that its grid does not bracket the optimum.
        baseline: the best value at a middle σ, kept at every σ; NaN over two axes.
        source: origin of the estimates, in words.
    """

    name: Name
    fit: laws.Fit
    places: Floats
    estimates: tuple[laws.Estimate, ...]
    notes: tuple[str, ...]
    baseline: float
    source: str

    @property
    def values(self) -> Floats:
        """The estimates' values, (n,)."""
        return np.array([estimate.value for estimate in self.estimates])


@dataclass(frozen=True)
class Hyperparameters:
    """Both hyperparameters of the tasks of a study.

    Attributes:
        tasks: by env; learning rates only over utd alone.
        shared: by name, the fits that tasks share.
        grids: the grids at the hyperparameter level.
        notes: remarks on what was not possible.
        surface: what the laws over utd come from where they are no argmins; None otherwise.
    """

    tasks: Mapping[str, tuple[Hyperparameter, Hyperparameter | None]]
    shared: Mapping[Name, laws.Fit]
    grids: tuple[Grid, ...]
    notes: tuple[str, ...]
    surface: laws.Hyperparameters | None = None

    def target(self, env: str, place: Place) -> tuple[float, float]:
        """Return the batch size and the learning rate to prefer at a place."""
        batch, rate = self.tasks[env]
        axes = dict(zip(batch.fit.axes, place, strict=True))
        if rate is not None:
            return float(batch.fit.law(**axes)), float(rate.fit.law(**axes))
        return float(batch.fit.law(**axes)), self._rates[env, place]

    @property
    def _rates(self) -> dict[tuple[str, Place], float]:
        return {(table.env, table.place): _best_rate(table) for table in self.grids}


def over_utd(
    cells: Sequence[Cell], levels: Mapping[str, Levels], settings: Settings
) -> Hyperparameters:
    """Return B*(σ) and η*(σ): one exponent for all tasks, an intercept for each (arXiv:2502.04327 §4.2).

    They are laws through the grids' argmins (``settings.estimator == "each"``, as published), or those
    of one surface over σ, B and η, which all cells of all tasks speak for, at the upper half of the
    levels up to that of the hyperparameters: what is best for a low level is not what is wanted.

    Raises:
        AnalysisError: no run reaches the level, or no task at two values of utd.
    """
    at = next(iter(levels.values()))
    index = level_index(at, settings)
    tables = [
        grid(env, place, here, index) for (env, place), here in by_place(cells, ["sigma"]).items()
    ]
    if not any(np.isfinite(table.data).any() for table in tables):
        raise AnalysisError(
            f"no run reaches level {at[index]:g} (normalised return; 1000 = optimal): "
            "choose lower --levels or run longer"
        )
    if len({table.utd for table in tables}) < 2:
        raise AnalysisError(
            f"all runs have utd {tables[0].utd:g}; a law over utd needs at least two values"
        )
    optima = [optimum(table, settings) for table in tables]
    reached = [
        t.env for t, o in zip(tables, optima, strict=True) if np.isfinite(o.batch_size.value)
    ]
    envs = [env for env in dict.fromkeys(reached) if reached.count(env) >= 2]
    if not envs:
        raise AnalysisError(
            f"no task reaches level {at[index]:g} at two values of utd: choose lower --levels"
        )
    kept = [(t, o) for t, o in zip(tables, optima, strict=True) if t.env in envs]
    sigma = np.array([table.utd for table, _ in kept])
    names = [table.env for table, _ in kept]
    baselines = {env: _baseline([t for t, _ in kept if t.env == env], settings) for env in envs}
    shared: dict[Name, laws.Fit] = {}
    found: dict[str, list[Hyperparameter]] = {env: [] for env in envs}
    kinds: tuple[Name, Name] = ("batch_size", "learning_rate")
    notes: list[str] = []
    surface = None
    if settings.estimator == "levels":
        own = [cell for cell in cells if cell.run.env in envs]
        surface = _surface(own, at, (index + 1) // 2, index + 1, settings, notes)
    for name in kinds:
        points = [getattr(best, name) for _, best in kept]
        of_surface = None if surface is None else surface.fits.get(name)
        source = "one surface over utd, batch size and learning rate"
        if of_surface is None:
            source = f"the grid's optima at level {at[index]:g}"
        shared[name] = of_surface or laws.grid.fit_hyperparameter_law(sigma, points, tasks=names)
        for env in envs:
            own = [i for i, other in enumerate(names) if other == env]
            found[env].append(
                Hyperparameter(
                    name,
                    shared[name].of(env),
                    sigma[own, None],
                    tuple(points[i].estimate for i in own),
                    tuple("; ".join(points[i].notes[1:]) for i in own),
                    float(getattr(baselines[env], name)),
                    source,
                )
            )
    tasks = {env: (pair[0], pair[1]) for env, pair in found.items()}
    return Hyperparameters(tasks, shared, tuple(tables), tuple(notes), surface)


def _surface(
    cells: Sequence[Cell],
    levels: Levels,
    first: int,
    end: int,
    settings: Settings,
    notes: list[str],
) -> laws.Hyperparameters | None:
    """Return the surface over utd, B and η at some levels; None, with a note, where they do not vary."""
    try:
        found = laws.fit_hyperparameters(
            np.stack([cell.data[first:end] for cell in cells]),
            tasks=[cell.run.env for cell in cells],
            sigma=[cell.utd for cell in cells],
            batch_size=[float(cell.run.batch_size) for cell in cells],
            learning_rate=[cell.run.learning_rate for cell in cells],
            seeds=[cell.distinct for cell in cells],
            spacing=[cell.usual_spacing for cell in cells],
            draws=np.stack([cell.draws[:, first:end] for cell in cells], axis=1),
            last_steps=np.stack([cell.last_step[first:end] for cell in cells]),
            levels=levels[first:end],
            rng=np.random.default_rng(settings.seed),
        )
    except ValueError as error:
        notes.append(f"B* and eta* are those of the grid's argmins: {error}")
        return None
    notes += found.notes
    return found


def over_both(
    cells: Sequence[Cell], levels: Mapping[str, Levels], settings: Settings
) -> Hyperparameters:
    """Return B*(σ, N) of every task (arXiv:2508.14881, B* in σ and N).

    With several batch sizes or learning rates at some (σ, N), B̃ there is the grid's optimum at the
    hyperparameter level; with one configuration each, B is what was run.
    """
    tasks: dict[str, tuple[Hyperparameter, Hyperparameter | None]] = {}
    tables: list[Grid] = []
    notes: list[str] = []
    for env in dict.fromkeys(cell.run.env for cell in cells):
        own = by_place([cell for cell in cells if cell.run.env == env], ["sigma", "critic_params"])
        index = len(levels[env]) - 1
        if not settings.level_ranges:
            index = level_index(levels[env], settings)
        here = [grid(env, place, group, index) for (_, place), group in own.items()]
        tables += here
        tasks[env] = (_batch_sizes(env, here, levels[env][index], settings, notes), None)
    return Hyperparameters(tasks, {}, tuple(tables), tuple(notes))


def _batch_sizes(
    env: str, tables: Sequence[Grid], level: float, settings: Settings, notes: list[str]
) -> Hyperparameter:
    places = np.array([table.place for table in tables])
    axes: dict[str, Any] = {"sigma": places[:, 0], "critic_params": places[:, 1]}
    draws = None
    if any(table.data.size > 1 for table in tables):
        optima = [optimum(table, settings).batch_size for table in tables]
        points = [best.estimate for best in optima]
        draws = np.stack([best.draws for best in optima], axis=1)
        source = f"the grid's optima at level {level:g}"
    else:
        points = [laws.Estimate(float(table.batch_sizes[0])) for table in tables]
        source = "the batch sizes of the runs, one per utd and model size"
    values = np.array([point.value for point in points])
    if settings.batch_size == "published":
        source = "256, as in the published code"
        fit = constant(laws.PUBLISHED_BATCH_SIZE, axes, source)
    elif np.ptp(values[np.isfinite(values)]) == 0:
        source = "the one batch size of the runs"
        fit = constant(float(np.nanmax(values)), axes, source)
    else:
        try:
            fit = laws.fit_batch_size(values, draws=draws, **axes)
        except ValueError as error:
            mean = float(np.exp(np.nanmean(np.log(values))))
            source = "the geometric mean of the best batch sizes"
            fit = constant(mean, axes, source)
            notes.append(f"{env}: no law of the batch size ({error}); {mean:.3g} is taken")
    empty = ("",) * len(points)
    return Hyperparameter("batch_size", fit, places, tuple(points), empty, np.nan, source)


def constant(value: float, axes: Mapping[str, Floats], reason: str) -> laws.Fit:
    """Return a hyperparameter that is the same everywhere, as a fit without uncertainty."""
    law = laws.PowerLaw(value, np.zeros(len(axes)), axes=tuple(axes))
    return laws.Fit(
        form="constant",
        formula="B = coefficient",
        law=law,
        parameters={"coefficient": laws.Estimate(value)},
        loss=0.0,
        loss_name="none",
        n=0,
        r2_log=float("nan"),
        residuals=np.zeros(0),
        verdict=laws.Verdict.SUPPORTED,
        reason=reason,
        ranges={axis: (float(x.min()), float(x.max())) for axis, x in axes.items()},
    )


def optimum(table: Grid, settings: Settings) -> laws.grid.GridOptimum:
    """Return B̃ and η̃ of a grid."""
    return laws.grid.grid_optimum(
        table.draws,
        learning_rates=table.learning_rates,
        batch_sizes=table.batch_sizes,
        mean=settings.mean,
        unreached=settings.unreached,
    )


def _best_rate(table: Grid) -> float:
    """Return η̃ where several rates were run, else the one that was."""
    if table.learning_rates.size == 1:
        return float(table.learning_rates[0])
    return laws.grid.grid_optimum(
        table.draws, learning_rates=table.learning_rates, batch_sizes=table.batch_sizes
    ).learning_rate.value


def _baseline(tables: Sequence[Grid], settings: Settings) -> laws.grid.Configuration:
    """Return the papers' baseline: the best configuration at the middle σ of those that reach the level."""
    reached = [table for table in tables if np.isfinite(table.draws).any()]
    middle = laws.grid.middle_level([table.utd for table in reached])
    table = next(table for table in reached if table.utd == middle)
    return laws.grid.best_configuration(
        table.draws,
        learning_rates=table.learning_rates,
        batch_sizes=table.batch_sizes,
        mean=settings.mean,
    )
