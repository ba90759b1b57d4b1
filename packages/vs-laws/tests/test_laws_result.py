import json
from typing import Any

import numpy as np
import pytest
from vs_laws.fit import fit_data_law
from vs_laws.forms import PowerLaw
from vs_laws.law import json_numbers
from vs_laws.result import Estimate, Fit
from vs_laws.verdict import Verdict, worst_reversal

SIGMA = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0])


def make(**changes):
    fields: dict[str, Any] = {
        "form": "power",
        "formula": "y = c * x^e",
        "parameters": {"e": Estimate(-0.5, -0.6, -0.4, 0.05, at_bound=True)},
        "loss": float("nan"),
        "loss_name": "log MSE",
        "n": 3,
        "r2_log": float("nan"),
        "residuals": np.array([0.1, np.nan, -0.1]),
        "verdict": Verdict.FLAT,
        "reason": "because",
        "law": PowerLaw(2.0, -0.5, axes=("x",)),
        "ranges": {"x": (1.0, 4.0)},
    }
    return Fit(**(fields | changes))


def test_report_puts_the_verdict_first_and_flags_bounds():
    lines = str(make(notes=("a note",))).splitlines()
    assert lines[1] == "  verdict: flat -- because"
    assert "NOT SUPPORTED BY THE DATA (flat)" in lines[3]
    assert lines[4] == "    e = -0.5 ± 0.05 (10%) [-0.6, -0.4]  at bound"
    assert "a note" in lines[-1]
    assert "NOT SUPPORTED" not in str(make(verdict=Verdict.SUPPORTED))


def test_to_dict_is_strict_json():
    noisy = (1 + SIGMA**-0.7) * np.exp(0.3 * np.random.default_rng(0).normal(size=(50, 7)))
    for fit in (
        make(),
        fit_data_law(noisy[0], sigma=SIGMA, draws=noisy),
        fit_data_law([3, 2, 1], sigma=[1, 2, 4]),
    ):
        back = json.loads(json.dumps(fit.to_dict(), allow_nan=False))
        assert back["verdict"] == fit.verdict.value
        assert set(back["parameters"]) == set(fit.parameters)
    assert make().to_dict()["residuals"] == [0.1, None, -0.1]
    assert json_numbers([np.inf, -np.inf, np.nan, 2]) == ["inf", "-inf", None, 2.0]


def test_predict_shapes_and_unknown_intervals():
    fit = make()
    band = fit.predict(x=[[1.0, 4.0]])
    np.testing.assert_allclose(band.value, [[2.0, 1.0]])
    assert np.isnan(band.low).all()
    draws = PowerLaw(np.linspace(1, 3, 101)[:, None], np.full((101, 1, 1), -0.5), axes=("x",))
    band = make(draws=draws).predict(x=4.0)
    assert (np.shape(band.value), band.low, band.high) == ((), 0.525, 1.475)
    with pytest.raises(ValueError, match="must be positive"):
        fit.predict(x=[1.0, 0.0])
    with pytest.raises(ValueError, match="unknown task 'a'"):
        fit.predict(x=1.0, task="a")


def test_delta_method_agrees_with_the_bootstrap():
    rng = np.random.default_rng(7)
    sigma = np.geomspace(0.1, 50, 60)
    curve = 1 + sigma**-0.7
    draws = curve * np.exp(0.05 * rng.normal(size=(400, 60)))
    boot = fit_data_law(curve, sigma=sigma, draws=draws).predict(sigma=[0.2, 5.0, 100.0])
    delta = fit_data_law(draws[0], sigma=sigma).predict(sigma=[0.2, 5.0, 100.0])
    np.testing.assert_allclose(
        np.log(delta.high / delta.low), np.log(boot.high / boot.low), rtol=0.4
    )


def test_estimate_from_draws():
    e = Estimate.from_draws(1.0, [np.nan, 0.0, 1.0, 2.0])
    assert (e.low, e.high) == pytest.approx((0.05, 1.95))
    assert e.std_error == pytest.approx(1.0)
    infinite = Estimate.from_draws(1.0, [0.0, 1.0, np.inf])
    assert infinite.high == np.inf
    assert np.isnan(Estimate.from_draws(1.0, [np.nan, 2.0]).low)


def test_reversals_need_to_beat_the_noise():
    x = np.array([1.0, 2.0, 4.0, 8.0])
    log_y = np.array([1.0, 0.0, 0.2, 0.4])
    rng = np.random.default_rng(1)
    assert worst_reversal(x, log_y, log_y + 0.05 * rng.normal(size=(100, 4))) == (1, 3)
    assert worst_reversal(x, log_y, log_y + 0.3 * rng.normal(size=(100, 4))) is None
    assert worst_reversal(x, log_y) is None  # four levels say nothing about their own noise
    order = np.array([3, 1, 0, 2])
    pair = worst_reversal(x[order], log_y[order], None)
    assert pair is None


def test_false_alarms_of_the_reversal_rule_are_rare():
    rng = np.random.default_rng(2)
    x = np.geomspace(1.0, 128.0, 8)
    alarms = 0
    for _ in range(300):
        log_y = rng.normal(scale=0.1, size=8)  # truth: flat
        alarms += worst_reversal(x, log_y, log_y + rng.normal(scale=0.1, size=(100, 8))) is not None
    assert alarms <= 18  # 2.5 % nominal (Bonferroni) → 7.5 expected at most


def test_a_fit_comes_back_from_json_and_predicts_the_same_bits():
    rng = np.random.default_rng(3)
    D = (1 + SIGMA**-0.7) * np.exp(0.05 * rng.normal(size=7))
    tasks = ["a"] * 7 + ["b"] * 7
    both, sigma = np.concatenate([D, 3 * D]), np.tile(SIGMA, 2)
    draws = both * np.exp(0.05 * rng.normal(size=(20, 14)))
    draws[0, 0] = np.inf
    for fit in (
        fit_data_law(D, sigma=SIGMA),
        fit_data_law(D, sigma=SIGMA, draws=draws[:, :7]),
        fit_data_law(both, sigma=sigma, tasks=tasks, draws=draws),
        fit_data_law(both, sigma=sigma, tasks=tasks, share="median", draws=draws),
    ):
        back = Fit.from_dict(json.loads(json.dumps(fit.to_dict(), allow_nan=False)))
        before, after = fit.predict(sigma=[0.3, 40.0]), back.predict(sigma=[0.3, 40.0])
        for name in ("value", "low", "high"):
            assert np.array_equal(getattr(before, name), getattr(after, name)), name
        assert str(back) == str(fit)


def test_one_task_of_a_fit_is_a_fit():
    D = np.concatenate([1 + SIGMA**-0.7, 3 * (1 + SIGMA**-0.7)])
    rng = np.random.default_rng(4)
    draws = D * np.exp(0.02 * rng.normal(size=(20, 14)))
    for share in ("exponents", "shape", "median", "nothing"):
        fit = fit_data_law(
            D, sigma=np.tile(SIGMA, 2), tasks=["a"] * 7 + ["b"] * 7, share=share, draws=draws
        )
        one = fit.of("b")
        whole = fit.predict(sigma=[2.0, 9.0])
        for name in ("value", "low", "high"):
            np.testing.assert_array_equal(getattr(one.predict(sigma=[2.0, 9.0]), name),
                                          getattr(whole, name)[1])  # fmt: skip
        assert one.parameters["d_min"].value == pytest.approx(3.0, rel=1e-5)
        assert one.parameters["sigma_amplitude"].value == pytest.approx(3.0, rel=1e-5)
