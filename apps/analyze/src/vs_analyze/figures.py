"""The report's figures: a `Study` turned into the panels of vs-plots."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import vs_isotonic as iso
import vs_laws as laws
import vs_plots as plots
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vs_analyze.book import TaskLaws
from vs_analyze.measure import Cell, Grid
from vs_analyze.study import HyperparameterLaw, Study, compute_laws

type Floats = NDArray[np.float64]

WIDE = 7.0  # inches: two columns of a page
DRAWN = 100  # evaluations drawn per learning curve: enough for a panel of this width


@dataclass(frozen=True)
class Named:
    """One figure with its file name and caption; ``draw`` makes it."""

    name: str
    caption: str
    draw: Callable[[], Figure]


def figures(study: Study) -> Iterator[Named]:
    """All figures of the report, in reading order; none is drawn yet."""
    settings = study.settings
    top = _top_level(study)
    yield Named(
        "learning_curves",
        "Evaluation return (1000 = optimal) over env steps of the runs behind the data laws: seeds "
        "(faint), mean, isotonic fit, and where the fit first reaches the lowest, middle and highest "
        "level; open triangles: not reached.",
        lambda: plots.plot_learning_curves(
            [_curves(env, study) for env in study.chosen], width=WIDE
        ),
    )
    for law, symbol in ((study.batch_size, "B"), (study.learning_rate, "η")):
        yield Named(
            law.name,
            f"Best {law.name.replace('_', ' ')} over σ at level "
            f"{settings.levels[settings.hyperparameter_level_index]:g}: {symbol}̃(σ) with the 95 % "
            f"interval over seeds, the law {symbol}*(σ), the grid that was run (grey) and the constant "
            "baseline.",
            partial(_hyperparameters, law, study),
        )
    yield Named(
        "data_law",
        f"Env steps to level {top:g} over σ, the law D_J(σ) with its 95 % band, and D_min (dotted).",
        lambda: plots.plot_laws([_data(t, study, top) for t in study.tasks], width=WIDE),
    )
    yield Named(
        "compute_law",
        f"FLOPs to level {top:g} over σ: 10·N·B·σ·D with the batch sizes really run, and "
        "C_J(σ) = 10·N·B*(σ)·σ·D_J(σ).",
        lambda: plots.plot_laws([_compute(t, study, top) for t in study.tasks], width=WIDE),
    )
    for task in study.tasks:
        if len(task.levels) < 2:
            continue
        yield Named(
            f"frontier_{slug(task.env)}",
            f"{task.env}: data against compute along σ for several levels, with lines of equal "
            f"budget C + δ·D (δ = {task.delta:.3g}); stars: the budget-optimal σ.",
            partial(_frontier, task),
        )
    for env, budget in study.budgets.items():
        yield Named(
            f"budget_{slug(env)}",
            f"{env}: budget-optimal σ*, D* and C* over the budget F; hollow: the largest budgets, "
            "held out of the fit.",
            partial(_budget, env, budget),
        )
    for env in study.batch_size.fit.groups:
        tables = [grid for grid in study.grids if grid.env == env]
        if all(grid.data.size > 1 for grid in tables):
            yield Named(
                f"grid_{slug(env)}",
                f"{env}: env steps to level "
                f"{settings.levels[settings.hyperparameter_level_index]:g} over batch size and "
                "learning rate at each σ; hatched: not reached.",
                partial(_grid, env, tables),
            )


def slug(env: str) -> str:
    """A task's name as part of a file name."""
    return "".join(c if c.isalnum() else "_" for c in env)


def _top_level(study: Study) -> float:
    """The highest level that every task has a law at, else the highest of any."""
    common = [level for level, fits in study.data_fits.items() if len(fits) == len(study.chosen)]
    return max(common or [level for level, fits in study.data_fits.items() if fits])


def _curves(env: str, study: Study) -> plots.CurvePanel:
    levels = study.settings.levels
    shown = sorted({0, len(levels) // 2, len(levels) - 1})
    curves = []
    for cell in study.chosen[env]:
        run = cell.run
        mean = run.mean()
        fit = iso.isotonic_regression(mean)
        thin = np.unique(np.linspace(0, len(run.steps) - 1, DRAWN).astype(int))
        curves.append(
            plots.Curve(
                cell.utd,
                run.steps[thin],
                run.returns[thin],
                mean[thin],
                fit[thin],
                cell.data[shown],
            )
        )
    return plots.CurvePanel(env, curves, np.array([levels[i] for i in shown]))


def _span(sigma: Floats) -> Floats:
    """σ on which a law is drawn: a little past the data on both sides."""
    return np.geomspace(sigma.min() / 1.3, sigma.max() * 1.3, 80)


def law_line(x: Floats, value: Floats, samples: Floats) -> plots.Line:
    """A law on x (n,) with the 95 % band of its bootstrap (K, n)."""
    low, high = np.nanpercentile(samples, [2.5, 97.5], axis=0)
    return plots.Line(x, value, low, high)


def estimate_points(
    x: Floats, estimates: list[laws.Estimate], held_out: NDArray[np.bool_] | None = None
) -> plots.Points:
    """Estimates at x; without an interval, none is drawn."""
    value, low, high = (
        np.array([getattr(estimate, name) for estimate in estimates])
        for name in ("value", "low", "high")
    )
    seen = np.zeros(len(x), bool)
    return plots.Points(x, value, low, high, held_out=seen if held_out is None else held_out)


def _hyperparameter(law: HyperparameterLaw, env: str, study: Study) -> plots.LawPanel:
    own = [i for i, name in enumerate(law.env) if name == env]
    sigma = law.sigma[own]
    x = _span(sigma)
    task = law.task(env)
    cells = [cell for cell in study.cells if cell.run.env == env]
    points = estimate_points(sigma, [law.optima[i].estimate for i in own])
    line = law_line(x, task.law(x), task.samples(x))
    return plots.LawPanel(
        env,
        [plots.Series(points, line, label="best on the grid")],
        y=law.name,
        verdict=task.verdict,
        references={"baseline": law.baseline[env]},
        grid=plots.Points(
            np.array([cell.utd for cell in cells]),
            np.array([float(getattr(cell.run, law.name)) for cell in cells]),
        ),
    )


def _hyperparameters(law: HyperparameterLaw, study: Study) -> Figure:
    panels = [_hyperparameter(law, env, study) for env in law.fit.groups]
    return plots.plot_laws(panels, width=WIDE)


def _grid(env: str, tables: Sequence[Grid]) -> Figure:
    panels = [plots.GridPanel(g.utd, g.batch_sizes, g.learning_rates, g.data.T) for g in tables]
    return plots.plot_grid(panels, title=env, width=WIDE)


def _measured(cells: list[Cell], index: int) -> list[laws.Estimate]:
    return [laws.Estimate.from_samples(c.data[index], c.samples[:, index]) for c in cells]


def _data(task: TaskLaws, study: Study, level: float) -> plots.LawPanel:
    return _law_panel(task, study, level, lambda cell: 1.0, compute=False)


def _compute(task: TaskLaws, study: Study, level: float) -> plots.LawPanel:
    def per_step(cell: Cell) -> float:
        return float(laws.update_flops(task.critic_params, cell.run.batch_size)) * cell.utd

    return _law_panel(task, study, level, per_step, compute=True)


def _law_panel(
    task: TaskLaws, study: Study, level: float, factor: Callable[[Cell], float], *, compute: bool
) -> plots.LawPanel:
    cells = study.chosen[task.env]
    index = list(study.settings.levels).index(level)
    sigma = np.array([cell.utd for cell in cells])
    points = [
        laws.Estimate(e.value * factor(c), e.low * factor(c), e.high * factor(c))
        for e, c in zip(_measured(cells, index), cells, strict=True)
    ]
    measured, y = estimate_points(sigma, points), "compute" if compute else "data"
    if level not in [entry.level for entry in task.levels]:
        return plots.LawPanel(
            task.env, [plots.Series(measured)], y=y, verdict="no law at this level"
        )
    entry = task.level(level).data
    law, samples = entry.law, entry.samples
    x = _span(sigma)
    if compute:
        line = law_line(
            x,
            laws.ComputeLaw(law, task.batch_size.law, task.critic_params)(x),
            laws.ComputeLaw(samples, task.batch_size.samples, task.critic_params)(x),
        )
    else:
        line = law_line(x, law(x), samples(x))
    floor = float(np.asarray(law.d_min))
    references = {"$D_{min}$": floor} if floor > 0 and not compute else {}
    return plots.LawPanel(
        task.env,
        [plots.Series(measured, line)],
        y=y,
        verdict=entry.verdict,
        references=references,
    )


def _frontier(task: TaskLaws) -> Figure:
    law, _ = compute_laws(task)
    span = (task.sigma_low, task.sigma_high)
    best = laws.least_budget(law, task.delta, sigma_range=span)
    x = np.geomspace(span[0] / 2, span[1] * 2, 120)
    marks = 2.0 ** np.arange(np.ceil(np.log2(span[0])), np.floor(np.log2(span[1])) + 1)
    chosen = sorted({0, len(task.levels) // 2, len(task.levels) - 1})
    frontiers = []
    for i in chosen:
        entry = task.levels[i]
        own = laws.ComputeLaw(entry.data.law, task.batch_size.law, task.critic_params)
        frontiers.append(
            plots.Frontier(
                entry.level, own.data(x), own(x), marks, own.data(marks), own(marks),
                (float(best.data[i]), float(best.compute[i])),
            )
        )  # fmt: skip
    budgets = [float(best.budget[i]) for i in chosen]
    return plots.plot_frontiers(
        frontiers, delta=task.delta, budgets=budgets, title=task.env, width=WIDE / 2
    )


def _budget(env: str, budget: laws.BudgetLaws) -> Figure:
    optimum, F = budget.optimum, budget.optimum.budget
    x = np.geomspace(F.min() / 1.2, F.max() * 1.2, 60)
    panels = []
    for name in ("sigma", "data", "compute"):
        fit: laws.Fit = getattr(budget, name)
        value = getattr(optimum, name)
        samples = getattr(optimum.samples, name)
        estimates = [
            laws.Estimate.from_samples(v, s) for v, s in zip(value, samples.T, strict=True)
        ]
        predicted = fit.predict(x)
        points = estimate_points(F, estimates, budget.held_out)
        line = plots.Line(x, predicted.value, predicted.low, predicted.high)
        panels.append(budget_panel(name, points, line, str(fit.verdict)))
    return plots.plot_laws(panels, title=env, width=WIDE)


def budget_panel(name: str, points: plots.Points, line: plots.Line, verdict: str) -> plots.LawPanel:
    """The optimal ``name`` ("sigma", "critic_params", "data" or "compute") over the budget."""
    series = plots.Series(points, line, label="optimum", censored_label="no optimum")
    return plots.LawPanel("", [series], x="budget", y=f"optimal_{name}", verdict=verdict)
