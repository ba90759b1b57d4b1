"""The best batch size B*(σ) and learning rate η*(σ) against the grid that was run (P1, §4.2)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vs_plots._check import FloatArray, floats, positive, same_shape, some, store
from vs_plots.marks import Line, Points, draw_line, draw_points, log_limits, titled
from vs_plots.style import (
    COLUMN_WIDTH,
    GREY,
    REFERENCE,
    dress,
    panel_grid,
    share_labels,
    shared_legend,
    style,
)
from vs_plots.ticks import BATCH_SIZE, LEARNING_RATE, SIGMA, log_axis

_QUANTITIES = {"batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE}


@dataclass(frozen=True, eq=False)
class HyperparameterPanel:
    """One task's best values over σ, the law through them, and the grid they were chosen from.

    Attributes:
        title: name of the task.
        points: B̃ or η̃ at each σ (bootstrap means) with intervals.
        line: the law B*(σ) or η*(σ) on a grid of σ; None where nothing could be fitted.
        grid_sigma: shape (g,), σ of every configuration that was run.
        grid_value: shape (g,), its batch size or learning rate.
        baseline: one value used at every σ (the published baseline), or None.
        verdict: the fit's verdict, shown under the title.
    """

    title: str
    points: Points
    line: Line | None = None
    grid_sigma: FloatArray = field(default_factory=lambda: np.empty(0))
    grid_value: FloatArray = field(default_factory=lambda: np.empty(0))
    baseline: float | None = None
    verdict: str | None = None

    def __post_init__(self) -> None:
        owner = f"HyperparameterPanel {self.title!r}"
        for name in ("grid_sigma", "grid_value"):
            array = floats(owner, name, getattr(self, name))
            positive(owner, name, array)
            store(self, name, array)
        same_shape(owner, "grid_value", self.grid_value.shape, "grid_sigma", self.grid_sigma.shape)
        if self.baseline is not None:
            positive(owner, "baseline", floats(owner, "baseline", [self.baseline]))


def plot_hyperparameters(
    panels: Sequence[HyperparameterPanel],
    *,
    quantity: Literal["batch_size", "learning_rate"],
    width: float = COLUMN_WIDTH,
) -> Figure:
    """Draws B*(σ) or η*(σ), one panel per task.

    Args:
        panels: one per task.
        quantity: what the panels' values are.
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel or on an unknown quantity.
    """
    some("plot_hyperparameters", panels)
    with style():
        figure, axes = panel_grid(len(panels), width=width, height=1.45)
        for ax, panel in zip(axes, panels, strict=True):
            draw_hyperparameter(ax, panel, quantity=quantity)
        share_labels(figure, axes, same_x=True)
        shared_legend(figure)
    return figure


def draw_hyperparameter(
    ax: Axes, panel: HyperparameterPanel, *, quantity: Literal["batch_size", "learning_rate"]
) -> None:
    """Draws one panel on a given Axes (whose scales and limits it sets)."""
    if quantity not in _QUANTITIES:
        raise ValueError(
            f"draw_hyperparameter: quantity must be 'batch_size' or 'learning_rate', "
            f"got {quantity!r}."
        )
    points, line = panel.points, panel.line
    with style():
        dress(ax)
        log_axis(ax.xaxis, SIGMA)
        log_axis(ax.yaxis, _QUANTITIES[quantity])
        core = [points.value, panel.grid_value]
        soft = [points.low, points.high]
        sigma = [points.x, panel.grid_sigma]
        if line is not None:
            core, soft, sigma = [*core, line.value], [*soft, line.low, line.high], [*sigma, line.x]
        if panel.baseline is not None:
            core = [*core, np.array([panel.baseline])]
        ax.set_xlim(*log_limits(sigma, []))
        ax.set_ylim(*log_limits(core, soft))
        if len(panel.grid_sigma):
            ax.plot(
                panel.grid_sigma,
                panel.grid_value,
                linestyle="none",
                marker="+",
                color=GREY,
                markersize=4,
                markeredgewidth=0.8,
                label="grid",
            )
        if line is not None:
            draw_line(ax, line, label="law", verdict=panel.verdict)
        if panel.baseline is not None:
            ax.axhline(
                panel.baseline,
                color=REFERENCE,
                linewidth=1.0,
                linestyle=(0, (1, 1.2)),
                label="baseline",
            )
        draw_points(ax, points, label="best on the grid", censored_label="not reached")
        ax.set_title(titled(panel.title, panel.verdict))
