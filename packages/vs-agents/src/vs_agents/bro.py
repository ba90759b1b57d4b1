"""BRO: bigger, regularised, optimistic (Nauman et al. 2024, arXiv:2405.16158)."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

import jax
import optax
from flax import linen as nn
from jax import Array
from jax import numpy as jnp

from vs_agents.actor_critic import (
    ActorCriticConfig,
    AgentState,
    Learner,
    Params,
    descend,
    learner,
    policy,
    predictions,
)
from vs_agents.distributions import standard_normal
from vs_agents.networks import BroNet, GaussianActor, ShiftedActor, TwinCritic
from vs_agents.quantile import quantile_huber
from vs_agents.replay import Transition, Values

_ADAMW = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(1e-4))  # optax's default
_SLOW_ADAM = optax.scale_by_adam(b1=0.5)


@dataclass(frozen=True, kw_only=True)
class BRO(ActorCriticConfig):
    """BRO without its optimistic actor, as the two scaling papers use it.

    BroNet critics (published: 512 x 2 blocks) and actor (256 x 1 block), AdamW with one learning
    rate for both (published: 3e-4), 100 quantiles per critic, the target is the mean of the two
    target critics (pessimism 0, no minimum), quantile Huber loss, log standard deviation through
    tanh to [-10, 2], target entropy -|A|/2, temperature 1 at start, its Adam with b1 = 0.5 and
    learning rate 3e-4 throughout. No observation or reward normalisation. Networks, optimisers and
    temperature start afresh every 2.5e6 gradient steps; the replay memory stays.

    Attributes:
        actor_blocks: residual blocks of the actor.
        quantiles: of the return, predicted by each critic.
        reset_every: critic updates between two resets; None for never.
    """

    actor_blocks: int = 1
    quantiles: int = 100
    reset_every: int | None = 2_500_000

    network_optimizer: ClassVar = _ADAMW
    temperature_optimizer: ClassVar = _SLOW_ADAM
    temperature_rate: ClassVar = 3e-4

    @property
    def actor(self) -> nn.Module:
        """A BroNet with two heads."""
        return GaussianActor(
            BroNet, self.actor_width, self.actor_blocks, self.action_size, "tanh", self.dtype
        )

    def critic_of(self, width: int) -> TwinCritic:
        """Return two BroNets with one output per quantile."""
        return TwinCritic(BroNet, width, self.critic_depth, self.quantiles, self.dtype)

    def combine(self, predictions: Array) -> Array:
        """Return the mean of the two, quantile by quantile."""
        return predictions.mean(0)

    def loss(self, predictions: Array, target: Array) -> Array:
        """Return the quantile Huber loss."""
        return quantile_huber(predictions, target).sum(0)

    def reset_due(self, *, env_step: int, updates_before: int, updates: int) -> bool:
        """Return True if a multiple of `reset_every` was reached."""
        del env_step
        every = self.reset_every
        return every is not None and updates // every > updates_before // every

    @property
    def reset_period(self) -> int | None:
        """`reset_every`."""
        return self.reset_every


class Optimism(NamedTuple):
    """The full BRO's additional state: an exploring actor and its two weights."""

    actor: Learner
    log_optimism: Learner  # params: ()
    log_regularizer: Learner  # params: ()


@dataclass(frozen=True, kw_only=True)
class FullBRO(BRO):
    """BRO as published by Nauman et al.: an optimistic actor explores, and resets come early.

    The optimistic actor shifts the mean of the conservative one. It ascends the critics' mean plus
    ``optimism`` times their spread, held near the conservative actor by a KL divergence whose weight
    (like the optimism) follows a target of 0.05 per action dimension; it acts with 0.75 of the
    conservative actor's standard deviation. Published with batch size 128, UTD 10 and these resets, or
    UTD 2 ("fast") and the first reset only.

    Attributes:
        reset_steps: environment steps after which everything but the memory starts afresh.
    """

    reset_steps: tuple[int, ...] = (
        15_001, 50_001, 250_001, 500_001, 750_001, 1_000_001, 1_500_001, 2_000_001,
    )  # fmt: skip

    kl_target: ClassVar = 0.05  # per action dimension
    scale: ClassVar = 0.75  # of the standard deviation when exploring
    rate: ClassVar = 3e-5  # of the two weights
    weight_range: ClassVar = (-10.0, 7.5)  # of their logarithms

    @property
    def explorer(self) -> ShiftedActor:
        """The optimistic actor's network."""
        return ShiftedActor(self.actor_width, self.actor_blocks, self.action_size, self.dtype)

    def reset_due(self, *, env_step: int, updates_before: int, updates: int) -> bool:
        """Return True if ``env_step`` is one of `reset_steps`."""
        del updates_before, updates
        return env_step in self.reset_steps

    @property
    def reset_period(self) -> int | None:
        """None: resets come at `reset_steps`."""
        return None

    def init_extra(self, state: AgentState, key: Array) -> Optimism:
        """Start with optimism 1 and regulariser 1/4."""
        del state
        observation, mean = jnp.zeros(self.observation_size), jnp.zeros(self.action_size)
        weights = [
            Learner(x, _SLOW_ADAM.init(x)) for x in (jnp.zeros(()), jnp.log(jnp.asarray(0.25)))
        ]
        return Optimism(learner(self, self.explorer.init(key, observation, mean)), *weights)

    def explore(self, state: AgentState, observation: Values, key: Array) -> Array:
        """Sample around the optimistic mean."""
        mean, log_std = policy(self, state.actor.params, observation)
        noise = self.scale * jnp.exp(log_std) * standard_normal(key, mean.shape)
        return jnp.tanh(self._shifted(state.extra.actor.params, observation, mean) + noise)

    def update_extra(self, state: AgentState, batch: Transition, key: Array) -> AgentState:
        """Update the optimistic actor, then both weights."""
        extra: Optimism = state.extra
        noise = standard_normal(key, batch.action.shape)
        gradient, kl = jax.grad(
            lambda p: self.optimistic_loss(p, state, batch, noise), has_aux=True
        )(extra.actor.params)
        actor = descend(extra.actor, gradient, self.network_optimizer, state.learning_rate)
        excess = kl - self.kl_target * self.action_size
        # d/dx of exp(x) * excess: the optimism falls, the regulariser grows, where KL is too large
        optimism = self._adjust(extra.log_optimism, excess)
        regularizer = self._adjust(extra.log_regularizer, -excess)
        return state._replace(extra=Optimism(actor, optimism, regularizer))

    def optimistic_loss(
        self, params: Params, state: AgentState, batch: Transition, noise: Array
    ) -> tuple[Array, Array]:
        """Return ``mean(w KL - Q_mean - o |Q_1 - Q_2| / 2)`` and the mean KL divergence."""
        extra: Optimism = state.extra
        mean, log_std = policy(self, state.actor.params, batch.observation)
        shifted = self._shifted(params, batch.observation, mean)
        # of equal standard deviations: the 0.75 alone would exceed the target (0.069 per dimension)
        kl = (0.5 * ((shifted - mean) * jnp.exp(-log_std)) ** 2).sum(-1)
        action = jnp.tanh(shifted + self.scale * jnp.exp(log_std) * noise)
        first, second = predictions(self, state.critic.params, batch.observation, action).mean(-1)
        optimism = jnp.exp(extra.log_optimism.params)
        value = 0.5 * (first + second) + optimism * 0.5 * jnp.abs(first - second)
        return (jnp.exp(extra.log_regularizer.params) * kl - value).mean(), kl.mean()

    def _shifted(self, params: Params, observation: Values, mean: Array) -> Array:
        return cast("Array", self.explorer.apply(params, observation, mean))

    def _adjust(self, weight: Learner, excess: Array) -> Learner:
        gradient = jnp.exp(weight.params) * excess
        weight = descend(weight, gradient, _SLOW_ADAM, jnp.asarray(self.rate))
        return weight._replace(params=jnp.clip(weight.params, *self.weight_range))
