"""Learning curves with their isotonic fits and threshold crossings (paper 1, appendix D)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from vs_plots._check import FloatArray, floats, no_numbers, positive, same_shape, some, store
from vs_plots._figure import small_multiples
from vs_plots.style import COLUMN_WIDTH, GREY, sequential_colors
from vs_plots.ticks import SIGMA, count_label


@dataclass(frozen=True, eq=False)
class Curve:
    """One configuration's learning curve.

    Attributes:
        sigma: updates-to-data ratio of the run.
        steps: shape (t,), env steps of the evaluations.
        returns: shape (t, s), one column per seed; NaN = no measurement.
        mean: shape (t,), mean over seeds.
        fit: shape (t,), isotonic fit of the mean.
        crossings: shape (j,), env step at which the fit reaches each threshold of the panel;
            inf = not reached (drawn as an open triangle at the last step).
    """

    sigma: float
    steps: FloatArray
    returns: FloatArray
    mean: FloatArray
    fit: FloatArray
    crossings: FloatArray = field(default_factory=no_numbers)

    def __post_init__(self) -> None:
        owner = f"Curve σ = {self.sigma:g}"
        positive(owner, "sigma", floats(owner, "sigma", [self.sigma]))
        for name, ndim in (("steps", 1), ("returns", 2), ("mean", 1), ("fit", 1), ("crossings", 1)):
            store(self, name, floats(owner, name, getattr(self, name), ndim=ndim))
        if len(self.steps) == 0 or not np.all(np.isfinite(self.steps)):
            raise ValueError(f"{owner}: steps must be finite and not empty.")
        same_shape(owner, "returns", self.returns.shape[:1], "steps", self.steps.shape)
        same_shape(owner, "mean", self.mean.shape, "steps", self.steps.shape)
        same_shape(owner, "fit", self.fit.shape, "steps", self.steps.shape)


@dataclass(frozen=True, eq=False)
class CurvePanel:
    """One task: its curves (one per σ) and the thresholds that were looked for.

    Attributes:
        title: name of the task.
        curves: the curves; each has as many crossings as there are thresholds.
        thresholds: shape (j,), returns.
    """

    title: str
    curves: Sequence[Curve]
    thresholds: FloatArray = field(default_factory=no_numbers)

    def __post_init__(self) -> None:
        owner = f"CurvePanel {self.title!r}"
        store(self, "thresholds", floats(owner, "thresholds", self.thresholds))
        store(self, "curves", tuple(self.curves))
        some(f"{owner}: curves", self.curves, kind="curve")
        for curve in self.curves:
            same_shape(
                f"{owner}, curve σ = {curve.sigma:g}",
                "crossings",
                curve.crossings.shape,
                "thresholds",
                self.thresholds.shape,
            )


def plot_learning_curves(panels: Sequence[CurvePanel], *, width: float = COLUMN_WIDTH) -> Figure:
    """Draw learning curves as small multiples: seeds faint, mean, isotonic fit, crossings.

    Args:
        panels: one per task; a σ has the same colour in all of them.
        width: width of the figure, inches.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel.
    """
    levels = np.unique([curve.sigma for panel in panels for curve in panel.curves])
    colors = dict(zip(levels.tolist(), sequential_colors(levels), strict=True))
    draw = partial(_draw, colors=colors)
    return small_multiples(
        "plot_learning_curves", panels, draw, width=width, height=1.45, same_x=False
    )


def _draw(ax: Axes, panel: CurvePanel, colors: dict[float, str]) -> None:
    for curve in panel.curves:
        color = colors[curve.sigma]
        for seed in curve.returns.T:
            ax.plot(curve.steps, seed, color=color, alpha=0.2, linewidth=0.5, zorder=2)
        ax.plot(curve.steps, curve.mean, color=color, linewidth=0.8, alpha=0.75, zorder=2.2)
        ax.plot(
            curve.steps,
            curve.fit,
            color=color,
            linewidth=1.5,
            zorder=2.5,
            drawstyle="steps-post",
            label=SIGMA.at(curve.sigma),
        )
        _draw_crossings(ax, curve, panel.thresholds, color)
    for threshold in panel.thresholds:
        ax.axhline(threshold, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=1.5)
    _add_keys(ax, panel)
    ax.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count_label(value)))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.set_xlabel("Env steps")
    ax.set_ylabel("Return")
    ax.set_title(panel.title)


def _draw_crossings(ax: Axes, curve: Curve, thresholds: FloatArray, color: str) -> None:
    reached = np.isfinite(curve.crossings)
    ax.plot(
        curve.crossings[reached],
        thresholds[reached],
        linestyle="none",
        marker="o",
        zorder=4,
        markersize=3.5,
        color=color,
        markeredgecolor="white",
        markeredgewidth=0.5,
    )
    lost = curve.crossings == np.inf
    if not lost.any():  # an empty unclipped line would break the layout
        return
    ax.plot(
        np.full(lost.sum(), curve.steps[-1]),
        thresholds[lost],
        linestyle="none",
        marker=">",
        markersize=4.5,
        color=color,
        markerfacecolor="white",
        markeredgewidth=0.9,
        zorder=4,
        clip_on=False,
    )


def _add_keys(ax: Axes, panel: CurvePanel) -> None:
    """Add legend entries, in grey, for what the line styles and marks mean."""
    crossings = np.concatenate([curve.crossings for curve in panel.curves])
    keys: list[tuple[str, dict[str, Any]]] = [
        ("seed", {"linewidth": 0.5, "alpha": 0.6}),
        ("mean", {"linewidth": 0.8}),
        ("isotonic fit", {"linewidth": 1.8}),
    ]
    if np.isfinite(crossings).any():
        keys.append(("reached $J$", {"linestyle": "none", "marker": "o", "markersize": 3.5}))
    if (crossings == np.inf).any():
        keys.append(
            (
                "not reached",
                {"linestyle": "none", "marker": ">", "markerfacecolor": "white", "markersize": 4.5},
            )
        )
    for label, look in keys:
        ax.add_line(Line2D([], [], color="#404040", label=label, **look))
