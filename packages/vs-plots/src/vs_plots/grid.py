"""Heat maps of D_J over batch size and learning rate: the grid as it was run, one panel per σ."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from vs_plots._check import (
    FloatArray,
    floats,
    increasing,
    not_negative,
    positive,
    same_shape,
    store,
)
from vs_plots._figure import small_multiples
from vs_plots.style import COLUMN_WIDTH, dress, style
from vs_plots.ticks import DATA, SIGMA, log_axis, plain_label, rate_label

_COLORMAP = "cividis"


@dataclass(frozen=True, eq=False)
class GridPanel:
    """D_J of every configuration of one task at one σ.

    Attributes:
        sigma: updates-to-data ratio.
        batch_sizes: shape (b,), increasing.
        learning_rates: shape (l,), increasing.
        data: shape (b, l), D_J in env steps; inf = not reached, NaN = not run.
    """

    sigma: float
    batch_sizes: FloatArray
    learning_rates: FloatArray
    data: FloatArray

    def __post_init__(self) -> None:
        owner = f"GridPanel σ = {self.sigma:g}"
        positive(owner, "sigma", floats(owner, "sigma", [self.sigma]))
        for name in ("batch_sizes", "learning_rates"):
            array = floats(owner, name, getattr(self, name))
            increasing(owner, name, array)
            store(self, name, array)
        data = floats(owner, "data", self.data, ndim=2)
        expected = (len(self.batch_sizes), len(self.learning_rates))
        same_shape(owner, "data", data.shape, "(batch_sizes, learning_rates)", expected)
        not_negative(owner, "data", data)
        store(self, "data", data)


def plot_grid(
    panels: Sequence[GridPanel], *, title: str = "", width: float = COLUMN_WIDTH
) -> Figure:
    """Draw D_J over (B, η), one panel per σ, on one colour scale; the best cell has a star.

    Args:
        panels: one per σ.
        title: name of the task and threshold.
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel.
    """
    norm = _norm(panels)
    figure = small_multiples(
        "plot_grid",
        panels,
        partial(_draw, norm=norm),
        width=width,
        height=1.3,
        same_x=False,
        title=title,
    )
    with style():
        bar = figure.colorbar(
            ScalarMappable(norm, _COLORMAP), ax=figure.axes, label=DATA.label, aspect=30, pad=0.02
        )
        log_axis(bar.ax.yaxis, DATA)
        dress(bar.ax)
        bar.ax.grid(visible=False)
    return figure


def _draw(ax: Axes, panel: GridPanel, norm: LogNorm) -> None:
    ax.grid(visible=False)
    shown = np.ma.masked_invalid(panel.data)
    ax.pcolormesh(shown, norm=norm, cmap=_COLORMAP, edgecolors="white", linewidth=0.8)
    for row, column in np.argwhere(panel.data == np.inf):
        ax.add_patch(
            Rectangle(
                (column, row),
                1,
                1,
                fill=False,
                hatch="/////",
                edgecolor="#8A8A8A",
                linewidth=0.6,
                label="not reached",
            )
        )
    if np.isfinite(panel.data).any():
        row, column = np.unravel_index(
            np.argmin(np.where(np.isfinite(panel.data), panel.data, np.inf)), panel.data.shape
        )
        ax.add_line(
            Line2D(
                [column + 0.5],
                [row + 0.5],
                linestyle="none",
                marker="*",
                markersize=9,
                color="white",
                markeredgecolor="black",
                markeredgewidth=0.7,
                label="least $D_J$",
            )
        )
    ax.set_xticks(
        np.arange(len(panel.learning_rates)) + 0.5,
        [rate_label(v) for v in panel.learning_rates],
    )
    ax.set_yticks(
        np.arange(len(panel.batch_sizes)) + 0.5, [plain_label(v) for v in panel.batch_sizes]
    )
    ax.tick_params(length=0)
    ax.set_xlabel("Learning rate η")
    ax.set_ylabel("Batch size $B$")
    ax.set_title(SIGMA.at(panel.sigma))


def _norm(panels: Sequence[GridPanel]) -> LogNorm:
    values = np.concatenate([np.empty(0), *(panel.data.ravel() for panel in panels)])
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if len(values) else (1.0, 10.0)
    # one value alone still needs a scale of some length
    return LogNorm(low, high) if high > low else LogNorm(low / 1.5, high * 1.5)
