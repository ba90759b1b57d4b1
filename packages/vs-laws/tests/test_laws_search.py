"""The search against other optimisers, over one to four axes, with and without outliers."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from vs_laws import DataLaw, ProductLaw, fit_data_law, solve_data_laws
from vs_laws import _lattice as lattice
from vs_laws import _search as search
from vs_laws.forms import EXPONENT_BOUNDS

DEPTH, WIDTH, BATCH = (
    v.ravel()
    for v in np.meshgrid([1.0, 2, 4, 8], [64.0, 128, 256, 1024], [8.0, 16, 32, 128], indexing="ij")
)
AXES: dict[str, Any] = {"depth": DEPTH, "width": WIDTH, "batch": BATCH}
TRUTH = DataLaw(3e4, [4e4, 3e6, 2e5], [1.4, 0.9, 0.5], axes=tuple(AXES))


def rival(axes, y, *, log, delta=np.inf, starts, seed, weights=None):
    """Least loss of the additive form by L-BFGS-B, exact gradients, from many starts in the same box."""
    rng = np.random.default_rng(seed)
    x = np.log(np.stack(list(axes.values()), axis=1))
    x = x - x.min(axis=0)
    K = x.shape[1]
    w = np.full(len(y), 1 / len(y)) if weights is None else weights / weights.sum()
    scale = np.exp(w @ np.log(y))
    target, edge = (np.log(y / scale), delta) if log else (y / scale, delta / scale)

    def loss(theta):
        a, alpha = theta[: 1 + K], theta[1 + K :]
        u = np.exp(-alpha * x)
        f = np.maximum(a[0] + u @ a[1:], 1e-300)
        r = target - (np.log(f) if log else f)
        inside = np.clip(r, -edge, edge)
        slopes = np.column_stack([np.ones(len(y)), u, -a[1:] * x * u])
        slopes = slopes / (f[:, None] if log else 1.0)
        return w @ (inside * (2 * r - inside)), -2 * (w * inside) @ slopes

    bounds = [(0, None)] * (1 + K) + [EXPONENT_BOUNDS] * K
    options = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-15, "gtol": 1e-11}
    best = np.inf
    for _ in range(starts):
        start = np.r_[rng.uniform(0, 1, 1 + K), 10 ** rng.uniform(-2, 1, K)]
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        best = min(best, found.fun)
    return best * (1.0 if log else scale**2)


@pytest.mark.parametrize("loss", ["log", "plain"])
def test_three_axes_are_recovered_and_keep_their_names(loss):
    fit = fit_data_law(TRUTH(**AXES), loss=loss, **AXES)
    assert fit.axes == ("depth", "width", "batch")
    for name, value in TRUTH.parameters().items():
        assert fit.parameters[name].value == pytest.approx(float(value), rel=1e-6), name
    scale = (2e5 / 3e4) ** (1 / 0.5)
    assert fit.parameters["batch_scale"].value == pytest.approx(scale, rel=1e-5)
    assert fit.formula.startswith("D = d_min + depth_amplitude * depth^-depth_exponent + width_")
    assert fit.supported
    assert set(fit.judgements) == set(AXES)
    assert fit.ranges["width"] == (64.0, 1024.0)
    far: dict[str, Any] = {"depth": 32.0, "width": 1e4, "batch": 999.0}
    assert fit.predict(**far).value == pytest.approx(float(TRUTH(**far)), rel=1e-6)


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


@pytest.mark.parametrize("loss", ["log", "plain"])
def test_three_axes_are_never_worse_than_many_starts(loss):
    rng = np.random.default_rng(0)
    noise = np.array([0.01, 0.1, 0.4])[:, None] * rng.normal(size=(3, DEPTH.size))
    y = TRUTH(**AXES) * np.exp(noise)
    reached = solve_data_laws(y, loss=loss, **AXES)[1]
    for k, row in enumerate(y):
        other = rival(AXES, row, log=loss == "log", starts=6, seed=k)
        assert reached[k] <= other * (1 + 1e-9)


def test_other_forms_over_three_axes_and_the_sum_over_four():
    product = ProductLaw(9e5, [0.3, 0.5, 0.7], [0.8, 0.6, 1.1], [1.0, 64.0, 8.0], axes=tuple(AXES))
    fit = fit_data_law(product(**AXES), form="product", **AXES)
    for name, value in product.parameters().items():
        assert fit.parameters[name].value == pytest.approx(float(value), rel=1e-6), name
    bare = DataLaw(0.0, [4e4, 3e6, 2e5], [1.4, 0.9, 0.5], axes=tuple(AXES))
    fit = fit_data_law(bare(**AXES), form="floorless", **AXES)
    assert fit.law.exponent == pytest.approx([1.4, 0.9, 0.5], rel=1e-6)
    rng = np.random.default_rng(1)
    axes: dict[str, Any] = {name: 2.0 ** rng.uniform(0, 6, 60) for name in "stuv"}
    four = DataLaw(1.0, [4.0, 3.0, 2.0, 5.0], [1.4, 0.9, 0.5, 2.0], axes=tuple(axes))
    fit = fit_data_law(four(**axes), **axes)
    assert fit.law.exponent == pytest.approx(four.exponent, rel=1e-6)
    with pytest.raises(ValueError, match="5 axes; a law is searched over at most 4"):
        fit_data_law(four(**axes), **axes, w=axes["s"] * axes["t"])


@pytest.mark.parametrize("exponent", [0.02, 0.3, 4.0, 7.0, 9.5])
def test_exponents_are_found_in_their_whole_box(exponent):
    sigma = np.geomspace(0.5, 4.0, 8)
    y = 1.0 + 0.5 * sigma**-exponent
    fit = fit_data_law(y, sigma=sigma)
    assert fit.law.exponent[0] == pytest.approx(exponent, rel=1e-4)
    assert not fit.parameters["sigma_exponent"].at_bound


def random_data(axes, rows, seed):
    """Rows of data from laws whose terms are seen at many points or few, with noise of all sizes."""
    rng = np.random.default_rng(seed)
    logs = np.stack([np.log(v / v.min()) for v in axes.values()], axis=1)
    exponent = 10 ** rng.uniform(-1, 0.6, (rows, 1, logs.shape[1]))
    amplitude = np.exp(1.5 * rng.normal(size=exponent.shape))
    curve = rng.integers(0, 2, (rows, 1)) + np.sum(amplitude * np.exp(-exponent * logs), axis=2)
    noise = rng.choice([1e-3, 0.02, 0.1, 0.3], (rows, 1)) * rng.normal(size=curve.shape)
    return curve * np.exp(noise)


ONE: dict[str, Any] = {"s": 2.0 ** np.array([-3.0, -1.5, 0, 1, 2, 4, 7])}
TWO: dict[str, Any] = dict(
    zip(
        "st",
        (v.ravel() for v in np.meshgrid([1.0, 2, 4, 8], [2e5, 1e6, 5e6, 3e7], indexing="ij")),
        strict=True,
    )
)


@pytest.mark.parametrize(
    ("axes", "form", "loss", "rows"),
    [
        (ONE, "additive", "log", 400),
        (ONE, "additive", "plain", 400),
        (TWO, "additive", "log", 150),
        (TWO, "additive", "plain", 150),
        (TWO, "floorless", "log", 150),
        (TWO, "product", "log", 100),
        (TWO, "product", "plain", 100),
    ],
)
def test_a_denser_search_finds_nothing_lower(axes, form, loss, rows, monkeypatch):
    """Notices a coarser grid of exponents, fewer shares, fewer blocks or fewer starts."""
    y = random_data(axes, rows, 3)
    reached = solve_data_laws(y, form=form, loss=loss, **axes)[1]
    monkeypatch.setattr(lattice, "_GRID", {1: 128, 2: 30})
    ratios = np.exp(np.linspace(0, 24, 121))
    monkeypatch.setattr(lattice, "_LEVELS", {1: ratios, 2: 3.0 ** np.arange(5)})
    monkeypatch.setattr(search, "_BLOCKS", {1: 16, 2: 10})
    monkeypatch.setattr(search, "_HEATS", ((60, 1.0, 10), (300, 1e-3, 1)))
    dense = solve_data_laws(y, form=form, loss=loss, **axes)[1]
    assert np.all(reached <= dense * (1 + 1e-8) + 1e-20)


@pytest.mark.parametrize("loss", ["log", "plain"])
@pytest.mark.parametrize("axes", [ONE, TWO], ids=["one", "two"])
def test_huber_loss_is_that_of_the_best_of_many_starts(axes, loss):
    rng = np.random.default_rng(5)
    y = random_data(axes, 6, 6)
    n = y.shape[1]
    for k, row in enumerate(y):
        spoilt = row.copy()
        spoilt[rng.choice(n, max(1, n // 10), replace=False)] *= np.exp(1.5 * rng.normal())
        weights, delta = rng.uniform(0.3, 2.0, n), rng.choice([0.01, 0.05, 0.2])
        options: dict[str, Any] = {"loss": loss, "huber": delta, "weights": weights}
        reached = float(solve_data_laws(spoilt, **options, **axes)[1])
        other = rival(
            axes, spoilt, log=loss == "log", delta=delta, starts=10, seed=k, weights=weights
        )
        assert reached <= other * (1 + 1e-6)


def test_huber_loss_escapes_a_kink():
    """A small threshold is all kinks: from the optimum of the squares alone these two stop too early."""
    log_x = [-2.71, -3.57, 0.58, 1.36, 3.22, 2.03, 3.38, -3.51, 1.79, -0.78]
    y = [1.573, 1.395, 1.79, 0.9052, 0.9783, 0.96, 0.8693, 0.4005, 1.118, 1.104]
    w = [1.47, 1.04, 0.9, 1.41, 0.96, 1.87, 0.54, 1.11, 1.32, 0.4]
    few = [4.67, 4.86, 0.05, 1.01, -3.34, 1.92]
    z, v = [1.511, 11.97, 1.286, 2.556, 1.727, 1.798], [1.48, 0.67, 1.57, 0.55, 0.73, 1.43]
    for where, values, mass, loss, delta in (
        (log_x, y, w, "log", 0.01),
        (few, z, v, "plain", 0.03),
    ):
        axes: dict[str, Any] = {"x": 2.0 ** np.array(where)}
        weights, row = np.array(mass), np.array(values)
        fit = fit_data_law(row, loss=loss, huber=delta, weights=weights, **axes)
        other = rival(axes, row, log=loss == "log", delta=delta, starts=60, seed=0, weights=weights)
        assert fit.loss <= other * (1 + 1e-6)


def test_huber_loss_resists_a_tenth_of_outliers():
    sigma = np.tile(np.geomspace(0.25, 64, 10), 3)
    truth = DataLaw(1e5, [2e5], [0.7], axes=("sigma",))
    rng = np.random.default_rng(2)
    y = truth(sigma=sigma) * np.exp(0.01 * rng.normal(size=30))
    y[[3, 14, 25]] *= [4.0, 0.3, 5.0]
    robust = fit_data_law(y, sigma=sigma, huber=0.02)
    squares = fit_data_law(y, sigma=sigma)
    assert robust.loss_name == "log Huber(0.02)"
    for name, value in truth.parameters().items():
        assert robust.parameters[name].value == pytest.approx(float(value), rel=0.05), name
    assert abs(squares.parameters["sigma_exponent"].value - 0.7) > 0.15
    assert any("Huber" in note for note in robust.notes)


def test_a_place_without_data_leaves_no_trace():
    """The least σ has no value: the fit is that of the other points, and bootstraps lack it too.

    With amplitudes counted from there the search would crawl: they change by e^(7·exponent).
    """
    sigma = 2.0 ** np.array([-4.0, 3, 5, 6, 7, 8])
    y = np.exp([np.nan, 17.7994, 15.4005, 16.0, 15.6812, 15.2])
    rng = np.random.default_rng(0)
    draws = np.exp(np.log(np.where(np.isfinite(y), y, 1e6)) + 0.2 * rng.normal(size=(40, 6)))
    for loss in ("log", "plain"):
        whole = fit_data_law(y, sigma=sigma, loss=loss, draws=draws)
        part = fit_data_law(y[1:], sigma=sigma[1:], loss=loss, draws=draws[:, 1:])
        for name, estimate in part.parameters.items():
            found = whole.parameters[name]
            assert (found.value, found.low, found.high) == pytest.approx(
                (estimate.value, estimate.low, estimate.high), rel=1e-6
            )


@pytest.mark.parametrize("loss", ["log", "plain"])
@pytest.mark.parametrize("form", ["additive", "floorless", "product"])
def test_rows_that_lack_their_least_places_are_fitted_like_those_without(form, loss):
    y = random_data(TWO, 30, 12)
    lacking = np.tile((TWO["s"] < 2) | (TWO["t"] < 1e6), (30, 1))
    lacking[::2] = TWO["s"] < 2
    y[lacking] = np.nan
    law, together = solve_data_laws(y, form=form, loss=loss, **TWO)
    gap = np.log(y / law(**TWO)) if loss == "log" else y - law(**TWO)
    np.testing.assert_allclose(np.nanmean(gap[::2] ** 2, axis=1), together[::2], rtol=1e-8)
    for k in range(0, 30, 2):
        known = ~lacking[k]
        axes = {name: values[known] for name, values in TWO.items()}
        alone = float(solve_data_laws(y[k, known], form=form, loss=loss, **axes)[1])
        assert together[k] == pytest.approx(alone, rel=1e-8)


def test_rows_of_a_batch_do_not_see_each_other():
    y = random_data(TWO, 40, 9)
    y[::3, 2] = np.nan
    order = np.random.default_rng(0).permutation(40)
    together = solve_data_laws(y, **TWO)[1]
    assert solve_data_laws(y[order], **TWO)[1] == pytest.approx(together[order], rel=1e-9)
    for k in range(0, 40, 7):
        assert float(solve_data_laws(y[k], **TWO)[1]) == pytest.approx(together[k], rel=1e-9)
