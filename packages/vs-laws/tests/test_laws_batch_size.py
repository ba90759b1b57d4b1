import numpy as np
import pytest
from scipy.optimize import minimize
from vs_laws import BatchLaw, PowerLaw, fit_batch_size

BOTH = ("sigma", "critic_params")
GRID = np.meshgrid([1.0, 2, 4, 8], [1.8e5, 6e5, 2.3e6, 8.8e6, 3.4e7], indexing="ij")
SIGMA, PARAMS = (v.ravel() for v in GRID)
AT = {"sigma": SIGMA, "critic_params": PARAMS}


def test_batch_law_finds_its_asymptote_or_says_there_is_none():
    rng = np.random.default_rng(4)
    noise = np.exp(0.02 * rng.normal(size=SIGMA.size))
    truth = BatchLaw(1600.0, -0.4, 9e5, 1.2, axes=BOTH)
    found = fit_batch_size(truth(**AT), **AT)
    for name, value in truth.parameters().items():
        assert found.parameters[name].value == pytest.approx(float(value), rel=1e-5)
    noisy = fit_batch_size(truth(**AT) * noise, **AT)
    assert isinstance(noisy.law, BatchLaw)
    assert noisy.parameters["scale"].low < 9e5 < noisy.parameters["scale"].high
    rising = PowerLaw(0.1, [-0.4, 0.5], axes=BOTH)
    power = fit_batch_size(rising(**AT) * noise, **AT)
    assert isinstance(power.law, PowerLaw)
    assert "scale" not in power.parameters
    assert any("no asymptote in critic_params" in note for note in power.notes)
    exponent = power.parameters["critic_params_exponent"].value
    assert exponent == pytest.approx(0.5, abs=0.02)
    pure = fit_batch_size(500 * SIGMA**-0.4 * noise, **AT)
    assert pure.form == "sigma"
    assert pure.parameters["sigma_exponent"].value == pytest.approx(-0.4, abs=0.03)
    boot = truth(**AT) * np.exp(0.05 * rng.normal(size=(40, SIGMA.size)))
    drawn = fit_batch_size(truth(**AT), draws=boot, **AT)
    assert drawn.bootstraps == 40
    point = drawn.predict(sigma=4.0, critic_params=1e8)
    assert point.low < truth(sigma=4.0, critic_params=1e8) < point.high


def test_batch_law_reaches_the_optimum_of_many_starts():
    rng = np.random.default_rng(7)
    for k in range(4):
        B = BatchLaw(1600.0, -0.4, 9e5, 0.8, axes=BOTH)(**AT) * np.exp(0.3 * rng.normal(size=20))

        def loss(t):
            law = BatchLaw(
                np.exp(min(t[0], 500.0)), t[1], np.exp(min(t[2], 50.0)), np.exp(t[3]), axes=BOTH
            )
            with np.errstate(over="ignore", invalid="ignore"):
                return np.mean((np.log(B) - np.log(law(**AT))) ** 2)  # noqa: B023

        starts = np.column_stack(
            [
                rng.normal(6, 1, 20),
                rng.normal(0, 0.5, 20),
                rng.uniform(8, 20, 20),
                rng.uniform(-2, 2, 20),
            ]
        )
        bounds = [(None, None), (-10, 10), (None, None), tuple(np.log([0.01, 10]))]
        best = min(minimize(loss, s, method="L-BFGS-B", bounds=bounds).fun for s in starts)
        assert fit_batch_size(B, form="asymptote", **AT).loss <= best * (1 + 1e-9), k


def test_batch_sizes_that_are_an_exact_power_law_fit_every_form_without_a_warning():
    for batch_size in (500 * SIGMA**-0.4, 0.1 * SIGMA**-0.4 * PARAMS**0.5):
        for form in ("power", "asymptote", None):
            fit = fit_batch_size(batch_size, form=form, **AT)
            assert fit.law(**AT) == pytest.approx(batch_size, rel=1e-3)


def test_a_form_without_the_second_axis_is_judged_with_it_controlled_for():
    """Between two places N differs as well as σ: a rise along σ that N explains is none."""
    rng = np.random.default_rng(0)
    size = np.where(np.arange(SIGMA.size) % 2 == 0, 0.5, 2.0) * PARAMS**0.2
    batch = 30 * SIGMA**-0.5 * size
    draws = batch * np.exp(0.02 * rng.normal(size=(40, SIGMA.size)))
    fit = fit_batch_size(batch, form="sigma", draws=draws, **AT)
    power = fit_batch_size(batch, form="power", draws=draws, **AT)
    assert fit.supported
    assert fit.judgements["sigma"] == power.judgements["sigma"]
    assert fit.judgements["critic_params"].reason == "critic_params is not in this form"


def test_one_axis_is_a_power_law_and_three_are_refused():
    fit = fit_batch_size([512.0, 256.0, 181.0, 90.5], sigma=[1.0, 4.0, 8.0, 32.0])
    assert fit.form == "power"
    assert fit.parameters["sigma_exponent"].value == pytest.approx(-0.5, abs=1e-3)
    with pytest.raises(ValueError, match="one axis or two, got 3"):
        fit_batch_size(SIGMA, **AT, depth=SIGMA)
    with pytest.raises(ValueError, match="needs five known points, two distinct sigma"):
        fit_batch_size(SIGMA[::6], sigma=SIGMA[::6], critic_params=PARAMS[::6])
    with pytest.raises(ValueError, match="form must be one of sigma, power, asymptote or None"):
        fit_batch_size(SIGMA, form="cubic", **AT)  # ty: ignore[invalid-argument-type]
