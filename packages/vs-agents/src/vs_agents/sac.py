"""Soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905), as in ``jaxrl``.

Two hidden layers, Adam with one learning rate for critic, actor and temperature, discount 0.99,
target critics following with rate 0.005, target entropy -|A|/2, temperature 1 at start, twin
critics of which the smaller counts, entropy in the backup. One update goes
critic -> target critic -> actor (against the new critic) -> temperature, all on the same batch.

Everything is a pure function of one agent's state; `vs_agents.loop` maps it over lanes.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import jax
import optax
from jax import Array
from jax import numpy as jnp

from vs_agents.distributions import tanh_normal
from vs_agents.networks import GaussianActor, TwinCritic
from vs_agents.replay import Transition, Values

Params = Any  # a pytree of arrays

_ADAM = optax.scale_by_adam()  # the learning rate is applied outside: it is a traced value


@dataclass(frozen=True, kw_only=True)
class SACConfig:
    """What is fixed when the update is compiled.

    Attributes:
        observation_size: length of one observation.
        action_size: length of one action, each component in [-1, 1].
        critic_widths: units of the critics' hidden layers.
        actor_widths: units of the actor's hidden layers.
        discount: gamma.
        target_rate: tau, the step of the target critics towards the critics.
    """

    observation_size: int
    action_size: int
    critic_widths: tuple[int, ...] = (256, 256)
    actor_widths: tuple[int, ...] = (256, 256)
    discount: float = 0.99
    target_rate: float = 0.005

    @property
    def target_entropy(self) -> float:
        """Minus half the number of action dimensions."""
        return -0.5 * self.action_size

    @property
    def actor(self) -> GaussianActor:
        """The policy network."""
        return GaussianActor(self.actor_widths, self.action_size)

    @property
    def critic(self) -> TwinCritic:
        """The pair of Q networks."""
        return TwinCritic(self.critic_widths)

    @property
    def critic_params(self) -> int:
        """Number of parameters of both critics together."""
        observation = jax.ShapeDtypeStruct((self.observation_size,), jnp.float32)
        action = jax.ShapeDtypeStruct((self.action_size,), jnp.float32)
        key = jax.ShapeDtypeStruct((2,), jnp.uint32)
        shapes = jax.eval_shape(self.critic.init, key, observation, action)
        return sum(leaf.size for leaf in jax.tree.leaves(shapes))


class SACState(NamedTuple):
    """Everything that one agent learns; a pytree."""

    actor: Params
    critic: Params
    target_critic: Params
    log_temperature: Array  # ()
    actor_optimizer: optax.OptState
    critic_optimizer: optax.OptState
    temperature_optimizer: optax.OptState
    learning_rate: Array  # ()


def init(config: SACConfig, key: Array, learning_rate: Array | float) -> SACState:
    """Return a fresh agent.

    Args:
        config: sizes of the networks.
        key: JAX random key of the initial weights.
        learning_rate: Adam's step size for critic, actor and temperature.
    """
    actor_key, critic_key = jax.random.split(key)
    observation = jnp.zeros(config.observation_size)
    actor = config.actor.init(actor_key, observation)
    critic = config.critic.init(critic_key, observation, jnp.zeros(config.action_size))
    log_temperature = jnp.zeros(())
    return SACState(
        actor=actor,
        critic=critic,
        target_critic=jax.tree.map(jnp.copy, critic),  # own buffers: the state is donated
        log_temperature=log_temperature,
        actor_optimizer=_ADAM.init(actor),
        critic_optimizer=_ADAM.init(critic),
        temperature_optimizer=_ADAM.init(log_temperature),
        learning_rate=jnp.asarray(learning_rate, jnp.float32),
    )


def act(config: SACConfig, state: SACState, observation: Values, key: Array) -> Array:
    """Sample an action ``(..., action)`` for ``observation`` ``(..., observation)``."""
    mean, log_std = _policy(config, state.actor, observation)
    return tanh_normal(mean, log_std, jax.random.normal(key, mean.shape))[0]


def act_deterministic(config: SACConfig, state: SACState, observation: Values) -> Array:
    """Return the tanh of the policy's mean, the action used in evaluation."""
    return jnp.tanh(_policy(config, state.actor, observation)[0])


def _policy(config: SACConfig, actor: Params, observation: Values) -> tuple[Array, Array]:
    return cast("tuple[Array, Array]", config.actor.apply(actor, observation))


def _values(config: SACConfig, critic: Params, observation: Values, action: Values) -> Array:
    return cast("Array", config.critic.apply(critic, observation, action))


def critic_target(config: SACConfig, state: SACState, batch: Transition, noise: Array) -> Array:
    """Return ``r + gamma (1 - terminated) (min Q'(s', a') - alpha log pi(a'|s'))``, ``(B,)``."""
    mean, log_std = _policy(config, state.actor, batch.next_observation)
    action, log_prob = tanh_normal(mean, log_std, noise)
    values = _values(config, state.target_critic, batch.next_observation, action).min(0)
    soft = values - jnp.exp(state.log_temperature) * log_prob
    return jnp.asarray(batch.reward) + config.discount * (1.0 - batch.terminated) * soft


def critic_loss(config: SACConfig, critic: Params, batch: Transition, target: Array) -> Array:
    """Squared TD error, summed over the two critics, mean over the batch."""
    error = _values(config, critic, batch.observation, batch.action) - target
    return (error**2).sum(0).mean()


def actor_loss(
    config: SACConfig, actor: Params, state: SACState, batch: Transition, noise: Array
) -> tuple[Array, Array]:
    """Return ``mean(alpha log pi - min Q)`` under ``state``'s critic, and the entropy."""
    mean, log_std = _policy(config, actor, batch.observation)
    action, log_prob = tanh_normal(mean, log_std, noise)
    value = _values(config, state.critic, batch.observation, action).min(0)
    return (jnp.exp(state.log_temperature) * log_prob - value).mean(), -log_prob.mean()


def temperature_loss(config: SACConfig, log_temperature: Array, entropy: Array) -> Array:
    """Return ``alpha (entropy - target entropy)``."""
    return jnp.exp(log_temperature) * (entropy - config.target_entropy)


def update(
    config: SACConfig, state: SACState, batch: Transition, key: Array
) -> tuple[SACState, dict[str, Array]]:
    """Do one update of critic, target, actor and temperature.

    Args:
        config: the algorithm's constants.
        state: the agent before.
        batch: transitions with one leading axis ``(B, ...)``.
        key: JAX random key of the two policy samples.

    Returns:
        The agent after, and the scalars ``critic_loss``, ``entropy`` and ``temperature``.
    """
    noise = jax.random.normal(key, (2, *batch.action.shape))
    target = critic_target(config, state, batch, noise[0])
    loss, gradient = jax.value_and_grad(lambda p: critic_loss(config, p, batch, target))(
        state.critic
    )
    critic, critic_optimizer = _descend(state, gradient, state.critic_optimizer, state.critic)
    target_critic = optax.incremental_update(critic, state.target_critic, config.target_rate)
    state = state._replace(
        critic=critic, target_critic=target_critic, critic_optimizer=critic_optimizer
    )

    gradient, entropy = jax.grad(
        lambda p: actor_loss(config, p, state, batch, noise[1]), has_aux=True
    )(state.actor)
    actor, actor_optimizer = _descend(state, gradient, state.actor_optimizer, state.actor)

    gradient = jax.grad(lambda p: temperature_loss(config, p, entropy))(state.log_temperature)
    log_temperature, temperature_optimizer = _descend(
        state, gradient, state.temperature_optimizer, state.log_temperature
    )
    metrics = {
        "critic_loss": loss,
        "entropy": entropy,
        "temperature": jnp.exp(state.log_temperature),
    }
    state = state._replace(
        actor=actor,
        actor_optimizer=actor_optimizer,
        log_temperature=log_temperature,
        temperature_optimizer=temperature_optimizer,
    )
    return state, metrics


def _descend(
    state: SACState, gradient: Params, optimizer: optax.OptState, params: Params
) -> tuple[Params, optax.OptState]:
    direction, optimizer = _ADAM.update(gradient, optimizer)
    step = jax.tree.map(lambda d: -state.learning_rate * d, direction)
    return optax.apply_updates(params, step), optimizer
