import jax
import numpy as np
import pytest
from vs_agents import SACConfig, Transition, evaluate, init_lanes, step, updates_due

CONFIG = SACConfig(observation_size=3, action_size=1, critic_widths=(8, 8), actor_widths=(8, 8))
CAPACITY = 1000


def transitions(t: int) -> Transition:
    """Step t of two lanes."""
    x = np.random.default_rng(t).normal(size=(2, 8)).astype(np.float32)
    return Transition(x[:, :3], np.tanh(x[:, 3:4]), x[:, 4], np.zeros(2, np.float32), x[:, 5:])


def train(rates=(1e-3, 1e-3), *, utd=1.0, steps=4, seeds=(0, 1)):
    lanes = init_lanes(
        CONFIG, seeds=np.array(seeds), learning_rates=np.array(rates), capacity=CAPACITY
    )
    history = []
    for t in range(steps):
        moved = transitions(t)
        due = updates_due(t, utd)
        lanes, action, metrics = step(
            lanes, moved, moved.next_observation, config=CONFIG, batch_size=4, updates=due
        )
        history.append((due, np.asarray(action), jax.tree.map(np.asarray, metrics)))
    return lanes, history


@pytest.mark.parametrize("utd", [0.5, 0.25, 1 / 3, 1.0, 1.5, 2.0, 8.0])
def test_updates_due_sum_exactly_and_are_even(utd):
    due = np.array([updates_due(t, utd) for t in range(600)])
    np.testing.assert_array_equal(np.cumsum(due), [int((t + 1) * utd) for t in range(600)])
    assert due.max() - due.min() <= 1
    assert due.sum() == pytest.approx(600 * utd, abs=1)


def test_half_an_update_per_step_is_one_every_second_step():
    lanes, history = train(utd=0.5, steps=8)
    assert [due for due, *_ in history] == [0, 1, 0, 1, 0, 1, 0, 1]
    assert int(lanes.agent.critic_optimizer.count[0]) == 4
    assert int(lanes.agent.actor_optimizer.count[0]) == 4
    assert int(lanes.agent.temperature_optimizer.count[0]) == 4
    assert [bool(np.isnan(m["critic_loss"][0])) for *_, m in history] == [True, False] * 4


def test_several_updates_per_step_are_all_done():
    lanes, _ = train(utd=3.0, steps=5)
    assert int(lanes.agent.critic_optimizer.count[0]) == 15


def test_a_lane_depends_on_its_own_seed_and_learning_rate_only():
    one, _ = train((1e-3, 3e-3), seeds=(4, 5))
    two, _ = train((1e-3, 1e-4), seeds=(4, 6))
    for a, b in zip(jax.tree.leaves(one.agent), jax.tree.leaves(two.agent), strict=True):
        np.testing.assert_array_equal(a[0], b[0])
    assert not np.array_equal(one.agent.log_temperature[1], two.agent.log_temperature[1])


def test_the_learning_rate_of_a_lane_is_the_one_given():
    """Adam's first step moves each weight by the learning rate, whatever the gradient."""
    lanes, _ = train((1e-2, 1e-4), steps=1, seeds=(5, 5))
    start, _ = train((1e-2, 1e-4), steps=0, seeds=(5, 5))
    pairs = zip(
        jax.tree.leaves(lanes.agent.critic), jax.tree.leaves(start.agent.critic), strict=True
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
    for updates in (0, 1, 1, 3, 3):  # with and without sampling
        before = place(lanes)
        lanes, _, _ = step(
            lanes, moved, moved.next_observation, config=CONFIG, batch_size=4, updates=updates
        )
        assert place(lanes) == before
    assert int(lanes.replay.inserted) == 5


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
