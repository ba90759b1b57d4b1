"""Runs that stop below a level: moments, what they say, and expectation propagation by sampling."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import truncnorm
from vs_laws import Measured, fit_level_law
from vs_laws._level_forms import shape
from vs_laws._posterior import CENTRE, HEIGHT_SD, SPREAD, Data, Prior, _truncated, posterior
from vs_laws._residual import Entries, covariance, shared

SIGMA = np.array([1.0, 2, 4, 8, 16])


@pytest.mark.parametrize("mean", [-3.0, 0.0, 4.0])
@pytest.mark.parametrize("variance", [0.01, 1.0, 9.0])
@pytest.mark.parametrize("above", [-3.2, 0.3, 4.0])
def test_truncated_moments_are_those_of_scipy(mean, variance, above):
    sd = np.sqrt(variance)
    z = (above - mean) / sd
    if z > 20:  # scipy loses the variance there; the limit is (sd/z)²
        moments = _truncated(mean, variance, above)
        np.testing.assert_allclose(moments, [above + sd / z, (sd / z) ** 2], rtol=0.02)
        return
    exact = truncnorm.stats(z, np.inf, loc=mean, scale=sd)
    np.testing.assert_allclose(_truncated(mean, variance, above), exact, rtol=1e-5, atol=1e-10)


def runs(last_step, absent=False):
    """Five levels of σ, two levels of return; the run at σ = 1 does not reach the upper one."""
    data = 1e5 * (0.5 + SIGMA**-0.7)[:, None] * [1.0, 1.5]
    data[0, 1] = np.nan if absent else np.inf
    last = np.full(5, 1e6)
    last[0] = last_step
    return Measured.of(data, [1.0, 2.0], seeds=4, last_step=last, sigma=SIGMA)


def at_one(measured):
    found = fit_level_law(measured).predict(level=2.0, sigma=1.0, kind="law")
    return float(found.value), float(found.log_sd)


def test_run_that_stopped_late_raises_the_law_there():
    value, sd = at_one(runs(1e6, absent=True))
    raised, narrower = at_one(runs(1.3 * value))
    assert np.log(raised / value) > 0.5 * sd
    assert narrower < sd
    further, _ = at_one(runs(1.5 * value))
    assert further > raised


def test_run_that_stopped_early_says_little():
    value, sd = at_one(runs(1e6, absent=True))
    early, same = at_one(runs(0.3 * value))
    assert abs(np.log(early / value)) < 0.05 * sd
    np.testing.assert_allclose(same, sd, rtol=0.05)


def test_run_without_a_last_step_says_nothing():
    unknown, absent = runs(np.nan), runs(1e6, absent=True)
    assert at_one(unknown) == at_one(absent)


def test_only_the_lowest_level_that_was_not_reached_counts():
    data = 1e5 * (0.5 + SIGMA**-0.7)[:, None] * [1.0, 1.5, 2.0]
    data[0, 1:] = np.inf
    both = Measured.of(data, [1.0, 2.0, 3.0], seeds=4, last_step=2e5, sigma=SIGMA)
    data[0, 2] = np.nan
    first = Measured.of(data, [1.0, 2.0, 3.0], seeds=4, last_step=2e5, sigma=SIGMA)
    laws = [fit_level_law(one) for one in (both, first)]
    assert laws[0].posteriors[0].entries.run.size == 5 * 3 - 1
    places: dict[str, Any] = {"level": [2.0, 3.0], "sigma": [1.0, 3.0]}
    one, other = (law.predict(**places).value for law in laws)
    np.testing.assert_array_equal(one, other)


def test_left_out_residuals_of_what_was_not_reached_are_unknown():
    found = fit_level_law(runs(2e5)).posteriors[0]
    assert np.isnan(found.gap).sum() == np.isnan(found.left_out).sum() == 1
    assert np.isnan(found.gap[-1])  # censored entries come last


@pytest.mark.parametrize("above", [(0.1, 0.0), (0.6, 0.3), (-0.5, 0.4)])
def test_censored_entries_are_those_of_sampling(above):
    """Two censored runs: exact moments of the truncated Gaussian, the law linearised at the fit."""
    logs = np.array([-1.0, -0.3, 0.4, 0.9, -1.4, 1.5])[:, None]
    entries = Entries(np.arange(6), logs, np.zeros(6), np.full(6, 0.03))
    y = 11.0 - 0.4 * logs[:, 0] + np.array([0.1, -0.1, 0.05, 0.0, *above])
    censored = np.arange(6) > 3
    data = Data(entries, np.ones((6, 1)), y, censored)
    found = posterior("additive", data, Prior.standard(1))

    theta, J = np.concatenate([found.height, found.theta]), found.jacobian
    asked = np.array([[-1.4], [0.0], [2.0]])
    value, slopes = shape("additive", found.theta, asked, np.zeros(3))
    G = np.column_stack([np.ones(3), slopes])
    centre = np.concatenate([[np.median(y[:4])], CENTRE])
    spread = np.diag(np.concatenate([[HEIGHT_SD], SPREAD]) ** 2)
    at_data = found.height[0] + shape("additive", found.theta, logs, np.zeros(6))[0]
    mean = np.concatenate([
        at_data + J @ (centre - theta), found.height[0] + value + G @ (centre - theta)
    ])  # fmt: skip
    both = np.vstack([J, G])
    total = both @ spread @ both.T
    total[:6, :6] += covariance(entries)
    total[6:, :6] += shared(asked, np.zeros(3), logs, np.zeros(6))
    total[:6, 6:] = total[6:, :6].T
    total[6:, 6:] += shared(asked, np.zeros(3), asked, np.zeros(3))
    gain = total[4:, :4] @ np.linalg.inv(total[:4, :4])
    m, V = mean[4:] + gain @ (y[:4] - mean[:4]), total[4:, 4:] - gain @ total[:4, 4:]

    z = np.random.default_rng(0).multivariate_normal(m, V, size=400_000, method="cholesky")
    kept = z[np.all(z[:, :2] > y[4:], axis=1), 2:]
    assert len(kept) > 4000
    ours, own, _ = found.joint(asked, np.zeros(3), np.ones((3, 1)))
    sd = kept.std(axis=0)
    np.testing.assert_array_less(np.abs(ours - kept.mean(axis=0)), 0.05 * sd)
    np.testing.assert_allclose(np.sqrt(np.diag(own)), sd, rtol=0.04)
