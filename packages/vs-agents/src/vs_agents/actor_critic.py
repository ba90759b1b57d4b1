"""What SAC and BRO share: the state of one agent and the order of its updates.

Both are maximum-entropy actor-critics with two critics. They differ in their networks, in what a
critic predicts, in how the two predictions become one, in the loss and in the optimisers: that is
what a subclass of `ActorCriticConfig` says (`vs_agents.sac`, `vs_agents.bro`).

Everything is a pure function of one agent's state; `vs_agents.lanes` maps it over lanes.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, cast

import jax
import optax
from jax import Array
from jax import numpy as jnp

from vs_agents.distributions import standard_normal, tanh_normal
from vs_agents.linear import Dtype
from vs_agents.networks import GaussianActor, TwinCritic
from vs_agents.replay import Transition, Values

type Params = Any  # a pytree of arrays
type Every = Literal["critic_update", "env_step"]

ADAM = optax.scale_by_adam()  # learning rates are applied outside: they are traced values


class Learner(NamedTuple):
    """Parameters and the state of their optimiser."""

    params: Params
    optimizer: Any  # an optax.OptState


class AgentState(NamedTuple):
    """Everything that one agent learns; a pytree."""

    actor: Learner
    critic: Learner
    target_critic: Params
    log_temperature: Learner  # params: ()
    passive_critic: Learner | None  # see ActorCriticConfig.passive_width
    extra: Any  # what only one algorithm has
    learning_rate: Array  # ()


@dataclass(frozen=True, kw_only=True)
class ActorCriticConfig(ABC):
    """What is fixed when the update is compiled.

    Attributes:
        observation_size: length of one observation.
        action_size: length of one action, each component in [-1, 1].
        critic_width: units of the critics' hidden layers.
        critic_depth: hidden layers of the critics, or residual blocks where they have these.
        actor_width: units of the actor's hidden layers.
        discount: gamma.
        target_rate: tau, the step of the target critics towards the critics.
        target_entropy_per_action: the temperature steers the policy's entropy to minus this number
            per action dimension: 1/2 as in ``jaxrl`` and BRO, 1 as in Haarnoja 2018.
        actor_every: when actor and temperature are updated: with every critic update, or once per
            environment step, after that step's critic updates.
        dtype: in which matrix products are formed; everything else is float32.
        passive_width: width of a passive critic of the same depth, trained on the first one's
            batches and targets without influence on either (arXiv:2508.14881, section 4); None for
            none.
    """

    observation_size: int
    action_size: int
    critic_width: int = 256
    critic_depth: int = 2
    actor_width: int = 256
    discount: float = 0.99
    target_rate: float = 0.005
    target_entropy_per_action: float = 0.5
    actor_every: Every = "critic_update"
    dtype: Dtype = "float32"
    passive_width: int | None = None

    network_optimizer: ClassVar[optax.GradientTransformation] = ADAM
    temperature_optimizer: ClassVar[optax.GradientTransformation] = ADAM
    temperature_rate: ClassVar[float | None] = None  # None: the agent's learning rate

    @property
    @abstractmethod
    def actor(self) -> GaussianActor:
        """The policy network."""

    @abstractmethod
    def critic_of(self, width: int) -> TwinCritic:
        """Return the pair of critics with ``width`` units per layer, `critic_depth` deep."""

    @abstractmethod
    def combine(self, predictions: Array) -> Array:
        """Reduce the two critics' predictions ``(2, ..., K)`` to one, ``(..., K)``."""

    @abstractmethod
    def loss(self, predictions: Array, target: Array) -> Array:
        """Return the loss of ``(2, B, K)`` against ``(B, K)``, summed over critics; ``(B,)``."""

    @property
    def critic(self) -> TwinCritic:
        """The pair of critics that teaches the actor."""
        return self.critic_of(self.critic_width)

    @property
    def critic_params(self) -> int:
        """Number of parameters of both critics together."""
        return self._count(self.critic_width)

    @property
    def passive_params(self) -> int | None:
        """Number of parameters of both passive critics together."""
        return None if self.passive_width is None else self._count(self.passive_width)

    @property
    def target_entropy(self) -> float:
        """The entropy that the temperature steers to, in nats."""
        return -self.target_entropy_per_action * self.action_size

    def _count(self, width: int) -> int:
        observation = jax.ShapeDtypeStruct((self.observation_size,), jnp.float32)
        action = jax.ShapeDtypeStruct((self.action_size,), jnp.float32)
        key = jax.ShapeDtypeStruct((2,), jnp.uint32)
        shapes = jax.eval_shape(self.critic_of(width).init, key, observation, action)
        return sum(leaf.size for leaf in jax.tree.leaves(shapes))

    def init_extra(self, key: Array) -> Any:
        """Return the part of the state that only this algorithm has."""
        del key

    def explore(self, state: AgentState, observation: Values, key: Array) -> Array:
        """Return the action to take while training, ``(..., action)``."""
        mean, log_std = policy(self, state.actor.params, observation)
        return tanh_normal(mean, log_std, standard_normal(key, mean.shape))[0]

    def reset_due(self, *, env_step: int, updates_before: int, updates: int) -> bool:
        """Tell whether networks, optimisers and temperature start afresh after this step.

        Args:
            env_step: environment steps so far, this one included.
            updates_before: critic updates before this step.
            updates: critic updates with those of this step.
        """
        del env_step, updates_before, updates
        return False

    def update_extra(self, state: AgentState, batch: Transition, key: Array) -> AgentState:
        """Update that part, after the actor."""
        del batch, key
        return state


def init(config: ActorCriticConfig, key: Array, learning_rate: Array | float) -> AgentState:
    """Return a fresh agent.

    Args:
        config: the algorithm.
        key: JAX random key of the initial weights.
        learning_rate: step size of critic and actor (and temperature, where the algorithm says so).
    """
    actor_key, critic_key, passive_key, extra_key = jax.random.split(key, 4)
    observation, action = jnp.zeros(config.observation_size), jnp.zeros(config.action_size)
    critic = config.critic.init(critic_key, observation, action)
    passive = None
    if config.passive_width is not None:
        passive_critic = config.critic_of(config.passive_width)
        passive = learner(config, passive_critic.init(passive_key, observation, action))
    log_temperature = jnp.zeros(())
    return AgentState(
        actor=learner(config, config.actor.init(actor_key, observation)),
        critic=learner(config, critic),
        target_critic=jax.tree.map(jnp.copy, critic),  # own buffers: the state is donated
        log_temperature=Learner(
            log_temperature, config.temperature_optimizer.init(log_temperature)
        ),
        passive_critic=passive,
        extra=config.init_extra(extra_key),
        learning_rate=jnp.asarray(learning_rate, jnp.float32),
    )


def learner(config: ActorCriticConfig, params: Params) -> Learner:
    """Return parameters of a network with a fresh optimiser."""
    return Learner(params, config.network_optimizer.init(params))


def act_deterministic(config: ActorCriticConfig, state: AgentState, observation: Values) -> Array:
    """Return the tanh of the policy's mean, the action used in evaluation."""
    return jnp.tanh(policy(config, state.actor.params, observation)[0])


def policy(config: ActorCriticConfig, actor: Params, observation: Values) -> tuple[Array, Array]:
    """Return mean and log standard deviation before tanh, ``(..., action)`` each."""
    return cast("tuple[Array, Array]", config.actor.apply(actor, observation))


def predictions(
    config: ActorCriticConfig, critic: Params, observation: Values, action: Values
) -> Array:
    """Return what both critics predict, ``(2, ..., K)``."""
    return cast("Array", config.critic.apply(critic, observation, action))


def critic_target(
    config: ActorCriticConfig, state: AgentState, batch: Transition, noise: Array
) -> Array:
    """Return ``r + gamma (1 - terminated) (Z'(s', a') - alpha log pi(a'|s'))``, ``(B, K)``.

    ``Z'`` combines the two target critics, ``a'`` is the policy's action under ``noise``.
    """
    mean, log_std = policy(config, state.actor.params, batch.next_observation)
    action, log_prob = tanh_normal(mean, log_std, noise)
    values = predictions(config, state.target_critic, batch.next_observation, action)
    soft = config.combine(values) - (jnp.exp(state.log_temperature.params) * log_prob)[:, None]
    going_on = 1.0 - jnp.asarray(batch.terminated)
    return jnp.asarray(batch.reward)[:, None] + config.discount * going_on[:, None] * soft


def critic_loss(
    config: ActorCriticConfig, critic: Params, batch: Transition, target: Array
) -> Array:
    """Return the critics' loss, summed over the two, mean over the batch."""
    predicted = predictions(config, critic, batch.observation, batch.action)
    return config.loss(predicted, target).mean()


def passive_loss(
    config: ActorCriticConfig, critic: Params, batch: Transition, target: Array
) -> Array:
    """Return the same loss of the passive critics, on the first ones' target."""
    network = config.critic_of(cast("int", config.passive_width))
    predicted = cast("Array", network.apply(critic, batch.observation, batch.action))
    return config.loss(predicted, target).mean()


def actor_loss(
    config: ActorCriticConfig, actor: Params, state: AgentState, batch: Transition, noise: Array
) -> tuple[Array, Array]:
    """Return ``mean(alpha log pi - Q)`` under ``state``'s critic, and the entropy.

    ``Q`` combines the two critics and is the mean of what they predict.
    """
    mean, log_std = policy(config, actor, batch.observation)
    action, log_prob = tanh_normal(mean, log_std, noise)
    values = predictions(config, state.critic.params, batch.observation, action)
    value = config.combine(values).mean(-1)
    temperature = jnp.exp(state.log_temperature.params)
    return (temperature * log_prob - value).mean(), -log_prob.mean()


def temperature_loss(config: ActorCriticConfig, log_temperature: Array, entropy: Array) -> Array:
    """Return ``alpha (entropy - target entropy)``."""
    return jnp.exp(log_temperature) * (entropy - config.target_entropy)


def update_critic(
    config: ActorCriticConfig, state: AgentState, batch: Transition, key: Array
) -> tuple[AgentState, dict[str, Array]]:
    """Do one update of the critics and their targets.

    Args:
        config: the algorithm.
        state: the agent before.
        batch: transitions with one leading axis ``(B, ...)``.
        key: JAX random key of the policy's sample.

    Returns:
        The agent after, and the scalar ``critic_loss`` (and ``passive_critic_loss``).
    """
    noise = standard_normal(key, batch.action.shape)
    target = critic_target(config, state, batch, noise)
    loss, gradient = jax.value_and_grad(lambda p: critic_loss(config, p, batch, target))(
        state.critic.params
    )
    critic = descend(state.critic, gradient, config.network_optimizer, state.learning_rate)
    metrics = {"critic_loss": loss}
    if state.passive_critic is not None:
        metrics["passive_critic_loss"], gradient = jax.value_and_grad(
            lambda p: passive_loss(config, p, batch, target)
        )(state.passive_critic.params)
        passive = descend(
            state.passive_critic, gradient, config.network_optimizer, state.learning_rate
        )
        state = state._replace(passive_critic=passive)
    target_critic = optax.incremental_update(critic.params, state.target_critic, config.target_rate)
    return state._replace(critic=critic, target_critic=target_critic), metrics


def update_actor(
    config: ActorCriticConfig, state: AgentState, batch: Transition, key: Array
) -> tuple[AgentState, dict[str, Array]]:
    """Do one update of the actor, then of the temperature.

    Args:
        config: the algorithm.
        state: the agent before.
        batch: transitions with one leading axis ``(B, ...)``.
        key: JAX random key of the policy's sample.

    Returns:
        The agent after, and the scalars ``entropy`` and ``temperature``.
    """
    policy_key, extra_key = jax.random.split(key)
    noise = standard_normal(policy_key, batch.action.shape)
    gradient, entropy = jax.grad(
        lambda p: actor_loss(config, p, state, batch, noise), has_aux=True
    )(state.actor.params)
    actor = descend(state.actor, gradient, config.network_optimizer, state.learning_rate)

    gradient = jax.grad(lambda p: temperature_loss(config, p, entropy))(
        state.log_temperature.params
    )
    rate = config.temperature_rate
    log_temperature = descend(
        state.log_temperature,
        gradient,
        config.temperature_optimizer,
        state.learning_rate if rate is None else jnp.asarray(rate),
    )
    metrics = {"entropy": entropy, "temperature": jnp.exp(state.log_temperature.params)}
    state = state._replace(actor=actor, log_temperature=log_temperature)
    return config.update_extra(state, batch, extra_key), metrics


def descend(
    learner: Learner, gradient: Params, optimizer: optax.GradientTransformation, rate: Array
) -> Learner:
    """Take one step of ``rate`` against the optimiser's direction."""
    direction, optimizer_state = optimizer.update(gradient, learner.optimizer, learner.params)
    params = jax.tree.map(lambda p, d: p - rate * d, learner.params, direction)
    return Learner(params, optimizer_state)
