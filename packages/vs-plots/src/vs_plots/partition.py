"""How a budget is spent: its parts, compute and data, and what scaling one axis alone costs (P2)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from vs_plots._check import (
    BoolArray,
    FloatArray,
    floats,
    not_negative,
    positive,
    same_shape,
    some,
    store,
)
from vs_plots.marks import log_limits
from vs_plots.style import (
    COLUMN_WIDTH,
    GREY,
    MEASURED,
    OKABE_ITO,
    REFERENCE,
    dress,
    panel_grid,
    share_labels,
    shared_legend,
    style,
)
from vs_plots.ticks import BUDGET, log_axis

_COMPUTE, _DATA = OKABE_ITO[4], OKABE_ITO[5]
_EXTRA = {
    "data": "Extra data over both",
    "compute": "Extra FLOPs over both",
}


def _nowhere() -> BoolArray:
    return np.empty(0, dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class PartitionPanel:
    """The optima of one task along its budget F = C + δ·D.

    Attributes:
        title: name of the task.
        compute: shape (n,), C* at each optimum, FLOPs.
        data: shape (n,), D* at each optimum, env steps.
        delta: δ, the price of one env step, FLOPs.
        at_edge: shape (n,), True where the optimum lies at the edge of the data; left out: nowhere.
    """

    title: str
    compute: FloatArray
    data: FloatArray
    delta: float
    at_edge: BoolArray = field(default_factory=_nowhere)

    def __post_init__(self) -> None:
        owner = f"PartitionPanel {self.title!r}"
        for name in ("compute", "data"):
            array = floats(owner, name, getattr(self, name))
            positive(owner, name, array)
            store(self, name, array)
        positive(owner, "delta", floats(owner, "delta", [self.delta]))
        given = np.array(self.at_edge)
        edge = np.zeros(self.compute.shape, dtype=np.bool_) if given.size == 0 else given
        if edge.dtype != np.bool_:
            raise ValueError(f"{owner}: at_edge must be an array of booleans.")
        store(self, "at_edge", edge)
        for name in ("data", "at_edge"):
            same_shape(owner, name, getattr(self, name).shape, "compute", self.compute.shape)


@dataclass(frozen=True, eq=False)
class StrategyPanel:
    """What scaling both axes, σ alone and N alone need at equal budgets.

    Attributes:
        title: name of the task.
        budget: shape (n,), F of each comparison, FLOPs.
        both: shape (n,), D (env steps) or C (FLOPs) with both axes scaled.
        sigma_only: shape (n,), the same with N fixed; inf = not within the budget, NaN = missing.
        params_only: shape (n,), the same with σ fixed.
    """

    title: str
    budget: FloatArray
    both: FloatArray
    sigma_only: FloatArray
    params_only: FloatArray

    def __post_init__(self) -> None:
        owner = f"StrategyPanel {self.title!r}"
        for name in ("budget", "both", "sigma_only", "params_only"):
            array = floats(owner, name, getattr(self, name))
            if name in ("budget", "both"):
                positive(owner, name, array)
            else:
                not_negative(owner, name, array)
            store(self, name, array)
            same_shape(owner, name, array.shape, "budget", self.budget.shape)


def plot_partitions(panels: Sequence[PartitionPanel], *, width: float = COLUMN_WIDTH) -> Figure:
    """Draws the shares C/F and δ·D/F of the optimal budget, stacked, one panel per task.

    Args:
        panels: one per task.
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel.
    """
    some("plot_partitions", panels)
    with style():
        figure, axes = panel_grid(len(panels), width=width, height=1.3)
        for ax, panel in zip(axes, panels, strict=True):
            draw_partition(ax, panel)
        share_labels(figure, axes, same_x=False)
        shared_legend(figure)
    return figure


def draw_partition(ax: Axes, panel: PartitionPanel) -> None:
    """Draws one panel on a given Axes (whose scales and limits it sets)."""
    budget = panel.compute + panel.delta * panel.data
    order = np.argsort(budget, kind="stable")
    budget, share = budget[order], (panel.compute / budget)[order]
    edge = panel.at_edge[order]
    with style():
        dress(ax)
        log_axis(ax.xaxis, BUDGET)
        ax.set_xlim(*log_limits([budget], []))
        ax.set_ylim(0, 1)
        ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        ax.set_ylabel("Share of the budget")
        ax.fill_between(budget, share, 1, color=_DATA, linewidth=0, label="data, δ$D$/$F$")
        ax.fill_between(budget, 0, share, color=_COMPUTE, linewidth=0, label="compute, $C$/$F$")
        for mask, face, label in (
            (~edge, MEASURED, "optimum"),
            (edge, "white", "optimum at an edge"),
        ):
            if mask.any():
                ax.plot(
                    budget[mask],
                    share[mask],
                    linestyle="none",
                    marker="o",
                    markersize=3.5,
                    color=MEASURED,
                    markerfacecolor=face,
                    markeredgewidth=0.8,
                    label=label,
                )
        ax.set_title(panel.title)


def plot_strategies(
    panels: Sequence[StrategyPanel],
    *,
    quantity: Literal["data", "compute"] = "data",
    width: float = COLUMN_WIDTH,
) -> Figure:
    """Draws how much more σ alone and N alone need than both, at equal budget, per task.

    Args:
        panels: one per task; the medians over its budgets stand under its title.
        quantity: what the panels' values are: D (env steps) or C (FLOPs).
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel or on an unknown quantity.
    """
    some("plot_strategies", panels)
    with style():
        figure, axes = panel_grid(len(panels), width=width, height=1.5)
        for ax, panel in zip(axes, panels, strict=True):
            draw_strategies(ax, panel, quantity=quantity)
        share_labels(figure, axes, same_x=False)
        shared_legend(figure)
    return figure


def draw_strategies(
    ax: Axes, panel: StrategyPanel, *, quantity: Literal["data", "compute"] = "data"
) -> None:
    """Draws one panel on a given Axes (whose scales and limits it sets)."""
    if quantity not in _EXTRA:
        raise ValueError(
            f"draw_strategies: quantity must be 'data' or 'compute', got {quantity!r}."
        )
    order = np.argsort(panel.budget, kind="stable")
    budget = panel.budget[order]
    strategies = (
        ("σ", panel.sigma_only, OKABE_ITO[0], "o"),
        ("$N$", panel.params_only, OKABE_ITO[1], "s"),
    )
    with style():
        dress(ax)
        log_axis(ax.xaxis, BUDGET)
        ax.set_xlim(*log_limits([budget], []))
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
        ax.set_ylabel(_EXTRA[quantity])
        ax.axhline(0, color=REFERENCE, linewidth=1.0, linestyle=(0, (4, 2)), label="both")
        said = []
        for name, values, color, marker in strategies:
            extra = values[order] / panel.both[order] - 1
            lost = extra == np.inf
            said.append(f"{name}: {percent(float(_median(extra)))}")
            ax.plot(
                budget,
                np.where(lost, np.nan, extra),
                color=color,
                marker=marker,
                markersize=3.5,
                linewidth=1.2,
                label=f"{name} alone",
            )
            if lost.any():
                ax.plot(
                    budget[lost],
                    np.full(int(lost.sum()), 0.96),
                    transform=ax.get_xaxis_transform(),
                    linestyle="none",
                    marker="^",
                    color=color,
                    markerfacecolor="white",
                    markersize=4.5,
                    markeredgewidth=0.9,
                    clip_on=False,
                )
        if any((values == np.inf).any() for _, values, _, _ in strategies):
            ax.plot([], [], "^", color=GREY, markerfacecolor="white", label="not within the budget")
        low, high = ax.get_ylim()
        # room for the marks at the top, and a scale even where all is equal
        ax.set_ylim(min(low, -0.02), max(high + 0.12 * (high - low), 0.05))
        ax.set_title(f"{panel.title}\n{', '.join(said)}")


def _median(extra: FloatArray) -> np.floating | float:
    """The median over the budgets compared: inf counts as more than any number."""
    known = np.sort(extra[~np.isnan(extra)])
    if len(known) == 0:
        return np.nan
    middle = known[[(len(known) - 1) // 2, len(known) // 2]]
    return np.inf if middle[1] == np.inf else middle.mean()


def percent(value: float) -> str:
    """Formats a share above or below: +11 %, 0 %, −3 %; "–" where there is none."""
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "over budget"
    number = round(100 * value)
    return f"{'+' if number > 0 else '−' if number < 0 else ''}{abs(number)} %"
