"""SimbaV2 against its specification, written out in float64 numpy apart from the package."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from vs_agents import Batch, SimbaV2, published_discount
from vs_agents.distributions import project
from vs_agents.moments import fresh_moments, include

CONFIG = SimbaV2(
    observation_size=3,
    action_size=2,
    critic_width=8,
    critic_depth=2,
    actor_width=8,
    bins=11,
    decay_updates=4,
)
RATE = 1e-4


def unit(x, axis=-1):
    return x / np.maximum(np.sqrt((x**2).sum(axis, keepdims=True)), 1e-8)


def scaler(part, initial, scale, x):
    return part["scaler"] * (initial / scale) * x


def torso(p, x):
    blocks = len(p) // 4
    x = unit(np.concatenate([x, np.full((len(x), 1), 3.0)], -1))
    d = p["_Linear_0"]["kernel"].shape[1]
    size = np.sqrt(2 / d)
    x = unit(scaler(p["_Scaler_0"], size, size, x @ p["_Linear_0"]["kernel"]))
    for k in range(blocks):
        h = x @ p[f"_Linear_{2 * k + 1}"]["kernel"]
        assert h.shape[1] == 4 * d
        h = np.maximum(scaler(p[f"_Scaler_{2 * k + 1}"], size / 2, size / 2, h), 0) + 1e-8
        h = unit(h @ p[f"_Linear_{2 * k + 2}"]["kernel"])
        x = unit(x + scaler(p[f"_Scaler_{2 * k + 2}"], 1 / (blocks + 1), 1 / np.sqrt(d), h - x))
    return x


def head(p, x):
    hidden = scaler(p["_Scaler_0"], 1.0, 1.0, x @ p["_Linear_0"]["kernel"])
    return hidden @ p["_Linear_1"]["kernel"] + p["bias"]


def plain(tree):
    return jax.tree.map(lambda x: np.asarray(x, np.float64), tree)["params"]


def policy(actor, observation, noise):
    x = torso(actor["_Torso_0"], observation)
    mean = head(actor["_Head_0"], x)
    log_std = -10 + 6 * (1 + np.tanh(head(actor["_Head_1"], x)))
    u = mean + np.exp(log_std) * noise
    normal = -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi)
    return np.tanh(u), (normal - np.log(1 - np.tanh(u) ** 2)).sum(-1)


def critics(params, observation, action):
    """Log probabilities of each critic, ``(B, bins)``."""
    (stacked,) = params.values()
    x = np.concatenate([observation, action], -1)
    found = []
    for i in range(len(stacked["_Head_0"]["bias"])):
        p = jax.tree.map(lambda w, i=i: w[i], stacked)
        logits = head(p["_Head_0"], torso(p["_Torso_0"], x))
        found.append(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))
    return found


BINS = np.linspace(-5, 5, 11)


def normalised(state, observation):
    seen = state.extra.observation
    mean, variance = np.asarray(seen.mean, float), np.asarray(seen.variance, float)
    return (observation - mean) / np.sqrt(variance + 1e-8)


def target_of(state, batch, noise):
    observation = normalised(state, batch.next_observation)
    action, log_prob = policy(plain(state.actor.params), observation, noise)
    each = critics(plain(state.target_critic), observation, action)
    alpha = np.exp(float(state.log_temperature.params))
    spread = np.sqrt(float(state.extra.returns.variance) + 1e-8)
    scale = max(spread, float(state.extra.highest) / 5)
    result = np.zeros((len(noise), len(BINS)))
    for b in range(len(noise)):
        smaller = min((np.exp(log_probs[b]) for log_probs in each), key=lambda p: (p * BINS).sum())
        for z, p in zip(BINS, smaller, strict=True):
            soft = z - alpha * log_prob[b]
            place = np.clip(batch.reward[b] / scale + batch.discount[b] * soft, -5, 5) + 5
            low = int(np.floor(place))
            result[b, low] += p * (1 - (place - low))
            if place > low:
                result[b, low + 1] += p * (place - low)
    return result


def critic_loss(params, state, batch, target):
    observation = normalised(state, batch.observation)
    each = critics(params, observation, batch.action)
    return -sum((target * log_probs).sum(-1).mean() for log_probs in each)


def policy_loss(actor, state, batch, noise):
    observation = normalised(state, batch.observation)
    action, log_prob = policy(actor, observation, noise)
    each = critics(plain(state.critic.params), observation, action)
    value = np.min([(np.exp(log_probs) * BINS).sum(-1) for log_probs in each], axis=0)
    return (np.exp(float(state.log_temperature.params)) * log_prob - value).mean()


def make_batch(rng, n=8) -> Batch:
    return Batch(
        3 + rng.normal(size=(n, 3)).astype(np.float32),
        np.tanh(rng.normal(size=(n, 2))).astype(np.float32),
        (4 * rng.normal(size=n)).astype(np.float32),
        0.99 * (rng.random(n) > 0.3).astype(np.float32),
        3 + rng.normal(size=(n, 3)).astype(np.float32),
    )


def disturbed(state):
    """An agent some way into training: no scaler, bias or statistic is at its initial value."""
    rng = np.random.default_rng(7)

    def move(params):
        return jax.tree.map(
            lambda x: x + jnp.asarray(0.1 * rng.normal(size=x.shape), jnp.float32), params
        )

    state = state._replace(
        actor=state.actor._replace(params=move(state.actor.params)),
        critic=state.critic._replace(params=move(state.critic.params)),
        target_critic=move(state.target_critic),
    )
    observe = jax.jit(CONFIG.observe)
    for _ in range(5):
        state = observe(state, (3 + rng.normal(size=3)).astype(np.float32), rng.normal(), 0.0)
    return state


def slope_along(loss, params, direction, step=1e-5):
    shifted = [jax.tree.map(lambda p, d, s=s: p + s * d, params, direction) for s in (step, -step)]
    return (loss(shifted[0]) - loss(shifted[1])) / (2 * step)


@pytest.mark.parametrize("number", [1, 2])
def test_target_losses_and_gradients(number):
    config, rng = replace(CONFIG, critics=number), np.random.default_rng(number)
    state = disturbed(config.init(jax.random.key(0), RATE))
    batch, noise = make_batch(rng), rng.normal(size=(2, 8, 2)).astype(np.float32)
    target = jax.jit(config.target)(state, batch, noise[0])
    expected = target_of(state, batch, noise[0])
    np.testing.assert_allclose(target, expected, atol=2e-5)
    np.testing.assert_allclose(np.asarray(target).sum(-1), 1, atol=1e-5)

    (loss, gradient) = jax.jit(jax.value_and_grad(config.critic_loss))(
        state.critic.params, state, batch, target
    )
    params = plain(state.critic.params)
    assert float(loss) == pytest.approx(critic_loss(params, state, batch, expected), rel=1e-4)
    found = jax.jit(jax.value_and_grad(config.policy_loss, has_aux=True))(
        state.actor.params, state, batch, noise[1]
    )
    actor = plain(state.actor.params)
    assert float(found[0][0]) == pytest.approx(policy_loss(actor, state, batch, noise[1]), rel=1e-4)
    cases = (
        (params, gradient, lambda p: critic_loss(p, state, batch, np.asarray(target, float))),
        (actor, found[1], lambda p: policy_loss(p, state, batch, noise[1])),
    )
    for start, ours, loss_of in cases:
        for _ in range(3):
            direction = jax.tree.map(lambda p: rng.normal(size=p.shape), start)
            expected_slope = slope_along(loss_of, start, direction)
            products = jax.tree.map(lambda g, d: (np.asarray(g) * d).sum(), plain(ours), direction)
            total = sum(jax.tree.leaves(products))
            assert total == pytest.approx(expected_slope, rel=2e-3, abs=1e-4)


def test_order_of_an_update_its_rate_and_the_sphere():
    """Two updates recomputed from the losses above: actor, temperature, critic, target."""
    rng = np.random.default_rng(3)
    state = disturbed(CONFIG.init(jax.random.key(1), RATE))
    actor_grad = jax.jit(jax.grad(CONFIG.policy_loss, has_aux=True))
    critic_grad, target = jax.jit(jax.grad(CONFIG.critic_loss)), jax.jit(CONFIG.target)
    update_actor, update_critic = jax.jit(CONFIG.update_actor), jax.jit(CONFIG.update_critic)
    moments: dict = {}

    def adam(name, gradient, params, count):
        """The next parameters, in float64; kernels back on the sphere."""
        m, v = moments.get(name, (0.0, 0.0))
        rate = RATE * (1 - 0.5 * count / 4)

        def one(path, p, g, m, v):
            step = (m / (1 - 0.9 ** (count + 1))) / (np.sqrt(v / (1 - 0.999 ** (count + 1))) + 1e-8)
            kernel = bool(path) and path[-1].key == "kernel"
            return unit(p - rate * step, axis=-2) if kernel else p - rate * step

        gradient = jax.tree.map(lambda x: np.asarray(x, float), gradient)
        zero = jax.tree.map(np.zeros_like, gradient)
        m, v = (zero, zero) if name not in moments else (m, v)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, v, gradient)
        moments[name] = m, v
        params = jax.tree.map(lambda x: np.asarray(x, float), params)
        return jax.tree_util.tree_map_with_path(one, params, gradient, m, v)

    def assert_same(ours, expected):
        pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(expected), strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(a, b, rtol=0, atol=3e-7)

    for count in range(2):
        batch = make_batch(rng)
        keys = jax.random.split(jax.random.key(count))
        noise = [jax.random.normal(key, (8, 2)) for key in keys]
        gradient, entropy = actor_grad(state.actor.params, state, batch, noise[0])
        after, found = update_actor(state, batch, keys[0])
        assert_same(after.actor.params, adam("actor", gradient, state.actor.params, count))
        alpha = np.exp(float(state.log_temperature.params))
        assert float(found["temperature"]) == pytest.approx(alpha, rel=1e-6)
        slope = np.asarray(alpha * (float(entropy) + 0.5 * 2))
        expected = adam("alpha", slope, state.log_temperature.params, count)
        assert_same(after.log_temperature.params, expected)

        wanted = target(after, batch, noise[1])  # the new actor and temperature
        gradient = critic_grad(state.critic.params, state, batch, wanted)
        old_target, state = state.target_critic, after
        state, _ = update_critic(state, batch, keys[1])
        assert_same(state.critic.params, adam("critic", gradient, after.critic.params, count))
        slow = jax.tree.map(lambda t, p: 0.995 * t + 0.005 * p, old_target, state.critic.params)
        assert_same(state.target_critic, slow)
        (found,) = state.critic.params["params"].values()
        kernel = np.asarray(found["_Torso_0"]["_Linear_1"]["kernel"])
        np.testing.assert_allclose((kernel**2).sum(-2), 1, atol=1e-5)


def test_the_start():
    state = replace(CONFIG, critics=2).init(jax.random.key(0), RATE)
    assert state.log_temperature is not None
    assert float(jnp.exp(state.log_temperature.params)) == pytest.approx(0.01)
    (critic,) = state.critic.params["params"].values()
    actor = state.actor.params["params"]
    for net, blocks in ((actor, 1), (jax.tree.map(lambda x: x[0], critic), 2)):
        for i in range(2 * blocks + 1):
            kernel = np.asarray(net["_Torso_0"][f"_Linear_{i}"]["kernel"])
            np.testing.assert_allclose((kernel**2).sum(0), 1, atol=1e-5)
        scalers = [np.unique(net["_Torso_0"][f"_Scaler_{i}"]["scaler"]) for i in range(3)]
        np.testing.assert_allclose(np.ravel(scalers), [0.5, 0.25, 8**-0.5])
        square = np.asarray(net["_Head_0"]["_Linear_0"]["kernel"])
        np.testing.assert_allclose(square.T @ square, np.eye(8), atol=1e-5)
        np.testing.assert_array_equal(net["_Head_0"]["bias"], 0)
    one, two = (np.asarray(critic["_Torso_0"]["_Linear_0"]["kernel"][i]) for i in range(2))
    assert np.abs(one - two).max() > 0.1
    jax.tree.map(np.testing.assert_array_equal, state.target_critic, state.critic.params)
    assert CONFIG.critic_params == sum(x.size for x in jax.tree.leaves(critic)) // 2


def test_statistics_of_observations_and_discounted_rewards():
    """Means over all values and a prior of weight 1e-4; G starts anew in a step that ends."""
    rng, state, observe = np.random.default_rng(0), None, jax.jit(CONFIG.observe)
    state = CONFIG.init(jax.random.key(0), RATE)
    x, r = rng.normal(5, 2, size=(30, 3)), rng.normal(size=30)
    ends = np.zeros(30)
    ends[[7, 19]] = 1
    g, all_g = 0.0, []
    for t in range(30):
        state = observe(state, x[t].astype(np.float32), np.float32(r[t]), ends[t])
        g = 0.99 * g * (1 - ends[t]) + r[t]
        all_g.append(g)
        assert ends[t] == 0 or g == r[t]
    for found, values in ((state.extra.observation, x), (state.extra.returns, np.array(all_g))):
        weights = np.r_[1e-4, np.ones(30)]
        mean = np.average(
            np.vstack([np.zeros_like(values[:1]).reshape(1, -1), values.reshape(30, -1)]),
            axis=0,
            weights=weights,
        )
        second = (1e-4 * (1 + mean**2) + ((values.reshape(30, -1) - mean) ** 2).sum(0)) / 30.0001
        np.testing.assert_allclose(np.ravel(found.mean), mean, rtol=1e-5)
        np.testing.assert_allclose(np.ravel(found.variance), second, rtol=1e-5)
    assert float(state.extra.return_) == pytest.approx(g, rel=1e-5)
    assert float(state.extra.highest) == pytest.approx(np.abs(all_g).max(), rel=1e-5)
    variance = float(state.extra.returns.variance)
    scale = max(np.sqrt(variance), np.abs(all_g).max() / 5)
    assert float(CONFIG.scaled(state, jnp.float32(2.0))) == pytest.approx(2.0 / scale, rel=1e-5)


def test_moments_do_not_drift_in_float32():
    """A million observations far from 0."""
    values = np.random.default_rng(0).normal(30.0, 0.5, size=1_000_000).astype(np.float32)

    def one(moments, x):
        return include(moments, x), None

    found, _ = jax.jit(lambda xs: jax.lax.scan(one, fresh_moments(()), xs))(values)
    assert float(found.mean) == pytest.approx(values.mean(dtype=float), abs=1e-3)
    assert float(found.variance) == pytest.approx(values.var(dtype=float), rel=1e-2)


def test_projection_keeps_mean_and_total():
    rng = np.random.default_rng(0)
    places = rng.uniform(-5, 5, size=(20, 11)).astype(np.float32)
    places[0] = BINS  # each on a bin
    weight = rng.dirichlet(np.ones(11), size=20).astype(np.float32)
    found = np.asarray(project(jnp.asarray(places), jnp.asarray(weight), CONFIG.support))
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(found @ BINS, (places * weight).sum(-1), atol=1e-5)
    np.testing.assert_allclose(found[0], weight[0], atol=1e-5)


def test_published_discounts():
    expected = {(1000, 2): 0.99, (1000, 1): 0.995, (500, 2): 0.98, (100, 1): 0.95, (9999, 1): 0.995}
    for (steps, repeat), gamma in expected.items():
        assert published_discount(steps, repeat) == pytest.approx(gamma)
