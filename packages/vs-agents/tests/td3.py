"""TD3 (Fujimoto et al. 2018, arXiv:1802.09477), the critics being SAC's: everything it needs."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import jax
import optax
from flax import linen as nn
from jax import Array
from jax import numpy as jnp
from vs_agents import SAC, AgentState, Batch
from vs_agents.actor_critic import bellman, predictions
from vs_agents.distributions import standard_normal
from vs_agents.linear import Dense
from vs_agents.networks import MLP
from vs_agents.replay import Values


class Policy(nn.Module):
    width: int
    action_size: int

    @nn.compact
    def __call__(self, observation):
        return jnp.tanh(Dense(self.action_size)(MLP(self.width, 2)(observation)))


@dataclass(frozen=True, kw_only=True)
class TD3(SAC):
    exploration: float = 0.1  # standard deviation of the noise on actions
    smoothing: float = 0.2  # and on the target's actions, where it is cut off at the limit
    smoothing_limit: float = 0.5
    delay: int = 2  # critic updates per policy update

    initial_temperature: ClassVar = None

    @property
    def actor(self) -> nn.Module:
        return Policy(self.actor_width, self.action_size)

    def choose(self, actor: Any, observation: Values) -> Array:
        return cast("Array", self.actor.apply(actor, observation))

    def act_deterministic(self, state: AgentState, observation: Values) -> Array:
        return self.choose(state.actor.params, observation)

    def explore(self, state: AgentState, observation: Values, key: Array) -> Array:
        action = self.act_deterministic(state, observation)
        return jnp.clip(action + self.exploration * standard_normal(key, action.shape), -1, 1)

    def target(self, state: AgentState, batch: Batch, noise: Array) -> Array:
        smooth = jnp.clip(self.smoothing * noise, -self.smoothing_limit, self.smoothing_limit)
        action = jnp.clip(self.choose(state.extra, batch.next_observation) + smooth, -1, 1)
        values = predictions(self, state.target_critic, batch.next_observation, action)
        return bellman(batch, self.combine(values))

    def policy_loss(self, actor: Any, state: AgentState, batch: Batch, noise: Array) -> Any:
        action = self.choose(actor, batch.observation)
        return -predictions(self, state.critic.params, batch.observation, action)[0].mean(), None

    def update_actor(self, state: AgentState, batch: Batch, key: Array) -> Any:
        later, metrics = super().update_actor(state, batch, key)
        due = state.critic.optimizer.count % self.delay == 0
        return jax.tree.map(lambda new, old: jnp.where(due, new, old), later, state), metrics

    def init_extra(self, state: AgentState, key: Array) -> Any:
        return jax.tree.map(jnp.copy, state.actor.params)  # the target policy

    def update_extra(self, state: AgentState, batch: Batch, key: Array) -> AgentState:
        slow = optax.incremental_update(state.actor.params, state.extra, self.target_rate)
        return state._replace(extra=slow)
