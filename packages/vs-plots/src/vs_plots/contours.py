"""Contours D_J(σ, N) = const, the optimum on each and the path through them.

Source: paper 2, iso-data contours D_J(σ, N) = const and the path of budget optima (σ*, N*).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, LogNorm, to_hex
from matplotlib.figure import Figure

from vs_plots._check import FloatArray, floats, positive, same_shape, some
from vs_plots._figure import small_multiples
from vs_plots.marks import TRUSTED, log_limits, titled
from vs_plots.plane import Measured, Surface
from vs_plots.style import COLUMN_WIDTH, GREY, HELD_OUT, TICK_SIZE
from vs_plots.ticks import CRITIC_PARAMS, SIGMA, log_axis, rounded_count_label


@dataclass(frozen=True, eq=False)
class Contour:
    """One contour: where a law's D_J(σ, N) equals ``level``.

    Attributes:
        surface: the law on a grid. Contours of one J share it; with one contour per J each has
            its own.
        level: D_J on the contour, env steps.
        optimum: (σ*, N*), the budget optimum on the contour, drawn as a star; or None.
        at_edge: the optimum lies at the edge of the data, not inside: its star is hollow.
        label: written at the contour's right end; left out: the level.
    """

    surface: Surface
    level: float
    optimum: tuple[float, float] | None = None
    at_edge: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        positive("Contour", "level", floats("Contour", "level", [self.level]))
        if self.optimum is not None:
            pair = floats("Contour", "optimum", self.optimum)
            same_shape("Contour", "optimum", pair.shape, "a pair (σ*, N*)", (2,))
            positive("Contour", "optimum", pair)


@dataclass(frozen=True, eq=False)
class ContourPanel:
    """The contours of one task.

    Attributes:
        title: name of the task (and J, where there is one).
        contours: in any order; the compute-optimal path joins their optima by rising level.
        measured: the runs behind the law, coloured by D_J on the contours' scale; or None.
        verdict: the fit's verdict, shown under the title; contours of a law that is not
            "supported" are dashed.
    """

    title: str
    contours: Sequence[Contour]
    measured: Measured | None = None
    verdict: str | None = None

    def __post_init__(self) -> None:
        some(f"ContourPanel {self.title!r}: contours", self.contours, kind="contour")


def plot_contours(panels: Sequence[ContourPanel], *, width: float = COLUMN_WIDTH) -> Figure:
    """Draw iso-data contours over σ and N, one panel per task.

    An optimum more than a factor of 4 outside the surfaces and the runs is out of view: the path
    leads there.

    Args:
        panels: one per task.
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel.
    """
    return small_multiples("plot_contours", panels, _draw, width=width, height=1.6)


def _draw(ax: Axes, panel: ContourPanel) -> None:
    contours = sorted(panel.contours, key=lambda c: c.level)
    measured = panel.measured
    norm, colormap = _scale(contours, measured)
    log_axis(ax.xaxis, SIGMA)
    log_axis(ax.yaxis, CRITIC_PARAMS)
    optima = np.array([c.optimum for c in contours if c.optimum is not None]).reshape(-1, 2)
    edge = np.array([c.at_edge for c in contours if c.optimum is not None], dtype=np.bool_)
    sigma = [c.surface.sigma for c in contours]
    params = [c.surface.critic_params for c in contours]
    if measured is not None:
        sigma, params = [*sigma, measured.sigma], [*params, measured.critic_params]
    ax.set_xlim(*log_limits(sigma, [optima[:, 0]]))
    ax.set_ylim(*log_limits(params, [optima[:, 1]]))
    colors = [to_hex(colormap(norm(c.level))) for c in contours]
    ends = [
        _draw_contour(ax, contour, color, panel.verdict)
        for contour, color in zip(contours, colors, strict=True)
    ]
    _write_labels(ax, contours, ends, colors)
    if panel.verdict not in (None, *TRUSTED):
        ax.plot([], [], color=GREY, linestyle=(0, (4, 2)), label="unsupported law")
    if measured is not None:
        _draw_measured(ax, measured, norm, colormap)
    if len(optima) > 1:
        ax.plot(
            optima[:, 0],
            optima[:, 1],
            color=HELD_OUT,
            linewidth=1.1,
            linestyle=(0, (4, 1.5)),
            zorder=4.5,
            label="compute-optimal path",
        )
    for mask, face, label in (
        (~edge, HELD_OUT, "budget optimum"),
        (edge, "white", "optimum at an edge"),
    ):
        if mask.any():
            ax.plot(
                optima[mask, 0],
                optima[mask, 1],
                linestyle="none",
                marker="*",
                markersize=8.5,
                color=HELD_OUT,
                markerfacecolor=face,
                markeredgecolor="white" if face != "white" else HELD_OUT,
                markeredgewidth=0.5 if face != "white" else 0.8,
                zorder=5,
                label=label,
            )
    ax.set_title(titled(panel.title, panel.verdict))


def _scale(contours: Sequence[Contour], measured: Measured | None) -> tuple[LogNorm, Colormap]:
    """Return the dark four fifths of cividis, as in ``sequential_colors``, over all D_J shown."""
    values = np.array([c.level for c in contours])
    if measured is not None:
        values = np.concatenate([values, measured.data[np.isfinite(measured.data)]])
    low, high = values.min(), values.max()
    norm = LogNorm(low, high) if high > low else LogNorm(low / 1.5, high * 1.5)
    return norm, ListedColormap(matplotlib.colormaps["cividis"](np.linspace(0, 0.82, 256)))


def _draw_contour(ax: Axes, contour: Contour, color: str, verdict: str | None) -> float | None:
    """Draw one contour; return N at its end of largest σ, or None where it has no points."""
    surface = contour.surface
    data = np.ma.masked_invalid(np.log(surface.data.T))
    level = np.log(contour.level)
    if data.count() == 0 or not data.min() < level < data.max():
        return None
    trusted = verdict is None or verdict in TRUSTED
    drawn = ax.contour(
        surface.sigma,
        surface.critic_params,
        data,
        levels=[level],
        colors=[color],
        linewidths=1.3 if trusted else 1.0,
        linestyles="solid" if trusted else [(0, (4, 2))],
        zorder=2.5,
    )
    vertices: FloatArray = np.concatenate([np.asarray(p.vertices) for p in drawn.get_paths()])
    return float(vertices[np.argmax(vertices[:, 0]), 1]) if len(vertices) else None


def _write_labels(
    ax: Axes, contours: Sequence[Contour], ends: Sequence[float | None], colors: Sequence[str]
) -> None:
    """Write the contours' names right of the panel, at the heights of their ends, apart."""
    bottom, top = np.log(ax.get_ylim())
    shown = [(i, (np.log(end) - bottom) / (top - bottom)) for i, end in enumerate(ends) if end]
    # a contour of less data ends higher: where ends coincide, the level decides
    shown.sort(key=lambda item: (item[1], -contours[item[0]].level))
    gap = 1.35 * TICK_SIZE / (0.8 * ax.bbox.height * 72 / ax.figure.dpi)
    for (index, _), place in zip(shown, _apart([y for _, y in shown], gap), strict=True):
        ax.annotate(
            contours[index].label or rounded_count_label(contours[index].level),
            (1.02, place),
            xycoords="axes fraction",
            fontsize=TICK_SIZE,
            color=colors[index],
            va="center",
        )


def _apart(places: Sequence[float], gap: float) -> list[float]:
    """Move increasing places up, then down, so that each is ``gap`` or more above the last."""
    moved: list[float] = []
    for place in places:
        moved.append(max([place, *(moved[-1:] and [moved[-1] + gap])]))
    # pushed out at the top: push back down
    ceiling = 1.0
    for index in range(len(moved) - 1, -1, -1):
        moved[index] = min(moved[index], ceiling)
        ceiling = moved[index] - gap
    return moved


def _draw_measured(ax: Axes, measured: Measured, norm: LogNorm, colormap: Colormap) -> None:
    reached = np.isfinite(measured.data)
    for mask, marker, label in (
        (reached & ~measured.held_out, "o", "measured $D_J$"),
        (reached & measured.held_out, "D", "held out"),
    ):
        if mask.any():
            ax.scatter(
                measured.sigma[mask],
                measured.critic_params[mask],
                c=measured.data[mask],
                norm=norm,
                cmap=colormap,
                s=15,
                marker=marker,
                edgecolors="black",
                linewidths=0.6,
                zorder=4,
                label=label,
            )
    lost = measured.data == np.inf
    if lost.any():
        ax.plot(
            measured.sigma[lost],
            measured.critic_params[lost],
            linestyle="none",
            marker="x",
            markersize=4,
            color=GREY,
            zorder=4,
            label="not reached",
        )
