"""Figures draw what was given: line data, limits, marks, legends; and refusals."""

import math
from dataclasses import FrozenInstanceError
from typing import Any

import matplotlib
import numpy as np
import pytest
import vs_plots as vp
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

SIGMA = np.array([0.5, 1.0, 2.0, 4.0])
D = np.array([9e5, 6e5, 4e5, 3e5])


def line_with(ax, label) -> Line2D:
    return next(line for line in ax.lines if line.get_label() == label)


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


POINTS = vp.Points(SIGMA, D, D / 1.2, D * 1.2, np.array([False, False, False, True]))
LINE = vp.Line(SIGMA, D * 1.01, D * 0.9, D * 1.1)


def simple_law(**changes):
    arguments: dict[str, Any] = {
        "title": "task",
        "series": [vp.Series(POINTS, LINE)],
        "references": {"$D_{min}$": 2e5},
        "verdict": "supported",
    }
    return vp.LawPanel(**(arguments | changes))


def test_law_panel_draws_its_arrays():
    figure = vp.plot_laws([simple_law(), simple_law(title="other")])
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 2
    ax = figure.axes[0]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    np.testing.assert_array_equal(line_with(ax, "law").get_xydata(), np.c_[SIGMA, D * 1.01])
    np.testing.assert_array_equal(line_with(ax, "measured").get_xydata(), np.c_[SIGMA, D][:3])
    held = line_with(ax, "held out")
    np.testing.assert_array_equal(held.get_xydata(), np.c_[SIGMA, D][3:])
    assert held.get_marker() != line_with(ax, "measured").get_marker()
    asymptote = line_with(ax, "$D_{min}$")
    np.testing.assert_array_equal(asymptote.get_ydata(), [2e5, 2e5])
    assert asymptote.is_dashed()
    low, high = ax.get_ylim()
    assert low < 2e5
    assert high > D.max() * 1.2
    assert ax.get_title() == "task\n(supported)"
    assert set(legend(figure)) == {"95 % interval", "law", "$D_{min}$", "measured", "held out"}
    intervals = next(c for c in ax.collections if isinstance(c, LineCollection))
    segments = intervals.get_segments()
    np.testing.assert_allclose(segments[0], [[0.5, D[0] / 1.2], [0.5, D[0] * 1.2]])


def test_a_law_without_support_does_not_look_like_one():
    figure = vp.plot_laws([simple_law(verdict="flat", y="compute", references={})])
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert "law" not in labels
    assert line_with(figure.axes[0], "unsupported law").is_dashed()
    assert figure.axes[0].get_title() == "task\n(flat)"


def test_censored_and_open_values_reach_the_top_without_warnings():
    points = vp.Points(
        SIGMA,
        np.array([np.inf, 6e5, np.nan, 3e5]),
        np.array([8e5, 5e5, np.nan, -np.inf]),
        np.array([np.inf, np.inf, np.nan, 4e5]),
    )
    line = vp.Line(SIGMA, np.array([np.inf, 6e5, np.nan, 3e5]), D * 0, np.full(4, np.inf))
    figure = vp.plot_laws([simple_law(series=[vp.Series(points, line)])])
    ax = figure.axes[0]
    lost = line_with(ax, "not reached")
    assert lost.get_marker() == "^"
    np.testing.assert_array_equal(lost.get_xdata(), [0.5])
    assert np.all(np.asarray(lost.get_ydata()) < 1)  # a fraction of the panel's height
    np.testing.assert_array_equal(line_with(ax, "measured").get_xdata(), [1.0, 4.0])
    assert all(math.isfinite(limit) for limit in (*ax.get_xlim(), *ax.get_ylim()))
    assert ax.get_ylim()[1] < 1e8  # infinite ends do not stretch the axis
    vp.to_svg_string(figure)


def test_nothing_finite_still_draws():
    points = vp.Points(SIGMA, np.full(4, np.inf))
    figure = vp.plot_laws([vp.LawPanel("lost", [vp.Series(points)])])
    assert legend(figure) == ["not reached"]
    vp.to_png_bytes(figure)
    grid = vp.GridPanel(1.0, np.array([64.0]), np.array([1e-3]), np.array([[np.nan]]))
    vp.to_png_bytes(vp.plot_grid([grid], title="nothing ran"))
    empty = vp.LawPanel("none", [vp.Series(vp.Points(np.empty(0), np.empty(0)))])
    vp.to_png_bytes(vp.plot_laws([empty]))


def test_curves_mark_crossings_and_censoring():
    steps = np.arange(1, 6) * 1e4
    returns = np.c_[[0, 1, 2, 3, 4.0], [0, 1, 2, np.nan, np.nan]]
    mean = np.array([0, 1, 2, 3, 4.0])
    curve = vp.Curve(2.0, steps, returns, mean, mean, np.array([3e4, np.inf]))
    ax = vp.plot_learning_curves([vp.CurvePanel("t", [curve], np.array([2.0, 9.0]))]).axes[0]
    np.testing.assert_array_equal(line_with(ax, "σ = 2").get_xydata(), np.c_[steps, mean])
    marks = {line.get_marker(): line for line in ax.lines if len(np.asarray(line.get_xdata())) == 1}
    np.testing.assert_array_equal(marks["o"].get_xydata(), [[3e4, 2.0]])
    np.testing.assert_array_equal(marks[">"].get_xydata(), [[5e4, 9.0]])
    seeds = [line for line in ax.lines if line.get_alpha() == 0.2]
    assert len(seeds) == 2


def test_hyperparameter_panel_shows_grid_law_and_baseline():
    points = vp.Points(SIGMA, np.array([400.0, 330, 260, 210]))
    grid = np.repeat([128.0, 256], 4)
    line = vp.Line(SIGMA, 400 / SIGMA**0.3)
    panel = vp.LawPanel(
        "t",
        [vp.Series(points, line, label="best on the grid")],
        y="batch_size",
        references={"baseline": 256},
        grid=vp.Points(np.tile(SIGMA, 2), grid),
    )
    figure = vp.plot_laws([panel])
    ax = figure.axes[0]
    assert figure.get_supylabel() == "Batch size $B$"
    assert legend(figure) == ["grid", "law", "baseline", "best on the grid"]
    np.testing.assert_array_equal(
        line_with(ax, "grid").get_xydata(), np.c_[np.tile(SIGMA, 2), grid]
    )
    np.testing.assert_array_equal(line_with(ax, "baseline").get_ydata(), [256, 256])
    assert ax.get_title() == "t"


def test_frontier_and_its_budget_lines():
    sigma = np.geomspace(0.25, 16, 20)
    data, compute = 1e5 * (1 + 1 / sigma), 1e15 * sigma**0.7
    frontier = vp.Frontier(800, data, compute, sigma[:2], data[:2], compute[:2], (2e5, 1e15))
    budgets = [2e15, 4e15]
    figure = vp.plot_frontiers([frontier], delta=5e9, budgets=budgets)
    ax = figure.axes[0]
    np.testing.assert_array_equal(line_with(ax, "$J$ = 800").get_xydata(), np.c_[data, compute])
    lines = [line for line in ax.lines if str(line.get_label()).startswith("budget")]
    for line, budget in zip(lines, budgets, strict=True):
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        np.testing.assert_allclose(y + 5e9 * x, budget)
        assert np.all(y > 0)
    np.testing.assert_array_equal(line_with(ax, "least $C$ + δ$D$").get_xydata(), [[2e5, 1e15]])


def test_budget_lines_are_smooth_and_their_labels_above_the_curves():
    data = np.geomspace(7e4, 6e5, 40)
    figure = vp.plot_frontiers(
        [vp.Frontier(770, data, 1e15 * (1e5 / data) ** 2)], delta=5e9, budgets=[5e14, 9e14, 2e15]
    )
    (ax,) = figure.axes
    to_axes = ax.transScale + ax.transLimits
    for line in (line for line in ax.lines if str(line.get_label()).startswith("budget")):
        x, y = to_axes.transform(line.get_xydata()).T
        steps = np.hypot(np.diff(x), np.diff(y))
        assert steps[y[1:] > 0].max() < 0.05
    assert len(ax.texts) == 3
    assert min(text.get_zorder() for text in ax.texts) > max(line.get_zorder() for line in ax.lines)


def budget_panel(name, budget, value, **changes):
    series = vp.Series(vp.Points(budget, value, **changes), vp.Line(budget, value), label="optimum")
    return vp.LawPanel("", [series], x="budget", y=f"optimal_{name}", verdict="supported")


@pytest.mark.parametrize(("width", "rows", "columns"), [(7, 1, 3), (3.4, 3, 1)])
def test_budget_laws_have_three_panels(width, rows, columns):
    budget = np.geomspace(1e15, 1e16, 4)
    held = np.array([False, False, True, True])
    values = {"sigma": np.array([1.0, 2, 4, 8]), "data": budget / 1e10, "compute": budget / 2}
    panels = [budget_panel(name, budget, v, held_out=held) for name, v in values.items()]
    figure = vp.plot_laws(panels, title="task", width=width)
    spec = figure.axes[0].get_subplotspec()
    assert spec is not None
    assert (spec.get_gridspec().nrows, spec.get_gridspec().ncols) == (rows, columns)
    assert [ax.get_ylabel()[:3] for ax in figure.axes] == ["σ*", "$D$", "$C$"]
    assert figure.get_supxlabel() == "Budget $F$ (FLOPs)"
    assert figure.get_supylabel() == ""
    assert figure.legends[0].get_title().get_text() == "task"
    for ax, value in zip(figure.axes, values.values(), strict=True):
        assert ax.get_title() == "(supported)"
        np.testing.assert_array_equal(line_with(ax, "law").get_ydata(), value)
        np.testing.assert_array_equal(line_with(ax, "optimum").get_ydata(), value[:2])
        hollow = line_with(ax, "held out")
        assert hollow.get_markerfacecolor() == "white"
        np.testing.assert_array_equal(hollow.get_xdata(), budget[2:])
    assert len({ax.get_xlim() for ax in figure.axes}) == 1


def test_a_quantity_of_ones_own_may_be_an_axis():
    depth = vp.Quantity("Depth", 2, lambda value: f"{value:g} layers", "L")
    along = vp.LawPanel("t", [vp.Series(vp.Points(SIGMA, D))], x=depth)
    ax = vp.plot_laws([along]).axes[0]
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    assert figure.get_supxlabel() == "Depth"
    assert ax.xaxis.get_major_formatter()(2.0) == "2 layers"
    panel = vp.LawPanel("t", [vp.Series(vp.Points(SIGMA, D), at=4.0)], by=depth)
    assert legend(vp.plot_laws([panel])) == ["L = 4 layers"]


def test_grid_hatches_censored_cells_and_stars_the_least():
    data = np.array([[3e5, 2e5, np.inf], [4e5, np.nan, 5e5]])
    panel = vp.GridPanel(2.0, np.array([128.0, 256]), np.array([1e-4, 3e-4, 1e-3]), data)
    figure = vp.plot_grid([panel])
    ax = figure.axes[0]
    (cell,) = ax.patches
    assert cell.get_hatch()
    assert cell.get_xy() == (2, 0)  # ty: ignore[missing-attribute]
    np.testing.assert_array_equal(line_with(ax, "least $D_J$").get_xydata(), [[1.5, 0.5]])
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    drawn = np.ma.getmaskarray(np.ma.asarray(mesh.get_array())).ravel()
    np.testing.assert_array_equal(drawn, ~np.isfinite(data).ravel())
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1e-4", "3e-4", "1e-3"]


def test_data_is_copied_and_frozen():
    value = D.copy()
    points = vp.Points(SIGMA, value)
    value[0] = 1
    assert points.value[0] == D[0]
    with pytest.raises(FrozenInstanceError):
        points.value = value  # ty: ignore[invalid-assignment]


def test_global_state_is_left_alone():
    before = dict(matplotlib.rcParams)
    vp.to_svg_string(vp.plot_laws([simple_law()]))
    assert dict(matplotlib.rcParams) == before


def one(**changes):
    steps = np.array([1.0, 2])
    arguments: dict[str, Any] = {
        "sigma": 1.0,
        "steps": steps,
        "returns": np.ones((2, 3)),
        "mean": steps,
        "fit": steps,
    }
    return vp.Curve(**(arguments | changes))


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: vp.Points(SIGMA, D[:3]), r"Points: value has shape \(3,\), expected \(4,\) as in"),
        (lambda: vp.Points(SIGMA, D, D[:2]), r"Points: low has shape \(2,\), expected \(4,\)"),
        (lambda: vp.Points(SIGMA, D, held_out=np.array([True])), "Points: held_out has shape"),
        (lambda: vp.Points(SIGMA, D, held_out=np.zeros(4, int)), "held_out must be .* booleans"),
        (lambda: vp.Points(-SIGMA, D), "Points: x must be positive and finite, found -0.5"),
        (lambda: vp.Points(SIGMA, D * 0), "Points: value must be positive, NaN"),
        (lambda: vp.Points(np.array(["a"]), D), "Points: x must be an array of numbers"),
        (lambda: vp.Line(SIGMA, D, D, D[:1]), r"Line: high has shape \(1,\)"),
        (
            lambda: simple_law(references={"$D_{min}$": 0.0}),
            "LawPanel 'task': references must be positive and finite, found 0",
        ),
        (lambda: vp.plot_laws([]), "plot_laws: expected at least one panel"),
        (lambda: one(mean=np.ones(3)), "Curve σ = 1: mean has shape"),
        (lambda: one(returns=np.ones(2)), "Curve σ = 1: returns must have 2 axes"),
        (lambda: one(steps=np.array([1, np.nan])), "steps must be finite"),
        (lambda: one(sigma=0.0), "sigma must be positive and finite, found 0"),
        (lambda: vp.CurvePanel("t", [one()], np.ones(2)), "crossings has shape"),
        (lambda: vp.CurvePanel("t", []), "CurvePanel 't': curves: expected at least one curve"),
        (lambda: simple_law(grid=vp.Points(SIGMA, D[:1])), "Points: value has shape"),
        (
            lambda: simple_law(y="width"),
            "LawPanel 'task': y: unknown quantity 'width', expected a Quantity or one of sigma, ",
        ),
        (
            lambda: vp.plot_laws([simple_law(), simple_law(x="budget")]),
            "plot_laws: panels must share x, got Budget",
        ),
        (
            lambda: vp.log_axis(Figure().subplots().xaxis, "width"),
            "log_axis: unknown quantity 'width', expected a Quantity or one of sigma, ",
        ),
        (lambda: simple_law(series=[vp.Series(POINTS)] * 2), "'task': several series, .* `by`"),
        (lambda: simple_law(series=[vp.Series(POINTS, at=1.0)]), "'task': .* `at`, need `by`"),
        (lambda: simple_law(by="critic_params"), "'task': with `by` every series needs `at`"),
        (lambda: vp.Frontier(1, D, D[:1]), "Frontier J = 1: compute has shape"),
        (
            lambda: vp.plot_frontiers([vp.Frontier(1, D, D)], budgets=[1e15]),
            "budgets need delta",
        ),
        (
            lambda: vp.GridPanel(1.0, SIGMA, SIGMA, np.ones((4, 3))),
            r"GridPanel σ = 1: data has shape \(4, 3\), expected \(4, 4\)",
        ),
        (lambda: vp.GridPanel(1.0, SIGMA[::-1], SIGMA, np.ones((4, 4))), "must be increasing"),
        (lambda: vp.plot_grid([]), "plot_grid: expected at least one panel"),
        (lambda: vp.plot_frontiers([]), "plot_frontiers: expected at least one frontier"),
        (lambda: vp.plot_learning_curves([]), "plot_learning_curves: expected at least one panel"),
        (
            lambda: vp.save(vp.plot_laws([simple_law()]), "x", formats=("gif",)),
            "format 'gif' is not one of",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()
