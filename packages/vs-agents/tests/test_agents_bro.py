"""BRO's minimal variant against an independent float64 numpy implementation.

Everything is written out plainly and apart from the package: two critics in a Python loop, the
quantile Huber loss over (batch, 100, 100), gradients by hand.
"""

import itertools
from dataclasses import replace

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from vs_agents import BRO, Batch, actor_critic

CONFIG = BRO(observation_size=4, action_size=2, critic_width=24, actor_width=16)
RATE = 3e-4
QUANTILES = 100


def flat(params, critic: int | None = None) -> list[np.ndarray]:
    """Flax parameters in float64: kernel, bias, scale, shift of each layer, then the head's."""
    net = params["params"]
    if critic is not None:
        (net,) = net.values()  # both critics, stacked
    torso, heads = net["BroNet_0"], [net[name] for name in ("Dense_0", "Dense_1") if name in net]
    arrays = []
    for i in range(len(torso) // 2):
        dense, norm = torso[f"Dense_{i}"], torso[f"LayerNorm_{i}"]
        arrays += [dense["kernel"], dense["bias"], norm["scale"], norm["bias"]]
    pick = (lambda x: x) if critic is None else (lambda x: x[critic])
    arrays = [pick(array) for array in arrays]
    # the actor's two heads as one
    arrays += [np.concatenate([pick(head[k]) for head in heads], -1) for k in ("kernel", "bias")]
    return [np.asarray(a, np.float64) for a in arrays]


# An operation maps x to y and to `back`, which maps dy to dx and the gradients of its weights.


def affine(w, b):
    return lambda x: (x @ w + b, lambda d: (d @ w.T, [x.T @ d, d.sum(0)]))


def relu(x):
    return np.maximum(x, 0), lambda d: (d * (x > 0), [])


def layer_norm(scale, shift):
    def operation(x):
        deviation = np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        unit = (x - x.mean(-1, keepdims=True)) / deviation

        def back(d):
            e = d * scale
            along = (e * unit).mean(-1, keepdims=True)
            dx = (e - e.mean(-1, keepdims=True) - unit * along) / deviation
            return dx, [(d * unit).sum(0), d.sum(0)]

        return unit * scale + shift, back

    return operation


def chain(*operations):
    def operation(x):
        backs = []
        for one in operations:
            x, back = one(x)
            backs.append(back)

        def back(d):
            gradients = []
            for one in reversed(backs):
                d, own = one(d)
                gradients = own + gradients
            return d, gradients

        return x, back

    return operation


def residual(inner):
    def operation(x):
        y, inner_back = inner(x)

        def back(d):
            through, gradients = inner_back(d)
            return d + through, gradients

        return x + y, back

    return operation


def bronet(weights):
    """Dense-LN-ReLU, blocks x + LN(Dense(ReLU(LN(Dense(x))))), a linear head."""
    parts = iter(weights)

    def take():
        w, b, scale, shift = itertools.islice(parts, 4)
        return affine(w, b), layer_norm(scale, shift)

    first = [*take(), relu]
    blocks = [residual(chain(*take(), relu, *take())) for _ in range((len(weights) - 6) // 8)]
    return chain(*first, *blocks, affine(*parts))


def quantile_huber(predicted, target):
    """Sum over predicted, mean over target quantiles and the batch; and the slope in predicted."""
    tau = (np.arange(QUANTILES) + 0.5) / QUANTILES
    u = target[:, None, :] - predicted[:, :, None]
    huber = np.where(np.abs(u) <= 1, 0.5 * u**2, np.abs(u) - 0.5)
    weight = np.abs(tau[:, None] - (u < 0))
    slope = -(weight * np.clip(u, -1, 1)).mean(2) / len(u)
    return (weight * huber).mean(2).sum(1).mean(), slope


class AdamW:
    def __init__(self, b1=0.9, decay=0.0) -> None:
        self.b1, self.decay, self.count = b1, decay, 0
        self.moments = {}

    def step(self, weights, gradients, rate=RATE):
        self.count += 1
        for i, (w, g) in enumerate(zip(weights, gradients, strict=True)):
            m, v = self.moments.get(i, (0.0, 0.0))
            m, v = self.b1 * m + (1 - self.b1) * g, 0.999 * v + 0.001 * g**2
            self.moments[i] = m, v
            direction = m / (1 - self.b1**self.count)
            direction = direction / (np.sqrt(v / (1 - 0.999**self.count)) + 1e-8)
            weights[i] = w - rate * (direction + self.decay * w)


class Reference:
    """The same agent, plainly."""

    def __init__(self, state) -> None:
        self.actor = flat(state.actor.params)
        self.critics = [flat(state.critic.params, i) for i in range(2)]
        self.targets = [flat(state.target_critic, i) for i in range(2)]
        self.log_alpha = [np.float64(state.log_temperature.params)]
        self.actor_adam, self.alpha_adam = AdamW(decay=1e-4), AdamW(b1=0.5)
        self.critic_adams = [AdamW(decay=1e-4), AdamW(decay=1e-4)]

    def policy(self, observation, noise):
        out, back = bronet(self.actor)(observation)
        mean, x = np.split(out, 2, axis=-1)
        log_std = -10 + 12 * (1 + np.tanh(x)) / 2
        u = mean + np.exp(log_std) * noise
        normal = -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi)
        log_cosh = np.logaddexp(u, -u) - np.log(2)  # 1 - tanh^2 = 1 / cosh^2
        log_prob = (normal + 2 * log_cosh).sum(-1)
        return np.tanh(u), log_prob, np.exp(log_std) * noise, 6 * (1 - np.tanh(x) ** 2), back

    def target(self, batch, noise):
        action, log_prob, *_ = self.policy(batch.next_observation, noise)
        x = np.concatenate([batch.next_observation, action], -1)
        first, second = (bronet(w)(x)[0] for w in self.targets)
        soft = (first + second) / 2 - np.exp(self.log_alpha[0]) * log_prob[:, None]
        return batch.reward[:, None] + batch.discount[:, None].astype(float) * soft

    def critic_gradients(self, batch, target):
        x = np.concatenate([batch.observation, batch.action], -1)
        loss, gradients = 0.0, []
        for weights in self.critics:
            quantiles, back = bronet(weights)(x)
            own, slope = quantile_huber(quantiles, target)
            loss += own
            gradients.append(back(slope)[1])
        return loss, gradients

    def actor_gradients(self, batch, noise):
        n, alpha = len(noise), np.exp(self.log_alpha[0])
        action, log_prob, spread, squash, back = self.policy(batch.observation, noise)
        x = np.concatenate([batch.observation, action], -1)
        value, slope = np.zeros(n), np.zeros_like(action)
        for weights in self.critics:
            quantiles, critic_back = bronet(weights)(x)
            value += quantiles.mean(1) / 2
            slope += critic_back(np.full_like(quantiles, 1 / (2 * QUANTILES)))[0][:, -2:]
        loss = (alpha * log_prob - value).mean()
        d_u = (alpha * 2 * action - slope * (1 - action**2)) / n
        d_x = (d_u * spread - alpha / n) * squash
        return loss, -log_prob.mean(), back(np.concatenate([d_u, d_x], -1))[1]

    def temperature_loss(self, entropy):
        """Its gradient in log alpha is the same number."""
        return np.exp(self.log_alpha[0]) * (entropy + 0.5 * CONFIG.action_size)

    def update(self, batch, critic_noise, actor_noise):
        _, gradients = self.critic_gradients(batch, self.target(batch, critic_noise))
        for i in range(2):
            self.critic_adams[i].step(self.critics[i], gradients[i])
            pairs = zip(self.targets[i], self.critics[i], strict=True)
            self.targets[i] = [0.995 * t + 0.005 * w for t, w in pairs]
        _, entropy, gradients = self.actor_gradients(batch, actor_noise)
        self.actor_adam.step(self.actor, gradients)
        self.alpha_adam.step(self.log_alpha, [self.temperature_loss(entropy)])


def make_batch(rng, n=32) -> Batch:
    return Batch(
        rng.normal(size=(n, 4)).astype(np.float32),
        np.tanh(rng.normal(size=(n, 2))).astype(np.float32),
        (2 * rng.normal(size=n)).astype(np.float32),
        0.99 * (rng.random(n) > 0.3).astype(np.float32),
        rng.normal(size=(n, 4)).astype(np.float32),
    )


@jax.jit
def update(state, batch, key):
    critic_key, actor_key = jax.random.split(key)
    state, _ = CONFIG.update_critic(state, batch, critic_key)
    return CONFIG.update_actor(state, batch, actor_key)[0]


def noises(key):
    """Return the two draws that `update` makes, in float64."""
    critic_key, actor_key = jax.random.split(key)
    keys = critic_key, jax.random.split(actor_key)[0]
    return [np.asarray(jax.random.normal(k, (32, 2)), np.float64) for k in keys]


@pytest.fixture
def state():
    """An agent some way into training, so that nothing is at its initial value."""
    rng = np.random.default_rng(7)
    state = CONFIG.init(jax.random.key(3), RATE)
    assert state.log_temperature is not None

    def disturb(params):
        return jax.tree.map(
            lambda x: x + jnp.asarray(0.1 * rng.normal(size=x.shape), jnp.float32), params
        )

    return state._replace(
        actor=state.actor._replace(params=disturb(state.actor.params)),
        critic=state.critic._replace(params=disturb(state.critic.params)),
        target_critic=disturb(state.target_critic),
        log_temperature=state.log_temperature._replace(params=jnp.float32(-0.7)),
    )


def assert_same(params, weights, critic=None):
    """Compare array by array to 1e-5 of the network's largest entry."""
    scale = max(np.abs(w).max() for w in weights)
    for ours, theirs in zip(flat(params, critic), weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * scale)


def test_losses_and_gradients(state):
    rng = np.random.default_rng(0)
    batch, noise = make_batch(rng), rng.normal(size=(2, 32, 2)).astype(np.float32)
    reference = Reference(state)
    target = CONFIG.target(state, batch, noise[0])
    assert target.shape == (32, QUANTILES)
    np.testing.assert_allclose(target, reference.target(batch, noise[0]), rtol=1e-5, atol=1e-5)

    critic_loss = jax.value_and_grad(actor_critic.critic_loss, argnums=1)
    loss, gradient = jax.jit(critic_loss, static_argnums=0)(
        CONFIG, state.critic.params, batch, target
    )
    expected, expected_gradients = reference.critic_gradients(batch, np.asarray(target, float))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    for i in range(2):
        assert_same(gradient, expected_gradients[i], critic=i)

    policy_loss = jax.value_and_grad(CONFIG.policy_loss, has_aux=True)
    (loss, entropy), gradient = jax.jit(policy_loss)(state.actor.params, state, batch, noise[1])
    expected, expected_entropy, expected_gradient = reference.actor_gradients(batch, noise[1])
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(entropy) == pytest.approx(expected_entropy, rel=1e-5)
    assert_same(gradient, expected_gradient)

    loss, gradient = jax.value_and_grad(lambda p: CONFIG.temperature_loss(p, entropy))(
        state.log_temperature.params
    )
    expected = reference.temperature_loss(expected_entropy)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(gradient) == pytest.approx(expected, rel=1e-5)


def test_the_references_gradients_are_right():
    """Finite differences confirm the reference on its own."""
    rng = np.random.default_rng(5)
    reference = Reference(CONFIG.init(jax.random.key(1), RATE))
    batch, noise = make_batch(rng), rng.normal(size=(32, 2))
    target = reference.target(batch, noise)
    networks = [
        (reference.actor, lambda: reference.actor_gradients(batch, noise)[::2]),
        (reference.critics[0], lambda: reference.critic_gradients(batch, target)),
    ]
    for weights, differentiate in networks:
        gradients = differentiate()[1]
        gradients = gradients[0] if weights is reference.critics[0] else gradients
        for array, gradient in zip(weights, gradients, strict=True):
            direction, kept = rng.normal(size=array.shape), array.copy()
            array += 1e-6 * direction
            above = differentiate()[0]
            array -= 2e-6 * direction
            below = differentiate()[0]
            array[...] = kept
            slope = (gradient * direction).sum()
            assert (above - below) / 2e-6 == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_parameters_after_several_updates(state):
    rng = np.random.default_rng(1)
    reference, start = Reference(state), flat(state.actor.params)
    for i in range(6):
        batch, key = make_batch(rng), jax.random.key(i)
        state = update(state, batch, key)
        reference.update(batch, *noises(key))
    assert_same(state.actor.params, reference.actor)
    for i in range(2):
        assert_same(state.critic.params, reference.critics[i], critic=i)
        assert_same(state.target_critic, reference.targets[i], critic=i)
    alpha = float(state.log_temperature.params)
    assert alpha == pytest.approx(reference.log_alpha[0], abs=1e-6)
    moved = max(np.abs(a - b).max() for a, b in zip(flat(state.actor.params), start, strict=True))
    assert moved > 5 * RATE  # six steps move far more than the tolerance


def test_weights_without_gradient_only_decay():
    """An input that is always 0: its row shrinks by 1 - rate * 1e-4 per update, nothing else."""
    rate, n = 0.1, 5
    state = CONFIG.init(jax.random.key(0), rate)
    rng = np.random.default_rng(4)
    before = flat(state.critic.params, 1)[0][0], flat(state.actor.params)[0][0]
    for i in range(n):
        batch = make_batch(rng)
        batch.observation[:, 0] = batch.next_observation[:, 0] = 0
        state = update(state, batch, jax.random.key(i))
    after = flat(state.critic.params, 1)[0][0], flat(state.actor.params)[0][0]
    for new, old in zip(after, before, strict=True):
        np.testing.assert_allclose(1 - new / old, n * rate * 1e-4, rtol=0.05)


def test_the_temperature_keeps_its_own_rate(state):
    """Adam's first step is the rate, whatever the gradient; the lane's rate is the networks'."""
    before = float(state.log_temperature.params)
    fast = state._replace(learning_rate=jnp.float32(0.01))
    after = update(fast, make_batch(np.random.default_rng(2)), jax.random.key(0))
    moved = abs(float(after.log_temperature.params) - before)
    assert moved == pytest.approx(3e-4, rel=1e-3)


def test_termination_stops_the_bootstrap_in_every_quantile(state):
    rng = np.random.default_rng(2)
    batch, noise = make_batch(rng), jnp.asarray(rng.normal(size=(32, 2)), jnp.float32)
    batch = batch._replace(discount=np.zeros(32, np.float32))
    target = CONFIG.target(state, batch, noise)
    np.testing.assert_array_equal(target, np.repeat(batch.reward[:, None], QUANTILES, 1))


@pytest.mark.parametrize(
    ("pessimism", "expected"), [(0.0, [2.0, -1.0]), (0.5, [1.5, -1.5]), (1.0, [1.0, -2.0])]
)
def test_pessimism_goes_from_the_mean_to_the_smaller_quantile(pessimism, expected):
    both = jnp.asarray([[1.0, 0.0], [3.0, -2.0]])
    found = replace(CONFIG, pessimism=pessimism).combine(both)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_facts_of_the_networks():
    state = CONFIG.init(jax.random.key(0), RATE)
    inputs, width = 6, 24
    layers = (inputs * width + width) + 4 * (width * width + width) + 5 * 2 * width
    assert CONFIG.critic_params == 2 * (layers + width * QUANTILES + QUANTILES)
    block = 2 * (width * width + width) + 2 * 2 * width
    assert replace(CONFIG, critic_depth=3).critic_params == CONFIG.critic_params + 2 * block
    assert CONFIG.target_entropy == -1.0
    first, second = (flat(state.critic.params, i) for i in range(2))
    for weights in (
        first,
        second,
        flat(state.actor.params)[:-2],
    ):  # the heads: test_agents_full_bro
        for kernel in (w for w in weights if w.ndim == 2):
            small = kernel if kernel.shape[0] <= kernel.shape[1] else kernel.T
            np.testing.assert_allclose(small @ small.T, 2 * np.eye(len(small)), atol=1e-5)
    assert np.abs(first[0] - second[0]).max() > 0.1
    np.testing.assert_array_equal(first[0], flat(state.target_critic, 0)[0])
