"""Laws as values: their formulas, axes held at a value, bootstraps and levels in one object."""

import json
from typing import Any

import numpy as np
import pytest
from vs_laws import (
    BatchLaw,
    DataLaw,
    Fit,
    Law,
    LogQuadratic,
    NearestRun,
    PowerLaw,
    ProductLaw,
    fit_data_law,
)
from vs_laws.law import stack

AXES = ("sigma", "critic_params", "depth")
AT: dict[str, Any] = {
    "sigma": np.array([0.5, 3.0, 40.0]),
    "critic_params": np.array([2e5, 3e6, 9e7]),
    "depth": 2.0,
}
S, N, H = AT["sigma"], AT["critic_params"], 2.0

LAWS = {
    "power": (
        PowerLaw(7.0, [-0.4, 0.3, 1.1], axes=AXES),
        7.0 * S**-0.4 * N**0.3 * H**1.1,
    ),
    "data": (
        DataLaw(2e5, [1.5e5, 4e7, 3e4], [0.8, 0.45, 1.2], axes=AXES),
        2e5 + 1.5e5 * S**-0.8 + 4e7 * N**-0.45 + 3e4 * H**-1.2,
    ),
    "product": (
        ProductLaw(9e5, [0.3, 0.4, 0.9], [0.8, 0.6, 2.0], [1.0, 2e5, 3.0], axes=AXES),
        9e5 * (0.3 + 0.7 * S**-0.8) * (0.4 + 0.6 * (N / 2e5) ** -0.6) * (0.9 + 0.1 * (H / 3) ** -2.0),
    ),
    "quadratic": (
        LogQuadratic(3.0, [0.1, -0.2, 0.3], [0.01, 0.02, 0.03, -0.01, 0.05, 0.06], axes=AXES),
        np.exp(
            3.0 + 0.1 * np.log(S) - 0.2 * np.log(N) + 0.3 * np.log(H) + 0.01 * np.log(S) ** 2
            + 0.02 * np.log(S) * np.log(N) + 0.03 * np.log(S) * np.log(H) - 0.01 * np.log(N) ** 2
            + 0.05 * np.log(N) * np.log(H) + 0.06 * np.log(H) ** 2
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAWS)
def test_formulas_by_hand(name):
    law, expected = LAWS[name]
    np.testing.assert_allclose(law(**AT), expected, rtol=1e-12)
    back = Law.from_dict(json.loads(json.dumps(law.to_dict(), allow_nan=False)))
    assert np.array_equal(back(**AT), law(**AT))
    with pytest.raises(TypeError, match="a law over sigma, critic_params, depth, got sigma, utd"):
        law(sigma=1.0, utd=2.0)


def test_the_batch_law_by_hand():
    law = BatchLaw(1600.0, -0.4, 9e5, 1.2, axes=AXES[:2])
    expected = 1600 * S**-0.4 / (1 + (9e5 / N) ** 1.2)
    np.testing.assert_allclose(law(sigma=S, critic_params=N), expected, rtol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_an_axis_held_is_the_law_there(name):
    law = LAWS[name][0]
    every: list[dict[str, Any]] = [{"depth": 5.0}, {"critic_params": 1e6, "depth": 5.0}]
    for held in every:
        rest = law.hold(**held)
        free: dict[str, Any] = {axis: AT[axis] for axis in rest.axes}
        np.testing.assert_allclose(rest(**free), law(**free, **held), rtol=1e-12)
        assert rest.axes == tuple(axis for axis in AXES if axis not in held)
    with pytest.raises(ValueError, match="cannot hold utd: the law is over sigma"):
        law.hold(utd=2.0)


def test_terms_held_join_the_floor_and_the_coefficient():
    held = LAWS["data"][0].hold(critic_params=1e6, depth=4.0)
    assert isinstance(held, DataLaw)
    assert float(held.d_min) == pytest.approx(2e5 + 4e7 * 1e6**-0.45 + 3e4 * 4.0**-1.2)
    assert (held.amplitude[0], held.exponent[0]) == (1.5e5, 0.8)
    power = LAWS["power"][0].hold(sigma=2.0, depth=3.0)
    assert isinstance(power, PowerLaw)
    assert float(power.coefficient) == pytest.approx(7.0 * 2.0**-0.4 * 3.0**1.1)
    assert power.exponent == pytest.approx([0.3])


def test_a_bootstrap_is_held_row_by_row():
    rng = np.random.default_rng(0)
    draws = DataLaw(
        rng.uniform(1, 2, (9, 1)), rng.uniform(1, 2, (9, 1, 2)), rng.uniform(0.3, 1, (9, 1, 2)),
        axes=("a", "b"),
    )  # fmt: skip
    places = np.array([0.5, 4.0])
    rest = draws.hold(b=3.0)(a=places)
    assert rest.shape == (9, 2)
    np.testing.assert_allclose(rest, draws(a=places, b=3.0), rtol=1e-12)
    one = draws.at((4, 0))
    np.testing.assert_allclose(rest[4], one.hold(b=3.0)(a=places), rtol=1e-12)
    levels = stack([draws.at((k, 0)) for k in range(3)], join=0)
    np.testing.assert_allclose(levels(a=2.0, b=3.0), draws(a=2.0, b=3.0)[:3, 0], rtol=1e-12)
    beside = stack([draws, draws], join=1)
    assert beside(a=2.0, b=3.0).shape == (9, 2)


def test_the_nearest_run_is_that_in_the_logarithms_of_all_axes():
    rng = np.random.default_rng(3)
    places = np.exp(rng.normal(size=(15, 3)))
    data = rng.uniform(1, 9, 15)
    data[4] = np.inf
    law = NearestRun(data, places, axes=AXES)
    asked = np.exp(rng.normal(size=(20, 3)))
    distance = ((np.log(asked)[:, None] - np.log(places)) ** 2).sum(axis=2)
    distance[:, 4] = np.inf
    at: dict[str, Any] = dict(zip(AXES, asked.T, strict=True))
    runs: dict[str, Any] = dict(zip(AXES, places.T, strict=True))
    found = law(**at)
    np.testing.assert_allclose(found, data[distance.argmin(axis=1)])
    # halfway between two runs: their geometric mean
    pair = NearestRun([2.0, 8.0], [[1.0], [4.0]], axes=("sigma",))
    assert float(pair(sigma=2.0)) == pytest.approx(4.0)
    fit = fit_data_law(data, form="nearest", **runs)
    np.testing.assert_allclose(fit.predict(**at).value, found)
    back = Fit.from_dict(json.loads(json.dumps(fit.to_dict(), allow_nan=False)))
    assert np.array_equal(back.predict(**at).value, found)
    assert not fit.supported


def test_fields_must_have_an_entry_for_every_axis():
    with pytest.raises(
        ValueError, match=r"DataLaw.amplitude has shape \(1,\); .* for sigma, critic"
    ):
        DataLaw(1.0, [2.0], [0.5, 0.5], axes=AXES[:2])
    with pytest.raises(ValueError, match="no law is called 'Cubic'"):
        Law.from_dict({"law": "Cubic", "axes": ["x"]})
    with pytest.raises(ValueError, match="PowerLaw lacks exponent"):
        Law.from_dict({"law": "PowerLaw", "axes": ["x"], "coefficient": 1.0})
