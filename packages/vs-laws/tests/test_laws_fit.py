import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from vs_laws._search import solve
from vs_laws.fit import fit_data_law, solve_data_laws
from vs_laws.forms import EXPONENT_BOUNDS
from vs_laws.sharing import median_normalise, task_medians
from vs_laws.verdict import Verdict

SIGMA = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0])
GOLDEN = Path(__file__).resolve().parents[3] / "../shared/reference/golden_gym.json"


@pytest.fixture(scope="module")
def golden():
    if not GOLDEN.exists():
        pytest.skip("the golden numbers (../shared) are not beside this checkout")
    return json.loads(GOLDEN.read_text())["fitted_stage"]


def golden_tasks(golden, method):
    by_task = golden["D_J_env_steps_by_task_then_utd_then_threshold"][method]
    return np.array([by_task[task] for task in sorted(by_task)], float)  # (T, σ, J)


def fit_tasks(D, sigma, **options):
    """Fit tasks a, b, … from their rows (T, n)."""
    tasks = [task for task in "abcdef"[: len(D)] for _ in range(D.shape[1])]
    return fit_data_law(D.ravel(), sigma=np.tile(sigma, len(D)), tasks=tasks, **options)


@settings(max_examples=60, deadline=None)
@given(
    d_min=st.floats(1e3, 1e7),
    share=st.floats(0.2, 20.0),
    alpha=st.floats(0.2, 3.0),
    loss=st.sampled_from(["log", "plain"]),
    huber=st.sampled_from([None, 0.1]),
)
def test_recovers_the_parameters_of_noiseless_data(d_min, share, alpha, loss, huber):
    amplitude = share * d_min
    fit = fit_data_law(d_min + amplitude * SIGMA**-alpha, sigma=SIGMA, loss=loss, huber=huber)
    np.testing.assert_allclose(
        [fit.parameters[k].value for k in ("d_min", "sigma_amplitude", "sigma_exponent")],
        [d_min, amplitude, alpha],
        rtol=1e-6,
    )
    scale = fit.parameters["sigma_scale"].value
    excess = d_min * (scale / SIGMA) ** alpha
    np.testing.assert_allclose(excess, amplitude * SIGMA**-alpha, rtol=1e-4)


@pytest.mark.parametrize("loss", ["log", "plain"])
def test_edges_are_reached_exactly(loss):
    power = fit_data_law(5.0 * SIGMA**-0.7, sigma=SIGMA, loss=loss)
    assert power.parameters["d_min"].value <= 1e-9
    assert power.parameters["d_min"].at_bound
    assert power.parameters["sigma_exponent"].value == pytest.approx(0.7, rel=1e-9)
    assert power.verdict is Verdict.UNIDENTIFIED
    constant = fit_data_law(np.full(7, 5.0), sigma=SIGMA, loss=loss)
    assert constant.predict(sigma=3.0).value == pytest.approx(5.0)
    assert constant.verdict is Verdict.FLAT
    # the best power law through a rise with constant noise is a constant: its weighted mean
    rising = fit_data_law(5.0 * SIGMA**0.3, sigma=SIGMA, loss=loss)
    assert rising.parameters["sigma_amplitude"].at_bound
    assert rising.verdict is Verdict.NON_MONOTONE


@pytest.mark.parametrize("loss", ["log", "plain"])
@pytest.mark.parametrize("huber", [None, 0.1])
def test_many_start_optimiser_is_never_better(loss, huber):
    rng = np.random.default_rng(3)
    for _ in range(5):
        n = int(rng.integers(4, 11))
        sigma = 2.0 ** rng.uniform(-4, 5, n)
        noise = np.exp(rng.choice([0.02, 0.3, 0.6]) * rng.normal(size=n))
        y = (rng.integers(0, 2) + np.exp(rng.normal()) * sigma ** -rng.uniform(0.1, 3)) * noise
        weights = rng.uniform(0.2, 2.0, n)
        delta = np.inf if huber is None else huber
        ratio = np.log(sigma / sigma.min())

        def objective(theta):
            p = theta[1] + (1 - theta[1]) * np.exp(-theta[2] * ratio)  # noqa: B023
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                model = theta[0] + np.log(p)
                size = np.abs(np.log(y) - model if loss == "log" else y - np.exp(model))  # noqa: B023
                inside = np.minimum(size, delta)  # noqa: B023
                value = np.average(inside * (2 * size - inside), weights=weights)  # noqa: B023
            return value if np.isfinite(value) else 1e30

        one = np.zeros(n, int)
        found = solve(
            ratio[:, None], one, y[None], weights[None], shape="additive", log=loss == "log",
            huber=huber,
        )  # fmt: skip
        offset, amplitude = found.local[0, 0]  # of the powers of σ over its least
        top = offset + amplitude
        at = objective([np.log(top), offset / top, found.exponents[0, 0]])
        assert at == pytest.approx(found.loss[0], rel=1e-6, abs=1e-12)
        bounds = [(np.log(y).min() - 5, np.log(y).max() + 5), (0, 1), EXPONENT_BOUNDS]
        for _ in range(6):
            start = [np.log(y.mean()), 10 ** rng.uniform(-6, 0), 10 ** rng.uniform(-2, 1)]
            rival = minimize(objective, start, method="L-BFGS-B", bounds=bounds)
            assert found.loss[0] <= rival.fun * (1 + 1e-9) + 1e-15


def test_batches_and_missing_points_equal_single_fits():
    rng = np.random.default_rng(0)
    D = (1 + SIGMA**-0.7) * np.exp(0.1 * rng.normal(size=(2, 3, 7)))
    D[1, 2, 0] = np.inf
    D[0, 0, 2:] = np.nan  # two levels: nothing to fit
    law, loss = solve_data_laws(D, sigma=SIGMA)
    alpha = law.exponent[..., 0]
    assert alpha.shape == (2, 3, 1)
    assert loss.shape == (2, 3)
    assert np.isnan(loss[0, 0])
    single = fit_data_law(D[1, 2, 1:], sigma=SIGMA[1:])
    assert alpha[1, 2, 0] == pytest.approx(single.law.exponent[0], rel=1e-6)
    whole = fit_data_law(D[1, 2], sigma=SIGMA)
    assert whole.n == 6
    assert "left out" in whole.notes[0]
    assert np.isnan(whole.residuals[0])
    # units do not matter
    scaled, _ = solve_data_laws(D * 1e6, sigma=SIGMA * 1e-4)
    np.testing.assert_allclose(scaled.exponent[1, ..., 0], alpha[1], rtol=1e-5)


def test_weights_repeat_points():
    D = (1 + SIGMA**-0.7) * np.exp(0.1 * np.random.default_rng(5).normal(size=7))
    weights = np.array([1, 2, 1, 1, 3, 1, 1])
    heavy = fit_data_law(D, sigma=SIGMA, weights=weights)
    repeated = fit_data_law(np.repeat(D, weights), sigma=np.repeat(SIGMA, weights))
    assert heavy.law.exponent == pytest.approx(repeated.law.exponent, rel=1e-6)
    assert heavy.loss == pytest.approx(repeated.loss, rel=1e-9)


def test_golden_losses_and_parameters(golden):
    for method in ("ours", "baseline"):
        D = golden_tasks(golden, method)
        scales = task_medians(D.reshape(len(D), -1))
        unit = np.median(scales)
        assert unit == golden["median_of_task_medians"][method]
        curves = median_normalise(np.moveaxis(D, 2, 0), scales=scales) / unit
        law, mse = solve_data_laws(curves, sigma=golden["utds"], loss="plain")
        assert np.all(mse <= np.array(golden["mse_reached"][method]) * (1 + 1e-9))
        published = golden["fits_c_plus_(utd/b)^-a_of_the_normalised_mean"][method]
        ours = np.column_stack(
            [law.exponent[:, 0], law.amplitude[:, 0] ** (1 / law.exponent[:, 0]), law.d_min]
        )
        theirs = [[f["a"], f["b"], f["c"]] for f in published]
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_golden_log_optimum_at_800(golden):
    D = golden_tasks(golden, "ours")
    scales = task_medians(D.reshape(len(D), -1))
    fit = fit_tasks(D[:, :, -1], golden["utds"], share="median", scales=scales)
    shared = [
        fit.parameters["sigma_exponent"].value,
        fit.parameters["d_min"].value / np.median(scales),
    ]
    assert shared == pytest.approx([0.743, 1.095], abs=5e-4)
    normalised = fit_data_law(
        median_normalise(D[:, :, -1], scales=scales) / 210501, sigma=golden["utds"]
    )
    exponent = normalised.parameters["sigma_exponent"].value
    beta = normalised.parameters["sigma_amplitude"].value ** (1 / exponent)
    assert beta == pytest.approx(2.017, abs=5e-4)


@pytest.mark.parametrize("share", ["median", "shape"])
def test_tasks_with_one_shape_are_recovered(share):
    floors = np.array([1e4, 5e4, 2e5])
    D = floors[:, None] * (1 + (SIGMA / 0.45) ** -0.74)
    samples = np.repeat(D[None], 4, axis=0)
    samples[3, 1, 1] = np.inf
    fit = fit_tasks(D, SIGMA, share=share, draws=samples.reshape(4, -1))
    assert fit.parameters["sigma_exponent"].value == pytest.approx(0.74, rel=1e-6)
    got = [fit.parameters[f"d_min[{t}]"].value for t in "abc"]
    np.testing.assert_allclose(got, floors, rtol=1e-6)
    assert fit.supported
    np.testing.assert_allclose(fit.predict(sigma=SIGMA).value, D, rtol=1e-6)
    band = fit.predict(sigma=64.0, task="b")
    assert np.shape(band.value) == ()
    assert band.low == pytest.approx(band.high)
    assert any("1 of 4 bootstraps" in note for note in fit.notes)


def test_a_shared_shape_is_the_joint_log_optimum():
    rng = np.random.default_rng(8)
    D = np.array([1e4, 2e5])[:, None] * (1 + SIGMA**-0.7) * np.exp(0.1 * rng.normal(size=(2, 7)))
    fit = fit_tasks(D, SIGMA, share="shape")

    def joint(theta):
        shape = np.log1p(np.exp(theta[3] - np.exp(theta[2]) * np.log(SIGMA)))
        return np.mean((np.log(D) - theta[:2, None] - shape) ** 2)

    rival = minimize(joint, [9.0, 12.0, -0.3, 0.0], method="BFGS", options={"gtol": 1e-10})
    mine = np.mean(fit.residuals**2)
    assert mine == pytest.approx(rival.fun, rel=1e-6)


def test_percentile_intervals_cover():
    rng = np.random.default_rng(11)
    sigma = 2.0 ** np.arange(-3, 7)
    hit = 0
    for _ in range(40):
        draws = (1 + sigma**-0.7) * np.exp(0.15 * rng.normal(size=(12, 10)))  # 12 "seeds"
        pick = rng.integers(12, size=(80, 12))
        alpha = fit_data_law(draws.mean(0), sigma=sigma, draws=draws[pick].mean(1)).parameters[
            "sigma_exponent"
        ]
        hit += alpha.low <= 0.7 <= alpha.high
    assert 31 <= hit <= 40  # 95 % nominal, less a small-sample bias of the percentile bootstrap


def test_verdicts():
    rng = np.random.default_rng(4)
    exact = 1 + SIGMA**-0.7

    def noisy(curve, size):
        return np.exp(size * rng.normal(size=(200, curve.size))) * curve

    fine = fit_data_law(exact, sigma=SIGMA, draws=noisy(exact, 0.02))
    assert fine.verdict is Verdict.SUPPORTED
    few = fit_data_law(exact[2:5], sigma=[1, 2, 4])
    assert few.verdict is Verdict.TOO_FEW_LEVELS
    flat = fit_data_law(
        np.ones(7) - 1e-3 * np.log(SIGMA), sigma=SIGMA, draws=noisy(np.ones(7), 0.1)
    )
    assert flat.verdict is Verdict.FLAT
    bent = exact + 0.05 * SIGMA
    assert fit_data_law(bent, sigma=SIGMA, draws=noisy(bent, 0.02)).verdict is Verdict.NON_MONOTONE
    loose = fit_data_law(exact, sigma=SIGMA, draws=noisy(exact, 0.5))
    assert loose.verdict is Verdict.UNIDENTIFIED
    assert "NOT SUPPORTED" in str(loose)
    assert "NOT SUPPORTED" not in str(fine)


@pytest.mark.parametrize(
    ("sigma", "D", "options", "sentence"),
    [
        ([-1, 1, 2], [3, 2, 1], {}, r"sigma\[0\] = -1"),
        ([0, 1, 2], [3, 2, 1], {}, "must be positive"),
        ([1, 1, 1], [3, 2, 1], {}, "one distinct level"),
        ([1, 2, np.nan], [3, 2, 1], {}, r"sigma\[2\] = nan"),
        ([], [], {}, "non-empty"),
        ([1, 2, 3], [3, 2], {}, r"expected \(3,\)"),
        ([1, 2, 3], [3, -2, 1], {}, r"y\[1\] = -2"),
        ([1, 2, 3], [np.inf] * 3, {}, "every value of y is missing or censored"),
        ([1, 2, 3], [1, 2, np.nan], {}, "three distinct places on sigma"),
        ([1, 2, 3], [3, 2, 1], {"loss": "l1"}, "loss must be"),
        ([1, 2, 3], [3, 2, 1], {"huber": 0.0}, "huber must be positive"),
        ([1, 2, 3], [3, 2, 1], {"weights": [1, 1]}, "weights has shape"),
        ([1, 2, 3], [3, 2, 1], {"weights": [1, 1, -1]}, "non-negative"),
        ([1, 2, 3], [3, 2, 1], {"draws": [[1, 2]]}, "draws has shape"),
    ],
)
def test_bad_input_is_one_sentence(sigma, D, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit_data_law(D, sigma=sigma, **options)


def test_bad_tasks():
    D = np.ones((2, 7))
    with pytest.raises(ValueError, match="tasks has 1 labels, expected 14"):
        fit_data_law(D.ravel(), sigma=np.tile(SIGMA, 2), tasks=["a"])
    with pytest.raises(ValueError, match="needs loss='log'"):
        fit_tasks(D, SIGMA, share="shape", loss="plain")
    with pytest.raises(ValueError, match="share must be"):
        fit_tasks(D, SIGMA, share="floor")
    D[1, 0] = np.inf
    with pytest.raises(ValueError, match=r"task 'b' has no value at sigma = 0\.25"):
        fit_tasks(D, SIGMA, share="median")
