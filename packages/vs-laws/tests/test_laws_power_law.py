from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from vs_laws.power_law import fit_power_law
from vs_laws.verdict import Verdict

X = np.array([0.5, 1.0, 2.0, 4.0, 8.0])


@settings(max_examples=50, deadline=None)
@given(exponent=st.floats(-2, 2), coefficient=st.floats(1e-6, 1e6))
def test_recovers_noiseless_power_law(exponent, coefficient):
    fit = fit_power_law(coefficient * X**exponent, x=X)
    assert fit.law.exponent[0] == pytest.approx(exponent, abs=1e-12)
    assert fit.law.coefficient == pytest.approx(coefficient, rel=1e-11)


def test_matches_scipy_linregress():
    y = 3 * X**-0.4 * np.exp(0.1 * np.random.default_rng(0).normal(size=5))
    fit, reference = fit_power_law(y, x=X), stats.linregress(np.log(X), np.log(y))
    exponent = fit.parameters["x_exponent"]
    assert exponent.value == pytest.approx(reference.slope)
    assert exponent.std_error == pytest.approx(reference.stderr)
    assert exponent.high - exponent.value == pytest.approx(stats.t.ppf(0.975, 3) * reference.stderr)
    assert fit.r2_log == pytest.approx(reference.rvalue**2)
    top = fit.parameters["coefficient"]
    assert top.value == pytest.approx(np.exp(reference.intercept))
    assert top.std_error == pytest.approx(top.value * reference.intercept_stderr)
    # the mean curve's textbook interval
    at = np.log(20.0)
    spread = np.log(X) - np.log(X).mean()
    s2 = np.sum((np.log(y) - reference.intercept - reference.slope * np.log(X)) ** 2) / 3
    error = np.sqrt(s2 * (1 / 5 + (at - np.log(X).mean()) ** 2 / np.sum(spread**2)))
    band = fit.predict(x=20.0)
    assert band.high / band.value == pytest.approx(np.exp(stats.t.ppf(0.975, 3) * error), rel=1e-6)


def test_fixed_effects_match_dummy_regression_with_weights():
    rng = np.random.default_rng(2)
    x = np.concatenate([X, X[1:], X[:3]])
    groups = ["a"] * 5 + ["b"] * 4 + ["c"] * 3
    member = np.repeat([0, 1, 2], [5, 4, 3])
    y = np.array([1.0, 20.0, 3e5])[member] * x**-0.3 * np.exp(0.2 * rng.normal(size=12))
    weights = rng.uniform(0.5, 2, 12)
    fit = fit_power_law(y, x=x, tasks=groups, weights=weights)
    design = np.column_stack([np.eye(3)[member], np.log(x)])
    gram = np.linalg.inv(design.T @ (weights[:, None] * design))
    beta = gram @ design.T @ (weights * np.log(y))
    residual = np.log(y) - design @ beta
    errors = np.sqrt(np.diag(gram) * (weights @ residual**2) / (12 - 4))
    assert fit.parameters["x_exponent"].value == pytest.approx(beta[3])
    assert fit.parameters["x_exponent"].std_error == pytest.approx(errors[3])
    got = [fit.parameters[f"coefficient[{g}]"] for g in "abc"]
    assert [g.value for g in got] == pytest.approx(np.exp(beta[:3]))
    assert [g.std_error / g.value for g in got] == pytest.approx(errors[:3])
    np.testing.assert_allclose(fit.residuals, residual, atol=1e-12)
    assert fit.predict(x=[1.0, 2.0]).value.shape == (3, 2)


def test_separate_exponents_equal_single_fits():
    rng = np.random.default_rng(3)
    y = np.exp(rng.normal(size=(2, 5)) * 0.05) * np.array([X**-0.5, 7 * X**0.8])
    fit = fit_power_law(
        y.ravel(), x=np.tile(X, 2), tasks=["u"] * 5 + ["v"] * 5, shared_exponent=False
    )
    for g, row in zip("uv", y, strict=True):
        single = fit_power_law(row, x=X)
        assert fit.parameters[f"x_exponent[{g}]"].value == pytest.approx(single.law.exponent[0])
        assert fit.predict(x=3.0, task=g).value == pytest.approx(single.predict(x=3.0).value)


def test_separate_exponents_match_a_regression_with_interactions():
    """One noise for all tasks, as in the textbook: a task of two points has an interval too."""
    rng = np.random.default_rng(7)
    x = np.concatenate([X, X[1:], X[:2]])
    member, tasks = np.repeat([0, 1, 2], [5, 4, 2]), ["a"] * 5 + ["b"] * 4 + ["c"] * 2
    y = np.array([1.0, 20.0, 3e5])[member] * x ** np.array([-0.3, 0.4, 0.9])[member]
    y *= np.exp(0.2 * rng.normal(size=11))
    weights = rng.uniform(0.5, 2, 11)
    fit = fit_power_law(y, x=x, tasks=tasks, shared_exponent=False, weights=weights)
    one_hot = np.eye(3)[member]
    design = np.column_stack([one_hot, one_hot * np.log(x)[:, None]])
    gram = np.linalg.inv(design.T @ (weights[:, None] * design))
    beta = gram @ design.T @ (weights * np.log(y))
    residual = np.log(y) - design @ beta
    covariance = gram * (weights @ residual**2) / (11 - 6)
    errors = np.sqrt(np.diag(covariance))
    assert fit.dof == 5
    for k, task in enumerate("abc"):
        top, exponent = (fit.parameters[f"{p}[{task}]"] for p in ("coefficient", "x_exponent"))
        assert (top.value, exponent.value) == pytest.approx((np.exp(beta[k]), beta[3 + k]))
        assert top.std_error / top.value == pytest.approx(errors[k])
        assert exponent.std_error == pytest.approx(errors[3 + k])
        half = stats.t.ppf(0.975, 5) * errors[3 + k]
        assert (exponent.low, exponent.high) == pytest.approx(
            (beta[3 + k] - half, beta[3 + k] + half)
        )
        pair = np.ix_([k, 3 + k], [k, 3 + k])
        at = np.array([1.0, np.log(20.0)])
        band = fit.predict(x=20.0, task=task)
        factor = np.exp(stats.t.ppf(0.975, 5) * np.sqrt(at @ covariance[pair] @ at))
        assert band.high / band.value == pytest.approx(factor, rel=1e-5)
    variation = sum(
        weights[member == t]
        @ (
            np.log(y)[member == t]
            - np.average(np.log(y)[member == t], weights=weights[member == t])
        )
        ** 2
        for t in range(3)
    )
    assert fit.r2_log == pytest.approx(1 - weights @ residual**2 / variation)
    assert fit.verdict is Verdict.TOO_FEW_LEVELS
    assert fit.reason.startswith("c: 2 distinct level(s)")


def test_tasks_far_apart_vary_little_within_themselves():
    """The spread within tasks is a small share of that over all points, and still tells the slope."""
    x = np.concatenate([[1.0, 1.02, 1.05], [1e4, 1.02e4, 1.05e4]])
    y = np.repeat([3.0, 700.0], 3) * x**-0.6
    fit = fit_power_law(y, x=x, tasks=list("aaabbb"))
    assert fit.parameters["x_exponent"].value == pytest.approx(-0.6, rel=1e-9)
    assert fit.parameters["coefficient[b]"].value == pytest.approx(700.0, rel=1e-9)


def test_exponents_of_several_axes_match_lstsq():
    rng = np.random.default_rng(9)
    axes: dict[str, Any] = {
        name: np.exp(rng.normal(size=12)) for name in ("width", "depth", "batch")
    }
    y = 5.0 * axes["width"] ** -0.5 * axes["depth"] ** 0.3 * np.exp(0.1 * rng.normal(size=12))
    fit = fit_power_law(y, **axes)
    design = np.column_stack([np.ones(12), *(np.log(v) for v in axes.values())])
    beta, squares, *_ = np.linalg.lstsq(design, np.log(y), rcond=None)
    assert fit.law.exponent == pytest.approx(beta[1:])
    assert fit.parameters["coefficient"].value == pytest.approx(np.exp(beta[0]))
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * squares[0] / 8)
    found = [fit.parameters[f"{name}_exponent"].std_error for name in axes]
    assert found == pytest.approx(errors[1:])
    held = fit.law.hold(depth=2.0, batch=3.0)
    assert held(width=7.0) == pytest.approx(fit.predict(width=7.0, depth=2.0, batch=3.0).value)


def test_axes_that_nearly_move_together_are_told_apart_and_those_that_do_are_refused():
    rng = np.random.default_rng(3)
    width = np.exp(rng.normal(size=20))
    params = width**2 * np.exp(0.001 * rng.normal(size=20))
    fit = fit_power_law(3 * width**-0.5 * params**0.2, width=width, params=params)
    assert fit.law.exponent == pytest.approx([-0.5, 0.2], rel=1e-6)
    with pytest.raises(ValueError, match="two distinct width and params that vary against each"):
        fit_power_law(width, width=width, params=3 * width**2)


def test_bootstraps_with_holes_equal_single_fits():
    rng = np.random.default_rng(4)
    samples = 3 * X**-0.4 * np.exp(0.1 * rng.normal(size=(50, 5)))
    samples[0, 4] = np.inf
    samples[1, 1:] = np.nan  # one point: no slope
    fit = fit_power_law(3 * X**-0.4, x=X, draws=samples)
    assert fit.draws is not None
    assert fit.draws.exponent.shape == (50, 1, 1)
    draws = fit.draws.exponent[..., 0]
    assert draws[0, 0] == pytest.approx(fit_power_law(samples[0, :4], x=X[:4]).law.exponent[0])
    assert np.isnan(draws[1, 0])
    assert "2 of 50" in fit.notes[0]
    assert "1 could not" in fit.notes[0]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    exponent = fit.parameters["x_exponent"]
    assert (exponent.low, exponent.high) == pytest.approx((low, high))
    grouped = fit_power_law(3 * X**-0.4, x=X, tasks=["t"] * 5, draws=samples)
    np.testing.assert_allclose(grouped.predict(x=X).low[0], fit.predict(x=X).low)


def test_t_interval_covers():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(400):
        e = fit_power_law(3 * X**-0.4 * np.exp(0.2 * rng.normal(size=5)), x=X).parameters[
            "x_exponent"
        ]
        hits += e.low <= -0.4 <= e.high
    assert 366 <= hits <= 394  # 95 % ± 3.3 standard errors


def test_verdicts():
    rng = np.random.default_rng(6)
    noise = np.exp(0.05 * rng.normal(size=(200, 5)))
    assert fit_power_law(X**-0.5, x=X, draws=noise * X**-0.5).supported
    assert fit_power_law(X[:2], x=X[:2]).verdict is Verdict.TOO_FEW_LEVELS
    assert fit_power_law(noise[0], x=X, draws=noise).verdict is Verdict.FLAT
    bump = np.exp(-(np.log(X / 2) ** 2))
    assert fit_power_law(bump, x=X, draws=noise * bump).verdict is Verdict.NON_MONOTONE
    wild = X**-6.0 * np.exp(3 * rng.normal(size=(200, 5)))
    assert fit_power_law(X**-6.0, x=X, draws=wild).verdict is Verdict.UNIDENTIFIED


@pytest.mark.parametrize(
    ("x", "y", "options", "sentence"),
    [
        ([0, 1], [1, 1], {}, r"x\[0\] = 0"),
        ([1, 1], [1, 2], {}, "one distinct level"),
        ([1, 2], [1, 0], {}, r"y\[1\] = 0"),
        ([1, 2], [np.nan] * 2, {}, "every value of y"),
        ([1, 2], [1, np.inf], {}, "too few known values"),
        ([1, 2, 3], [1, 2, np.nan], {"tasks": ["a", "a", "b"]}, "task 'b'"),
        ([1, 2], [1, 2], {"tasks": ["a"]}, "1 labels"),
        ([1, 2], [1, 2], {"draws": [[1, 2, 3]]}, "draws has shape"),
        ([1, 2], [1, 2], {"draws": [[1, -2]]}, "draws must be positive"),
    ],
)
def test_bad_input_is_one_sentence(x, y, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit_power_law(y, x=x, **options)


def test_levels_that_hardly_differ_overflow_in_silence():
    x = 1e6 * (1 + 1e-4 * np.arange(4))
    fit = fit_power_law([1.0, 5.0, 2.0, 9.0], x=x)
    assert not fit.supported
    slope = np.polyfit(np.log(x / 1e6), np.log([1.0, 5.0, 2.0, 9.0]), 1)[0]
    assert fit.parameters["x_exponent"].value == pytest.approx(slope, rel=1e-6)
