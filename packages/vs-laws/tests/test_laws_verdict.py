"""The stated rules at their limits: two decades and no more."""

import numpy as np
import pytest
from vs_laws import fit_data_law, fit_power_law
from vs_laws import verdict as rules
from vs_laws.verdict import Verdict

SIGMA = 2.0 ** np.arange(-3.0, 6.0)


def test_an_interval_may_span_two_decades():
    assert rules.wide("d_min", 1.0, 99.0) is None
    found = rules.wide("d_min", 1.0, 101.0)
    assert found is not None
    assert found.verdict is Verdict.UNIDENTIFIED
    assert found.reason == "the 95% interval of d_min, [1, 101], spans 2.0 decades"
    endless = rules.wide("d_min", 0.0, 1.0)
    assert endless is not None
    assert endless.reason.endswith("reaches 0 or is unbounded")


@pytest.mark.parametrize(("decades", "verdict"), [(1.8, "supported"), (2.3, "unidentified")])
def test_a_floor_is_known_within_two_decades(decades, verdict):
    """The bootstraps' floors lie evenly on a logarithmic scale, 95 % of them within ``decades``."""
    floor = 10 ** (np.linspace(-0.5, 0.5, 201) * decades / 0.95)
    draws = floor[:, None] + 60 * SIGMA**-0.8
    fit = fit_data_law(draws[100], sigma=SIGMA, draws=draws)
    found = fit.parameters["d_min"]
    assert np.log10(found.high / found.low) == pytest.approx(decades, abs=0.01)
    assert fit.verdict == verdict


@pytest.mark.parametrize(("decades", "verdict"), [(1.8, "supported"), (2.3, "unidentified")])
def test_an_exponent_lets_y_span_two_decades_over_the_data(decades, verdict):
    x = np.array([1.0, 2.0, 5.0, 10.0])  # one decade, so that exponents count as decades
    exponent = -2.0 + np.linspace(-0.5, 0.5, 201) * decades / 0.95
    draws = x ** exponent[:, None]
    fit = fit_power_law(x**-2.0, x=x, draws=draws)
    estimate = fit.parameters["x_exponent"]
    assert estimate.high - estimate.low == pytest.approx(decades, abs=0.01)
    assert fit.verdict == verdict


def test_rules_come_in_their_order():
    """Each data set breaks two rules, and the earlier one names the verdict."""
    rng = np.random.default_rng(0)
    three = SIGMA[:3]
    rising = fit_data_law(three, sigma=three)
    assert rising.verdict is Verdict.TOO_FEW_LEVELS
    bump = np.exp(-(np.log(SIGMA) ** 2))  # no slope either
    draws = bump * np.exp(0.02 * rng.normal(size=(50, SIGMA.size)))
    assert fit_data_law(bump, sigma=SIGMA, draws=draws).verdict is Verdict.NON_MONOTONE
    noise = np.exp(0.3 * rng.normal(size=(50, SIGMA.size)))  # no exponent either
    assert fit_data_law(noise[0], sigma=SIGMA, draws=noise).verdict is Verdict.FLAT
