"""The report's figures: a `Study` turned into the panels of vs-plots, by axis name."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import vs_laws as laws
import vs_plots as plots
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vs_analyze.hyperparameters import Hyperparameter
from vs_analyze.measure import Cell, Grid
from vs_analyze.study import ONE, Study, TaskStudy
from vs_analyze.td_errors import TdErrors

type Floats = NDArray[np.float64]
type Quantity = Literal["data", "compute", "batch_size"]

WIDE = 7.0  # inches: two columns of a page
DRAWN = 100  # evaluations drawn per learning curve: enough for a panel of this width
CONTOURS = 6  # levels drawn as contours, evenly chosen
POINTS = 60  # of a drawn law or surface, each way


@dataclass(frozen=True)
class Named:
    """One figure with its file name and caption; ``draw`` makes it."""

    name: str
    caption: str
    draw: Callable[[], Figure]


def figures(study: Study) -> Iterator[Named]:
    """Yield all figures of the report, in reading order; none is drawn yet."""
    yield from _one_axis(study) if study.axes == ONE else _two_axes(study)
    for found in study.td_errors:
        for show, name in (("train", "training"), ("validation", "validation")):
            if found.has_grid():
                yield Named(
                    f"td_{show}_{slug(found.env)}",
                    f"{found.env}: {name} TD error over env steps {found.window[0]:,} to "
                    f"{found.window[1]:,}; the bar is over the largest batch size within 5 % of the "
                    "best predicted validation error.",
                    partial(_td_errors, found, show),
                )


def _one_axis(study: Study) -> Iterator[Named]:
    tasks, top = study.tasks, _top_level(study)
    at = study.settings.hyperparameter_level or study.settings.levels[-1]
    yield Named(
        "learning_curves",
        "Evaluation return (1000 = optimal) over env steps of the runs behind the data laws: seeds "
        "(faint), mean, isotonic fit, and where the fit first reaches the lowest, middle and highest "
        "level; open triangles: not reached.",
        lambda: plots.plot_learning_curves([_curves(task) for task in tasks], width=WIDE),
    )
    for index, symbol in enumerate(("B", "η")):
        name = ("batch_size", "learning_rate")[index]
        yield Named(
            name,
            f"Best {name.replace('_', ' ')} over σ at level {at:g}: {symbol}̃(σ) with the 95 % interval "
            f"over seeds, the law {symbol}*(σ), the grid that was run (grey) and the constant baseline.",
            partial(_hyperparameters, tasks, index),
        )
    yield Named(
        "data_law",
        f"Env steps to level {top:g} over σ, the law D_J(σ) with its 95 % band, and D_min (dotted).",
        lambda: plots.plot_laws([_law_panel(task, top, "data") for task in tasks], width=WIDE),
    )
    yield Named(
        "compute_law",
        f"FLOPs to level {top:g} over σ: 10·N·B·σ·D with the batch sizes really run, and "
        "C_J(σ) = 10·N·B*(σ)·σ·D_J(σ).",
        lambda: plots.plot_laws([_law_panel(task, top, "compute") for task in tasks], width=WIDE),
    )
    for task in tasks:
        if task.budget is not None:
            yield Named(
                f"frontier_{slug(task.env)}",
                f"{task.env}: data against compute along σ for several levels, with lines of equal "
                f"budget C + δ·D (δ = {task.laws.delta:.3g}); stars: the budget-optimal σ.",
                partial(_frontier, task, task.budget),
            )
    yield from _budget_figures(study)
    for task in tasks:
        grids = [grid for grid in study.grids if grid.env == task.env]
        if all(grid.data.size > 1 for grid in grids):
            yield Named(
                f"grid_{slug(task.env)}",
                f"{task.env}: env steps to level {at:g} over batch size and learning rate at each σ; "
                "hatched: not reached.",
                partial(_grid, task.env, grids),
            )


def _two_axes(study: Study) -> Iterator[Named]:
    tasks = study.tasks
    along = [task for task in tasks if task.budget is not None]
    if along:
        yield Named(
            "contours",
            "Where D_J(σ, N) equals the data of level J's budget optimum (star; hollow: at or beyond "
            "the edge of what was run), one contour per level (numbers: J), the path through the "
            "optima, and the runs coloured by their env steps to the highest level; crosses: not "
            "reached.",
            partial(_contours, along),
        )
    batch = "the law B*(σ, N)" if study.settings.batch_size == "law" else "B = 256"
    captions: dict[Quantity, str] = {
        "data": "Env steps to the highest level along {}, one line per {}: runs with 95 % intervals over "
        "seeds and the law D_J(σ, N); open triangles: not reached.",
        "compute": "FLOPs to the highest level along {}, one line per {}: with the batch sizes really "
        f"run, and C_J(σ, N) with {batch}.",
        "batch_size": f"Batch size along {{}}, one line per {{}}: {tasks[0].batch_size.source}, and the "
        "law.",
    }
    symbols = {"sigma": ("sigma", "σ", "N"), "critic_params": ("params", "N", "σ")}
    shown: tuple[tuple[Quantity, str], ...] = (
        ("data", "sigma"), ("data", "critic_params"), ("compute", "critic_params"),
        ("batch_size", "critic_params"), ("batch_size", "sigma"),
    )  # fmt: skip
    for quantity, axis in shown:
        label, symbol, other = symbols[axis]
        yield Named(
            f"{quantity}_along_{label}",
            captions[quantity].format(symbol, other),
            partial(_slices, tasks, axis, quantity),
        )
    yield from _budget_figures(study)
    if along:
        yield Named(
            "partition",
            "How the optimal budget F = C + δ·D is spent; hollow: an optimum at an edge.",
            partial(_partition, along),
        )
        yield Named(
            "strategies",
            "Extra data when σ alone or N alone is scaled, with no more FLOPs than both together need, "
            "over the budget of both.",
            partial(_strategies, along),
        )


def _budget_figures(study: Study) -> Iterator[Named]:
    names = "σ*, D* and C*" if study.axes == ONE else "σ*, N*, D* and C*"
    for task in study.tasks:
        if task.budget is not None:
            yield Named(
                f"budget_{slug(task.env)}",
                f"{task.env}: budget-optimal {names} over the budget F; hollow: the largest budgets, "
                "held out of the fit.",
                partial(_budget, task.env, task.budget),
            )


def slug(env: str) -> str:
    """Return a task's name as part of a file name."""
    return "".join(c if c.isalnum() else "_" for c in env)


def surface_grid(task: TaskStudy, level: float, points: int = POINTS) -> plots.Surface:
    """Return the law of one level over the (σ, N) that were run, and a little beyond."""
    sigma, params = (_span(task.laws.ranges[axis], points) for axis in task.laws.axes)
    data = task.laws.level(level).law(sigma=sigma[:, None], critic_params=params[None, :])
    return plots.Surface(sigma, params, data)


def measured(task: TaskStudy, level: float) -> plots.Measured:
    """Return the runs behind the laws at one level."""
    places = task.places
    data = task.data[:, task.levels.index(level)]
    return plots.Measured(places["sigma"], places["critic_params"], data)


def _top_level(study: Study) -> float:
    """Return the highest level that every task has a law at, else the highest of any."""
    known = [set(task.laws.levels) for task in study.tasks]
    return max(set.intersection(*known) or set.union(*known))


def _width(panels: Sequence[object]) -> float:
    """Return inches: one panel alone does not fill a page's width."""
    return WIDE / 2 if len(panels) == 1 else WIDE


def _span(ends: tuple[float, float], count: int = POINTS) -> Floats:
    """Return places on which a law is drawn: a little past the data on both sides."""
    return np.geomspace(ends[0] / 1.3, ends[1] * 1.3, count)


def _line(x: Floats, predicted: laws.Estimate) -> plots.Line:
    return plots.Line(x, predicted.value, predicted.low, predicted.high)


def _points(
    x: Floats, estimates: Sequence[laws.Estimate], held_out: NDArray[np.bool_] | None = None
) -> plots.Points:
    """Return estimates at x; without an interval, none is drawn."""
    value, low, high = (
        np.array([getattr(estimate, name) for estimate in estimates])
        for name in ("value", "low", "high")
    )
    seen = np.zeros(len(x), bool)
    return plots.Points(x, value, low, high, held_out=seen if held_out is None else held_out)


def _curves(task: TaskStudy) -> plots.CurvePanel:
    shown = sorted({0, len(task.levels) // 2, len(task.levels) - 1})
    curves = []
    for cell in task.chosen:
        run, mean, fit = cell.run, cell.run.mean(), cell.run.fit()
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
    return plots.CurvePanel(task.env, curves, np.array([task.levels[i] for i in shown]))


def _hyperparameters(tasks: Sequence[TaskStudy], index: int) -> Figure:
    panels = []
    for task in tasks:
        law: Hyperparameter | None = (task.batch_size, task.learning_rate)[index]
        if law is None:
            continue
        sigma = law.places[:, 0]
        x = _span((float(sigma.min()), float(sigma.max())))
        panels.append(
            plots.LawPanel(
                task.env,
                [
                    plots.Series(
                        _points(sigma, law.estimates),
                        _line(x, law.fit.predict(sigma=x)),
                        label="best on the grid",
                    )
                ],
                y=law.name,
                verdict=str(law.fit.verdict),
                references={"baseline": law.baseline},
                grid=plots.Points(
                    np.array([cell.utd for cell in task.cells]),
                    np.array([float(getattr(cell.run, law.name)) for cell in task.cells]),
                ),
            )
        )
    return plots.plot_laws(panels, width=WIDE)


def _grid(env: str, tables: Sequence[Grid]) -> Figure:
    panels = [plots.GridPanel(g.utd, g.batch_sizes, g.learning_rates, g.data.T) for g in tables]
    return plots.plot_grid(panels, title=env, width=WIDE)


def _flops(task: TaskStudy, cell: Cell) -> float:
    """Return the FLOPs per env step that a run really spent."""
    found = task.laws
    params = found.critic_params or cell.params
    return float(
        laws.flops_per_step(
            sigma=cell.utd, critic_params=params, batch_size=cell.run.batch_size,
            actor_params=found.actor_params, passive_params=found.passive_params,
            action_repeat=found.action_repeat,
        )
    )  # fmt: skip


def _measurements(task: TaskStudy, level: float, quantity: Quantity) -> list[laws.Estimate]:
    """Return what was measured at every place, with intervals."""
    if quantity == "batch_size":
        return list(task.batch_size.estimates)
    index = task.levels.index(level)
    return [
        cell.at(index).times(_flops(task, cell) if quantity == "compute" else 1.0)
        for cell in task.chosen
    ]


def _predictions(
    task: TaskStudy, level: float, quantity: Quantity, places: dict[str, Any]
) -> laws.Estimate:
    if quantity == "data":
        return task.laws.level(level).predict(**places)
    if quantity == "batch_size":
        return task.batch_size.fit.predict(**places)
    cost = task.laws.cost([level])
    shape = np.broadcast_shapes(*(np.shape(v) for v in places.values()))
    value = np.broadcast_to(cost(**places), shape)
    if cost.draws is None:
        bare = np.full(shape, np.nan)
        return laws.Estimate(value, bare, bare)
    return laws.Estimate.from_draws(value, cost.draws(**places))


def _law_panel(task: TaskStudy, level: float, quantity: Quantity) -> plots.LawPanel:
    sigma = task.places["sigma"]
    points = _points(sigma, _measurements(task, level, quantity))
    if level not in task.laws.levels:
        verdict = "no law at this level"
        return plots.LawPanel(task.env, [plots.Series(points)], y=quantity, verdict=verdict)
    fit = task.laws.level(level)
    x = _span(task.laws.ranges["sigma"])
    line = _line(x, _predictions(task, level, quantity, {"sigma": x}))
    floor = float(np.asarray(fit.law.d_min)) if isinstance(fit.law, laws.DataLaw) else 0.0
    references = {"$D_{min}$": floor} if floor > 0 and quantity == "data" else {}
    return plots.LawPanel(
        task.env, [plots.Series(points, line)], y=quantity, verdict=str(fit.verdict),
        references=references,
    )  # fmt: skip


def _frontier(task: TaskStudy, budget: laws.BudgetLaws) -> Figure:
    span = task.laws.ranges["sigma"]
    x = np.geomspace(span[0] / 2, span[1] * 2, 120)
    marks = 2.0 ** np.arange(np.ceil(np.log2(span[0])), np.floor(np.log2(span[1])) + 1)
    levels = budget.levels.tolist()
    chosen = [levels.index(level) for level in task.shown_levels()]
    frontiers = []
    for i in chosen:
        cost = task.laws.cost([levels[i]])
        frontiers.append(
            plots.Frontier(
                levels[i], cost.steps(sigma=x), cost(sigma=x), marks, cost.steps(sigma=marks),
                cost(sigma=marks), (float(budget.optimum.data[i]), float(budget.optimum.compute[i])),
            )
        )  # fmt: skip
    budgets = [float(budget.optimum.budget[i]) for i in chosen]
    return plots.plot_frontiers(
        frontiers, delta=task.laws.delta, budgets=budgets, title=task.env, width=WIDE / 2
    )


def _budget(env: str, budget: laws.BudgetLaws) -> Figure:
    optimum, spent = budget.optimum, budget.optimum.budget
    x = np.geomspace(spent.min() / 1.2, spent.max() * 1.2, POINTS)
    panels = []
    for name, fit in budget.fits.items():
        found = optimum.estimate(name)
        bare = np.full(spent.shape, np.nan)
        low, high = (np.broadcast_to(end, bare.shape) for end in (found.low, found.high))
        points = plots.Points(spent, found.value, low, high, held_out=budget.held_out)
        line = _line(x, fit.predict(budget=x))
        series = plots.Series(points, line, label="optimum", censored_label="no optimum")
        verdict = str(fit.verdict)
        panels.append(
            plots.LawPanel("", [series], x="budget", y=f"optimal_{name}", verdict=verdict)
        )
    return plots.plot_laws(panels, title=env, width=WIDE)


def _contours(tasks: Sequence[TaskStudy]) -> Figure:
    panels = []
    for task in tasks:
        budget = task.budget
        if budget is None:
            continue
        chosen = np.unique(np.linspace(0, len(budget.levels) - 1, CONTOURS).round().astype(int))
        top = float(budget.levels[-1])
        contours = [
            plots.Contour(
                surface_grid(task, float(budget.levels[i])),
                float(budget.optimum.data[i]),
                (float(budget.optimum["sigma"][i]), float(budget.optimum["critic_params"][i])),
                bool(budget.optimum.edges[i] != ""),
                f"{budget.levels[i]:.0f}",
            )
            for i in chosen
        ]
        verdict = str(task.laws.level(top).verdict)
        panels.append(plots.ContourPanel(task.env, contours, measured(task, top), verdict))
    return plots.plot_contours(panels, width=_width(panels))


def _slices(tasks: Sequence[TaskStudy], axis: str, quantity: Quantity) -> Figure:
    panels = [_slice_panel(task, axis, quantity) for task in tasks]
    return plots.plot_laws(panels, width=_width(panels))


def _slice_panel(task: TaskStudy, axis: str, quantity: Quantity) -> plots.LawPanel:
    level = list(task.laws.levels)[-1]
    (other,) = [name for name in task.laws.axes if name != axis]
    x, values = task.places[axis], task.places[other]
    drawn = _span(task.laws.ranges[axis])
    estimates = _measurements(task, level, quantity)
    series = []
    for fixed in np.unique(values):
        here = np.flatnonzero(values == fixed)
        at = {axis: drawn, other: np.full(drawn.shape, fixed)}
        line = _line(drawn, _predictions(task, level, quantity, at))
        shape = task.chosen[here[0]].run.shape
        label = f"width {shape}" if axis == "sigma" and shape else ""
        runs = _points(x[here], [estimates[i] for i in here])
        series.append(plots.Series(runs, line, float(fixed), label))
    fit = task.batch_size.fit if quantity == "batch_size" else task.laws.level(level)
    verdict = None if fit.form == "constant" else str(fit.verdict)
    return plots.LawPanel(task.env, series, x=axis, y=quantity, by=other, verdict=verdict)


def _partition(tasks: Sequence[TaskStudy]) -> Figure:
    panels = [
        plots.PartitionPanel(
            task.env, task.budget.optimum.compute, task.budget.optimum.data, task.laws.delta,
            np.asarray(task.budget.optimum.edges != "", bool),
        )
        for task in tasks if task.budget is not None
    ]  # fmt: skip
    return plots.plot_partitions(panels, width=_width(panels))


def _strategies(tasks: Sequence[TaskStudy]) -> Figure:
    panels = []
    for task in tasks:
        if task.budget is None:
            continue
        ratios = {axis: one.data_ratio for axis, one in task.alone.items()}
        medians = {axis: laws.median_ratio(ratio) for axis, ratio in ratios.items()}
        panels.append(plots.StrategyPanel(task.env, task.budget.optimum.budget, ratios, medians))
    return plots.plot_strategies(panels, width=_width(panels))


def _td_errors(found: TdErrors, show: Literal["train", "validation"]) -> Figure:
    panels = []
    for sigma in np.unique(found.sigma):
        here = found.sigma == sigma
        batches, row = np.unique(found.batch_size[here], return_inverse=True)
        sizes, first, column = np.unique(found.params[here], return_index=True, return_inverse=True)
        widths = found.width[here][first]
        arrays = {}
        for name, error in found.errors.items():
            arrays[name] = np.full((batches.size, widths.size), np.nan)
            arrays[name][row, column] = error[here]
        largest = np.array([found.largest_batch.get(size, np.nan) for size in sizes])
        panels.append(
            plots.TdErrorPanel(
                float(sigma), batches, widths, arrays["train"], arrays["validation"], largest
            )
        )
    return plots.plot_td_errors(panels, show=show, title=found.env, width=WIDE)
