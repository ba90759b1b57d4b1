"""Actor-critics with two critics: the order of an update, and the methods that make an algorithm.

SAC and BRO are maximum-entropy actor-critics with two critics, and so is `ActorCriticConfig` as it
stands. An algorithm is a subclass: it names its networks, combines the two critics' predictions and
gives their loss (`vs_agents.sac`, `vs_agents.bro`), and may replace every other method too, such as
the target, the policy's loss or the temperature.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import jax
import optax
from flax import linen as nn
from jax import Array
from jax import numpy as jnp

from vs_agents.agent import AgentState, Every, Learner, Metrics, Params, count_params, descend
from vs_agents.distributions import standard_normal, tanh_normal
from vs_agents.linear import Dtype
from vs_agents.networks import TwinCritic
from vs_agents.replay import Batch, Values

ADAM = optax.scale_by_adam()  # learning rates are applied outside: they are traced values


@dataclass(frozen=True, kw_only=True)
class ActorCriticConfig(ABC):
    """An algorithm and its constants, fixed when the update is compiled.

    Attributes:
        observation_size: length of one observation.
        action_size: length of one action, each component in [-1, 1].
        critic_width: units of the critics' hidden layers.
        critic_depth: hidden layers of the critics, or residual blocks where they have these.
        actor_width: units of the actor's hidden layers.
        discount: gamma, of one step.
        n_step: rewards in a target before it bootstraps.
        target_rate: tau, the step of the target critics towards the critics.
        target_entropy_per_action: the temperature steers the policy's entropy to minus this number
            per action dimension: 1/2 as in ``jaxrl`` and BRO, 1 as in Haarnoja 2018.
        actor_every: update actor and temperature with every critic update, or once per environment
            step, after that step's critic updates.
        dtype: type of the operands of matrix products; everything else is float32.
        passive_width: width of a passive critic of the same depth, trained on the first one's
            batches and targets without influence on either (arXiv:2508.14881, section 4); None for
            none.
        network_optimizer: of actor and critics; steps are scaled by the agent's learning rate.
        initial_temperature: weight of the entropy at start; None for an algorithm without entropy,
            or with a constant weight: it learns no temperature.
        temperature_optimizer: of the logarithm of the temperature.
        temperature_rate: its learning rate; None for the agent's.
    """

    observation_size: int
    action_size: int
    critic_width: int = 256
    critic_depth: int = 2
    actor_width: int = 256
    discount: float = 0.99
    n_step: int = 1
    target_rate: float = 0.005
    target_entropy_per_action: float = 0.5
    actor_every: Every = "critic_update"
    dtype: Dtype = "float32"
    passive_width: int | None = None

    actor_first: ClassVar[bool] = False
    network_optimizer: ClassVar[optax.GradientTransformation] = ADAM
    initial_temperature: ClassVar[float | None] = 1.0
    temperature_optimizer: ClassVar[optax.GradientTransformation] = ADAM
    temperature_rate: ClassVar[float | None] = None

    # Defined by every algorithm.

    @property
    @abstractmethod
    def actor(self) -> nn.Module:
        """The policy network.

        It gives mean and log standard deviation where `act_deterministic`, `explore`, `target` and
        `policy_loss` are the defaults.
        """

    @abstractmethod
    def critic_of(self, width: int) -> TwinCritic:
        """Return the pair of critics with ``width`` units per layer, `critic_depth` deep."""

    @abstractmethod
    def combine(self, predictions: Array) -> Array:
        """Reduce the two critics' predictions ``(2, ..., K)`` to one, ``(..., K)``."""

    @abstractmethod
    def loss(self, predictions: Array, target: Array) -> Array:
        """Return the loss of ``(2, B, K)`` against ``(B, K)``, summed over critics; ``(B,)``."""

    # Defaults, which an algorithm may replace.

    def init(self, key: Array, learning_rate: Array | float) -> AgentState:
        """Return a fresh agent.

        Args:
            key: JAX random key of the initial weights.
            learning_rate: step size of critic and actor, and of the temperature unless it has its
                own.
        """
        actor_key, critic_key, passive_key, extra_key = jax.random.split(key, 4)
        observation, action = jnp.zeros(self.observation_size), jnp.zeros(self.action_size)
        critic = self.critic.init(critic_key, observation, action)
        passive = temperature = None
        if self.passive_width is not None:
            passive_critic = self.critic_of(self.passive_width)
            passive = learner(self, passive_critic.init(passive_key, observation, action))
        if self.initial_temperature is not None:
            logarithm = jnp.asarray(math.log(self.initial_temperature), jnp.float32)
            temperature = Learner(logarithm, self.temperature_optimizer.init(logarithm))
        state = AgentState(
            actor=learner(self, self.actor.init(actor_key, observation)),
            critic=learner(self, critic),
            target_critic=jax.tree.map(jnp.copy, critic),  # own buffers: the state is donated
            log_temperature=temperature,
            passive_critic=passive,
            extra=None,
            learning_rate=jnp.asarray(learning_rate, jnp.float32),
        )
        return state._replace(extra=self.init_extra(state, extra_key))

    def observe(
        self, state: AgentState, observation: Values, reward: Values, ended: Values
    ) -> AgentState:
        """Return the agent as it is: no statistics of observations or rewards are kept."""
        del observation, reward, ended
        return state

    def act_deterministic(self, state: AgentState, observation: Values) -> Array:
        """Return the tanh of the policy's mean, the action of evaluations, ``(..., action)``."""
        return jnp.tanh(policy(self, state.actor.params, observation)[0])

    def explore(self, state: AgentState, observation: Values, key: Array) -> Array:
        """Return the action to take while training, ``(..., action)``."""
        mean, log_std = policy(self, state.actor.params, observation)
        return tanh_normal(mean, log_std, standard_normal(key, mean.shape))[0]

    def target(self, state: AgentState, batch: Batch, noise: Array) -> Array:
        """Return ``r + discount (Z'(s', a') - alpha log pi(a'|s'))``, ``(B, K)``.

        ``Z'`` combines the two target critics, ``a'`` is the policy's action under ``noise``.

        Args:
            state: the agent.
            batch: transitions with one leading axis ``(B, ...)``.
            noise: ``(B, action)`` standard normal draws.
        """
        mean, log_std = policy(self, state.actor.params, batch.next_observation)
        action, log_prob = tanh_normal(mean, log_std, noise)
        values = predictions(self, state.target_critic, batch.next_observation, action)
        soft = self.combine(values) - (self.temperature(state) * log_prob)[:, None]
        return bellman(batch, soft)

    def policy_loss(
        self, actor: Params, state: AgentState, batch: Batch, noise: Array
    ) -> tuple[Array, Array | None]:
        """Return ``mean(alpha log pi - Q)`` under ``state``'s critic, and the entropy.

        ``Q`` combines the two critics' predictions and is the mean over their K.

        Args:
            actor: the policy's parameters.
            state: the agent.
            batch: transitions with one leading axis ``(B, ...)``.
            noise: ``(B, action)`` standard normal draws.

        Returns:
            The loss (), and the policy's mean entropy () in nats; None where it has none.
        """
        mean, log_std = policy(self, actor, batch.observation)
        action, log_prob = tanh_normal(mean, log_std, noise)
        values = predictions(self, state.critic.params, batch.observation, action)
        value = self.combine(values).mean(-1)
        return (self.temperature(state) * log_prob - value).mean(), -log_prob.mean()

    def temperature(self, state: AgentState) -> Array:
        """Return alpha, the weight of the entropy, (); 0 where no temperature is learnt."""
        if state.log_temperature is None:
            return jnp.zeros(())
        return jnp.exp(state.log_temperature.params)

    def temperature_loss(self, log_temperature: Array, entropy: Array) -> Array:
        """Return ``alpha (entropy - target entropy)``, ()."""
        return jnp.exp(log_temperature) * (entropy - self.target_entropy)

    def update_critic(
        self, state: AgentState, batch: Batch, key: Array
    ) -> tuple[AgentState, Metrics]:
        """Update the critics, then move their targets towards them.

        Args:
            state: the agent before.
            batch: transitions with one leading axis ``(B, ...)``.
            key: JAX random key of the policy's sample.

        Returns:
            The agent after, and the scalar ``critic_loss`` (and ``passive_critic_loss``).
        """
        noise = standard_normal(key, batch.action.shape)
        target = self.target(state, batch, noise)
        loss, gradient = jax.value_and_grad(lambda p: critic_loss(self, p, batch, target))(
            state.critic.params
        )
        critic = descend(state.critic, gradient, self.network_optimizer, state.learning_rate)
        metrics = {"critic_loss": loss}
        if state.passive_critic is not None:
            metrics["passive_critic_loss"], gradient = jax.value_and_grad(
                lambda p: passive_loss(self, p, batch, target)
            )(state.passive_critic.params)
            passive = descend(
                state.passive_critic, gradient, self.network_optimizer, state.learning_rate
            )
            state = state._replace(passive_critic=passive)
        targets = optax.incremental_update(critic.params, state.target_critic, self.target_rate)
        return state._replace(critic=critic, target_critic=targets), metrics

    def update_actor(
        self, state: AgentState, batch: Batch, key: Array
    ) -> tuple[AgentState, Metrics]:
        """Update the actor, then the temperature, then the algorithm's own part.

        Args:
            state: the agent before.
            batch: transitions with one leading axis ``(B, ...)``.
            key: JAX random key of the policy's sample.

        Returns:
            The agent after, and the scalars ``entropy`` and ``temperature`` where it has them.

        Raises:
            ValueError: if there is a temperature to learn and `policy_loss` gives no entropy.
        """
        policy_key, extra_key = jax.random.split(key)
        noise = standard_normal(policy_key, batch.action.shape)
        gradient, entropy = jax.grad(
            lambda p: self.policy_loss(p, state, batch, noise), has_aux=True
        )(state.actor.params)
        actor = descend(state.actor, gradient, self.network_optimizer, state.learning_rate)
        metrics = {} if entropy is None else {"entropy": entropy}
        temperature = state.log_temperature
        if temperature is not None:
            if entropy is None:
                raise ValueError(
                    f"{type(self).__name__}.policy_loss gives no entropy to learn a temperature "
                    "from: expected initial_temperature = None"
                )
            metrics["temperature"] = self.temperature(state)
            gradient = jax.grad(self.temperature_loss)(temperature.params, entropy)
            rate = self.temperature_rate
            temperature = descend(
                temperature,
                gradient,
                self.temperature_optimizer,
                state.learning_rate if rate is None else jnp.asarray(rate),
            )
        state = state._replace(actor=actor, log_temperature=temperature)
        return self.update_extra(state, batch, extra_key), metrics

    def td_losses(self, state: AgentState, batch: Batch, key: Array) -> Metrics:
        """Return ``critic_loss`` () (and ``passive_critic_loss``) on a batch; changes nothing."""
        target = self.target(state, batch, standard_normal(key, batch.action.shape))
        found = {"critic_loss": critic_loss(self, state.critic.params, batch, target)}
        if state.passive_critic is not None:
            passive = state.passive_critic.params
            found["passive_critic_loss"] = passive_loss(self, passive, batch, target)
        return found

    def init_extra(self, state: AgentState, key: Array) -> Any:
        """Return this algorithm's own part of a fresh agent; ``state`` is the rest of it."""
        del state, key

    def update_extra(self, state: AgentState, batch: Batch, key: Array) -> AgentState:
        """Update that part, after actor and temperature."""
        del batch, key
        return state

    def reset_due(self, *, env_step: int, updates_before: int, updates: int) -> bool:
        """Return True if networks, optimisers and temperature start afresh before a step's updates.

        Args:
            env_step: the environment step, counted from 1.
            updates_before: critic updates before the previous step.
            updates: critic updates before this step.
        """
        del env_step, updates_before, updates
        return False

    @property
    def reset_period(self) -> int | None:
        """Critic updates between two resets; None where resets do not follow their count."""
        return None

    # Derived from the methods above.

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
        return count_params(shapes)


def learner(config: ActorCriticConfig, params: Params) -> Learner:
    """Return parameters of a network with a fresh optimiser."""
    return Learner(params, config.network_optimizer.init(params))


def policy(config: ActorCriticConfig, actor: Params, observation: Values) -> tuple[Array, Array]:
    """Return mean and log standard deviation before tanh, ``(..., action)`` each."""
    return cast("tuple[Array, Array]", config.actor.apply(actor, observation))


def predictions(
    config: ActorCriticConfig, critic: Params, observation: Values, action: Values
) -> Array:
    """Return both critics' predictions, ``(2, ..., K)``."""
    return cast("Array", config.critic.apply(critic, observation, action))


def bellman(batch: Batch, value: Array) -> Array:
    """Return ``r + discount value``, with ``value`` and the result ``(B, K)``."""
    return jnp.asarray(batch.reward)[:, None] + jnp.asarray(batch.discount)[:, None] * value


def critic_loss(config: ActorCriticConfig, critic: Params, batch: Batch, target: Array) -> Array:
    """Return the critics' loss, summed over the two, mean over the batch."""
    predicted = predictions(config, critic, batch.observation, batch.action)
    return config.loss(predicted, target).mean()


def passive_loss(config: ActorCriticConfig, critic: Params, batch: Batch, target: Array) -> Array:
    """Return the same loss of the passive critics, on the first ones' target."""
    network = config.critic_of(cast("int", config.passive_width))
    predicted = cast("Array", network.apply(critic, batch.observation, batch.action))
    return config.loss(predicted, target).mean()
