"""Every kind of figure on plausible data, hard cases included: layout, sizes, equal bytes."""

import itertools

import numpy as np
import pytest
import vs_plots as vp
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

TASKS = ("HalfCheetah-v4", "Walker2d-v4", "Ant-v4", "Humanoid-v4")
SIGMA = np.array([0.25, 0.5, 1, 2, 4, 8, 16])
FINE = np.geomspace(0.25, 16, 60)


def law(sigma, d_min=3e5, beta=1.5, alpha=0.7):
    return d_min * (1 + (beta / np.asarray(sigma)) ** alpha)


def points(rng, x, truth, held_out=None, noise=0.08):
    value = truth * np.exp(noise * rng.normal(size=len(x)))
    spread = np.exp(rng.uniform(0.08, 0.25, len(x)))
    return vp.Points(
        x,
        value,
        value / spread,
        value * spread,
        np.zeros(len(x), bool) if held_out is None else held_out,
    )


def law_panels(kind="data"):
    rng = np.random.default_rng(0)
    panels = []
    for index, task in enumerate(TASKS):
        d_min = 3e5 * (1 + index * 0.7)
        factor = 1.0 if kind == "data" else 10 * 1.5e5 * 300
        scale = (lambda s: 1.0) if kind == "data" else (lambda s: s**0.67)
        truth = law(SIGMA, d_min) * factor * scale(SIGMA)
        line = law(FINE, d_min) * factor * scale(FINE)
        held = np.array([False] * 6 + [True])
        pts = points(rng, SIGMA, truth, held)
        if index == 1:  # censored, open and missing ends
            value, low, high = pts.value.copy(), pts.low.copy(), pts.high.copy()
            value[0], high[0] = np.inf, np.inf
            value[3] = np.nan
            high[1] = np.inf
            low[2] = -1.0
            pts = vp.Points(SIGMA, value, low, high, held)
        low, high = line / 1.15, line * 1.15
        if index == 2:
            high = np.where(FINE < 0.5, np.inf, high)
            low = np.where(FINE < 0.4, np.nan, low)
        panels.append(
            vp.LawPanel(
                task,
                [vp.Series(pts, vp.Line(FINE, line, low, high))],
                y=kind,
                references={"$D_{min}$": d_min} if kind == "data" else {},
                verdict=("supported", "supported", "unidentified", "non-monotone")[index],
            )
        )
    return panels


def hyperparameter_panels(quantity="batch_size"):
    rng = np.random.default_rng(1)
    sigma = np.array([1.0, 2, 4, 8])
    fine = np.geomspace(0.25, 16, 50)
    panels = []
    for index, task in enumerate(TASKS):
        if quantity == "batch_size":
            grid, coefficient, exponent, base = (
                np.array([128, 256, 512.0]),
                417 - 30 * index,
                0.33,
                256,
            )
        else:
            grid = np.array([1e-4, 2e-4, 5e-4]) * (1, 2, 1, 4)[index]
            coefficient, exponent, base = 3.5e-4 * (1, 2, 1, 4)[index], 0.3, grid[1]
        pts = points(rng, sigma, coefficient * sigma**-exponent)
        line = coefficient * fine**-exponent
        gs, gv = np.meshgrid(sigma, grid)
        panels.append(
            vp.LawPanel(
                task,
                [
                    vp.Series(
                        pts, vp.Line(fine, line, line / 1.2, line * 1.2), label="best on the grid"
                    )
                ],
                y=quantity,
                references={"baseline": base},
                grid=vp.Points(gs.ravel(), gv.ravel()),
                verdict="flat" if index == 3 else "supported",
            )
        )
    return panels


def curve_panels(sigmas=(0.5, 2.0, 8.0)):
    rng = np.random.default_rng(2)
    panels = []
    thresholds = np.array([300.0, 550, 800])
    for index, task in enumerate(TASKS):
        curves = []
        for sigma in sigmas:
            steps = np.arange(1, 101) * 1e4
            top = 1000 if not (index == 1 and sigma == sigmas[0]) else 650
            mean = top * (1 - np.exp(-steps / law(sigma, 1.5e5)))
            returns = mean[:, None] + rng.normal(scale=60, size=(100, 5))
            returns[60:, 4] = np.nan
            seeds: NDArray[np.float64] = np.nanmean(returns, axis=1).astype(np.float64)
            fit = np.maximum.accumulate(
                np.convolve(np.pad(seeds, 3, "edge"), np.ones(7) / 7, "valid")
            )
            above = fit[:, None] >= thresholds
            crossings = np.where(above.any(0), steps[above.argmax(0)], np.inf)
            curves.append(vp.Curve(sigma, steps, returns, seeds, fit, crossings))
        panels.append(vp.CurvePanel(task, curves, thresholds))
    return panels


def frontiers(levels=(300, 450, 600, 800)):
    marks = np.array([0.25, 1, 4, 16])
    out = []
    for j in levels:

        def data(s, j=j):
            return law(s, 1e5 * (j / 300) ** 1.6)

        def compute(s, data=data):
            return 10 * 1.5e5 * 400 * s**0.67 * data(s)

        total = compute(FINE) + 5e9 * data(FINE)
        best = FINE[np.argmin(total)]
        out.append(
            vp.Frontier(
                j,
                data(FINE),
                compute(FINE),
                marks,
                data(marks),
                compute(marks),
                (float(data(best)), float(compute(best))),
            )
        )
    return out


def budget_laws():
    rng = np.random.default_rng(3)
    budget = np.geomspace(2e15, 1.5e16, 10)
    fine = np.geomspace(1.5e15, 2e16, 40)
    held = np.arange(10) >= 8

    def one(name, f):
        line = f(fine)
        series = vp.Series(
            points(rng, budget, f(budget), held, 0.04),
            vp.Line(fine, line, line / 1.15, line * 1.15),
            label="optimum",
        )
        return vp.LawPanel("", [series], x="budget", y=f"optimal_{name}", verdict="supported")

    return [
        one("sigma", lambda f: 2.62e-9 * f**0.62),
        one("data", lambda f: 2e5 * (f / 2e15) ** 0.7),
        one("compute", lambda f: 0.5 * f),
    ]


def grid_panels():
    rng = np.random.default_rng(4)
    rates, batches = np.array([1e-4, 2e-4, 5e-4]), np.array([128.0, 256, 512])
    panels = []
    for sigma in (1.0, 2, 4, 8):
        cost = 0.3 * np.log(batches[:, None] / 400 * sigma**0.33) ** 2
        cost = cost + 0.5 * np.log(rates / 3e-4 * sigma**0.3) ** 2
        data = law(sigma) * np.exp(cost + 0.05 * rng.normal(size=(3, 3)))
        if sigma >= 4:
            data[:, 2][-int(sigma // 4) :] = np.inf
        if sigma == 2:
            data[0, 0] = np.nan
        panels.append(vp.GridPanel(sigma, batches, rates, data))
    return panels


def figures() -> dict[str, Figure]:
    """Return {name: Figure} of every kind at one-column width."""
    return {
        "curves": vp.plot_learning_curves(curve_panels()),
        "batch_size": vp.plot_laws(hyperparameter_panels()),
        "learning_rate": vp.plot_laws(hyperparameter_panels("learning_rate")),
        "data_laws": vp.plot_laws(law_panels()),
        "compute_laws": vp.plot_laws(law_panels("compute")),
        "frontiers": vp.plot_frontiers(
            frontiers(), delta=5e9, budgets=[2e15, 5e15, 1e16], title="Ant-v4"
        ),
        "budget": vp.plot_laws(budget_laws(), title="OpenAI Gym"),
        "grid": vp.plot_grid(grid_panels(), title="Ant-v4, $J$ = 800"),
    }


NAMES = (
    "curves",
    "batch_size",
    "learning_rate",
    "data_laws",
    "compute_laws",
    "frontiers",
    "budget",
    "grid",
)


@pytest.fixture(scope="module")
def drawn():
    """Every figure, drawn once by the Agg renderer: {name: (figure, renderer)}."""
    result = {}
    for name, figure in figures().items():
        canvas = FigureCanvasAgg(figure)
        with vp.style():
            canvas.draw()
        result[name] = (figure, canvas.get_renderer())
    return result


@pytest.mark.parametrize("name", NAMES)
def test_no_two_texts_overlap_and_none_is_clipped(drawn, texts, name):
    figure, renderer = drawn[name]
    assert figure.get_figwidth() == vp.COLUMN_WIDTH
    boxes = texts(figure, renderer)
    assert len(boxes) > 10
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        assert not a.overlaps(b), f"{one.get_text()!r} covers {other.get_text()!r}"
    page = figure.bbox
    for text, box in boxes:
        inside = (box.x0 >= page.x0 and box.x1 <= page.x1) and (
            box.y0 >= page.y0 and box.y1 <= page.y1
        )
        assert inside, f"{text.get_text()!r} is clipped at {box}"


@pytest.mark.parametrize("name", NAMES)
def test_text_is_at_least_seven_points(drawn, texts, name):
    figure, renderer = drawn[name]
    assert min(text.get_fontsize() for text, _ in texts(figure, renderer)) >= 7


@pytest.mark.parametrize("name", NAMES)
def test_every_axis_has_two_labelled_ticks(drawn, name):
    figure, _ = drawn[name]
    for ax in figure.axes:
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            if ax.get_label() == "<colorbar>" and axis is ax.xaxis:
                continue
            ticks = axis.get_majorticklocs()
            assert ((ticks >= min(limits)) & (ticks <= max(limits))).sum() >= 2
            assert len(axis.get_minorticklocs()) == 0


@pytest.mark.parametrize("name", NAMES)
def test_legends_stand_above_the_panels(drawn, name):
    figure, renderer = drawn[name]
    (legend,) = figure.legends
    bottom = legend.get_window_extent(renderer).y0
    assert all(ax.get_tightbbox(renderer).y1 <= bottom + 0.5 for ax in figure.axes)


def test_equal_data_gives_equal_bytes(tmp_path):
    for name, build in (("a", figures), ("b", figures)):
        for kind, figure in build().items():
            vp.save(figure, tmp_path / name / kind)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 2 * len(NAMES)
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_saving_twice_changes_nothing_and_strings_match_files(tmp_path):
    figure = vp.plot_laws(law_panels())
    first = vp.to_svg_string(figure)
    paths = vp.save(figure, tmp_path / "laws_0.5")
    assert [path.name for path in paths] == ["laws_0.5.png", "laws_0.5.svg"]
    assert paths[1].read_text(encoding="utf-8").endswith(first)
    assert first.startswith("<svg")
    assert first.rstrip().endswith("</svg>")
    assert "<dc:date>" not in first
    assert paths[0].read_bytes() == vp.to_png_bytes(figure)


@pytest.mark.parametrize("width", [3.4, 5.0, 7.0])
def test_width_decides_the_columns(width):
    figure = vp.plot_laws(law_panels(), width=width)
    spec = figure.axes[0].get_subplotspec()
    assert spec is not None
    assert spec.get_gridspec().ncols == {3.4: 2, 5.0: 3, 7.0: 4}[width]
    vp.to_png_bytes(figure)
