"""Many environment steps in one compiled call, with environments that live inside it.

`vs_agents.lanes.step` is called once per environment step, because the environments are outside.
With environments that are pure functions, that call is most of the cost of a small agent's step.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
from jax import Array
from jax import numpy as jnp

from vs_agents import replay as memory
from vs_agents.agent import Agent, AgentState
from vs_agents.lanes import Lanes, learn, observe
from vs_agents.replay import Replay, Transition

type World = Any  # a pytree: the environments of all lanes
type Environment = Callable[[World, Array], tuple[World, Transition, Array]]
"""``(world, actions (lanes, action)) -> (world, transition, observations to act on)``."""

COLLECT = -1
"""In place of a number of updates: act uniformly at random and learn nothing."""


class Inside(NamedTuple):
    """Agents and their environments; every leaf is per lane, but for two of `Lanes`."""

    lanes: Lanes
    world: World
    action: Array  # (lanes, action), to be taken next


@partial(
    jax.jit, static_argnames=("environment", "config", "batch_size", "counts"), donate_argnums=0
)
def run_inside(
    inside: Inside,
    due: Array,
    length: Array,
    *,
    environment: Environment,
    config: Agent,
    batch_size: int,
    counts: tuple[int, ...],
) -> tuple[Inside, dict[str, Array]]:
    """Do ``length`` environment steps, each as `vs_agents.step` does it, with the same random keys.

    Args:
        inside: state before; donated, do not use it again.
        due: ``(at least length,)`` int32, critic updates after each step (see `updates_due`), or
            `COLLECT`. The numbers are traced: one compiled program serves every schedule.
        length: () int32.
        environment: steps all lanes; hashable, as it is compiled in.
        config: the algorithm.
        batch_size: transitions per update.
        counts: consecutive whole numbers, those that ``due`` may hold beside `COLLECT`.

    Returns:
        The state after, and the metrics of every step's updates by name, ``(len(due), lanes)``, NaN
        in steps without an update.
    """
    inside = inside._replace(
        world=jax.tree.map(jnp.asarray, inside.world), action=jnp.asarray(inside.action)
    )
    branches = [_collect, *(partial(_learn, config, batch_size, n) for n in counts)]
    lanes = inside.lanes
    operands = (lanes.agent, lanes.replay, lanes.key, lanes.key, lanes.updates)
    named: dict[str, Any] = {}
    for branch in branches:
        named |= jax.eval_shape(branch, *operands)[1]
    shapes = {name: (len(due), *shape.shape) for name, shape in named.items()}
    none = {name: jnp.full(shape, jnp.nan) for name, shape in shapes.items()}

    def filled(branch: Callable[..., Any], *operands: Any) -> tuple[AgentState, dict[str, Array]]:
        agent, metrics = branch(*operands)
        return agent, {name: rows[0] for name, rows in none.items()} | metrics

    def one(i: Array, carry: tuple[Inside, dict[str, Array]]) -> tuple[Inside, dict[str, Array]]:
        (lanes, world, action), history = carry
        draw_keys = jax.vmap(lambda key: jax.random.fold_in(key, 0))(lanes.key)
        keys = jax.vmap(lambda key: jax.random.split(key, 4))(lanes.key)
        random = jax.vmap(lambda key: _uniform(key, config.action_size))(draw_keys)
        taken = jnp.where(due[i] == COLLECT, random, action)
        world, transition, observation = environment(world, taken)
        inserted = jax.vmap(lambda d, t: memory.insert(Replay(d, lanes.replay.inserted), t).data)(
            lanes.replay.data, transition
        )
        replay = Replay(jax.lax.optimization_barrier(inserted), lanes.replay.inserted + 1)
        # one index for all lanes, so that it stays a branch; its branches only read the memories,
        # which therefore stay in place
        which = jnp.where(due[i] == COLLECT, 0, due[i] - counts[0] + 1)
        agent, metrics = jax.lax.switch(
            which,
            [partial(filled, branch) for branch in branches],
            *(lanes.agent, replay, keys[:, 1], keys[:, 3], lanes.updates),
        )
        agent = jax.vmap(partial(observe, config))(agent, transition, observation)
        action = jax.vmap(config.explore)(agent, observation, keys[:, 2])
        history = {name: rows.at[i].set(metrics[name]) for name, rows in history.items()}
        updates = lanes.updates + jnp.maximum(due[i], 0)
        return Inside(Lanes(agent, replay, keys[:, 0], updates), world, action), history

    return jax.lax.fori_loop(0, length, one, (inside, none))


def _uniform(key: Array, size: int) -> Array:
    return jax.random.uniform(key, (size,), minval=-1.0, maxval=1.0)


def _collect(agent: AgentState, *_: Any) -> tuple[AgentState, dict[str, Array]]:
    return agent, {}


def _learn(
    config: Agent,
    batch_size: int,
    updates: int,
    agent: AgentState,
    replay: Replay,
    sample_keys: Array,
    update_keys: Array,
    done: Array,
) -> tuple[AgentState, dict[str, Array]]:
    def one(agent: AgentState, data: Transition, *keys: Array) -> Any:
        return learn(config, agent, Replay(data, replay.inserted), *keys, done, batch_size, updates)

    return jax.vmap(one)(agent, replay.data, sample_keys, update_keys)
