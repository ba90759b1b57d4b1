"""Pareto frontiers between data and compute for several thresholds, with lines of equal budget.

Source: paper 1, eq. 4.2 and problem 3.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from vs_plots._check import FloatArray, floats, no_numbers, positive, same_shape, some, store
from vs_plots._figure import small_multiples
from vs_plots.marks import log_limits
from vs_plots.style import COLUMN_WIDTH, GREY, HELD_OUT, TICK_SIZE, sequential_colors
from vs_plots.ticks import COMPUTE, DATA, flops_label, log_axis, plain_label


@dataclass(frozen=True, eq=False)
class Frontier:
    """The frontier (D_J(σ), C_J(σ)), σ > 0, of one threshold.

    Attributes:
        threshold: J.
        data: shape (m,), D_J along the frontier, env steps, in the order of σ.
        compute: shape (m,), C_J along the frontier, FLOPs.
        mark_sigma: shape (k,), σ to mark on the frontier.
        mark_data: shape (k,), D_J there.
        mark_compute: shape (k,), C_J there.
        optimum: (D, C) of least C + δ·D, drawn as a star; or None.
    """

    threshold: float
    data: FloatArray
    compute: FloatArray
    mark_sigma: FloatArray = field(default_factory=no_numbers)
    mark_data: FloatArray = field(default_factory=no_numbers)
    mark_compute: FloatArray = field(default_factory=no_numbers)
    optimum: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        owner = f"Frontier J = {self.threshold:g}"
        for name in ("data", "compute", "mark_sigma", "mark_data", "mark_compute"):
            array = floats(owner, name, getattr(self, name))
            positive(owner, name, array)
            store(self, name, array)
        same_shape(owner, "compute", self.compute.shape, "data", self.data.shape)
        for name in ("mark_data", "mark_compute"):
            same_shape(owner, name, getattr(self, name).shape, "mark_sigma", self.mark_sigma.shape)
        if self.optimum is not None:
            pair = floats(owner, "optimum", self.optimum)
            same_shape(owner, "optimum", pair.shape, "a pair (D, C)", (2,))
            positive(owner, "optimum", pair)


def plot_frontiers(
    frontiers: Sequence[Frontier],
    *,
    delta: float | None = None,
    budgets: Sequence[float] = (),
    title: str = "",
    width: float = COLUMN_WIDTH,
) -> Figure:
    """Draw the frontiers of several thresholds, and lines of equal budget C + δ·D = F.

    Args:
        frontiers: one per threshold.
        delta: δ, the price of one env step in FLOPs; needed with ``budgets``.
        budgets: budgets F whose lines are drawn, FLOPs.
        title: name of the task, above the legend.
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a frontier, or on budgets without a positive δ.
    """
    some("plot_frontiers", frontiers, kind="frontier")
    positive("plot_frontiers", "budgets", floats("plot_frontiers", "budgets", budgets))
    if len(budgets) and delta is None:
        raise ValueError("plot_frontiers: budgets need delta, the price of one env step in FLOPs.")
    price = 1.0 if delta is None else delta
    positive("plot_frontiers", "delta", floats("plot_frontiers", "delta", [price]))
    draw = partial(_draw, delta=price, budgets=budgets)
    height = min(0.8 * width, 3.0)
    return small_multiples(
        "plot_frontiers", [frontiers], draw, width=width, height=height, title=title
    )


def _draw(ax: Axes, frontiers: Sequence[Frontier], delta: float, budgets: Sequence[float]) -> None:
    colors = sequential_colors([f.threshold for f in frontiers])
    log_axis(ax.xaxis, DATA)
    log_axis(ax.yaxis, COMPUTE)
    optima = np.array([f.optimum for f in frontiers if f.optimum is not None]).reshape(-1, 2)
    ax.set_xlim(
        *log_limits(
            [*(f.data for f in frontiers), *(f.mark_data for f in frontiers), optima[:, 0]], []
        )
    )
    ax.set_ylim(
        *log_limits(
            [
                *(f.compute for f in frontiers),
                *(f.mark_compute for f in frontiers),
                optima[:, 1],
            ],
            [],
        )
    )
    for budget in budgets:
        _draw_budget(ax, budget, delta)
    for frontier, color in zip(frontiers, colors, strict=True):
        ax.plot(
            frontier.data,
            frontier.compute,
            color=color,
            zorder=3,
            label=f"$J$ = {frontier.threshold:g}",
        )
        ax.plot(
            frontier.mark_data,
            frontier.mark_compute,
            linestyle="none",
            marker="o",
            markersize=3.5,
            color=color,
            markeredgecolor="white",
            markeredgewidth=0.5,
            zorder=4,
        )
    if len(optima):
        ax.plot(
            optima[:, 0],
            optima[:, 1],
            linestyle="none",
            marker="*",
            markersize=8,
            color=HELD_OUT,
            markeredgecolor="white",
            markeredgewidth=0.5,
            zorder=5,
            label="least $C$ + δ$D$",
        )
    _label_sigmas(ax, max(frontiers, key=lambda f: f.threshold))


def _draw_budget(ax: Axes, budget: float, delta: float) -> None:
    """Draw C = F − δ·D on the log-log plane, with F written at an end of the line."""
    left, right = ax.get_xlim()
    bottom, top = ax.get_ylim()
    if budget - delta * left <= bottom:
        return  # the whole line is out of sight
    end = min(right, budget / delta * (1 - 1e-9))
    # steps that are even in log D, and in log C where the line turns down
    compute = np.geomspace(budget - delta * left, max(budget - delta * end, bottom), 100)
    data = np.sort(np.concatenate([np.geomspace(left, end, 100), (budget - compute) / delta]))
    line = budget - delta * data
    ax.plot(
        data,
        line,
        color=GREY,
        linewidth=0.8,
        linestyle=(0, (4, 2)),
        zorder=2,
        label="budget $C$ + δ$D$ = $F$",
    )
    look: dict[str, Any] = {
        "textcoords": "offset points",
        "fontsize": 7,
        "color": "#5A5A5A",
        "path_effects": [withStroke(linewidth=2, foreground="white")],
        "zorder": 6,
    }
    if bottom < line[0] < top:
        ax.annotate(flops_label(budget), (left, line[0]), (3, 1.5), **look)
    elif budget / delta < right:
        ax.annotate(
            flops_label(budget), (budget / delta, bottom), (-1, 4), rotation=90, ha="right", **look
        )


def _label_sigmas(ax: Axes, frontier: Frontier) -> None:
    """Write σ at the marks of the outermost frontier, where the plane beyond is free."""
    for sigma, data, compute in zip(
        frontier.mark_sigma, frontier.mark_data, frontier.mark_compute, strict=True
    ):
        ax.annotate(
            f"{'σ = ' if sigma == frontier.mark_sigma.max() else ''}{plain_label(float(sigma))}",
            (data, compute),
            (4, 3),
            textcoords="offset points",
            fontsize=TICK_SIZE,
            path_effects=[withStroke(linewidth=2, foreground="white")],
            zorder=6,
        )
