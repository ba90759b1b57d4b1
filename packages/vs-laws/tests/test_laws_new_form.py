"""A form that a user adds in one file is fitted, judged, predicted and stored like ours."""

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from vs_laws import FORMS, Fit, Form, Law, fit_data_law, register_form, solve_data_laws
from vs_laws.verdict import Verdict

FILE = Path(__file__).with_name("log_cross.py")
SIGMA, PARAMS = (
    v.ravel() for v in np.meshgrid([1.0, 2, 4, 8, 16], [2e5, 1e6, 5e6, 3e7], indexing="ij")
)
AT: dict[str, Any] = {"sigma": SIGMA, "critic_params": PARAMS}


@pytest.fixture
def log_cross() -> Iterator[Any]:
    """The module log_cross.py, its form registered for one test."""
    spec = importlib.util.spec_from_file_location("log_cross", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    register_form(module.FORM)
    yield module
    del FORMS["log_cross"], Law.kinds["LogCross"]


def truth(sigma, params):
    x, z = np.log(sigma), np.log(params)
    return np.exp(20.0 - 0.9 * x - 0.6 * z + 0.04 * x * z)


def test_it_is_one_file_of_about_forty_lines():
    assert sum(bool(line.strip()) for line in FILE.read_text().splitlines()) == 34


def test_it_is_fitted_with_intervals_by_the_textbook(log_cross):
    assert list(FORMS)[-1] == "log_cross"
    rng = np.random.default_rng(1)
    D = truth(SIGMA, PARAMS) * np.exp(0.05 * rng.normal(size=SIGMA.size))
    D[3] = np.inf
    weights = rng.uniform(0.5, 2.0, SIGMA.size)
    fit = fit_data_law(D, form="log_cross", weights=weights, **AT)
    assert isinstance(fit.law, log_cross.LogCross)
    used = np.isfinite(D)
    x, z, w = np.log(SIGMA[used]), np.log(PARAMS[used]), weights[used]
    design = np.stack([np.ones_like(x), x, z, x * z], axis=1)
    gram = np.linalg.inv(design.T @ (w[:, None] * design))
    beta = gram @ design.T @ (w * np.log(D[used]))
    residual = np.log(D[used]) - design @ beta
    dof = used.sum() - 4
    covariance = gram * (w @ residual**2) / dof
    names = ["constant", "sigma_slope", "critic_params_slope", "cross"]
    assert set(fit.parameters) == set(names)
    for k, name in enumerate(names):
        half = stats.t.ppf(0.975, dof) * np.sqrt(covariance[k, k])
        found = fit.parameters[name]
        assert (found.value, found.low, found.high) == pytest.approx(
            (beta[k], beta[k] - half, beta[k] + half), rel=1e-4
        )
    assert fit.loss == pytest.approx(w @ residual**2 / w.sum())
    assert (fit.n, fit.dof, fit.form) == (19, dof, "log_cross")
    assert fit.formula == "log D = linear in log sigma, log critic_params and their product"
    np.testing.assert_allclose(fit.residuals[used], residual, atol=1e-9)
    assert np.isnan(fit.residuals[3])
    band = fit.predict(sigma=3.0, critic_params=2e6)
    at = np.array([1.0, np.log(3), np.log(2e6), np.log(3) * np.log(2e6)])
    assert band.value == pytest.approx(np.exp(at @ beta))
    factor = np.exp(stats.t.ppf(0.975, dof) * np.sqrt(at @ covariance @ at))
    assert band.high / band.value == pytest.approx(factor, rel=1e-4)
    assert fit.verdict is Verdict.SUPPORTED
    assert set(fit.judgements) == {"sigma", "critic_params"}


def test_it_carries_bootstraps_and_comes_back_from_json(log_cross):
    rng = np.random.default_rng(2)
    D = truth(SIGMA, PARAMS)
    draws = D * np.exp(0.1 * rng.normal(size=(60, SIGMA.size)))
    draws[0, 5:] = np.nan
    draws[1, 3:] = np.nan  # three points do not determine four numbers
    fit = fit_data_law(D, form="log_cross", draws=draws, **AT)
    assert fit.parameters["cross"].value == pytest.approx(0.04, rel=1e-9)
    assert fit.bootstraps == 60
    law, loss = solve_data_laws(draws, form="log_cross", **AT)
    assert np.isnan(loss[1])
    assert np.isfinite(np.delete(loss, 1)).all()
    low, high = np.nanpercentile(law.cross, [2.5, 97.5])
    assert (fit.parameters["cross"].low, fit.parameters["cross"].high) == pytest.approx((low, high))
    back = Fit.from_dict(json.loads(json.dumps(fit.to_dict(), allow_nan=False)))
    assert isinstance(back.law, log_cross.LogCross)
    at: dict[str, Any] = {"sigma": [0.3, 40.0], "critic_params": [1e7, 1e4]}
    before, after = fit.predict(**at), back.predict(**at)
    for part in ("value", "low", "high"):
        assert np.array_equal(getattr(before, part), getattr(after, part))
    assert str(back) == str(fit)
    flat = fit_data_law(np.full(20, 5.0), form="log_cross", **AT, draws=draws / D * 5.0)
    assert flat.verdict is Verdict.FLAT


def test_each_task_may_have_its_own(log_cross):
    D = truth(SIGMA, PARAMS)
    both: dict[str, Any] = {name: np.tile(values, 2) for name, values in AT.items()}
    tasks = ["a"] * 20 + ["b"] * 20
    options: dict[str, Any] = {"form": "log_cross", "tasks": tasks, **both}
    fit = fit_data_law(np.concatenate([D, D**0.5]), share="nothing", **options)
    assert fit.parameters["cross[b]"].value == pytest.approx(0.02, rel=1e-9)
    one = fit.predict(sigma=3.0, critic_params=2e6, task="b").value
    assert one == pytest.approx(truth(3.0, 2e6) ** 0.5)


def test_what_it_cannot_do_is_one_sentence(log_cross):
    D, tasks = truth(SIGMA, PARAMS), ["a"] * 20
    refused: list[tuple[dict[str, Any], str]] = [
        ({"huber": 0.1}, "the log_cross form has no Huber loss"),
        ({"loss": "plain"}, "the log_cross form is a regression of log y: use loss='log'"),
        ({"tasks": tasks}, "the log_cross form has no exponents that tasks could share"),
    ]
    for options, sentence in refused:
        with pytest.raises(ValueError, match=sentence):
            fit_data_law(D, form="log_cross", **options, **AT)
    both: dict[str, Any] = {name: np.tile(places, 2) for name, places in AT.items()}
    pair: dict[str, Any] = {"tasks": ["a"] * 20 + ["b"] * 20, "share": "shape", **both}
    with pytest.raises(ValueError, match="tasks cannot share the shape of a LogCross"):
        fit_data_law(np.tile(D, 2), form="log_cross", **pair)
    with pytest.raises(ValueError, match="a form called 'log_cross' is registered already"):
        register_form(replace(log_cross.FORM))


@pytest.mark.parametrize("share", ["shape", "median"])
def test_one_task_has_nothing_to_share(log_cross, share):
    D = truth(SIGMA, PARAMS)
    alone = fit_data_law(D, form="log_cross", **AT)
    fit = fit_data_law(D, form="log_cross", tasks=["a"] * 20, share=share, **AT).of("a")
    for name, estimate in alone.parameters.items():
        assert fit.parameters[name].value == pytest.approx(estimate.value, rel=1e-12)


@dataclass(frozen=True)
class Decay(Law):
    """``D = size·exp(−rate·x)``: the scale has a name of its own."""

    size: Any
    rate: Any

    scaling = ("size",)

    def value(self, *x):
        """Return D over one axis."""
        return self.size * np.exp(-self.rate * x[0])


def decay(points, y, _weights, _log, _huber):
    """Fit complete rows of log D by a straight line."""
    rate, top = np.polyfit(points.x[:, 0], np.log(y).T, 1)
    gap = np.log(y) - top[:, None] - rate[:, None] * points.x[:, 0]
    law = Decay(np.exp(top)[:, None], -rate[:, None], axes=points.axes)
    return law, np.mean(gap**2, axis=1)


@pytest.fixture
def registered_decay():
    register_form(Form(name="decay", formula=str, solve=decay, parameters=lambda _axes: 2))
    yield
    del FORMS["decay"]


@pytest.mark.usefixtures("registered_decay")
@pytest.mark.parametrize("share", ["shape", "median"])
def test_tasks_share_the_shape_of_a_law_that_says_which_fields_scale(share):
    x = np.array([1.0, 2, 3, 5])
    sizes = {"a": 3.0, "b": 70.0}
    D = np.concatenate([size * np.exp(-0.4 * x) for size in sizes.values()])
    tasks = [task for task in sizes for _ in x]
    fit = fit_data_law(D, form="decay", tasks=tasks, share=share, x=np.tile(x, 2))
    assert fit.parameters["rate"].value == pytest.approx(0.4, rel=1e-9)
    for task, size in sizes.items():
        assert fit.parameters[f"size[{task}]"].value == pytest.approx(size, rel=1e-9)
        assert fit.of(task).predict(x=4.0).value == pytest.approx(size * np.exp(-1.6), rel=1e-9)


def test_it_is_gone_afterwards():
    assert "log_cross" not in FORMS
    with pytest.raises(
        ValueError, match=r"form must be one of additive, .*, nearest, got 'log_cross'"
    ):
        fit_data_law(truth(SIGMA, PARAMS), form="log_cross", **AT)
