"""BRO: bigger, regularised, optimistic (Nauman et al. 2024, arXiv:2405.16158)."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

import jax
import optax
from flax import linen as nn
from jax import Array
from jax import numpy as jnp

from vs_agents.actor_critic import ActorCriticConfig, learner, policy, predictions
from vs_agents.agent import AgentState, Learner, Params, descend
from vs_agents.distributions import standard_normal
from vs_agents.networks import BroNet, GaussianActor, ShiftedActor, TwinCritic
from vs_agents.quantile import quantile_huber
from vs_agents.replay import Batch, Values

_ADAMW = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(1e-4))  # optax's default
_SLOW_ADAM = optax.scale_by_adam(b1=0.5)


@dataclass(frozen=True, kw_only=True)
class BRO(ActorCriticConfig):
    """BRO without its optimistic actor, as the two scaling papers use it.

    BroNet critics (published: 512 x 2 blocks) and actor (256 x 1 block), AdamW with one learning
    rate for both (published: 3e-4), 100 quantiles per critic, the target is the mean of the two
    target critics (pessimism 0, no minimum), quantile Huber loss, log standard deviation through
    tanh to [-10, 2], target entropy -|A|/2, temperature 1 at start, its Adam with b1 = 0.5 and
    learning rate 3e-4 throughout. Orthogonal weights at start (gain sqrt 2, the log standard
    deviation's head 1). No observation or reward normalisation. Networks, optimisers and temperature
    start afresh every 2.5e6 gradient steps; the replay memory stays.

    Attributes:
        actor_blocks: residual blocks of the actor.
        quantiles: of the return, predicted by each critic.
        pessimism: part of half the critics' difference to subtract from their mean.
        reset_every: critic updates between two resets; None for never.
    """

    actor_blocks: int = 1
    quantiles: int = 100
    pessimism: float = 0.0
    reset_every: int | None = 2_500_000

    network_optimizer: ClassVar = _ADAMW
    temperature_optimizer: ClassVar = _SLOW_ADAM
    temperature_rate: ClassVar = 3e-4

    @property
    def actor(self) -> nn.Module:
        """A BroNet with two heads."""
        sizes = self.actor_width, self.actor_blocks, self.action_size
        return GaussianActor(BroNet, *sizes, "tanh", 2.0**0.5, self.dtype)

    def critic_of(self, width: int) -> TwinCritic:
        """Return two BroNets with one output per quantile."""
        return TwinCritic(BroNet, width, self.critic_depth, self.quantiles, self.dtype)

    def combine(self, predictions: Array) -> Array:
        """Return the mean of the two less `pessimism` times half their difference, by quantile."""
        first, second = predictions
        mean = predictions.mean(0)
        return mean - self.pessimism * 0.5 * jnp.abs(first - second) if self.pessimism else mean

    def loss(self, predictions: Array, target: Array) -> Array:
        """Return the quantile Huber loss."""
        return quantile_huber(predictions, target).sum(0)

    def reset_due(self, *, env_step: int, updates_before: int, updates: int) -> bool:
        """Return True if the last step reached a multiple of `reset_every`."""
        del env_step
        every = self.reset_every
        return every is not None and updates // every > updates_before // every

    @property
    def reset_period(self) -> int | None:
        """`reset_every`."""
        return self.reset_every


class Optimism(NamedTuple):
    """The full BRO's additional state: an exploring actor and its two weights, see `weight`."""

    actor: Learner
    optimism: Learner  # params: ()
    regularizer: Learner  # params: ()


_LOG_LOW, _LOG_HIGH = -10.0, 7.5
_LOG_HALF = (_LOG_HIGH - _LOG_LOW) / 2


def weight(x: Array) -> Array:
    """Return ``exp(-10 + 8.75 (1 + tanh x))``, the weight whose learnt parameter is ``x``."""
    return jnp.exp(_LOG_LOW + _LOG_HALF * (1.0 + jnp.tanh(x)))


def _parameter(weight: float) -> Array:
    return jnp.asarray(math.atanh((math.log(weight) - _LOG_LOW) / _LOG_HALF - 1.0), jnp.float32)


RESETS = 15_001, 50_001, 250_001, 500_001, 750_001, 1_000_001, 1_500_001, 2_000_001
"""The full BRO's published resets, in environment steps."""


def published_resets(utd: float) -> tuple[int, ...]:
    """Return the full BRO's `RESETS`: all at its UTD 10, the first only at UTD 2 ("fast") or less."""
    return RESETS[:1] if utd <= 2 else RESETS


@dataclass(frozen=True, kw_only=True)
class FullBRO(BRO):
    """BRO as published by Nauman et al.: an optimistic actor explores, and resets come early.

    The optimistic actor shifts the mean of the conservative one. It ascends the critics' mean plus
    ``optimism`` times their spread, held near the conservative actor by a KL divergence whose weight
    (like the optimism) follows a target of 0.05 per action dimension; it acts with 0.75 of the
    conservative actor's standard deviation. Published with batch size 128, at UTD 10 or 2
    (`published_resets`).

    Attributes:
        reset_steps: environment steps before whose updates everything but the memory starts afresh.
    """

    reset_steps: tuple[int, ...] = RESETS

    kl_target: ClassVar = 0.05  # per action dimension
    scale: ClassVar = 0.75  # of the standard deviation when exploring
    rate: ClassVar = 3e-5  # of the two weights' parameters

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
        weights = [Learner(x, _SLOW_ADAM.init(x)) for x in map(_parameter, (1.0, 0.25))]
        return Optimism(learner(self, self.explorer.init(key, observation, mean)), *weights)

    def explore(self, state: AgentState, observation: Values, key: Array) -> Array:
        """Sample around the optimistic mean."""
        mean, log_std = policy(self, state.actor.params, observation)
        noise = self.scale * jnp.exp(log_std) * standard_normal(key, mean.shape)
        return jnp.tanh(self._shifted(state.extra.actor.params, observation, mean) + noise)

    def update_extra(self, state: AgentState, batch: Batch, key: Array) -> AgentState:
        """Update the optimistic actor, then both weights."""
        extra: Optimism = state.extra
        noise = standard_normal(key, batch.action.shape)
        gradient, kl = jax.grad(
            lambda p: self.optimistic_loss(p, state, batch, noise), has_aux=True
        )(extra.actor.params)
        actor = descend(extra.actor, gradient, self.network_optimizer, state.learning_rate)
        excess = kl / self.action_size - self.kl_target
        # the optimism falls and the regulariser grows where the KL divergence is too large
        optimism = self._adjust(extra.optimism, excess)
        regularizer = self._adjust(extra.regularizer, -excess)
        return state._replace(extra=Optimism(actor, optimism, regularizer))

    def optimistic_loss(
        self, params: Params, state: AgentState, batch: Batch, noise: Array
    ) -> tuple[Array, Array]:
        """Return ``mean(w KL - (Q_1 + Q_2) / 2 - o |Q_1 - Q_2| / 2)`` and the mean KL divergence.

        The spread ``|Q_1 - Q_2|`` is taken quantile by quantile, the mean over quantiles after it.
        """
        extra: Optimism = state.extra
        mean, log_std = policy(self, state.actor.params, batch.observation)
        shifted = self._shifted(params, batch.observation, mean)
        # of equal standard deviations: the 0.75 alone would exceed the target (0.069 per dimension)
        kl = (0.5 * ((shifted - mean) * jnp.exp(-log_std)) ** 2).sum(-1)
        action = jnp.tanh(shifted + self.scale * jnp.exp(log_std) * noise)
        first, second = predictions(self, state.critic.params, batch.observation, action)
        optimism = weight(extra.optimism.params)
        value = (0.5 * (first + second) + optimism * 0.5 * jnp.abs(first - second)).mean(-1)
        return (weight(extra.regularizer.params) * kl - value).mean(), kl.mean()

    def _shifted(self, params: Params, observation: Values, mean: Array) -> Array:
        return cast("Array", self.explorer.apply(params, observation, mean))

    def _adjust(self, learnt: Learner, excess: Array) -> Learner:
        gradient = jax.grad(weight)(learnt.params) * excess
        return descend(learnt, gradient, _SLOW_ADAM, jnp.asarray(self.rate))
