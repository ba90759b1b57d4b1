"""Laws along one axis with the points behind them, one panel per task.

One panel shows any quantity over any axis: D_J(σ) (paper 1, eq. 4.1) and C_J(σ) (eq. 4.2), the best
batch size and learning rate over σ against the grid that was run (section 4.2), D_J(σ, N),
C_J(σ, N) or B*(σ, N) along one axis at several values of the other (paper 2, its laws of the same
names), and σ*, N*, D*, C* over the budget F (paper 1, problem 3.2; paper 2, argmin of
C_J(σ, N) + δ·D_J(σ, N)).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vs_plots._check import floats, positive, some, store
from vs_plots._figure import small_multiples
from vs_plots.marks import TRUSTED, Line, Points, draw_line, draw_points, log_limits, titled
from vs_plots.style import COLUMN_WIDTH, GREY, REFERENCE, sequential_colors
from vs_plots.ticks import Quantity, log_axis, quantity


@dataclass(frozen=True, eq=False)
class Series:
    """Points along an axis and the law through them.

    Attributes:
        points: measured values with intervals.
        line: the law on a grid; None where nothing could be fitted.
        at: value of the panel's axis ``by`` along the whole series, e.g. N of a series over σ;
            None in a panel without ``by``.
        label: legend entry; left out: "measured", or with ``at`` "$N$ = 2.3M". Tasks whose N
            differ a little share an entry through a label such as "width 512".
        censored_label: legend entry of the triangles at the top.
    """

    points: Points
    line: Line | None = None
    at: float | None = None
    label: str = ""
    censored_label: str = "not reached"

    def __post_init__(self) -> None:
        if self.at is not None:
            positive("Series", "at", floats("Series", "at", [self.at]))


@dataclass(frozen=True, eq=False)
class LawPanel:
    """One task: series of points and lines, with what they are compared to.

    Attributes:
        title: name of the task.
        series: one; or with ``by`` one per value of that axis, coloured from dark to light.
        x: quantity along the panel, by name (`QUANTITIES`) or as a `Quantity`.
        y: quantity up the panel, likewise.
        by: the axis that is constant along a series, likewise; None for a single series.
        verdict: the fit's verdict, shown under the title; lines of a law that is not "supported"
            are thin and dashed, and grey where the panel has one series.
        references: horizontal lines, dotted, by legend entry, e.g. ``{"$D_{min}$": 3e5}``.
        grid: every configuration that was run, drawn as grey crosses.
    """

    title: str
    series: Sequence[Series]
    x: str | Quantity = "sigma"
    y: str | Quantity = "data"
    by: str | Quantity | None = None
    verdict: str | None = None
    references: Mapping[str, float] = field(default_factory=dict)
    grid: Points | None = None

    def __post_init__(self) -> None:
        owner = f"LawPanel {self.title!r}"
        store(self, "series", tuple(self.series))
        some(f"{owner}: series", self.series, kind="series")
        for name in ("x", "y", "by"):
            if getattr(self, name) is not None:
                quantity(getattr(self, name), owner=f"{owner}: {name}")
        if self.by is None and (len(self.series) > 1 or self.series[0].at is not None):
            raise ValueError(
                f"{owner}: several series, or one with `at`, need `by`, the axis that `at` is of."
            )
        if self.by is not None and any(one.at is None for one in self.series):
            raise ValueError(f"{owner}: with `by` every series needs `at`, its value of that axis.")
        store(self, "references", dict(self.references))
        positive(owner, "references", floats(owner, "references", list(self.references.values())))


def plot_laws(
    panels: Sequence[LawPanel], *, title: str = "", width: float = COLUMN_WIDTH
) -> Figure:
    """Draw laws, their bands and the points behind them as small multiples over one axis.

    Panels of the same quantity share its label. Panels of different ones (σ*, N*, D* and C* over the
    budget) have a label each and stand in one column, side by side from 6 inches on.

    Args:
        panels: one per task, or one per quantity; all over the same x.
        title: stands above the legend: name of the task, where the panels are its quantities.
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel, or on panels over different x.
    """
    x, y = ({quantity(getattr(p, name)).label for p in panels} for name in ("x", "y"))
    if len(x) > 1:
        raise ValueError(f"plot_laws: panels must share x, got {', '.join(sorted(x))}.")
    height, columns = 1.5, None
    if len(y) > 1:
        height, columns = (1.4, 1) if width < 6 else (1.8, len(panels))
    return small_multiples(
        "plot_laws", panels, _draw, width=width, height=height, columns=columns, title=title
    )


def _draw(ax: Axes, panel: LawPanel) -> None:
    log_axis(ax.xaxis, panel.x)
    log_axis(ax.yaxis, panel.y)
    _limit(ax, panel)
    if panel.grid is not None:
        ax.plot(
            panel.grid.x,
            panel.grid.value,
            linestyle="none",
            marker="+",
            color=GREY,
            markersize=4,
            markeredgewidth=0.8,
            label="grid",
        )
    if panel.by is None:
        (one,) = panel.series
        if one.line is not None:
            draw_line(ax, one.line, label="law", verdict=panel.verdict)
        _draw_references(ax, panel)
        label = one.label or "measured"
        draw_points(ax, one.points, label=label, censored_label=one.censored_label)
    else:
        _draw_references(ax, panel)
        _draw_family(ax, panel, quantity(panel.by))
    ax.set_title(titled(panel.title, panel.verdict))


def _limit(ax: Axes, panel: LawPanel) -> None:
    """Set the limits: all values and references are seen, intervals and bands within reason."""
    drawn: list[Points | Line] = [one.points for one in panel.series]
    drawn += [one.line for one in panel.series if one.line is not None]
    drawn += [] if panel.grid is None else [panel.grid]
    ax.set_xlim(*log_limits([item.x for item in drawn], []))
    ax.set_ylim(
        *log_limits(
            [*(item.value for item in drawn), np.array(list(panel.references.values()))],
            [end for item in drawn for end in (item.low, item.high)],
        )
    )


def _draw_references(ax: Axes, panel: LawPanel) -> None:
    for label, value in panel.references.items():
        ax.axhline(value, color=REFERENCE, linewidth=1.0, linestyle=(0, (1, 1.2)), label=label)


def _draw_family(ax: Axes, panel: LawPanel, by: Quantity) -> None:
    """Draw one series per value of ``by``, each in its colour, and explain the marks in grey."""
    family = [(one.at, one) for one in panel.series if one.at is not None]
    family.sort(key=lambda item: item[0])
    colors = sequential_colors([at for at, _ in family])
    for (at, one), color in zip(family, colors, strict=True):
        line = "-" if one.line is not None else "none"
        _key(ax, one.label or by.at(at), color=color, marker="o", linestyle=line)
        if one.line is not None:
            draw_line(ax, one.line, label="_law", verdict=panel.verdict, color=color)
        draw_points(ax, one.points, label="_measured", censored_label="_censored", color=color)
    lines = [one.line for one in panel.series if one.line is not None]
    points = [one.points for one in panel.series]
    if any((np.isfinite(line.low) & np.isfinite(line.high)).any() for line in lines):
        ax.fill_between([], [], [], color=GREY, alpha=0.25, linewidth=0, label="95 % interval")
    hollow = {"linestyle": "none", "markerfacecolor": "white"}
    if any(item.held_out.any() for item in points):
        _key(ax, "held out", marker="D", **hollow)
    censored = [one for one in panel.series if (one.points.value == np.inf).any()]
    for label in dict.fromkeys(one.censored_label for one in censored):
        _key(ax, label, marker="^", **hollow)
    if panel.verdict not in (None, *TRUSTED) and lines:
        _key(ax, "unsupported law", linestyle=(0, (4, 2)))


def _key(ax: Axes, label: str, *, color: str = GREY, **look: Any) -> None:
    """Add a line without points, which is seen in the legend only."""
    ax.plot([], [], color=color, markersize=4, label=label, **look)
