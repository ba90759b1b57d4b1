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

    Only ``replay.inserted`` and ``updates`` have no such axis: all lanes step together, so the place
    written is one number and the insertion stays a slice update in place.
    """

    agent: AgentState
    replay: Replay
    key: Array
    updates: Array  # () int32, critic updates of each agent so far


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
    return Lanes(agent, replay, keys[:, 1], jnp.zeros((), jnp.int32))


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


def updates_due(decision: int, utd: float, *, environments: int = 1) -> int:
    """Return the number of critic updates after decision ``decision`` = 0, 1, 2, ...

    They are spread evenly and exact in sum, see `updates_after`: at ``utd`` = 1/2 every second
    decision is followed by one update.
    """
    return updates_after(decision + 1, utd, environments=environments) - updates_after(
        decision, utd, environments=environments
    )


def updates_after(decisions: int, utd: float, *, environments: int = 1) -> int:
    """Return the number of critic updates in the first ``decisions``.

    It is ``floor(decisions * environments * utd)``: ``utd`` counts updates per transition that the
    agent collects, of which a decision in N environments at once gives N.
    """
    return int(decisions * environments * utd)


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
                config, agent, replay, sample_key, update_key, lanes.updates, batch_size, updates
            )
        agent = observe(config, agent, transition, observation)
        action = config.explore(agent, observation, act_key)
        return agent, replay.data, key, action, metrics

    agent, data, key, action, metrics = jax.vmap(one)(
        lanes.agent, lanes.replay.data, lanes.key, seen
    )
    replay = Replay(data, lanes.replay.inserted + 1)
    return Lanes(agent, replay, key, lanes.updates + (updates or 0)), action, metrics


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
    done: Array,
    batch_size: int,
    updates: int,
) -> tuple[AgentState, dict[str, Array]]:
    """Do one agent's updates of one environment step, as `step`; metrics are means, () each.

    ``done`` counts the critic updates before; it must not differ between lanes, so that a policy
    that is not due costs nothing.
    """
    draw = partial(memory.sample, replay, discount=config.discount, n_step=config.n_step)
    actor_always = config.actor_every == "critic_update"
    parts = [config.update_critic]
    if actor_always:
        parts.insert(0 if config.actor_first else 1, config.update_actor)

    def update_actor(agent: AgentState, key: Array) -> AgentState:
        sample_key, actor_key = jax.random.split(key)
        batch = draw(sample_key, (batch_size,))
        return config.update_actor(agent, batch, actor_key)[0]

    def update(agent: AgentState, drawn: tuple[Batch, Array, Array]) -> tuple[AgentState, Any]:
        batch, key, number = drawn
        keys = jax.random.split(key)
        metrics: dict[str, Array] = {}
        for part, part_key in zip(parts, keys, strict=False):
            agent, found = part(agent, batch, part_key)
            metrics |= found
        if config.actor_every == "second_critic_update":
            due = number % 2 == 0
            agent = jax.lax.cond(due, update_actor, lambda agent, _: agent, agent, keys[1])
        return agent, metrics

    once = config.actor_every == "env_step"
    draws = max(updates, 1) if once else updates
    if not draws:
        return agent, {}
    batches = draw(sample_key, (draws, batch_size))
    keys = jax.random.split(update_key, draws + 1)
    metrics: dict[str, Array] = {}
    if updates:
        numbers = done + 1 + jnp.arange(updates)
        agent, stacked = jax.lax.scan(update, agent, (batches, keys[:-1], numbers))
        metrics = jax.tree.map(jnp.mean, stacked)
    if once:
        last = jax.tree.map(lambda x: x[-1], batches)
        agent, more = config.update_actor(agent, last, keys[-1])
        metrics |= more
    return agent, metrics


@partial(jax.jit, static_argnames="config")
def evaluate(agent: AgentState, observation: Values, *, config: Agent) -> Array:
    """Return every lane's deterministic action ``(lanes, action)``."""
    return jax.vmap(config.act_deterministic)(agent, observation)
