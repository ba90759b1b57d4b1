from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vs_laws import BatchLaw, DataLaw, Fit, PowerLaw, ProductLaw, Verdict
from vs_laws.allocate import allocate
from vs_laws.cost import Cost, flops_per_step, non_dominated

SIGMA, BOTH = ("sigma",), ("sigma", "critic_params")


def over_sigma(d, a, alpha, e=-0.31, b=366.0, n=1.5e5):
    """Cost over σ alone; numbers, or arrays with the axis appended to the law's fields."""
    law = DataLaw(d, np.asarray(a)[..., None], np.asarray(alpha)[..., None], axes=SIGMA)
    return Cost(law, PowerLaw(b, np.asarray(e)[..., None], axes=SIGMA), critic_params=n)


def fit_of(law, draws=None, **ranges):
    """A fit by hand: the law, its bootstraps and where the data lie."""
    return Fit(
        form="hand", formula="hand", law=law, draws=draws, parameters={}, loss=0.0, loss_name="",
        n=9, r2_log=1.0, residuals=np.zeros(9), verdict=Verdict.SUPPORTED, reason="",
        ranges=ranges,
    )  # fmt: skip


COST = over_sigma(2e5, 1.2e5, 0.9)


def test_flops_by_hand():
    assert flops_per_step(sigma=1.0, critic_params=100, batch_size=8) == 8000
    # 50 env steps at 2 updates each: 100 updates of 10·N·B
    per_step = flops_per_step(sigma=2.0, critic_params=100, batch_size=8)
    assert 50 * per_step == 100 * 8000
    with_actor = flops_per_step(sigma=2.0, critic_params=100, batch_size=8, actor_params=100)
    assert 50 * with_actor == 100 * 8000 + 50 * 12 * 100 * 8
    assert np.isinf(per_step * np.inf)  # a censored D costs without end
    two: dict[str, Any] = {"sigma": 2.0, "critic_params": 1e6, "batch_size": 256}
    assert flops_per_step(**two) == pytest.approx(10 * 1e6 * 256 * 2)
    assert flops_per_step(**two, actor_params=1e5) == pytest.approx(256 * (2e7 + 12e5))
    every = flops_per_step(**two, actor_params=1e5, actor_updates="critic_update")
    assert every == pytest.approx(256 * (2e7 + 24e5))
    assert flops_per_step(**two, passive_params=1e5) == pytest.approx(256 * (2e7 + 12e5))


def test_batch_law_inside_the_cost():
    law = BatchLaw(1000.0, -0.5, 1e6, 1.0, axes=BOTH)
    cost = Cost(DataLaw(1.0, [1.0, 1.0], [1.0, 1.0], axes=BOTH), law)
    assert cost.per_step(sigma=4.0, critic_params=1e6) == pytest.approx(10 * 1e6 * 4 * 250)


def test_updates_happen_per_decision_and_env_steps_count_simulator_steps():
    sigma = np.array([0.5, 2.0])
    repeated = Cost(COST.data, COST.batch_size, critic_params=1.5e5, action_repeat=4)
    by_hand = 10 * 1.5e5 * 366.0 * sigma**-0.31 * sigma * repeated.steps(sigma=sigma) / 4
    np.testing.assert_allclose(repeated(sigma=sigma), by_hand, rtol=1e-14)
    np.testing.assert_allclose(repeated(sigma=sigma), COST(sigma=sigma) / 4, rtol=1e-14)
    assert repeated.power is not None
    np.testing.assert_allclose(repeated.power(sigma=sigma), COST.per_step(sigma=sigma) / 4)
    actor: dict[str, Any] = {
        "sigma": 2.0,
        "critic_params": 10.0,
        "batch_size": 8.0,
        "actor_params": 5.0,
    }
    assert flops_per_step(**actor, action_repeat=2) == flops_per_step(**actor) / 2
    # the price of an env step stays, decisions cost a quarter: as δ four times as high
    cheap, dear = allocate(repeated, delta=1e9), allocate(COST, delta=4e9)
    assert cheap["sigma"] == pytest.approx(dear["sigma"], rel=1e-12)
    with pytest.raises(ValueError, match="action_repeat must be positive"):
        Cost(COST.data, 1.0, critic_params=1.0, action_repeat=0.0)


def test_law_and_run_batch_sizes_agree_with_the_product():
    sigma = np.array([0.25, 1.0, 8.0])
    steps = COST.steps(sigma=sigma)
    batch = 366.0 * sigma**-0.31
    by_run = flops_per_step(sigma=sigma, critic_params=1.5e5, batch_size=batch) * steps
    assert COST(sigma=sigma) == pytest.approx(by_run, rel=1e-13)
    assert COST.per_step(sigma=sigma) * steps == pytest.approx(by_run, rel=1e-13)


def test_bootstrap_dimension_broadcasts():
    ones = np.ones((7, 1))
    many = over_sigma(2e5 * ones, 1.2e5 * ones, 0.9 * ones, -0.31 * ones, 366.0 * ones)
    sigma = np.array([0.5, 1.0, 2.0])
    assert many(sigma=sigma).shape == (7, 3)
    assert many(sigma=sigma)[4] == pytest.approx(COST(sigma=sigma))
    assert allocate(many, delta=0.0)["sigma"].shape == (7, 1)


def test_least_compute_cases():
    def best(d, a, alpha, e):
        return float(allocate(over_sigma(d, a, alpha, e, b=100.0, n=1.0), delta=0.0)["sigma"])

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
def test_least_compute_is_where_no_neighbour_is_lower(d, a, alpha, e, shift):
    cost = over_sigma(10**d, 10**a, alpha, e, b=100.0, n=1e5)
    best = allocate(cost, delta=0.0)["sigma"]
    if 1e-30 < best < 1e30:
        assert cost(sigma=best) <= cost(sigma=best * np.exp(shift)) * (1 + 1e-12)


@pytest.mark.parametrize("name", ["sigma", "batch_size", "critic_params"])
@pytest.mark.parametrize("bad", [0, -5])
def test_numbers_must_be_positive(name, bad):
    use: dict[str, Any] = {"sigma": 1.0, "batch_size": 64, "critic_params": 1e5, name: bad}
    with pytest.raises(ValueError, match=f"{name} must be positive"):
        flops_per_step(**use)
    if name == "sigma":
        with pytest.raises(ValueError, match="sigma must be positive"):
            COST.per_step(sigma=bad)
    else:
        with pytest.raises(ValueError, match=f"{name} must be positive"):
            Cost(COST.data, use["batch_size"], critic_params=use["critic_params"])


def test_bad_input():
    with pytest.raises(ValueError, match="actor_params must not be negative"):
        flops_per_step(sigma=1.0, critic_params=1.0, batch_size=1.0, actor_params=-1.0)
    never: Any = "never"
    with pytest.raises(ValueError, match="actor_updates"):
        flops_per_step(sigma=1.0, critic_params=1.0, batch_size=1.0, actor_updates=never)
    with pytest.raises(ValueError, match="give critic_params= as a number"):
        Cost(COST.data, 256.0)
    with pytest.raises(ValueError, match="give sigma= only where it is not an axis"):
        Cost(COST.data, 256.0, critic_params=1.0, sigma=2.0)
    with pytest.raises(ValueError, match="the batch size depends on depth"):
        Cost(COST.data, PowerLaw(1.0, [1.0], axes=("depth",)), critic_params=1.0)
    with pytest.raises(ValueError, match="at least one level"):
        Cost([], 256.0, critic_params=1.0)
    with pytest.raises(ValueError, match="at least one must stay free"):
        COST.hold(sigma=1.0)
    with pytest.raises(ValueError, match="cannot hold depth"):
        COST.hold(depth=1.0)
    with pytest.raises(TypeError, match="over sigma, got critic_params"):
        COST.per_step(critic_params=1.0)


def test_a_held_axis_is_a_cost_over_the_others():
    data = DataLaw(2e5, [1.5e5, 4e7], [0.8, 0.45], axes=BOTH)
    for batch in (
        256.0,
        PowerLaw(30.0, [-0.4, 0.2], axes=BOTH),
        BatchLaw(9.0, -0.4, 1e6, 1.0, axes=BOTH),
    ):
        cost = Cost(data, batch)
        held = cost.hold(critic_params=1e6)
        assert held.axes == ("sigma",)
        sigma = np.array([0.5, 4.0])
        np.testing.assert_allclose(held(sigma=sigma), cost(sigma=sigma, critic_params=1e6))
        if held.power is not None:
            np.testing.assert_allclose(held.power(sigma=sigma), held.per_step(sigma=sigma))
    product = ProductLaw(2e6, [0.2, 0.1], [0.7, 0.45], [1.0, 2e5], axes=BOTH)
    held = Cost(product, 256.0).hold(sigma=2.0)
    assert held(critic_params=1e6) == Cost(product, 256.0)(sigma=2.0, critic_params=1e6)


def test_a_law_over_model_size_alone_takes_sigma_as_a_number():
    cost = Cost(DataLaw(2e5, [4e7], [0.45], axes=("critic_params",)), 256.0, sigma=2.0)
    assert cost.per_step(critic_params=1e6) == 10 * 1e6 * 256 * 2
    assert cost.power is not None
    assert cost.power(critic_params=1e6) == 10 * 1e6 * 256 * 2


def test_levels_and_bootstraps_of_fits():
    fits = []
    for k in range(3):
        scale = 1.0 + k + 0.01 * np.arange(5.0)[:, None]
        draws = DataLaw(
            2e5 * scale, [[[1.2e5]]] * np.ones((5, 1, 1)), np.full((5, 1, 1), 0.9), axes=SIGMA
        )
        law = DataLaw(2e5 * (1.0 + k), [1.2e5], [0.9], axes=SIGMA)
        fits.append(fit_of(law, draws, sigma=(0.5 - 0.1 * k, 8.0 + k)))
    batch = fit_of(
        PowerLaw(366.0, [-0.31], axes=SIGMA),
        PowerLaw(np.linspace(300, 400, 5)[:, None], np.full((5, 1, 1), -0.31), axes=SIGMA),
    )
    cost = Cost(fits, batch, critic_params=1.5e5)
    assert cost.ranges == {"sigma": (pytest.approx(0.3), 10.0)}
    assert cost(sigma=1.0).shape == (3,)
    assert cost.draws is not None
    value = cost.draws(sigma=2.0)
    assert value.shape == (5, 3)
    by_hand = 10 * 1.5e5 * np.linspace(300, 400, 5)[:, None] * 2**0.69 * np.stack(
        [fit.draws(sigma=2.0)[:, 0] for fit in fits], axis=1
    )  # fmt: skip
    np.testing.assert_allclose(value, by_hand)
    # one fit; a batch size without bootstraps stays as it is
    one = Cost(fits[0], 256.0, critic_params=1.5e5)
    assert one.draws is not None
    assert one.draws(sigma=2.0).shape == (5, 1)
    assert one.without_draws().draws is None
    assert one.without_draws().ranges == one.ranges
    assert Cost(fits[0].law, batch.law, critic_params=1.5e5).draws is None
    assert Cost(fits[0].law, batch.law, critic_params=1.5e5).ranges == {}
    # a bare data law with the bootstraps of the batch size
    mixed = Cost(fits[0].law, batch, critic_params=1.5e5).draws
    assert mixed is not None
    assert mixed(sigma=2.0).shape == (5, 1)


def test_bootstraps_must_match():
    def drawn(count):
        law = DataLaw(
            np.full((count, 1), 2e5), np.ones((count, 1, 1)), np.ones((count, 1, 1)), axes=SIGMA
        )
        return fit_of(DataLaw(2e5, [1.0], [1.0], axes=SIGMA), law)

    with pytest.raises(ValueError, match="different numbers of bootstraps: 5, 6"):
        Cost([drawn(5), drawn(6)], 256.0, critic_params=1.0)
    batch = fit_of(
        PowerLaw(1.0, [0.0], axes=SIGMA), PowerLaw(np.ones((6, 1)), np.zeros((6, 1, 1)), axes=SIGMA)
    )
    with pytest.raises(ValueError, match="different numbers of bootstraps: 5, 6"):
        Cost(drawn(5), batch, critic_params=1.0)
    bare = fit_of(DataLaw(2e5, [1.0], [1.0], axes=SIGMA))
    with pytest.raises(ValueError, match="different numbers of bootstraps: 5, 0"):
        Cost([drawn(5), bare], 256.0, critic_params=1.0)
    several = replace(bare, tasks=("hopper", "ant"))
    with pytest.raises(ValueError, match=r"fit.of\('hopper'\)"):
        Cost(several, 256.0, critic_params=1.0)


def test_right_of_least_compute_no_other_sigma_needs_less_of_both():
    sigma = np.geomspace(0.01, 16, 60)
    efficient = sigma >= allocate(COST, delta=0.0)["sigma"]
    assert 0 < efficient.sum() < sigma.size  # the interior minimum is inside the grid
    kept = non_dominated(COST.steps(sigma=sigma), COST(sigma=sigma))
    # the grid point just left of the minimum may be undominated on a grid
    assert (kept & ~efficient).sum() <= 1
    assert kept[efficient].all()


def test_many_levels_broadcast_against_places():
    levels = over_sigma(
        np.array([[1e5], [2e5]]), np.array([[1e4], [9e5]]), np.array([[0.9], [1.2]])
    )
    assert levels.steps(sigma=[0.5, 1, 2]).shape == levels(sigma=[0.5, 1, 2]).shape == (2, 3)
    with pytest.raises(ValueError, match="sigma must be positive"):
        COST(sigma=[0.0, 1.0])


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
