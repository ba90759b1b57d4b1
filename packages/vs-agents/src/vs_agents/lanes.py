"""Many agents at once: one compiled call per environment step over a leading axis of lanes.

A lane is one agent with its own environment, replay memory, seed and learning rate. Lanes share
one configuration and therefore one compiled program, whatever their learning rates.
"""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from jax import numpy as jnp

from vs_agents import actor_critic
from vs_agents import replay as memory
from vs_agents.actor_critic import ActorCriticConfig, AgentState
from vs_agents.replay import Replay, Transition, Values


class Lanes(NamedTuple):
    """Agents, memories and random keys, every leaf with leading axis ``(lanes, ...)``.

    Only ``replay.inserted`` has no such axis: all lanes step together, so the place written is one
    number and the insertion stays a slice update in place.
    """

    agent: AgentState
    replay: Replay
    key: Array


def init_lanes(
    config: ActorCriticConfig, *, seeds: Values, learning_rates: Values, capacity: int
) -> Lanes:
    """Return fresh lanes; a lane depends only on its own seed and learning rate.

    Args:
        config: the algorithm.
        seeds: ``(lanes,)`` integers.
        learning_rates: ``(lanes,)``.
        capacity: transitions kept per lane.
    """
    keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed)))(jnp.asarray(seeds))
    rates = jnp.asarray(learning_rates, jnp.float32)
    agent = _init_agents(keys[:, 0], rates, config=config)
    replay = memory.empty(capacity, config.observation_size, config.action_size, lanes=len(rates))
    return Lanes(agent, replay, keys[:, 1])


def reset_lanes(lanes: Lanes, *, config: ActorCriticConfig) -> Lanes:
    """Start networks, optimisers and temperatures afresh; memories stay.

    `ActorCriticConfig.reset_due` decides when.
    """
    keys = jax.vmap(jax.random.split)(lanes.key)
    agent = _init_agents(keys[:, 0], lanes.agent.learning_rate, config=config)
    return lanes._replace(agent=agent, key=keys[:, 1])


@partial(jax.jit, static_argnames="config")
def _init_agents(keys: Array, learning_rates: Array, *, config: ActorCriticConfig) -> AgentState:
    return jax.vmap(partial(actor_critic.init, config))(keys, learning_rates)


def updates_due(decision: int, utd: float) -> int:
    """Return the number of critic updates after decision ``decision`` = 0, 1, 2, ...

    They are spread evenly and exact in sum, see `updates_after`: at ``utd`` = 1/2 every second
    decision is followed by one update.
    """
    return updates_after(decision + 1, utd) - updates_after(decision, utd)


def updates_after(decisions: int, utd: float) -> int:
    """Return the number of critic updates in the first ``decisions``: ``floor(decisions utd)``."""
    return int(decisions * utd)


def step(
    lanes: Lanes,
    transition: Transition,
    observation: Values,
    *,
    config: ActorCriticConfig,
    batch_size: int,
    updates: int | None,
) -> tuple[Lanes, Array, dict[str, Array]]:
    """Insert the transitions, update on fresh samples, choose the next actions.

    Args:
        lanes: state before; donated, do not use it again.
        transition: one environment step of every lane, fields ``(lanes, ...)``.
        observation: ``(lanes, observation)`` to act on, after a reset where an episode ended.
        config: the algorithm.
        batch_size: transitions per update.
        updates: critic updates of this step (see `updates_due`). With ``config.actor_every`` =
            "critic_update" each is followed by one of actor and temperature; with "env_step" one
            of these comes at the end, even if no critic update is due. None while only
            collecting: nothing is updated.

    Returns:
        The lanes after, actions ``(lanes, action)`` in (-1, 1), and the metrics of this step's
        updates, means ``(lanes,)`` by name; those of updates not done are absent.
    """
    seen = _joined(transition, observation)  # six arrays cost more to hand over than one
    return _step(lanes, seen, config=config, batch_size=batch_size, updates=updates)


def _joined(transition: Transition, observation: Values) -> np.ndarray:
    fields = [np.asarray(field) for field in (*transition, observation)]
    return np.concatenate([x.reshape(len(x), -1) for x in fields], axis=1, dtype=np.float32)


def _parted(seen: Values, config: ActorCriticConfig) -> tuple[Transition, Array]:
    sizes = (config.observation_size, config.action_size, 1, 1, config.observation_size)
    *fields, observation = jnp.split(seen, np.cumsum(sizes))
    before, action, reward, terminated, after = fields
    return Transition(before, action, reward[0], terminated[0], after), observation


@partial(jax.jit, static_argnames=("config", "batch_size", "updates"), donate_argnums=0)
def _step(
    lanes: Lanes,
    seen: Values,
    *,
    config: ActorCriticConfig,
    batch_size: int,
    updates: int | None,
) -> tuple[Lanes, Array, dict[str, Array]]:
    def one(
        agent: AgentState, data: Transition, key: Array, seen: Values
    ) -> tuple[AgentState, Transition, Array, Array, dict[str, Array]]:
        transition, observation = _parted(seen, config)
        key, sample_key, act_key, update_key = jax.random.split(key, 4)
        # the barrier keeps XLA from fusing the insertion into the sampling, which costs a copy of
        # the whole memory per step when the scan has length one
        replay = jax.lax.optimization_barrier(
            memory.insert(Replay(data, lanes.replay.inserted), transition)
        )
        metrics: dict[str, Array] = {}
        if updates is not None:
            agent, metrics = learn(
                config, agent, replay, sample_key, update_key, batch_size, updates
            )
        action = config.explore(agent, observation, act_key)
        return agent, replay.data, key, action, metrics

    agent, data, key, action, metrics = jax.vmap(one)(
        lanes.agent, lanes.replay.data, lanes.key, seen
    )
    return Lanes(agent, Replay(data, lanes.replay.inserted + 1), key), action, metrics


def learn(
    config: ActorCriticConfig,
    agent: AgentState,
    replay: Replay,
    sample_key: Array,
    update_key: Array,
    batch_size: int,
    updates: int,
) -> tuple[AgentState, dict[str, Array]]:
    """Do one agent's updates of one environment step, as `step`; metrics are means, () each."""
    type Batch = tuple[Transition, Array]
    actor_always = config.actor_every == "critic_update"

    def both(agent: AgentState, batch: Batch) -> tuple[AgentState, dict[str, Array]]:
        critic_key, actor_key = jax.random.split(batch[1])
        agent, metrics = config.update_critic(agent, batch[0], critic_key)
        if actor_always:
            agent, more = config.update_actor(agent, batch[0], actor_key)
            metrics |= more
        return agent, metrics

    draws = updates if actor_always else max(updates, 1)
    if not draws:
        return agent, {}
    batches = memory.sample(replay, sample_key, (draws, batch_size))
    keys = jax.random.split(update_key, draws + 1)
    metrics: dict[str, Array] = {}
    if updates:
        agent, stacked = jax.lax.scan(both, agent, (batches, keys[:-1]))
        metrics = jax.tree.map(jnp.mean, stacked)
    if not actor_always:
        last = jax.tree.map(lambda x: x[-1], batches)
        agent, more = config.update_actor(agent, last, keys[-1])
        metrics |= more
    return agent, metrics


@partial(jax.jit, static_argnames="config")
def evaluate(agent: AgentState, observation: Values, *, config: ActorCriticConfig) -> Array:
    """Return every lane's deterministic action ``(lanes, action)``."""
    return jax.vmap(config.act)(agent, observation)
