"""One look for every figure: colours, sizes, and files that are equal byte for byte.

Nothing here touches matplotlib's global state for longer than a ``with`` block, and a user's own
matplotlibrc changes nothing in the figures.
"""

import io
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

COLUMN_WIDTH = 3.4
"""Width of one column of a two-column paper, inches."""

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe & Ito's colour-blind safe palette, without the yellow (unreadable on white)."""

LAW, HELD_OUT, REFERENCE, MEASURED, GREY = "#0072B2", "#D55E00", "#009E73", "#000000", "#767676"
TICK_SIZE, TEXT_SIZE = 7.5, 8.0

_RC = {
    "font.size": TEXT_SIZE,
    "axes.labelsize": TEXT_SIZE,
    "axes.titlesize": TEXT_SIZE,
    "figure.titlesize": TEXT_SIZE + 1,
    "figure.labelsize": TEXT_SIZE,
    "xtick.labelsize": TICK_SIZE,
    "ytick.labelsize": TICK_SIZE,
    "legend.fontsize": TICK_SIZE,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "legend.handletextpad": 0.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.0,
    "hatch.linewidth": 0.6,
    "mathtext.default": "regular",
    "svg.fonttype": "path",
    "svg.hashsalt": "vs-plots",
}


@contextmanager
def style() -> Generator[None]:
    """Apply the house style inside a ``with`` block and restore what was there before."""
    with matplotlib.style.context(["default", _RC]):
        yield


def dress(ax: Axes) -> None:
    """Give one Axes the house ticks and a silent grid.

    Ticks are created lazily, often after the ``style()`` block has ended, so their look is set on
    the Axes itself.
    """
    ax.tick_params(which="major", labelsize=TICK_SIZE, width=0.6, length=2.5, pad=2)
    ax.tick_params(which="minor", length=0)
    ax.grid(visible=True, which="major", color="#E6E6E6", linewidth=0.5)
    ax.set_axisbelow(True)


def sequential_colors(values: ArrayLike) -> list[str]:
    """Return one colour per value, dark to light in the values' order (a slice of cividis).

    Equal values get equal colours; the palest end of the map is left out so that thin lines stay
    visible on white. Meant for ordered quantities: σ, or the threshold J.

    Args:
        values: shape (n,), any order.

    Returns:
        n hex colours.
    """
    array = np.asarray(values, dtype=np.float64)
    levels, rank = np.unique(array, return_inverse=True)
    place = np.linspace(0.0, 0.82, len(levels)) if len(levels) > 1 else np.array([0.3])
    colormap = matplotlib.colormaps["cividis"]
    return [to_hex(colormap(place[i])) for i in rank]


def panel_grid(
    panels: int, *, width: float, height: float, columns: int | None = None
) -> tuple[Figure, list[Axes]]:
    """Make a Figure with ``panels`` dressed Axes in rows.

    Args:
        panels: number of Axes.
        width: width of the whole figure, inches.
        height: height of one row, inches.
        columns: Axes in a row; by default as many as keep each at least 1.6 inches wide.

    Returns:
        The Figure and its Axes, row by row.
    """
    columns = columns or max(1, int(width / 1.6))
    columns = min(columns, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(width, height * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    axes = list(grid.flat)
    for ax in axes[panels:]:
        ax.remove()
    for ax in axes[:panels]:
        dress(ax)
    return figure, axes[:panels]


def share_labels(figure: Figure, axes: Sequence[Axes], *, same_x: bool) -> None:
    """Replace the panels' axis labels by one label for each side of the figure.

    Args:
        figure: the figure.
        axes: its panels, row by row, all with the same x label; y labels that differ stay.
        same_x: give all panels the same x limits, with tick labels below the lowest ones only.
    """
    figure.supxlabel(axes[0].get_xlabel())
    same_y = len({ax.get_ylabel() for ax in axes}) == 1
    if same_y:
        figure.supylabel(axes[0].get_ylabel())
    else:
        figure.align_ylabels(axes)
    spec = axes[0].get_subplotspec()
    columns = 1 if spec is None else spec.get_gridspec().ncols
    limits = np.array([ax.get_xlim() for ax in axes])
    for index, ax in enumerate(axes):
        ax.set_xlabel("")
        if same_y:
            ax.set_ylabel("")
        if same_x:
            ax.set_xlim(limits[:, 0].min(), limits[:, 1].max())
            ax.tick_params(labelbottom=index + columns >= len(axes))


def shared_legend(figure: Figure, *, title: str = "") -> None:
    """Put one legend for all panels above them, each label once, where it covers no data.

    The figure grows by the legend's height, so that the panels keep theirs.
    """
    entries = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    columns = _legend_columns(list(entries), figure.get_figwidth() * 72)
    rows = -(-len(entries) // columns) + bool(title)
    panels_height = figure.get_figheight()
    figure.set_figheight(panels_height + 0.165 * rows)
    if figure.get_supylabel():
        figure.supylabel(figure.get_supylabel(), y=0.53 * panels_height / figure.get_figheight())
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside upper center",
        ncols=columns,
        title=title or None,
        title_fontsize=TEXT_SIZE,
    )


def _legend_columns(labels: Sequence[str], points: float) -> int:
    """Return the most columns whose (estimated) widths fit into a width of ``points``."""
    widths = [TICK_SIZE * (0.56 * len(label.replace("$", "")) + 3.3) for label in labels]
    for columns in range(len(labels), 1, -1):
        if sum(max(part) for part in np.array_split(widths, columns)) <= points:
            return columns
    return 1


def save(
    figure: Figure, path: str | Path, *, formats: Sequence[str] = ("png", "svg")
) -> list[Path]:
    """Write the figure as ``path.<format>`` for each format; equal figures give equal bytes.

    The first writing of a figure (here, or as a string or bytes) settles its layout for good.

    Args:
        figure: what to write.
        path: path without a suffix; missing folders are made.
        formats: any of "png" (300 dpi), "svg", "pdf".

    Returns:
        The paths written.

    Raises:
        ValueError: on an unknown format.
    """
    unknown = [name for name in formats if name not in _METADATA]
    if unknown:
        raise ValueError(f"save: format {unknown[0]!r} is not one of {', '.join(_METADATA)}.")
    stem = Path(path)
    stem.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for name in formats:
        # not with_suffix: a stem such as "laws_0.5" has no suffix to replace
        target = stem.with_name(f"{stem.name}.{name}")
        target.write_bytes(_render(figure, name))
        written.append(target)
    return written


def to_svg_string(figure: Figure) -> str:
    """Return the figure as one ``<svg>`` element, ready to stand inside an HTML page."""
    text = _render(figure, "svg").decode("utf-8")
    return text[text.index("<svg") :]


def to_png_bytes(figure: Figure) -> bytes:
    """Return the figure as the bytes of a PNG file at 300 dpi."""
    return _render(figure, "png")


# Dates and versions in a file would make two equal figures differ.
_METADATA = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def _render(figure: Figure, name: str) -> bytes:
    buffer = io.BytesIO()
    with style():
        engine = figure.get_layout_engine()
        if engine is not None:
            # The layout depends a little on the resolution and on where the last one ended: settle
            # it once, at the figure's own resolution, or two files of one figure would differ.
            engine.execute(figure)
            figure.set_layout_engine("none")
        figure.savefig(buffer, format=name, dpi=300, metadata=_METADATA[name])
    return buffer.getvalue()
