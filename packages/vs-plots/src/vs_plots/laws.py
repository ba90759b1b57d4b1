"""The data and compute laws, D_J(σ) (P1, 4.1) and C_J(σ) (P1, 4.2), one panel per task."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vs_plots._check import FloatArray, floats, positive, some
from vs_plots.marks import Line, Points, draw_line, draw_points, log_limits, titled
from vs_plots.style import (
    COLUMN_WIDTH,
    REFERENCE,
    dress,
    panel_grid,
    share_labels,
    shared_legend,
    style,
)
from vs_plots.ticks import COMPUTE, DATA, SIGMA, Quantity, log_axis


@dataclass(frozen=True, eq=False)
class LawPanel:
    """One task's measurements over σ and the law fitted to them.

    Attributes:
        title: name of the task.
        points: D_J (env steps) or C_J (FLOPs) measured at each σ, with intervals.
        line: the law on a grid of σ; None where nothing could be fitted.
        asymptote: D_min, env steps; None for C_J, which has none.
        verdict: the fit's verdict, shown under the title; the line of a law that is not
            "supported" is dashed and grey.
    """

    title: str
    points: Points
    line: Line | None = None
    asymptote: float | None = None
    verdict: str | None = None

    def __post_init__(self) -> None:
        if self.asymptote is not None:
            owner = f"LawPanel {self.title!r}"
            positive(owner, "asymptote", floats(owner, "asymptote", [self.asymptote]))


def plot_data_laws(panels: Sequence[LawPanel], *, width: float = COLUMN_WIDTH) -> Figure:
    """Draws D_J(σ) as small multiples: points, intervals, law, band and D_min.

    Args:
        panels: one per task.
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel.
    """
    return _plot("plot_data_laws", panels, DATA, width)


def plot_compute_laws(panels: Sequence[LawPanel], *, width: float = COLUMN_WIDTH) -> Figure:
    """Draws C_J(σ) as small multiples; arguments as in :func:`plot_data_laws`."""
    return _plot("plot_compute_laws", panels, COMPUTE, width)


def draw_law(ax: Axes, panel: LawPanel, *, quantity: Quantity) -> None:
    """Draws one panel on a given Axes (whose scales and limits it sets).

    Args:
        ax: where to draw.
        panel: what to draw.
        quantity: ``DATA`` or ``COMPUTE``: the y axis.
    """
    with style():
        dress(ax)
        log_axis(ax.xaxis, SIGMA)
        log_axis(ax.yaxis, quantity)
        points, line = panel.points, panel.line
        core, soft = [points.value], [points.low, points.high]
        sigma: list[FloatArray] = [points.x]
        if line is not None:
            core, soft, sigma = [*core, line.value], [*soft, line.low, line.high], [*sigma, line.x]
        if panel.asymptote is not None:
            core = [*core, np.array([panel.asymptote])]
        ax.set_xlim(*log_limits(sigma, []))
        ax.set_ylim(*log_limits(core, soft))
        if line is not None:
            draw_line(ax, line, label="law", verdict=panel.verdict)
        if panel.asymptote is not None:
            ax.axhline(
                panel.asymptote,
                color=REFERENCE,
                linewidth=0.9,
                linestyle=(0, (4, 2)),
                label="$D_{min}$",
            )
        draw_points(ax, points, label="measured", censored_label="not reached")
        ax.set_title(titled(panel.title, panel.verdict))


def _plot(name: str, panels: Sequence[LawPanel], quantity: Quantity, width: float) -> Figure:
    some(name, panels)
    with style():
        figure, axes = panel_grid(len(panels), width=width, height=1.45)
        for ax, panel in zip(axes, panels, strict=True):
            draw_law(ax, panel, quantity=quantity)
        share_labels(figure, axes, same_x=True)
        shared_legend(figure)
    return figure
