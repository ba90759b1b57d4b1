"""Replay memory as device arrays: inserted into and sampled from inside a compiled function."""

from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from jax import numpy as jnp

type Values = Array | np.ndarray  # numpy where it comes from an environment


class Transition(NamedTuple):
    """One environment step, or a batch of them with leading axes.

    ``terminated`` is 1 only where the task ended by itself. A time limit (truncation) is 0: the
    value of ``next_observation``, the last one before the reset, is still bootstrapped from.
    """

    observation: Values  # (..., observation)
    action: Values  # (..., action)
    reward: Values  # (...)
    terminated: Values  # (...)
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


def sample(replay: Replay, key: Array, shape: tuple[int, ...]) -> Transition:
    """Draw transitions uniformly, with replacement, from those present.

    Args:
        replay: memory with at least one transition.
        key: JAX random key.
        shape: leading shape of the result, e.g. ``(updates, batch_size)``.
    """
    present = jnp.minimum(replay.inserted, replay.data.reward.shape[0])
    places = jax.random.randint(key, shape, 0, present)
    return jax.tree.map(lambda kept: kept[places], replay.data)
