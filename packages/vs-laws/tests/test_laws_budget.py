import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vs_laws import DataLaw, Fit, PowerLaw, Verdict
from vs_laws.allocate import Where, allocate
from vs_laws.best_level import best_level
from vs_laws.budget import fit_budget_laws
from vs_laws.cost import Cost
from vs_laws.one_axis import median_ratio, one_axis

GOLDEN = Path(__file__).resolve().parents[4] / "shared" / "reference" / "golden_gym.json"
SIGMA, BOTH = ("sigma",), ("sigma", "critic_params")
LEVELS = np.linspace(300, 800, 8)
DELTA = 1e11
RANGES = {"sigma": (1.0, 8.0), "critic_params": (2e5, 4e7)}


def fit_of(law, draws=None, ranges=None):
    """A fit by hand: the law, its bootstraps and where the data lie."""
    return Fit(
        form="hand", formula="hand", law=law, draws=draws, parameters={}, loss=0.0, loss_name="",
        n=9, r2_log=1.0, residuals=np.zeros(9), verdict=Verdict.SUPPORTED, reason="",
        ranges=ranges or {},
    )  # fmt: skip


def over_sigma(d, a, alpha, *, draws=None, b=366.0, e=-0.31):
    """Cost over σ of levels (J,); ``draws``: d, A and α of every bootstrap, (S, J) or (S, 1)."""
    laws = [
        DataLaw(
            floor, np.asarray(amplitude)[..., None], np.asarray(exponent)[..., None], axes=SIGMA
        )
        for floor, amplitude, exponent in ((d, a, alpha), *([] if draws is None else [draws]))
    ]
    return Cost(fit_of(*laws), PowerLaw(b, [e], axes=SIGMA), critic_params=1.5e5)


def family(levels=LEVELS, *, floors=None, gamma=2.0, draws=None):
    """d = 0, so σ* = (αδ/((p−α)k))^(1/p) would not move; let amplitude and floor grow with J."""
    scale = (levels / 300.0) ** gamma
    floor = 1e5 * scale if floors is None else floors
    return over_sigma(floor, 4e4 * scale**2, 0.8, draws=draws)


def test_exact_power_law_when_levels_only_rescale():
    # d ∝ s, A ∝ s·r^α ⇒ D_J(σ) = s·D(σ/r); with p = α the optimum is closed: σ* ∝ (A/d)^(1/2p)
    s = np.geomspace(1, 30, 7)
    cost = over_sigma(1e5 * s, 1e5 * s**1.5, 0.7, e=-0.3)
    result = fit_budget_laws(np.arange(7.0), cost, 4e9)
    expected = (4e9 * 1e5 * s**1.5 / (10 * 1.5e5 * 366 * 1e5 * s)) ** (1 / 1.4)
    assert result.optimum["sigma"] == pytest.approx(expected, rel=1e-12)
    assert result.fits["sigma"].verdict is Verdict.SUPPORTED
    assert result.fits["sigma"].parameters["budget_exponent"].value > 0
    assert np.abs(result.checks["sigma"].relative_error).max() < 0.05
    assert result.between == {}
    assert list(result.fits) == list(result.checks) == ["sigma", "data", "compute"]


def test_held_out_are_the_largest_budgets_and_do_not_touch_the_fit():
    cost = family()
    result = fit_budget_laws(LEVELS, cost, 4e9, hold_out=2)
    assert np.flatnonzero(result.held_out).tolist() == [6, 7]
    assert result.fits["sigma"].n == 6
    changed = family(floors=np.append(cost.law.d_min[:6], [5e6, 9e6]))
    other = fit_budget_laws(LEVELS, changed, 4e9, hold_out=2)
    one, two = (r.fits["sigma"].parameters["budget_exponent"].value for r in (result, other))
    assert one == two
    check = result.checks["compute"]
    assert check.relative_error == pytest.approx(check.predicted.value / check.actual - 1)
    assert fit_budget_laws(LEVELS, cost, 4e9, hold_out=0).checks == {}


def test_seed_bootstraps_give_the_interval_and_the_verdict():
    rng = np.random.default_rng(0)
    law = family().law

    def drawn(noise):
        jitter = np.exp(noise * rng.standard_normal((400, LEVELS.size)))
        amplitude = law.amplitude[:, 0] / jitter
        return family(draws=(law.d_min * jitter, amplitude, np.full((400, 8), 0.8)))

    sure = fit_budget_laws(LEVELS, drawn(0.02), 4e9)
    exponent = sure.fits["sigma"].parameters["budget_exponent"]
    assert exponent.low < exponent.value < exponent.high
    assert sure.fits["sigma"].verdict is Verdict.SUPPORTED
    assert sure.optimum.draws is not None
    assert sure.optimum.draws["sigma"].shape == (400, LEVELS.size)
    check = sure.checks["sigma"].predicted
    assert np.all((check.low < check.value) & (check.value < check.high))
    unsure = fit_budget_laws(LEVELS, drawn(1.5), 4e9)
    assert unsure.fits["sigma"].verdict is Verdict.FLAT
    assert unsure.fits["sigma"].parameters["budget_exponent"].low < 0


def test_bootstrap_fits_equal_a_fit_of_each():
    rng = np.random.default_rng(1)
    law = family().law
    floors = law.d_min * np.exp(0.1 * rng.standard_normal((5, LEVELS.size)))
    amplitude = np.broadcast_to(law.amplitude[:, 0], (5, 8))
    cost = family(draws=(floors, amplitude, np.full((5, 8), 0.8)))
    fit = fit_budget_laws(LEVELS, cost, 4e9, hold_out=0).fits["sigma"]
    assert isinstance(fit.draws, PowerLaw)
    exponent, coefficient = np.ravel(fit.draws.exponent), np.ravel(fit.draws.coefficient)
    for k in range(5):
        one = allocate(family(floors=floors[k]), delta=4e9)
        slope, top = np.polyfit(np.log(one.budget), np.log(one["sigma"]), 1)
        assert exponent[k] == pytest.approx(slope, rel=1e-9)
        assert np.log(coefficient[k]) == pytest.approx(top, rel=1e-9)
    # a bootstrap without a law at all but one level has no law along the budget
    floors[2, 1:] = np.nan
    holes = family(draws=(floors, amplitude, np.full((5, 8), 0.8)))
    fit = fit_budget_laws(LEVELS, holes, 4e9, hold_out=0).fits["sigma"]
    assert isinstance(fit.draws, PowerLaw)
    assert np.isnan(np.ravel(fit.draws.exponent)).tolist() == [False, False, True, False, False]
    assert "1 of 5 bootstraps had fewer than two optima" in fit.notes


def test_best_level_inverts_the_budgets():
    optimum = allocate(family(), delta=4e9)
    back = best_level(LEVELS, optimum, optimum.budget, delta=4e9)
    assert back.level == pytest.approx(LEVELS)
    assert back.places["sigma"] == pytest.approx(optimum["sigma"])
    assert back.compute == pytest.approx(optimum.compute)
    between = best_level(LEVELS, optimum, np.sqrt(optimum.budget[2] * optimum.budget[3]), delta=4e9)
    assert between.level == pytest.approx((LEVELS[2] + LEVELS[3]) / 2)
    assert between.level.shape == between.places["sigma"].shape == ()
    # the whole budget is spent
    wanted = np.geomspace(optimum.budget[0], optimum.budget[-1], 50)
    inside = best_level(LEVELS, optimum, wanted, delta=4e9)
    assert inside.compute + 4e9 * inside.data == pytest.approx(wanted)
    assert np.all(np.diff(inside.level) > 0)
    assert np.all(inside.compute > 0)


def test_best_level_out_of_range_is_flagged():
    optimum = allocate(family(), delta=4e9)
    low, high = optimum.budget[0] / 2, optimum.budget[-1] * 2
    out = best_level(LEVELS, optimum, [low, high], delta=4e9)
    assert out.out_of_range.tolist() == [True, True]
    assert np.isnan(out.level[0])
    assert np.isnan(out.compute[0])
    assert out.level[1] == LEVELS[-1]
    assert out.compute[1] == pytest.approx(optimum.compute[-1])


def test_best_level_passes_over_a_level_dearer_than_a_higher_one():
    optimum = allocate(over_sigma(np.array([1e5, 9e5, 3e5, 4e5]), 1e5, 0.8), delta=4e9)
    assert optimum.budget[1] > optimum.budget[2]
    levels = np.array([1.0, 2, 3, 4])
    found = best_level(levels, optimum, [optimum.budget[2], optimum.budget[3] * 3], delta=4e9)
    assert found.level == pytest.approx([3, 4])
    assert found.compute[1] == pytest.approx(optimum.compute[3])


def test_best_level_of_every_bootstrap():
    law = family().law
    floors = law.d_min * np.array([[1.0], [2.0], [np.nan]])
    amplitude = np.broadcast_to(law.amplitude[:, 0], (3, 8))
    cost = family(draws=(floors, amplitude, np.full((3, 8), 0.8)))
    both = allocate(cost, delta=4e9)
    assert both.draws is not None
    found = best_level(LEVELS, both.draws, [1e15, 2e15], delta=4e9)
    assert found.level.shape == found.places["sigma"].shape == (3, 2)
    alone = best_level(LEVELS, both, [1e15, 2e15], delta=4e9)
    assert found.level[0] == pytest.approx(alone.level)
    assert np.isnan(found.level[1, 0])  # twice the floor: 1e15 no longer pays for any level
    assert found.level[1, 1] < found.level[0, 1]
    assert np.isnan(found.level[2]).all()


def test_bad_input():
    cost = family()
    with pytest.raises(ValueError, match="fewer than two"):
        fit_budget_laws(LEVELS, cost, 4e9, hold_out=7)
    with pytest.raises(ValueError, match="strictly ascending"):
        fit_budget_laws(LEVELS[::-1], cost, 4e9)
    with pytest.raises(ValueError, match="one data law per level"):
        fit_budget_laws(LEVELS[:5], cost, 4e9)
    falling = Cost(cost.data, PowerLaw(366.0, [-1.5], axes=SIGMA), critic_params=1.5e5)
    with pytest.raises(ValueError, match="level 300 has no finite budget optimum"):
        fit_budget_laws(LEVELS, falling, 4e9)
    with pytest.raises(ValueError, match="level 800 has no finite budget optimum"):
        fit_budget_laws(LEVELS, family(floors=np.append(cost.law.d_min[:7], np.nan)), 4e9)
    optimum = allocate(cost, delta=4e9)
    with pytest.raises(ValueError, match="budget must be positive"):
        best_level(LEVELS, optimum, 0.0, delta=4e9)
    with pytest.raises(ValueError, match="one optimum per level"):
        best_level(LEVELS[:3], optimum, 1e15, delta=4e9)
    with pytest.raises(ValueError, match="levels must be 1-D"):
        best_level([], optimum, 1e15, delta=4e9)
    flat = DataLaw(2e5 * np.arange(1.0, 6), np.ones((5, 1)) * [1.5e5, 0.0], [0.8, 0.45], axes=BOTH)
    with pytest.raises(ValueError, match="critic_params is the same at every level"):
        fit_budget_laws(np.arange(5.0), Cost(fit_of(flat, ranges=RANGES), 256.0), DELTA)


def published_cost():
    """Published choices: their fits × the median of task medians, mean of the tasks' B*(σ)."""
    if not GOLDEN.exists():
        pytest.skip("shared/reference/golden_gym.json is not next to this checkout")
    golden = json.loads(GOLDEN.read_text())
    stage = golden["fitted_stage"]
    fits = stage["fits_c_plus_(utd/b)^-a_of_the_normalised_mean"]["ours"]
    scale = stage["median_of_task_medians"]["ours"]
    c, b, a = (np.array([fit[name] for fit in fits]) for name in "cba")
    table = golden["grid_stage"]["published_csv"]
    top = np.mean([v for name, v in table.items() if name.startswith("shared|bs_int|")])
    batch = PowerLaw(top, [table["shared|bs_slope|Ant-v4"]], axes=SIGMA)
    law = DataLaw(scale * c, (scale * b**a)[:, None], a[:, None], axes=SIGMA)
    return stage, Cost(law, batch, critic_params=stage["budget"]["model_size"])


def test_published_budget_block():
    """Their σ* are the best of 100 values of σ; so taken, the cost gives their numbers."""
    stage, cost = published_cost()
    budget = stage["budget"]
    grid = np.geomspace(0.25, 16, 100)
    total = cost(sigma=grid[:, None]) + budget["delta"] * cost.steps(sigma=grid[:, None])
    sigma, least = grid[total.argmin(axis=0)], total.min(axis=0)
    assert sigma == pytest.approx(budget["optimal_utd_by_threshold"], rel=1e-12)
    assert least == pytest.approx(budget["F"], rel=1e-6)
    assert "0.61977 log10 F - 8.58235" in budget["sigma_star_law"]
    used = np.argsort(least, kind="stable")[:-2]
    slope, top = np.polyfit(np.log10(least[used]), np.log10(sigma[used]), 1)
    assert slope == pytest.approx(0.61977, abs=1e-5)
    assert top == pytest.approx(-8.58235, abs=1e-5)
    exact = allocate(cost, delta=budget["delta"])
    assert np.all(exact.budget <= least * (1 + 1e-14))
    assert exact["sigma"] == pytest.approx(sigma, rel=0.03)


def test_the_published_sigma_grid_is_what_moves_their_exponent():
    stage, cost = published_cost()
    exact = fit_budget_laws(stage["thresholds"], cost, stage["budget"]["delta"])
    assert np.all(exact.optimum.budget <= np.array(stage["budget"]["F"]) * (1 + 1e-6))
    exponent = exact.fits["sigma"].parameters["budget_exponent"]
    assert exponent.value == pytest.approx(0.6300, abs=1e-3)


# Two axes and more


def path(levels):
    """Laws whose terms grow with the level at different rates, so that the optima move."""
    growth = np.exp(levels / 200.0)
    amplitude = np.stack([1.5e5 * growth**1.6, 4e7 * growth**0.7], axis=-1)
    exponent = np.broadcast_to([0.8, 0.45], amplitude.shape)
    return DataLaw(2e5 * growth, amplitude, exponent, axes=BOTH)


def fits_of(levels, jitter):
    """One fit per level, with bootstraps whose floor and first term are jittered."""
    laws = path(levels)
    fits = []
    for k in range(len(levels)):
        law = laws.at(k)
        amplitude = np.stack(
            [law.amplitude[0] * jitter[::-1], np.broadcast_to(law.amplitude[1], jitter.shape)],
            axis=-1,
        )
        exponent = np.broadcast_to(law.exponent, amplitude.shape)
        fits.append(
            fit_of(law, DataLaw(law.d_min * jitter, amplitude, exponent, axes=BOTH), RANGES)
        )
    return fits


def test_path_and_held_out_levels():
    levels = np.linspace(100, 400, 12)
    rng = np.random.default_rng(0)
    fits = fits_of(levels, np.exp(0.02 * rng.normal(size=(30, 1))))
    cost = Cost(fits, 256.0)
    laws = fit_budget_laws(levels, cost, DELTA, hold_out=3)
    assert laws.held_out.tolist() == [False] * 9 + [True] * 3
    direct = allocate(Cost(fit_of(path(levels), ranges=RANGES), 256.0), delta=DELTA)
    np.testing.assert_allclose(laws.checks["data"].actual, direct.data[9:])
    assert np.abs(laws.checks["data"].relative_error).max() < 0.05
    used = slice(0, 9)
    slope = np.polyfit(np.log(direct.budget[used]), np.log(direct["critic_params"][used]), 1)[0]
    exponent = laws.fits["critic_params"].parameters["budget_exponent"]
    assert exponent.value == pytest.approx(slope)
    assert exponent.low < exponent.high
    slope = np.polyfit(np.log(direct["critic_params"][used]), np.log(direct["sigma"][used]), 1)[0]
    (between,) = laws.between.values()
    assert between is laws.between["sigma of critic_params"]
    assert between.parameters["critic_params_exponent"].value == pytest.approx(slope)
    check = laws.checks["sigma of critic_params"]
    predicted = between.predict(critic_params=direct["critic_params"][9:]).value
    np.testing.assert_allclose(check.relative_error, predicted / direct["sigma"][9:] - 1)
    growth = laws.growth
    assert growth.factors["data"] == pytest.approx(10 ** growth.elasticities["data"].value)
    assert "ten times the budget" in growth.sentence
    assert growth.to_dict()["sentence"] == growth.sentence
    json.dumps(growth.to_dict())
    share = direct.compute[-1] / direct.budget[-1]
    assert growth.compute_share == pytest.approx(share)
    with pytest.raises(ValueError, match="fewer than two"):
        fit_budget_laws(levels, cost, DELTA, hold_out=11)


def test_growth_names_any_axes():
    levels = np.linspace(100, 400, 8)
    two = fit_budget_laws(levels, Cost(fit_of(path(levels)), 256.0), DELTA).growth.sentence
    assert "grow the UTD ratio first; the UTD ratio" in two
    assert "the critic's parameters" in two
    one = fit_budget_laws(LEVELS, family(), 4e9).growth
    assert "grow the UTD ratio; the UTD ratio" in one.sentence
    assert f"and data {one.factors['data']:.2g} times." in one.sentence
    growth = np.exp(levels / 200.0)[:, None]
    amplitude = np.array([1.5e5, 4e7, 2e5]) * growth ** [1.2, 0.7, 1.9]
    axes = ("sigma", "critic_params", "depth")
    law = DataLaw(2e5 * growth[:, 0], amplitude, [0.8, 0.45, 1.1], axes=axes)
    cost = Cost(law, PowerLaw(60.0, [-0.3, 0.1, 0.7], axes=axes))
    three = fit_budget_laws(levels, cost, DELTA)
    assert list(three.fits) == [*axes, "data", "compute"]
    assert list(three.between) == ["sigma of critic_params", "sigma of depth"]
    assert set(three.checks) == {*three.fits, *three.between}
    assert f"depth {three.growth.factors['depth']:.2g} times" in three.growth.sentence
    top = max(axes, key=lambda axis: three.growth.factors[axis])
    assert top == "depth"
    assert "grow depth first; depth" in three.growth.sentence


def test_a_path_through_optima_at_the_edge_is_not_supported():
    levels = np.linspace(100, 400, 8)
    jitter = np.exp(0.002 * np.random.default_rng(0).normal(size=(30, 1)))
    inside = fit_budget_laws(levels, Cost(fits_of(levels, jitter), 256.0), DELTA)
    wide = {"sigma": (0.1, 1e3), "critic_params": (1e3, 1e9)}
    narrow = {"sigma": (0.1, 10.0), "critic_params": (1e3, 1e9)}
    for spans, verdict in ((wide, Verdict.SUPPORTED), (narrow, Verdict.UNIDENTIFIED)):
        fits = [replace(fit, ranges=spans) for fit in fits_of(levels, jitter)]
        laws = fit_budget_laws(levels, Cost(fits, 256.0), DELTA)
        np.testing.assert_allclose(laws.optimum.budget, inside.optimum.budget)
        assert {fit.verdict for fit in laws.fits.values()} == {verdict}
    assert laws.fits["sigma"].reason == "3 of 6 optima lie at or beyond the edge of the data"
    assert "5 of 8 optima lie at or beyond the edge of what was run" in laws.growth.sentence
    boxed = fit_budget_laws(levels, Cost(fits, 256.0), DELTA, within={"sigma": (0.1, 14.0)})
    assert boxed.optimum["sigma"].max() == pytest.approx(14.0)
    assert list(boxed.optimum.where).count(Where.EDGE) == 3


def test_best_level_follows_every_axis_along_the_budget():
    levels = np.array([1.0, 2.0, 3.0])
    amplitude = np.stack([1.5e5 * np.ones(3), 4e7 * levels**2], axis=-1)
    law = DataLaw(2e5 * levels, amplitude, np.full((3, 2), [0.8, 0.45]), axes=BOTH)
    optimum = allocate(Cost(law, 256.0), delta=1e11)
    found = best_level(levels, optimum, optimum.budget, delta=1e11)
    np.testing.assert_allclose(found.level, levels)
    np.testing.assert_allclose(found.places["sigma"], optimum["sigma"])
    np.testing.assert_allclose(found.places["critic_params"], optimum["critic_params"])
    np.testing.assert_allclose(found.compute, optimum.compute)
    middle = best_level(levels, optimum, np.sqrt(optimum.budget[0] * optimum.budget[1]), delta=1e11)
    expected = np.sqrt(optimum["critic_params"][0] * optimum["critic_params"][1])
    assert middle.places["critic_params"] == pytest.approx(expected)


def test_one_axis_costs_more_than_two():
    levels = np.linspace(100, 400, 5)
    cost = Cost(fit_of(path(levels), ranges=RANGES), 256.0)
    both = allocate(cost, delta=DELTA)
    other = {"sigma": "critic_params", "critic_params": "sigma"}
    for axis, span in RANGES.items():
        fixed = float(both[other[axis]][2])
        one = one_axis(cost, both, DELTA, axis=axis, hold={other[axis]: fixed})
        assert (one.axis, one.hold) == (axis, {other[axis]: fixed})
        # level 2 is fixed at its own optimum: nothing is lost there, something elsewhere
        for ratio in (one.data_ratio, one.compute_ratio, one.budget_ratio):
            assert ratio[2] == pytest.approx(1.0, abs=1e-8)
            assert np.all(np.delete(ratio, 2) > 1.0 + 1e-5)
        # brute force of the least data with no more compute
        t = np.geomspace(span[0] / 100, span[1] * 100, 200_001)
        single = Cost(path(levels).at(-1), 256.0)
        at = {axis: t, other[axis]: fixed}
        steps, flops = single.steps(**at), single(**at)
        for ratio, wanted, limited, top, limit in (
            (one.data_ratio, steps, flops, both.data, both.compute),
            (one.compute_ratio, flops, steps, both.compute, both.data),
        ):
            allowed = limited <= limit[-1]
            least = wanted[allowed].min() / top[-1] if allowed.any() else np.inf
            assert ratio[-1] == pytest.approx(least, rel=1e-3)
        least = (flops + DELTA * steps).min() / both.budget[-1]
        assert one.budget_ratio[-1] == pytest.approx(least, rel=1e-6)
    with pytest.raises(ValueError, match="the cost is over sigma, critic_params"):
        one_axis(cost, both, DELTA, axis="B", hold={"sigma": 1.0, "critic_params": 1.0})
    with pytest.raises(ValueError, match="hold for none"):
        one_axis(cost, both, DELTA, axis="sigma", hold={})


def test_one_axis_cannot_always_reach_the_level():
    levels = np.linspace(100, 400, 5)
    cost = Cost(fit_of(path(levels), ranges=RANGES), 256.0)
    both = allocate(cost, delta=DELTA)
    # with so small a critic, D stays above D* whatever σ is
    one = one_axis(cost, both, DELTA, axis="sigma", hold={"critic_params": 1e3})
    assert np.isinf(one.compute_ratio).all()
    assert np.isfinite(one.budget_ratio).all()
    # a level without a law has no ratio
    law = path(levels)
    holes = replace(law, d_min=np.where(levels == 250, np.nan, law.d_min))
    cost = Cost(fit_of(holes, ranges=RANGES), 256.0)
    one = one_axis(
        cost, allocate(cost, delta=DELTA), DELTA, axis="sigma", hold={"critic_params": 1e6}
    )
    for ratio in (one.data_ratio, one.compute_ratio, one.budget_ratio):
        assert np.isnan(ratio).tolist() == [False, False, True, False, False]


def test_an_axis_that_does_not_matter_is_held_alike_alone_and_together():
    law = DataLaw(2e5, [[1.5e5, 0.0], [3e5, 0.0]], [0.8, 0.45], axes=BOTH)
    cost = Cost(fit_of(law, ranges=RANGES), 256.0)
    both = allocate(cost, delta=DELTA)
    assert both["critic_params"] == pytest.approx(2e5)  # N runs away to the end of its range
    for fixed in (both["sigma"][0], 3.0):
        alone = one_axis(cost, both, DELTA, axis="critic_params", hold={"sigma": float(fixed)})
        assert alone.optimum["critic_params"] == pytest.approx(2e5)
        assert np.all(alone.optimum.edges == "critic_params")
        assert np.all(alone.budget_ratio >= 1 - 1e-9)
        assert np.all(alone.data_ratio >= 1 - 1e-6)
        if fixed != 3.0:
            assert alone.budget_ratio[0] == pytest.approx(1.0)


def test_an_axis_held_at_its_end_together_stays_in_its_data_alone():
    # together σ runs away (B* falls faster than σ rises, d = 0) and is held at 8; alone it would go on
    law = DataLaw(0.0, [3.57e5, 6.8e19], [1.505, 2.447], axes=BOTH)
    cost = Cost(fit_of(law, ranges=RANGES), PowerLaw(200.0, [-0.5, 0.0], axes=BOTH))
    both = allocate(cost, delta=DELTA)
    assert both["sigma"] == pytest.approx(8.0)
    one = one_axis(cost, both, DELTA, axis="sigma", hold={"critic_params": 3e6})
    assert one.optimum["sigma"] == pytest.approx(8.0)
    assert one.budget_ratio >= 1.0
    assert one.data_ratio >= 1.0
    assert one.optimum.where == Where.EDGE


def test_median_ratio_counts_inf_as_more_than_any_number():
    assert median_ratio([1.0, 2.0, 4.0]) == 2.0
    assert median_ratio([4.0, 1.0, 2.0, 3.0]) == 2.5
    assert median_ratio([1.0, np.nan, 2.0]) == 1.5
    assert median_ratio([1.0, 2.0, np.inf]) == 2.0
    assert median_ratio([1.0, np.inf]) == np.inf
    assert median_ratio([1.0, np.inf, np.inf]) == np.inf
    assert np.isnan(median_ratio([np.nan]))
    assert np.isnan(median_ratio([]))
    any_type: Any = (1, 3)
    assert median_ratio(any_type) == 2.0
