"""The whole analysis on the published OpenAI Gym curves, against what the papers' own code gives."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import vs_laws as laws
import vs_logging as vslog
from vs_analyze.analysis import analyze
from vs_analyze.data_laws import each_level
from vs_analyze.hyperparameters import optimum, over_utd
from vs_analyze.measure import measure, only_cells
from vs_analyze.runs import load_runs
from vs_analyze.settings import Settings, published
from vs_analyze.study import ONE

SHARED = Path(__file__).resolve().parents[1] / "../shared"
GRID_BOOTSTRAPS = 1600  # a quarter of the Monte-Carlo error of the published 100


@pytest.fixture(scope="module")
def golden():
    path = SHARED / "reference" / "golden_gym.json"
    if not path.exists():
        pytest.skip("shared/reference/golden_gym.json is not next to this checkout")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tables():
    names = ("sweep", "ours", "baseline_utd2")
    paths = {name: SHARED / "curves" / f"gym_{name}.zip" for name in names}
    if not all(path.exists() for path in paths.values()):
        pytest.skip("shared/curves/gym_*.zip are not next to this checkout")
    return {name: vslog.import_zip(path).table for name, path in paths.items()}


@pytest.fixture(scope="module")
def grid_stage(tables):
    """B* and η* at level 800 under the published choices."""
    settings = replace(published("grid"), levels=(800.0,), bootstraps=GRID_BOOTSTRAPS)
    runs = load_runs(tables["sweep"], settings, source="gym_sweep")
    levels = dict.fromkeys([run.env for run in runs], settings.levels)
    cells = measure(runs, levels, bootstraps=GRID_BOOTSTRAPS, rng=np.random.default_rng(0))
    best = over_utd(cells, levels, settings)
    optima = [optimum(table, settings) for table in best.grids]
    return SimpleNamespace(cells=cells, fits=best.shared, grids=best.grids, optima=optima)


def fitted_stage(tables, name, bootstraps):
    settings = replace(published("fitted"), bootstraps=bootstraps)
    runs = load_runs(tables[name], settings, source=name)
    levels = dict.fromkeys([run.env for run in runs], settings.levels)
    cells = measure(runs, levels, bootstraps=bootstraps, rng=np.random.default_rng(0))
    return only_cells(cells, ONE), settings


@pytest.fixture(scope="module")
def data_stage(tables):
    """D_J(σ) at every level under the published choices: one shared curve per level."""
    chosen, settings = fitted_stage(tables, "ours", 400)
    notes = []
    fits = each_level(chosen, dict.fromkeys(chosen, settings.levels), settings, ONE, notes)
    assert notes == []
    assert all("Ant-v4" in entry.envs for entry in fits)
    return [entry.fit for entry in fits]


@pytest.mark.parametrize(("name", "key"), [("ours", "ours"), ("baseline_utd2", "baseline")])
def test_steps_to_every_level_are_the_published_ones(tables, golden, name, key):
    stage = golden["fitted_stage"]
    chosen, settings = fitted_stage(tables, name, 2)
    assert settings.levels == tuple(stage["thresholds"])
    expected = stage["D_J_env_steps_by_task_then_utd_then_threshold"][key]
    assert sorted(chosen) == sorted(expected)
    for env, cells in chosen.items():
        assert [cell.utd for cell in cells] == stage["utds"]
        assert np.array_equal([cell.data for cell in cells], expected[env])


def test_the_number_of_configurations_that_never_reach_800(grid_stage, golden):
    censored = sum(np.isinf(cell.data[0]) for cell in grid_stage.cells)
    assert len(grid_stage.cells) == 144
    assert censored == golden["grid_stage"]["configs_never_reaching_800"]


@pytest.mark.parametrize("name", ["learning_rate", "batch_size"])
def test_shared_exponents_and_coefficients_within_monte_carlo_error(grid_stage, golden, name):
    stage = golden["grid_stage"]
    fit = grid_stage.fits[name]
    sd = stage["monte_carlo_sd_of_exponent_at_100_bootstraps"][name]
    tolerance = 4 * sd / np.sqrt(GRID_BOOTSTRAPS / 100)
    exponent = fit.parameters["sigma_exponent"]
    assert -exponent.value == pytest.approx(stage[name]["shared_exponent"], abs=tolerance)
    for env, value in stage[name]["coefficient_at_utd_1"].items():
        assert fit.parameters[f"coefficient[{env}]"].value == pytest.approx(value, rel=0.02)
    # the interval is one of seeds, not of Monte Carlo: at least as wide as the published one's
    low, high = stage["seed_sampling_95_interval_of_exponent"][name]
    assert exponent.low < -low
    assert exponent.high > -high


@pytest.mark.parametrize(("name", "short"), [("learning_rate", "lr"), ("batch_size", "bs")])
def test_their_separate_slopes_come_from_dropping_the_largest_utd(grid_stage, golden, name, short):
    envs = [table.env for table in grid_stage.grids]
    sigma = np.array([table.utd for table in grid_stage.grids])
    optima = [getattr(best, name) for best in grid_stage.optima]
    csv = golden["grid_stage"]["published_csv"]
    sd = golden["grid_stage"]["monte_carlo_sd_of_exponent_at_100_bootstraps"][name]

    def slopes(keep):
        fit = laws.grid.fit_hyperparameter_law(
            sigma[keep],
            [optima[i] for i in keep],
            tasks=[envs[i] for i in keep],
            shared_exponent=False,
        )
        names = [f"separate|{short}_slope|{env}" for env in fit.tasks]
        return np.ravel(fit.law.exponent), np.array([csv[n] for n in names])

    # theirs are of one draw of 100 bootstraps. A slope of one task over σ 1, 2, 4 has about
    # √(4 tasks · 5 / 2) times the error of the shared one over σ 1, 2, 4, 8 (Σ(x − x̄)² 5 → 2)
    tolerance = 2 * sd * np.sqrt(4 * 5 / 2)
    without, published_slopes = slopes(np.flatnonzero(sigma < 8))
    assert without == pytest.approx(published_slopes, abs=tolerance)
    whole, _ = slopes(np.arange(len(envs)))
    assert np.abs(whole - published_slopes).max() > 4 * tolerance


def test_data_laws_reach_the_published_loss(data_stage, golden):
    stage = golden["fitted_stage"]
    scale = stage["median_of_task_medians"]["ours"]
    theirs = stage["fits_c_plus_(utd/b)^-a_of_the_normalised_mean"]["ours"]
    for fit, expected, loss in zip(data_stage, theirs, stage["mse_reached"]["ours"], strict=True):
        assert fit.loss_name.startswith("MSE")
        assert fit.loss / scale**2 <= loss
        assert fit.parameters["sigma_exponent"].value == pytest.approx(expected["a"], abs=2e-6)
        assert fit.parameters["d_min"].value / scale == pytest.approx(expected["c"], abs=2e-6)


def test_sigma_star_of_the_budget_from_the_curves(data_stage, golden):
    # B*(σ) is the published table's: the grid stage is a draw of 100 bootstraps that no one can
    # repeat, so only what follows from the fitted runs can agree to every digit
    csv, stage = golden["grid_stage"]["published_csv"], golden["fitted_stage"]
    mean = np.mean([value for name, value in csv.items() if name.startswith("shared|bs_int|")])
    batch_size = laws.PowerLaw(mean, csv["shared|bs_slope|Ant-v4"], axes=("sigma",))
    d_min, amplitude, alpha = (
        np.array([fit.parameters[name].value for fit in data_stage])[:, None]
        for name in ("d_min", "sigma_amplitude", "sigma_exponent")
    )
    budget = stage["budget"]
    data = laws.DataLaw(d_min, amplitude[..., None], alpha[..., None], axes=("sigma",))
    cost = laws.Cost(data, batch_size, critic_params=int(budget["model_size"]))
    # the published code looks at a grid of σ, which leaves σ* up to 2 % off
    grid = np.geomspace(0.25, 16, 100)
    total = cost(sigma=grid) + budget["delta"] * cost.steps(sigma=grid)  # (levels, σ)
    sigma = grid[total.argmin(axis=1)]
    assert sigma == pytest.approx(budget["optimal_utd_by_threshold"], rel=1e-9)
    spent = total.min(axis=1)
    assert spent == pytest.approx(budget["F"], rel=1e-5)
    cheapest = np.argsort(spent)[:-2]  # the two largest budgets are held out
    fit = laws.fit_power_law(sigma[cheapest], budget=spent[cheapest]).parameters
    assert fit["budget_exponent"].value == pytest.approx(0.61977, abs=1e-5)
    assert np.log10(fit["coefficient"].value) == pytest.approx(-8.58235, abs=1e-5)


def test_seed_intervals_of_the_data_law_at_800(data_stage):
    # golden notes: alpha [0.41, 1.06], D_min [5.6e4, 3.1e5]; another bootstrap, so roughly
    parameters = data_stage[-1].parameters
    alpha, d_min = parameters["sigma_exponent"], parameters["d_min"]
    assert [alpha.low, alpha.high] == pytest.approx([0.41, 1.06], abs=0.08)
    assert d_min.low == pytest.approx(5.6e4, abs=2.5e4)
    assert d_min.high == pytest.approx(3.1e5, abs=2.5e4)


@pytest.mark.parametrize("estimator", ["levels", "each"])
def test_our_defaults_support_every_law_with_finite_intervals(tables, estimator):
    settings = Settings(estimator=estimator)
    study = analyze(
        load_runs(tables["sweep"], settings, source="gym_sweep"),
        settings,
        fitted=load_runs(tables["ours"], settings, source="gym_ours"),
    )
    assert study.settings.levels[-1] == 770  # 0.9 of what half of the configurations reach
    assert any("exact copies" in note for note in study.notes)
    fits = [
        *study.shared.items(),
        *((f"data {entry.level:g}", entry.fit) for entry in study.data_fits),
        *(
            (f"{name} {task.env}", fit)
            for task in study.tasks
            if task.budget is not None
            for name, fit in task.budget.fits.items()
        ),
    ]
    assert len(fits) == 2 + 11 * (4 if estimator == "levels" else 1) + 12
    inside = []
    for name, fit in fits:
        if (estimator, name) != (
            "levels",
            "sigma Ant-v4",
        ):  # its optimum is at an edge in some draws
            assert fit.supported, (name, fit.reason)
        for key, entry in fit.parameters.items():
            assert np.isfinite([entry.value, entry.low, entry.high]).all(), (name, key)
            inside.append(entry.low <= entry.value <= entry.high)
    assert np.mean(inside) > 0.95
