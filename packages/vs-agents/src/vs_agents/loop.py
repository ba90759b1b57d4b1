"""Many agents at once: one compiled call per environment step over a leading axis of lanes.

A lane is one agent with its own environment, replay memory, seed and learning rate. Lanes share
one configuration and therefore one compiled program, whatever their learning rates.
"""

from functools import partial
from typing import NamedTuple

import jax
from jax import Array
from jax import numpy as jnp

from vs_agents import replay as memory
from vs_agents import sac
from vs_agents.replay import Replay, Transition, Values
from vs_agents.sac import SACConfig, SACState

METRICS = ("critic_loss", "entropy", "temperature")


class Lanes(NamedTuple):
    """Agents, memories and random keys, every leaf with leading axis ``(lanes, ...)``.

    Only ``replay.inserted`` has no such axis: all lanes step together, so the place written is one
    number and the insertion stays a slice update in place.
    """

    agent: SACState
    replay: Replay
    key: Array


def init_lanes(config: SACConfig, *, seeds: Values, learning_rates: Values, capacity: int) -> Lanes:
    """Return fresh lanes; a lane depends only on its own seed and learning rate.

    Args:
        config: the algorithm's constants.
        seeds: ``(lanes,)`` integers.
        learning_rates: ``(lanes,)``.
        capacity: transitions kept per lane.
    """
    keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed)))(jnp.asarray(seeds))
    rates = jnp.asarray(learning_rates, jnp.float32)
    agent = _init_agents(keys[:, 0], rates, config=config)
    one = memory.empty(capacity, config.observation_size, config.action_size)
    data = jax.tree.map(lambda x: jnp.zeros((len(rates), *x.shape), x.dtype), one.data)
    return Lanes(agent, Replay(data, one.inserted), keys[:, 1])


@partial(jax.jit, static_argnames="config")
def _init_agents(keys: Array, learning_rates: Array, *, config: SACConfig) -> SACState:
    return jax.vmap(partial(sac.init, config))(keys, learning_rates)


def updates_due(decision: int, utd: float) -> int:
    """Return how many critic updates follow decision number ``decision`` = 0, 1, 2, ...

    Spread evenly and exact in sum: after n decisions, ``floor(n utd)`` updates were done. At
    ``utd`` = 1/2 every second decision is followed by one update.
    """
    return int((decision + 1) * utd) - int(decision * utd)


@partial(jax.jit, static_argnames=("config", "batch_size", "updates"), donate_argnums=0)
def step(
    lanes: Lanes,
    transition: Transition,
    observation: Values,
    *,
    config: SACConfig,
    batch_size: int,
    updates: int,
) -> tuple[Lanes, Array, dict[str, Array]]:
    """Insert what happened, update ``updates`` times on fresh samples, choose the next action.

    Args:
        lanes: state before; donated, do not use it again.
        transition: one environment step of every lane, fields ``(lanes, ...)``.
        observation: ``(lanes, observation)`` to act on, after a reset where an episode ended.
        config: the algorithm's constants.
        batch_size: transitions per update.
        updates: critic updates of this step (see `updates_due`), each followed by an actor and a
            temperature update.

    Returns:
        The lanes after, actions ``(lanes, action)`` in (-1, 1), and the metrics of `METRICS`,
        ``(lanes,)`` means over this step's updates (NaN when there were none).
    """

    def one(
        agent: SACState, data: Transition, key: Array, transition: Transition, observation: Values
    ) -> tuple[SACState, Transition, Array, Array, dict[str, Array]]:
        key, sample_key, act_key, update_key = jax.random.split(key, 4)
        # the barrier keeps XLA from fusing the insertion into the sampling, which costs a copy of
        # the whole memory per step when the scan has length one
        replay = jax.lax.optimization_barrier(
            memory.insert(Replay(data, lanes.replay.inserted), transition)
        )
        metrics = dict.fromkeys(METRICS, jnp.asarray(jnp.nan))
        if updates:
            batches = memory.sample(replay, sample_key, (updates, batch_size))
            keys = jax.random.split(update_key, updates)
            agent, stacked = jax.lax.scan(
                lambda state, batch: sac.update(config, state, *batch), agent, (batches, keys)
            )
            metrics = jax.tree.map(jnp.mean, stacked)
        action = sac.act(config, agent, observation, act_key)
        return agent, replay.data, key, action, metrics

    agent, data, key, action, metrics = jax.vmap(one)(
        lanes.agent, lanes.replay.data, lanes.key, transition, observation
    )
    return Lanes(agent, Replay(data, lanes.replay.inserted + 1), key), action, metrics


@partial(jax.jit, static_argnames="config")
def evaluate(agent: SACState, observation: Values, *, config: SACConfig) -> Array:
    """Return every lane's deterministic action ``(lanes, action)``."""
    return jax.vmap(partial(sac.act_deterministic, config))(agent, observation)
