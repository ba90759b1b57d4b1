"""The fit beside a second implementation: formulas written out with loops, another minimiser."""

import numpy as np
import pytest
from scipy.optimize import minimize
from vs_laws import Measured, fit_level_law
from vs_laws._level_forms import shape
from vs_laws._posterior import Prior, posterior
from vs_laws.level_law import FORMS, _entries


def law(form, theta, place, t):
    """f of one place: its formula with numbers only."""
    total, at_one, product = 1.0, 1.0, 0.0
    for k, log in enumerate(place):
        u, u_slope, log_alpha, slope = theta[4 * k : 4 * k + 4]
        top = np.exp(u + u_slope * t)
        term = top * np.exp(-np.exp(log_alpha + slope * t) * log)
        total, at_one, product = (
            total + term,
            at_one + top,
            product + np.log1p(term) - np.log1p(top),
        )
    return np.log(total) - np.log(at_one) if form == "additive" else product


def bend(one, other, t, u):
    """0.06²·(k_σ + k_N + k_σ·k_N)·e^{−|Δt|/1.5}, over one to three axes."""
    k = [np.exp(-0.5 * ((a - b) / 0.8) ** 2) for a, b in zip(one, other, strict=True)]
    if len(k) == 1:
        total = k[0]
    elif len(k) == 2:
        total = k[0] + k[1] + k[0] * k[1]
    else:
        total = sum(k) + k[0] * k[1] + k[0] * k[2] + k[1] * k[2] + k[0] * k[1] * k[2]
    return 0.06**2 * total * np.exp(-abs(t - u) / 1.5)


def covariance(runs, logs, t, noise):
    n = len(runs)
    found = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            apart = abs(t[i] - t[j])
            found[i, j] = bend(logs[i], logs[j], t[i], t[j])
            if runs[i] == runs[j]:
                found[i, j] += 0.035**2 * 0.55 * np.exp(-apart / 1.5)
                found[i, j] += np.sqrt(noise[i] * noise[j]) * np.exp(-apart / 0.2)
            if i == j:
                found[i, j] += 0.035**2 * 0.45 + 1e-6
    return found


class Second:
    """Everything by the formulas of the docstrings, dense and slow."""

    def __init__(self, measured, form):
        self.form, self.K, self.L = form, len(measured.axes), len(measured.levels)
        place = np.log(np.stack(list(measured.places.values()), axis=1))
        self.centre = place.mean(axis=0)
        span = measured.levels[-1] - measured.levels[0]
        self.rows = [
            (i, k) for i in range(len(measured.data)) for k in range(self.L)
            if np.isfinite(measured.data[i, k])
        ]  # fmt: skip
        self.run = np.array([i for i, _ in self.rows])
        self.level = np.array([k for _, k in self.rows])
        self.logs = np.array([place[i] - self.centre for i, _ in self.rows])
        self.t = np.array(
            [(measured.levels[k] - measured.levels[0]) / span - 0.5 for _, k in self.rows]
        )
        self.y = np.log([measured.data[i, k] for i, k in self.rows])
        self.noise = np.array([measured.shrunk[i] for i, _ in self.rows])
        self.total = covariance(self.run, self.logs, self.t, self.noise)
        self.inverse = np.linalg.inv(self.total)
        self.prior_mean = np.concatenate(
            [np.full(self.L, np.median(self.y)), *[[-1.0, 0.0, np.log(0.6), 0.0]] * self.K]
        )
        self.prior_sd = np.concatenate([np.full(self.L, 10.0), *[[1.5, 2.0, 0.6, 0.5]] * self.K])

    def mean(self, x):
        return np.array([
            x[k] + law(self.form, x[self.L :], place, t)
            for k, place, t in zip(self.level, self.logs, self.t, strict=True)
        ])  # fmt: skip

    def loss(self, x):
        r = self.y - self.mean(x)
        return 0.5 * (r @ self.inverse @ r + np.sum(((x - self.prior_mean) / self.prior_sd) ** 2))

    def jacobian(self, x, mean=None):
        mean = mean or self.mean
        h = 1e-5
        return np.transpose([(mean(x + h * e) - mean(x - h * e)) / (2 * h) for e in np.eye(len(x))])

    def gradient(self, x):
        r = self.y - self.mean(x)
        return -self.jacobian(x).T @ self.inverse @ r + (x - self.prior_mean) / self.prior_sd**2

    def fit(self):
        start = self.prior_mean + 0.3 * self.prior_sd * np.cos(np.arange(len(self.prior_mean)))
        start[: self.L] = np.linspace(self.y.min(), self.y.max(), self.L)
        return minimize(
            self.loss, start, jac=self.gradient, method="BFGS", options={"gtol": 1e-7}
        ).x


CASES = [(form, axes) for form in FORMS for axes in (1, 2, 3)]


@pytest.fixture(scope="module")
def small():
    """By number of axes: 6 runs at scattered places, 3 levels, some missing, ties in places."""

    def build(axes):
        rng = np.random.default_rng(axes)
        places = {f"x{k}": np.exp(rng.normal(0.0, 1.2, 6)) for k in range(axes)}
        log = 11 - 0.3 * np.log(list(places.values())).sum(axis=0)[:, None] + [[-0.5, 0.1, 0.4]]
        data = np.exp(log + 0.05 * rng.normal(size=(6, 3)))
        data[2, 2], data[4, 1] = np.inf, np.nan
        draws = data * np.exp(0.06 * rng.normal(size=(20, 6, 1)))
        return Measured.of(data, [1.0, 3.0, 4.0], draws=draws, seeds=[2, 3, 4, 5, 4, 8], **places)

    return {axes: build(axes) for axes in (1, 2, 3)}


@pytest.fixture(scope="module")
def pairs(small):
    """By (form, axes): ours and the second implementation, each fitted alone."""
    found = {}
    for form, axes in CASES:
        measured, second = small[axes], Second(small[axes], form)
        places = np.stack(list(measured.places.values()), axis=1)
        data = _entries(measured, measured.data, measured.levels, np.log(places) - second.centre)
        found[form, axes] = posterior(form, data, Prior.standard(axes)), second, second.fit()
    return found


@pytest.mark.parametrize("case", CASES)
def test_parameters_are_those_of_another_minimiser(pairs, case):
    ours, second, x = pairs[case]
    np.testing.assert_allclose(ours.height, x[: second.L], atol=1e-4)
    np.testing.assert_allclose(ours.theta, x[second.L :], atol=1e-4)
    assert np.abs(second.gradient(np.concatenate([ours.height, ours.theta]))).max() < 1e-3


@pytest.mark.parametrize("case", CASES)
def test_spread_of_parameters_is_the_inverse_of_the_curvature(pairs, case):
    ours, second, x = pairs[case]
    J = second.jacobian(x)
    exact = np.linalg.inv(J.T @ second.inverse @ J + np.diag(second.prior_sd**-2.0))
    np.testing.assert_allclose(ours.covariance, exact, atol=1e-4 * np.abs(exact).max())


@pytest.mark.parametrize("case", CASES)
def test_surface_is_the_joint_gaussian_conditioned(pairs, case):
    """Parameters integrated out: prior of law and lack of fit at once, conditioned on the data."""
    ours, second, x = pairs[case]
    rng = np.random.default_rng(0)
    logs, t = rng.normal(0.0, 1.5, (4, second.K)), np.array([-0.5, 0.0, 0.2, 0.5])
    heights = np.eye(3)[[0, 1, 1, 2]]
    mean, total, left = ours.joint(logs, t, heights)

    def asked(x):
        values = [law(second.form, x[3:], place, at) for place, at in zip(logs, t, strict=True)]
        return heights @ x[:3] + values

    J, G = second.jacobian(x), second.jacobian(x, asked)
    prior = np.diag(second.prior_sd**2)
    own = [(a, u) for a, u in zip(logs, t, strict=True)]
    data = [(a, u) for a, u in zip(second.logs, second.t, strict=True)]
    cross = np.array([[bend(a, b, u, v) for b, v in data] for a, u in own])
    bends = np.array([[bend(a, b, u, v) for b, v in own] for a, u in own])
    gain = (G @ prior @ J.T + cross) @ np.linalg.inv(J @ prior @ J.T + second.total)
    at_data = second.mean(x) + J @ (second.prior_mean - x)
    at_asked = asked(x) + G @ (second.prior_mean - x)
    np.testing.assert_allclose(mean, at_asked + gain @ (second.y - at_data), atol=2e-4)
    exact = G @ prior @ G.T + bends - gain @ (G @ prior @ J.T + cross).T
    np.testing.assert_allclose(total, exact, atol=2e-4 * np.abs(exact).max())
    kriged = np.diag(bends - cross @ second.inverse @ cross.T) / np.diag(bends)
    np.testing.assert_allclose(left, kriged, atol=1e-8)


@pytest.mark.parametrize("case", CASES)
def test_residuals_with_a_run_left_out_are_those_of_a_fit_without_it(pairs, case):
    """Refit without the run, the law linearised at the same point."""
    ours, second, x = pairs[case]
    J = second.jacobian(x)
    target = second.y - second.mean(x) + J @ x
    precision = np.diag(second.prior_sd**-2.0)
    for run in range(6):
        out, kept = second.run == run, second.run != run
        inverse = np.linalg.inv(second.total[np.ix_(kept, kept)])
        spread = np.linalg.inv(J[kept].T @ inverse @ J[kept] + precision)
        refit = spread @ (
            J[kept].T @ inverse @ target[kept] + second.prior_mean / second.prior_sd**2
        )
        gain = second.total[np.ix_(out, kept)] @ inverse
        predicted = J[out] @ refit + gain @ (target[kept] - J[kept] @ refit)
        rest = J[out] - gain @ J[kept]
        total = second.total[np.ix_(out, out)] - gain @ second.total[np.ix_(kept, out)]
        sd = np.sqrt(np.diag(total + rest @ spread @ rest.T))
        gap = target[out] - predicted
        np.testing.assert_allclose(ours.gap[out], gap, atol=2e-4)
        np.testing.assert_allclose(ours.left_out[out], gap / sd, rtol=2e-3, atol=1e-3)


def test_inflation_is_what_left_out_runs_say(small):
    found = fit_level_law(small[1])
    ours = found.posteriors[0]
    squares = [np.mean(ours.left_out[ours.entries.run == run] ** 2) for run in range(6)]
    assert found.inflate == (max(1.0, (5 + sum(squares)) / 11),)


def test_law_of_a_posterior_is_its_shape(pairs):
    """Residuals of the fit are data minus height minus shape: nothing else enters."""
    ours, second, _ = pairs["product", 2]
    value = shape("product", ours.theta, second.logs, second.t)[0]
    residual = second.y - ours.height[second.level] - value
    np.testing.assert_allclose(ours.weights, second.inverse @ residual, rtol=1e-6, atol=1e-6)
