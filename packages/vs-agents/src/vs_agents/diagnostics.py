"""Measurements of an agent for the laws, beside its return; none of them changes the agent.

Every draw here comes from a key folded out of the lane's own, so that a run with diagnostics
switched on has the same parameters, bit for bit, as one without.
"""

from functools import partial
from typing import NamedTuple

import jax
import optax
from jax import Array
from jax import numpy as jnp

from vs_agents import replay as memory
from vs_agents.agent import Agent, AgentState, Params
from vs_agents.lanes import Lanes
from vs_agents.replay import Batch, Replay, Transition, Values, as_batch

_GROUPS = 8  # batches behind one estimate of the gradient noise
_DIAGNOSE, _STREAM, _FRESH = 1, 2, 3  # folded into the lanes' keys


class Stream(NamedTuple):
    """Held-out experience of the same policies in other environments; never trained on."""

    replay: Replay
    key: Array


def init_stream(config: Agent, *, seeds: Values, capacity: int) -> Stream:
    """Return an empty validation stream for every lane.

    Args:
        config: the algorithm.
        seeds: ``(lanes,)`` integers; the lanes' own may be used, as the keys differ.
        capacity: transitions kept per lane.
    """
    seeds = jnp.asarray(seeds)
    keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), _STREAM))(seeds)
    sizes = config.observation_size, config.action_size
    return Stream(memory.empty(capacity, *sizes, lanes=len(seeds)), keys)


@partial(jax.jit, static_argnames="config", donate_argnums=0)
def step_stream(
    stream: Stream,
    agent: AgentState,
    transition: Transition,
    observation: Values,
    *,
    config: Agent,
) -> tuple[Stream, Array]:
    """Insert the held-out environments' transitions and choose the next actions there.

    Args:
        stream: experience before; donated.
        agent: the lanes' agents.
        transition: one environment step of every lane.
        observation: ``(lanes, observation)`` to act on.
        config: the algorithm.

    Returns:
        The stream after, and exploring actions ``(lanes, action)``.
    """

    def one(
        agent: AgentState, data: Transition, key: Array, new: Transition, observation: Values
    ) -> tuple[Transition, Array, Array]:
        key, act_key = jax.random.split(key)
        data = memory.insert(Replay(data, stream.replay.inserted), new).data
        return data, key, config.explore(agent, observation, act_key)

    data, key, action = jax.vmap(one)(
        agent, stream.replay.data, stream.key, transition, observation
    )
    return Stream(Replay(data, stream.replay.inserted + 1), key), action


@partial(jax.jit, static_argnames="config")
def fresh_loss(lanes: Lanes, transition: Transition, *, config: Agent) -> dict[str, Array]:
    """Return the critics' loss on transitions that no update has seen yet.

    Args:
        lanes: the agents, before `vs_agents.step` inserts the transition; not changed.
        transition: one environment step of every lane, fields ``(lanes, ...)``.
        config: the algorithm.

    Returns:
        ``fresh_critic_loss`` (and ``passive_fresh_critic_loss`` with a passive critic),
        ``(lanes,)``, with targets as in training.
    """

    def one(agent: AgentState, key: Array, new: Transition) -> dict[str, Array]:
        batch = as_batch(jax.tree.map(lambda x: x[None], new), discount=config.discount)
        losses = config.td_losses(agent, batch, jax.random.fold_in(key, _FRESH))
        return _renamed("fresh", losses)

    return jax.vmap(one)(lanes.agent, lanes.key, transition)


@partial(jax.jit, static_argnames=("config", "batch_size", "noise_scale"))
def diagnose(
    lanes: Lanes,
    stream: Stream | None,
    *,
    config: Agent,
    batch_size: int,
    noise_scale: bool = False,
) -> dict[str, Array]:
    """Measure every lane.

    Args:
        lanes: agents and their memories, with at least one transition; not changed.
        stream: held-out experience, or None.
        config: the algorithm.
        batch_size: transitions in each of the 8 batches behind every number.
        noise_scale: also estimate the gradient noise scale, from 8 gradients.

    Returns:
        By name, ``(lanes,)``: ``critic_param_norm`` and ``actor_param_norm`` (Euclidean);
        ``train_critic_loss`` on the memory and, with a stream, ``validation_critic_loss`` on held-out
        experience, each with ``passive_`` in front for a passive critic; and ``grad_noise_scale``,
        the critics' "simple" noise scale tr(S) / |G|^2 in transitions (McCandlish 2018,
        arXiv:1812.06162, appendix A), NaN without a positive estimate of |G|^2.
    """
    held_out = None if stream is None else stream.replay

    def one(agent: AgentState, key: Array, data: Transition, other: Transition | None) -> dict:
        keys = jax.random.split(jax.random.fold_in(key, _DIAGNOSE), 4)
        found = {
            "critic_param_norm": optax.tree.norm(agent.critic.params),
            "actor_param_norm": optax.tree.norm(agent.actor.params),
        }
        shape = (_GROUPS, batch_size)
        window = {"discount": config.discount, "n_step": config.n_step}
        groups = memory.sample(Replay(data, lanes.replay.inserted), keys[0], shape, **window)
        found |= _renamed("train", config.td_losses(agent, _flat(groups), keys[1]))
        if other is not None and held_out is not None:
            unseen = memory.sample(Replay(other, held_out.inserted), keys[2], shape, **window)
            found |= _renamed("validation", config.td_losses(agent, _flat(unseen), keys[1]))
        if noise_scale:
            found["grad_noise_scale"] = _noise_scale(config, agent, groups, keys[3])
        return found

    other = None if held_out is None else held_out.data
    return jax.vmap(one)(lanes.agent, lanes.key, lanes.replay.data, other)


def _renamed(where: str, losses: dict[str, Array]) -> dict[str, Array]:
    return {
        name.replace("critic_loss", f"{where}_critic_loss"): value for name, value in losses.items()
    }


def _flat(groups: Batch) -> Batch:
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), groups)


def _noise_scale(config: Agent, agent: AgentState, groups: Batch, key: Array) -> Array:
    def loss(critic: Params, batch: Batch, key: Array) -> Array:
        state = agent._replace(critic=agent.critic._replace(params=critic))
        return config.td_losses(state, batch, key)["critic_loss"]

    def gradient(batch_and_key: tuple[Batch, Array]) -> Array:
        tree = jax.grad(loss)(agent.critic.params, *batch_and_key)
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(tree)])

    gradients = jax.lax.map(gradient, (groups, jax.random.split(key, _GROUPS)))
    batch_size = groups.reward.shape[1]
    return noise_scale_of(gradients, batch_size)


def noise_scale_of(gradients: Array, batch_size: int) -> Array:
    """Return tr(S) / |G|^2 from the gradients of several batches, both estimated without bias.

    Args:
        gradients: ``(batches, parameters)``.
        batch_size: transitions in each batch.
    """
    batches = gradients.shape[0]
    mean = gradients.mean(0)
    trace = batch_size * ((gradients - mean) ** 2).sum() / (batches - 1)
    squared = (mean**2).sum() - trace / (batch_size * batches)
    return jnp.where(squared > 0, trace / squared, jnp.nan)
