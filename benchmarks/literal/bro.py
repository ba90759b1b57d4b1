"""BRO (Nauman 2024), the papers' minimal variant, for the speed comparison, all seeds by vmap."""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import numpy as np
import optax
from jax import Array
from jax import numpy as jnp

from literal.common import (
    DISCOUNT,
    Batch,
    Model,
    Params,
    ReplayBuffer,
    apply,
    apply_gradient,
    split,
    tanh_normal,
    update_target,
    update_temperature,
)
from literal.sac import dense

QUANTILES = 100
ADAMW = optax.adamw(3e-4)
TEMPERATURE_ADAM = optax.adam(3e-4, b1=0.5)


class BroNet(nn.Module):
    """Dense-LayerNorm-ReLU, residual blocks, a linear head."""

    width: int
    blocks: int
    outputs: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map ``(batch, inputs)`` to ``(batch, outputs)``."""
        x = nn.relu(nn.LayerNorm()(dense(self.width)(x)))
        for _ in range(self.blocks):
            y = nn.relu(nn.LayerNorm()(dense(self.width)(x)))
            x = x + nn.LayerNorm()(dense(self.width)(y))
        return dense(self.outputs)(x)


class Actor(nn.Module):
    """Gaussian policy, its log standard deviation squashed to [-10, 2]."""

    width: int
    actions: int

    @nn.compact
    def __call__(self, observations: Array) -> tuple[Array, Array]:
        """Return mean and log standard deviation."""
        out = BroNet(self.width, 1, 2 * self.actions)(observations)
        mean, log_std = jnp.split(out, 2, -1)
        return mean, -10.0 + 6.0 * (1 + jnp.tanh(log_std))


class Critics(nn.Module):
    """Two quantile critics, vmapped as in jaxrl."""

    width: int

    @nn.compact
    def __call__(self, observations: Array, actions: Array) -> Array:
        """Return ``(2, batch, quantiles)``."""
        twin = nn.vmap(
            BroNet,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=None,
            out_axes=0,
            axis_size=2,
        )
        return twin(self.width, 2, QUANTILES)(jnp.concatenate([observations, actions], -1))


def quantile_huber(predicted: Array, target: Array) -> Array:
    """Return the loss of one critic, written out over ``(batch, predicted, target)``."""
    taus = (jnp.arange(QUANTILES) + 0.5) / QUANTILES
    error = target[:, None, :] - predicted[:, :, None]
    huber = jnp.where(jnp.abs(error) <= 1, 0.5 * error**2, jnp.abs(error) - 0.5)
    weight = jnp.abs(taus[:, None] - (error < 0))
    return (weight * huber).mean(2).sum(1).mean()


@partial(jax.jit, static_argnames=("actor_net", "critic_net"))
def update_critic(
    keys: Array,
    actor: Params,
    critic: Model,
    target: Params,
    log_alpha: Params,
    batch: Batch,
    *,
    actor_net: Actor,
    critic_net: Critics,
) -> tuple[Model, Array]:
    """Take one critic step of every seed; return the losses beside it."""

    def one(
        key: Array, actor: Params, critic: Model, target: Params, log_alpha: Array, batch: Batch
    ) -> tuple[Model, Array]:
        actions, log_prob = tanh_normal(*apply(actor_net, actor, batch.next_observations), key)
        values = apply(critic_net, target, batch.next_observations, actions).mean(0)
        values = values - jnp.exp(log_alpha) * log_prob[:, None]
        goal = batch.rewards[:, None] + DISCOUNT * batch.masks[:, None] * values

        def loss(params: Params) -> Array:
            first, second = apply(critic_net, params, batch.observations, batch.actions)
            return quantile_huber(first, goal) + quantile_huber(second, goal)

        value, gradient = jax.value_and_grad(loss)(critic.params)
        return apply_gradient(ADAMW, critic, gradient), value

    return jax.vmap(one)(keys, actor, critic, target, log_alpha, batch)


@partial(jax.jit, static_argnames=("actor_net", "critic_net"))
def update_actor(
    keys: Array,
    actor: Model,
    critic: Params,
    log_alpha: Params,
    batch: Batch,
    *,
    actor_net: Actor,
    critic_net: Critics,
) -> tuple[Model, Array]:
    """Take one actor step of every seed; return the entropies beside it."""

    def one(
        key: Array, actor: Model, critic: Params, log_alpha: Array, batch: Batch
    ) -> tuple[Model, Array]:
        def loss(params: Params) -> tuple[Array, Array]:
            actions, log_prob = tanh_normal(*apply(actor_net, params, batch.observations), key)
            value = apply(critic_net, critic, batch.observations, actions).mean((0, 2))
            return (jnp.exp(log_alpha) * log_prob - value).mean(), -log_prob.mean()

        gradient, entropy = jax.grad(loss, has_aux=True)(actor.params)
        return apply_gradient(ADAMW, actor, gradient), entropy

    return jax.vmap(one)(keys, actor, critic, log_alpha, batch)


@partial(jax.jit, static_argnames="actor_net")
def sample_actions(keys: Array, actor: Params, observations: Array, *, actor_net: Actor) -> Array:
    """Return an action for every seed's observation."""

    def one(key: Array, actor: Params, observation: Array) -> Array:
        return tanh_normal(*apply(actor_net, actor, observation), key)[0]

    return jax.vmap(one)(keys, actor, observations)


class BRO:
    """Agents of several seeds side by side; critics of the given width, actors of 256."""

    def __init__(
        self, seeds: Sequence[int], observation: int, action: int, width: int, capacity: int
    ) -> None:
        self.actor_net, self.critic_net = Actor(256, action), Critics(width)
        self.target_entropy = -action / 2
        self.buffer = ReplayBuffer(len(seeds), capacity, observation, action)
        self.keys = jax.vmap(jax.random.key)(np.array(seeds))
        self.keys, init_keys = split(self.keys)
        one, act = jnp.zeros((1, observation)), jnp.zeros((1, action))
        actor = jax.vmap(lambda k: self.actor_net.init(k, one))(init_keys)
        critic = jax.vmap(lambda k: self.critic_net.init(k, one, act))(init_keys)
        log_alpha = jnp.zeros(len(seeds))
        self.actor = Model(actor, jax.vmap(ADAMW.init)(actor))
        self.critic = Model(critic, jax.vmap(ADAMW.init)(critic))
        self.log_alpha = Model(log_alpha, jax.vmap(TEMPERATURE_ADAM.init)(log_alpha))
        self.target = critic

    def act(self, observations: np.ndarray) -> np.ndarray:
        """Sample one action per seed."""
        self.keys, keys = split(self.keys)
        actor = self.actor.params
        return np.asarray(sample_actions(keys, actor, observations, actor_net=self.actor_net))

    def update(self, batch_size: int) -> None:
        """Do one update of everything, stage by stage."""
        nets = {"actor_net": self.actor_net, "critic_net": self.critic_net}
        batch = self.buffer.sample(batch_size)
        self.keys, keys = split(self.keys)
        actor, log_alpha = self.actor, self.log_alpha.params
        self.critic, _ = update_critic(
            keys, actor.params, self.critic, self.target, log_alpha, batch, **nets
        )
        self.target = update_target(self.critic.params, self.target)
        self.keys, keys = split(self.keys)
        self.actor, entropy = update_actor(
            keys, actor, self.critic.params, log_alpha, batch, **nets
        )
        self.log_alpha = update_temperature(
            self.log_alpha,
            entropy,
            optimizer=TEMPERATURE_ADAM,
            target_entropy=self.target_entropy,
        )
