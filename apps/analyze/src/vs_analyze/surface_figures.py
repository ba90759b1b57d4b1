"""The report's figures over two axes: a `SurfaceStudy` turned into the panels of vs-plots."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

import numpy as np
import vs_laws as laws
import vs_plots as plots
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vs_analyze.figures import WIDE, Named, budget_panel, estimate_points, law_line, slug
from vs_analyze.surface import SurfaceStudy, TaskSurface, median_ratio
from vs_analyze.td_errors import TdErrors

type Floats = NDArray[np.float64]
type OnPath = tuple[TaskSurface, laws.SurfaceBudgetLaws]
type Along = Literal["sigma", "params"]

CONTOURS = 6  # levels drawn as contours, evenly chosen
GRID = 60  # points of a drawn surface, each way


def surface_figures(study: SurfaceStudy) -> Iterator[Named]:
    """All figures of the report, in reading order; none is drawn yet."""
    tasks = study.tasks
    with_path = [(task, task.budget) for task in tasks if task.budget is not None]
    if with_path:
        yield Named(
            "contours",
            "Where D_J(σ, N) equals the data of level J's budget optimum (star; hollow: at or beyond the "
            "edge of what was run), one contour per level (numbers: J), the path through the optima, and "
            "the runs coloured by their env steps to the highest level; crosses: not reached.",
            partial(_contours, with_path),
        )
    for along, axis, fixed in (("sigma", "σ", "N"), ("params", "N", "σ")):
        yield Named(
            f"data_along_{along}",
            f"Env steps to the highest level along {axis}, one line per {fixed}: runs with 95 % intervals "
            "over seeds and the law D_J(σ, N); open triangles: not reached.",
            partial(_slices, tasks, along, "data"),
        )
    yield Named(
        "compute_along_params",
        "FLOPs to the highest level along N, one line per σ: with the batch sizes really run, and "
        f"C_J(σ, N) with {'the law B*(σ, N)' if study.settings.batch_size == 'law' else 'B = 256'}.",
        partial(_slices, tasks, "params", "compute"),
    )
    for along, axis, fixed in (("params", "N", "σ"), ("sigma", "σ", "N")):
        yield Named(
            f"batch_size_along_{along}",
            f"Batch size along {axis}, one line per {fixed}: {tasks[0].batch.source}, and the law.",
            partial(_slices, tasks, along, "batch_size"),
        )
    for task, budget in with_path:
        yield Named(
            f"budget_{slug(task.env)}",
            f"{task.env}: budget-optimal σ*, N*, D* and C* over the budget F; hollow: the largest "
            "budgets, held out of the fit.",
            partial(_budget, task, budget),
        )
    if with_path:
        yield Named(
            "partition",
            "How the optimal budget F = C + δ·D is spent; hollow: an optimum at an edge.",
            partial(_partition, with_path),
        )
        yield Named(
            "strategies",
            "Extra data when σ alone or N alone is scaled, with no more FLOPs than both together need, "
            "over the budget of both.",
            partial(_strategies, with_path),
        )
    for found in study.td_errors:
        if found.has_grid():
            for show, name in (("train", "training"), ("validation", "validation")):
                yield Named(
                    f"td_{show}_{slug(found.env)}",
                    f"{found.env}: {name} TD error over env steps {found.window[0]:,} to "
                    f"{found.window[1]:,}; the bar is over the largest batch size within 5 % of the "
                    "best predicted validation error.",
                    partial(_td_errors, found, show),
                )


def surface_grid(task: TaskSurface, level: float, points: int = GRID) -> plots.Surface:
    """The law of one level over the (σ, N) that were run, and a little beyond."""
    sigma, params = _span(task.laws.sigma_range, points), _span(task.laws.params_range, points)
    data = task.laws.level(level).data.law(sigma[:, None], params[None, :])
    return plots.Surface(sigma, params, np.asarray(data, float))


def measured(task: TaskSurface, level: float) -> plots.Measured:
    """The runs behind the laws at one level."""
    return plots.Measured(task.sigma, task.params, task.data[:, task.levels.index(level)])


def _wide(panels: Sequence[object]) -> float:
    """Inches: one panel alone does not fill a page's width."""
    return WIDE / 2 if len(panels) == 1 else WIDE


def _span(ends: tuple[float, float], count: int) -> Floats:
    return np.geomspace(ends[0] / 1.3, ends[1] * 1.3, count)


def _contours(paths: Sequence[OnPath]) -> Figure:
    panels = []
    for task, budget in paths:
        chosen = np.unique(np.linspace(0, len(budget.levels) - 1, CONTOURS).round().astype(int))
        top = float(budget.levels[-1])
        contours = [
            plots.Contour(
                surface_grid(task, float(budget.levels[i])),
                float(budget.optimum.data[i]),
                (float(budget.optimum.sigma[i]), float(budget.optimum.critic_params[i])),
                bool(budget.optimum.edges[i] != ""),
                f"{budget.levels[i]:.0f}",
            )
            for i in chosen
        ]
        panels.append(
            plots.ContourPanel(task.env, contours, measured(task, top), str(task.fits[top].verdict))
        )
    return plots.plot_contours(panels, width=_wide(panels))


def _slices(tasks: Sequence[TaskSurface], along: Along, quantity: str) -> Figure:
    panels = [_slice_panel(task, along, quantity) for task in tasks]
    return plots.plot_laws(panels, width=_wide(panels))


def _slice_panel(task: TaskSurface, along: Along, quantity: str) -> plots.LawPanel:
    level = list(task.fits)[-1]
    entry = task.laws.level(level)
    law, samples = task.laws.compute([entry])
    x, other = (task.sigma, task.params) if along == "sigma" else (task.params, task.sigma)
    ends = task.laws.sigma_range if along == "sigma" else task.laws.params_range
    drawn = _span(ends, 60)
    estimates = _estimates(task, task.levels.index(level), quantity)
    series = []
    for fixed in np.unique(other):
        here = np.flatnonzero(other == fixed)
        at = (drawn, fixed) if along == "sigma" else (fixed, drawn)
        if quantity == "batch_size":
            batch = task.laws.batch_size
            value = np.broadcast_to(batch.law(*at), drawn.shape)
            spread = None if batch.samples is None else batch.samples(*at)
        elif quantity == "compute":
            value, spread = np.ravel(law(*at)), samples(*at)
        else:
            value, spread = entry.data.law(*at), entry.data.samples(*at)
        bare = np.full(drawn.shape, np.nan)
        curve = (
            plots.Line(drawn, value, bare, bare)
            if spread is None
            else law_line(drawn, value, spread)
        )
        shape = task.chosen[here[0]].run.shape
        label = f"width {shape}" if along == "sigma" and shape else ""
        runs = estimate_points(x[here], [estimates[i] for i in here])
        series.append(plots.Series(runs, curve, float(fixed), label))
    verdict = task.laws.batch_size.verdict if quantity == "batch_size" else entry.data.verdict
    verdict = None if verdict == "constant" else verdict
    axis, by = ("sigma", "critic_params") if along == "sigma" else ("critic_params", "sigma")
    return plots.LawPanel(task.env, series, x=axis, y=quantity, by=by, verdict=verdict)


def _estimates(task: TaskSurface, index: int, quantity: str) -> list[laws.Estimate]:
    """What was measured at every (σ, N), with intervals."""
    if quantity == "batch_size":
        return list(task.batch.estimates)
    found = []
    for cell in task.chosen:
        factor = 1.0
        if quantity == "compute":
            factor = float(
                laws.flops_per_step(
                    cell.utd, float(cell.run.critic_params or np.nan), batch_size=cell.run.batch_size,
                    actor_params=task.laws.actor_params, passive_params=task.laws.passive_params,
                )
            )  # fmt: skip
        found.append(
            laws.Estimate.from_samples(
                float(cell.data[index]) * factor, cell.samples[:, index] * factor
            )
        )
    return found


def _budget(task: TaskSurface, budget: laws.SurfaceBudgetLaws) -> Figure:
    optimum, F = budget.optimum, budget.optimum.budget
    x = np.geomspace(F.min() / 1.2, F.max() * 1.2, 60)
    panels = []
    for name in ("sigma", "critic_params", "data", "compute"):
        fit = budget.fits[name]
        samples = getattr(optimum.samples, name)
        estimates = [
            laws.Estimate.from_samples(v, s)
            for v, s in zip(getattr(optimum, name), samples.T, strict=True)
        ]
        predicted = fit.predict(x)
        points = estimate_points(F, estimates, budget.held_out)
        line = plots.Line(x, predicted.value, predicted.low, predicted.high)
        panels.append(budget_panel(name, points, line, str(fit.verdict)))
    return plots.plot_laws(panels, title=task.env, width=WIDE)


def _partition(paths: Sequence[OnPath]) -> Figure:
    panels = [
        plots.PartitionPanel(
            task.env, budget.optimum.compute, budget.optimum.data, task.laws.delta,
            np.asarray(budget.optimum.edges != "", bool),
        )
        for task, budget in paths
    ]  # fmt: skip
    return plots.plot_partitions(panels, width=_wide(panels))


def _strategies(paths: Sequence[OnPath]) -> Figure:
    panels = []
    for task, budget in paths:
        ratios = {axis: one.data_ratio for axis, one in task.alone.items()}
        medians = {axis: median_ratio(ratio) for axis, ratio in ratios.items()}
        panels.append(plots.StrategyPanel(task.env, budget.optimum.budget, ratios, medians))
    return plots.plot_strategies(panels, width=_wide(panels))


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
