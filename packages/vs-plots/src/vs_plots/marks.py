"""Measured points with intervals and law lines with bands, drawn the same way everywhere.

Censored values (inf) are never dropped: they stand as triangles at the top of the panel, and an
interval without an upper end runs out of the top with an arrow head.
"""

from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes

from vs_plots._check import (
    BoolArray,
    FloatArray,
    floats,
    no_numbers,
    not_negative,
    nowhere,
    positive,
    same_shape,
    store,
    store_mask,
)
from vs_plots.style import GREY, HELD_OUT, LAW, MEASURED

TRUSTED = ("supported", "checked")
_FAR = 1e6  # a factor past the axis limits: lines that end there leave the panel


@dataclass(frozen=True, eq=False)
class Points:
    """Measured values with intervals.

    Attributes:
        x: shape (n,), positive and finite: σ, N, a budget, ...
        value: shape (n,), positive; inf = censored (never reached), NaN = missing.
        low: shape (n,), lower end of the interval; NaN = none, ≤ 0 runs off the axis;
            left out: no intervals.
        high: shape (n,), upper end; may be NaN (none) or inf (unbounded).
        held_out: shape (n,), True where the law did not see the point; left out: nowhere.
    """

    x: FloatArray
    value: FloatArray
    low: FloatArray = field(default_factory=no_numbers)
    high: FloatArray = field(default_factory=no_numbers)
    held_out: BoolArray = field(default_factory=nowhere)

    def __post_init__(self) -> None:
        x = floats("Points", "x", self.x)
        positive("Points", "x", x)
        store(self, "x", x)
        _store_like_x("Points", self)
        not_negative("Points", "value", self.value)
        store_mask(self, "Points", "held_out", "x")


@dataclass(frozen=True, eq=False)
class Line:
    """A law evaluated on a grid, with its interval band.

    Attributes:
        x: shape (m,), positive and finite, in drawing order.
        value: shape (m,), positive; NaN or inf leaves a gap.
        low: shape (m,), lower edge of the band; NaN leaves a gap, ≤ 0 runs off the axis.
        high: shape (m,), upper edge; NaN leaves a gap, inf runs off the axis.
    """

    x: FloatArray
    value: FloatArray
    low: FloatArray = field(default_factory=no_numbers)
    high: FloatArray = field(default_factory=no_numbers)

    def __post_init__(self) -> None:
        x = floats("Line", "x", self.x)
        positive("Line", "x", x)
        store(self, "x", x)
        _store_like_x("Line", self)
        not_negative("Line", "value", self.value)


def _store_like_x(owner: str, data: Points | Line) -> None:
    """Check and store the three arrays that go with x; empty interval ends become NaN."""
    for name in ("value", "low", "high"):
        array = floats(owner, name, getattr(data, name))
        if name != "value" and array.size == 0:
            array = np.full(data.x.shape, np.nan)
        same_shape(owner, name, array.shape, "x", data.x.shape)
        store(data, name, array)


def log_limits(core: list[FloatArray], soft: list[FloatArray]) -> tuple[float, float]:
    """Choose limits of a log axis that show every core value and, within reason, the soft ones.

    Args:
        core: values that must be visible; those that are not finite and positive are ignored.
        soft: interval ends and bands: they widen the axis by a factor of 4 each way at most.

    Returns:
        (low, high) with a margin; room is left at the top for the censored marks.
    """
    seen = _usable(core)
    if len(seen) == 0:
        seen = _usable(soft)
    if len(seen) == 0:
        return 1.0, 10.0
    low, high = seen.min(), seen.max()
    inner = np.clip(_usable(soft), low / 4, high * 4)
    low, high = min([low, *inner]), max([high, *inner])
    margin = max((high / low) ** 0.08, 1.08)
    return float(low / margin), float(high * margin**1.3)


def draw_points(
    ax: Axes, points: Points, *, label: str, censored_label: str, color: str | None = None
) -> None:
    """Draw points; the y limits must be final, because open intervals run out of the panel.

    Args:
        ax: log y axis, limits set.
        points: what to draw.
        label: legend entry of the points the law saw.
        censored_label: legend entry of the triangles at the top.
        color: of one series among several, whose legend is the caller's; by default black, held
            out orange.
    """
    bottom, top = ax.get_ylim()
    groups = (
        (~points.held_out, label, color or MEASURED, "o", color or MEASURED),
        (points.held_out, "held out" if color is None else "_", color or HELD_OUT, "D", "white"),
    )
    for mask, name, shade, marker, face in groups:
        reached = mask & np.isfinite(points.value)
        x = points.x[reached]
        low, high = points.low[reached], points.high[reached]
        ends = ~np.isnan(low) & ~np.isnan(high)
        ax.vlines(
            x[ends],
            np.clip(low[ends], bottom / _FAR, top * _FAR),
            np.clip(high[ends], bottom / _FAR, top * _FAR),
            colors=shade,
            linewidth=0.9,
            zorder=3,
        )
        draw_at_top(ax, x[high == np.inf], color=shade, size=2.5, face=shade)
        if reached.any():
            ax.plot(
                x,
                points.value[reached],
                linestyle="none",
                marker=marker,
                color=shade,
                markerfacecolor=face,
                markersize=4,
                markeredgewidth=1,
                label=name,
                zorder=4,
            )
        lost = mask & (points.value == np.inf)
        known = lost & (points.low > 0) & np.isfinite(points.low)
        ax.vlines(
            points.x[known], points.low[known], top * _FAR, colors=shade, linewidth=0.9, zorder=3
        )
        draw_at_top(ax, points.x[lost], color=shade, size=5, label=censored_label)


def draw_line(
    ax: Axes, line: Line, *, label: str, verdict: str | None, color: str | None = None
) -> None:
    """Draw a law and its band: solid when supported (or not judged), else thin, grey and dashed.

    Args:
        ax: log y axis, limits set.
        line: what to draw.
        label: legend entry.
        verdict: the fit's verdict; anything but `TRUSTED` is named in the legend too.
        color: of one series among several, whose legend is the caller's; kept, dashed, when the
            law is not supported.
    """
    bottom, top = ax.get_ylim()
    low = np.clip(line.low, bottom / _FAR, top * _FAR)
    high = np.clip(line.high, bottom / _FAR, top * _FAR)
    drawn = ~np.isnan(low) & ~np.isnan(high)
    trusted = verdict is None or verdict in TRUSTED
    shade = color or (LAW if trusted else GREY)
    if drawn.any():
        ax.fill_between(
            line.x,
            low,
            high,
            where=drawn.tolist(),
            color=shade,
            alpha=0.18,
            linewidth=0,
            label="95 % interval" if color is None else "_",
        )
    value = np.where(np.isfinite(line.value), line.value, np.nan)
    ax.plot(
        line.x,
        value,
        color=shade,
        zorder=2.5,
        linestyle="-" if trusted else (0, (4, 2)),
        linewidth=1.4 if trusted else 1.0,
        label=label if trusted or color is not None else "unsupported law",
    )


def titled(title: str, verdict: str | None) -> str:
    """Return a panel's title, with the verdict on a line below it where there is one."""
    return title if verdict is None else f"{title}\n({verdict})".lstrip()


def draw_at_top(
    ax: Axes,
    x: FloatArray,
    *,
    color: str,
    size: float,
    face: str = "white",
    label: str | None = None,
) -> None:
    """Draw marks at the top edge of the panel, wherever that edge is."""
    if len(x):
        ax.plot(
            x,
            np.full(len(x), 0.96),
            transform=ax.get_xaxis_transform(),
            linestyle="none",
            marker="^",
            color=color,
            markerfacecolor=face,
            markersize=size,
            markeredgewidth=0.9,
            label=label,
            zorder=4,
            clip_on=False,
        )


def _usable(arrays: list[FloatArray]) -> FloatArray:
    flat = np.concatenate([np.ravel(np.asarray(a, dtype=np.float64)) for a in arrays] or [[]])
    return flat[np.isfinite(flat) & (flat > 0)]
