"""The parts of a budget, compute and data, and the cost of scaling one axis alone.

Source: paper 2, the budget F = C_J(σ, N) + δ·D_J(σ, N), and its comparison of σ alone and N alone
with both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
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
    nowhere,
    positive,
    same_shape,
    some,
    store,
    store_mask,
)
from vs_plots._figure import small_multiples
from vs_plots.marks import draw_at_top, log_limits
from vs_plots.style import COLUMN_WIDTH, GREY, MEASURED, OKABE_ITO, REFERENCE
from vs_plots.ticks import BUDGET, log_axis, quantity

_COMPUTE, _DATA = OKABE_ITO[4], OKABE_ITO[5]
_EXTRA = {"data": "Extra data over both", "compute": "Extra FLOPs over both"}


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
    at_edge: BoolArray = field(default_factory=nowhere)

    def __post_init__(self) -> None:
        owner = f"PartitionPanel {self.title!r}"
        for name in ("compute", "data"):
            array = floats(owner, name, getattr(self, name))
            positive(owner, name, array)
            store(self, name, array)
        positive(owner, "delta", floats(owner, "delta", [self.delta]))
        same_shape(owner, "data", self.data.shape, "compute", self.compute.shape)
        store_mask(self, owner, "at_edge", "compute")


@dataclass(frozen=True, eq=False)
class StrategyPanel:
    """The cost of scaling one axis alone, over the budget that all axes together need.

    Attributes:
        title: name of the task.
        budget: shape (n,), F of each comparison, FLOPs.
        ratios: by axis ("sigma", "critic_params"), shape (n,): D (or C) with that axis alone over D
            (or C) with all of them; inf = not within the budget, NaN = missing.
        medians: by axis, one ratio that stands for all budgets, written under the title as a
            percentage: inf = over budget, NaN = not known; axes left out are not written.
    """

    title: str
    budget: FloatArray
    ratios: Mapping[str, FloatArray]
    medians: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        owner = f"StrategyPanel {self.title!r}"
        budget = floats(owner, "budget", self.budget)
        positive(owner, "budget", budget)
        store(self, "budget", budget)
        some(f"{owner}: ratios", self.ratios, kind="axis")
        ratios = {}
        for axis, values in self.ratios.items():
            quantity(axis, owner=f"{owner}: ratios")
            ratios[axis] = floats(owner, f"ratios[{axis!r}]", values)
            not_negative(owner, f"ratios[{axis!r}]", ratios[axis])
            same_shape(owner, f"ratios[{axis!r}]", ratios[axis].shape, "budget", budget.shape)
        store(self, "ratios", ratios)
        store(self, "medians", dict(self.medians))
        if not set(self.medians) <= set(ratios):
            raise ValueError(
                f"{owner}: medians must be of the axes of ratios, {', '.join(ratios)}."
            )


def plot_partitions(panels: Sequence[PartitionPanel], *, width: float = COLUMN_WIDTH) -> Figure:
    """Draw the shares C/F and δ·D/F of the optimal budget, stacked, one panel per task.

    Args:
        panels: one per task.
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel.
    """
    return small_multiples(
        "plot_partitions", panels, _draw_partition, width=width, height=1.3, same_x=False
    )


def _draw_partition(ax: Axes, panel: PartitionPanel) -> None:
    budget = panel.compute + panel.delta * panel.data
    order = np.argsort(budget, kind="stable")
    budget, share = budget[order], (panel.compute / budget)[order]
    edge = panel.at_edge[order]
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
    y: Literal["data", "compute"] = "data",
    width: float = COLUMN_WIDTH,
) -> Figure:
    """Draw the extra data or compute that each axis alone needs over both, one panel per task.

    Args:
        panels: one per task.
        y: the quantity that the ratios compare: D (env steps) or C (FLOPs).
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel, or on another quantity.
    """
    if y not in _EXTRA:
        raise ValueError(f"plot_strategies: y must be 'data' or 'compute', got {y!r}.")
    draw = partial(_draw_strategies, label=_EXTRA[y])
    return small_multiples("plot_strategies", panels, draw, width=width, height=1.5, same_x=False)


def _draw_strategies(ax: Axes, panel: StrategyPanel, label: str) -> None:
    order = np.argsort(panel.budget, kind="stable")
    budget = panel.budget[order]
    log_axis(ax.xaxis, BUDGET)
    ax.set_xlim(*log_limits([budget], []))
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
    ax.set_ylabel(label)
    ax.axhline(0, color=REFERENCE, linewidth=1.0, linestyle=(0, (4, 2)), label="both")
    for (axis, ratios), color, marker in zip(
        panel.ratios.items(), OKABE_ITO, "osDvPX*", strict=False
    ):
        extra = ratios[order] - 1
        lost = extra == np.inf
        ax.plot(
            budget,
            np.where(lost, np.nan, extra),
            color=color,
            marker=marker,
            markersize=3.5,
            linewidth=1.2,
            label=f"{quantity(axis).symbol} alone",
        )
        draw_at_top(ax, budget[lost], color=color, size=4.5)
    if any(np.isinf(ratios).any() for ratios in panel.ratios.values()):
        ax.plot([], [], "^", color=GREY, markerfacecolor="white", label="not within the budget")
    low, high = ax.get_ylim()
    # room for the marks at the top, and a scale even where all is equal
    ax.set_ylim(min(low, -0.02), max(high + 0.12 * (high - low), 0.05))
    medians = [f"{quantity(axis).symbol}: {percent(r - 1)}" for axis, r in panel.medians.items()]
    ax.set_title("\n".join([panel.title, *([", ".join(medians)] if medians else [])]))


def percent(value: float) -> str:
    """Format a share above or below: +11 %, 0 %, −3 %; "–" for NaN; inf as the triangle of the legend."""
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "△"
    number = round(100 * value)
    return f"{'+' if number > 0 else '−' if number < 0 else ''}{abs(number)} %"
