"""The state of a training as named plain arrays, and back."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from vs_agents import Lanes, Stream

type Arrays = dict[str, np.ndarray]

_MEMORY = "/replay/data/"


def under(prefix: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Return the arrays with ``prefix/`` before their names."""
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def part(arrays: Mapping[str, np.ndarray], prefix: str) -> Arrays:
    """Return the arrays whose names begin with ``prefix/``, without it."""
    start = f"{prefix}/"
    return {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}


def pack(tree: Any, name: str) -> Arrays:
    """Return every leaf under ``name/``.

    Random keys are stored as raw words; of a replay memory only the filled part.
    """
    inserted = int(tree.replay.inserted) if isinstance(tree, Lanes | Stream) else 0
    arrays: Arrays = {}
    for where, leaf in _leaves(tree, name):
        plain = np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
        arrays[where] = plain[:, :inserted] if _MEMORY in where else plain
    return arrays


def restored[T](fresh: T, arrays: Mapping[str, np.ndarray], name: str) -> T:
    """Put packed leaves in the place of fresh ones.

    The memories may be larger than the packed ones were, as long as those were not full.

    Args:
        fresh: of the same configuration; given up, do not use it again.
        arrays: from `pack`, among others.
        name: what they were packed as.

    Raises:
        ValueError: if a leaf is missing or has another shape or type.
    """
    leaves = []
    for where, leaf in _leaves(fresh, name):
        if where not in arrays:
            raise ValueError(f"it has no {where}: expected the state of these agents")
        saved = arrays[where]
        if _MEMORY in where:
            _check(where, saved, leaf.dtype, (leaf.shape[0], *leaf.shape[2:]), cut=True)
            if saved.shape[1] > leaf.shape[1]:
                raise ValueError(
                    f"{where} holds {saved.shape[1]} transitions: expected up to {leaf.shape[1]}"
                )
            leaves.append(_fill(leaf, saved))
        elif _is_key(leaf):
            data = jax.random.key_data(leaf)
            _check(where, saved, data.dtype, data.shape)
            leaves.append(
                jax.random.wrap_key_data(jnp.array(saved), impl=jax.random.key_impl(leaf))
            )
        else:
            _check(where, saved, leaf.dtype, leaf.shape)
            leaves.append(jnp.array(saved))
    return jax.tree.unflatten(jax.tree.structure(fresh), leaves)


def _leaves(tree: Any, name: str) -> list[tuple[str, Any]]:
    found = jax.tree_util.tree_flatten_with_path(tree)[0]
    return [
        (f"{name}/{jax.tree_util.keystr(path, simple=True, separator='/')}", leaf)
        for path, leaf in found
    ]


def _is_key(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _write(buffer: jax.Array, first: np.ndarray) -> jax.Array:
    return jax.lax.dynamic_update_slice(buffer, first, (0,) * buffer.ndim)


_fill = jax.jit(_write, donate_argnums=0)  # in place: a memory can be most of the machine's


def _check(
    name: str, saved: np.ndarray, dtype: np.dtype, shape: tuple[int, ...], *, cut: bool = False
) -> None:
    found = (saved.shape[0], *saved.shape[2:]) if cut and saved.ndim > 1 else saved.shape
    if found != shape or saved.dtype != dtype:
        raise ValueError(
            f"{name} is {saved.dtype} of shape {found}: expected {dtype} of shape {shape}"
        )
