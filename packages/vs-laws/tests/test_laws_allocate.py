from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from vs_laws import (
    DataLaw,
    Fit,
    LogQuadratic,
    NearestRun,
    PowerLaw,
    ProductLaw,
    Verdict,
    fit_batch_size,
    fit_data_law,
)
from vs_laws.allocate import Where, allocate
from vs_laws.cost import Cost

SIGMA, BOTH = ("sigma",), ("sigma", "critic_params")
DELTA = 1e11
RANGES = {"sigma": (1.0, 8.0), "critic_params": (2e5, 4e7)}
BOX = {"sigma": (0.1, 1e3), "critic_params": (1e3, 1e9)}


def over_sigma(d, a, alpha, e=0.0, b=100.0, n=100.0):
    """Cost over σ alone; numbers, or arrays with the axis appended to the law's fields."""
    law = DataLaw(d, np.asarray(a)[..., None], np.asarray(alpha)[..., None], axes=SIGMA)
    return Cost(law, PowerLaw(b, np.asarray(e)[..., None], axes=SIGMA), critic_params=n)


def fit_of(law, draws=None, ranges=None):
    """A fit by hand: the law, its bootstraps and where the data lie."""
    return Fit(
        form="hand", formula="hand", law=law, draws=draws, parameters={}, loss=0.0, loss_name="",
        n=9, r2_log=1.0, residuals=np.zeros(9), verdict=Verdict.SUPPORTED, reason="",
        ranges=ranges or {},
    )  # fmt: skip


def ranged(cost, ranges):
    """The same cost, with the range of its data known."""
    kept = {name: value for name, value in vars(cost).items() if name in Cost.__dataclass_fields__}
    return Cost(**{**kept, "data": fit_of(cost.data, ranges=ranges)})


# D = 1e5 + 4e5/σ², C = 10·100·100·σ·D: interior minimum at σ = 2
CUP = over_sigma(1e5, 4e5, 2.0)
RISING = over_sigma(1e5, 4e5, 0.5)
FALLING = over_sigma(1e5, 4e5, 0.5, -1.5)
LAW = DataLaw(2e5, [1.5e5, 4e7], [0.8, 0.45], axes=BOTH)
TWO = Cost(LAW, 256.0)

relaxed = settings(deadline=None, max_examples=60)
exponents = st.floats(0.15, 3.0)
costs = st.builds(
    lambda d, a, alpha, e: over_sigma(10**d, 10**a, alpha, e, b=200.0, n=1.5e5),
    st.floats(4, 6.5),
    st.floats(4, 6.5),
    exponents,
    st.floats(-0.8, 0.3),
)


def least_compute_by_hand(cost):
    """σ of least C: ``(A(α−p)/(d·p))^(1/α)`` where α > p > 0, else 0 (the tests' laws have p > 0)."""
    law, power = cost.law, float(cost.power.exponent[..., 0])
    alpha, a = float(law.exponent[..., 0]), float(law.amplitude[..., 0])
    return (
        (a * (alpha - power) / (float(law.d_min) * power)) ** (1 / alpha) if alpha > power else 0.0
    )


def numeric_minimum(f):
    """σ of least f by scipy, in log σ: a scan brackets, Brent polishes."""
    grid = np.linspace(-60, 60, 4001)
    i = int(f(np.exp(grid)).argmin())
    assume(0 < i < grid.size - 1)
    return minimize_scalar(
        lambda t: f(np.exp(t)), bracket=(grid[i - 1], grid[i], grid[i + 1]), tol=1e-13
    )


@relaxed
@given(costs, st.floats(7, 12))
def test_least_budget_against_scipy(cost, log_delta):
    delta = 10**log_delta

    def total(s):
        return cost(sigma=s) + delta * cost.steps(sigma=s)

    found = allocate(cost, delta=delta)
    best = numeric_minimum(total)
    assert found.where == Where.INTERIOR
    assert total(found["sigma"]) <= best.fun * (1 + 1e-13)
    assert found.budget == pytest.approx(best.fun, rel=1e-12)
    # σ itself: the stationary point by root finding (a minimiser alone gives half the digits)
    d, a, al = (
        float(np.squeeze(v)) for v in (cost.law.d_min, cost.law.amplitude, cost.law.exponent)
    )
    p, k = float(np.squeeze(cost.power.exponent)), float(cost.power.coefficient)

    def slope(t):
        s = np.exp(t)
        return p * k * d * s**p + (p - al) * k * a * s ** (p - al) - al * delta * a * s**-al

    root = brentq(slope, best.x - 1, best.x + 1, xtol=1e-14, rtol=1e-14)
    assert found["sigma"] == pytest.approx(np.exp(root), rel=1e-8)


@relaxed
@given(costs, st.floats(0.01, 4.0))
def test_least_data_against_scipy(cost, excess):
    cheapest = least_compute_by_hand(cost)
    floor = float(cost(sigma=cheapest if cheapest > 0 else 1e-3))
    limit = floor * (1 + excess)
    found = allocate(cost, max_compute=limit)
    start = np.log(cheapest) if cheapest > 0 else -500.0
    root = brentq(
        lambda t: np.log(cost(sigma=np.exp(t)) / limit), start, 500.0, xtol=1e-14, rtol=1e-14
    )
    assert found["sigma"] == pytest.approx(np.exp(root), rel=1e-8)
    assert found.compute == pytest.approx(limit, rel=1e-10)
    assert found.compute <= limit
    assert found.feasible
    assert found.where == Where.CONSTRAINT


@relaxed
@given(costs, st.floats(-3, 1))
def test_least_compute_against_scipy(cost, log_excess):
    d, a, alpha = (
        float(np.squeeze(v)) for v in (cost.law.d_min, cost.law.amplitude, cost.law.exponent)
    )
    limit = d * (1 + 10**log_excess)
    found = allocate(cost, max_data=limit)
    needed = np.log(a / (limit - d)) / alpha
    cheapest = least_compute_by_hand(cost)
    # minimise C over σ ≥ needed by a scan that scipy polishes
    grid = needed + np.linspace(0, 60, 4001)
    values = cost(sigma=np.exp(grid))
    i = int(values.argmin())
    if i in (0, grid.size - 1):
        assert i == 0
        expected = values[0]
        if cheapest > np.exp(needed):  # minimum before the 2nd point
            expected = float(cost(sigma=cheapest))
    else:
        expected = minimize_scalar(
            lambda t: float(cost(sigma=np.exp(t))),
            bracket=(grid[i - 1], grid[i], grid[i + 1]),
            tol=1e-13,
        ).fun
    assert found.compute == pytest.approx(expected, rel=1e-9)
    assert found.data <= limit


def test_closed_forms_by_hand():
    assert allocate(CUP, delta=0.0)["sigma"] == pytest.approx(2.0)
    # p = α: p·k·d·σ^(2p) = α·δ·A
    equal = over_sigma(1e5, 4e5, 1.0)
    assert allocate(equal, delta=1e5)["sigma"] == pytest.approx(2.0)
    # d = 0, p > α: (p−α)·k·σ^p = α·δ
    bare = over_sigma(0.0, 4e5, 0.5)
    assert allocate(bare, delta=3e5)["sigma"] == pytest.approx(3.0)
    single = allocate(bare, max_compute=1e5 * 4e5 * 3.0)  # k·A·σ^0.5 = C₀
    assert single["sigma"] == pytest.approx(9.0)


def test_interior_minimum_beats_the_papers_formula():
    loose = allocate(CUP, max_data=1e6)  # D(σ) = 1e6 at σ = 2/3, where C is larger than at 2
    assert loose["sigma"] == pytest.approx(2.0)
    assert loose.where == Where.INTERIOR
    assert loose.compute < CUP(sigma=2 / 3)
    tight = allocate(CUP, max_data=1.25e5)  # σ = 4, past the minimum
    assert tight["sigma"] == pytest.approx(4.0)
    assert tight.data == pytest.approx(1.25e5)
    assert tight.where == Where.CONSTRAINT


def test_the_largest_sigma_is_taken_of_two():
    limit = float(CUP(sigma=0.5))
    assert allocate(CUP, max_compute=limit)["sigma"] == pytest.approx(8.0)  # C(0.5) = C(8)


def test_infeasible_is_explicit():
    cheap = allocate(CUP, max_compute=0.999 * CUP(sigma=2.0))
    for bad in (cheap, allocate(CUP, max_data=1e5)):
        assert not bad.feasible
        assert bad.where == Where.INFEASIBLE
        assert np.isnan([bad["sigma"], bad.data, bad.compute]).all()
    assert allocate(CUP, max_compute=1.001 * CUP(sigma=2.0)).feasible
    assert allocate(RISING, max_compute=1.0).feasible  # C → 0 with σ


def test_edges_and_extrapolation():
    span = {"sigma": (0.25, 16.0)}
    assert allocate(FALLING, delta=1e5).where == Where.UNBOUNDED
    edge = allocate(ranged(FALLING, span), delta=1e5)
    assert (edge.where, edge["sigma"]) == (Where.EDGE, pytest.approx(16.0))
    assert not edge.extrapolated
    assert edge.budget == pytest.approx(FALLING(sigma=16.0) + 1e5 * FALLING.steps(sigma=16.0))
    # σ = ∞ is cut back to the range's end, where the limit no longer holds
    cut = allocate(ranged(FALLING, span), max_compute=0.5 * FALLING(sigma=16.0))
    assert cut.where == Where.INFEASIBLE
    far = allocate(ranged(CUP, span), max_data=1.001e5)
    assert far.extrapolated
    assert far.where == Where.BEYOND
    assert far.edges == "sigma"
    assert far["sigma"] > 16
    flat = over_sigma(1e5, 0.0, 1.0)
    assert allocate(ranged(flat, span), delta=1e5)["sigma"] == pytest.approx(0.25, rel=1e-14)


def test_unbounded_is_not_infeasible():
    no_floor = over_sigma(0.0, 4e5, 2.0)  # C falls to 0 with σ: any limit can be met
    assert allocate(no_floor, max_compute=1.0).where == Where.UNBOUNDED
    assert allocate(no_floor, max_compute=1.0)["sigma"] == np.inf
    flat = over_sigma(1e5, 0.0, 1.0)
    assert allocate(flat, max_data=2e5).where == Where.UNBOUNDED
    assert allocate(flat, max_data=0.5e5).where == Where.INFEASIBLE
    partly = Cost(DataLaw(2e5, [1.5e5, 0.0], [0.8, 0.45], axes=BOTH), 256.0)
    assert allocate(partly, delta=DELTA).where == Where.UNBOUNDED
    assert allocate(partly, delta=DELTA)["critic_params"] == 0
    one_wall = allocate(partly, delta=DELTA, within={"critic_params": (2e5, 4e7)})
    assert one_wall.where == Where.EDGE
    assert one_wall["critic_params"] == pytest.approx(2e5)
    assert one_wall["sigma"] == pytest.approx(
        float(allocate(partly.hold(critic_params=2e5), delta=DELTA)["sigma"])
    )


def test_vectorised_over_bootstraps_and_limits():
    rng = np.random.default_rng(0)
    d, a = 1e5 * rng.uniform(0.5, 2, (50, 1)), 4e5 * rng.uniform(0.5, 2, (50, 1))
    alpha = rng.uniform(0.2, 2.5, (50, 1))
    many = over_sigma(d, a, alpha, np.zeros((50, 1)), np.full((50, 1), 100.0))
    deltas = np.array([1e3, 1e5, 1e7])
    together = allocate(many, delta=deltas)
    assert together["sigma"].shape == (50, 3)
    one = over_sigma(d[7, 0], a[7, 0], alpha[7, 0])
    assert together["sigma"][7] == pytest.approx(allocate(one, delta=deltas)["sigma"], rel=1e-12)
    assert np.all(np.diff(together["sigma"], axis=1) > 0)  # dearer env steps: more updates on each
    assert allocate(many, max_compute=10.0 ** np.arange(9, 13))["sigma"].shape == (50, 4)


@relaxed
@given(costs, st.floats(8, 11), st.floats(0.1, 10))
def test_scaling_flops_and_price_together_changes_nothing(cost, log_delta, factor):
    scaled = Cost(cost.data, cost.batch_size, critic_params=cost.critic_params * factor)
    one = allocate(cost, delta=10**log_delta)
    other = allocate(scaled, delta=factor * 10**log_delta)
    assert other["sigma"] == pytest.approx(one["sigma"], rel=1e-9)
    assert other.budget == pytest.approx(factor * one.budget, rel=1e-9)


def test_draws_give_intervals():
    rng = np.random.default_rng(1)
    jitter = np.exp(0.1 * rng.standard_normal((500, 1)))
    draws = DataLaw(1e5 * jitter, np.full((500, 1, 1), 4e5), np.full((500, 1, 1), 2.0), axes=SIGMA)
    cost = Cost(fit_of(CUP.data, draws), 100.0, critic_params=100.0)
    result = allocate(cost, delta=1e5)
    sigma = result.estimate("sigma")
    assert sigma.low < sigma.value < sigma.high
    assert isinstance(sigma.value, float)
    assert result.feasible_share == 1
    assert result.draws is not None
    assert result.draws["sigma"].shape == (500,)
    low, high = np.percentile(
        [float(allocate(over_sigma(1e5 * j, 4e5, 2.0), delta=1e5)["sigma"]) for j in jitter[:, 0]],
        [2.5, 97.5],
    )
    assert (sigma.low, sigma.high) == pytest.approx((low, high), rel=1e-12)
    several = allocate(cost, delta=[1e5, 1e6]).estimate("budget")
    assert several.value.shape == several.low.shape == (2,)
    assert np.all((several.low < several.value) & (several.value < several.high))
    assert np.isnan(allocate(CUP, delta=1e5).estimate("sigma").low)
    some = allocate(cost, max_data=1e5)  # the floor itself: met in half of the bootstraps
    assert some.feasible_share == pytest.approx(np.mean(jitter < 1))
    with pytest.raises(ValueError, match="unknown quantity"):
        result.estimate("speed")
    with pytest.raises(ValueError, match="0-D or 1-D"):
        allocate(cost, delta=[[1e5]])


def test_the_bootstrap_of_the_fits_reaches_sigma():
    """README's σ*: its interval was lost where a law was taken out of its fit."""
    rng = np.random.default_rng(2)
    sigma = np.array([0.25, 0.5, 1, 2, 4, 8])
    steps = (2e5 + 1.2e5 * sigma**-0.9) * np.exp(0.03 * rng.standard_normal((200, 6)))
    batch = 366.0 * sigma**-0.31 * np.exp(0.1 * rng.standard_normal((200, 6)))
    data = fit_data_law(steps.mean(axis=0), sigma=sigma, draws=steps)
    batch_size = fit_batch_size(batch.mean(axis=0), sigma=sigma, draws=batch)
    best = allocate(Cost(data, batch_size, critic_params=150_000), delta=5e9)
    for name in ("sigma", "data", "compute", "budget"):
        found = best.estimate(name)
        assert 0 < found.low < found.value < found.high < np.inf, name
    assert best.draws is not None
    k = 17
    assert data.draws is not None
    assert batch_size.draws is not None
    alone = Cost(data.draws.at((k, 0)), batch_size.draws.at((k, 0)), critic_params=150_000)
    assert best.draws["sigma"][k] == pytest.approx(
        float(allocate(alone, delta=5e9)["sigma"]), rel=1e-12
    )
    held = {"critic_params": 1e6}
    two = DataLaw(2e5, [1.5e5, 4e7], [0.8, 0.45], axes=BOTH)
    drawn = DataLaw(2e5 * steps[:, :1] / steps[0, 0], np.broadcast_to(two.amplitude, (200, 1, 2)),
                    np.broadcast_to(two.exponent, (200, 1, 2)), axes=BOTH)  # fmt: skip
    one = allocate(Cost(fit_of(two, drawn), 256.0), delta=DELTA, hold=held)
    assert one.axes == ("sigma",)
    assert one.estimate("sigma").low < one.estimate("sigma").high


def test_nan_bootstraps_stay_nan():
    cost = over_sigma(np.array([1e5, np.nan]), np.full(2, 4e5), np.full(2, 2.0), np.zeros(2))
    goals: list[dict[str, Any]] = [{"delta": 1e5}, {"max_compute": 1e12}, {"max_data": 1e6}]
    for goal in goals:
        result = allocate(cost, **goal)
        assert result.feasible.tolist() == [True, False]
        assert np.isnan(result["sigma"][1])


def test_bad_input():
    with pytest.raises(ValueError, match="max_compute must be positive"):
        allocate(CUP, max_compute=0)
    with pytest.raises(ValueError, match="max_data must be positive"):
        allocate(CUP, max_data=-1)
    with pytest.raises(ValueError, match="delta must be"):
        allocate(CUP, delta=-1)
    with pytest.raises(ValueError, match="delta must be"):
        allocate(CUP, max_compute=1e18, delta=-1)
    with pytest.raises(ValueError, match="delta must be"):
        allocate(CUP, delta=np.inf)
    with pytest.raises(ValueError, match="give one of"):
        allocate(CUP)
    with pytest.raises(ValueError, match="give one of"):
        allocate(CUP, max_data=1.0, max_compute=1.0)
    with pytest.raises(ValueError, match="must be 0 < low <= high"):
        allocate(CUP, delta=1.0, within={"sigma": (4.0, 1.0)})
    with pytest.raises(ValueError, match="within names 'depth'"):
        allocate(CUP, delta=1.0, within={"depth": (1.0, 4.0)})
    with pytest.raises(ValueError, match="cannot hold depth"):
        allocate(TWO, delta=1.0, hold={"depth": 1.0})
    with pytest.raises(ValueError, match="no closed form"):
        allocate(Cost(LAW, 256.0, actor_params=1e5), delta=1.0, within={"sigma": (1, 8)})


def test_within_gives_the_best_sigma_inside_the_box():
    """Against a dense search: the constrained optimum of a convex objective is the clipped one."""
    box = {"sigma": (0.25, 4.0)}
    sigma = np.geomspace(*box["sigma"], 20001)
    for cost in (CUP, FALLING):
        for delta in (1.0, 1e6, 1e12):
            found = allocate(cost, delta=delta, within=box)
            dense = cost(sigma=sigma) + delta * cost.steps(sigma=sigma)
            assert 0.25 * (1 - 1e-15) <= found["sigma"] <= 4.0 * (1 + 1e-15)
            np.testing.assert_allclose(found.budget, dense.min(), rtol=1e-6)
            assert found.budget <= dense.min() * (1 + 1e-14)
    beyond = allocate(CUP, max_data=1.001 * float(CUP.steps(sigma=8.0)), within=box)
    assert not beyond.feasible
    assert beyond.where == Where.INFEASIBLE
    reach = allocate(CUP, max_compute=10 * float(CUP(sigma=16.0)), within=box)
    assert reach["sigma"] == pytest.approx(4.0, rel=1e-15)
    assert reach.where == Where.EDGE


@pytest.mark.parametrize(
    "law",
    [
        LogQuadratic(13.0, [-0.5], [0.08], axes=SIGMA),
        ProductLaw(4e5, [0.3], [0.9], [1.0], axes=SIGMA),
        NearestRun([5e5, 3e5, 2.5e5, 2.4e5], [[1.0], [2.0], [4.0], [8.0]], axes=SIGMA),
    ],
)
def test_rivals_over_one_axis_against_a_dense_search(law):
    cost = Cost(fit_of(law, ranges={"sigma": (1.0, 8.0)}), 256.0, critic_params=1e6)
    box = {"sigma": (1.0, 8.0)}
    sigma = np.geomspace(1.0, 8.0, 40001)
    steps, flops = cost.steps(sigma=sigma), cost(sigma=sigma)
    smooth = not isinstance(law, NearestRun)
    rel = 1e-8 if smooth else 2e-3  # the steps of the nearest run lie between points of the search
    for delta in (1e8, 1e9, 1e10):
        found = allocate(cost, delta=delta, within=box)
        assert found.budget == pytest.approx((flops + delta * steps).min(), rel=rel)
    limit = 2.9e5
    found = allocate(cost, max_data=limit, within=box)
    assert found.data <= limit
    assert found.compute == pytest.approx(flops[steps <= limit].min(), rel=1e-3 if smooth else 0.02)
