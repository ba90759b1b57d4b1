from dataclasses import replace

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from vs_agents import (
    BRO,
    SAC,
    Transition,
    diagnose,
    fresh_loss,
    init_lanes,
    init_stream,
    step,
    step_stream,
)
from vs_agents.diagnostics import noise_scale_of
from vs_agents.replay import as_batch

CONFIG = SAC(observation_size=3, action_size=2, critic_width=16, actor_width=8)


def transitions(t: int) -> Transition:
    x = np.random.default_rng(t).normal(size=(2, 9)).astype(np.float32)
    return Transition(
        x[:, :3], np.tanh(x[:, 3:5]), x[:, 5], *np.zeros((2, 2), np.float32), x[:, 6:]
    )


def of(lane: int, tree):
    return jax.tree.map(lambda x: x[lane], tree)


def trained(config, steps=12, *, measuring=False):
    lanes = init_lanes(config, seeds=np.arange(2), learning_rates=np.full(2, 1e-3), capacity=50)
    stream = init_stream(config, seeds=np.arange(2), capacity=20)
    found = {}
    for t in range(steps):
        moved, held_out = transitions(t), transitions(1000 + t)
        lanes, action, _ = step(
            lanes, moved, moved.next_observation, config=config, batch_size=4, updates=1
        )
        if measuring:
            stream, other = step_stream(
                stream, lanes.agent, held_out, held_out.next_observation, config=config
            )
            assert other.shape == action.shape
            found = diagnose(lanes, stream, config=config, batch_size=16, noise_scale=True)
    return lanes, stream, found


@pytest.mark.parametrize("kind", [SAC, BRO])
def test_measuring_changes_nothing_and_a_passive_critic_influences_nothing(kind):
    small = {"critic_depth": 1} if kind is BRO else {}  # compiles faster
    config = kind(observation_size=3, action_size=2, critic_width=16, actor_width=8, **small)
    plain, _, _ = trained(config)
    watched, _, found = trained(replace(config, passive_width=32), measuring=True)
    for name in ("actor", "critic", "target_critic", "log_temperature"):
        a, b = getattr(plain.agent, name), getattr(watched.agent, name)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-7), a, b)
    assert set(found) == {
        "critic_param_norm", "actor_param_norm", "train_critic_loss", "validation_critic_loss",
        "passive_train_critic_loss", "passive_validation_critic_loss", "grad_noise_scale",
    }  # fmt: skip
    for name, value in found.items():
        assert value.shape == (2,)
        assert name == "grad_noise_scale" or np.isfinite(value).all()
    assert config.passive_params is None
    assert replace(config, passive_width=32).passive_params > config.critic_params


def test_the_passive_critic_learns_the_main_ones_targets():
    """With the same width and the same start it stays the same critic."""
    config = replace(CONFIG, passive_width=CONFIG.critic_width)
    state = config.init(jax.random.key(0), 1e-3)
    state = state._replace(passive_critic=jax.tree.map(jnp.copy, state.critic))
    for t in range(5):
        batch = as_batch(jax.tree.map(jnp.asarray, transitions(t)), discount=0.99)
        state, metrics = config.update_critic(state, batch, jax.random.key(t))
        assert metrics["critic_loss"] == metrics["passive_critic_loss"]
    jax.tree.map(np.testing.assert_array_equal, state.passive_critic, state.critic)


def test_losses_and_norms_are_those_of_the_parameters():
    lanes, stream, found = trained(CONFIG, measuring=True)
    for lane in range(2):
        agent = of(lane, lanes.agent)
        norm = np.sqrt(
            sum((np.asarray(x) ** 2).sum() for x in jax.tree.leaves(agent.critic.params))
        )
        np.testing.assert_allclose(found["critic_param_norm"][lane], norm, rtol=1e-6)
        keys = jax.random.split(jax.random.fold_in(lanes.key[lane], 1), 4)
        for name, replay, key in (
            ("train", lanes.replay, keys[0]),
            ("validation", stream.replay, keys[2]),
        ):
            places = jax.random.randint(key, (8, 16), 0, int(replay.inserted)).ravel()
            drawn = jax.tree.map(lambda x, i=lane, p=places: x[i, p], replay.data)
            target = CONFIG.target(
                agent, as_batch(drawn, discount=0.99), jax.random.normal(keys[1], (128, 2))
            )
            values = CONFIG.critic.apply(agent.critic.params, drawn.observation, drawn.action)
            expected = ((np.asarray(values) - np.asarray(target)) ** 2).sum((0, 2)).mean()
            assert float(found[f"{name}_critic_loss"][lane]) == pytest.approx(expected, rel=1e-4)


def test_td_error_on_fresh_transitions():
    lanes, _, _ = trained(CONFIG)
    found = fresh_loss(lanes, transitions(99), config=CONFIG)["fresh_critic_loss"]
    for lane in range(2):
        agent = of(lane, lanes.agent)
        one = jax.tree.map(lambda x: jnp.asarray(x)[None], of(lane, transitions(99)))
        one = as_batch(one, discount=0.99)
        noise = jax.random.normal(jax.random.fold_in(lanes.key[lane], 3), (1, 2))
        target = CONFIG.target(agent, one, noise)
        values = CONFIG.critic.apply(agent.critic.params, one.observation, one.action)
        expected = ((np.asarray(values) - np.asarray(target)) ** 2).sum()
        assert float(found[lane]) == pytest.approx(expected, rel=1e-4)


def test_the_noise_scale_of_known_gradients():
    """Gradients G + e / sqrt(B) with tr(S) = 3000 and |G|^2 = 4: B_simple = 750."""
    rng = np.random.default_rng(0)
    size, batch, batches = 3000, 64, 2000
    true = np.zeros(size)
    true[:4] = 1.0
    gradients = true + rng.normal(size=(batches, size)) / np.sqrt(batch)
    found = float(noise_scale_of(jnp.asarray(gradients), batch))
    assert found == pytest.approx(750, rel=0.05)
    assert np.isnan(noise_scale_of(jnp.asarray([[1.0], [-1.0]]), batch))
