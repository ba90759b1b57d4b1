from dataclasses import replace

import pytest
from vs_agents import SAC, formula_flops, measured_flops, measured_total, updates_due

CONFIG = SAC(observation_size=3, action_size=2, critic_width=256, actor_width=256)


def test_flops_by_formula_and_by_the_program():
    formula, measured = formula_flops(CONFIG, 64), measured_flops(CONFIG, 64)
    assert formula.critic == 10 * CONFIG.critic_params * 64
    assert formula.actor == 12 * CONFIG.critic_params * 64
    actor, critic = 256 * 256 + 3 * 256 + 256 * 4, 2 * (256 * 256 + 5 * 256 + 256)
    # 2 flops per weight and product. Critic: policy and targets forward, critics forward and two
    # products backward, the first layer's input gradient not needed. Actor: itself forward and
    # backward, the critics forward and backward to their input, their weights' gradient not needed.
    weights = actor + critic + 3 * critic - 2 * 5 * 256
    assert measured.critic == pytest.approx(2 * 64 * weights, rel=0.1)
    weights = 3 * actor - 3 * 256 + 2 * critic
    assert measured.actor == pytest.approx(2 * 64 * weights, rel=0.1)


def test_passive_critics_are_not_counted():
    watched = replace(CONFIG, passive_width=512)
    assert measured_flops(watched, 64) == measured_flops(CONFIG, 64)
    assert formula_flops(watched, 64) == formula_flops(CONFIG, 64)


@pytest.mark.parametrize(("utd", "actor_updates"), [(0.5, 30), (2.0, 120)])
def test_the_total_counts_every_update(utd, actor_updates):
    updates = sum(updates_due(t, utd) for t in range(60))
    each = measured_flops(CONFIG, 64)
    total = measured_total(CONFIG, 64, decisions=60, updates=updates)
    assert total == updates * each.critic + actor_updates * each.actor
    rare = replace(CONFIG, actor_every="env_step")
    total = measured_total(rare, 64, decisions=60, updates=updates)
    assert total == updates * each.critic + 60 * each.actor
    assert measured_total(rare, 64, decisions=0, updates=0) == 0
