import json
from pathlib import Path

import numpy as np
import pytest
from vs_laws.allocate import least_budget
from vs_laws.budget import best_level, fit_budget_laws
from vs_laws.compute import ComputeLaw
from vs_laws.forms import DataLaw, PowerLaw
from vs_laws.verdict import Verdict

GOLDEN = Path(__file__).resolve().parents[4] / "shared" / "reference" / "golden_gym.json"
LEVELS = np.linspace(300, 800, 8)


def family(levels=LEVELS, *, d_min=None, gamma=2.0):
    """d = 0, so σ* = (αδ/((p−α)k))^(1/p) would not move; let amplitude and floor grow with J."""
    scale = (levels / 300.0) ** gamma
    floor = 1e5 * scale if d_min is None else d_min
    return ComputeLaw(DataLaw(floor, 4e4 * scale**2, 0.8), PowerLaw(366.0, -0.31), 1.5e5)


def test_exact_power_law_when_levels_only_rescale():
    # d ∝ s, A ∝ s·r^α ⇒ D_J(σ) = s·D(σ/r); with p = α the optimum is closed: σ* ∝ (A/d)^(1/2p)
    s = np.geomspace(1, 30, 7)
    law = ComputeLaw(DataLaw(1e5 * s, 1e5 * s**1.5, 0.7), PowerLaw(366.0, -0.3), 1.5e5)
    result = fit_budget_laws(np.arange(7.0), law, 4e9)
    expected = (4e9 * 1e5 * s**1.5 / (10 * 1.5e5 * 366 * 1e5 * s)) ** (1 / 1.4)
    assert result.optimum.sigma == pytest.approx(expected, rel=1e-12)
    assert result.sigma.verdict is Verdict.SUPPORTED
    assert result.sigma.parameters["exponent"].value > 0
    assert np.abs(result.checks["sigma"].relative_error).max() < 0.05


def test_held_out_are_the_largest_budgets_and_do_not_touch_the_fit():
    law = family()
    result = fit_budget_laws(LEVELS, law, 4e9, hold_out=2)
    assert np.flatnonzero(result.held_out).tolist() == [6, 7]
    assert result.sigma.n == 6
    changed = DataLaw(np.append(law.data.d_min[:6], [5e6, 9e6]), law.data.amplitude, law.data.alpha)
    other = fit_budget_laws(
        LEVELS, ComputeLaw(changed, law.batch_size, law.critic_params), 4e9, hold_out=2
    )
    assert other.sigma.parameters["exponent"].value == result.sigma.parameters["exponent"].value
    check = result.checks["compute"]
    assert check.relative_error == pytest.approx(check.predicted.value / check.actual - 1)
    assert fit_budget_laws(LEVELS, law, 4e9, hold_out=0).checks == {}


def test_seed_bootstraps_give_the_interval_and_the_verdict():
    rng = np.random.default_rng(0)
    law = family()

    def drawn(noise):
        jitter = np.exp(noise * rng.standard_normal((400, LEVELS.size)))
        data = DataLaw(law.data.d_min * jitter, law.data.amplitude / jitter, np.full((400, 1), 0.8))
        return ComputeLaw(data, PowerLaw(np.full((400, 1), 366.0), -0.31), 1.5e5)

    sure = fit_budget_laws(LEVELS, law, 4e9, samples=drawn(0.02))
    exponent = sure.sigma.parameters["exponent"]
    assert exponent.low < exponent.value < exponent.high
    assert sure.sigma.verdict is Verdict.SUPPORTED
    assert sure.optimum.samples is not None
    assert sure.optimum.samples.sigma.shape == (400, LEVELS.size)
    check = sure.checks["sigma"].predicted
    assert np.all((check.low < check.value) & (check.value < check.high))
    unsure = fit_budget_laws(LEVELS, law, 4e9, samples=drawn(1.5))
    assert unsure.sigma.verdict is Verdict.FLAT
    assert unsure.sigma.parameters["exponent"].low < 0


def test_bootstrap_fits_equal_a_fit_of_each():
    rng = np.random.default_rng(1)
    law = family()
    floors = law.data.d_min * np.exp(0.1 * rng.standard_normal((5, LEVELS.size)))
    many = ComputeLaw(DataLaw(floors, law.data.amplitude, 0.8), law.batch_size, 1.5e5)
    fit = fit_budget_laws(LEVELS, law, 4e9, samples=many, hold_out=0).sigma
    assert isinstance(fit.samples, PowerLaw)
    exponent, coefficient = np.ravel(fit.samples.exponent), np.ravel(fit.samples.coefficient)
    for k in range(5):
        one = least_budget(
            ComputeLaw(DataLaw(floors[k], law.data.amplitude, 0.8), law.batch_size, 1.5e5), 4e9
        )
        slope, top = np.polyfit(np.log(one.budget), np.log(one.sigma), 1)
        assert exponent[k] == pytest.approx(slope, rel=1e-9)
        assert np.log(coefficient[k]) == pytest.approx(top, rel=1e-9)


def test_best_level_inverts_the_budgets():
    optimum = least_budget(family(), 4e9)
    back = best_level(LEVELS, optimum, optimum.budget, delta=4e9)
    assert back.level == pytest.approx(LEVELS)
    assert back.sigma == pytest.approx(optimum.sigma)
    assert back.compute == pytest.approx(optimum.compute)
    between = best_level(LEVELS, optimum, np.sqrt(optimum.budget[2] * optimum.budget[3]), delta=4e9)
    assert between.level == pytest.approx((LEVELS[2] + LEVELS[3]) / 2)
    assert between.level.shape == ()
    # what is spent is the budget
    wanted = np.geomspace(optimum.budget[0], optimum.budget[-1], 50)
    inside = best_level(LEVELS, optimum, wanted, delta=4e9)
    assert inside.compute + 4e9 * inside.data == pytest.approx(wanted)
    assert np.all(np.diff(inside.level) > 0)
    assert np.all(inside.compute > 0)


def test_best_level_out_of_range_is_flagged():
    optimum = least_budget(family(), 4e9)
    low, high = optimum.budget[0] / 2, optimum.budget[-1] * 2
    out = best_level(LEVELS, optimum, [low, high], delta=4e9)
    assert out.out_of_range.tolist() == [True, True]
    assert np.isnan(out.level[0])
    assert np.isnan(out.compute[0])
    assert out.level[1] == LEVELS[-1]
    assert out.compute[1] == pytest.approx(optimum.compute[-1])


def test_best_level_passes_over_a_level_dearer_than_a_higher_one():
    floors = np.array([1e5, 9e5, 3e5, 4e5])
    law = ComputeLaw(DataLaw(floors, 1e5, 0.8), PowerLaw(366.0, -0.31), 1.5e5)
    optimum = least_budget(law, 4e9)
    assert optimum.budget[1] > optimum.budget[2]
    levels = np.array([1.0, 2, 3, 4])
    found = best_level(levels, optimum, [optimum.budget[2], optimum.budget[3] * 3], delta=4e9)
    assert found.level == pytest.approx([3, 4])
    assert found.compute[1] == pytest.approx(optimum.compute[3])


def test_best_level_of_every_bootstrap():
    law = family()
    floors = law.data.d_min * np.array([[1.0], [2.0], [np.nan]])
    many = least_budget(
        ComputeLaw(DataLaw(floors, law.data.amplitude, 0.8), law.batch_size, 1.5e5), 4e9
    )
    found = best_level(LEVELS, many, [1e15, 2e15], delta=4e9)
    assert found.level.shape == (3, 2)
    alone = best_level(LEVELS, least_budget(law, 4e9), [1e15, 2e15], delta=4e9)
    assert found.level[0] == pytest.approx(alone.level)
    assert np.isnan(found.level[1, 0])  # twice the floor: 1e15 no longer pays for any level
    assert found.level[1, 1] < found.level[0, 1]
    assert np.isnan(found.level[2]).all()


def test_bad_input():
    law = family()
    with pytest.raises(ValueError, match="fewer than two"):
        fit_budget_laws(LEVELS, law, 4e9, hold_out=7)
    with pytest.raises(ValueError, match="strictly ascending"):
        fit_budget_laws(LEVELS[::-1], law, 4e9)
    with pytest.raises(ValueError, match="one data law per level"):
        fit_budget_laws(LEVELS[:5], law, 4e9)
    with pytest.raises(ValueError, match="expected \\(bootstraps, 8\\)"):
        fit_budget_laws(LEVELS, law, 4e9, samples=law)
    falling = ComputeLaw(law.data, PowerLaw(366.0, -1.5), 1.5e5)
    with pytest.raises(ValueError, match="no finite budget-optimal sigma"):
        fit_budget_laws(LEVELS, falling, 4e9)
    optimum = least_budget(law, 4e9)
    with pytest.raises(ValueError, match="budget must be positive"):
        best_level(LEVELS, optimum, 0.0, delta=4e9)
    with pytest.raises(ValueError, match="one optimum per level"):
        best_level(LEVELS[:3], optimum, 1e15, delta=4e9)
    with pytest.raises(ValueError, match="levels must be 1-D"):
        best_level([], optimum, 1e15, delta=4e9)


def published_law():
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
    batch = PowerLaw(top, table["shared|bs_slope|Ant-v4"])
    law = ComputeLaw(DataLaw(scale * c, scale * b**a, a), batch, stage["budget"]["model_size"])
    return stage, law


def test_published_budget_block():
    stage, law = published_law()
    budget = stage["budget"]
    result = fit_budget_laws(
        stage["thresholds"], law, budget["delta"], grid=np.geomspace(0.25, 16, 100)
    )
    assert result.optimum.sigma == pytest.approx(budget["optimal_utd_by_threshold"], rel=1e-12)
    assert result.optimum.budget == pytest.approx(budget["F"], rel=1e-6)
    assert "0.61977 log10 F - 8.58235" in budget["sigma_star_law"]
    fit = result.sigma.parameters
    assert fit["exponent"].value == pytest.approx(0.61977, abs=1e-5)
    assert np.log10(fit["coefficient"].value) == pytest.approx(-8.58235, abs=1e-5)


def test_the_published_sigma_grid_is_what_moves_their_exponent():
    stage, law = published_law()
    exact = fit_budget_laws(stage["thresholds"], law, stage["budget"]["delta"])
    assert np.all(exact.optimum.budget <= np.array(stage["budget"]["F"]) * (1 + 1e-6))
    assert exact.sigma.parameters["exponent"].value == pytest.approx(0.6300, abs=1e-3)
