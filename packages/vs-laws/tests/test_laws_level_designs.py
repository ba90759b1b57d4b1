"""Tasks pooled over one axis, small and strange designs: finite numbers or one clear sentence."""

from typing import Any

import numpy as np
import pytest
from vs_laws import Measured, fit_level_law, fit_level_laws, level_law, standing, trend
from vs_laws.level_law import _APART, FORMS

SIGMA = np.array([1.0, 2, 4, 8])


def tasks(study, alphas, places=SIGMA):
    """One task per exponent, named a, b, …"""
    rngs = np.random.default_rng(0).spawn(len(alphas))
    return {
        chr(97 + i): study(lambda sigma, a=a: 11 + np.log(1 + sigma**-a), rng, sigma=places)
        for i, (a, rng) in enumerate(zip(alphas, rngs, strict=True))
    }


def exponent(law):
    """ln α and its deviation."""
    found = law.posteriors[0]
    return found.theta[2], np.sqrt(found.covariance[-2, -2])


def test_pooling_narrows_and_draws_to_what_tasks_share(study):
    many = tasks(study, [0.3, 0.7, 0.7, 0.7, 0.7, 0.7, 1.4])
    pooled = fit_level_laws(many)
    alone = {name: fit_level_law(one) for name, one in many.items()}
    together, apart = (np.array([exponent(x[name]) for name in many]).T for x in (pooled, alone))
    assert np.all(together[1] < 0.8 * apart[1])
    assert together[0].std() < 0.7 * apart[0].std()
    at: dict[str, Any] = {"level": 800.0, "sigma": 64.0, "kind": "law"}
    widths = [np.mean([law.predict(**at).log_sd for law in x.values()]) for x in (pooled, alone)]
    assert widths[0] < 0.9 * widths[1]
    centre = {tuple(law.prior.mean) for law in pooled.values()}
    assert len(centre) == 1  # all have the same
    common = centre.pop()
    np.testing.assert_allclose(common[2], together[0].mean(), atol=0.05)
    assert np.all(pooled["a"].prior.sd[[0, 2]] > _APART)  # what they share is not known exactly


def test_prior_that_pooling_found_survives_json(study):
    law = fit_level_laws(tasks(study, [0.5, 0.6]))["a"]
    again = type(law).from_dict(law.to_dict())
    assert again.predict(level=500.0, sigma=20.0) == law.predict(level=500.0, sigma=20.0)


def test_one_task_is_not_pooled(study):
    many = tasks(study, [0.7])
    at: dict[str, Any] = {"level": 500.0, "sigma": 20.0}
    assert fit_level_laws(many)["a"].predict(**at) == fit_level_law(many["a"]).predict(**at)
    assert fit_level_laws({}) == {}


def test_two_axes_are_not_pooled(study, grid, plain):
    rngs = np.random.default_rng(1).spawn(2)
    many = {name: study(plain, rng, levels=2, **grid) for name, rng in zip("ab", rngs, strict=True)}
    at: dict[str, Any] = {"level": 500.0, "sigma": 20.0, "critic_params": 1e7}
    found = fit_level_laws(many)
    assert found["a"].predict(**at) == fit_level_law(many["a"]).predict(**at)


def data(places, slope=0.4, levels=3):
    total = sum(np.log(np.asarray(v, float)) for v in places.values())
    return 1e5 * np.exp(-slope * total)[:, None] * 1.4 ** np.arange(levels)


def sound(measured, **asked):
    """Fit, predict inside and outside, judge: every number is finite."""
    law = fit_level_law(measured)
    levels = law.fitted[[0, -1]]
    for factor in (1.0, 10.0):
        places: dict[str, Any] = {
            a: factor * c for a, c in zip(law.axes, law.centre, strict=True)
        } | asked
        found = law.predict(level=levels, **places)
        for part in (found.value, found.log_sd, found.surface_sd, *found.interval()):
            assert np.all(np.isfinite(part))
        assert np.all(found.log_sd > 0)
    assert str(standing(law).judgement)
    for axis in law.axes:
        assert np.isfinite([trend(law, axis).low, trend(law, axis).high]).all()
    assert np.isfinite(law.law(float(levels[0])).d_min)
    return law


def test_three_axes():
    rng = np.random.default_rng(0)
    places = {name: np.exp(rng.normal(0, 1, 12)) for name in ("depth", "width", "sigma")}
    law = sound(Measured.of(data(places), [1.0, 2.0, 3.0], seeds=3, **places))
    assert [p.form for p in law.posteriors] == list(FORMS)
    np.testing.assert_allclose(
        law.predict(level=2.0, depth=1.0, width=1.0, sigma=1.0, kind="law").value, 1.4e5, rtol=0.1
    )


def test_one_seed_everywhere():
    places = {"sigma": SIGMA}
    many = data(places)
    law = sound(Measured.of(many, [1.0, 2, 3], draws=np.stack([many] * 5), seeds=1, **places))
    assert law.measured.one_seed == pytest.approx(0.05)


STRANGE = {
    "one level": ({"sigma": SIGMA}, data({"sigma": SIGMA}, levels=1)),
    "three runs": ({"sigma": SIGMA[:3]}, data({"sigma": SIGMA[:3]})),
    "two runs": ({"sigma": SIGMA[:2]}, data({"sigma": SIGMA[:2]})),
    "ties": ({"sigma": np.repeat([1.0, 2], 4)}, data({"sigma": np.repeat([1.0, 2], 4)})),
    "identical data": ({"sigma": SIGMA}, np.full((4, 3), 7e4)),
    "axes that move together": (
        {"sigma": SIGMA, "width": 3 * SIGMA}, data({"sigma": SIGMA, "width": SIGMA})
    ),
    "places of 1e-9 to 1e12": (
        {"sigma": 10.0 ** np.arange(-9, 13, 3)}, np.linspace(2e5, 1e5, 8)[:, None] * [1.0, 2, 3]
    ),
    "a power over 1e-9 to 1e12": (
        {"sigma": 10.0 ** np.arange(-9, 13, 3)}, data({"sigma": 10.0 ** np.arange(-9, 13, 3)})
    ),
    "a jump of 1e12": ({"sigma": SIGMA}, np.array([[1e15], [1e15], [1e3], [1e3]]) * [1.0, 2, 3]),
    "steep rise": ({"sigma": SIGMA}, data({"sigma": SIGMA}, slope=-8.0)),
}  # fmt: skip


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("name", STRANGE)
def test_strange_designs_give_finite_numbers(name, noise):
    places, many = STRANGE[name]
    draws = many * np.exp(noise * np.random.default_rng(0).normal(size=(20, len(many), 1)))
    levels = np.arange(1.0, many.shape[1] + 1)
    sound(Measured.of(many, levels, draws=draws, seeds=4, **places))


def test_every_run_but_two_censored():
    many = np.where(np.arange(6)[:, None] < 2, 1e5 * np.array([[1.0, 2.0]]), np.inf)
    many[0] *= 1.5
    places = {"sigma": 2.0 ** np.arange(6)}
    sound(Measured.of(many, [1.0, 2.0], seeds=4, last_step=3e5, **places))


@pytest.mark.parametrize("sigma", [[2.0], [2.0, 2.0, 2.0]])
def test_a_law_needs_two_places(sigma):
    many = np.full((len(sigma), 2), 1e5)
    with pytest.raises(ValueError, match="sigma has one distinct place"):
        fit_level_law(Measured.of(many, [1.0, 2.0], sigma=sigma))


def test_a_place_whose_runs_reach_nothing_does_not_count():
    many = [[1e5, 2e5], [np.inf, np.inf]]
    with pytest.raises(ValueError, match="sigma has one distinct place among runs that reach"):
        fit_level_law(Measured.of(many, [1.0, 2.0], sigma=[1.0, 2.0], last_step=1e6))


def test_levels_that_no_run_reaches_are_left_out():
    many = np.column_stack([data({"sigma": SIGMA}, levels=2), np.full(4, np.inf)])
    law = fit_level_law(Measured.of(many, [1.0, 2.0, 3.0], sigma=SIGMA, last_step=1e6))
    np.testing.assert_array_equal(law.fitted, [1.0, 2.0])
    assert law.predict(level=3.0, sigma=2.0).extrapolated


def test_a_law_of_one_level_predicts_that_level_only():
    law = fit_level_law(Measured.of(data({"sigma": SIGMA}, levels=1), [500.0], sigma=SIGMA))
    assert np.isfinite(law.predict(level=500.0, sigma=3.0).value)
    with pytest.raises(ValueError, match="fitted at level 500 only, got 600"):
        law.predict(level=[500.0, 600.0], sigma=3.0)


@pytest.mark.parametrize(
    ("most", "levels", "kept"),
    [(100, 9, range(1, 10)), (40, 9, [1, 3, 5, 7, 9]), (39, 9, [1, 5, 9]), (32, 8, [1, 4, 8]),
     (14, 9, [1, 9]), (14, 2, [1, 2])],
)  # fmt: skip
def test_very_many_entries_are_thinned_by_level_down_to_two(monkeypatch, most, levels, kept):
    monkeypatch.setattr(level_law, "_MOST_ENTRIES", most)
    measured = Measured.of(
        np.repeat(data({"sigma": SIGMA}, levels=levels), 2, axis=0), np.arange(1.0, levels + 1),
        sigma=np.repeat(SIGMA, 2),
    )  # fmt: skip
    law = fit_level_law(measured)
    np.testing.assert_array_equal(law.fitted, kept)
    assert standing(law).n == 8 * len(law.fitted)


def test_a_place_far_beyond_any_number_gives_no_warning():
    law = fit_level_law(Measured.of(data({"sigma": SIGMA}), [1.0, 2, 3], seeds=4, sigma=SIGMA))
    found = law.predict(level=2.0, sigma=[1e-300, 1e300])
    assert np.all(found.value > 0)
    assert np.all(found.extrapolated)
    assert found.log_sd[0] > 10.0
