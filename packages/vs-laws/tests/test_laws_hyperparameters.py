"""Best batch size and learning rate from a surface: known truths, another implementation, limits."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vs_laws._about_optimum as model
import vs_laws._noise as noise
import vs_laws._refits as refits
from scipy import optimize, stats
from vs_laws import Cost, Hyperparameters, allocate, fit_data_law, fit_hyperparameters
from vs_laws.hyperparameters import HYPERPARAMETERS

SIGMA, B, RATE = (
    grid.ravel()
    for grid in np.meshgrid(
        [0.5, 1.0, 2.0, 4.0], [32.0, 128.0, 512.0], [2.5e-4, 1e-3, 4e-3], indexing="ij"
    )
)
TASKS = ["a"] * SIGMA.size + ["b"] * SIGMA.size
AT: dict[str, Any] = {
    "tasks": TASKS,
    "sigma": np.tile(SIGMA, 2),
    "batch_size": np.tile(B, 2),
    "learning_rate": np.tile(RATE, 2),
}
CURVES = np.array([[0.05, 0.08], [0.07, 0.04]])  # task by axis
CENTRES = np.array([[150.0, 9e-4], [220.0, 1.4e-3]])  # at σ = 1
EXPONENTS = np.array([-0.4, -0.25])
SKEW, TWIST = 0.3, 0.25
RISE = np.array([1.0, 1.3, 2.0])  # D at the levels
REST: dict[str, Any] = {"seeds": 4, "spacing": 10.0, "draws": None, "last_steps": 1e9}


def best(task, sigma):
    """D at the optimum, lowest level."""
    return (1e5, 3e5)[task] * (1 + np.asarray(sigma) ** -0.8)


def truth(at=AT):
    """D of a study without noise, (n, 3): written with the square root of the published asymmetry."""
    task = np.array([t == "b" for t in at["tasks"]]).astype(int)
    sigma = at["sigma"]
    u, v = (
        np.log2(at[name] / (CENTRES[task, k] * sigma ** EXPONENTS[k]))
        for k, name in enumerate(HYPERPARAMETERS)
    )
    w = np.sign(v) * np.sqrt(2 * (np.exp(SKEW * v) - 1 - SKEW * v) / SKEW**2)
    first, second = np.sqrt(CURVES[task]).T * [u, w]
    surface = first**2 + second**2 + 2 * TWIST * first * second
    level = np.where(task, best(1, sigma), best(0, sigma))
    return (level * np.exp(surface))[:, None] * RISE


def rng():
    return np.random.default_rng(0)


def some(here):
    """Some of the cells of AT."""
    return {name: np.asarray(x)[here] for name, x in AT.items()}


def run(data, at=AT, **change):
    """Return the fit of a study without bootstraps."""
    return fit_hyperparameters(data, rng=rng(), **{**at, **REST, **change})


def simulated():
    """The module of simulated sweeps beside this file."""
    path = Path(__file__).with_name("simulated_sweeps.py")
    spec = importlib.util.spec_from_file_location("simulated_sweeps", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["simulated_sweeps"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def wide(monkeypatch):
    """Priors that say nothing, no noise and no lack of fit."""
    monkeypatch.setattr(noise, "_SEED_VARIANCE", 1e-8)
    monkeypatch.setattr(model, "CURVATURE", (np.log(0.06), 1e4, 1e4))
    monkeypatch.setattr(model, "EXPONENT", (-0.3, 1e4))
    monkeypatch.setattr(model, "TWIST", (0.0, 1e4))
    monkeypatch.setattr(model, "SKEW", (0.2, 1e4))
    monkeypatch.setattr(model, "_CENTRE", 1e4)
    monkeypatch.setattr(refits, "LACK_OF_FIT", 1e-4)
    monkeypatch.setattr(refits, "_LEAST", 1e-4)


def test_a_surface_without_noise_is_recovered(wide):
    found = run(truth(), count=2)
    for k, name in enumerate(HYPERPARAMETERS):
        assert found.exponent(name).value == pytest.approx(EXPONENTS[k], abs=1e-6)
        for t in (0, 1):
            fitted = found.fits[name].law.at((t, 0))(sigma=1.0)
            assert fitted == pytest.approx(CENTRES[t, k], rel=1e-6)
    np.testing.assert_allclose(found.curvature, CURVES, rtol=1e-5)
    assert found.skew == pytest.approx(SKEW, abs=1e-5)
    assert found.twist == pytest.approx(TWIST, abs=1e-5)
    for t, task in enumerate("ab"):
        optimum = found.at_optimum(task)
        np.testing.assert_array_equal(optimum.sigma, [0.5, 1, 2, 4])
        expected = best(t, optimum.sigma)[:, None] * RISE
        np.testing.assert_allclose(optimum.data, expected, rtol=1e-6)
        band = found.band(task, 2.0)
        half = np.exp2(np.sqrt(np.log(1.1) / CURVES[t, 0]))
        b = CENTRES[t, 0] * 2 ** EXPONENTS[0]
        np.testing.assert_allclose(
            np.array(band.batch_size), np.array([b / half, b * half]), rtol=2e-3
        )
        low, high = np.log2(np.array(band.learning_rate) / (CENTRES[t, 1] * 2 ** EXPONENTS[1]))
        for v in (low, high):  # the published asymmetry
            above = CURVES[t, 1] * 2 * (np.exp(SKEW * v) - 1 - SKEW * v) / SKEW**2
            assert above == pytest.approx(np.log(1.1), rel=3e-3)
        assert -low > high


def test_against_the_posterior_written_out():
    """One level: the mode by scipy.optimize.minimize of the formulas of the priors and of Tobit."""
    study = truth()[:, 0] * np.exp(0.05 * rng().normal(size=len(TASKS)))
    limit = np.quantile(study, 0.85)
    data = np.where(study > limit, np.inf, study)
    found = run(data, count=2, last_steps=limit)
    task = np.array([t == "b" for t in TASKS]).astype(int)
    group = task * 4 + np.searchsorted([0.5, 1, 2, 4], AT["sigma"])
    s = np.log2(AT["sigma"]) - 0.5
    reached = np.isfinite(data)
    seeds_variance = 0.25**2 / 4  # of a run where nothing is known
    own = np.where(reached, (10.0 / np.where(reached, data, 1)) ** 2 / 12, 0.0)
    variance = seeds_variance + own + 1e-6 + found.lack_of_fit**2
    x = np.log2([AT["batch_size"], AT["learning_rate"]])
    middle = [7.0, np.log2(1e-3)]

    def cost(p):
        level, centre, curve = p[:8], p[8:12].reshape(2, 2), p[12:16].reshape(2, 2)
        exponent, common, twist, skew = p[16:18], p[18:20], p[20], p[21]
        u, v = (x[k] - centre[k, task] - exponent[k] * s for k in (0, 1))
        w = np.sign(v) * np.sqrt(2 * (np.exp(skew * v) - 1 - skew * v) / skew**2)
        first, second = np.exp(curve[0, task] / 2) * u, np.exp(curve[1, task] / 2) * w
        mean = level[group] + first**2 + second**2 + 2 * np.tanh(twist) * first * second
        sd = np.sqrt(variance)
        total = -np.where(
            reached,
            stats.norm.logpdf(np.log(np.where(reached, data, 1.0)), mean, sd),
            stats.norm.logsf(np.log(limit), mean, sd),
        ).sum()
        for k in (0, 1):
            total -= stats.norm.logpdf(centre[k], middle[k], 4.0).sum()
            total -= stats.norm.logpdf(curve[k], common[k], 0.5).sum()
            total -= stats.norm.logpdf(common[k], np.log(0.06), 0.8)
            total -= stats.norm.logpdf(exponent[k], -0.3, 0.7)
        return total - stats.norm.logpdf(twist, 0, 0.35) - stats.norm.logpdf(skew, 0.2, 0.3)

    start = np.repeat([np.log(3e5), *middle, -2.8, -0.3, -2.8, 0.0, 0.2], [8, 2, 2, 4, 2, 2, 1, 1])
    other = optimize.minimize(cost, start, method="BFGS", options={"gtol": 1e-4, "maxiter": 2000})
    level, centre = other.x[:8], other.x[8:12].reshape(2, 2)
    np.testing.assert_allclose(found.steps[:, 0], np.exp(level), rtol=1e-4)
    np.testing.assert_allclose(found.curvature, np.exp(other.x[12:16]).reshape(2, 2).T, rtol=1e-3)
    for k, name in enumerate(HYPERPARAMETERS):
        assert found.exponent(name).value == pytest.approx(other.x[16 + k], abs=2e-4)
        fitted = found.fits[name].predict(sigma=2**0.5).value
        np.testing.assert_allclose(np.log2(fitted), centre[k], atol=5e-4)
    assert found.twist == pytest.approx(np.tanh(other.x[20]), abs=2e-4)
    assert found.skew == pytest.approx(other.x[21], abs=2e-4)


def noisy(**change):
    """A study with seeds' noise, and bootstraps."""
    random = rng()
    whole = truth()
    each = 0.1 * random.normal(size=(4, *whole.shape))
    picks = random.integers(4, size=(40, 4))
    data = whole * np.exp(each.mean(axis=0))
    draws = whole * np.exp(each[picks].mean(axis=1))
    return {"data": data, **AT, **REST, "draws": draws, "rng": rng(), **change}


def fit(given):
    given = dict(given)
    return fit_hyperparameters(given.pop("data"), **given)


def test_units_do_not_matter():
    one, given = fit(noisy()), noisy()
    for name in ("data", "draws", "spacing", "last_steps"):
        given[name] = given[name] * 7.0
    given |= {"batch_size": 3 * given["batch_size"], "sigma": given["sigma"] / 5}
    other = fit(given)
    for name in HYPERPARAMETERS:
        np.testing.assert_allclose(other.exponent(name).value, one.exponent(name).value, rtol=1e-5)
        np.testing.assert_allclose(other.exponent(name).low, one.exponent(name).low, rtol=1e-3)
    np.testing.assert_allclose(other.steps, 7 * one.steps, rtol=1e-6)
    one_b, other_b = (
        one.fits["batch_size"].predict(sigma=2.0),
        other.fits["batch_size"].predict(sigma=0.4),
    )
    np.testing.assert_allclose(other_b.value, 3 * one_b.value, rtol=1e-5)
    np.testing.assert_allclose(
        other.regret("b", 0.4, batch_size=300, learning_rate=1e-3).value,
        one.regret("b", 2.0, batch_size=100, learning_rate=1e-3).value,
        rtol=1e-3,
    )


def test_the_order_of_cells_does_not_matter_to_the_mode():
    order, given = rng().permutation(len(TASKS)), noisy()
    moved = {name: np.asarray(given[name])[order] for name in (*AT, "data")}
    other = fit({**given, **moved, "draws": given["draws"][:, order]})
    one = fit(given)
    np.testing.assert_allclose(other.exponent("batch_size").value, one.exponent("batch_size").value)
    np.testing.assert_allclose(other.at_optimum("a").data, one.at_optimum("a").data)


def test_seeds_that_agree_less_widen_the_interval():
    narrow, loud = noisy(), noisy()
    logs = np.log(loud["draws"] / loud["data"])
    loud["draws"] = loud["data"] * np.exp(4 * logs)
    ends = [fit(given).exponent("batch_size") for given in (narrow, loud)]
    assert np.ptp([ends[1].low, ends[1].high]) > 1.5 * np.ptp([ends[0].low, ends[0].high])


def test_one_hyperparameter_alone():
    here = AT["batch_size"] == 128
    at = some(here)
    found = run(truth(at), at)
    assert found.batch_size is None
    assert "batch_size does not vary" in " ".join(found.notes)
    assert found.exponent("learning_rate").value == pytest.approx(EXPONENTS[1], abs=0.15)
    assert found.band("a", 1.0).batch_size is None
    assert found.curvature.shape == (2, 1)
    again = Hyperparameters.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.band("a", 1.0) == found.band("a", 1.0)
    with pytest.raises(ValueError, match="no law of 'batch_size'; known: learning_rate"):
        found.exponent("batch_size")
    here = AT["learning_rate"] == 1e-3
    at = some(here)
    found = run(truth(at), at)
    assert found.learning_rate is None
    assert found.skew == 0.0
    assert found.twist == 0.0
    assert found.exponent("batch_size").value == pytest.approx(EXPONENTS[0], abs=0.15)


def test_a_search_with_one_seed_each():
    """Random cells, no bootstraps: the noise is a typical run's."""
    random, n = rng(), 60
    at: dict[str, Any] = {
        "tasks": ["a"] * n,
        "sigma": random.choice([0.5, 1.0, 2.0, 4.0], n),
        "batch_size": np.exp2(random.uniform(4, 10, n)).round(),
        "learning_rate": np.exp2(random.uniform(-13, -7, n)),
    }
    data = truth(at) * np.exp(0.2 * random.normal(size=(n, 1)))
    found = run(data, at, seeds=1)
    for k, name in enumerate(HYPERPARAMETERS):
        interval = found.exponent(name, level=0.9)
        assert interval.low < EXPONENTS[k] < interval.high
        assert 0.1 < interval.high - interval.low < 1.0
    assert "no cell has bootstraps over two seeds" in " ".join(found.notes)


def test_a_level_not_reached_is_a_lower_bound():
    """Large batches at σ = 4 that end before any level: far above the others' D they push B* down."""
    far = (AT["batch_size"] == 512) & (AT["sigma"] == 4)

    def best_batch(value, last):
        data = np.where(far[:, None], value, truth())
        found = run(data, count=2, last_steps=last * truth(), seeds=40)
        return found.fits["batch_size"].predict(task="b", sigma=4.0).value

    missing = best_batch(np.nan, 1.0)
    assert best_batch(np.inf, 0.01) == pytest.approx(missing, rel=1e-4)  # says nothing
    assert best_batch(np.inf, 3.0) < 0.98 * missing
    assert best_batch(np.inf, 10.0) < best_batch(np.inf, 3.0)


def test_a_level_that_some_cells_reach_leaves_the_others_as_bounds():
    data = truth()
    cut = np.where(data > 1.4e6, np.inf, data)
    assert np.isinf(cut).any(axis=1).sum() > 10
    found = run(cut, last_steps=1.4e6, seeds=40)
    assert f"{int(np.isinf(cut).any(axis=1).sum())} of 72 cells do not reach" in " ".join(
        found.notes
    )
    for k, name in enumerate(HYPERPARAMETERS):
        assert found.exponent(name).value == pytest.approx(EXPONENTS[k], abs=0.05)
    for t, task in enumerate("ab"):
        optimum = found.at_optimum(task)
        expected = best(t, optimum.sigma)[:, None] * RISE
        seen = np.isfinite(optimum.data)
        np.testing.assert_allclose(optimum.data[seen], expected[seen], rtol=0.05)
        np.testing.assert_array_equal(np.isfinite(optimum.draws).all(axis=0), seen)


def test_a_place_that_reaches_nothing_is_left_out_and_named():
    data = truth()
    data[(AT["sigma"] == 0.5) & (np.array(TASKS) == "b")] = np.inf
    found = run(data, last_steps=1e7)
    assert "b at sigma 0.5: no cell reaches any level, left out" in found.notes
    np.testing.assert_array_equal(found.at_optimum("b").sigma, [1, 2, 4])
    assert np.isnan(found.fits["batch_size"].residuals).sum() == 9
    assert found.fits["batch_size"].residuals.shape == (72,)


def test_far_cells_alone_still_say_what_the_optimum_costs():
    """At σ = 4 only one corner was run, at up to twice the least D."""
    corner = (AT["sigma"] < 4) | ((AT["batch_size"] == 512) & (AT["learning_rate"] == 4e-3))
    at = some(corner)
    data = truth(at)
    found = run(data, at, seeds=40)
    for t, task in enumerate("ab"):
        optimum = found.at_optimum(task)
        last = data[(at["sigma"] == 4) & (np.array(at["tasks"]) == task)][0]
        expected = best(t, 4.0) * RISE
        assert np.all(last > 1.7 * expected)
        low, high = np.quantile(optimum.draws[:, -1], [0.025, 0.975], axis=0)
        assert np.all((low < expected) & (expected < high))
        np.testing.assert_allclose(optimum.data[-1], expected, rtol=0.35)


def test_everything_comes_back_from_json():
    found = fit(noisy())
    again = Hyperparameters.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict()
    assert str(again) == str(found)
    assert again.band("b", 20.0) == found.band("b", 20.0)
    at = {"batch_size": [64, 128], "learning_rate": 1e-3}
    np.testing.assert_array_equal(
        again.regret("a", 3.0, **at).value, found.regret("a", 3.0, **at).value
    )
    np.testing.assert_array_equal(again.at_optimum("b").draws, found.at_optimum("b").draws)


def test_laws_feed_costs_and_allocations():
    """The K refits are the bootstraps of B* and of D at the optimum."""
    found = fit(noisy())
    optimum = found.at_optimum("a")
    data = fit_data_law(optimum.data[:, 0], sigma=optimum.sigma, draws=optimum.draws[:, :, 0])
    batch = found.fits["batch_size"].of("a")
    assert data.bootstraps == batch.bootstraps == 40
    chosen = allocate(Cost(data, batch, critic_params=150_000), delta=5e9)
    assert chosen.estimate("sigma").low < chosen.estimate("sigma").high
    b = batch.predict(sigma=3.0)
    assert b.low < b.value < b.high


def test_regret_is_least_at_the_optimum_and_grows():
    found = fit(noisy())
    b, rate = (found.fits[n].predict(task="a", sigma=2.0).value for n in found.fits)
    here = found.regret("a", 2.0, batch_size=b * np.array([0.25, 1.0, 4.0]), learning_rate=rate)
    assert here.value.argmin() == 1
    assert 0 < here.value[1] < 0.05
    assert np.all(here.low >= 0)
    alone = found.regret("a", 2.0, batch_size=b).value  # η at its best in every refit
    assert alone < here.value[1]
    assert found.regret("a", 2.0).value == 0.0


def test_bands_narrow_with_certainty_and_far_away():
    found = fit(noisy())
    inside, sure = found.band("a", 2.0), found.band("a", 2.0, certainty=0.95)
    for name in HYPERPARAMETERS:
        (low, high), (lower, upper) = getattr(inside, name), getattr(sure, name)
        assert low < lower < upper < high
    assert found.band("a", 1e9, certainty=1.0).batch_size is None
    assert found.band("a", 8.0) == found.band("a", 8.0, certainty=0.8)
    ends = np.array(sure.batch_size)
    agree = np.all(found.excess("a", 2.0, batch_size=ends) <= np.log(1.1), axis=1)
    assert agree.mean() >= 0.95
    wider = found.band("a", 2.0, within=0.3).batch_size
    assert wider[0] < inside.batch_size[0] < inside.batch_size[1] < wider[1]


def test_remarks_on_edges_coarse_grids_and_one_sigma():
    at = {**AT, "batch_size": AT["batch_size"] * 16}
    found = run(truth(at), at, seeds=40)
    text = "\n".join(found.notes)
    assert "one exponent for 2 tasks" in text
    assert "the best batch_size lies beyond those tried: a at sigma 0.5 (" in text
    assert ", tried down to 512), a at sigma 1 (" in text
    assert "the best learning_rate lies beyond" not in text
    assert "too coarse" not in text
    steep = truth() ** 4 / 1e15
    found = run(steep, seeds=40)
    assert (
        "the grid of batch_size is too coarse for a, b: its values are 4 times apart"
        in "\n".join(found.notes)
    )
    here = AT["sigma"] == 1.0
    at = some(here)
    found = run(truth(at), at)
    assert "all cells have sigma 1: the exponents are the prior's" in found.notes
    assert found.fits["batch_size"].verdict == "too few levels"
    assert found.exponent("batch_size").std_error == pytest.approx(0.7, rel=0.4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.ones((3, 1))}, "tasks has 72 labels, expected 3"),
        ({"data": -truth()}, "data must be positive"),
        ({"data": np.full((72, 3), np.inf)}, "no cell reaches any level"),
        ({"sigma": np.zeros(72)}, r"sigma\[0\] = 0: expected a positive"),
        ({"batch_size": np.ones(3)}, r"batch_size has shape \(3,\), expected \(72,\)"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"spacing": np.ones(4)}, r"spacing has shape \(4,\), expected a number"),
        ({"last_steps": 0.0}, "last_steps must be positive"),
        (
            {"draws": np.ones((5, 72, 2))},
            r"draws has shape \(5, 72, 2\), expected \(bootstraps, 72, 3",
        ),
        ({"levels": [1.0, 1.0, 2.0]}, "levels must be 3 increasing numbers"),
        ({"draws": None, "count": 1}, "count must be at least 2"),
        ({"batch_size": np.ones(72), "learning_rate": np.ones(72)}, "none of batch_size"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        fit(noisy(**change))


def test_bad_questions():
    found = fit(noisy())
    with pytest.raises(ValueError, match="unknown task 'c', known tasks: a, b"):
        found.at_optimum("c")
    with pytest.raises(ValueError, match="batch_size must be positive, got 0"):
        found.regret("a", 1.0, batch_size=0)
    with pytest.raises(ValueError, match="expected within > 0"):
        found.band("a", 1.0, within=0)
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        found.exponent("batch_size", level=90)


def test_exponents_are_not_pulled_to_zero():
    """Sixteen simulated sweeps at each of two exponents: bias and coverage of 90 % intervals."""
    sweeps = simulated()
    design = sweeps.Design((1, 2, 4, 8), (-1, 0, 1), (-1, 0, 1), seeds=8)
    for exponent in (0.0, -0.5):
        error, covered = [], []
        for i in range(16):
            random = np.random.default_rng([7, i])
            sweep = sweeps.simulate(design, exponent, random, bootstraps=60)
            found = fit({**sweep.given, "rng": random})
            for name in found.fits:
                interval = found.exponent(name, level=0.9)
                error.append(interval.value - exponent)
                covered.append(interval.low <= exponent <= interval.high)
        assert abs(np.mean(error)) < 0.1  # 0.04 is one standard error
        assert np.mean(covered) >= 0.8
