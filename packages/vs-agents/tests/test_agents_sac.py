"""SAC against an independent float64 numpy implementation with its gradients written by hand."""

from dataclasses import dataclass, field, replace

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from vs_agents import SAC, Batch, Transition
from vs_agents import actor_critic as ac
from vs_agents.replay import as_batch

CONFIG = SAC(observation_size=4, action_size=2, critic_width=24, actor_width=16)
RATE = 3e-4
update_critic, update_actor = jax.jit(CONFIG.update_critic), jax.jit(CONFIG.update_actor)


def layers(params, critic: int | None = None) -> list[np.ndarray]:
    """Flax parameters as [W1, b1, W2, b2, W3, b3] in float64, the actor's two heads as one."""
    net = params["params"]
    if critic is not None:
        (net,) = net.values()
    pick = (lambda x: x) if critic is None else (lambda x: x[critic])
    dense = [net["MLP_0"]["Dense_0"], net["MLP_0"]["Dense_1"]]
    arrays = [pick(d[k]) for d in dense for k in ("kernel", "bias")]
    heads = [net[name] for name in ("Dense_0", "Dense_1") if name in net]
    arrays += [np.concatenate([pick(head[k]) for head in heads], -1) for k in ("kernel", "bias")]
    return [np.asarray(array, np.float64) for array in arrays]


def forward(weights, x):
    hidden = [x]
    for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        hidden.append(np.maximum(hidden[-1] @ w + b, 0))
    return hidden[-1] @ weights[-2] + weights[-1], hidden


def backward(weights, hidden, d_out):
    """Gradients of the weights and of the input."""
    gradients, d = [], d_out
    for i in range(len(weights) // 2 - 1, -1, -1):
        gradients = [hidden[i].T @ d, d.sum(0), *gradients]
        d = d @ weights[2 * i].T
        if i:
            d = d * (hidden[i] > 0)
    return gradients, d


@dataclass
class Adam:
    moments: dict = field(default_factory=dict)
    count: int = 0

    def step(self, weights, gradients):
        self.count += 1
        for i, (w, g) in enumerate(zip(weights, gradients, strict=True)):
            m, v = self.moments.get(i, (0.0, 0.0))
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            self.moments[i] = m, v
            scale = np.sqrt(v / (1 - 0.999**self.count)) + 1e-8
            weights[i] = w - RATE * m / (1 - 0.9**self.count) / scale


class Reference:
    """The same agent, plainly."""

    def __init__(self, state: ac.AgentState) -> None:
        self.actor = layers(state.actor.params)
        self.critics = [layers(state.critic.params, i) for i in range(2)]
        self.targets = [layers(state.target_critic, i) for i in range(2)]
        assert state.log_temperature is not None
        self.log_alpha = [np.float64(state.log_temperature.params)]
        self.actor_adam, self.alpha_adam = Adam(), Adam()
        self.critic_adams = [Adam(), Adam()]

    def policy(self, observation, noise):
        out, hidden = forward(self.actor, observation)
        mean, log_std = np.split(out, 2, axis=-1)
        inside = (log_std > -10) & (log_std < 2)
        log_std = np.clip(log_std, -10, 2)
        u = mean + np.exp(log_std) * noise
        normal = -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi)
        log_prob = (normal - np.log(1 - np.tanh(u) ** 2)).sum(-1)
        return np.tanh(u), log_prob, np.exp(log_std) * noise, inside, hidden

    def target(self, batch, noise):
        action, log_prob, *_ = self.policy(batch.next_observation, noise)
        x = np.concatenate([batch.next_observation, action], -1)
        value = np.minimum(*(forward(w, x)[0][:, 0] for w in self.targets))
        soft = value - np.exp(self.log_alpha[0]) * log_prob
        return batch.reward + batch.discount * soft

    def critic_gradients(self, batch, target):
        x = np.concatenate([batch.observation, batch.action], -1)
        loss, gradients = 0.0, []
        for weights in self.critics:
            q, hidden = forward(weights, x)
            error = q[:, 0] - target
            loss += (error**2).mean()
            gradients.append(backward(weights, hidden, 2 * error[:, None] / len(error))[0])
        return loss, gradients

    def actor_gradients(self, batch, noise):
        n, alpha = len(noise), np.exp(self.log_alpha[0])
        action, log_prob, spread, inside, hidden = self.policy(batch.observation, noise)
        x = np.concatenate([batch.observation, action], -1)
        values, slopes = [], []
        for weights in self.critics:
            q, inner = forward(weights, x)
            values.append(q[:, 0])
            slopes.append(backward(weights, inner, np.ones_like(q))[1][:, -2:])
        slope = np.where((values[0] < values[1])[:, None], slopes[0], slopes[1])
        loss = (alpha * log_prob - np.minimum(*values)).mean()
        d_u = (alpha * 2 * action - slope * (1 - action**2)) / n
        d_log_std = (d_u * spread - alpha / n) * inside
        gradients, _ = backward(self.actor, hidden, np.concatenate([d_u, d_log_std], -1))
        return loss, -log_prob.mean(), gradients

    def update(self, batch, noise):
        _, gradients = self.critic_gradients(batch, self.target(batch, noise[0]))
        for i in range(2):
            self.critic_adams[i].step(self.critics[i], gradients[i])
            pairs = zip(self.targets[i], self.critics[i], strict=True)
            self.targets[i] = [0.995 * t + 0.005 * w for t, w in pairs]
        _, entropy, gradients = self.actor_gradients(batch, noise[1])
        self.actor_adam.step(self.actor, gradients)
        slope = np.exp(self.log_alpha[0]) * (entropy + 0.5 * CONFIG.action_size)
        self.alpha_adam.step(self.log_alpha, [slope])


def make_batch(rng, n=32) -> Batch:
    return Batch(
        rng.normal(size=(n, 4)).astype(np.float32),
        np.tanh(rng.normal(size=(n, 2))).astype(np.float32),
        rng.normal(size=n).astype(np.float32),
        0.99 * (rng.random(n) > 0.3).astype(np.float32),
        rng.normal(size=(n, 4)).astype(np.float32),
    )


class Greedy(SAC):
    initial_temperature = None


class Constant(Greedy):
    def temperature(self, state):
        del state
        return jnp.asarray(0.2)


class Mute(SAC):
    def policy_loss(self, actor, state, batch, noise):
        return super().policy_loss(actor, state, batch, noise)[0], None


@pytest.fixture
def state():
    return CONFIG.init(jax.random.key(3), RATE)


def assert_same(params, weights, critic=None):
    for ours, theirs in zip(layers(params, critic), weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_losses_and_gradients(state):
    rng = np.random.default_rng(0)
    batch, noise = make_batch(rng), rng.normal(size=(2, 32, 2)).astype(np.float32)
    reference = Reference(state)
    target = CONFIG.target(state, batch, noise[0])
    np.testing.assert_allclose(
        target[:, 0], reference.target(batch, noise[0]), rtol=1e-5, atol=1e-5
    )

    loss, gradient = jax.value_and_grad(lambda p: ac.critic_loss(CONFIG, p, batch, target))(
        state.critic.params
    )
    expected, expected_gradients = reference.critic_gradients(
        batch, np.asarray(target[:, 0], float)
    )
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    for i in range(2):
        assert_same(gradient, expected_gradients[i], critic=i)

    (loss, entropy), gradient = jax.value_and_grad(
        lambda p: CONFIG.policy_loss(p, state, batch, noise[1]), has_aux=True
    )(state.actor.params)
    expected, expected_entropy, expected_gradient = reference.actor_gradients(batch, noise[1])
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(entropy) == pytest.approx(expected_entropy, rel=1e-5)
    assert_same(gradient, expected_gradient)


def test_parameters_after_several_updates(state):
    rng = np.random.default_rng(1)
    reference, start = Reference(state), layers(state.actor.params)
    for i in range(6):
        batch, key = make_batch(rng), jax.random.key(i)
        noise = [jax.random.normal(k, (32, 2)) for k in (key, jax.random.split(key)[0])]
        state, _ = update_critic(state, batch, key)
        state, _ = update_actor(state, batch, key)
        reference.update(batch, np.asarray(noise, np.float64))
    assert_same(state.actor.params, reference.actor)
    for i in range(2):
        assert_same(state.critic.params, reference.critics[i], critic=i)
        assert_same(state.target_critic, reference.targets[i], critic=i)
    assert float(state.log_temperature.params) == pytest.approx(reference.log_alpha[0], abs=1e-6)
    moved = max(np.abs(a - b).max() for a, b in zip(layers(state.actor.params), start, strict=True))
    assert moved > 5 * RATE  # six steps move far more than the tolerance


def test_the_target_critics_follow_the_critics_just_updated(state):
    """A step of 0.1 per weight: following the critics before it would move them nowhere."""
    before = state._replace(learning_rate=jnp.float32(0.1))
    batch = make_batch(np.random.default_rng(3))
    after, _ = update_critic(before, batch, jax.random.key(0))
    for i in range(2):
        trees = (before.target_critic, before.critic.params, after.critic.params)
        target, old, new = (layers(tree, i) for tree in trees)
        followed = [0.995 * t + 0.005 * w for t, w in zip(target, new, strict=True)]
        for ours, expected in zip(layers(after.target_critic, i), followed, strict=True):
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-6)
        for w, v, t in zip(new, old, target, strict=True):
            assert np.abs(w - v).max() > 0.09  # 0.005 of it is far above the tolerance
            np.testing.assert_array_equal(v, t)


def test_an_agent_without_a_temperature(state):
    """The target and the policy's loss have no term of entropy; nothing is there to turn NaN."""
    config = Greedy(observation_size=4, action_size=2, critic_width=24, actor_width=16)
    plain = state._replace(log_temperature=None)
    assert config.init(jax.random.key(3), RATE).log_temperature is None
    rng = np.random.default_rng(6)
    batch, noise = make_batch(rng), rng.normal(size=(32, 2)).astype(np.float32)
    reference = Reference(state)
    reference.log_alpha = [np.float64(-np.inf)]
    target = config.target(plain, batch, jnp.asarray(noise))
    np.testing.assert_allclose(target[:, 0], reference.target(batch, noise), rtol=1e-5, atol=1e-5)
    loss, _ = config.policy_loss(plain.actor.params, plain, batch, jnp.asarray(noise))
    assert float(loss) == pytest.approx(reference.actor_gradients(batch, noise)[0], rel=1e-5)
    critic, actor = jax.jit(config.update_critic), jax.jit(config.update_actor)
    for i in range(3):
        plain, _ = critic(plain, batch, jax.random.key(i))
        plain, metrics = actor(plain, batch, jax.random.key(i))
    assert set(metrics) == {"entropy"}
    assert plain.log_temperature is None
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(plain))


def test_a_temperature_may_be_constant(state):
    config = Constant(observation_size=4, action_size=2, critic_width=24, actor_width=16)
    rng = np.random.default_rng(6)
    batch, noise = make_batch(rng), rng.normal(size=(32, 2)).astype(np.float32)
    reference = Reference(state)
    reference.log_alpha = [np.log(0.2)]
    target = config.target(state, batch, jnp.asarray(noise))
    np.testing.assert_allclose(target[:, 0], reference.target(batch, noise), rtol=1e-5, atol=1e-5)
    loss, _ = config.policy_loss(state.actor.params, state, batch, jnp.asarray(noise))
    assert float(loss) == pytest.approx(reference.actor_gradients(batch, noise)[0], rel=1e-5)


def test_a_temperature_needs_an_entropy(state):
    config = Mute(observation_size=4, action_size=2, critic_width=24, actor_width=16)
    batch = make_batch(np.random.default_rng(0))
    with pytest.raises(
        ValueError, match=r"Mute\.policy_loss gives no entropy.*initial_temperature"
    ):
        config.update_actor(state, batch, jax.random.key(0))


def test_termination_stops_the_bootstrap_and_truncation_does_not(state):
    rng = np.random.default_rng(2)
    x, noise = rng.normal(size=(32, 4)).astype(np.float32), jnp.asarray(rng.normal(size=(32, 2)))
    never, ends = np.zeros(32, np.float32), np.ones(32, np.float32)
    step = Transition(x, np.tanh(x[:, :2]), x[:, 3], never, ends, x[::-1])
    target = np.asarray(CONFIG.target(state, as_batch(step, discount=0.99), noise))
    assert (np.abs(target[:, 0] - step.reward) > 1e-3).all()
    step = step._replace(terminated=ends, truncated=never)
    stopped = CONFIG.target(state, as_batch(step, discount=0.99), noise)
    np.testing.assert_array_equal(stopped[:, 0], step.reward)


def test_size_of_the_critics():
    assert CONFIG.critic_params == 2 * ((6 * 24 + 24) + (24 * 24 + 24) + (24 + 1))
    deeper = replace(CONFIG, critic_depth=3, passive_width=24)
    assert deeper.critic_params == CONFIG.critic_params + 2 * (24 * 24 + 24)
    assert deeper.passive_params == deeper.critic_params
    assert CONFIG.target_entropy == -1.0
    assert replace(CONFIG, target_entropy_per_action=1.0).target_entropy == -2.0
