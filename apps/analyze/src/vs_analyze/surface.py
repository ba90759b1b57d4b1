"""A study of two axes (arXiv:2508.14881): curves → D_J → B*(σ, N) → D_J(σ, N) → C_J, σ*, N*.

Every task is fitted alone, at its own levels. As in `vs_analyze.study`, one bootstrap over seeds
drives all of it: index k of every ``samples`` is the same resample.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import vs_isotonic as iso
import vs_laws as laws
from numpy.typing import NDArray

from vs_analyze.measure import Cell, grids, measure
from vs_analyze.runs import AnalysisError, Run, one_run_per_place
from vs_analyze.settings import LEVELS_PER_TASK, Settings, TaskFacts, task_facts
from vs_analyze.study import DEFAULT_DELTA, curve_notes
from vs_analyze.surface_book import Sampled2, SurfaceLevel, SurfaceTaskLaws
from vs_analyze.td_errors import TdErrors

type Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BatchSizes:
    """The batch size over σ and N of one task.

    Attributes:
        law: B*(σ, N), or a constant; without a bootstrap where the runs have one batch size per
            (σ, N), which leaves nothing to resample.
        fit: None for a constant.
        estimates: the best (or only) batch size at every (σ, N) that was run, in the order of
            `TaskSurface.chosen`.
        source: where it comes from, in words.
    """

    law: Sampled2
    fit: laws.SurfaceFit | None
    estimates: tuple[laws.Estimate, ...]
    source: str


@dataclass(frozen=True)
class TaskSurface:
    """What the study found about one task.

    Attributes:
        laws: what ``laws.json`` holds of it.
        cells: all configurations, measured at ``levels``.
        chosen: the one that stands for each (σ, N), sorted.
        levels: all of them; ``laws`` lacks those that could not be fitted.
        fits: the data law by level.
        budget: along the budget; None where that could not be fitted.
        alone: by axis, what scaling it alone costs; empty without ``budget``.
    """

    laws: SurfaceTaskLaws
    cells: tuple[Cell, ...]
    chosen: tuple[Cell, ...]
    levels: tuple[float, ...]
    batch: BatchSizes
    fits: Mapping[float, laws.SurfaceFit]
    budget: laws.SurfaceBudgetLaws | None
    alone: Mapping[str, laws.SingleAxis]

    @property
    def env(self) -> str:
        """Name of the task."""
        return self.laws.env

    @property
    def sigma(self) -> Floats:
        """σ of ``chosen``, shape (n,)."""
        return np.array([cell.utd for cell in self.chosen])

    @property
    def params(self) -> Floats:
        """N of ``chosen``, shape (n,)."""
        return np.array([float(cell.run.critic_params or np.nan) for cell in self.chosen])

    @property
    def data(self) -> Floats:
        """Env steps, shape (n, J); ``inf`` where censored."""
        return np.stack([cell.data for cell in self.chosen])


@dataclass(frozen=True)
class SurfaceStudy:
    """Everything a study of two axes found.

    Attributes:
        notes: what a reader must know about the data.
        td_errors: TD-overfitting by task, where the table has the errors.
    """

    settings: Settings
    tasks: tuple[TaskSurface, ...]
    notes: tuple[str, ...]
    td_errors: tuple[TdErrors, ...] = ()


def median_ratio(ratios: Floats) -> float:
    """Return the median of ratios; inf counts as more than any number, NaN is left out.

    Of an even number it is the mean of the two middle ones, or inf where the upper one is inf.
    Without a known ratio it is NaN.
    """
    known = np.sort(np.asarray(ratios, float))
    known = known[~np.isnan(known)]
    if known.size == 0:
        return float("nan")
    return float(known[[(known.size - 1) // 2, known.size // 2]].mean())


def has_two_axes(runs: Sequence[Run]) -> bool:
    """Whether some task was run at three model sizes or more."""
    sizes: dict[str, set[int | None]] = {}
    for run in runs:
        sizes.setdefault(run.env, set()).add(run.critic_params)
    return any(len(found) > 2 for found in sizes.values())


def analyze_surface(runs: Sequence[Run], settings: Settings) -> SurfaceStudy:
    """Run the whole analysis over σ and N.

    Args:
        runs: over σ × N, at one or several batch sizes.
        settings: of the analysis; levels are ``level_ranges`` of the task, else ``levels``, else
            `automatic_range` of its curves.

    Raises:
        AnalysisError: the curves cannot carry an analysis (N not recorded, fewer than three sizes…).
    """
    by_env = runs_by_task(runs)
    tasks, notes = [], curve_notes(runs)
    streams = np.random.default_rng(settings.seed).spawn(len(by_env))
    for (env, own), stream in zip(by_env.items(), streams, strict=True):
        levels = task_levels(env, own, settings)
        cells = measure(own, replace(settings, levels=levels, hyperparameter_level=None), stream)
        task, more = fit_task(cells, levels, settings)
        tasks.append(task)
        notes += more
    return SurfaceStudy(settings, tuple(tasks), tuple(notes))


def runs_by_task(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each task, checked: one algorithm and benchmark, N known, three sizes and σ."""
    if not runs:
        raise AnalysisError("the table has no runs")
    one_run_per_place(runs)
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.env, []).append(run)
    for env, own in found.items():
        kinds = sorted({f"{run.algo} on {run.benchmark}" for run in own})
        if len(kinds) > 1:
            raise AnalysisError(f"{env}: runs of {' and '.join(kinds)}; analyse them one at a time")
        if any(run.critic_params is None for run in own):
            raise AnalysisError(
                f"{env}: the table does not record critic_params, which a study of two axes needs"
            )
        for name, values in (("critic_params", {run.critic_params for run in own}),
                             ("utd", {run.utd for run in own})):  # fmt: skip
            if len(values) < 3:
                raise AnalysisError(
                    f"{env}: {len(values)} distinct {name}; a law over utd and model size needs at "
                    "least three of each"
                )
    if all(run.returns.shape[1] < 2 for run in runs):
        raise AnalysisError(
            "every run has one seed; intervals need at least two distinct seeds per configuration"
        )
    return found


def task_levels(env: str, runs: Sequence[Run], settings: Settings) -> tuple[float, ...]:
    """The levels of one task; see `analyze_surface`."""
    if env not in settings.level_ranges and settings.levels:
        return settings.levels
    low, high = settings.level_ranges.get(env) or automatic_range(env, runs)
    return tuple(np.round(np.linspace(low, high, LEVELS_PER_TASK), 6).tolist())


def automatic_range(env: str, runs: Sequence[Run]) -> tuple[float, float]:
    """3/8 of the highest level to the highest: what the worst run's isotonic fit ends at.

    Runs that end before the longest of the task were cut, often because they did well, and do not
    count as worst.
    """
    longest = max(run.steps[-1] for run in runs)
    whole = [run for run in runs if run.steps[-1] == longest]
    ends = [float(np.nanmax(iso.isotonic_regression(run.mean()))) for run in whole]
    worst = int(np.argmin(ends))
    if ends[worst] < 12:  # as in `reachable_levels`
        raise AnalysisError(
            f"{whole[worst].label}, critic_params {whole[worst].critic_params}, ends at a normalised "
            f"return of {ends[worst]:.3g} (1000 = optimal), so no level is reached by all runs; leave "
            "it out or give --level-ranges or --levels"
        )
    return 0.375 * ends[worst], ends[worst]


def fit_task(
    cells: Sequence[Cell], levels: Sequence[float], settings: Settings
) -> tuple[TaskSurface, list[str]]:
    """One task's laws from its measured cells, and notes on what could not be fitted."""
    run = cells[0].run
    env = run.env
    batch, chosen, notes = batch_sizes(cells, levels, settings)
    sigma, params = (np.array([c.utd for c in chosen]),
                     np.array([float(c.run.critic_params or np.nan) for c in chosen]))  # fmt: skip
    fits: dict[float, laws.SurfaceFit] = {}
    lost = 0
    for index, level in enumerate(levels):
        data = np.array([cell.data[index] for cell in chosen])
        lost += int(np.isinf(data).sum())
        try:
            fits[level] = laws.fit_surface(
                sigma,
                params,
                data,
                form=settings.form,
                loss=settings.loss,
                samples=np.stack([cell.samples[:, index] for cell in chosen], axis=1),
            )
        except ValueError as error:
            notes.append(f"{env}, level {level:g}: no data law ({error})")
    if not fits:
        raise AnalysisError(f"{env}: no level has a data law: {notes[-1]}")
    if lost:
        notes.append(
            f"{env}: {lost} of {len(chosen) * len(levels)} (run, level) pairs are censored and left "
            "out of their level's fit; runs cut or stopped early are among them, so this is not a "
            "sign of slow learning alone"
        )
    facts = task_facts(run.benchmark, env) or TaskFacts(float("nan"), None, None)
    depth = Counter(c.run.critic_depth for c in chosen).most_common(1)[0][0]
    found = SurfaceTaskLaws(
        algo=run.algo,
        benchmark=run.benchmark,
        env=env,
        optimal_return=settings.optimal_returns.get(env, facts.optimal_return),
        delta=settings.delta or facts.delta or DEFAULT_DELTA,
        sigma_range=span(sigma),
        params_range=span(params),
        depth=depth,
        widths=tuple(
            sorted(
                {
                    (float(c.run.critic_params or np.nan), float(c.run.critic_width))
                    for c in chosen
                    if c.run.critic_width and c.run.critic_depth == depth
                }
            )
        ),
        learning_rates=tuple(sorted({c.run.learning_rate for c in chosen})),
        batch_size=batch.law,
        actor_params=settings.actor_params,
        passive_params=settings.passive_params,
        levels=tuple(
            SurfaceLevel(level, Sampled2(fit.law, fit.samples, str(fit.verdict), fit.reason))
            for level, fit in fits.items()
        ),
    )
    task = TaskSurface(found, tuple(cells), tuple(chosen), tuple(levels), batch, fits, None, {})
    return _along_budget(task, settings, notes)


def _along_budget(
    task: TaskSurface, settings: Settings, notes: list[str]
) -> tuple[TaskSurface, list[str]]:
    found = task.laws
    law, samples = found.compute()
    spans = {"sigma": found.sigma_range, "critic_params": found.params_range}
    try:
        budget = laws.fit_surface_budget_laws(
            list(task.fits), law, found.delta, sigma_range=spans["sigma"],
            params_range=spans["critic_params"], hold_out=settings.hold_out_budgets, samples=samples,
        )  # fmt: skip
    except ValueError as error:
        return task, [*notes, f"{task.env}: no law along the budget ({error})"]
    fixed = {"sigma": task.params, "critic_params": task.sigma}
    axes: tuple[Literal["sigma", "critic_params"], ...] = ("sigma", "critic_params")
    alone = {
        axis: laws.single_axis(
            law, found.delta, budget.optimum, axis=axis,
            fixed=float(laws.middle_level(np.unique(fixed[axis]))), value_range=spans[axis],
        )
        for axis in axes
    }  # fmt: skip
    found = replace(found, growth=budget.growth.sentence)
    return replace(task, laws=found, budget=budget, alone=alone), notes


def span(values: Floats) -> tuple[float, float]:
    """Least and largest."""
    return float(values.min()), float(values.max())


def batch_sizes(
    cells: Sequence[Cell], levels: Sequence[float], settings: Settings
) -> tuple[BatchSizes, list[Cell], list[str]]:
    """B*(σ, N), the cell nearest to it at every (σ, N), and notes.

    With several batch sizes or learning rates at some (σ, N), B̃ there is the grid's optimum at the
    highest level; with one configuration each, B is what was run.
    """
    env = cells[0].run.env
    places = sorted({(cell.utd, cell.run.critic_params or 0) for cell in cells})
    groups = [[c for c in cells if (c.utd, c.run.critic_params) == place] for place in places]
    sigma, params = (np.array(v, float) for v in zip(*places, strict=True))
    several = any(len(group) > 1 for group in groups)
    notes: list[str] = []
    rates = np.array([group[0].run.learning_rate for group in groups])
    if several:
        top = len(levels) - 1
        if settings.hyperparameter_level is not None and not settings.level_ranges:
            top = settings.hyperparameter_level_index
        optima = [_optimum(group, top, settings) for group in groups]
        points = [o.batch_size.estimate for o in optima]
        samples = np.stack([o.batch_size.samples for o in optima], axis=1)
        rates = np.array([o.learning_rate.value for o in optima])
        source = f"the grid's optima at level {levels[top]:g}"
    else:
        points = [laws.Estimate(float(group[0].run.batch_size)) for group in groups]
        samples = None
        source = "the batch sizes of the runs, one per utd and model size"
    values = np.array([point.value for point in points])
    fit, law, drawn = None, None, None
    if settings.batch_size == "published":
        law, source = laws.BatchPower(laws.PUBLISHED_BATCH_SIZE), "256, as in the published code"
    elif np.ptp(values[np.isfinite(values)]) == 0:
        law, source = laws.BatchPower(float(np.nanmax(values))), "the one batch size of the runs"
    else:
        try:
            fit = laws.fit_batch_surface(sigma, params, values, samples=samples)
            law, drawn = fit.law, fit.samples
        except ValueError as error:
            mean = float(np.exp(np.nanmean(np.log(values))))
            law, source = laws.BatchPower(mean), "the geometric mean of the best batch sizes"
            notes.append(f"{env}: no law of the batch size ({error}); {mean:.3g} is taken")
    target = law(sigma, params)
    chosen = [
        min(
            group,
            key=lambda c, b=b, r=r: (
                np.log(c.run.batch_size / b) ** 2
                + (np.log(c.run.learning_rate / r) ** 2 if np.isfinite(r) else 0.0)
            ),
        )
        for group, b, r in zip(groups, target, rates, strict=True)
    ]
    verdict = ("constant", source) if fit is None else (str(fit.verdict), fit.reason)
    return BatchSizes(Sampled2(law, drawn, *verdict), fit, tuple(points), source), chosen, notes


def _optimum(cells: Sequence[Cell], level: int, settings: Settings) -> laws.GridOptimum:
    (table,) = grids(cells, level)
    return laws.grid_optimum(
        table.samples, learning_rates=table.learning_rates, batch_sizes=table.batch_sizes,
        mean=settings.mean, unreached=settings.unreached,
    )  # fmt: skip
