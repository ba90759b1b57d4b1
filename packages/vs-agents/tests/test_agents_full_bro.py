"""The parts that only the full BRO has, and when both forms start afresh."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from vs_agents import BRO, FullBRO, Transition
from vs_agents import actor_critic as ac

CONFIG = FullBRO(observation_size=3, action_size=2, critic_width=16, actor_width=8)


@pytest.fixture(scope="module")
def state():
    return ac.init(CONFIG, jax.random.key(1), 1e-2)


def make_batch(n=16) -> Transition:
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(n, 10)), jnp.float32)
    return Transition(x[:, :3], jnp.tanh(x[:, 3:5]), x[:, 5], 0 * x[:, 6], x[:, 7:])


def test_the_start(state):
    assert float(jnp.exp(state.extra.log_optimism.params)) == 1.0
    assert float(jnp.exp(state.extra.log_regularizer.params)) == pytest.approx(0.25)


def test_exploration_is_around_the_shifted_mean_with_three_quarters_of_the_deviation(state):
    observation = np.ones((20_000, 3), np.float32)
    action = np.asarray(CONFIG.explore(state, observation, jax.random.key(0)), np.float64)
    mean, log_std = ac.policy(CONFIG, state.actor.params, observation[0])
    shifted = np.asarray(CONFIG.explorer.apply(state.extra.actor.params, observation[0], mean))
    u = np.arctanh(np.clip(action, -1 + 1e-7, 1 - 1e-7))
    inside = np.abs(action) < 0.9999
    for i in range(2):
        median = np.median(u[:, i])
        assert median == pytest.approx(float(shifted[i]), abs=0.05 * np.exp(float(log_std[i])))
        near = u[inside[:, i], i] - median
        # the quartiles of a normal lie 0.6745 deviations from its median
        quartile = np.median(np.abs(near)) / 0.6745
        assert quartile == pytest.approx(0.75 * np.exp(float(log_std[i])), rel=0.05)


def test_the_optimistic_loss(state):
    batch = make_batch()
    noise = np.asarray(jax.random.normal(jax.random.key(2), (16, 2)), np.float64)
    extra = state.extra._replace(
        log_optimism=state.extra.log_optimism._replace(params=jnp.asarray(0.3))
    )
    loss, kl = CONFIG.optimistic_loss(
        extra.actor.params, state._replace(extra=extra), batch, jnp.asarray(noise)
    )
    mean, log_std = (
        np.asarray(x, float) for x in ac.policy(CONFIG, state.actor.params, batch.observation)
    )
    shifted = np.asarray(
        CONFIG.explorer.apply(extra.actor.params, batch.observation, jnp.asarray(mean)), float
    )
    expected_kl = (((shifted - mean) / np.exp(log_std)) ** 2 / 2).sum(1)
    action = np.tanh(shifted + 0.75 * np.exp(log_std) * noise)
    values = CONFIG.critic.apply(state.critic.params, batch.observation, jnp.asarray(action))
    one, two = np.asarray(values, float).mean(-1)
    upper = (one + two) / 2 + np.exp(0.3) * np.abs(one - two) / 2
    assert float(kl) == pytest.approx(expected_kl.mean(), rel=1e-4)
    assert float(loss) == pytest.approx((0.25 * expected_kl - upper).mean(), rel=1e-4)


@pytest.mark.parametrize(("shift", "sign"), [(0.0, +1), (3.0, -1)])
def test_too_much_divergence_lowers_optimism_and_raises_the_regulariser(state, shift, sign):
    """Adam's first step has the size of its rate, 3e-5, whatever the gradient."""
    batch = make_batch()
    moved = jax.tree.map(jnp.copy, state.extra.actor.params)
    moved["params"]["Dense_0"]["bias"] = jnp.full(2, shift)
    moved["params"]["Dense_0"]["kernel"] *= 0.0
    extra = state.extra._replace(actor=state.extra.actor._replace(params=moved))
    after = CONFIG.update_extra(state._replace(extra=extra), batch, jax.random.key(0)).extra
    optimism = float(after.log_optimism.params - extra.log_optimism.params)
    regularizer = float(after.log_regularizer.params - extra.log_regularizer.params)
    assert optimism == pytest.approx(sign * 3e-5, rel=1e-2)
    assert regularizer == pytest.approx(-sign * 3e-5, rel=1e-2)


def test_the_optimistic_actor_climbs_and_the_conservative_one_is_left_alone(state):
    batch = make_batch()
    free = state._replace(
        extra=state.extra._replace(
            log_regularizer=state.extra.log_regularizer._replace(params=jnp.asarray(-10.0))
        )
    )
    noise = jnp.zeros((16, 2))
    before, _ = CONFIG.optimistic_loss(free.extra.actor.params, free, batch, noise)
    after = free
    for i in range(30):
        after = jax.jit(CONFIG.update_extra)(after, batch, jax.random.key(i))
    loss, _ = CONFIG.optimistic_loss(after.extra.actor.params, after, batch, noise)
    assert float(loss) < float(before)
    jax.tree.map(np.testing.assert_array_equal, after.actor, free.actor)
    jax.tree.map(np.testing.assert_array_equal, after.critic, free.critic)


def test_when_everything_starts_afresh():
    due = BRO(observation_size=3, action_size=2, reset_every=10).reset_due
    assert not due(env_step=1, updates_before=8, updates=9)
    assert due(env_step=1, updates_before=8, updates=10)
    assert due(env_step=1, updates_before=18, updates=23)
    assert not due(env_step=10, updates_before=10, updates=18)
    assert not replace(CONFIG, reset_steps=(5,)).reset_due(env_step=4, updates_before=0, updates=9)
    assert replace(CONFIG, reset_steps=(5,)).reset_due(env_step=5, updates_before=0, updates=9)
    never = BRO(observation_size=3, action_size=2, reset_every=None)
    assert not never.reset_due(env_step=9, updates_before=0, updates=10**9)
    assert (never.reset_period, replace(never, reset_every=10).reset_period) == (None, 10)
    assert CONFIG.reset_period is None  # its resets come at env steps
