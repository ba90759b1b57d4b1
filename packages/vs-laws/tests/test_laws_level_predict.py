"""Predictions of the law of all levels: their parts, their words, what is refused, JSON."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri
from vs_laws import LevelLaw, Measured, Prediction, fit_level_law
from vs_laws._level_forms import shape
from vs_laws._residual import OWN

INSIDE: dict[str, Any] = {"sigma": 3.0, "critic_params": 1e6}
FAR: dict[str, Any] = {"sigma": 200.0, "critic_params": 1e9}


@pytest.fixture(scope="module")
def law(study, grid, plain):
    return fit_level_law(study(plain, np.random.default_rng(0), levels=3, **grid))


def test_prediction_is_near_the_truth(law, plain):
    found = law.predict(level=550.0, **INSIDE)
    assert abs(found.z(np.exp(plain(**INSIDE)))) < 2.0
    assert found.value == pytest.approx(np.exp(plain(**INSIDE)), rel=0.1)
    assert isinstance(found.word, str)
    assert found.word == "sharp"


def test_variance_of_a_run_is_that_of_the_surface_and_of_a_run(law):
    surface = law.predict(level=550.0, kind="law", **INSIDE)
    assert surface.log_sd == surface.surface_sd
    found = law.predict(level=550.0, seeds=3, octaves=2.0, spacing=4e4, **INSIDE)
    np.testing.assert_allclose(found.value, surface.value * np.exp(0.08))
    parts = [
        surface.log_sd**2, np.mean(law.inflate) * OWN, law.measured.one_seed / 3,
        (4e4 / surface.value) ** 2 / 12, 0.08**2,
    ]  # fmt: skip
    np.testing.assert_allclose(found.log_sd**2, np.sum(parts))
    assert found.surface_sd == surface.surface_sd
    assert (found.kind, found.seeds) == ("run", 3)


def test_many_seeds_leave_all_but_the_noise_of_seeds(law):
    one, many = (law.predict(level=550.0, seeds=s, **INSIDE).log_sd ** 2 for s in (1, np.inf))
    np.testing.assert_allclose(one - many, law.measured.one_seed)
    usual = law.predict(level=550.0, **INSIDE)
    assert usual.seeds == 4  # as the fitted runs
    again = law.predict(level=550.0, seeds=4, spacing=1e3, **INSIDE)
    assert usual.log_sd == again.log_sd


def test_inflation_widens_the_surface_and_the_run(law):
    wider = replace(law, inflate=(4.0, 4.0))
    apart = np.diff([p.joint(*at_one(law))[0][0] for p in law.posteriors])[0] ** 2
    one, other = (x.predict(level=550.0, kind="law", **INSIDE).log_sd ** 2 for x in (law, wider))
    assert law.inflate == (1.0, 1.0)
    np.testing.assert_allclose(other - apart, 4 * (one - apart), rtol=1e-6)


def at_one(law):
    logs = np.log(np.array([[INSIDE[axis] for axis in law.axes]]) / law.centre)
    return logs, np.zeros(1), np.array([[0.0, 1.0, 0.0]])


def test_both_forms_are_averaged_and_their_difference_is_an_error(law):
    means, covariances, _ = zip(*(p.joint(*at_one(law)) for p in law.posteriors), strict=True)
    found = law.predict(level=550.0, kind="law", **INSIDE)
    np.testing.assert_allclose(np.log(found.value), np.mean(means))
    difference = means[0][0] - means[1][0]
    np.testing.assert_allclose(found.log_sd**2, np.mean(covariances) + difference**2)


def test_interval_holds_what_it_says():
    found = Prediction(1e5, 0.2, 0.1, False, kind="run", seeds=1)
    for level in (0.5, 0.9):
        low, high = found.interval(level)
        half = 0.2 * ndtri(0.5 + level / 2)
        np.testing.assert_allclose([np.log(low / 1e5), np.log(high / 1e5)], [-half, half])
    inside = np.random.default_rng(0).lognormal(np.log(1e5), 0.2, 100_000)
    low, high = found.interval(0.5)
    np.testing.assert_allclose(np.mean((inside > low) & (inside < high)), 0.5, atol=0.01)
    np.testing.assert_allclose(found.factor, found.interval()[1] / 1e5)
    for level in (0.0, 1.0, 90):
        with pytest.raises(ValueError, match="must be between 0 and 1"):
            found.interval(level)


def test_words_have_their_thresholds():
    sd = np.log([1.19, 1.21, 1.49, 1.51, np.e**100]) / ndtri(0.95)
    words = Prediction(1.0, 1.0, sd, False, kind="law", seeds=1).word
    assert list(words) == ["sharp", "usable", "usable", "vague", "vague"]


def test_far_places_and_levels_above_are_extrapolated(law):
    assert not law.predict(level=550.0, **INSIDE).extrapolated
    far = law.predict(level=550.0, **FAR)
    assert far.extrapolated
    assert far.surface_sd > 2 * law.predict(level=550.0, **INSIDE).surface_sd
    above = law.predict(level=[800.0, 801.0, 1050.0, 1300.0], kind="law", **INSIDE)
    np.testing.assert_array_equal(above.extrapolated, [False, True, True, True])
    assert np.all(np.diff(above.log_sd) > 0)


def test_levels_between_are_between(law):
    levels = np.linspace(300.0, 800.0, 21)
    found = law.predict(level=levels, kind="law", **INSIDE)
    assert np.all(np.diff(found.value) > 0)  # a level further up takes longer
    ends = np.log(found.value[[0, 10, 20]])  # fitted levels
    middle = np.log(found.value[[5, 15]])
    np.testing.assert_allclose(middle, (ends[1:] + ends[:-1]) / 2, atol=0.02)


def test_places_are_broadcast_against_levels(law):
    sigma = np.array([1.0, 2.0, 4.0])
    table = law.predict(level=[[300.0], [800.0]], sigma=sigma, critic_params=1e6)
    assert table.value.shape == table.log_sd.shape == table.extrapolated.shape == (2, 3)
    one = law.predict(level=800.0, sigma=4.0, critic_params=1e6)
    np.testing.assert_allclose(table.value[1, 2], one.value)
    assert table.word.shape == (2, 3)


def test_law_in_the_papers_parameters_is_height_and_shape(law):
    ours = law.posteriors[0]
    logs, t = ours.entries.logs, ours.entries.t
    for k, level in enumerate(law.fitted):
        at = ours.entries.t == t[k]
        value = ours.height[k] + shape("additive", ours.theta, logs[at], t[at])[0]
        found = law.law(float(level))
        places = {a: np.exp(logs[at, j]) * law.centre[j] for j, a in enumerate(law.axes)}
        np.testing.assert_allclose(found(**places), np.exp(value), rtol=1e-9)


def test_draws_of_the_law_are_seeded_and_scatter_as_laplace_says(law):
    one, other = (law.law(550.0, law.sample(2000, np.random.default_rng(3))) for _ in range(2))
    np.testing.assert_array_equal(one.d_min, other.d_min)
    assert one.d_min.shape == (2000, 1)
    centre = dict(zip(law.axes, law.centre, strict=True))
    logs = np.log(one(**centre))
    ours = law.posteriors[0]
    np.testing.assert_allclose(logs.mean(), ours.height[1], atol=0.01)
    sd = np.sqrt(law.inflate[0] * ours.covariance[1, 1])
    np.testing.assert_allclose(logs.std(), sd, rtol=0.05)


def test_contrast_of_two_places_knows_what_they_share(law):
    places = {"sigma": [3.0, 3.1], "critic_params": [1e6, 1e6]}
    apart, sd = law.contrast([1.0, -1.0], level=550.0, **places)
    found = law.predict(level=550.0, kind="law", **places)
    np.testing.assert_allclose(apart, np.log(found.value[0] / found.value[1]), atol=1e-9)
    assert sd < 0.2 * found.log_sd.min()


def test_law_comes_back_from_json(law):
    again = LevelLaw.from_dict(json.loads(json.dumps(law.to_dict())))
    for at in (INSIDE, FAR):
        one, other = (x.predict(level=[300.0, 700.0, 900.0], **at) for x in (law, again))
        for name in ("value", "log_sd", "surface_sd", "extrapolated"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


REFUSED = {
    "sigma must be positive and finite, got 0": {"sigma": [1.0, 0.0]},
    "sigma must be positive and finite, got inf": {"sigma": np.inf},
    "critic_params must be positive and finite, got nan": {"critic_params": np.nan},
    "level must be a finite number": {"level": np.nan},
    "seeds must be positive, got 0": {"seeds": 0},
}


@pytest.mark.parametrize("words", REFUSED)
def test_places_that_make_no_sense_are_refused(law, words):
    with pytest.raises(ValueError, match=f"predict: {words}"):
        law.predict(**{"level": 550.0} | INSIDE | REFUSED[words])


def test_axes_are_those_of_the_law(law):
    with pytest.raises(TypeError, match="over sigma, critic_params, got sigma"):
        law.predict(level=550.0, sigma=1.0)
    with pytest.raises(TypeError, match="got width, sigma, critic_params"):
        law.predict(level=550.0, width=1.0, **INSIDE)


def test_levels_may_be_negative_or_zero():
    data = 1e5 * np.array([4.0, 2, 1])[:, None] * [1.0, 1.5, 2.0]
    law = fit_level_law(Measured.of(data, [-400.0, -200.0, 0.0], sigma=[1.0, 2, 4]))
    assert np.all(np.isfinite(law.predict(level=[-400.0, 0.0], sigma=2.0).log_sd))
