"""The parts that only the full BRO has, and when both forms start afresh."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from vs_agents import BRO, SAC, Batch, FullBRO, published_resets
from vs_agents import actor_critic as ac
from vs_agents.bro import weight

CONFIG = FullBRO(observation_size=3, action_size=2, critic_width=16, actor_width=8)


@pytest.fixture(scope="module")
def state():
    return CONFIG.init(jax.random.key(1), 1e-2)


def make_batch(n=16) -> Batch:
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(n, 10)), jnp.float32)
    return Batch(x[:, :3], jnp.tanh(x[:, 3:5]), x[:, 5], 0.99 + 0 * x[:, 6], x[:, 7:])


def test_the_start(state):
    assert float(weight(state.extra.optimism.params)) == pytest.approx(1.0, rel=1e-5)
    assert float(weight(state.extra.regularizer.params)) == pytest.approx(0.25, rel=1e-5)
    assert set(state.extra.actor.params["params"]["Dense_0"]) == {"kernel"}  # no bias


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
    extra = state.extra._replace(optimism=state.extra.optimism._replace(params=jnp.asarray(0.3)))
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
    one, two = np.asarray(values, float)
    assert ((one > two).any(-1) & (one < two).any(-1)).any()  # the order of mean and |.| matters
    optimism = np.exp(-10 + 8.75 * (1 + np.tanh(0.3)))
    upper = ((one + two) / 2 + optimism * np.abs(one - two) / 2).mean(-1)
    assert float(kl) == pytest.approx(expected_kl.mean(), rel=1e-4)
    assert float(loss) == pytest.approx((0.25 * expected_kl - upper).mean(), rel=1e-4)


@pytest.mark.parametrize(("shift", "sign"), [(0.0, +1), (1e3, -1)])
def test_too_much_divergence_lowers_optimism_and_raises_the_regulariser(state, shift, sign):
    """Adam's first step is its rate, 3e-5, in the parameter x; log weight is 8.75 tanh x + const."""
    batch = make_batch()
    moved = jax.tree.map(lambda x: shift * x, state.extra.actor.params)
    extra = state.extra._replace(actor=state.extra.actor._replace(params=moved))
    after = CONFIG.update_extra(state._replace(extra=extra), batch, jax.random.key(0)).extra
    for part, up, start in (("optimism", sign, 1.0), ("regularizer", -sign, 0.25)):
        old, new = (np.float64(getattr(x, part).params) for x in (extra, after))
        assert new - old == pytest.approx(up * 3e-5, rel=1e-2)
        slope = 8.75 * (1 - ((np.log(start) + 10) / 8.75 - 1) ** 2)
        logs = [np.log(np.float64(weight(getattr(x, part).params))) for x in (extra, after)]
        assert logs[1] - logs[0] == pytest.approx(up * 3e-5 * slope, rel=2e-2)


def test_the_optimistic_actor_climbs_and_the_conservative_one_is_left_alone(state):
    batch = make_batch()
    free = state._replace(
        extra=state.extra._replace(
            regularizer=state.extra.regularizer._replace(params=jnp.asarray(-10.0))
        )
    )
    noise = jnp.zeros((16, 2))
    before, _ = CONFIG.optimistic_loss(free.extra.actor.params, free, batch, noise)
    after, update = free, jax.jit(CONFIG.update_extra)
    for i in range(30):
        after = update(after, batch, jax.random.key(i))
    loss, _ = CONFIG.optimistic_loss(after.extra.actor.params, after, batch, noise)
    assert float(loss) < float(before)
    jax.tree.map(np.testing.assert_array_equal, after.actor, free.actor)
    jax.tree.map(np.testing.assert_array_equal, after.critic, free.critic)


def test_when_everything_starts_afresh():
    """Both counts are those before the step whose updates the reset precedes."""
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


def test_the_published_resets_depend_on_the_updates_per_step():
    at = [replace(CONFIG, reset_steps=published_resets(utd)).reset_steps for utd in (2.0, 10.0)]
    assert at[0] == (15_001,)
    assert at[1] == (
        15_001, 50_001, 250_001, 500_001, 750_001, 1_000_001, 1_500_001, 2_000_001,
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "mean_gain"), [(BRO, 2.0**0.5), (FullBRO, 2.0**0.5), (SAC, 1.0)])
def test_the_initial_policy(kind, mean_gain):
    """Heads are orthogonal: sqrt 2 or 1 for the mean, 1 for the log standard deviation."""
    config = kind(observation_size=3, action_size=2, critic_width=8, actor_width=64)
    heads = config.init(jax.random.key(0), 1e-3).actor.params["params"]
    for head, gain in (("Dense_0", mean_gain), ("Dense_1", 1.0)):
        kernel = np.asarray(heads[head]["kernel"])
        np.testing.assert_allclose(kernel.T @ kernel, gain**2 * np.eye(2), atol=1e-5)
        np.testing.assert_array_equal(heads[head]["bias"], 0)
