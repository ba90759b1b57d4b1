"""Figures over σ and N on plausible data, hard cases included: layout, sizes, equal bytes."""

import itertools

import numpy as np
import pytest
import vs_plots as vp
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

TASKS = ("h1-crawl", "h1-pole", "h1-stand", "humanoid-stand")
SIGMA = np.array([1.0, 2, 4, 8])
PARAMS = np.array([6.1e5, 2.29e6, 8.77e6, 3.43e7, 1.36e8])
FINE_SIGMA, FINE_PARAMS = np.geomspace(0.7, 11, 40), np.geomspace(4e5, 2e8, 40)
DELTA = 1e11


def law(sigma, params, d_min=2.5e5):
    return d_min * (1 + (0.9 / sigma) ** 0.8 + (4e6 / params) ** 0.6)


def batch_law(sigma, params):
    return 700 / (sigma**0.4 * (1 + (2e6 / params) ** 0.8))


def measured(rng, d_min=2.5e5):
    sigma, params = (a.ravel() for a in np.meshgrid(SIGMA, PARAMS))
    data = law(sigma, params, d_min) * np.exp(0.06 * rng.normal(size=sigma.size))
    data[0], data[7] = np.inf, np.nan
    return vp.Measured(sigma, params, data, held_out=np.arange(sigma.size) >= 18)


def surface(d_min=2.5e5):
    grid = np.meshgrid(FINE_SIGMA, FINE_PARAMS, indexing="ij")
    return vp.Surface(FINE_SIGMA, FINE_PARAMS, law(*grid, d_min))


def contour_panels():
    rng = np.random.default_rng(0)
    panels = []
    for index, task in enumerate(TASKS):
        if index % 2 == 0:  # one J, several amounts of data
            d_min, levels = 2.5e5 * (1 + index), (1.3, 1.6, 2.0, 2.6)
            stars = [(5.5, 6e7), (3.5, 2.5e7), (2.2, 1e7), (1.4, 4e6)]
            contours = [
                vp.Contour(surface(d_min), d_min * level, star)
                for level, star in zip(levels, stars, strict=True)
            ]
        else:  # one contour per J
            contours = []
            for j, scale in enumerate((0.4, 1.0, 2.5, 6.0)):
                d_min = 2.5e5 * scale**0.4
                star = (1.4 * scale**0.5, 6e6 * scale)
                data = law(FINE_SIGMA[:, None] / scale**0.5, FINE_PARAMS / scale, d_min)
                level = float(law(1.4, 6e6, d_min))
                own = vp.Surface(FINE_SIGMA, FINE_PARAMS, data)
                contours.append(vp.Contour(own, level, star, j == 3, f"$J$ = {300 + 150 * j}"))
        verdict = ("supported", "supported", "unidentified", None)[index]
        panels.append(vp.ContourPanel(task, contours, measured(rng), verdict))
    return panels


def points(rng, x, truth, held_out):
    value = truth * np.exp(0.08 * rng.normal(size=len(x)))
    spread = np.exp(rng.uniform(0.05, 0.2, len(x)))
    return vp.Points(x, value, value / spread, value * spread, held_out)


def series_panels(along, function, quantity="data"):
    rng = np.random.default_rng(1)
    panels = []
    for index, task in enumerate(TASKS):
        x, fixed, fine, by = (
            (SIGMA, PARAMS, FINE_SIGMA, "critic_params")
            if along == "sigma"
            else (PARAMS, SIGMA, FINE_PARAMS, "sigma")
        )
        series = []
        for value in fixed:
            pair = (lambda a, b=value: (a, b)) if along == "sigma" else (lambda a, b=value: (b, a))
            pts = points(rng, x, function(*pair(x)), x == x.max())
            if index == 1 and value == fixed[0]:
                lost = pts.value.copy()
                lost[0] = np.inf
                pts = vp.Points(x, lost, pts.low, np.where(lost == np.inf, np.inf, pts.high))
            line = function(*pair(fine))
            series.append(vp.Series(pts, vp.Line(fine, line, line / 1.1, line * 1.1), at=value))
        verdict = ("supported", "supported", "flat", None)[index]
        panels.append(vp.LawPanel(task, series, x=along, y=quantity, by=by, verdict=verdict))
    return panels


def budget_laws():
    rng = np.random.default_rng(2)
    budget, fine = np.geomspace(1e17, 2e18, 12), np.geomspace(8e16, 2.5e18, 30)
    held = np.arange(12) >= 10

    def one(name, scale, exponent):
        line = scale * (fine / 1e17) ** exponent
        pts = points(rng, budget, scale * (budget / 1e17) ** exponent, held)
        series = vp.Series(pts, vp.Line(fine, line, line / 1.1, line * 1.1), label="optimum")
        return vp.LawPanel("", [series], x="budget", y=f"optimal_{name}", verdict="supported")

    return [
        one("sigma", 1.2, 0.25),
        one("critic_params", 4e6, 0.4),
        one("data", 3e5, 0.5),
        one("compute", 6e16, 1.05),
    ]


def partition_panels():
    panels = []
    for index, task in enumerate(TASKS):
        data = np.geomspace(3e5, 3e6, 20)
        spent = 2.5e16 * (data / 3e5) ** (1.4 - 0.2 * index)
        panels.append(vp.PartitionPanel(task, spent, data, DELTA, np.arange(20) >= 17))
    return panels


def strategy_panels():
    rng = np.random.default_rng(3)
    panels = []
    for index, task in enumerate(TASKS):
        budget = np.geomspace(1e17, 2e18, 8)
        sigma_only = 1.11 + 0.03 * rng.normal(size=8) + 0.05 * index
        params_only = 1.26 + 0.04 * rng.normal(size=8)
        if index == 1:
            params_only[-2:] = np.inf
            sigma_only[3] = np.nan
        ratios = {"sigma": sigma_only, "critic_params": params_only}
        medians = {"sigma": 1.11 + 0.05 * index, "critic_params": 1.26}
        panels.append(vp.StrategyPanel(task, budget, ratios, medians))
    return panels


def td_error_panels():
    widths, batches = np.array([256.0, 512, 1024, 2048, 4096]), 2.0 ** np.arange(5, 11)
    panels = []
    for sigma in SIGMA:
        log_w, log_b = np.log2(widths / 1024), np.log2(batches[:, None] / 256)
        train = 4e-3 * 2 ** (-0.35 * log_b - 0.2 * log_w) * sigma**0.3
        validation = train * 2 ** (0.9 + 0.25 * log_b - 0.12 * log_w * (log_b + 2))
        train[0, 4] = validation[0, 4] = np.nan
        validation[5, 0] = np.inf
        largest = np.array([32, 100, 256, np.nan, np.inf]) / (1 if sigma < 4 else 2)
        keep = slice(0, 6) if sigma < 8 else slice(1, 5)
        panels.append(
            vp.TdErrorPanel(sigma, batches[keep], widths, train[keep], validation[keep], largest)
        )
    return panels


def figures() -> dict[str, Figure]:
    """Return {name: Figure} of every kind at one-column width."""
    return {
        "contours": vp.plot_contours(contour_panels()),
        "one_contour": vp.plot_contours(contour_panels()[1:2]),
        "data_along_sigma": vp.plot_laws(series_panels("sigma", law)),
        "data_along_params": vp.plot_laws(series_panels("critic_params", law)),
        "batch_along_sigma": vp.plot_laws(series_panels("sigma", batch_law, "batch_size")),
        "batch_along_params": vp.plot_laws(series_panels("critic_params", batch_law, "batch_size")),
        "budget": vp.plot_laws(budget_laws(), title="h1-stand"),
        "partition": vp.plot_partitions(partition_panels()),
        "strategies": vp.plot_strategies(strategy_panels()),
        "train": vp.plot_td_errors(td_error_panels(), show="train", title="h1-stand"),
        "validation": vp.plot_td_errors(td_error_panels(), show="validation", title="h1-stand"),
        "ratio": vp.plot_td_errors(td_error_panels(), show="ratio", title="h1-stand"),
    }


NAMES = (
    "contours",
    "one_contour",
    "data_along_sigma",
    "data_along_params",
    "batch_along_sigma",
    "batch_along_params",
    "budget",
    "partition",
    "strategies",
    "train",
    "validation",
    "ratio",
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
    assert tuple(result) == NAMES
    return result


@pytest.mark.parametrize("name", NAMES)
def test_texts_are_apart_inside_the_page_and_legible(drawn, texts, name):
    figure, renderer = drawn[name]
    assert figure.get_figwidth() == vp.COLUMN_WIDTH
    boxes = texts(figure, renderer)
    assert len(boxes) > 10
    assert min(text.get_fontsize() for text, _ in boxes) >= 7
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        assert not a.overlaps(b), f"{one.get_text()!r} covers {other.get_text()!r}"
    page = figure.bbox
    for text, box in boxes:
        assert box.x0 >= page.x0, f"{text.get_text()!r} is clipped at {box}"
        assert box.x1 <= page.x1, f"{text.get_text()!r} is clipped at {box}"
        assert box.y0 >= page.y0, f"{text.get_text()!r} is clipped at {box}"
        assert box.y1 <= page.y1, f"{text.get_text()!r} is clipped at {box}"


@pytest.mark.parametrize("name", NAMES)
def test_every_axis_has_two_labelled_ticks_and_a_legend_above(drawn, name):
    figure, renderer = drawn[name]
    (legend,) = figure.legends
    bottom = legend.get_window_extent(renderer).y0
    for ax in figure.axes:
        assert ax.get_tightbbox(renderer).y1 <= bottom + 0.5
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            ticks = axis.get_majorticklocs()
            assert ((ticks >= min(limits)) & (ticks <= max(limits))).sum() >= 2


def test_equal_data_gives_equal_bytes():
    again = figures()
    for name, figure in figures().items():
        if name not in ("one_contour", "train", "validation"):  # kinds that another name has
            assert vp.to_svg_string(figure) == vp.to_svg_string(again[name]), name


@pytest.mark.parametrize(("width", "columns"), [(3.4, 1), (5.0, 2), (7.0, 4)])
def test_heat_map_cells_stay_wide_enough_for_their_numbers(width, columns):
    figure = vp.plot_td_errors(td_error_panels(), show="train", width=width)
    spec = figure.axes[0].get_subplotspec()
    assert spec is not None
    assert spec.get_gridspec().ncols == columns
