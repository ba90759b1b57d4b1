"""TD-overfitting: training and validation TD error over batch size and width, per σ.

Source: paper 2, section 4 (TD-overfitting).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from vs_plots._check import (
    FloatArray,
    floats,
    increasing,
    no_numbers,
    not_negative,
    positive,
    same_shape,
    some,
    store,
)
from vs_plots._figure import small_multiples
from vs_plots.style import COLUMN_WIDTH, HELD_OUT
from vs_plots.ticks import SIGMA, plain_label

_COLORMAP = "cividis"
_CELL = 0.3  # inches, the least width of a cell whose number can be read
_SHOWN = {
    "train": "training TD error",
    "validation": "validation TD error",
    "ratio": "validation / training TD error",
}
Shown = Literal["train", "validation", "ratio"]


@dataclass(frozen=True, eq=False)
class TdErrorPanel:
    """End-of-training TD errors of one task at one σ.

    Attributes:
        sigma: updates-to-data ratio.
        batch_sizes: shape (b,), increasing.
        widths: shape (w,), critic widths, increasing.
        train: shape (b, w), TD error on the batches trained on; inf = diverged, NaN = not run.
        validation: shape (b, w), TD error on held-out transitions; the same.
        largest_batch: shape (w,), the largest admissible batch size of each width; inf = no
            limit, NaN = not known; left out: of none.
    """

    sigma: float
    batch_sizes: FloatArray
    widths: FloatArray
    train: FloatArray
    validation: FloatArray
    largest_batch: FloatArray = field(default_factory=no_numbers)

    def __post_init__(self) -> None:
        owner = f"TdErrorPanel σ = {self.sigma:g}"
        positive(owner, "sigma", floats(owner, "sigma", [self.sigma]))
        for name in ("batch_sizes", "widths"):
            array = floats(owner, name, getattr(self, name))
            increasing(owner, name, array)
            store(self, name, array)
        expected = (len(self.batch_sizes), len(self.widths))
        for name in ("train", "validation"):
            array = floats(owner, name, getattr(self, name), ndim=2)
            same_shape(owner, name, array.shape, "(batch_sizes, widths)", expected)
            not_negative(owner, name, array)
            store(self, name, array)
        largest = floats(owner, "largest_batch", self.largest_batch)
        if largest.size == 0:
            largest = np.full(expected[1], np.nan)
        same_shape(owner, "largest_batch", largest.shape, "widths", expected[1:])
        not_negative(owner, "largest_batch", largest)
        store(self, "largest_batch", largest)

    def values(self, show: Shown) -> FloatArray:
        """Return the array to show, shape (b, w); a ratio diverged where either error did."""
        if show == "ratio":
            finite = np.isfinite(self.train) & np.isfinite(self.validation)
            missing = np.isnan(self.train) | np.isnan(self.validation)
            out = np.where(missing, np.nan, np.inf)
            return np.divide(self.validation, self.train, out=out, where=finite)
        return self.train if show == "train" else self.validation


def plot_td_errors(
    panels: Sequence[TdErrorPanel], *, show: Shown, title: str = "", width: float = COLUMN_WIDTH
) -> Figure:
    """Draw TD errors over batch size and width, one panel per σ, on one colour scale.

    All panels are laid out on the union of their batch sizes and widths, so that a cell stands at
    the same place in each. Errors are written in a common power of ten, named in the title.

    Args:
        panels: one per σ.
        show: training error, validation error, or their ratio.
        title: name of the task.
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel or on something unknown to show.
    """
    some("plot_td_errors", panels)
    if show not in _SHOWN:
        raise ValueError(f"plot_td_errors: show must be one of {', '.join(_SHOWN)}, got {show!r}.")
    batches = np.unique(np.concatenate([p.batch_sizes for p in panels]))
    widths = np.unique(np.concatenate([p.widths for p in panels]))
    aligned = [_on_grid(panel, batches, widths) for panel in panels]
    norm, power = _scale(aligned, show)
    unit = f" (×$10^{{{power}}}$)" if power else ""
    columns = max(1, int((width - 0.5) / (_CELL * len(widths) + 0.1)))
    figure = small_multiples(
        "plot_td_errors",
        aligned,
        partial(_draw, show=show, norm=norm, power=power),
        width=width,
        height=0.16 * len(batches) + 0.45,
        columns=columns,
        same_x=False,
        title=f"{title}{': ' if title else ''}{_SHOWN[show]}{unit}",
    )
    for index, ax in enumerate(figure.axes):
        bottom = index + columns >= len(figure.axes)
        ax.tick_params(labelleft=index % columns == 0, labelbottom=bottom)
    return figure


def _draw(ax: Axes, panel: TdErrorPanel, show: Shown, norm: LogNorm, power: int) -> None:
    values = panel.values(show)
    ax.grid(visible=False)
    shown = np.ma.masked_invalid(values)
    ax.pcolormesh(shown, norm=norm, cmap=_COLORMAP, edgecolors="white", linewidth=0.8)
    for (row, column), value in np.ndenumerate(values):
        _draw_cell(ax, row, column, float(value), norm, power)
    _draw_limits(ax, panel)
    ax.set_xticks(np.arange(len(panel.widths)) + 0.5, [plain_label(v) for v in panel.widths])
    ax.set_yticks(
        np.arange(len(panel.batch_sizes)) + 0.5, [plain_label(v) for v in panel.batch_sizes]
    )
    ax.tick_params(length=0)
    ax.set_xlabel("Critic width")
    ax.set_ylabel("Batch size $B$")
    ax.set_title(SIGMA.at(panel.sigma))


def _draw_cell(ax: Axes, row: int, column: int, value: float, norm: LogNorm, power: int) -> None:
    """Write a number into its cell, or shows that there is none."""
    if np.isfinite(value):
        ax.text(
            column + 0.5,
            row + 0.48,
            _cell_label(value / 10.0**power),
            ha="center",
            va="center",
            fontsize=7,
            # cividis turns from dark blue to yellow: each half has its readable ink
            color="white" if norm(value) < 0.55 else "black",
        )
        return
    diverged = value == np.inf
    ax.add_patch(
        Rectangle(
            (column, row),
            1,
            1,
            facecolor="none" if diverged else "#F1F1F1",
            hatch="/////" if diverged else None,
            edgecolor="#8A8A8A" if diverged else "white",
            linewidth=0.6,
            zorder=1,
            label="diverged" if diverged else "not run",
        )
    )


def _draw_limits(ax: Axes, panel: TdErrorPanel) -> None:
    """Draw a bar over the last cell of each width whose batch size is admissible."""
    for column, largest in enumerate(panel.largest_batch):
        if np.isnan(largest):
            continue
        height = np.searchsorted(panel.batch_sizes, largest * (1 + 1e-9), side="right")
        ax.plot(
            [column + 0.06, column + 0.94],
            [height, height],
            color=HELD_OUT,
            linewidth=2.2,
            solid_capstyle="butt",
            path_effects=[withStroke(linewidth=3.6, foreground="white")],
            clip_on=False,
            zorder=4,
            label="largest admissible batch (cells below)",
        )


def _cell_label(value: float) -> str:
    """Write two digits, at most four characters for values from 0.01 to 9999."""
    if value >= 9.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 0.995 else f"{value:.2f}"


def _on_grid(panel: TdErrorPanel, batches: FloatArray, widths: FloatArray) -> TdErrorPanel:
    """Return the panel on a larger grid, NaN where it has no cell."""
    rows = np.searchsorted(batches, panel.batch_sizes)
    columns = np.searchsorted(widths, panel.widths)
    arrays = {}
    for name in ("train", "validation"):
        arrays[name] = np.full((len(batches), len(widths)), np.nan)
        arrays[name][np.ix_(rows, columns)] = getattr(panel, name)
    largest = np.full(len(widths), np.nan)
    largest[columns] = panel.largest_batch
    return TdErrorPanel(panel.sigma, batches, widths, **arrays, largest_batch=largest)


def _scale(panels: Sequence[TdErrorPanel], show: Shown) -> tuple[LogNorm, int]:
    """Return the colour scale of all cells and the power of ten their numbers are written in."""
    values = np.concatenate([panel.values(show).ravel() for panel in panels])
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if len(values) else (1.0, 10.0)
    # one value alone still needs a scale of some length
    norm = LogNorm(low, high) if high > low else LogNorm(low / 1.5, high * 1.5)
    middle = int(np.floor(np.log10(np.sqrt(low * high))))
    return norm, 0 if show == "ratio" or -1 <= middle <= 1 else middle
