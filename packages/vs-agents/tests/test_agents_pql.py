"""PQL and PQL-D against their specification, written out in float64 numpy apart from the package."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from vs_agents import PQL, PQLD, Batch, Transition, init_lanes, measured_total, step
from vs_agents.lanes import updates_after, updates_due

SIZES: Any = {"observation_size": 3, "action_size": 2, "critic_width": 12, "actor_width": 12}
CONFIGS = {
    "pql": PQL(**SIZES, reward_scale=0.5),
    "pql-d": PQLD(**SIZES, reward_scale=0.5),
}
RATE = 5e-4


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def network(params, x):
    layers = [params[f"_Linear_{i}"] for i in range(4)]
    assert [layer["bias"].shape[0] for layer in layers[:3]] == [12, 6, 3]
    for layer in layers[:-1]:
        x = elu(x @ layer["kernel"] + layer["bias"])
    return x @ layers[-1]["kernel"] + layers[-1]["bias"]


def plain(tree):
    return jax.tree.map(lambda x: np.asarray(x, np.float64), tree)["params"]


def critics(params, observation, action):
    (both,) = params.values()
    x = np.concatenate([observation, action], -1)
    return [network(jax.tree.map(lambda w, i=i: w[i], both), x) for i in range(2)]


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


ATOMS = np.linspace(-10, 10, 51)


def normalised(state, x):
    mean, variance = np.asarray(state.extra.mean, float), np.asarray(state.extra.variance, float)
    return np.clip((x - mean) / np.sqrt(variance + 1e-4), -5, 5)


def target_of(config, state, batch, noise):
    observation = normalised(state, batch.next_observation)
    action = np.tanh(network(plain(state.actor.params), observation))
    action = np.clip(action + np.clip(0.8 * noise, -0.2, 0.2), -1, 1)
    each = critics(plain(state.target_critic), observation, action)
    reward = 0.5 * batch.reward
    if isinstance(config, PQLD):
        projected = np.zeros((2, len(reward), 51))
        for c, logits in enumerate(each):
            for b, weights in enumerate(softmax(logits)):
                for z, p in zip(ATOMS, weights, strict=True):
                    place = (np.clip(reward[b] + batch.discount[b] * z, -10, 10) + 10) / 0.4
                    low = min(int(np.floor(place)), 49)
                    projected[c, b, low] += p * (1 - (place - low))
                    projected[c, b, low + 1] += p * (place - low)
        return projected.min(0)
    return reward[:, None] + batch.discount[:, None] * np.minimum(*each)


def critic_loss(config, params, state, batch, target):
    each = critics(params, normalised(state, batch.observation), batch.action)
    if isinstance(config, PQLD):
        probabilities = [softmax(logits) for logits in each]
        return -sum(
            (target * np.log(p) + (1 - target) * np.log(1 - p)).mean() for p in probabilities
        )
    return sum(((q - target) ** 2).mean() for q in each)


def policy_loss(config, actor, state, batch):
    observation = normalised(state, batch.observation)
    each = critics(plain(state.critic.params), observation, np.tanh(network(actor, observation)))
    if isinstance(config, PQLD):
        each = [(softmax(logits) * ATOMS).sum(-1) for logits in each]
    return -np.minimum(*each).mean()


def make_batch(rng, n=16) -> Batch:
    return Batch(
        3 + 2 * rng.normal(size=(n, 3)).astype(np.float32),
        np.tanh(rng.normal(size=(n, 2))).astype(np.float32),
        (8 * rng.normal(size=n)).astype(np.float32),
        0.97 * (rng.random(n) > 0.3).astype(np.float32),
        3 + 2 * rng.normal(size=(n, 3)).astype(np.float32),
    )


def started(config, seed=0):
    rng = np.random.default_rng(7)
    state = config.init(jax.random.key(seed), RATE)
    target = jax.tree.map(
        lambda x: x + jnp.asarray(0.1 * rng.normal(size=x.shape), jnp.float32), state.target_critic
    )
    seen = (3 + rng.normal(size=(6, 3))).astype(np.float32)
    return config.observe(state._replace(target_critic=target), seen, np.zeros(6), np.zeros(6))


@pytest.mark.parametrize("name", CONFIGS)
def test_target_losses_and_an_update(name):
    config, rng = CONFIGS[name], np.random.default_rng(1)
    state, batch = started(config), make_batch(rng)
    key = jax.random.key(5)
    noise = np.asarray(jax.random.normal(key, (16, 2)), float)
    target = jax.jit(config.target)(state, batch, jnp.asarray(noise, jnp.float32))
    expected = target_of(config, state, batch, noise)
    np.testing.assert_allclose(target, expected, rtol=1e-4, atol=3e-5)

    params, actor = plain(state.critic.params), plain(state.actor.params)
    losses = jax.jit(jax.value_and_grad(config.critic_loss))
    loss, gradient = losses(state.critic.params, state, batch, target)
    assert float(loss) == pytest.approx(
        critic_loss(config, params, state, batch, expected), rel=1e-4
    )
    value, actor_gradient = jax.jit(jax.value_and_grad(config.policy_loss))(
        state.actor.params, state, batch
    )
    assert float(value) == pytest.approx(policy_loss(config, actor, state, batch), rel=1e-4)
    constant = np.asarray(target, float)
    for start, ours, loss_of in (
        (params, gradient, lambda p: critic_loss(config, p, state, batch, constant)),
        (actor, actor_gradient, lambda p: policy_loss(config, p, state, batch)),
    ):
        direction = jax.tree.map(lambda p: rng.normal(size=p.shape), start)
        ends = [jax.tree.map(lambda p, d, h=h: p + h * d, start, direction) for h in (1e-5, -1e-5)]
        slope = (loss_of(ends[0]) - loss_of(ends[1])) / 2e-5
        products = jax.tree.map(lambda g, d: (g * d).sum(), plain(ours), direction)
        assert sum(jax.tree.leaves(products)) == pytest.approx(slope, rel=2e-3, abs=1e-5)

    after, found = jax.jit(config.update_critic)(state, batch, key)
    assert float(found["critic_loss"]) == pytest.approx(float(loss), rel=1e-5)
    norm = np.sqrt(sum((g**2).sum() for g in jax.tree.leaves(plain(gradient))))
    share = min(1.0, 0.5 / (norm + 1e-6))
    assert (share < 1) == (name == "pql")  # the clipping is put to the test

    def first_step(p, g):
        """AdamW's first step: the sign of the gradient, but where that is as small as epsilon."""
        return p * (1 - RATE * 1e-2) - RATE * share * g / (np.abs(share * g) + 1e-8)

    wanted = jax.tree.map(first_step, params, plain(gradient))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=5e-6),
        plain(after.critic.params),
        wanted,
    )
    slow = jax.tree.map(lambda t, p: 0.95 * t + 0.05 * p, plain(state.target_critic), wanted)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-6),
        plain(after.target_critic),
        slow,
    )


def test_the_start_is_torchs():
    state = PQL(observation_size=50, action_size=2).init(jax.random.key(0), RATE)
    layers = state.actor.params["params"]
    for name, inputs in (("_Linear_0", 50), ("_Linear_1", 512), ("_Linear_2", 256)):
        for part in ("kernel", "bias"):
            x = np.asarray(layers[name][part]) * np.sqrt(inputs)
            assert 0.9 < np.abs(x).max() <= 1
            assert x.std() == pytest.approx(3**-0.5, rel=0.1)


def test_the_normaliser_is_the_mean_and_variance_of_all_environments():
    """Each batch's variance has n - 1 below; acting is not cut off at 5, learning is."""
    config, rng = CONFIGS["pql"], np.random.default_rng(0)
    state = config.init(jax.random.key(0), RATE)
    mean, variance, count = np.zeros(3), np.ones(3), 1e-4
    for _ in range(3):
        x = rng.normal(4, 2, size=(6, 3))
        state = config.observe(state, x.astype(np.float32), np.zeros(6), np.zeros(6))
        apart, total = x.mean(0) - mean, count + 6
        summed = variance * count + x.var(0, ddof=1) * 6 + apart**2 * count * 6 / total
        mean, variance, count = mean + apart * 6 / total, summed / total, total
    np.testing.assert_allclose(state.extra.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(state.extra.variance, variance, rtol=1e-5)
    far = np.full((1, 3), 1e3, np.float32)
    np.testing.assert_array_equal(config.normalised(state, far), 5)
    acted = config.act_deterministic(state, far)
    expected = np.tanh(network(plain(state.actor.params), (far - mean) / np.sqrt(variance + 1e-4)))
    np.testing.assert_allclose(acted, expected, atol=1e-4)


def test_environments_explore_with_noise_of_their_own():
    config = CONFIGS["pql"]
    state = started(config)
    observation = np.full((16, 3), 3.0, np.float32)
    keys = jax.random.split(jax.random.key(0), 500)
    acted = jax.vmap(lambda key: config.explore(state, observation, key))(keys)
    assert np.abs(acted).max() <= 1
    apart = np.asarray(acted - config.act_deterministic(state, observation))
    small = apart[:, :5]  # further on, actions are cut off at ±1
    expected = np.linspace(0.05, 0.8, 16)[:5]
    np.testing.assert_allclose(small.std((0, 2)), expected, rtol=0.08)
    alone = jax.vmap(lambda key: config.explore(state, observation[0], key))(keys)
    assert np.asarray(alone - acted[:, 0]).std() < 0.1


def test_the_policy_learns_after_every_second_critic_update():
    """Whatever the steps they fall into, and in all lanes."""
    config = replace(CONFIGS["pql"], n_step=1)
    lanes = init_lanes(config, seeds=np.arange(2), learning_rates=np.full(2, RATE), capacity=20)
    rng, counts = np.random.default_rng(0), []
    for updates in (1, 3, 1):
        x = rng.normal(size=(2, 10)).astype(np.float32)
        happened = Transition(x[:, :3], np.tanh(x[:, 3:5]), x[:, 5], *np.zeros((2, 2)), x[:, 6:9])
        lanes, *_ = step(lanes, happened, x[:, 6:9], config=config, batch_size=4, updates=updates)
        both = lanes.agent.critic.optimizer[0].count, lanes.agent.actor.optimizer[0].count
        counts.append([x.tolist() for x in both])
    assert counts == [[[c] * 2, [a] * 2] for c, a in ((1, 0), (4, 2), (5, 2))]
    assert int(lanes.updates) == 5
    # a branch, not a choice between two results: a policy that is not due costs nothing
    again = partial(step, config=config, batch_size=4, updates=1)
    traced = jax.make_jaxpr(lambda lanes: again(lanes, happened, x[:, 6:9]))(lanes)
    assert " cond[" in str(traced)
    each = measured_total(config, 4, decisions=0, updates=2)
    assert measured_total(config, 4, decisions=9, updates=4) == 2 * each


@pytest.mark.parametrize("exponent", [-16, -9, -3, 0, 6])
def test_updates_are_counted_per_collected_transition(exponent):
    """Exact in sum after any number of steps of 4 096 environments."""
    utd, steps = 2.0**exponent, 50
    due = [updates_due(t, utd, environments=4096) for t in range(steps)]
    exact = [(t + 1) * 4096 * 2**exponent // 1 for t in range(steps)]
    np.testing.assert_array_equal(np.cumsum(due), exact)
    assert updates_after(steps, utd, environments=4096) == exact[-1]
