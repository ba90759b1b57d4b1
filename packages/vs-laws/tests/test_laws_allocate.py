import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from vs_laws.allocate import Where, least_budget, least_compute, least_data
from vs_laws.compute import ComputeLaw
from vs_laws.forms import DataLaw, PowerLaw

# D = 1e5 + 4e5/σ², C = 10·100·100·σ·D: interior minimum at σ = 2
CUP = ComputeLaw(DataLaw(1e5, 4e5, 2.0), PowerLaw(100.0, 0.0), 100.0)
RISING = ComputeLaw(DataLaw(1e5, 4e5, 0.5), PowerLaw(100.0, 0.0), 100.0)
FALLING = ComputeLaw(DataLaw(1e5, 4e5, 0.5), PowerLaw(100.0, -1.5), 100.0)

relaxed = settings(deadline=None, max_examples=60)
exponents = st.floats(0.15, 3.0)
laws = st.builds(
    lambda d, a, alpha, e: ComputeLaw(DataLaw(10**d, 10**a, alpha), PowerLaw(200.0, e), 1.5e5),
    st.floats(4, 6.5),
    st.floats(4, 6.5),
    exponents,
    st.floats(-0.8, 0.3),
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
@given(laws, st.floats(7, 12))
def test_least_budget_against_scipy(law, log_delta):
    delta = 10**log_delta

    def total(s):
        return law(s) + delta * law.data(s)

    found = least_budget(law, delta)
    best = numeric_minimum(total)
    assert found.where == Where.INTERIOR
    assert total(found.sigma) <= best.fun * (1 + 1e-13)
    assert found.budget == pytest.approx(best.fun, rel=1e-12)
    # σ itself: the stationary point by root finding (a minimiser alone gives half the digits)
    d, a, al, p = law.data.d_min, law.data.amplitude, law.data.alpha, law.power
    k = law.unit

    def slope(t):
        s = np.exp(t)
        return p * k * d * s**p + (p - al) * k * a * s ** (p - al) - al * delta * a * s**-al

    root = brentq(slope, best.x - 1, best.x + 1, xtol=1e-14, rtol=1e-14)
    assert found.sigma == pytest.approx(np.exp(root), rel=1e-8)


@relaxed
@given(laws, st.floats(0.01, 4.0))
def test_least_data_against_scipy(law, excess):
    cheapest = law.minimiser()
    floor = float(law(cheapest)) if cheapest > 0 else float(law(1e-3))
    limit = floor * (1 + excess)
    found = least_data(law, limit)
    start = np.log(cheapest) if cheapest > 0 else -500.0
    root = brentq(lambda t: np.log(law(np.exp(t)) / limit), start, 500.0, xtol=1e-14, rtol=1e-14)
    assert found.sigma == pytest.approx(np.exp(root), rel=1e-8)
    assert found.compute == pytest.approx(limit, rel=1e-10)
    assert found.feasible
    assert found.where == Where.CONSTRAINT


@relaxed
@given(laws, st.floats(-3, 1))
def test_least_compute_against_scipy(law, log_excess):
    limit = law.data.d_min * (1 + 10**log_excess)
    found = least_compute(law, limit)
    needed = np.log(law.data.amplitude / (limit - law.data.d_min)) / law.data.alpha
    # minimise C over σ ≥ needed by a scan that scipy polishes
    grid = needed + np.linspace(0, 60, 4001)
    values = law(np.exp(grid))
    i = int(values.argmin())
    if i in (0, grid.size - 1):
        assert i == 0
        expected = values[0]
        if law.minimiser() > 0 and law.minimiser() > np.exp(needed):  # minimum before the 2nd point
            expected = float(law(law.minimiser()))
    else:
        expected = minimize_scalar(
            lambda t: float(law(np.exp(t))), bracket=(grid[i - 1], grid[i], grid[i + 1]), tol=1e-13
        ).fun
    assert found.compute == pytest.approx(expected, rel=1e-9)
    assert found.data <= limit * (1 + 1e-9)


def test_closed_forms_by_hand():
    assert least_budget(CUP, 0.0).sigma == pytest.approx(2.0)
    # p = α: p·k·d·σ^(2p) = α·δ·A
    equal = ComputeLaw(DataLaw(1e5, 4e5, 1.0), PowerLaw(100.0, 0.0), 100.0)
    assert least_budget(equal, 1e5).sigma == pytest.approx(2.0)
    # d = 0, p > α: (p−α)·k·σ^p = α·δ
    bare = ComputeLaw(DataLaw(0.0, 4e5, 0.5), PowerLaw(100.0, 0.0), 100.0)
    assert least_budget(bare, 3e5).sigma == pytest.approx(3.0)
    single = least_data(bare, 1e5 * 4e5 * 3.0)  # k·A·σ^0.5 = C₀
    assert single.sigma == pytest.approx(9.0)


def test_interior_minimum_beats_the_papers_formula():
    loose = least_compute(CUP, 1e6)  # D(σ) = 1e6 at σ = 2/3, where C is larger than at 2
    assert loose.sigma == pytest.approx(2.0)
    assert loose.where == Where.INTERIOR
    assert loose.compute < CUP(2 / 3)
    tight = least_compute(CUP, 1.25e5)  # σ = 4, past the minimum
    assert tight.sigma == pytest.approx(4.0)
    assert tight.data == pytest.approx(1.25e5)
    assert tight.where == Where.CONSTRAINT


def test_the_largest_sigma_is_taken_of_two():
    limit = float(CUP(0.5))
    assert least_data(CUP, limit).sigma == pytest.approx(8.0)  # C(0.5) = C(8)


def test_infeasible_is_explicit():
    for bad in (least_data(CUP, 0.999 * CUP(2.0)), least_compute(CUP, 1e5)):
        assert not bad.feasible
        assert bad.where == Where.INFEASIBLE
        assert np.isnan([bad.sigma, bad.data, bad.compute]).all()
    assert least_data(CUP, 1.001 * CUP(2.0)).feasible
    assert least_data(RISING, 1.0).feasible  # C → 0 with σ


def test_edges_and_extrapolation():
    assert least_budget(FALLING, 1e5).where == Where.UNBOUNDED
    edge = least_budget(FALLING, 1e5, sigma_range=(0.25, 16))
    assert (edge.where, edge.sigma, bool(edge.extrapolated)) == (Where.EDGE, 16.0, False)
    assert edge.budget == pytest.approx(FALLING(16.0) + 1e5 * FALLING.data(16.0))
    # σ = ∞ is cut back to the range's end, where the limit no longer holds
    cut = least_data(FALLING, 0.5 * FALLING(16.0), sigma_range=(0.25, 16))
    assert cut.where == Where.INFEASIBLE
    far = least_compute(CUP, 1.001e5, sigma_range=(0.25, 16))
    assert far.extrapolated
    assert far.sigma > 16
    flat = ComputeLaw(DataLaw(1e5, 0.0, 1.0), PowerLaw(100.0, 0.0), 100.0)
    assert least_budget(flat, 1e5, sigma_range=(0.25, 16)).sigma == 0.25


def test_vectorised_over_bootstraps_and_limits():
    rng = np.random.default_rng(0)
    d, a = 1e5 * rng.uniform(0.5, 2, (50, 1)), 4e5 * rng.uniform(0.5, 2, (50, 1))
    alpha = rng.uniform(0.2, 2.5, (50, 1))
    many = ComputeLaw(DataLaw(d, a, alpha), PowerLaw(np.full((50, 1), 100.0), 0.0), 100.0)
    deltas = np.array([1e3, 1e5, 1e7])
    together = least_budget(many, deltas)
    assert together.sigma.shape == (50, 3)
    one = ComputeLaw(DataLaw(d[7, 0], a[7, 0], alpha[7, 0]), PowerLaw(100.0, 0.0), 100.0)
    assert together.sigma[7] == pytest.approx(least_budget(one, deltas).sigma, rel=1e-12)
    assert np.all(np.diff(together.sigma, axis=1) > 0)  # dearer env steps: more updates on each
    assert least_data(many, 10.0 ** np.arange(9, 13)).sigma.shape == (50, 4)


@relaxed
@given(laws, st.floats(8, 11), st.floats(0.1, 10))
def test_scaling_flops_and_price_together_changes_nothing(law, log_delta, factor):
    scaled = ComputeLaw(law.data, law.batch_size, law.critic_params * factor)
    one = least_budget(law, 10**log_delta)
    other = least_budget(scaled, factor * 10**log_delta)
    assert other.sigma == pytest.approx(one.sigma, rel=1e-9)
    assert other.budget == pytest.approx(factor * one.budget, rel=1e-9)


def test_samples_give_intervals():
    rng = np.random.default_rng(1)
    drawn = ComputeLaw(
        DataLaw(1e5 * np.exp(0.1 * rng.standard_normal(500)), 4e5, 2.0), PowerLaw(100.0, 0.0), 100.0
    )
    result = least_budget(CUP, 1e5).with_samples(least_budget(drawn, 1e5))
    sigma = result.estimate("sigma")
    assert sigma.low < sigma.value < sigma.high
    assert result.feasible_share == 1
    assert np.isnan(least_budget(CUP, 1e5).estimate("sigma").low)
    with pytest.raises(ValueError, match="unknown quantity"):
        result.estimate("speed")
    with pytest.raises(ValueError, match="single problem"):
        least_budget(CUP, [1e5, 1e6]).estimate("sigma")


def test_nan_bootstraps_stay_nan():
    law = ComputeLaw(DataLaw(np.array([1e5, np.nan]), 4e5, 2.0), PowerLaw(100.0, 0.0), 100.0)
    for result in (least_budget(law, 1e5), least_data(law, 1e12), least_compute(law, 1e6)):
        assert result.feasible.tolist() == [True, False]
        assert np.isnan(result.sigma[1])


def test_grid_of_sigma():
    grid = np.geomspace(0.25, 16, 100)
    rough, exact = least_budget(CUP, 1e5, grid=grid), least_budget(CUP, 1e5)
    assert rough.sigma in grid
    assert rough.sigma == pytest.approx(exact.sigma, rel=0.03)
    assert rough.budget >= exact.budget
    assert least_budget(CUP, 1e12, grid=grid).where == Where.EDGE


def test_bad_input():
    with pytest.raises(ValueError, match="max_compute must be positive"):
        least_data(CUP, 0)
    with pytest.raises(ValueError, match="max_data must be positive"):
        least_compute(CUP, -1)
    with pytest.raises(ValueError, match="delta must be"):
        least_budget(CUP, -1)
    with pytest.raises(ValueError, match="sigma_range"):
        least_budget(CUP, 1, sigma_range=(4, 1))
    with pytest.raises(ValueError, match="grid must be positive"):
        least_budget(CUP, 1, grid=[0, 1])


def test_limits_give_the_best_sigma_within_them():
    """Against a dense search: the constrained optimum of a convex objective is the clipped one."""
    limits = (0.25, 4.0)
    sigma = np.geomspace(*limits, 20001)
    for law in (CUP, FALLING):
        for delta in (1.0, 1e6, 1e12):
            found = least_budget(law, delta, limits=limits)
            dense = law(sigma) + delta * law.data(sigma)
            assert limits[0] <= found.sigma <= limits[1]
            np.testing.assert_allclose(found.budget, dense.min(), rtol=1e-6)
    beyond = least_compute(CUP, 1.001 * float(CUP.data(8.0)), limits=limits)
    assert not beyond.feasible
    assert beyond.where == Where.INFEASIBLE
    reach = least_data(CUP, 10 * float(CUP(16.0)), limits=limits)
    assert reach.sigma == limits[1]
    assert reach.where == Where.EDGE
    with pytest.raises(ValueError, match="limits must be"):
        least_budget(CUP, 1.0, limits=(4.0, 1.0))
