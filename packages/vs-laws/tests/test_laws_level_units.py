"""Units, order of runs and order of axes: a law of all levels does not depend on them."""

from typing import Any

import numpy as np
import pytest
from vs_laws import Measured, fit_level_law, standing, trend

LEVELS = [300.0, 500.0, 800.0]
ASKED: dict[str, Any] = {
    "level": [350.0, 800.0, 900.0],
    "sigma": [0.5, 3.0, 16.0],
    "width": [300.0, 90.0, 5e3],
}


@pytest.fixture(scope="module")
def arguments():
    """Nine runs, one of them censored, with noise, spacing and last steps by run."""
    rng = np.random.default_rng(0)
    sigma, width = (v.ravel() for v in np.meshgrid([1.0, 2, 8], [64.0, 256, 512], indexing="ij"))
    log = 11 + np.log(1 + sigma**-0.6 + (width / 128) ** -0.5)[:, None] + [[0.0, 0.4, 0.9]]
    data = np.exp(log + 0.06 * rng.normal(size=log.shape))
    data[0, 1:] = np.inf
    return {
        "data": data,
        "draws": data * np.exp(0.05 * rng.normal(size=(30, 9, 1))),
        "seeds": rng.integers(2, 8, 9),
        "spacing": rng.uniform(1e3, 2e4, 9),
        "last_step": rng.uniform(1.5, 2.0, 9) * 1.5e5,
        "sigma": sigma,
        "width": width,
    }


def fitted(arguments):
    rest = dict(arguments)
    return fit_level_law(Measured.of(rest.pop("data"), LEVELS, **rest))


@pytest.fixture(scope="module")
def base(arguments):
    return fitted(arguments)


def same(one, other, *, factor=1.0):
    np.testing.assert_allclose(other.value, factor * one.value, rtol=2e-6)
    np.testing.assert_allclose(other.log_sd, one.log_sd, rtol=2e-6)
    np.testing.assert_allclose(other.surface_sd, one.surface_sd, rtol=2e-6)
    np.testing.assert_array_equal(other.extrapolated, one.extrapolated)


def same_statements(one, other):
    for name in ("rms", "nearest", "constant", "inflate", "n"):
        np.testing.assert_allclose(
            getattr(standing(one), name), getattr(standing(other), name), rtol=1e-5
        )
    for axis in ("sigma", "width"):
        first, second = trend(one, axis), trend(other, axis)
        np.testing.assert_allclose(
            [first.change, first.low, first.high], [second.change, second.low, second.high],
            rtol=1e-4,
        )  # fmt: skip
        assert first.judgement.verdict == second.judgement.verdict


@pytest.mark.parametrize("factor", [1e-3, 4.0, 1e6])
def test_unit_of_data_is_that_of_predictions(arguments, base, factor):
    steps = ("data", "draws", "spacing", "last_step")
    scaled = fitted(arguments | {name: factor * arguments[name] for name in steps})
    same(base.predict(**ASKED), scaled.predict(**ASKED), factor=factor)
    same_statements(base, scaled)


@pytest.mark.parametrize("factor", [1e-6, 4.0, 1e3])
@pytest.mark.parametrize("axis", ["sigma", "width"])
def test_unit_of_places_does_not_matter(arguments, base, axis, factor):
    scaled = fitted(arguments | {axis: factor * arguments[axis]})
    asked: dict[str, Any] = ASKED | {axis: factor * np.array(ASKED[axis])}
    same(base.predict(**ASKED), scaled.predict(**asked))
    same_statements(base, scaled)


def test_levels_may_be_shifted_and_stretched(arguments, base):
    rest = dict(arguments)
    moved = fit_level_law(Measured.of(rest.pop("data"), 2.0 * np.array(LEVELS) - 600.0, **rest))
    asked: dict[str, Any] = ASKED | {"level": 2.0 * np.array(ASKED["level"]) - 600.0}
    same(base.predict(**ASKED), moved.predict(**asked))


def test_order_of_runs_does_not_matter(arguments, base):
    order = np.random.default_rng(1).permutation(9)
    turned = {
        name: values[:, order] if name == "draws" else values[order]
        for name, values in arguments.items()
    }
    again = fitted(turned)
    same(base.predict(**ASKED), again.predict(**ASKED))
    same_statements(base, again)


def test_order_of_axes_does_not_matter(arguments, base):
    turned = dict(arguments)
    turned["sigma"] = turned.pop("sigma")
    again = fitted(turned)
    assert again.axes == base.axes[::-1]
    same(base.predict(**ASKED), again.predict(**ASKED))
    same_statements(base, again)
