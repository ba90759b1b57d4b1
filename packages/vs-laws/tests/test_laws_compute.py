import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vs_laws.compute import ComputeLaw, compute_to_level, update_flops
from vs_laws.forms import DataLaw, PowerLaw
from vs_laws.frontier import frontier, non_dominated

LAW = ComputeLaw(DataLaw(2e5, 1.2e5, 0.9), PowerLaw(366.0, -0.31), 1.5e5)


def test_flops_by_hand():
    assert update_flops(100, 8) == 8000
    # 50 env steps at 2 updates each: 100 updates of 10·N·B
    assert compute_to_level(2.0, 50.0, batch_size=8, critic_params=100) == 100 * 8000
    with_actor = compute_to_level(2.0, 50.0, batch_size=8, critic_params=100, actor_updates=True)
    assert with_actor == 100 * 8000 + 50 * 12 * 100 * 8
    assert np.isinf(compute_to_level(2.0, np.inf, batch_size=8, critic_params=100))


def test_law_and_run_batch_sizes_agree_with_the_product():
    sigma = np.array([0.25, 1.0, 8.0])
    steps = LAW.data(sigma)
    by_law = compute_to_level(sigma, steps, batch_size=LAW.batch_size, critic_params=1.5e5)
    by_run = compute_to_level(sigma, steps, batch_size=LAW.batch_size(sigma), critic_params=1.5e5)
    assert LAW(sigma) == pytest.approx(by_law, rel=1e-13)
    assert by_run == pytest.approx(by_law, rel=1e-13)


def test_bootstrap_axis_broadcasts():
    law = ComputeLaw(
        DataLaw(np.full((7, 1), 2e5), np.full((7, 1), 1.2e5), np.full((7, 1), 0.9)),
        PowerLaw(np.full((7, 1), 366.0), np.full((7, 1), -0.31)),
        1.5e5,
    )
    sigma = np.array([0.5, 1.0, 2.0])
    assert law(sigma).shape == (7, 3)
    assert law(sigma)[4] == pytest.approx(LAW(sigma))
    assert law.minimiser().shape == (7, 1)


def test_minimiser_cases():
    def best(d, a, alpha, e):
        return float(ComputeLaw(DataLaw(d, a, alpha), PowerLaw(100, e), 1.0).minimiser())

    assert best(1, 1, 0.5, -0.3) == 0  # alpha < p: rises
    assert best(1, 1, 0.7, -0.3) == 0  # alpha = p: constant + rising
    assert best(1, 0, 2.0, -0.3) == 0  # no dependence of D
    assert np.isinf(best(1, 1, 0.5, -1.2))  # p < 0: falls
    assert np.isinf(best(0, 1, 0.9, -0.3))  # no floor, alpha > p: falls
    assert best(0, 1, 0.5, -0.3) == 0
    assert np.isnan(best(np.nan, 1, 0.5, -0.3))
    assert best(2.0, 3.0, 2.0, 0.0) == pytest.approx((3 * 1 / (2 * 1)) ** 0.5)


@settings(deadline=None)
@given(st.floats(3, 7), st.floats(3, 7), st.floats(0.1, 3), st.floats(-0.9, 0.3), st.floats(-1, 1))
def test_minimiser_is_where_no_neighbour_is_lower(d, a, alpha, e, shift):
    law = ComputeLaw(DataLaw(10**d, 10**a, alpha), PowerLaw(100.0, e), 1e5)
    best = law.minimiser()
    if 1e-30 < best < 1e30:
        assert law(best) <= law(best * np.exp(shift)) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sigma", {"sigma": 0}),
        ("data", {"data": -1}),
        ("batch_size", {"batch_size": 0}),
        ("critic_params", {"critic_params": -5}),
    ],
)
def test_bad_input(name, change):
    use = {"sigma": 1.0, "data": 1e5, "batch_size": 64, "critic_params": 1e5, **change}
    with pytest.raises(ValueError, match=f"{name} must be positive"):
        compute_to_level(
            use["sigma"],
            use["data"],
            batch_size=use["batch_size"],
            critic_params=use["critic_params"],
        )
    if name == "critic_params":
        with pytest.raises(ValueError, match=name):
            ComputeLaw(LAW.data, LAW.batch_size, -5)


def test_frontier_efficiency_is_non_domination():
    sigma = np.geomspace(0.01, 16, 60)
    curve = frontier(LAW, sigma)
    assert 0 < curve.efficient.sum() < sigma.size  # the interior minimum is inside the grid
    kept = non_dominated(curve.data, curve.compute)
    # the grid point just left of the minimum may be undominated on a grid
    assert (kept & ~curve.efficient).sum() <= 1
    assert kept[curve.efficient].all()


def test_frontier_of_many_levels():
    levels = ComputeLaw(
        DataLaw(np.array([[1e5], [2e5]]), np.array([[1e4], [9e5]]), np.array([[0.9], [1.2]])),
        LAW.batch_size,
        1.5e5,
    )
    curve = frontier(levels, [0.5, 1, 2])
    assert curve.data.shape == curve.compute.shape == curve.efficient.shape == (2, 3)
    with pytest.raises(ValueError, match="positive finite"):
        frontier(LAW, [0.0, 1.0])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8)), min_size=1, max_size=30))
def test_non_dominated_against_the_definition(points):
    data, compute = np.array(points, float).T
    expected = [
        not any((x <= d and y <= c) and (x < d or y < c) for x, y in points) for d, c in points
    ]
    assert non_dominated(data, compute).tolist() == expected


def test_non_dominated_ignores_censored_points():
    assert non_dominated([1, np.inf, np.nan], [5, 1, 1]).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="one length"):
        non_dominated([1, 2], [1])
