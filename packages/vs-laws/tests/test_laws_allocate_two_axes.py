"""Places to run over two axes: closed forms, the search where there is none, limits in boxes."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from vs_laws import BatchLaw, DataLaw, Fit, PowerLaw, ProductLaw, Verdict
from vs_laws.allocate import Where, allocate, contour
from vs_laws.cost import Cost

SIGMA, BOTH = ("sigma",), ("sigma", "critic_params")
DELTA = 1e11
RANGES = {"sigma": (1.0, 8.0), "critic_params": (2e5, 4e7)}
BOX = {"sigma": (0.1, 1e3), "critic_params": (1e3, 1e9)}


def fit_of(law, draws=None, ranges=None):
    """A fit by hand: the law, its bootstraps and where the data lie."""
    return Fit(
        form="hand", formula="hand", law=law, draws=draws, parameters={}, loss=0.0, loss_name="",
        n=9, r2_log=1.0, residuals=np.zeros(9), verdict=Verdict.SUPPORTED, reason="",
        ranges=ranges or {},
    )  # fmt: skip


LAW = DataLaw(2e5, [1.5e5, 4e7], [0.8, 0.45], axes=BOTH)
TWO = Cost(fit_of(LAW, ranges=RANGES), 256.0)


def random_laws(rng, m):
    beta = rng.uniform(0.2, 3.0, m)
    floor = np.exp(rng.uniform(11, 14, m)) * (rng.uniform(size=m) > 0.2)
    size = np.exp(rng.uniform(11, 13, m)) * 1e6**beta
    amplitude = np.stack([np.exp(rng.uniform(11, 13, m)), size], axis=-1)
    return DataLaw(floor, amplitude, np.stack([rng.uniform(0.2, 3, m), beta], axis=-1), axes=BOTH)


@pytest.mark.parametrize("batch", [256.0, PowerLaw(30.0, [-0.4, 0.2], axes=BOTH)])
def test_closed_form_equals_the_search(batch):
    cost = Cost(fit_of(random_laws(np.random.default_rng(0), 20), ranges=RANGES), batch)
    search = Cost(cost.data, batch, actor_params=1e-300)  # nothing is added, but no closed form
    assert cost.power is not None
    assert search.power is None
    exact, found = allocate(cost, delta=DELTA), allocate(search, delta=DELTA)
    for axis in BOTH:
        np.testing.assert_allclose(exact[axis], found[axis], rtol=1e-6)
    assert np.all(exact.budget <= found.budget * (1 + 1e-12))
    assert list(exact.where) == list(found.where)
    assert list(exact.edges) == list(found.edges)
    # limits are met by sections of log δ there
    limits: list[dict[str, Any]] = [
        {"max_data": 3 * exact.data},
        {"max_compute": 3 * exact.compute},
    ]
    for limit in limits:
        exact_limit, found_limit = (
            allocate(each, **limit, within=RANGES, delta=DELTA) for each in (cost, search)
        )
        known = exact_limit.feasible
        assert list(known) == list(found_limit.feasible)
        np.testing.assert_allclose(exact_limit.budget, found_limit.budget, rtol=2e-6)
        assert list(exact_limit.where) == list(found_limit.where)


def test_closed_form_is_the_papers():
    data = 6e5
    found = allocate(Cost(LAW, 256.0), max_data=data)
    sigma, params = found["sigma"], found["critic_params"]
    a, b, excess = 1.5e5 ** (1 / 0.8), 4e7 ** (1 / 0.45), data - 2e5
    assert sigma == pytest.approx(a * ((1 + 0.8 / 0.45) / excess) ** (1 / 0.8))
    assert params == pytest.approx(b * ((1 + 0.45 / 0.8) / excess) ** (1 / 0.45))
    assert LAW(sigma=sigma, critic_params=params) == pytest.approx(data)
    assert contour(LAW, data, axis="critic_params", sigma=sigma) == pytest.approx(params)
    assert contour(LAW, data, axis="sigma", critic_params=params) == pytest.approx(sigma)
    along = np.geomspace(0.6, 60, 2001) * sigma
    cost = TWO(sigma=along, critic_params=contour(LAW, data, axis="critic_params", sigma=along))
    assert np.nanmin(cost) >= TWO(sigma=sigma, critic_params=params) * (1 - 1e-12)
    assert np.isnan(contour(LAW, 1e5, axis="sigma", critic_params=1e6))
    alone = DataLaw(2e5, [1.5e5], [0.8], axes=SIGMA)
    assert alone(sigma=contour(alone, 3e5, axis="sigma")) == pytest.approx(3e5)
    with pytest.raises(ValueError, match="all axes but one"):
        contour(LAW, data, axis="sigma")


@pytest.mark.parametrize(
    "cost",
    [
        Cost(fit_of(LAW, ranges=RANGES), BatchLaw(1200.0, -0.4, 3e6, 0.6, axes=BOTH)),
        Cost(fit_of(LAW, ranges=RANGES), 256.0, actor_params=4e5, passive_params=1e6),
        Cost(fit_of(LAW, ranges=RANGES), 256.0, actor_params=4e5, actor_updates="critic_update"),
    ],
)
def test_search_agrees_with_scipy(cost):
    def total(t):
        at = dict(zip(BOTH, np.exp(t), strict=True))
        return np.log(cost(**at) + DELTA * cost.steps(**at))

    options = {"xatol": 1e-10, "fatol": 1e-15}
    other = min(
        (
            minimize(total, np.log(start), method="Nelder-Mead", options=options)
            for start in ((0.5, 3e5), (0.5, 1e7), (4.0, 3e5), (4.0, 1e7))
        ),
        key=lambda r: r.fun,
    )
    found = allocate(cost, delta=DELTA)
    np.testing.assert_allclose([found[axis] for axis in BOTH], np.exp(other.x), rtol=1e-6)


def test_edges_are_flagged():
    inside = allocate(TWO, delta=DELTA)
    assert inside.where.item() == Where.INTERIOR
    assert inside.edges.item() == ""
    narrow = {"sigma": (1e-3, 0.1), "critic_params": (2e5, 4e7)}
    outside = allocate(Cost(fit_of(LAW, ranges=narrow), 256.0), delta=DELTA)
    assert outside.where.item() == Where.BEYOND
    assert outside.edges.item() == "sigma"
    assert outside["sigma"] == pytest.approx(inside["sigma"])
    held = allocate(Cost(fit_of(LAW, ranges=narrow), 256.0), delta=DELTA, within=narrow)
    assert held.where.item() == Where.EDGE
    assert held["sigma"] == pytest.approx(0.1)
    assert held.budget > outside.budget
    # without a term in σ, the fewest updates are best, and N solves the rest
    flat = DataLaw(2e5, [0.0, 4e7], [1.0, 0.45], axes=BOTH)
    found = allocate(Cost(fit_of(flat, ranges=RANGES), 256.0), delta=DELTA)
    assert found.where.item() == Where.EDGE
    assert (found["sigma"].item(), found.edges.item()) == (pytest.approx(1.0), "sigma")
    n = np.geomspace(2e5, 4e7, 4001)
    best = n[np.argmin((10 * n * 256 + DELTA) * flat(sigma=1.0, critic_params=n))]
    assert found["critic_params"] == pytest.approx(best, rel=5e-3)
    # a place beyond the box may still be inside the data
    box = allocate(TWO, delta=DELTA, within={"sigma": (1.0, 2.0)})
    assert box.where.item() == Where.EDGE
    assert box.edges.item() == "sigma"
    assert not box.extrapolated


def on_a_fine_grid(cost, objective, limit, limited, box):
    sigma = np.geomspace(*box["sigma"], 1500)[:, None]
    params = np.geomspace(*box["critic_params"], 1500)[None, :]
    at = {"sigma": sigma, "critic_params": params}
    return float(np.where(limited(**at) <= limit, objective(**at), np.inf).min())


@pytest.mark.parametrize("batch", [256.0, PowerLaw(30.0, [-0.4, 0.2], axes=BOTH)])
def test_least_compute_is_the_star_on_the_contour(batch):
    cost = Cost(LAW, batch)
    limits = np.array([2.6e5, 4e5, 9e5])
    found = allocate(cost, max_data=limits, within=BOX)
    # the terms share E as p_k/α_k
    assert cost.power is not None
    alpha, excess = np.asarray(LAW.exponent), limits - 2e5
    rates = np.asarray(cost.power.exponent) / alpha
    star = (LAW.amplitude / (rates / rates.sum() * excess[:, None])) ** (1 / alpha)
    np.testing.assert_allclose(found["sigma"], star[:, 0], rtol=1e-12)
    np.testing.assert_allclose(found["critic_params"], star[:, 1], rtol=1e-12)
    np.testing.assert_allclose(found.data, limits, rtol=1e-14)
    assert np.all(found.data <= limits)
    assert list(found.where) == [Where.CONSTRAINT] * 3
    assert np.isnan(found.budget).all()
    priced = allocate(cost, max_data=limits, within=BOX, delta=1e11)
    np.testing.assert_allclose(priced.budget, priced.compute + 1e11 * priced.data)
    back = allocate(cost, max_compute=found.compute, within=BOX)  # the same point of the front
    np.testing.assert_allclose(back.data, limits, rtol=1e-12)
    np.testing.assert_allclose(back["critic_params"], star[:, 1], rtol=1e-10)
    assert np.all(back.compute <= found.compute)


def test_limits_in_a_box_are_exact():
    """An axis at an end of the box leaves one root for the other."""
    held = TWO.hold(sigma=8.0)
    # least C with D ≤ D₀: σ = 8, and N on the contour; least D with C ≤ C₀: N by bisection
    on_contour = contour(LAW, 2.6e5, axis="critic_params", sigma=8.0)
    affordable = np.exp(
        brentq(lambda t: np.log(held(critic_params=np.exp(t)) / 1e17), 14, 20, xtol=1e-14)
    )
    goals: list[tuple[dict[str, Any], float]] = [
        ({"max_data": 2.6e5}, float(on_contour)),
        ({"max_compute": 1e17}, float(affordable)),
    ]
    for goal, params in goals:
        found = allocate(TWO, **goal, within=RANGES)
        assert found["sigma"] == pytest.approx(8.0, rel=1e-15)
        assert found["critic_params"] == pytest.approx(params, rel=1e-12)
        assert found.edges == "sigma"


@pytest.mark.parametrize(
    "cost",
    [
        Cost(LAW, BatchLaw(800.0, 0.4, 1.2e6, 0.9, axes=BOTH), passive_params=1e5),
        Cost(ProductLaw(2e6, [0.2, 0.1], [0.7, 0.45], [1.0, 2e5], axes=BOTH), 256.0),
        Cost(LAW, PowerLaw(30.0, [-0.4, 0.2], axes=BOTH)),
    ],
)
def test_limits_equal_brute_force(cost):
    box = {"sigma": (0.5, 32.0), "critic_params": (5e4, 4e7)}
    corner = float(cost.steps(sigma=32.0, critic_params=4e7))
    for factor in (1.02, 1.3, 2.0):
        limit = factor * corner
        found = allocate(cost, max_data=limit, within=box)
        exact = on_a_fine_grid(cost, cost, limit, cost.steps, box)
        assert found.data <= limit
        assert found.compute == pytest.approx(exact, rel=1e-2)
        assert found.compute <= exact * (1 + 1e-5)
        other = allocate(cost, max_compute=float(found.compute), within=box)
        assert other.data == pytest.approx(found.data, rel=1e-4)
        assert other.data <= on_a_fine_grid(cost, cost.steps, float(found.compute), cost, box) * (
            1 + 1e-5
        )


def test_a_limit_that_does_not_bind_and_one_that_cannot_be_met():
    box = {"sigma": (1.0, 8.0), "critic_params": (2e5, 1e7)}
    loose = allocate(TWO, max_data=[1e9, 1.0], within=box)
    cheapest = allocate(TWO, delta=1e-3, within=box)
    assert loose["sigma"][0] == pytest.approx(cheapest["sigma"])
    assert loose["critic_params"][0] == pytest.approx(cheapest["critic_params"])
    assert list(loose.where) == [Where.EDGE, Where.INFEASIBLE]
    assert np.isnan([loose["sigma"][1], loose["critic_params"][1], loose.data[1]]).all()
    rich = allocate(TWO, max_compute=[1e30, 1.0], within=box)
    assert (rich["sigma"][0], rich["critic_params"][0]) == pytest.approx((8.0, 1e7))
    assert list(rich.where) == [Where.EDGE, Where.INFEASIBLE]
    # if D does not depend on N, the least N of those equally good
    flat = Cost(DataLaw(2e5, [1.5e5, 0.0], [0.8, 0.45], axes=BOTH), 256.0)
    assert allocate(flat, max_compute=1e30, within=box)["critic_params"] == pytest.approx(2e5)


def test_limits_of_bootstraps_are_solved_one_by_one():
    floors = np.array([[1e5], [2e5], [3e5]])
    every = np.ones((3, 1, 2))
    amplitude, exponent = np.asarray(LAW.amplitude) * every, np.asarray(LAW.exponent) * every
    draws = DataLaw(floors, amplitude, exponent, axes=BOTH)
    found = allocate(Cost(fit_of(LAW, draws), 256.0), max_data=[4e5, 3.5e5], within=BOX).draws
    assert found is not None
    assert found["sigma"].shape == (3, 2)
    for k, floor in enumerate(floors.ravel()):
        alone = Cost(DataLaw(floor, LAW.amplitude, LAW.exponent, axes=BOTH), 256.0)
        star = allocate(alone, max_data=4e5)
        assert found["sigma"][k, 0] == pytest.approx(float(star["sigma"]), rel=1e-12)


def test_an_axis_that_runs_away_is_held_and_the_others_solved_again():
    # σ matters so little that its optimum is below 1e-4: held at 1; then N is that of σ = 1
    weak = DataLaw(2e5, [1e-3, 4e7], [0.8, 0.45], axes=BOTH)
    cost = Cost(fit_of(weak, ranges=RANGES), 256.0)
    found = allocate(cost, delta=DELTA)
    assert found.where == Where.EDGE
    assert found.edges == "sigma"
    assert found["sigma"] == pytest.approx(1.0, rel=1e-15)
    alone = allocate(cost.hold(sigma=1.0), delta=DELTA)
    assert found["critic_params"] == pytest.approx(float(alone["critic_params"]), rel=1e-12)
    assert found.budget == pytest.approx(float(alone.budget), rel=1e-12)
    # within 1e4 of the data the laws are followed
    near = DataLaw(2e5, [3e3, 4e7], [0.8, 0.45], axes=BOTH)
    followed = allocate(Cost(fit_of(near, ranges=RANGES), 256.0), delta=DELTA)
    assert followed.where == Where.BEYOND
    bare = allocate(Cost(near, 256.0), delta=DELTA)
    assert followed["sigma"] == pytest.approx(float(bare["sigma"]), rel=1e-14)
    assert bare.where == Where.INTERIOR  # no data range is known


def test_hold_is_the_law_with_its_term_in_the_floor():
    floor = 2e5 + 4e7 * 1e6**-0.45
    single = Cost(DataLaw(floor, [1.5e5], [0.8], axes=SIGMA), 256.0, critic_params=1e6)
    goals: list[dict[str, Any]] = [{"delta": DELTA}, {"max_data": 4e5}, {"max_compute": 1e17}]
    for goal in goals:
        held = allocate(TWO, **goal, hold={"critic_params": 1e6})
        assert held["sigma"] == pytest.approx(float(allocate(single, **goal)["sigma"]), rel=1e-14)
        assert held.compute == pytest.approx(float(allocate(single, **goal).compute), rel=1e-13)
    several = allocate(TWO, delta=DELTA, hold={"critic_params": [3e5, 1e6]})
    assert several["sigma"].shape == (2,)
    assert several["sigma"][1] == pytest.approx(float(allocate(single, delta=DELTA)["sigma"]))


def test_a_limit_can_be_met_at_the_very_corner_of_the_box():
    box = {"sigma": (1.0, 8.0), "critic_params": (2e5, 1e7)}
    least = float(LAW(sigma=8.0, critic_params=1e7))
    corner = allocate(TWO, max_data=least, within=box)
    assert corner.where == Where.EDGE
    assert (corner["sigma"], corner["critic_params"]) == pytest.approx((8.0, 1e7))
    assert allocate(TWO, max_data=least * (1 - 1e-9), within=box).where == Where.INFEASIBLE
