"""D_J, C_J or B* along one axis, σ or N, with the other fixed: one line per fixed value (P2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vs_plots._check import floats, positive, some
from vs_plots.marks import SUPPORTED, Line, Points, draw_line, draw_points, log_limits, titled
from vs_plots.style import (
    COLUMN_WIDTH,
    GREY,
    dress,
    panel_grid,
    sequential_colors,
    share_labels,
    shared_legend,
    style,
)
from vs_plots.ticks import (
    BATCH_SIZE,
    COMPUTE,
    CRITIC_PARAMS,
    DATA,
    SIGMA,
    log_axis,
    plain_label,
    rounded_count_label,
)

_ALONG = {"sigma": SIGMA, "params": CRITIC_PARAMS}
_QUANTITIES = {"data": DATA, "compute": COMPUTE, "batch_size": BATCH_SIZE}


@dataclass(frozen=True, eq=False)
class Slice:
    """Measurements and law at one value of the axis that is held fixed.

    Attributes:
        fixed: the fixed value: N where the slice runs along σ, σ where it runs along N.
        points: measured values along the other axis, with intervals.
        line: the law along it; None where nothing could be fitted.
        label: legend entry; left out: "N = 2.3M" or "σ = 2". Panels of tasks whose N differ
            a little share a legend entry by a label such as "width 512".
    """

    fixed: float
    points: Points
    line: Line | None = None
    label: str = ""

    def __post_init__(self) -> None:
        positive("Slice", "fixed", floats("Slice", "fixed", [self.fixed]))


@dataclass(frozen=True, eq=False)
class SlicePanel:
    """The slices of one task.

    Attributes:
        title: name of the task.
        slices: one per fixed value; colours run from dark to light with it.
        verdict: the fit's verdict, shown under the title; lines of a law that is not "supported"
            are thin and dashed.
    """

    title: str
    slices: Sequence[Slice]
    verdict: str | None = None

    def __post_init__(self) -> None:
        some(f"SlicePanel {self.title!r}: slices", self.slices)


def plot_slices(
    panels: Sequence[SlicePanel],
    *,
    along: Literal["sigma", "params"],
    quantity: Literal["data", "compute", "batch_size"] = "data",
    width: float = COLUMN_WIDTH,
) -> Figure:
    """Draws D_J, C_J or B* along one axis with the other fixed, one panel per task.

    Args:
        panels: one per task.
        along: the x axis: "sigma" (each slice at one N) or "params" (each slice at one σ).
        quantity: the y axis: D_J (env steps), C_J (FLOPs) or the best batch size B*.
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel, or on an unknown axis or quantity.
    """
    some("plot_slices", panels)
    with style():
        figure, axes = panel_grid(len(panels), width=width, height=1.5)
        for ax, panel in zip(axes, panels, strict=True):
            draw_slices(ax, panel, along=along, quantity=quantity)
        share_labels(figure, axes, same_x=True)
        shared_legend(figure)
    return figure


def draw_slices(
    ax: Axes,
    panel: SlicePanel,
    *,
    along: Literal["sigma", "params"],
    quantity: Literal["data", "compute", "batch_size"] = "data",
) -> None:
    """Draws one panel on a given Axes (whose scales and limits it sets)."""
    for name, value, allowed in (("along", along, _ALONG), ("quantity", quantity, _QUANTITIES)):
        if value not in allowed:
            raise ValueError(f"draw_slices: {name} must be one of {', '.join(allowed)}.")
    slices = sorted(panel.slices, key=lambda one: one.fixed)
    points = [one.points for one in slices]
    lines = [one.line for one in slices if one.line is not None]
    with style():
        dress(ax)
        log_axis(ax.xaxis, _ALONG[along])
        log_axis(ax.yaxis, _QUANTITIES[quantity])
        ax.set_xlim(*log_limits([item.x for item in [*points, *lines]], []))
        ax.set_ylim(
            *log_limits(
                [item.value for item in [*points, *lines]],
                [end for item in [*points, *lines] for end in (item.low, item.high)],
            )
        )
        colors = sequential_colors([one.fixed for one in slices])
        for one, color in zip(slices, colors, strict=True):
            name = one.label or _label(one.fixed, along)
            _legend_entry(ax, name, color=color, marker="o", linestyle="-" if one.line else "none")
            if one.line is not None:
                draw_line(ax, one.line, label="_law", verdict=panel.verdict, color=color)
            draw_points(ax, one.points, label="_measured", censored_label="_lost", color=color)
        _explain(ax, slices, panel.verdict)
        ax.set_title(titled(panel.title, panel.verdict))


def _label(fixed: float, along: str) -> str:
    return (
        f"$N$ = {rounded_count_label(fixed)}" if along == "sigma" else f"σ = {plain_label(fixed)}"
    )


def _explain(ax: Axes, slices: Sequence[Slice], verdict: str | None) -> None:
    """Says in grey what a mark means whatever its colour."""
    bands = [(np.isfinite(one.line.low) & np.isfinite(one.line.high)) for one in slices if one.line]
    if any(band.any() for band in bands):
        ax.fill_between([], [], [], color=GREY, alpha=0.25, linewidth=0, label="95 % interval")
    if any(one.points.held_out.any() for one in slices):
        _legend_entry(ax, "held out", color=GREY, marker="D", linestyle="none", face="white")
    if any((one.points.value == np.inf).any() for one in slices):
        _legend_entry(ax, "not reached", color=GREY, marker="^", linestyle="none", face="white")
    if verdict not in (None, SUPPORTED) and any(one.line is not None for one in slices):
        _legend_entry(ax, "unsupported law", color=GREY, marker="", linestyle=(0, (4, 2)))


def _legend_entry(
    ax: Axes,
    label: str,
    *,
    color: str,
    marker: str,
    linestyle: str | tuple[int, tuple[int, ...]],
    face: str | None = None,
) -> None:
    """Adds a line without points: it is there for the legend only."""
    ax.plot(
        [],
        [],
        color=color,
        marker=marker,
        linestyle=linestyle,
        markerfacecolor=face or color,
        markersize=4,
        label=label,
    )
