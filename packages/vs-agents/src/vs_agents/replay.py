"""Replay memory as device arrays: inserted into and sampled from inside a compiled function."""

from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from jax import numpy as jnp

type Values = Array | np.ndarray  # numpy where it comes from an environment


class Transition(NamedTuple):
    """One environment step, or a batch of them with leading axes.

    ``terminated`` is 1 only where the task ended by itself, ``truncated`` where a time limit ended
    the episode: the value of ``next_observation``, the last one before the reset, is still
    bootstrapped from.
    """

    observation: Values  # (..., observation)
    action: Values  # (..., action)
    reward: Values  # (...)
    terminated: Values  # (...)
    truncated: Values  # (...)
    next_observation: Values  # (..., observation)


class Batch(NamedTuple):
    """Experience to learn from, with leading axes: windows of one step or more.

    A target is ``reward + discount * value of next_observation``: ``reward`` is the window's
    discounted sum, ``discount`` is gamma to the number of its steps, 0 where the task ended.
    """

    observation: Values  # (..., observation)
    action: Values  # (..., action)
    reward: Values  # (...)
    discount: Values  # (...)
    next_observation: Values  # (..., observation)


class Replay(NamedTuple):
    """A ring buffer: ``data`` holds ``capacity`` transitions, ``inserted`` were ever written.

    `insert` and `sample` work on one lane; `vs_agents.lanes` maps them over all.
    """

    data: Transition
    inserted: Array  # () int32


def empty(capacity: int, observation_size: int, action_size: int, *, lanes: int) -> Replay:
    """Return one replay memory of zeros per lane in float32, data with leading axis ``(lanes,)``.

    Args:
        capacity: transitions kept; later ones overwrite the oldest.
        observation_size: length of one observation.
        action_size: length of one action.
        lanes: memories, written and read together.
    """
    shape = (lanes, capacity)
    return Replay(
        Transition(
            observation=jnp.zeros((*shape, observation_size)),
            action=jnp.zeros((*shape, action_size)),
            reward=jnp.zeros(shape),
            terminated=jnp.zeros(shape),
            truncated=jnp.zeros(shape),
            next_observation=jnp.zeros((*shape, observation_size)),
        ),
        jnp.zeros((), jnp.int32),
    )


def insert(replay: Replay, transition: Transition) -> Replay:
    """Write one transition over the oldest place; in place when the buffer was donated."""
    place = replay.inserted % replay.data.reward.shape[0]
    data = jax.tree.map(
        lambda kept, new: jax.lax.dynamic_update_index_in_dim(kept, new, place, 0),
        replay.data,
        transition,
    )
    return Replay(data, replay.inserted + 1)


def sample(
    replay: Replay, key: Array, shape: tuple[int, ...], *, discount: float, n_step: int = 1
) -> Batch:
    """Draw windows of ``n_step`` steps; their first steps are uniform, with replacement.

    A window is cut at the end of its episode and at the newest transition, and bootstraps from there.

    Args:
        replay: memory with at least one transition.
        key: JAX random key.
        shape: leading shape of the result, e.g. ``(updates, batch_size)``.
        discount: gamma, of one step.
        n_step: steps of a window.
    """
    data, capacity = jax.tree.map(jnp.asarray, replay.data), replay.data.reward.shape[0]
    first = jax.random.randint(key, shape, 0, jnp.minimum(replay.inserted, capacity))
    last, reward, power = first, data.reward[first], jnp.full(shape, discount)
    for _ in range(n_step - 1):
        ended = (data.terminated[last] > 0) | (data.truncated[last] > 0)
        longer = ~ended & (last != (replay.inserted - 1) % capacity)
        last = jnp.where(longer, (last + 1) % capacity, last)
        reward = reward + jnp.where(longer, power * data.reward[last], 0.0)
        power = jnp.where(longer, power * discount, power)
    return Batch(
        observation=data.observation[first],
        action=data.action[first],
        reward=reward,
        discount=power * (1.0 - data.terminated[last]),
        next_observation=data.next_observation[last],
    )


def as_batch(transition: Transition, *, discount: float) -> Batch:
    """Return transitions as windows of one step."""
    return Batch(
        transition.observation,
        transition.action,
        transition.reward,
        discount * (1.0 - transition.terminated),
        transition.next_observation,
    )
