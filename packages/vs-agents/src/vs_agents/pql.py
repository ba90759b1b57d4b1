"""Parallel Q-learning and its distributional form (Li et al. 2023, arXiv:2307.12983).

TD3 without a slow policy, for many environments per agent: each explores with its own noise, and the
two critics learn from windows of three steps. Everything of it is here: networks, normaliser, update.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, cast

import jax
import optax
from flax import linen as nn
from jax import Array
from jax import numpy as jnp

from vs_agents.agent import (
    AgentState,
    Every,
    Learner,
    Metrics,
    Params,
    WithoutResets,
    count_params,
    descend,
)
from vs_agents.distributions import project, standard_normal
from vs_agents.linear import Dtype, matmul
from vs_agents.moments import Moments, fresh_moments, include
from vs_agents.replay import Batch, Values

_ADAMW = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(1e-2))  # torch's default
_EPSILON = 1e-4  # of the normaliser's variance


class _Linear(nn.Module):
    """An affine layer, weights and biases uniform in ±1/sqrt(inputs) at start, as torch's."""

    features: int
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        inputs = x.shape[-1]
        bound = 1.0 / math.sqrt(inputs)

        def uniform(key: Array, shape: tuple[int, ...]) -> Array:
            return jax.random.uniform(key, shape, minval=-bound, maxval=bound)

        kernel = self.param("kernel", uniform, (inputs, self.features))
        bias = self.param("bias", uniform, (self.features,))
        y = matmul(x.reshape(-1, inputs), kernel, self.dtype)
        return y.reshape(*x.shape[:-1], self.features) + bias


class _MLP(nn.Module):
    hidden: tuple[int, ...]
    outputs: int
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for width in self.hidden:
            x = nn.elu(_Linear(width, self.dtype)(x))
        return _Linear(self.outputs, self.dtype)(x)


class _Critics(nn.Module):
    """Two independent critics; maps to ``(2, ..., outputs)``."""

    hidden: tuple[int, ...]
    outputs: int
    dtype: Dtype

    @nn.compact
    def __call__(self, observation: Array, action: Array) -> Array:
        twin = nn.vmap(
            _MLP,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=None,
            out_axes=0,
            axis_size=2,
        )
        x = jnp.concatenate([observation, action], axis=-1)
        return twin(self.hidden, self.outputs, self.dtype)(x)


@dataclass(frozen=True, kw_only=True)
class PQL(WithoutResets):
    """Parallel Q-learning.

    Three hidden layers with ELU, each half as wide as the one before; AdamW with weight decay 1e-2
    and one learning rate (published: 5e-4), gradients clipped to norm 0.5; targets with the current
    policy, clipped noise and the smaller of two target critics. The policy learns after every second
    critic update, from a batch of its own. Published with 4 096 environments, batch size 8 192,
    8 critic updates per step of all environments (2^-9 per transition), a memory of 5e6.

    Windows of three steps end with their episode and bootstrap there if it was a time limit; the
    published code lets them run on into the next episode after a time limit.

    Attributes:
        observation_size: length of one observation.
        action_size: length of one action, each component in [-1, 1].
        critic_width: units of the critics' first hidden layer.
        critic_depth: hidden layers of critics and policy.
        actor_width: units of the policy's first hidden layer.
        discount: gamma, of one step.
        n_step: rewards in a target before it bootstraps.
        target_rate: tau, the step of the target critics towards the critics.
        target_noise: standard deviation of the noise on the target's actions.
        target_noise_limit: where that noise is cut off.
        exploration: standard deviation of the noise on actions, of the first and of the last
            environment; evenly spaced between them. One environment alone has the first.
        reward_scale: factor on rewards in targets (published: 0.01 to 1, by task).
        actor_every: when the policy is updated, see `vs_agents.agent.Every`.
        dtype: type of the operands of matrix products; everything else is float32.
    """

    observation_size: int
    action_size: int
    critic_width: int = 512
    critic_depth: int = 3
    actor_width: int = 512
    discount: float = 0.99
    n_step: int = 3
    target_rate: float = 0.05
    target_noise: float = 0.8
    target_noise_limit: float = 0.2
    exploration: tuple[float, float] = (0.05, 0.8)
    reward_scale: float = 1.0
    actor_every: Every = "second_critic_update"
    dtype: Dtype = "float32"

    actor_first: ClassVar[bool] = False
    outputs: ClassVar = 1  # of a critic
    clip: ClassVar = 0.5  # of a gradient's norm
    observation_limit: ClassVar = 5.0  # of normalised observations, in learning only

    def hidden(self, width: int) -> tuple[int, ...]:
        """Return the widths of a network's hidden layers."""
        return tuple(max(1, width // 2**i) for i in range(self.critic_depth))

    @property
    def critic_params(self) -> int:
        """Number of parameters of both critics together."""
        observation, action = jnp.zeros(self.observation_size), jnp.zeros(self.action_size)
        key = jax.eval_shape(lambda: jax.random.key(0))
        return count_params(jax.eval_shape(self._critic.init, key, observation, action))

    def init(self, key: Array, learning_rate: Array | float) -> AgentState:
        """Return a fresh agent."""
        actor_key, critic_key = jax.random.split(key)
        observation, action = jnp.zeros(self.observation_size), jnp.zeros(self.action_size)
        actor = self._actor.init(actor_key, observation)
        critic = self._critic.init(critic_key, observation, action)
        return AgentState(
            actor=Learner(actor, _ADAMW.init(actor)),
            critic=Learner(critic, _ADAMW.init(critic)),
            target_critic=jax.tree.map(jnp.copy, critic),  # own buffers: the state is donated
            log_temperature=None,
            passive_critic=None,
            extra=fresh_moments((self.observation_size,)),
            learning_rate=jnp.asarray(learning_rate, jnp.float32),
        )

    def observe(
        self, state: AgentState, observation: Values, reward: Values, ended: Values
    ) -> AgentState:
        """Count the observations of one environment ``(observation,)`` or several ``(N, ...)``."""
        del reward, ended
        rows = jnp.reshape(jnp.asarray(observation), (-1, self.observation_size))
        count = len(rows)
        variance = rows.var(0) * (count / max(1, count - 1))
        return state._replace(extra=include(state.extra, rows.mean(0), variance, count))

    def explore(self, state: AgentState, observation: Values, key: Array) -> Array:
        """Add noise to the policy's action, more of it in later environments."""
        action = self.act_deterministic(state, observation)
        deviation = jnp.linspace(*self.exploration, action.size // self.action_size)
        noise = deviation.reshape(*action.shape[:-1], 1) * standard_normal(key, action.shape)
        return jnp.clip(action + noise, -1.0, 1.0)

    def act_deterministic(self, state: AgentState, observation: Values) -> Array:
        """Return the policy's action."""
        return self._policy(state.actor.params, self._scaled(state, observation))

    def update_critic(
        self, state: AgentState, batch: Batch, key: Array
    ) -> tuple[AgentState, Metrics]:
        """Update the critics, then their targets; returns ``critic_loss`` too."""
        target = self.target(state, batch, standard_normal(key, batch.action.shape))
        loss, gradient = jax.value_and_grad(self.critic_loss)(
            state.critic.params, state, batch, target
        )
        critic = self._descend(state.critic, gradient, state.learning_rate)
        targets = optax.incremental_update(critic.params, state.target_critic, self.target_rate)
        return state._replace(critic=critic, target_critic=targets), {"critic_loss": loss}

    def update_actor(
        self, state: AgentState, batch: Batch, key: Array
    ) -> tuple[AgentState, Metrics]:
        """Update the policy; draws nothing."""
        del key
        gradient = jax.grad(self.policy_loss)(state.actor.params, state, batch)
        actor = self._descend(state.actor, gradient, state.learning_rate)
        return state._replace(actor=actor), {}

    def target(self, state: AgentState, batch: Batch, noise: Array) -> Array:
        """Return the critics' target ``(B, outputs)``: ``r + discount min(Q_1', Q_2')(s', a')``.

        ``a'`` is the current policy's action with clipped noise.

        Args:
            state: the agent.
            batch: experience as stored, with one leading axis ``(B, ...)``.
            noise: ``(B, action)`` standard normal draws.
        """
        observation = self.normalised(state, batch.next_observation)
        limit = self.target_noise_limit
        smooth = jnp.clip(self.target_noise * noise, -limit, limit)
        action = jnp.clip(self._policy(state.actor.params, observation) + smooth, -1.0, 1.0)
        return self.backed_up(self._predict(state.target_critic, observation, action), batch)

    def backed_up(self, predictions: Array, batch: Batch) -> Array:
        """Return the target from the target critics' predictions ``(2, B, outputs)``."""
        reward = self.reward_scale * jnp.asarray(batch.reward)
        return reward[:, None] + jnp.asarray(batch.discount)[:, None] * predictions.min(0)

    def loss(self, predictions: Array, target: Array) -> Array:
        """Return the squared TD error ``(B,)``, summed over the critics."""
        return ((predictions - target) ** 2).sum((0, -1))

    def value(self, predictions: Array) -> Array:
        """Return the critics' values ``(2, ...)`` from predictions ``(2, ..., outputs)``."""
        return predictions[..., 0]

    def critic_loss(self, critic: Params, state: AgentState, batch: Batch, target: Array) -> Array:
        """Return the critics' loss, summed over the two, mean over the batch."""
        observation = self.normalised(state, batch.observation)
        predictions = self._predict(critic, observation, jnp.asarray(batch.action))
        return self.loss(predictions, target).mean()

    def policy_loss(self, actor: Params, state: AgentState, batch: Batch) -> Array:
        """Return ``-mean(min(Q_1, Q_2))`` of the policy's actions."""
        observation = self.normalised(state, batch.observation)
        action = self._policy(actor, observation)
        return -self.value(self._predict(state.critic.params, observation, action)).min(0).mean()

    def td_losses(self, state: AgentState, batch: Batch, key: Array) -> Metrics:
        """Return ``critic_loss`` () on a batch; changes nothing."""
        target = self.target(state, batch, standard_normal(key, batch.action.shape))
        return {"critic_loss": self.critic_loss(state.critic.params, state, batch, target)}

    def normalised(self, state: AgentState, observation: Values) -> Array:
        """Return observations less their mean, over their standard deviation, cut off at ±5."""
        limit = self.observation_limit
        return jnp.clip(self._scaled(state, observation), -limit, limit)

    def _scaled(self, state: AgentState, observation: Values) -> Array:
        seen: Moments = state.extra
        return (observation - seen.mean) / jnp.sqrt(seen.variance + _EPSILON)

    @property
    def _actor(self) -> _MLP:
        return _MLP(self.hidden(self.actor_width), self.action_size, self.dtype)

    @property
    def _critic(self) -> _Critics:
        return _Critics(self.hidden(self.critic_width), self.outputs, self.dtype)

    def _policy(self, actor: Params, observation: Array) -> Array:
        return jnp.tanh(cast("Array", self._actor.apply(actor, observation)))

    def _predict(self, critic: Params, observation: Array, action: Array) -> Array:
        return cast("Array", self._critic.apply(critic, observation, action))

    def _descend(self, learner: Learner, gradient: Params, rate: Array) -> Learner:
        # torch's clipping: both critics are one gradient
        share = jnp.minimum(1.0, self.clip / (optax.tree.norm(gradient) + 1e-6))
        gradient = jax.tree.map(lambda g: share * g, gradient)
        return descend(learner, gradient, _ADAMW, rate)


@dataclass(frozen=True, kw_only=True)
class PQLD(PQL):
    """Parallel Q-learning with categorical critics (PQL-D).

    A critic is a distribution over 51 returns in [-10, 10]. Both target critics' distributions are
    projected, and their elementwise minimum, which no longer sums to 1, is the target of both, by
    binary cross-entropy.
    """

    outputs: ClassVar = 51
    limit: ClassVar = 10.0  # of returns

    @property
    def support(self) -> Array:
        """The returns, ``(51,)``."""
        return jnp.linspace(-self.limit, self.limit, self.outputs)

    def backed_up(self, predictions: Array, batch: Batch) -> Array:
        """Return the elementwise minimum of the two projected distributions, ``(B, 51)``."""
        reward = self.reward_scale * jnp.asarray(batch.reward)
        places = reward[:, None] + jnp.asarray(batch.discount)[:, None] * self.support
        places = jnp.clip(places, -self.limit, self.limit)
        weights = nn.softmax(predictions)
        return jnp.minimum(*(project(places, weight, self.support) for weight in weights))

    def loss(self, predictions: Array, target: Array) -> Array:
        """Return the binary cross-entropy ``(B,)``, mean over returns, summed over the critics."""
        probability = nn.softmax(predictions)
        yes, no = (jnp.maximum(jnp.log(p), -100.0) for p in (probability, 1.0 - probability))
        return -(target * yes + (1.0 - target) * no).mean(-1).sum(0)

    def value(self, predictions: Array) -> Array:
        """Return the means of the critics' distributions, ``(2, ...)``."""
        return (nn.softmax(predictions) * self.support).sum(-1)
