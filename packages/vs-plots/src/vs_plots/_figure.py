"""Small multiples: the loop that every figure shares, one panel per task (or per σ)."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vs_plots._check import some
from vs_plots.style import panel_grid, share_labels, shared_legend, style


def small_multiples[P](
    owner: str,
    panels: Sequence[P],
    draw: Callable[[Axes, P], None],
    *,
    width: float,
    height: float,
    columns: int | None = None,
    same_x: bool = True,
    title: str = "",
) -> Figure:
    """Draw every panel on Axes of its own, under one legend and with shared axis labels.

    Args:
        owner: name of the calling function, for the error.
        panels: one for each Axes.
        draw: draws one panel on dressed Axes, whose scales, limits and labels it sets.
        width: width of the figure, inches.
        height: height of one row of panels, inches.
        columns: panels in a row; by default as many as keep each at least 1.6 inches wide.
        same_x: give all panels the same x limits.
        title: stands above the legend.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel.
    """
    some(owner, panels)
    with style():
        figure, axes = panel_grid(len(panels), width=width, height=height, columns=columns)
        for ax, panel in zip(axes, panels, strict=True):
            draw(ax, panel)
        share_labels(figure, axes, same_x=same_x)
        shared_legend(figure, title=title)
    return figure
