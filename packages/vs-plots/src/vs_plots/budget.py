"""What to do with a budget: σ*(F), D*(F), C*(F) (P1, problem 3.2) and, with P2, N*(F)."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vs_plots.marks import Line, Points, draw_line, draw_points, log_limits
from vs_plots.style import COLUMN_WIDTH, dress, panel_grid, shared_legend, style
from vs_plots.ticks import BUDGET, Quantity, count_label, flops_label, log_axis, plain_label

_AXES = {
    "sigma": Quantity("σ*", 2, plain_label),
    "params": Quantity("$N$* (parameters)", 10, count_label),
    "data": Quantity("$D$* (env steps)", 10, count_label),
    "compute": Quantity("$C$* (FLOPs)", 10, flops_label),
}


@dataclass(frozen=True, eq=False)
class BudgetLaw:
    """Optima over budgets and the power law through them.

    Attributes:
        points: σ*, N*, D* or C* at each budget F (x, FLOPs); held-out budgets are hollow.
        line: the power law on a grid of budgets; None where nothing could be fitted.
        verdict: the fit's verdict; a law that is not "supported" is dashed and grey.
    """

    points: Points
    line: Line | None = None
    verdict: str | None = None


def plot_budget_laws(
    *,
    sigma: BudgetLaw,
    data: BudgetLaw,
    compute: BudgetLaw,
    params: BudgetLaw | None = None,
    title: str = "",
    width: float = COLUMN_WIDTH,
) -> Figure:
    """Draws σ*(F), N*(F) where given, D*(F) and C*(F): stacked in one column, side by side from 6 inches on.

    Args:
        sigma: σ* over F.
        data: D* over F, env steps.
        compute: C* over F, FLOPs.
        params: N* over F, critic parameters; left out with one axis.
        title: name of the task or benchmark.
        width: width of the figure, inches.

    Returns:
        The figure.
    """
    size = {} if params is None else {"params": params}
    laws = {"sigma": sigma, **size, "data": data, "compute": compute}
    stacked = width < 6
    with style():
        figure, axes = panel_grid(
            len(laws),
            width=width,
            height=1.25 if stacked else 1.8,
            columns=1 if stacked else len(laws),
        )
        for ax, (name, law) in zip(axes, laws.items(), strict=True):
            draw_budget_law(ax, law, quantity=_AXES[name])
        limits = [ax.get_xlim() for ax in axes]
        for index, ax in enumerate(axes):
            ax.set_xlim(min(low for low, _ in limits), max(high for _, high in limits))
            if stacked and index < len(laws) - 1:
                ax.set_xlabel("")
                ax.tick_params(labelbottom=False)
        figure.align_ylabels(axes)
        if title:
            axes[0].set_title(title)
        shared_legend(figure)
    return figure


def draw_budget_law(ax: Axes, law: BudgetLaw, *, quantity: Quantity) -> None:
    """Draws one panel on a given Axes (whose scales and limits it sets)."""
    points, line = law.points, law.line
    with style():
        dress(ax)
        log_axis(ax.xaxis, BUDGET)
        log_axis(ax.yaxis, quantity)
        core, soft, budgets = [points.value], [points.low, points.high], [points.x]
        if line is not None:
            core, soft = [*core, line.value], [*soft, line.low, line.high]
            budgets = [*budgets, line.x]
        ax.set_xlim(*log_limits(budgets, []))
        ax.set_ylim(*log_limits(core, soft))
        if line is not None:
            draw_line(ax, line, label="law", verdict=law.verdict)
        draw_points(ax, points, label="optimum", censored_label="no optimum")
