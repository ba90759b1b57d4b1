"""Tasks that share exponents, a shape, a median or nothing, each against its closed form."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from vs_laws import DataLaw, fit_data_law
from vs_laws.sharing import average_tasks, median_normalise, task_medians

SIGMA = 2.0 ** np.arange(-2.0, 5.0)
T, n = 3, SIGMA.size
NAMES = ("a", "b", "c")
FLOORS = np.array([1e4, 5e4, 2e5])
AT: dict[str, Any] = {"sigma": np.tile(SIGMA, T), "tasks": [t for t in NAMES for _ in range(n)]}


def alike(seed=0, noise=0.0):
    """Rows (T, n) of one shape, each with a scale of its own."""
    rng = np.random.default_rng(seed)
    curve = FLOORS[:, None] * (1 + (SIGMA / 0.45) ** -0.74)
    return curve * np.exp(noise * rng.normal(size=curve.shape))


def test_where_both_apply_shape_and_exponents_agree():
    D = alike().ravel()
    shape, exponents = (fit_data_law(D, share=share, **AT) for share in ("shape", "exponents"))
    for task in NAMES:
        for name in ("d_min", "sigma_amplitude"):
            one, other = (f.parameters[f"{name}[{task}]"].value for f in (shape, exponents))
            assert one == pytest.approx(other, rel=1e-6)
        of = [fit.of(task).parameters["sigma_exponent"].value for fit in (shape, exponents)]
        assert of == pytest.approx([0.74, 0.74], rel=1e-6)
    places = np.array([0.1, 3.0, 100.0])
    np.testing.assert_allclose(
        shape.predict(sigma=places).value, exponents.predict(sigma=places).value, rtol=1e-6
    )


def test_the_less_tasks_share_the_better_they_fit():
    D = alike(seed=4, noise=0.1).ravel()
    squares = [
        np.mean(fit_data_law(D, share=share, **AT).residuals ** 2)
        for share in ("shape", "exponents", "nothing")
    ]
    assert squares[0] > squares[1] * (1 + 1e-3) > squares[2] * (1 + 1e-3)
    # the median's curve is one of the multiples among which `shape` finds the least squares
    median = np.mean(fit_data_law(D, share="median", **AT).residuals ** 2)
    assert median > squares[0]


@pytest.mark.parametrize("loss", ["log", "plain"])
def test_shared_exponents_are_the_joint_optimum(loss):
    D = alike(seed=1, noise=0.1)
    D *= SIGMA ** np.array([[0.0], [-0.2], [0.1]])
    weights = np.random.default_rng(2).uniform(0.5, 2.0, D.shape)
    fit = fit_data_law(D.ravel(), loss=loss, weights=weights.ravel(), **AT)
    unit = np.exp(np.average(np.log(D), weights=weights))

    def joint(theta):
        floor, top, exponent = np.exp(theta[:3]), np.exp(theta[3:6]), np.exp(theta[6])
        f = floor[:, None] + top[:, None] * SIGMA**-exponent
        gap = np.log(D / unit / f) if loss == "log" else D / unit - f
        return np.average(gap**2, weights=weights)

    best = np.inf
    for start in (0.3, 0.7, 1.5):
        theta = np.r_[np.log(FLOORS / unit), np.log(FLOORS / unit), np.log(start)]
        found = minimize(joint, theta, method="BFGS", options={"gtol": 1e-11, "maxiter": 2000})
        best = min(best, found.fun)
    assert fit.loss <= best * (unit**2 if loss == "plain" else 1.0) * (1 + 1e-9)
    assert fit.loss == pytest.approx(best * (unit**2 if loss == "plain" else 1.0), rel=1e-6)
    # weights are those of the tasks' points, and R² is within tasks
    log_y = np.log(D)
    centred = log_y - np.average(log_y, axis=1, weights=weights, keepdims=True)
    squares = np.sum(weights.ravel() * fit.residuals**2)
    assert fit.r2_log == pytest.approx(1 - squares / np.sum(weights * centred**2))
    assert "the exponents are shared by 3 tasks" in fit.notes


def test_shared_exponents_need_no_common_places():
    laws = [DataLaw(f, [a], [0.74], axes=("sigma",)) for f, a in ((1e4, 3e4), (2e5, 4e4))]
    places = [SIGMA, SIGMA[2:] * 1.3]
    D = np.concatenate([law(sigma=x) for law, x in zip(laws, places, strict=True)])
    tasks = ["u"] * n + ["v"] * (n - 2)
    D[4] = np.inf
    fit = fit_data_law(D, sigma=np.concatenate(places), tasks=tasks)
    for task, law in zip("uv", laws, strict=True):
        one = fit.of(task).parameters
        assert one["d_min"].value == pytest.approx(float(law.d_min), rel=1e-5)
        assert one["sigma_amplitude"].value == pytest.approx(law.amplitude[0], rel=1e-5)
    assert fit.n == 11
    assert np.isnan(fit.residuals[4])
    message = "the additive form has 3 parameters .* three points of each task"
    with pytest.raises(ValueError, match=message):
        fit_data_law(D[:9], sigma=np.concatenate(places)[:9], tasks=tasks[:9])


def by_hand(D, scales):
    """The papers' way: mean of D over the task's median, at the median of the medians."""
    unit = np.median(scales)
    curve = np.mean(D / scales[:, None], axis=0) * unit
    return fit_data_law(curve, sigma=SIGMA), scales / unit


@pytest.mark.parametrize("own", [True, False])
def test_the_median_is_the_papers_way(own):
    D = alike(seed=2, noise=0.1)
    scales = np.median(D, axis=1) if own else np.array([2e4, 3e4, 1e6])
    one, ratio = by_hand(D, scales)
    options: dict[str, Any] = {} if own else {"scales": scales}
    fit = fit_data_law(D.ravel(), share="median", **options, **AT)
    assert fit.parameters["d_min"].value == pytest.approx(one.parameters["d_min"].value, rel=1e-9)
    assert fit.loss == pytest.approx(one.loss, rel=1e-9)
    assert fit.loss_name == "log MSE of the shared curve"
    assert (fit.verdict, fit.reason) == (one.verdict, one.reason)
    for t, task in enumerate(NAMES):
        for name in ("d_min", "sigma_amplitude"):
            found, single = fit.parameters[f"{name}[{task}]"], one.parameters[name]
            for part in ("value", "low", "high", "std_error"):  # the scale is taken as known
                expected = getattr(single, part) * ratio[t]
                assert getattr(found, part) == pytest.approx(expected, rel=1e-9)
        band, alone = (f.predict(sigma=3.0) for f in (fit.of(task), one))
        for part in ("value", "low", "high"):
            assert getattr(band, part) == pytest.approx(getattr(alone, part) * ratio[t], rel=1e-6)
    expected = np.log(D / (one.law(sigma=SIGMA) * ratio[:, None])).ravel()
    np.testing.assert_allclose(fit.residuals, expected, atol=1e-9)


@pytest.mark.parametrize("own", [True, False])
def test_bootstraps_of_the_median_have_their_own_or_the_given(own):
    rng = np.random.default_rng(5)
    D = alike(seed=2, noise=0.05)
    draws = D * np.exp(0.1 * rng.normal(size=(30, T, n)))
    draws[7, 2, 3] = np.inf
    scales = np.array([2e4, 3e4, 1e6])
    options: dict[str, Any] = {} if own else {"scales": scales}
    fit = fit_data_law(D.ravel(), share="median", draws=draws.reshape(30, -1), **options, **AT)
    assert fit.draws.d_min.shape == (30, T, 1)
    for s in (0, 11):
        one, ratio = by_hand(draws[s], np.median(draws[s], axis=1) if own else scales)
        found = fit.draws.d_min[s, :, 0]
        assert found == pytest.approx(one.parameters["d_min"].value * ratio, rel=1e-6)
        assert fit.draws.exponent[s, 1, 0, 0] == pytest.approx(one.law.exponent[0], rel=1e-6)
    assert np.isnan(fit.draws.d_min[7]).all()
    low, high = np.nanpercentile(fit.draws.d_min[:, 1, 0], [2.5, 97.5])
    b = fit.parameters["d_min[b]"]
    assert (b.low, b.high) == pytest.approx((low, high))


def test_the_shape_is_the_fit_of_the_geometric_mean():
    D = alike(seed=3, noise=0.1)
    rng = np.random.default_rng(6)
    draws = D * np.exp(0.1 * rng.normal(size=(20, T, n)))
    fit = fit_data_law(D.ravel(), share="shape", draws=draws.reshape(20, -1), **AT)

    def mean(rows):
        return np.exp(np.log(rows).mean(axis=-2))

    one = fit_data_law(mean(D), sigma=SIGMA, draws=mean(draws))
    for name in ("d_min", "sigma_amplitude", "sigma_exponent"):
        for part in ("value", "low", "high"):
            expected = getattr(one.parameters[name], part)
            assert getattr(fit.parameters[name], part) == pytest.approx(expected, rel=1e-9)
    level = np.exp(np.log(D).mean(axis=1) - np.log(D).mean())
    floors = [fit.parameters[f"d_min[{task}]"].value for task in NAMES]
    np.testing.assert_allclose(floors, one.parameters["d_min"].value * level, rtol=1e-9)


@pytest.mark.parametrize("with_draws", [True, False])
def test_nothing_shared_is_every_task_alone(with_draws):
    rng = np.random.default_rng(7)
    D = alike(seed=5, noise=0.1)
    D[1, 2] = np.nan
    weights = rng.uniform(0.5, 2.0, D.shape)
    draws = D * np.exp(0.1 * rng.normal(size=(15, T, n)))
    many: dict[str, Any] = {"draws": draws.reshape(15, -1)} if with_draws else {}
    fit = fit_data_law(D.ravel(), share="nothing", weights=weights.ravel(), **many, **AT)
    squares = []
    for t, task in enumerate(NAMES):
        own: dict[str, Any] = {"draws": draws[:, t]} if with_draws else {}
        one = fit_data_law(D[t], sigma=SIGMA, weights=weights[t], **own)
        for name, estimate in one.parameters.items():
            assert fit.parameters[f"{name}[{task}]"] == estimate
        assert fit.of(task).law(sigma=3.0) == one.law(sigma=3.0)
        np.testing.assert_array_equal(fit.residuals[t * n : (t + 1) * n], one.residuals)
        assert fit.judgements[f"sigma[{task}]"] == one.judgements["sigma"]
        known = np.isfinite(one.residuals)
        squares.append(weights[t][known] @ one.residuals[known] ** 2)
        if with_draws:
            band, alone = fit.predict(sigma=9.0, task=task), one.predict(sigma=9.0)
            assert (band.low, band.high) == (alone.low, alone.high)
    known = np.isfinite(D)
    total = np.sum(weights[known])
    assert fit.loss == pytest.approx(sum(squares) / total, rel=1e-9)
    w = np.where(known, weights, 0.0)
    log_y = np.log(np.where(known, D, 1.0))
    centred = log_y - np.average(log_y, axis=1, weights=w, keepdims=True)
    assert fit.r2_log == pytest.approx(1 - sum(squares) / np.sum(w * centred**2))
    assert fit.n == known.sum()


def test_weights_repeat_points_of_several_tasks():
    D = alike(seed=8, noise=0.1).ravel()
    weights = np.random.default_rng(1).integers(1, 4, D.size)
    repeated = np.repeat(np.arange(D.size), weights)
    more: dict[str, Any] = {
        "sigma": AT["sigma"][repeated],
        "tasks": [AT["tasks"][k] for k in repeated],
    }
    for share in ("exponents", "nothing"):
        heavy = fit_data_law(D, weights=weights, share=share, **AT)
        twice = fit_data_law(D[repeated], share=share, **more)
        assert heavy.loss == pytest.approx(twice.loss, rel=1e-9)
        places = np.array([0.2, 5.0])
        np.testing.assert_allclose(
            heavy.predict(sigma=places).value, twice.predict(sigma=places).value, rtol=1e-5
        )


def test_two_axes_share_too():
    sigma, params = (v.ravel() for v in np.meshgrid([1.0, 2, 4, 8], [1e5, 1e6, 4e6, 3e7]))
    truth = DataLaw(1.0, [2.0, 900.0], [0.8, 0.5], axes=("sigma", "critic_params"))
    curve = truth(sigma=sigma, critic_params=params)
    D = FLOORS[:, None] * curve
    both: dict[str, Any] = {
        "sigma": np.tile(sigma, T),
        "critic_params": np.tile(params, T),
        "tasks": [t for t in NAMES for _ in range(16)],
    }
    for share in ("exponents", "shape", "median", "nothing"):
        fit = fit_data_law(D.ravel(), share=share, **both)
        for t, task in enumerate(NAMES):
            one = fit.of(task)
            assert one.law.exponent.ravel() == pytest.approx([0.8, 0.5], rel=1e-5)
            assert one.parameters["d_min"].value == pytest.approx(FLOORS[t], rel=1e-5)
            found = one.predict(sigma=3.0, critic_params=2e6).value
            expected = FLOORS[t] * float(truth(sigma=3.0, critic_params=2e6))
            assert found == pytest.approx(expected, rel=1e-6)


def test_medians_and_their_mean():
    D = np.array([[1.0, np.nan, 3.0, 5.0], [20.0, 40.0, np.inf, 60.0]])
    np.testing.assert_array_equal(task_medians(D), [3.0, 40.0])
    mean = np.array([(1 / 3 + 0.5) / 2, 1.0, 1.0, (5 / 3 + 1.5) / 2])
    np.testing.assert_allclose(median_normalise(D), mean * 21.5)
    np.testing.assert_allclose(median_normalise(D, scales=[1.0, 10.0])[0], 1.5 * 5.5)
    with pytest.raises(ValueError, match="task 1 has no finite value"):
        task_medians([[1.0, 2.0], [np.nan, np.inf]])


def test_refusals():
    D = alike().ravel()
    for options, sentence in (
        ({"share": "median", "scales": [1.0, 2.0]}, r"scales must be \(3,\) positive numbers"),
        ({"share": "median", "scales": [1.0, -2.0, 3.0]}, "scales must be"),
        ({"form": "log_linear"}, "the log_linear form has no exponents that tasks could share"),
        ({"form": "log_quadratic", "share": "shape"}, "cannot share the shape of a LogQuadratic"),
        ({"form": "nearest", "share": "nothing"}, "the nearest form takes one task at a time"),
        ({"share": "all"}, "share must be 'exponents', 'shape', 'median' or 'nothing', got 'all'"),
    ):
        chosen: dict[str, Any] = options
        with pytest.raises(ValueError, match=sentence):
            fit_data_law(D, **chosen, **AT)
    lame = D.copy()
    lame[8:14] = np.nan
    with pytest.raises(ValueError, match="task 'b': the additive form has 3 parameters"):
        fit_data_law(lame, share="nothing", **AT)


def test_a_suite_is_one_surface_over_places_that_differ_by_task():
    sigma, params = (a.ravel() for a in np.meshgrid([1.0, 2, 4, 8], [1e6, 3e6, 1e7, 3e7]))
    width = np.repeat([256, 512, 1024, 2048], 4)
    names = [f"{s:02.0f} {w:04d}" for s, w in zip(sigma, width, strict=True)]
    scale = {"a": 1.0, "b": 3.0, "c": 20.0}
    shape = 1e5 * (1 + (sigma / 0.5) ** -0.7 + (params / 2e6) ** -0.6)
    size = {"a": 0.8, "b": 1.0, "c": 1.25}  # geometric mean 1
    y = np.concatenate([factor * shape for factor in scale.values()])
    at = np.concatenate([np.stack([sigma, params * size[t]], axis=1) for t in scale])
    points: dict[str, Any] = {
        "tasks": np.repeat(list(scale), 16), "groups": names * 3, "places": at
    }  # fmt: skip
    order = np.random.default_rng(0).permutation(48)
    mixed = {name: np.asarray(value)[order] for name, value in points.items()}
    mean, places = average_tasks(np.stack([y, 2 * y])[:, order], **mixed)
    ranks = np.argsort(names)
    np.testing.assert_allclose(mean, [3 * shape[ranks], 6 * shape[ranks]])
    np.testing.assert_allclose(places, np.stack([sigma, params], axis=1)[ranks])
    fit = fit_data_law(mean[0], sigma=places[:, 0], critic_params=places[:, 1])
    assert fit.parameters["d_min"].value == pytest.approx(3e5, rel=1e-4)

    unreached = y.copy()
    unreached[5] = np.inf  # task a alone: its median must not move against the others'
    mean, _ = average_tasks(unreached, **points)
    lost = int(np.flatnonzero(ranks == 5)[0])
    assert np.isnan(mean[lost])
    np.testing.assert_allclose(np.delete(mean, lost), np.delete(3 * shape[ranks], lost))
    with pytest.raises(ValueError, match="no group is reached by all tasks"):
        average_tasks(np.where(points["tasks"] == "a", np.inf, y), **points)
    with pytest.raises(ValueError, match="task a has several points in group 01 0256"):
        average_tasks(y, **points | {"groups": ["01 0256"] * 2 + (names * 3)[2:]})
