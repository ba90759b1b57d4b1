"""Soft actor-critic (Haarnoja 2018) for the speed comparison, all seeds by vmap."""

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

ADAM = optax.adam(3e-4)


def dense(features: int) -> nn.Dense:
    """Return a layer with jaxrl's initialisation."""
    return nn.Dense(features, kernel_init=nn.initializers.orthogonal(2**0.5))


class MLP(nn.Module):
    """Two hidden layers."""

    width: int
    outputs: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map ``(batch, inputs)`` to ``(batch, outputs)``."""
        x = nn.relu(dense(self.width)(x))
        x = nn.relu(dense(self.width)(x))
        return dense(self.outputs)(x)


class Actor(nn.Module):
    """Gaussian policy."""

    width: int
    actions: int

    @nn.compact
    def __call__(self, observations: Array) -> tuple[Array, Array]:
        """Return mean and log standard deviation."""
        out = MLP(self.width, 2 * self.actions)(observations)
        return out[..., : self.actions], jnp.clip(out[..., self.actions :], -10.0, 2.0)


class Critics(nn.Module):
    """Two Q functions, vmapped as in jaxrl."""

    width: int

    @nn.compact
    def __call__(self, observations: Array, actions: Array) -> Array:
        """Return ``(2, batch)``."""
        twin = nn.vmap(
            MLP,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=None,
            out_axes=0,
            axis_size=2,
        )
        inputs = jnp.concatenate([observations, actions], -1)
        return twin(self.width, 1)(inputs).squeeze(-1)


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
        values = apply(critic_net, target, batch.next_observations, actions).min(0)
        values = values - jnp.exp(log_alpha) * log_prob
        goal = batch.rewards + DISCOUNT * batch.masks * values

        def loss(params: Params) -> Array:
            q = apply(critic_net, params, batch.observations, batch.actions)
            return ((q - goal) ** 2).mean(-1).sum()

        value, gradient = jax.value_and_grad(loss)(critic.params)
        return apply_gradient(ADAM, critic, gradient), value

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
            value = apply(critic_net, critic, batch.observations, actions).min(0)
            return (jnp.exp(log_alpha) * log_prob - value).mean(), -log_prob.mean()

        gradient, entropy = jax.grad(loss, has_aux=True)(actor.params)
        return apply_gradient(ADAM, actor, gradient), entropy

    return jax.vmap(one)(keys, actor, critic, log_alpha, batch)


@partial(jax.jit, static_argnames="actor_net")
def sample_actions(keys: Array, actor: Params, observations: Array, *, actor_net: Actor) -> Array:
    """Return an action for every seed's observation."""

    def one(key: Array, actor: Params, observation: Array) -> Array:
        return tanh_normal(*apply(actor_net, actor, observation), key)[0]

    return jax.vmap(one)(keys, actor, observations)


class SAC:
    """Agents of several seeds side by side."""

    def __init__(
        self, seeds: Sequence[int], observation: int, action: int, width: int, capacity: int
    ) -> None:
        self.actor_net, self.critic_net = Actor(width, action), Critics(width)
        self.target_entropy = -action / 2
        self.buffer = ReplayBuffer(len(seeds), capacity, observation, action)
        self.keys = jax.vmap(jax.random.key)(np.array(seeds))
        self.keys, init_keys = split(self.keys)
        one, act = jnp.zeros((1, observation)), jnp.zeros((1, action))
        actor = jax.vmap(lambda k: self.actor_net.init(k, one))(init_keys)
        critic = jax.vmap(lambda k: self.critic_net.init(k, one, act))(init_keys)
        log_alpha = jnp.zeros(len(seeds))
        self.actor = Model(actor, jax.vmap(ADAM.init)(actor))
        self.critic = Model(critic, jax.vmap(ADAM.init)(critic))
        self.log_alpha = Model(log_alpha, jax.vmap(ADAM.init)(log_alpha))
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
            self.log_alpha, entropy, optimizer=ADAM, target_entropy=self.target_entropy
        )
