"""Noise of measured log D against closed forms, and measurements that are refused."""

from typing import Any

import numpy as np
import pytest
from vs_laws import Measured
from vs_laws._noise import seed_variance, spacing_variance
from vs_laws.measured import _NOISE_WEIGHT, _USUAL_NOISE

DATA = [[1e5, 2e5], [5e4, np.inf], [4e4, 9e4]]
LEVELS = [1.0, 2.0]
SIGMA = [1.0, 2.0, 4.0]


def exact(variances, count=400):
    """Draws (count, ...) whose log has exactly these variances about log 1e5."""
    z = np.random.default_rng(0).normal(size=(count, *np.shape(variances)))
    z = (z - z.mean(axis=0)) / z.std(axis=0, ddof=1)
    return 1e5 * np.exp(z * np.sqrt(variances))


def test_variance_of_bootstraps_is_made_that_of_seeds():
    variances = np.array([[0.01, 0.04], [0.09, 0.0025]])
    found = seed_variance(exact(variances), np.array([[2], [5]]))
    np.testing.assert_allclose(found, variances * [[2.0], [1.25]], rtol=1e-12)


def test_bootstrap_of_seeds_gives_the_variance_of_their_mean():
    """Over many studies, the mean of the estimate is σ²/S: the factor S/(S − 1) is right."""
    rng = np.random.default_rng(1)
    seeds = rng.normal(0.0, 0.1, (3, 3000))  # three seeds, 3000 studies
    draws = np.exp(seeds[rng.integers(3, size=(200, 3, 3000)), np.arange(3000)].mean(axis=1))
    found = seed_variance(draws, 3)
    np.testing.assert_allclose(found.mean(), 0.01 / 3, rtol=0.05)


def test_variance_is_unknown_with_one_seed_or_few_bootstraps_that_reach():
    draws = exact(np.full(4, 0.01), count=100)
    draws[:30, 1] = np.inf  # 70 % reach
    draws[:20, 2] = np.nan  # 80 % reach
    found = seed_variance(draws, [4, 4, 4, 1])
    assert np.isnan(found[[1, 3]]).all()
    np.testing.assert_allclose(found[0], 0.01 * 4 / 3)
    np.testing.assert_allclose(found[2], np.log(draws[20:, 2]).var(ddof=1) * 4 / 3)


def test_variance_of_spacing_is_that_of_a_uniform_crossing():
    crossing = np.random.default_rng(2).uniform(1e6 - 2.5e4, 1e6, 200_000)
    np.testing.assert_allclose(np.log(crossing).var(), spacing_variance(1e6, 2.5e4), rtol=0.05)
    assert spacing_variance(np.inf, 2.5e4) == 0.0
    assert spacing_variance(1e6, 0.0) == 0.0


def test_noise_of_a_run_is_drawn_to_the_typical_run():
    variances = np.array([[0.02, 0.04], [0.06, 0.06], [0.01, 0.01]])
    measured = Measured.of(
        [[1e5, 2e5], [5e4, 1e5], [4e4, 9e4]], LEVELS, draws=exact(variances), seeds=4,
        spacing=1e4, sigma=SIGMA,
    )  # fmt: skip
    own = np.array([0.04, 0.08, 0.04 / 3])
    np.testing.assert_allclose(measured.noise, own)
    rounded = np.array([0.01 + 0.0025, 0.04 + 0.01, 0.0625 + 1 / 81]) / 24
    np.testing.assert_allclose(measured.quantised, rounded)
    kappa = 4 * np.median(np.maximum(own - rounded, own / 4))
    np.testing.assert_allclose(measured.one_seed, kappa)
    typical = kappa / 4 + rounded
    drawn = (4 * own + _NOISE_WEIGHT * typical) / (4 + _NOISE_WEIGHT)
    np.testing.assert_allclose(measured.shrunk, drawn)


def test_at_least_a_quarter_of_the_noise_is_that_of_seeds():
    coarse = Measured.of(
        [[1e5, 2e5]] * 3, LEVELS, draws=exact(np.full((3, 2), 1e-4)), seeds=2, spacing=9e4,
        sigma=SIGMA,
    )  # fmt: skip
    np.testing.assert_allclose(coarse.one_seed, 2 * 2e-4 / 4)


def test_noise_without_draws_is_the_usual_one():
    measured = Measured.of(DATA, LEVELS, seeds=[1, 2, 5], sigma=SIGMA)
    assert np.isnan(measured.noise).all()
    assert measured.one_seed == _USUAL_NOISE
    np.testing.assert_allclose(measured.shrunk, _USUAL_NOISE / np.array([1, 2, 5]))


def test_a_run_with_one_seed_takes_the_noise_of_the_others():
    measured = Measured.of(
        DATA, LEVELS, draws=exact(np.full((3, 2), 0.03)), seeds=[4, 4, 1], sigma=SIGMA
    )
    np.testing.assert_allclose(measured.one_seed, 4 * 0.04)
    np.testing.assert_allclose(measured.shrunk, [0.04, 0.04, 0.16])


REFUSED = {
    "levels": {"levels": [1.0]},
    "levels must be 2 increasing": {"levels": [2.0, 1.0]},
    "increasing finite numbers": {"levels": [1.0, np.inf]},
    "at least one axis": {"sigma": None},
    "sigma must be 3 positive": {"sigma": [1.0, 2.0]},
    "sigma must be 3 positive numbers, one per row": {"sigma": [1.0, 0.0, 2.0]},
    "sigma must be 3": {"sigma": [1.0, np.nan, 2.0]},
    "data must be positive": {"data": [[1e5, 0.0], [1.0, 1.0], [1.0, 1.0]]},
    "no run reaches any level": {"data": np.full((3, 2), np.inf)},
    "draws has shape": {"draws": np.ones((10, 2, 2))},
    "seeds must be positive": {"seeds": 0},
    "seeds must be positive numbers, one number or 3": {"seeds": [4, 4]},
    "spacing must be 0": {"spacing": -1.0},
    "spacing must be 0 or more, one number or 3": {"spacing": [1.0, 2.0]},
    "last_step must be positive": {"last_step": [1e5, 0.0, 1e5]},
    "last_step must be positive, one number or 3": {"last_step": [1e5, 1e5]},
}


@pytest.mark.parametrize("words", REFUSED)
def test_measurements_that_make_no_sense_are_refused_in_one_sentence(words):
    arguments: dict[str, Any] = {"data": DATA, "levels": LEVELS, "sigma": SIGMA} | REFUSED[words]
    if arguments["sigma"] is None:
        del arguments["sigma"]
    data, levels = arguments.pop("data"), arguments.pop("levels")
    with pytest.raises(ValueError, match=words) as caught:
        Measured.of(data, levels, **arguments)
    assert "\n" not in str(caught.value)
    assert ". " not in str(caught.value).replace("e.g. ", "")


def test_runs_can_be_left_out_and_written_down():
    measured = Measured.of(
        DATA, LEVELS, seeds=[1, 2, 3], spacing=[10, 20, 30], last_step=1e6, sigma=SIGMA, width=SIGMA
    )
    assert measured.axes == ("sigma", "width")
    rest = measured.without([False, True, False])
    np.testing.assert_array_equal(rest.data, np.array(DATA)[[0, 2]])
    np.testing.assert_array_equal(rest.places["width"], [1.0, 4.0])
    np.testing.assert_array_equal(rest.seeds, [1, 3])
    np.testing.assert_array_equal(rest.spacing, [10, 30])
    again = Measured.from_dict(measured.to_dict())
    for name in ("data", "levels", "noise", "seeds", "spacing", "last_step"):
        np.testing.assert_array_equal(getattr(again, name), getattr(measured, name))


def test_last_step_by_level_is_that_of_the_highest():
    measured = Measured.of(DATA, LEVELS, last_step=[[1, 2], [3, 4], [5, 6]], sigma=SIGMA)
    np.testing.assert_array_equal(measured.last_step, [2, 4, 6])
