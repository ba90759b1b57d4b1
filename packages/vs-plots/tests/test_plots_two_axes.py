"""Over σ and N, figures draw what was given: contours, series, shares, cells; and refusals."""

from typing import Any

import numpy as np
import pytest
import vs_plots as vp
from matplotlib.contour import QuadContourSet
from matplotlib.lines import Line2D

SIGMA, PARAMS = np.geomspace(0.5, 16, 60), np.geomspace(1e6, 1e8, 60)
X = np.array([1.0, 2, 4, 8])


def law(sigma, params):
    return 2e5 * (1 + (1.5 / sigma) ** 0.7 + (5e6 / params) ** 0.5)


SURFACE = vp.Surface(SIGMA, PARAMS, law(SIGMA[:, None], PARAMS))


def line_with(ax, label) -> Line2D:
    return next(line for line in ax.lines if line.get_label() == label)


def xy(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_xydata(), dtype=float)


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_law_has_the_contours_value_all_along_it():
    levels = (3e5, 4e5, 6e5)
    panel = vp.ContourPanel("t", [vp.Contour(SURFACE, level) for level in levels])
    ax = vp.plot_contours([panel]).axes[0]
    drawn = [c for c in ax.collections if isinstance(c, QuadContourSet)]
    for contour, level in zip(drawn, levels, strict=True):
        x, y = np.concatenate([np.asarray(p.vertices) for p in contour.get_paths()]).T
        assert len(x) > 10
        np.testing.assert_allclose(law(x, y), level, rtol=2e-3)
    # less data needs more of both: its contour ends higher, and so stands its name
    assert [t.get_text() for t in ax.texts] == ["600k", "400k", "300k"]
    heights = [t.xy[1] for t in ax.texts]  # ty: ignore[missing-attribute]
    assert heights == sorted(heights)


def test_the_path_joins_the_stars_by_level_and_edges_are_hollow():
    contours = [
        vp.Contour(SURFACE, 3e5, (8.0, 6e7), at_edge=True, label="low"),
        vp.Contour(SURFACE, 6e5, (1.5, 4e6)),
        vp.Contour(SURFACE, 4e5, (3.0, 2e7)),
        vp.Contour(SURFACE, 5e5),
        vp.Contour(SURFACE, 1e9),  # nowhere on this surface
    ]
    figure = vp.plot_contours([vp.ContourPanel("t", contours, verdict="supported")])
    ax = figure.axes[0]
    path = line_with(ax, "compute-optimal path").get_xydata()
    np.testing.assert_array_equal(path, [(8, 6e7), (3, 2e7), (1.5, 4e6)])
    inside = line_with(ax, "budget optimum")
    np.testing.assert_array_equal(inside.get_xydata(), [(3, 2e7), (1.5, 4e6)])
    edge = line_with(ax, "optimum at an edge")
    np.testing.assert_array_equal(edge.get_xydata(), [(8, 6e7)])
    assert (inside.get_marker(), edge.get_marker()) == ("*", "*")
    assert edge.get_markerfacecolor() == "white" != inside.get_markerfacecolor()
    assert {t.get_text() for t in ax.texts} == {"low", "400k", "500k", "600k"}


def test_a_far_optimum_does_not_squeeze_the_runs():
    contours = [vp.Contour(SURFACE, 4e5, (3.0, 2e7)), vp.Contour(SURFACE, 6e5, (2e4, 7e4))]
    (ax,) = vp.plot_contours([vp.ContourPanel("t", contours)]).axes
    low, high = ax.get_xlim()
    assert low < SURFACE.sigma.min() < 8 * SURFACE.sigma.max() > high
    low, high = ax.get_ylim()
    assert SURFACE.critic_params.min() / 8 < low < 2e7 < high


def test_measured_runs_lie_on_the_plane_with_the_contours_colours():
    data = np.array([4e5, np.inf, np.nan, 6e5])
    measured = vp.Measured(X, X * 1e6, data, X == 8)
    panel = vp.ContourPanel("t", [vp.Contour(SURFACE, 4e5)], measured, "flat")
    figure = vp.plot_contours([panel])
    ax = figure.axes[0]
    points = {c.get_label(): c for c in ax.collections}
    np.testing.assert_array_equal(points["measured $D_J$"].get_offsets(), [[1, 1e6]])
    np.testing.assert_array_equal(points["held out"].get_offsets(), [[8, 8e6]])
    np.testing.assert_array_equal(line_with(ax, "not reached").get_xydata(), [[2, 2e6]])
    vp.to_png_bytes(figure)  # colours are settled when it is drawn
    contour = next(c for c in ax.collections if isinstance(c, QuadContourSet))
    np.testing.assert_allclose(
        np.asarray(contour.get_edgecolor())[0],
        np.asarray(points["measured $D_J$"].get_facecolor())[0],
        atol=1 / 128,
    )
    assert ax.get_title() == "t\n(flat)"
    assert "unsupported law" in legend(figure)


@pytest.mark.parametrize(("along", "by"), [("sigma", "critic_params"), ("critic_params", "sigma")])
@pytest.mark.parametrize("quantity", ["data", "compute", "batch_size"])
def test_each_series_is_drawn_in_its_colour(along, by, quantity):
    x = X if along == "sigma" else X * 1e6
    fixed = [4e6, 1e6] if along == "sigma" else [4.0, 1.0]
    series = [
        vp.Series(
            vp.Points(x, np.array([np.inf, 300, 200, 100]) * value, held_out=X == 8),
            vp.Line(x, value * 400 / X, value * 300 / X, value * 500 / X),
            at=value,
        )
        for value in fixed
    ]
    figure = vp.plot_laws([vp.LawPanel("t", series, x=along, y=quantity, by=by)])
    ax = figure.axes[0]
    names = ["$N$ = 1M", "$N$ = 4M"] if along == "sigma" else ["σ = 1", "σ = 4"]
    assert legend(figure)[:2] == names
    assert set(legend(figure)[2:]) == {"95 % interval", "held out", "not reached"}
    colors = [line_with(ax, name).get_color() for name in names]
    assert colors == vp.sequential_colors([0, 1])
    for color, value in zip(colors, sorted(fixed), strict=True):
        own = [line for line in ax.lines if line.get_color() == color]
        drawn = [np.asarray(line.get_xydata()).tolist() for line in own]
        assert np.c_[x, value * 400 / X].tolist() in drawn
        assert np.c_[x, np.array([0, 300, 200, 100]) * value][1:3].tolist() in drawn  # law's points
        assert [[x[3], 100 * value]] in drawn  # held out
        assert [[x[0], 0.96]] in drawn  # not reached, at the top of the panel
    assert figure.get_supxlabel().startswith("Updates" if along == "sigma" else "Critic param")
    assert figure.get_supylabel()[:5] == {"data": "$D_J$", "compute": "$C_J$"}.get(
        quantity, "Batch"
    )


def test_series_of_tasks_share_a_label_and_an_unsupported_law_is_dashed():
    points = vp.Points(X, X * 100)
    fitted = vp.Series(points, vp.Line(X, X * 100), at=1.1e6, label="width 256")
    bare = vp.Series(points, at=1.2e6, label="width 256")
    panels = [
        vp.LawPanel("a", [fitted], by="critic_params", verdict="flat"),
        vp.LawPanel("b", [bare], by="critic_params"),
    ]
    figure = vp.plot_laws(panels)
    assert legend(figure) == ["width 256", "unsupported law"]
    law_line = line_with(figure.axes[0], "_law")
    assert law_line.is_dashed()
    assert law_line.get_color() == vp.sequential_colors([1])[0]


def test_budget_laws_take_the_model_size_too():
    budget = np.geomspace(1e15, 1e16, 4)
    values = {"sigma": X, "critic_params": X * 1e6, "data": budget / 1e10, "compute": budget / 2}
    panels = [
        vp.LawPanel(
            "", [vp.Series(vp.Points(budget, v), label="optimum")], "budget", f"optimal_{n}"
        )
        for n, v in values.items()
    ]
    figure = vp.plot_laws(panels)
    assert [ax.get_ylabel()[:3] for ax in figure.axes] == ["σ*", "$N$", "$D$", "$C$"]
    np.testing.assert_array_equal(line_with(figure.axes[1], "optimum").get_ydata(), X * 1e6)


def test_partition_shares_add_up_to_the_budget():
    spent, data, delta = np.array([6e15, 1e15]), np.array([4e5, 1e5]), 1e10
    panel = vp.PartitionPanel("t", spent, data, delta, np.array([True, False]))
    figure = vp.plot_partitions([panel])
    ax = figure.axes[0]
    # budgets 2e15 and 1e16; compute takes a half and 60 %
    np.testing.assert_allclose(xy(line_with(ax, "optimum")), [[2e15, 0.5]])
    edge = line_with(ax, "optimum at an edge")
    np.testing.assert_allclose(xy(edge), [[1e16, 0.6]])
    assert edge.get_markerfacecolor() == "white"
    areas = {c.get_label(): c.get_paths()[0].get_extents() for c in ax.collections}
    assert areas["compute, $C$/$F$"].y0 == 0
    assert areas["data, δ$D$/$F$"].y1 == 1
    assert areas["compute, $C$/$F$"].y1 == pytest.approx(0.6)
    assert areas["data, δ$D$/$F$"].y0 == pytest.approx(0.5)
    assert ax.get_ylim() == (0, 1)


def test_strategies_show_what_one_axis_alone_costs():
    budget = np.array([4e15, 1e15, 2e15])
    ratios = {"sigma": np.array([1.3, 1.1, 1.0]), "critic_params": np.array([np.inf, 2.0, np.nan])}
    panel = vp.StrategyPanel("t", budget, ratios, {"sigma": 1.1, "critic_params": np.inf})
    figure = vp.plot_strategies([panel])
    ax = figure.axes[0]
    np.testing.assert_allclose(
        xy(line_with(ax, "σ alone")), [[1e15, 0.1], [2e15, 0], [4e15, 0.3]], atol=1e-12
    )
    np.testing.assert_allclose(xy(line_with(ax, "$N$ alone"))[:, 1], [1, np.nan, np.nan])
    np.testing.assert_array_equal(line_with(ax, "both").get_ydata(), [0, 0])
    lost = next(line for line in ax.lines if line.get_marker() == "^" and len(xy(line)))
    np.testing.assert_array_equal(lost.get_xdata(), [4e15])
    assert ax.get_title() == "t\nσ: +10 %, $N$: △"
    assert legend(figure)[-1] == "not within the budget"


def test_the_summary_of_strategies_is_the_callers():
    budget, ratios = np.array([1e15, 2e15]), {"sigma": np.array([1.1, 1.3])}
    titles = {(): "t", (1.13,): "t\nσ: +13 %", (0.97,): "t\nσ: −3 %", (np.nan,): "t\nσ: –"}
    for given, title in titles.items():
        panel = vp.StrategyPanel("t", budget, ratios, dict(zip(["sigma"], given, strict=False)))
        assert vp.plot_strategies([panel]).axes[0].get_title() == title
    compute = vp.plot_strategies([vp.StrategyPanel("t", budget, ratios)], y="compute")
    assert compute.get_supylabel() == "Extra FLOPs over both"


def td_panel(**changes):
    arguments: dict[str, Any] = {
        "sigma": 2.0,
        "batch_sizes": np.array([64.0, 128, 256]),
        "widths": np.array([256.0, 512]),
        "train": np.array([[4e-3, np.nan], [2e-3, 1e-3], [1e-3, 5e-4]]),
        "validation": np.array([[4e-3, 1e-3], [3e-3, 1.5e-3], [np.inf, 2e-3]]),
        "largest_batch": np.array([130.0, np.nan]),
    }
    return vp.TdErrorPanel(**(arguments | changes))


def cells(ax):
    return {(float(t._x), float(t._y)): t.get_text() for t in ax.texts}


def test_td_errors_are_written_into_their_cells():
    figure = vp.plot_td_errors([td_panel()], show="train", title="task")
    ax = figure.axes[0]
    written = {(0.5, 0.48): "4.0", (0.5, 1.48): "2.0", (1.5, 1.48): "1.0", (0.5, 2.48): "1.0"}
    assert cells(ax) == written | {(1.5, 2.48): "0.50"}
    assert figure.legends[0].get_title().get_text() == "task: training TD error (×$10^{-3}$)"
    (missing,) = ax.patches
    assert (missing.get_label(), missing.get_xy()) == ("not run", (1, 0))  # ty: ignore[missing-attribute]
    # 130 admits 64 and 128, not 256: the bar lies between their cells; width 512 has none
    (bar,) = ax.lines
    np.testing.assert_array_equal(bar.get_ydata(), [2, 2])
    assert 0 < xy(bar)[:, 0].min() < xy(bar)[:, 0].max() < 1


def test_ratio_and_the_ends_of_the_admissible_range():
    limits = {32.0: 0, 64.0: 1, 256.0: 3, np.inf: 3}
    for largest, height in limits.items():
        panel = td_panel(largest_batch=np.array([largest, np.nan]))
        ax = vp.plot_td_errors([panel], show="ratio").axes[0]
        (bar,) = ax.lines
        np.testing.assert_array_equal(bar.get_ydata(), [height, height])
    assert cells(ax) == {
        (0.5, 0.48): "1.0",
        (0.5, 1.48): "1.5",
        (1.5, 1.48): "1.5",
        (1.5, 2.48): "4.0",
    }
    diverged = next(p for p in ax.patches if p.get_label() == "diverged")
    assert diverged.get_hatch()
    assert diverged.get_xy() == (0, 2)  # ty: ignore[missing-attribute]


def test_panels_share_one_grid():
    other = td_panel(
        sigma=4.0,
        batch_sizes=np.array([128.0]),
        widths=np.array([512.0]),
        train=[[7e-3]],
        validation=[[7e-3]],
        largest_batch=[],
    )
    figure = vp.plot_td_errors([td_panel(), other], show="validation")
    first, second = figure.axes
    assert first.get_xlim() == second.get_xlim()
    assert cells(second) == {(1.5, 1.48): "7.0"}
    assert sum(patch.get_label() == "not run" for patch in second.patches) == 5


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: vp.Surface(X[::-1], X, np.ones((4, 4))), "Surface: sigma must be increasing"),
        (lambda: vp.Surface(X, X, np.ones((4, 3))), r"Surface: data has shape \(4, 3\), expected"),
        (
            lambda: vp.Measured(X, X[:2], X),
            r"Measured: critic_params has shape \(2,\), expected \(4,\)",
        ),
        (lambda: vp.Measured(X, X, -X), "Measured: data must be positive, NaN"),
        (
            lambda: vp.Measured(X, X, X, X),
            "held_out must be an array of booleans",
        ),
        (lambda: vp.Contour(SURFACE, 0.0), "Contour: level must be positive"),
        (lambda: vp.Contour(SURFACE, 1.0, (1.0, np.nan)), "Contour: optimum must be positive"),
        (
            lambda: vp.ContourPanel("t", []),
            "ContourPanel 't': contours: expected at least one contour",
        ),
        (lambda: vp.plot_contours([]), "plot_contours: expected at least one panel"),
        (lambda: vp.Series(vp.Points(X, X), at=0.0), "Series: at must be positive"),
        (lambda: vp.LawPanel("t", []), "LawPanel 't': series: expected at least one series"),
        (
            lambda: vp.LawPanel("t", [vp.Series(vp.Points(X, X))], x="width"),
            "LawPanel 't': x: unknown quantity 'width', expected .* one of sigma, critic_params, ",
        ),
        (lambda: vp.PartitionPanel("t", X, X[:3], 1.0), "PartitionPanel 't': data has shape"),
        (lambda: vp.PartitionPanel("t", X, X, 0.0), "PartitionPanel 't': delta must be positive"),
        (
            lambda: vp.StrategyPanel("t", X, {"sigma": X, "critic_params": X[:1]}),
            r"StrategyPanel 't': ratios\['critic_params'\] has shape",
        ),
        (lambda: vp.StrategyPanel("t", X, {"sigma": -X}), r"ratios\['sigma'\] must be positive"),
        (lambda: vp.StrategyPanel("t", X, {}), "ratios: expected at least one axis"),
        (lambda: vp.StrategyPanel("t", X, {"width": X}), "ratios: unknown quantity 'width'"),
        (
            lambda: vp.StrategyPanel("t", X, {"sigma": X}, {"critic_params": 1.0}),
            "medians must be of the axes of ratios, sigma",
        ),
        (
            lambda: vp.plot_strategies(
                [vp.StrategyPanel("t", X, {"sigma": X})],
                y="budget",  # ty: ignore[invalid-argument-type]
            ),
            "y must be 'data' or 'compute', got 'budget'",
        ),
        (lambda: vp.plot_partitions([]), "plot_partitions: expected at least one panel"),
        (lambda: td_panel(train=np.ones((2, 2))), "TdErrorPanel σ = 2: train has shape"),
        (lambda: td_panel(largest_batch=np.ones(3)), "largest_batch has shape"),
        (
            lambda: vp.plot_td_errors([td_panel()], show="loss"),  # ty: ignore[invalid-argument-type]
            "show must be one of train, validation, ratio, got 'loss'",
        ),
        (lambda: vp.plot_td_errors([], show="train"), "plot_td_errors: expected at least one"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()
