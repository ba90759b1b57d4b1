"""Least compute under a limit on data and least data under a limit on compute, over σ and N."""

from typing import Any

import numpy as np
import pytest
from vs_laws import (
    BatchPower,
    BatchSurface,
    ProductSurface,
    SurfaceCompute,
    SurfaceLaw,
    Where,
    best_level,
    contour_optimum,
    least_surface_budget,
    least_surface_compute,
    least_surface_data,
)

BOX: dict[str, Any] = {"sigma_range": (0.1, 1e3), "params_range": (1e3, 1e9)}
LAW = SurfaceLaw(2e5, 1.5e5, 0.8, 4e7, 0.45)


def on_a_fine_grid(law, objective, limit, limited, box):
    sigma = np.geomspace(*box["sigma_range"], 1500)[:, None]
    params = np.geomspace(*box["params_range"], 1500)[None, :]
    cost = np.where(limited(sigma, params) <= limit, objective(sigma, params), np.inf)
    return float(cost.min())


@pytest.mark.parametrize("batch", [256.0, BatchPower(30.0, -0.4, 0.2)])
def test_least_compute_is_the_star_on_the_contour(batch):
    law = SurfaceCompute(LAW, batch)
    limits = np.array([2.6e5, 4e5, 9e5])
    found = least_surface_compute(law, limits, **BOX)
    sigma, params = contour_optimum(law, limits)
    np.testing.assert_allclose(found.sigma, sigma, rtol=1e-5)
    np.testing.assert_allclose(found.critic_params, params, rtol=1e-5)
    np.testing.assert_allclose(found.data, limits, rtol=1e-5)
    assert np.all(found.data <= limits)
    assert list(found.where) == [Where.CONSTRAINT] * 3
    assert np.isnan(found.budget).all()
    priced = least_surface_compute(law, limits, **BOX, delta=1e11)
    np.testing.assert_allclose(priced.budget, priced.compute + 1e11 * priced.data)
    back = least_surface_data(law, found.compute, **BOX)  # the same point of the front
    np.testing.assert_allclose(back.data, limits, rtol=1e-5)
    np.testing.assert_allclose(back.critic_params, params, rtol=1e-4)
    assert np.all(back.compute <= found.compute)


@pytest.mark.parametrize(
    "law",
    [
        SurfaceCompute(LAW, BatchSurface(800.0, 0.4, 1.2e6, 0.9), passive_params=1e5),
        SurfaceCompute(ProductSurface(2e6, 0.2, 0.7, 0.1, 0.45, 1.0, 2e5), 256.0),
    ],
)
def test_without_a_closed_form_it_equals_brute_force(law):
    box: dict[str, Any] = {"sigma_range": (0.5, 32.0), "params_range": (5e4, 4e7)}
    corner = float(law.data(32.0, 4e7))
    for factor in (1.02, 1.3, 2.0):
        limit = factor * corner
        found = least_surface_compute(law, limit, **box)
        exact = on_a_fine_grid(law, law, limit, law.data, box)
        assert found.data <= limit
        assert found.compute == pytest.approx(exact, rel=1e-2)
        assert found.compute <= exact * (1 + 1e-5)
        other = least_surface_data(law, float(found.compute), **box)
        assert other.data == pytest.approx(found.data, rel=1e-4)


def test_a_limit_that_does_not_bind_and_one_that_cannot_be_met():
    box: dict[str, Any] = {"sigma_range": (1.0, 8.0), "params_range": (2e5, 1e7)}
    law = SurfaceCompute(LAW, 256.0)
    loose = least_surface_compute(law, [1e9, 1.0], **box)
    cheapest = least_surface_budget(law, 1e-3, **box, within_data=True)
    assert loose.sigma[0] == pytest.approx(cheapest.sigma)
    assert loose.critic_params[0] == pytest.approx(cheapest.critic_params)
    assert list(loose.where) == [Where.EDGE, Where.INFEASIBLE]
    assert np.isnan([loose.sigma[1], loose.critic_params[1], loose.data[1]]).all()
    rich = least_surface_data(law, [1e30, 1.0], **box)
    assert (rich.sigma[0], rich.critic_params[0]) == pytest.approx((8.0, 1e7))
    assert list(rich.where) == [Where.EDGE, Where.INFEASIBLE]
    with pytest.raises(ValueError, match="max_data must be positive"):
        least_surface_compute(law, -1.0, **box)
    with pytest.raises(ValueError, match="delta must be positive"):
        least_surface_data(law, 1e18, **box, delta=0.0)


def test_limits_of_bootstraps_are_solved_one_by_one():
    floors = np.array([[1e5], [2e5], [3e5]])
    law = SurfaceCompute(SurfaceLaw(floors, 1.5e5, 0.8, 4e7, 0.45), 256.0)
    found = least_surface_compute(law, 4e5, **BOX)
    assert found.sigma.shape == (3, 1)
    for k, floor in enumerate(floors.ravel()):
        alone = SurfaceCompute(SurfaceLaw(floor, 1.5e5, 0.8, 4e7, 0.45), 256.0)
        assert found.sigma[k, 0] == pytest.approx(float(contour_optimum(alone, 4e5)[0]), rel=1e-5)


def test_best_level_follows_model_size_along_the_budget():
    levels = np.array([1.0, 2.0, 3.0])
    law = SurfaceCompute(SurfaceLaw(2e5 * levels, 1.5e5, 0.8, 4e7 * levels**2, 0.45), 256.0)
    optimum = least_surface_budget(law, 1e11, sigma_range=(0.1, 1e3), params_range=(1e3, 1e9))
    found = best_level(levels, optimum, optimum.budget, delta=1e11)
    np.testing.assert_allclose(found.level, levels)
    np.testing.assert_allclose(found.sigma, optimum.sigma)
    np.testing.assert_allclose(found.critic_params, optimum.critic_params)
    np.testing.assert_allclose(found.compute, optimum.compute)
    middle = best_level(levels, optimum, np.sqrt(optimum.budget[0] * optimum.budget[1]), delta=1e11)
    expected = np.sqrt(optimum.critic_params[0] * optimum.critic_params[1])
    assert middle.critic_params == pytest.approx(expected)
