from dataclasses import replace

import jax
import numpy as np
import pytest
from vs_agents import (
    SAC,
    Transition,
    evaluate,
    init_lanes,
    reset_lanes,
    step,
    updates_after,
    updates_due,
)

CONFIG = SAC(observation_size=3, action_size=1, critic_width=8, actor_width=8)
CAPACITY = 1000


def transitions(t: int) -> Transition:
    """Step t of two lanes."""
    x = np.random.default_rng(t).normal(size=(2, 8)).astype(np.float32)
    return Transition(
        x[:, :3], np.tanh(x[:, 3:4]), x[:, 4], *np.zeros((2, 2), np.float32), x[:, 5:]
    )


def train(rates=(1e-3, 1e-3), *, utd=1.0, steps=4, seeds=(0, 1), config=CONFIG):
    lanes = init_lanes(
        config, seeds=np.array(seeds), learning_rates=np.array(rates), capacity=CAPACITY
    )
    history = []
    for t in range(steps):
        moved = transitions(t)
        due = updates_due(t, utd)
        lanes, action, metrics = step(
            lanes, moved, moved.next_observation, config=config, batch_size=4, updates=due
        )
        history.append((due, np.asarray(action), jax.tree.map(np.asarray, metrics)))
    return lanes, history


@pytest.mark.parametrize("utd", [0.5, 0.25, 1 / 3, 1.0, 1.5, 2.0, 8.0])
def test_updates_due_sum_exactly_and_are_even(utd):
    due = np.array([updates_due(t, utd) for t in range(600)])
    np.testing.assert_array_equal(np.cumsum(due), [int((t + 1) * utd) for t in range(600)])
    np.testing.assert_array_equal(np.cumsum(due), [updates_after(t + 1, utd) for t in range(600)])
    assert due.max() - due.min() <= 1
    assert due.sum() == pytest.approx(600 * utd, abs=1)


def test_half_an_update_per_step_is_one_every_second_step():
    lanes, history = train(utd=0.5, steps=8)
    assert [due for due, *_ in history] == [0, 1, 0, 1, 0, 1, 0, 1]
    assert int(lanes.agent.critic.optimizer.count[0]) == 4
    assert int(lanes.agent.actor.optimizer.count[0]) == 4
    assert int(lanes.agent.log_temperature.optimizer.count[0]) == 4
    assert ["critic_loss" in m for *_, m in history] == [False, True] * 4


@pytest.mark.parametrize(("utd", "expected"), [(0.5, 8), (1.0, 8), (3.0, 8)])
def test_the_actor_may_be_updated_once_per_environment_step(utd, expected):
    config = replace(CONFIG, actor_every="env_step")
    lanes, history = train(utd=utd, steps=8, config=config)
    assert int(lanes.agent.critic.optimizer.count[0]) == int(8 * utd)
    assert int(lanes.agent.actor.optimizer.count[0]) == expected
    assert int(lanes.agent.log_temperature.optimizer.count[0]) == expected
    assert all(np.isfinite(m["entropy"]).all() for *_, m in history)


def test_nothing_is_learned_while_collecting():
    for config in (CONFIG, replace(CONFIG, actor_every="env_step")):
        lanes = init_lanes(config, seeds=np.arange(2), learning_rates=np.ones(2), capacity=CAPACITY)
        before = jax.tree.map(np.asarray, lanes.agent)
        moved = transitions(0)
        lanes, _, metrics = step(
            lanes, moved, moved.next_observation, config=config, batch_size=4, updates=None
        )
        assert metrics == {}
        assert int(lanes.replay.inserted) == 1
        jax.tree.map(np.testing.assert_array_equal, lanes.agent, before)


def test_a_reset_starts_everything_but_the_memory_afresh():
    lanes, _ = train((1e-3, 3e-3), steps=6)
    data = jax.tree.map(np.asarray, lanes.replay)
    old = jax.tree.map(np.asarray, lanes.agent)
    lanes = reset_lanes(lanes, config=CONFIG)
    jax.tree.map(np.testing.assert_array_equal, lanes.replay, data)
    assert int(lanes.agent.critic.optimizer.count[0]) == 0
    assert lanes.agent.log_temperature is not None
    np.testing.assert_array_equal(lanes.agent.log_temperature.params, [0, 0])
    np.testing.assert_array_equal(lanes.agent.learning_rate, old.learning_rate)
    pairs = zip(
        jax.tree.leaves(lanes.agent.critic.params), jax.tree.leaves(old.critic.params), strict=True
    )
    assert all(not np.array_equal(a, b) for a, b in pairs)
    jax.tree.map(
        np.testing.assert_array_equal, lanes.agent.critic.params, lanes.agent.target_critic
    )
    assert not np.array_equal(*jax.tree.leaves(lanes.agent.actor.params)[1])  # lanes differ


def test_several_updates_per_step_are_all_done():
    lanes, _ = train(utd=3.0, steps=5)
    assert int(lanes.agent.critic.optimizer.count[0]) == 15


@pytest.mark.parametrize(("actor_every", "draws"), [("critic_update", 4 + 4), ("env_step", 4 + 1)])
def test_every_update_draws_its_own_noise(actor_every, draws):
    seen: list[bytes] = []

    class Watched(SAC):
        def target(self, state, batch, noise):
            jax.debug.callback(lambda x: seen.append(np.asarray(x).tobytes()), noise)
            return super().target(state, batch, noise)

        def policy_loss(self, actor, state, batch, noise):
            jax.debug.callback(lambda x: seen.append(np.asarray(x).tobytes()), noise)
            return super().policy_loss(actor, state, batch, noise)

    config = Watched(
        observation_size=3, action_size=1, critic_width=8, actor_width=8, actor_every=actor_every
    )
    train(utd=4.0, steps=1, config=config)
    jax.effects_barrier()
    assert len(seen) == 2 * draws  # two lanes
    assert len(set(seen)) == 2 * draws


def test_a_lane_depends_on_its_own_seed_and_learning_rate_only():
    one, _ = train((1e-3, 3e-3), seeds=(4, 5))
    two, _ = train((1e-3, 1e-4), seeds=(4, 6))
    for a, b in zip(jax.tree.leaves(one.agent), jax.tree.leaves(two.agent), strict=True):
        np.testing.assert_array_equal(a[0], b[0])
    assert not np.array_equal(
        one.agent.log_temperature.params[1], two.agent.log_temperature.params[1]
    )


def test_the_learning_rate_of_a_lane_is_the_one_given():
    """Adam's first step moves each weight by the learning rate, whatever the gradient."""
    lanes, _ = train((1e-2, 1e-4), steps=1, seeds=(5, 5))
    start, _ = train((1e-2, 1e-4), steps=0, seeds=(5, 5))
    pairs = zip(
        jax.tree.leaves(lanes.agent.critic.params),
        jax.tree.leaves(start.agent.critic.params),
        strict=True,
    )
    moved = [np.abs(a - b).reshape(2, -1).max(axis=1) for a, b in pairs]
    np.testing.assert_allclose(np.max(moved, axis=0), [1e-2, 1e-4], rtol=1e-2)


def place(lanes) -> int:
    observations = lanes.replay.data.observation
    assert isinstance(observations, jax.Array)
    return observations.unsafe_buffer_pointer()


def test_the_memory_is_written_in_place():
    lanes, _ = train(steps=0)
    moved = transitions(0)
    for updates in (None, 0, 1, 1, 3, 3):  # with and without sampling
        before = place(lanes)
        lanes, _, _ = step(
            lanes, moved, moved.next_observation, config=CONFIG, batch_size=4, updates=updates
        )
        assert place(lanes) == before
    assert int(lanes.replay.inserted) == 6


def test_same_seed_same_numbers():
    one, two = train()[0], train()[0]
    for a, b in zip(jax.tree.leaves(one.agent), jax.tree.leaves(two.agent), strict=True):
        np.testing.assert_array_equal(a, b)


def test_actions_are_random_in_training_and_not_in_evaluation():
    lanes, _ = train()
    moved, actions = transitions(9), []
    for _ in range(5):
        lanes, action, _ = step(
            lanes, moved, moved.next_observation, config=CONFIG, batch_size=4, updates=0
        )
        actions.append(np.asarray(action))
    assert np.abs(actions).max() <= 1
    assert len(np.unique(np.array(actions)[:, 0])) == 5
    first, second = (
        np.asarray(evaluate(lanes.agent, moved.observation, config=CONFIG)) for _ in "ab"
    )
    np.testing.assert_array_equal(first, second)
    assert first.shape == (2, 1)
