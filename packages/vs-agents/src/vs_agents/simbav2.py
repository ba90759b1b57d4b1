"""SimbaV2: weights and features on spheres, categorical critics (Lee et al. 2025, arXiv:2502.15280).

Everything of it is here: networks, statistics of observations and rewards, the update. Notation:
n(x) = x / |x| over the last axis; a linear layer's kernel (inputs, outputs) has no bias and columns
of norm 1, again after every optimiser step.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

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
from vs_agents.distributions import project, standard_normal, tanh_normal
from vs_agents.linear import Dtype, matmul
from vs_agents.moments import Moments, fresh_moments, include
from vs_agents.replay import Batch, Values

_ADAM = optax.scale_by_adam()
_SHIFT = 3.0  # appended to a network's input
_LOG_STD_MIN, _LOG_STD_MAX = -10.0, 2.0
_EPSILON = 1e-8


def unit(x: Array, axis: int = -1) -> Array:
    """Return ``x`` scaled to Euclidean norm 1 along an axis."""
    norm = jnp.linalg.norm(x, axis=axis, keepdims=True)
    return x / jnp.maximum(norm, _EPSILON)


def _initial(key: Array, shape: tuple[int, ...]) -> Array:
    return unit(nn.initializers.orthogonal(column_axis=0)(key, shape), axis=-2)


class _Linear(nn.Module):
    features: int
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = self.param("kernel", _initial, (x.shape[-1], self.features))
        y = matmul(x.reshape(-1, x.shape[-1]), kernel, self.dtype)
        return y.reshape(*x.shape[:-1], self.features)


class _Scaler(nn.Module):
    """Multiply by a learnt vector, ``initial`` at start, that Adam sees as ``scale`` at start."""

    initial: float
    scale: float

    @nn.compact
    def __call__(self, x: Array) -> Array:
        scaler = self.param("scaler", nn.initializers.constant(self.scale), (x.shape[-1],))
        return scaler * (self.initial / self.scale) * x


class _Torso(nn.Module):
    """The embedding and the residual blocks; maps ``(..., inputs)`` to ``(..., width)``."""

    width: int
    blocks: int
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        width, size = self.width, math.sqrt(2.0 / self.width)
        x = unit(jnp.concatenate([x, jnp.full((*x.shape[:-1], 1), _SHIFT)], axis=-1))
        x = unit(_Scaler(size, size)(_Linear(width, self.dtype)(x)))
        for _ in range(self.blocks):
            h = _Scaler(size / 2, size / 2)(_Linear(4 * width, self.dtype)(x))
            h = unit(_Linear(width, self.dtype)(nn.relu(h) + _EPSILON))
            step = _Scaler(1.0 / (self.blocks + 1), 1.0 / math.sqrt(width))
            x = unit(x + step(h - x))
        return x


class _Head(nn.Module):
    features: int
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = _Scaler(1.0, 1.0)(_Linear(x.shape[-1], self.dtype)(x))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return _Linear(self.features, self.dtype)(x) + bias


class _Actor(nn.Module):
    width: int
    blocks: int
    action_size: int
    dtype: Dtype

    @nn.compact
    def __call__(self, observation: Array) -> tuple[Array, Array]:
        x = _Torso(self.width, self.blocks, self.dtype)(observation)
        mean = _Head(self.action_size, self.dtype)(x)
        log_std = jnp.tanh(_Head(self.action_size, self.dtype)(x))
        return mean, _LOG_STD_MIN + 0.5 * (_LOG_STD_MAX - _LOG_STD_MIN) * (1.0 + log_std)


class _Critic(nn.Module):
    width: int
    blocks: int
    bins: int
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return _Head(self.bins, self.dtype)(_Torso(self.width, self.blocks, self.dtype)(x))


class _Critics(nn.Module):
    """Independent critics; maps to log probabilities ``(critics, ..., bins)``."""

    critics: int
    width: int
    blocks: int
    bins: int
    dtype: Dtype

    @nn.compact
    def __call__(self, observation: Array, action: Array) -> Array:
        several = nn.vmap(
            _Critic,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=None,
            out_axes=0,
            axis_size=self.critics,
        )
        x = jnp.concatenate([observation, action], axis=-1)
        return nn.log_softmax(several(self.width, self.blocks, self.bins, self.dtype)(x))


def on_sphere(params: Params) -> Params:
    """Return the parameters with every kernel's columns scaled to norm 1."""

    def scaled(path: tuple[jax.tree_util.DictKey, ...], x: Array) -> Array:
        return unit(x, axis=-2) if path and path[-1].key == "kernel" else x

    return jax.tree_util.tree_map_with_path(scaled, params)


class Statistics(NamedTuple):
    """Statistics of one agent's experience.

    Attributes:
        observation: of the observations acted on.
        return_: () the discounted sum G of the rewards of the episode so far.
        returns: moments of G.
        highest: () largest |G| so far.
    """

    observation: Moments
    return_: Array
    returns: Moments
    highest: Array


def published_discount(episode_steps: int, action_repeat: int) -> float:
    """Return gamma for episodes of ``episode_steps``: 0.99 for 1000 with action repeat 2.

    With L = episode_steps / action_repeat it is (L/5 - 1) / (L/5), but from 0.95 to 0.995.
    """
    horizon = episode_steps / action_repeat / 5.0
    return min(max((horizon - 1.0) / horizon, 0.95), 0.995)


@dataclass(frozen=True, kw_only=True)
class SimbaV2(WithoutResets):
    """SimbaV2 with soft actor-critic.

    One update, all on the same batch, goes actor (against the old critic and temperature) ->
    temperature -> critic (with the new actor and temperature) -> target critic. Adam, with one
    learning rate (published: 1e-4 at start) for all. Observations are normalised and rewards scaled
    when they are sampled, with the statistics of that moment. Published with batch size 256, one
    update per frame, action repeat 2 on dm_control, 5 000 random decisions at start; no resets.

    Attributes:
        observation_size: length of one observation.
        action_size: length of one action, each component in [-1, 1].
        critic_width: features of the critics; their blocks are four times as wide inside.
        critic_depth: residual blocks of the critics.
        actor_width: features of the actor.
        actor_blocks: residual blocks of the actor.
        critics: one where tasks do not end by themselves (dm_control), two where they do: the
            target is the distribution of the one with the smaller value.
        bins: of the distribution of returns, over [-5, 5].
        discount: gamma, of one step, see `published_discount`.
        n_step: rewards in a target before it bootstraps.
        target_rate: tau, the step of the target critics towards the critics.
        target_entropy_per_action: the temperature steers the policy's entropy to minus this number
            per action dimension.
        decay_updates: updates over which the learning rate falls linearly to half of it, then it
            stays there (published: all updates of a run); None for a constant rate.
        actor_every: update actor and temperature with every critic update, or once per environment
            step, after that step's critic updates.
        dtype: type of the operands of matrix products; everything else is float32.
    """

    observation_size: int
    action_size: int
    critic_width: int = 512
    critic_depth: int = 2
    actor_width: int = 128
    actor_blocks: int = 1
    critics: int = 1
    bins: int = 101
    discount: float = 0.99
    n_step: int = 1
    target_rate: float = 0.005
    target_entropy_per_action: float = 0.5
    decay_updates: int | None = None
    actor_every: Every = "critic_update"
    dtype: Dtype = "float32"

    actor_first: ClassVar[bool] = True
    limit: ClassVar = 5.0  # of scaled returns
    initial_temperature: ClassVar = 0.01

    @property
    def critic_params(self) -> int:
        """Number of parameters of all critics together."""
        observation, action = jnp.zeros(self.observation_size), jnp.zeros(self.action_size)
        key = jax.eval_shape(lambda: jax.random.key(0))
        return count_params(jax.eval_shape(self._critic.init, key, observation, action))

    def init(self, key: Array, learning_rate: Array | float) -> AgentState:
        """Return a fresh agent; ``learning_rate`` is the step size at start."""
        actor_key, critic_key = jax.random.split(key)
        observation, action = jnp.zeros(self.observation_size), jnp.zeros(self.action_size)
        critic = self._critic.init(critic_key, observation, action)
        learners = [
            Learner(params, _ADAM.init(params))
            for params in (
                self._actor.init(actor_key, observation),
                critic,
                jnp.asarray(math.log(self.initial_temperature), jnp.float32),
            )
        ]
        seen = fresh_moments((self.observation_size,))
        return AgentState(
            actor=learners[0],
            critic=learners[1],
            target_critic=jax.tree.map(jnp.copy, critic),  # own buffers: the state is donated
            log_temperature=learners[2],
            passive_critic=None,
            extra=Statistics(seen, jnp.zeros(()), fresh_moments(()), jnp.zeros(())),
            learning_rate=jnp.asarray(learning_rate, jnp.float32),
        )

    def observe(
        self, state: AgentState, observation: Values, reward: Values, ended: Values
    ) -> AgentState:
        """Count the observation and the discounted sum of rewards, which ``ended`` cuts off."""
        old: Statistics = state.extra
        return_ = self.discount * (1.0 - ended) * old.return_ + reward
        new = Statistics(
            observation=include(old.observation, observation),
            return_=return_,
            returns=include(old.returns, return_),
            highest=jnp.maximum(old.highest, jnp.abs(return_)),
        )
        return state._replace(extra=new)

    def explore(self, state: AgentState, observation: Values, key: Array) -> Array:
        """Sample from the policy."""
        mean, log_std = self._policy(state.actor.params, self.normalised(state, observation))
        return tanh_normal(mean, log_std, standard_normal(key, mean.shape))[0]

    def act_deterministic(self, state: AgentState, observation: Values) -> Array:
        """Return the tanh of the policy's mean."""
        return jnp.tanh(self._policy(state.actor.params, self.normalised(state, observation))[0])

    def update_actor(
        self, state: AgentState, batch: Batch, key: Array
    ) -> tuple[AgentState, Metrics]:
        """Update the actor, then the temperature; returns ``entropy`` and ``temperature`` too."""
        noise = standard_normal(key, batch.action.shape)
        gradient, entropy = jax.grad(self.policy_loss, has_aux=True)(
            state.actor.params, state, batch, noise
        )
        actor = self._descend(state.actor, gradient, state.learning_rate)
        temperature = cast("Learner", state.log_temperature)
        excess = entropy + self.target_entropy_per_action * self.action_size
        alpha = self.temperature(state)  # its loss is alpha * excess, and so is the gradient
        metrics = {"entropy": entropy, "temperature": alpha}
        temperature = self._descend(temperature, alpha * excess, state.learning_rate)
        return state._replace(actor=actor, log_temperature=temperature), metrics

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

    def policy_loss(
        self, actor: Params, state: AgentState, batch: Batch, noise: Array
    ) -> tuple[Array, Array]:
        """Return ``mean(alpha log pi - Q)`` and the policy's mean entropy in nats, () each.

        ``Q`` is the smaller of the critics' values. Arguments are as in `target`, beside the
        policy's parameters ``actor``.
        """
        observation = self.normalised(state, batch.observation)
        action, log_prob = tanh_normal(*self._policy(actor, observation), noise)
        value = self.value(self._log_prob(state.critic.params, observation, action)).min(0)
        return (self.temperature(state) * log_prob - value).mean(), -log_prob.mean()

    def target(self, state: AgentState, batch: Batch, noise: Array) -> Array:
        """Return probabilities ``(B, bins)`` of ``r + discount (Z' - alpha log pi(a'|s'))``.

        Args:
            state: the agent.
            batch: experience as stored, with one leading axis ``(B, ...)``.
            noise: ``(B, action)`` standard normal draws.
        """
        observation = self.normalised(state, batch.next_observation)
        action, log_prob = tanh_normal(*self._policy(state.actor.params, observation), noise)
        log_probs = self._log_prob(state.target_critic, observation, action)
        smaller = self.value(log_probs).argmin(0)[None, :, None]
        weight = jnp.exp(jnp.take_along_axis(log_probs, smaller, axis=0)[0])
        soft = self.support - (self.temperature(state) * log_prob)[:, None]
        places = self.scaled(state, batch.reward)[:, None] + batch.discount[:, None] * soft
        return project(jnp.clip(places, -self.limit, self.limit), weight, self.support)

    def critic_loss(self, critic: Params, state: AgentState, batch: Batch, target: Array) -> Array:
        """Return the cross-entropy, summed over critics, mean over the batch."""
        observation = self.normalised(state, batch.observation)
        log_probs = self._log_prob(critic, observation, jnp.asarray(batch.action))
        return -(target * log_probs).sum(-1).sum(0).mean()

    def td_losses(self, state: AgentState, batch: Batch, key: Array) -> Metrics:
        """Return ``critic_loss`` () on a batch; changes nothing."""
        target = self.target(state, batch, standard_normal(key, batch.action.shape))
        return {"critic_loss": self.critic_loss(state.critic.params, state, batch, target)}

    @property
    def support(self) -> Array:
        """The bins' places, ``(bins,)``."""
        return jnp.linspace(-self.limit, self.limit, self.bins)

    def temperature(self, state: AgentState) -> Array:
        """Return alpha, the weight of the entropy, ()."""
        return jnp.exp(cast("Learner", state.log_temperature).params)

    def value(self, log_probs: Array) -> Array:
        """Return the mean of distributions ``(..., bins)``, ``(...)``."""
        return (jnp.exp(log_probs) * self.support).sum(-1)

    def normalised(self, state: AgentState, observation: Values) -> Array:
        """Return observations less their mean, over their standard deviation."""
        seen: Moments = state.extra.observation
        return (observation - seen.mean) / jnp.sqrt(seen.variance + _EPSILON)

    def scaled(self, state: AgentState, reward: Values) -> Array:
        """Return rewards over the scale at which discounted returns stay within the bins."""
        statistics: Statistics = state.extra
        deviation = jnp.sqrt(statistics.returns.variance + _EPSILON)
        return reward / jnp.maximum(deviation, statistics.highest / self.limit)

    @property
    def _actor(self) -> _Actor:
        return _Actor(self.actor_width, self.actor_blocks, self.action_size, self.dtype)

    @property
    def _critic(self) -> _Critics:
        return _Critics(self.critics, self.critic_width, self.critic_depth, self.bins, self.dtype)

    def _policy(self, actor: Params, observation: Array) -> tuple[Array, Array]:
        return cast("tuple[Array, Array]", self._actor.apply(actor, observation))

    def _log_prob(self, critic: Params, observation: Array, action: Array) -> Array:
        return cast("Array", self._critic.apply(critic, observation, action))

    def _descend(self, learner: Learner, gradient: Params, rate: Array) -> Learner:
        if self.decay_updates is not None:
            done = jnp.minimum(learner.optimizer.count / self.decay_updates, 1.0)
            rate = rate * (1.0 - 0.5 * done)
        learner = descend(learner, gradient, _ADAM, rate)
        return learner._replace(params=on_sphere(learner.params))
