from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from vs_laws import (
    BatchPower,
    BatchSurface,
    SurfaceCompute,
    SurfaceLaw,
    Where,
    contour,
    contour_optimum,
    fit_batch_surface,
    fit_surface_budget_laws,
    flops_per_step,
    least_surface_budget,
    single_axis,
)

DELTA = 1e11
RANGES: dict[str, Any] = {"sigma_range": (1.0, 8.0), "params_range": (2e5, 4e7)}
LAW = SurfaceLaw(2e5, 1.5e5, 0.8, 4e7, 0.45)


def random_laws(rng, m):
    beta = rng.uniform(0.2, 3.0, m)
    floor = np.exp(rng.uniform(11, 14, m)) * (rng.uniform(size=m) > 0.2)
    size = np.exp(rng.uniform(11, 13, m)) * 1e6**beta
    return SurfaceLaw(floor, np.exp(rng.uniform(11, 13, m)), rng.uniform(0.2, 3, m), size, beta)


@pytest.mark.parametrize("batch", [256.0, BatchPower(30.0, -0.4, 0.2)])
def test_closed_form_equals_the_search(batch):
    law = SurfaceCompute(random_laws(np.random.default_rng(0), 20), batch)
    exact = least_surface_budget(law, DELTA, **RANGES)
    search = least_surface_budget(law, DELTA, **RANGES, numerical=True)
    np.testing.assert_allclose(exact.sigma, search.sigma, rtol=1e-6)
    np.testing.assert_allclose(exact.critic_params, search.critic_params, rtol=1e-6)
    assert np.all(exact.budget <= search.budget * (1 + 1e-12))
    assert list(exact.where) == list(search.where)


def test_closed_form_is_the_papers():
    law = SurfaceCompute(LAW, 256.0)
    data = 6e5
    sigma, params = contour_optimum(law, data)
    a, b, excess = 1.5e5 ** (1 / 0.8), 4e7 ** (1 / 0.45), data - 2e5
    assert sigma == pytest.approx(a * ((1 + 0.8 / 0.45) / excess) ** (1 / 0.8))
    assert params == pytest.approx(b * ((1 + 0.45 / 0.8) / excess) ** (1 / 0.45))
    assert LAW(sigma, params) == pytest.approx(data)
    assert contour(LAW, data, sigma) == pytest.approx(params)
    along = np.geomspace(0.6, 60, 2001) * sigma
    cost = law(along, contour(LAW, data, along))
    assert np.nanmin(cost) >= law(sigma, params) * (1 - 1e-12)
    with pytest.raises(ValueError, match="additive data law"):
        contour_optimum(SurfaceCompute(LAW, 256.0, actor_params=1e5), data)


@pytest.mark.parametrize(
    "law",
    [
        SurfaceCompute(LAW, BatchSurface(1200.0, -0.4, 3e6, 0.6)),
        SurfaceCompute(LAW, 256.0, actor_params=4e5, passive_params=1e6),
        SurfaceCompute(LAW, 256.0, actor_params=4e5, actor_updates="critic_update"),
    ],
)
def test_search_agrees_with_scipy(law):
    def cost(t):
        sigma, params = np.exp(t)
        return np.log(law(sigma, params) + DELTA * law.data(sigma, params))

    options = {"xatol": 1e-10, "fatol": 1e-15}
    other = min(
        (
            minimize(cost, np.log(start), method="Nelder-Mead", options=options)
            for start in ((0.5, 3e5), (0.5, 1e7), (4.0, 3e5), (4.0, 1e7))
        ),
        key=lambda r: r.fun,
    )
    found = least_surface_budget(law, DELTA, **RANGES)
    np.testing.assert_allclose([found.sigma, found.critic_params], np.exp(other.x), rtol=1e-6)


def test_edges_are_flagged():
    inside = least_surface_budget(SurfaceCompute(LAW, 256.0), DELTA, **RANGES)
    assert inside.where.item() == Where.INTERIOR
    assert inside.edges.item() == ""
    narrow: dict[str, Any] = {"sigma_range": (1e-3, 0.1), "params_range": (2e5, 4e7)}
    outside = least_surface_budget(SurfaceCompute(LAW, 256.0), DELTA, **narrow)
    assert outside.where.item() == Where.BEYOND
    assert outside.edges.item() == "sigma"
    assert outside.sigma == pytest.approx(inside.sigma)
    held = least_surface_budget(SurfaceCompute(LAW, 256.0), DELTA, **narrow, within_data=True)
    assert held.where.item() == Where.EDGE
    assert held.sigma == pytest.approx(0.1)
    assert held.budget > outside.budget
    # without a term in σ, the fewest updates are best, and N solves the rest
    flat = SurfaceLaw(2e5, 0.0, 1.0, 4e7, 0.45)
    found = least_surface_budget(SurfaceCompute(flat, 256.0), DELTA, **RANGES)
    assert found.where.item() == Where.EDGE
    assert (found.sigma.item(), found.edges.item()) == (pytest.approx(1.0), "sigma")
    n = np.geomspace(2e5, 4e7, 4001)
    best = n[np.argmin((10 * n * 256 + DELTA) * flat(1.0, n))]
    assert found.critic_params == pytest.approx(best, rel=5e-3)


def test_flops():
    assert flops_per_step(2.0, 1e6, batch_size=256) == pytest.approx(10 * 1e6 * 256 * 2)
    actor = flops_per_step(2.0, 1e6, batch_size=256, actor_params=1e5)
    assert actor == pytest.approx(256 * (2e7 + 12e5))
    every = flops_per_step(
        2.0, 1e6, batch_size=256, actor_params=1e5, actor_updates="critic_update"
    )
    assert every == pytest.approx(256 * (2e7 + 24e5))
    passive = flops_per_step(2.0, 1e6, batch_size=256, passive_params=1e5)
    assert passive == pytest.approx(256 * (2e7 + 12e5))
    law = BatchSurface(1000.0, -0.5, 1e6, 1.0)
    assert flops_per_step(4.0, 1e6, batch_size=law) == pytest.approx(10 * 1e6 * 4 * 250)
    with pytest.raises(ValueError, match="critic_params must be positive"):
        flops_per_step(1.0, 0.0, batch_size=256)
    never: Any = "never"
    with pytest.raises(ValueError, match="actor_updates"):
        flops_per_step(1.0, 1.0, batch_size=256, actor_updates=never)


def path(levels):
    """Laws whose terms grow with the level at different rates, so that the optima move."""
    growth = np.exp(levels / 200.0)
    return SurfaceLaw(2e5 * growth, 1.5e5 * growth**1.6, 0.8, 4e7 * growth**0.7, 0.45)


def test_path_and_held_out_levels():
    levels = np.linspace(100, 400, 12)
    law = SurfaceCompute(path(levels), 256.0)
    rng = np.random.default_rng(0)
    several = path(levels)
    jitter = np.exp(0.02 * rng.normal(size=(30, 1)))
    drawn = SurfaceCompute(
        SurfaceLaw(several.d_min * jitter, several.sigma_amplitude * jitter[::-1],
                   0.8 * np.ones((30, 12)), several.params_amplitude * np.ones((30, 1)), 0.45),
        256.0,
    )  # fmt: skip
    laws = fit_surface_budget_laws(levels, law, DELTA, **RANGES, hold_out=3, samples=drawn)
    assert laws.held_out.tolist() == [False] * 9 + [True] * 3
    direct = least_surface_budget(law, DELTA, **RANGES)
    np.testing.assert_allclose(laws.checks["data"].actual, direct.data[9:])
    assert np.abs(laws.checks["data"].relative_error).max() < 0.05
    used = slice(0, 9)
    slope = np.polyfit(np.log(direct.budget[used]), np.log(direct.critic_params[used]), 1)[0]
    assert laws.fits["critic_params"].parameters["exponent"].value == pytest.approx(slope)
    slope = np.polyfit(np.log(direct.critic_params[used]), np.log(direct.sigma[used]), 1)[0]
    assert laws.sigma_of_params.parameters["exponent"].value == pytest.approx(slope)
    growth = laws.growth
    assert growth.factors["data"] == pytest.approx(10 ** growth.elasticities["data"].value)
    assert "ten times the budget" in growth.sentence
    assert growth.to_dict()["sentence"] == growth.sentence
    with pytest.raises(ValueError, match="fewer than two"):
        fit_surface_budget_laws(levels, law, DELTA, **RANGES, hold_out=11)


def test_one_axis_costs_more_than_two():
    levels = np.linspace(100, 400, 5)
    law = SurfaceCompute(path(levels), 256.0)
    both = least_surface_budget(law, DELTA, **RANGES)
    at = {"sigma": float(both.critic_params[2]), "critic_params": float(both.sigma[2])}
    for axis, span in (("sigma", (1.0, 8.0)), ("critic_params", (2e5, 4e7))):
        one = single_axis(law, DELTA, both, axis=axis, fixed=at[axis], value_range=span)
        # level 2 is fixed at its own optimum: nothing is lost there, something elsewhere
        for ratio in (one.data_ratio, one.compute_ratio, one.budget_ratio):
            assert ratio[2] == pytest.approx(1.0, abs=1e-4)
            assert np.all(np.delete(ratio, 2) > 1.0 + 1e-5)
        # brute force of the least data with no more compute
        t = np.geomspace(span[0] / 100, span[1] * 100, 200_001)
        point = (t, at[axis]) if axis == "sigma" else (at[axis], t)
        single = SurfaceCompute(
            SurfaceLaw(*(np.ravel(v)[-1] for v in vars(path(levels)).values())), 256.0
        )
        steps, flops = single.data(*point), single(*point)
        allowed = flops <= both.compute[-1]
        least = steps[allowed].min() / both.data[-1] if allowed.any() else np.inf
        assert one.data_ratio[-1] == pytest.approx(least, rel=1e-3)
    unknown: Any = "B"
    with pytest.raises(ValueError, match="axis must be"):
        single_axis(law, DELTA, both, axis=unknown, fixed=1.0, value_range=(1, 8))


def test_an_axis_that_does_not_matter_is_held_alike_alone_and_together():
    law = SurfaceCompute(SurfaceLaw(2e5, np.array([1.5e5, 3e5]), 0.8, 0.0, 0.45), 256.0)
    both = least_surface_budget(law, DELTA, **RANGES)
    assert both.critic_params == pytest.approx(2e5)  # N runs away to the end of its range
    for fixed in (both.sigma[0], 3.0):
        alone = single_axis(
            law, DELTA, both, axis="critic_params", fixed=float(fixed), value_range=(2e5, 4e7)
        )
        assert alone.value == pytest.approx(2e5)
        assert np.all(alone.edge)
        assert np.all(alone.budget_ratio >= 1 - 1e-9)
        assert np.all(alone.data_ratio >= 1 - 1e-6)
        if fixed != 3.0:
            assert alone.budget_ratio[0] == pytest.approx(1.0)


GRID = np.meshgrid([1.0, 2, 4, 8], [1.8e5, 6e5, 2.3e6, 8.8e6, 3.4e7], indexing="ij")
SIGMA, PARAMS = (v.ravel() for v in GRID)


def test_batch_law_finds_its_asymptote_or_says_there_is_none():
    rng = np.random.default_rng(4)
    noise = np.exp(0.02 * rng.normal(size=SIGMA.size))
    truth = BatchSurface(1600.0, -0.4, 9e5, 1.2)
    found = fit_batch_surface(SIGMA, PARAMS, truth(SIGMA, PARAMS))
    for name, value in vars(truth).items():
        assert found.parameters[name].value == pytest.approx(value, rel=1e-5)
    noisy = fit_batch_surface(SIGMA, PARAMS, truth(SIGMA, PARAMS) * noise)
    assert isinstance(noisy.law, BatchSurface)
    assert noisy.parameters["params_scale"].low < 9e5 < noisy.parameters["params_scale"].high
    power = fit_batch_surface(SIGMA, PARAMS, BatchPower(0.1, -0.4, 0.5)(SIGMA, PARAMS) * noise)
    assert isinstance(power.law, BatchPower)
    assert "params_scale" not in power.parameters
    assert any("no asymptote in N" in note for note in power.notes)
    assert power.parameters["params_power"].value == pytest.approx(0.5, abs=0.02)
    pure = fit_batch_surface(SIGMA, PARAMS, 500 * SIGMA**-0.4 * noise)
    assert pure.name == "sigma"
    assert pure.parameters["sigma_power"].value == pytest.approx(-0.4, abs=0.03)
    boot = truth(SIGMA, PARAMS) * np.exp(0.05 * rng.normal(size=(40, SIGMA.size)))
    drawn = fit_batch_surface(SIGMA, PARAMS, truth(SIGMA, PARAMS), samples=boot)
    assert drawn.bootstraps == 40
    point = drawn.predict(4.0, 1e8)
    assert point.low < truth(4.0, 1e8) < point.high


def test_batch_law_reaches_the_optimum_of_many_starts():
    rng = np.random.default_rng(7)
    for k in range(4):
        B = BatchSurface(1600.0, -0.4, 9e5, 0.8)(SIGMA, PARAMS) * np.exp(0.3 * rng.normal(size=20))

        def loss(t):
            law = BatchSurface(
                np.exp(min(t[0], 500.0)), t[1], np.exp(min(t[2], 50.0)), np.exp(t[3])
            )
            with np.errstate(over="ignore", invalid="ignore"):
                return np.mean((np.log(B) - np.log(law(SIGMA, PARAMS))) ** 2)  # noqa: B023

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
        assert fit_batch_surface(SIGMA, PARAMS, B, form="asymptote").loss <= best * (1 + 1e-9), k


def test_batch_sizes_that_are_an_exact_power_law_fit_every_form_without_a_warning():
    for batch_size in (500 * SIGMA**-0.4, 0.1 * SIGMA**-0.4 * PARAMS**0.5):
        for form in ("power", "asymptote", None):
            fit = fit_batch_surface(SIGMA, PARAMS, batch_size, form=form)
            assert fit.law(SIGMA, PARAMS) == pytest.approx(batch_size, rel=1e-3)
