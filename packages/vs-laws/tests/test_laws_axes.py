"""Laws over any named axes: three of them, the user's names, robust loss, forms of one's own."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from vs_laws import FORMS, DataLaw, Fit, fit_data_law, register_form, solve_data_laws

AXES = ("sigma", "critic_params", "depth")
GRID = [v.ravel() for v in np.meshgrid([1.0, 2, 4, 8], [1e5, 1e6, 1e7], [1.0, 2, 4], indexing="ij")]
PLACES = dict(zip(AXES, GRID, strict=True))
TRUTH = DataLaw(1e5, [2e5, 4e6, 8e4], [0.7, 0.3, 1.2], axes=AXES)


@pytest.mark.parametrize("loss", ["log", "plain"])
def test_three_axes_are_recovered(loss):
    fit = fit_data_law(TRUTH(**PLACES), loss=loss, **PLACES)
    for name, value in TRUTH.parameters().items():
        assert fit.parameters[name].value == pytest.approx(float(value), rel=1e-4), name
    assert fit.judgements.keys() == set(AXES)
    two = TRUTH.hold(depth=2.0)
    assert two(sigma=3.0, critic_params=2e6) == pytest.approx(
        fit.predict(sigma=3.0, critic_params=2e6, depth=2.0).value, rel=1e-5
    )


@pytest.mark.parametrize("loss", ["log", "plain"])
def test_no_law_over_three_axes_is_worse_than_many_starts(loss):
    rng = np.random.default_rng(0)
    D = TRUTH(**PLACES) * np.exp(0.1 * rng.normal(size=(3, 36)))
    reached = solve_data_laws(D, loss=loss, **PLACES)[1]
    logs = np.log(np.stack(GRID, axis=1) / [1.0, 1e5, 1.0])
    for row, ours in zip(D, reached, strict=True):
        scale = np.exp(np.log(row).mean())
        target = np.log(row / scale) if loss == "log" else row / scale

        def objective(theta):
            f = np.maximum(theta[0] + np.exp(-theta[4:] * logs) @ theta[1:4], 1e-300)
            return np.mean((target - (np.log(f) if loss == "log" else f)) ** 2)  # noqa: B023

        bounds = [(0, None)] * 4 + [(0.01, 10)] * 3
        for _ in range(6):
            start = np.r_[rng.uniform(0.05, 1, 4), np.exp(rng.uniform(*np.log([0.05, 5]), 3))]
            rival = minimize(objective, start, method="L-BFGS-B", bounds=bounds)
            assert ours <= rival.fun * (1 if loss == "log" else scale**2) * (1 + 1e-9)


def test_axes_have_the_users_names_and_tokens_may_be_called_d():
    """Hoffmann et al.'s law of the loss, from its stated coefficients."""
    N, D = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e10, 5), np.geomspace(1e9, 1e12, 5)))
    loss = 1.69 + 406.4 * N**-0.34 + 410.7 * D**-0.28
    fit = fit_data_law(loss, N=N, D=D)
    expected = {"d_min": 1.69, "N_amplitude": 406.4, "N_exponent": 0.34, "D_amplitude": 410.7,
                "D_exponent": 0.28}  # fmt: skip
    for name, value in expected.items():
        assert fit.parameters[name].value == pytest.approx(value, rel=1e-3), name
    assert fit.predict(N=7e10, D=1.4e12).value == pytest.approx(
        1.69 + 406.4 * 7e10**-0.34 + 410.7 * 1.4e12**-0.28, rel=1e-5
    )


def test_a_huber_loss_of_logs_ignores_a_tenth_of_outliers():
    rng = np.random.default_rng(1)
    sigma = np.tile(2.0 ** np.arange(-3, 5), 5)
    D = (1e5 + 2e5 * sigma**-0.7) * np.exp(0.01 * rng.normal(size=40))
    D[::10] *= 5.0
    robust = fit_data_law(D, sigma=sigma, huber=0.02)
    assert robust.parameters["d_min"].value == pytest.approx(1e5, rel=0.05)
    assert robust.parameters["sigma_exponent"].value == pytest.approx(0.7, rel=0.05)
    plain = fit_data_law(D, sigma=sigma)
    assert plain.parameters["d_min"].value > 1.05e5  # squares are pulled up

    def objective(theta):
        size = np.abs(np.log(D) - np.log(np.exp(theta[0]) + np.exp(theta[1]) * sigma ** -theta[2]))
        inside = np.minimum(size, 0.02)
        return np.mean(inside * (2 * size - inside))

    best = min(
        minimize(objective, [11.5 + a, 12.2 + b, c], method="Nelder-Mead",
                 options={"xatol": 1e-10, "fatol": 1e-16, "maxiter": 4000}).fun
        for a in (-0.5, 0.0, 0.3) for b in (-0.3, 0.3) for c in (0.4, 0.7, 1.0)
    )  # fmt: skip
    assert robust.loss <= best * (1 + 1e-6)


@pytest.fixture
def log_cross():
    """The form of log_cross.py, registered for one test."""
    path = Path(__file__).with_name("log_cross.py")
    spec = importlib.util.spec_from_file_location("log_cross", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    register_form(module.FORM)
    yield path
    del FORMS["log_cross"]


def test_a_form_of_ones_own_is_one_file_of_about_forty_lines(log_cross):
    code = [line for line in log_cross.read_text().splitlines() if line.strip()]
    assert len(code) <= 45
    x, z = (v.ravel() for v in np.meshgrid([1.0, 2, 4, 8], [1.0, 10, 100], indexing="ij"))
    rng = np.random.default_rng(2)
    noise = 0.01 * rng.normal(size=12)
    D = np.exp(12 - 0.5 * np.log(x) - 0.2 * np.log(z) + 0.05 * np.log(x) * np.log(z) + noise)
    draws = D * np.exp(0.01 * rng.normal(size=(40, 12)))
    fit = fit_data_law(D, form="log_cross", x=x, z=z, draws=draws)
    basis = np.stack([np.ones(12), np.log(x), np.log(z), np.log(x) * np.log(z)], axis=1)
    solution = np.linalg.lstsq(basis, np.log(D), rcond=None)[0]
    values = [fit.parameters[n].value for n in ("constant", "x_slope", "z_slope", "cross")]
    np.testing.assert_allclose(values, solution, rtol=1e-8)
    assert fit.supported
    assert fit.parameters["cross"].low < 0.05 < fit.parameters["cross"].high
    back = Fit.from_dict(json.loads(json.dumps(fit.to_dict())))
    assert back.predict(x=3.0, z=7.0) == fit.predict(x=3.0, z=7.0)
    bare = fit_data_law(D, form="log_cross", x=x, z=z)
    error = np.sqrt(bare.residuals @ bare.residuals / 8 * np.linalg.inv(basis.T @ basis)[3, 3])
    assert bare.parameters["cross"].std_error == pytest.approx(error, rel=1e-3)
    with pytest.raises(ValueError, match=re.escape("a form called 'log_cross' is registered")):
        register_form(type(FORMS["log_cross"])(**vars(FORMS["log_cross"])))
