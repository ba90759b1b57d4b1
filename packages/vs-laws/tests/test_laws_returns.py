"""The law of returns: recovery, a second implementation, equivariance, coverage, verdicts, refusals."""

import json

import numpy as np
import pytest
from scipy.optimize import curve_fit
from vs_laws import Fit, Law, ReturnFit, ReturnLaw, Verdict, fit_return_law, hold_out_returns
from vs_laws.held_out_returns import RIVALS

X = np.linspace(500.0, 20_000.0, 40)
TRUTH = ReturnLaw(100.0, 900.0, 5_000.0, 1.6, axes=("env_step",))


def noisy(seed: int, *, noise: float = 20.0, x=X, truth: ReturnLaw = TRUTH):
    return truth(env_step=x) + noise * np.random.default_rng(seed).standard_normal(x.size)


def seeds(key: int, *, count: int = 8, rho: float = 0.5, noise: float = 60.0):
    """Curves (T, S) whose seeds differ in asymptote and midpoint, with correlated evaluations."""
    rng = np.random.default_rng(key)
    start, top = rng.uniform(0, 100), rng.uniform(500, 1000)
    middle, exponent = rng.uniform(1_000, 6_000), rng.uniform(1.0, 2.5)
    columns = []
    for _ in range(count):
        own = top * np.exp(0.05 * rng.normal()), middle * np.exp(0.15 * rng.normal())
        shocks = rng.normal(size=X.size)
        error = shocks.copy()
        for k in range(1, X.size):
            error[k] = rho * error[k - 1] + np.sqrt(1 - rho**2) * shocks[k]
        law = ReturnLaw(start, *own, exponent, axes=("env_step",))
        columns.append(law(env_step=X) + noise * error)
    curves = np.stack(columns, axis=1)
    counts = rng.multinomial(count, np.full(count, 1 / count), size=40)
    return curves.mean(axis=1), counts @ curves.T / count


def test_a_curve_without_noise_is_recovered():
    fit = fit_return_law(TRUTH(env_step=X), env_step=X, bootstraps=5)
    found = {name: estimate.value for name, estimate in fit.parameters.items()}
    assert found == pytest.approx(
        {"start": 100.0, "asymptote": 900.0, "midpoint": 5_000.0, "exponent": 1.6}, rel=1e-6
    )
    assert fit.verdict is Verdict.SUPPORTED
    assert fit.r2 == pytest.approx(1.0)
    np.testing.assert_allclose(fit.residuals, 0.0, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_scipy_curve_fit_finds_the_same_optimum(seed):
    y = noisy(seed, x=(x := np.linspace(500.0, 40_000.0, 90)))

    def curve(x, start, top, middle, exponent):
        return start + (top - start) / (1 + (middle / x) ** exponent)

    other, _ = curve_fit(curve, x, y, p0=[50, 950, 6_000, 1.3])
    fit = fit_return_law(y, env_step=x, bootstraps=2)
    mine = [float(fit.parameters[n].value) for n in ("start", "asymptote", "midpoint", "exponent")]
    np.testing.assert_allclose(mine, other, rtol=2e-4)


def test_the_fit_moves_with_the_units_of_both_axes():
    y = noisy(0)
    plain = fit_return_law(y, env_step=X, bootstraps=20)
    moved = fit_return_law(1e-3 * y - 7.0, compute=1e12 * X, bootstraps=20)
    for name, scale, shift in (
        ("start", 1e-3, -7.0), ("asymptote", 1e-3, -7.0), ("midpoint", 1e12, 0.0),
        ("exponent", 1.0, 0.0),
    ):  # fmt: skip
        one, other = plain.parameters[name], moved.parameters[name]
        for part in ("value", "low", "high"):
            expected = scale * getattr(one, part) + shift
            assert getattr(other, part) == pytest.approx(expected, rel=1e-4), (name, part)
    assert moved.verdict is plain.verdict
    assert moved.noise == pytest.approx(1e-3 * plain.noise, rel=1e-4)


def test_missing_evaluations_are_left_out():
    y = noisy(1)
    y[[3, 17, 39]] = np.nan
    kept = np.isfinite(y)
    holed = fit_return_law(y, env_step=X, bootstraps=4)
    short = fit_return_law(y[kept], env_step=X[kept], bootstraps=4)
    assert holed.n == 37
    assert np.isnan(holed.residuals[[3, 17, 39]]).all()
    assert holed.parameters == short.parameters


def test_a_curve_may_start_at_step_0_with_the_start():
    x = np.concatenate([[0.0], X])
    fit = fit_return_law(TRUTH(env_step=x), env_step=x, bootstraps=2)
    assert TRUTH(env_step=0.0) == 100.0
    assert fit.parameters["start"].value == pytest.approx(100.0, rel=1e-6)


def test_thousands_of_evaluations_are_as_good_as_their_means():
    x = np.linspace(10.0, 20_000.0, 3_000)
    fit = fit_return_law(noisy(2, x=x, noise=100.0), env_step=x, bootstraps=20)
    assert fit.parameters["asymptote"].value == pytest.approx(900, rel=0.05)
    assert fit.noise == pytest.approx(100.0, rel=0.1)
    assert fit.residuals.shape == x.shape


def test_the_asymptote_is_at_least_the_best_tenth():
    law = ReturnLaw(0.0, 500.0, 1_000.0, 2.0, axes=("env_step",))
    y = law(env_step=X)
    y[8:12] += 300.0  # the third of ten parts; least squares alone ends near 500
    fit = fit_return_law(y, env_step=X, bootstraps=2)
    assert fit.parameters["asymptote"].value >= y[8:12].mean() * (1 - 1e-6)


def test_intervals_hold_their_values_and_a_run_scatters_more_than_its_law():
    mean, draws = seeds(5)
    fit = fit_return_law(mean, draws=draws, env_step=X)
    assert fit.bootstraps == 40
    for estimate in fit.parameters.values():
        assert estimate.low <= estimate.value <= estimate.high
    there = np.array([5_000.0, 40_000.0])
    (low, high), (run_low, run_high) = (
        fit.forecast(there, kind=kind).interval() for kind in ("law", "run")
    )
    assert (run_low < low).all()
    assert (high < run_high).all()
    np.testing.assert_allclose(
        (run_high - fit.law(env_step=there)) ** 2 - (high - fit.law(env_step=there)) ** 2,
        (1.6448536 * fit.noise) ** 2,
    )
    assert fit.predict(env_step=4e4).low <= fit.predict(env_step=4e4).value


def test_seeds_widen_the_interval_that_evaluations_alone_would_give():
    rng = np.random.default_rng(0)
    scales = 1 + 0.05 * rng.standard_normal((60, 8)).mean(axis=1)  # of eight seeds' means
    y = noisy(4, noise=1.0)
    wide = fit_return_law(y, draws=scales[:, None] * y, env_step=X)
    narrow = fit_return_law(y, env_step=X)
    ends = [e.high - e.low for e in (f.parameters["asymptote"] for f in (wide, narrow))]
    assert ends[0] > 3 * ends[1]


@pytest.mark.parametrize("with_seeds", [True, False])
def test_nine_of_ten_intervals_of_the_last_half_hold(with_seeds):
    share, errors = [], []
    for key in range(40):
        mean, draws = seeds(key, count=8 if with_seeds else 1, noise=60.0 if with_seeds else 30.0)
        held = hold_out_returns(
            mean, draws=draws if with_seeds else None, bootstraps=40, seed=key, env_step=X
        )
        assert held.x[0] > 10_000
        share.append(held.coverage(0.9))
        errors.append([held.rms(), *(held.rms(rival) for rival in RIVALS)])
    assert 0.80 <= np.mean(share) <= 0.97
    law, *rivals = np.median(errors, axis=0)
    assert law < min(rivals)


def test_the_held_out_half_is_not_seen():
    y = noisy(6)
    other = np.where(X > 10_000, -5_000.0, y)
    one, two = (hold_out_returns(curve, env_step=X, bootstraps=5) for curve in (y, other))
    np.testing.assert_array_equal(one.forecast.value, two.forecast.value)
    assert (two.measured == -5_000).all()
    assert two.coverage() == 0.0
    assert two.bias == pytest.approx(two.rms(), rel=0.1)


def test_rivals_are_what_their_names_say():
    y = 100 * np.log(X)
    held = hold_out_returns(y, env_step=X, bootstraps=5)
    assert held.rms("log line") == pytest.approx(0, abs=1e-9)
    assert held.rms("late log line") == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(held.rivals["last value"], y[18:20].mean())


@pytest.mark.parametrize(
    ("verdict", "word", "curve"),
    [
        (Verdict.FLAT, "does not rise", lambda e: 300 + e),
        (Verdict.NON_MONOTONE, "falls from", lambda e: 900 - 400 * (X > 15_000) - 800 * (X < 3e3) + e),
        (Verdict.UNIDENTIFIED, "asymptote is not identified", lambda e: 900 * (X / 2e4) ** 2 + e),
        (Verdict.SUPPORTED, "of the rise is done", lambda e: TRUTH(env_step=X) + e),
    ],
)  # fmt: skip
def test_verdicts_are_right_in_nineteen_of_twenty_curves(verdict, word, curve):
    fits = []
    for k in range(20):
        y = curve(noisy(k) - TRUTH(env_step=X))
        draws = y + 20.0 * np.random.default_rng(100 + k).standard_normal((40, X.size))
        fits.append(fit_return_law(y, draws=draws, env_step=X))
    right = [fit for fit in fits if fit.verdict is verdict]
    assert len(right) >= 19
    assert all(word in fit.reason for fit in right)


def test_a_fit_goes_to_json_and_comes_back():
    mean, draws = seeds(3)
    fit = fit_return_law(mean, draws=draws, compute=X)
    text = json.loads(json.dumps(fit.to_dict()))
    back = ReturnFit.from_dict(text)
    assert back.parameters == fit.parameters
    assert (back.noise, back.r2) == (fit.noise, fit.r2)
    np.testing.assert_array_equal(back.forecast(4e4).interval(), fit.forecast(4e4).interval())
    assert isinstance(Law.from_dict(text["law"]), ReturnLaw)
    assert Fit.from_dict(text).law == fit.law  # any reader of fits can read it
    assert "R2 = 0.9" in str(fit)


@pytest.mark.parametrize(
    ("sentence", "call"),
    [
        ("needs at least 8", lambda: fit_return_law(X[:7], env_step=X[:7])),
        ("one axis", lambda: fit_return_law(X)),
        ("one axis", lambda: fit_return_law(X, env_step=X, compute=X)),
        ("expected one return per env_step", lambda: fit_return_law(X[:9], env_step=X)),
        ("the curve of one seed", lambda: fit_return_law(np.ones((40, 2)), env_step=X)),
        ("increasing", lambda: fit_return_law(X, env_step=X[::-1])),
        ("not negative", lambda: fit_return_law(X, env_step=X - 501)),
        ("returns[1] is infinite", lambda: fit_return_law([1, np.inf, *X[2:]], env_step=X)),
        ("expected (bootstraps, 40)", lambda: fit_return_law(X, env_step=X, draws=np.ones((5, 3)))),
        ("at least 2, got 1", lambda: fit_return_law(X, env_step=X, bootstraps=1)),
        ("between 0 and 1, got 1", lambda: hold_out_returns(X, env_step=X, share=1.0)),
        ("7 evaluations", lambda: hold_out_returns(X[:14], env_step=X[:14])),
        ("level of an interval", lambda: fit_return_law(X, env_step=X).forecast(1.0).interval(1)),
    ],
)
def test_bad_input_is_refused_in_one_sentence(sentence, call):
    with pytest.raises(ValueError) as refused:
        call()
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
