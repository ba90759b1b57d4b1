"""Many agents at once: one compiled call per environment step over a leading axis of lanes.

A lane is one agent with its own environment, replay memory, seed and learning rate. Lanes share
one configuration and therefore one compiled program, whatever their learning rates.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax import numpy as jnp

from vs_agents import replay as memory
from vs_agents.agent import Agent, AgentState
from vs_agents.replay import Batch, Replay, Transition, Values


class Lanes(NamedTuple):
    """Agents, memories and random keys, every leaf with leading axis ``(lanes, ...)``.

    Only ``replay.inserted`` has no such axis: all lanes step together, so the place written is one
    number and the insertion stays a slice update in place.
    """

    agent: AgentState
    replay: Replay
    key: Array


def init_lanes(config: Agent, *, seeds: Values, learning_rates: Values, capacity: int) -> Lanes:
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


def reset_lanes(lanes: Lanes, *, config: Agent) -> Lanes:
    """Start networks, optimisers and temperatures afresh; memories stay.

    `Agent.reset_due` decides when.
    """
    keys = jax.vmap(jax.random.split)(lanes.key)
    agent = _init_agents(keys[:, 0], lanes.agent.learning_rate, config=config)
    return lanes._replace(agent=agent, key=keys[:, 1])


@partial(jax.jit, static_argnames="config")
def _init_agents(keys: Array, learning_rates: Array, *, config: Agent) -> AgentState:
    return jax.vmap(config.init)(keys, learning_rates)


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
    config: Agent,
    batch_size: int,
    updates: int | None,
) -> tuple[Lanes, Array, dict[str, Array]]:
    """Insert the transitions, update on fresh samples, observe, choose the next actions.

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
    seen = _joined(transition, observation)  # seven arrays cost more to hand over than one
    return _step(lanes, seen, config=config, batch_size=batch_size, updates=updates)


def _joined(transition: Transition, observation: Values) -> np.ndarray:
    fields = [np.asarray(field) for field in (*transition, observation)]
    return np.concatenate([x.reshape(len(x), -1) for x in fields], axis=1, dtype=np.float32)


def _parted(seen: Values, config: Agent) -> tuple[Transition, Array]:
    sizes = (config.observation_size, config.action_size, 1, 1, 1, config.observation_size)
    *fields, observation = jnp.split(seen, np.cumsum(sizes))
    before, action, *scalars, after = fields
    return Transition(before, action, *(x[0] for x in scalars), after), observation


@partial(jax.jit, static_argnames=("config", "batch_size", "updates"), donate_argnums=0)
def _step(
    lanes: Lanes,
    seen: Values,
    *,
    config: Agent,
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
        agent = observe(config, agent, transition, observation)
        action = config.explore(agent, observation, act_key)
        return agent, replay.data, key, action, metrics

    agent, data, key, action, metrics = jax.vmap(one)(
        lanes.agent, lanes.replay.data, lanes.key, seen
    )
    return Lanes(agent, Replay(data, lanes.replay.inserted + 1), key), action, metrics


def observe(
    config: Agent, agent: AgentState, transition: Transition, observation: Values
) -> AgentState:
    """Let one agent take note of a step, as `Agent.observe`."""
    ended = jnp.maximum(transition.terminated, transition.truncated)
    return config.observe(agent, observation, transition.reward, ended)


def learn(
    config: Agent,
    agent: AgentState,
    replay: Replay,
    sample_key: Array,
    update_key: Array,
    batch_size: int,
    updates: int,
) -> tuple[AgentState, dict[str, Array]]:
    """Do one agent's updates of one environment step, as `step`; metrics are means, () each."""
    actor_always = config.actor_every == "critic_update"
    parts = [config.update_critic]
    if actor_always:
        parts.insert(0 if config.actor_first else 1, config.update_actor)

    def update(agent: AgentState, drawn: tuple[Batch, Array]) -> tuple[AgentState, Any]:
        batch, key = drawn
        metrics: dict[str, Array] = {}
        for part, part_key in zip(parts, jax.random.split(key), strict=False):
            agent, found = part(agent, batch, part_key)
            metrics |= found
        return agent, metrics

    draws = updates if actor_always else max(updates, 1)
    if not draws:
        return agent, {}
    window = {"discount": config.discount, "n_step": config.n_step}
    batches = memory.sample(replay, sample_key, (draws, batch_size), **window)
    keys = jax.random.split(update_key, draws + 1)
    metrics: dict[str, Array] = {}
    if updates:
        agent, stacked = jax.lax.scan(update, agent, (batches, keys[:-1]))
        metrics = jax.tree.map(jnp.mean, stacked)
    if not actor_always:
        last = jax.tree.map(lambda x: x[-1], batches)
        agent, more = config.update_actor(agent, last, keys[-1])
        metrics |= more
    return agent, metrics


@partial(jax.jit, static_argnames="config")
def evaluate(agent: AgentState, observation: Values, *, config: Agent) -> Array:
    """Return every lane's deterministic action ``(lanes, action)``."""
    return jax.vmap(config.act_deterministic)(agent, observation)
