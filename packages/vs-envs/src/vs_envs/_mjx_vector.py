"""Playground tasks behind the vector-environment interface."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from vs_envs._mjx_env import EnvState, jax_env
from vs_envs.registry import task
from vs_envs.vector import Outcomes, VectorEnv


class MJXVectorEnv(VectorEnv):
    """Copies of one of Playground's tasks, stepped by one compiled call.

    The first `reset` and the first `step` compile: seconds to a minute. The simulator's float32
    numbers are returned as float64, without loss.
    """

    def __init__(self, name: str, *, seeds: Sequence[int] | np.ndarray) -> None:
        """Load the task.

        Args:
            name: ``dmc/<task>`` with a task of `vs_envs.mjx.PLAYGROUND`.
            seeds: one seed per environment, in [0, 2³¹); equal seeds give equal episodes.

        Raises:
            ValueError: if there is no such task, no seed, or a seed is out of range.
        """
        self.env = jax_env(name)
        super().__init__(task(name), seeds=seeds, backend="mjx")
        self._state: EnvState | None = None
        self._compiled_reset = jax.jit(jax.vmap(self.env.reset))
        self._compiled_step = jax.jit(jax.vmap(self.env.step))

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays of the batched `EnvState`, the random keys as their uint32 words.

        Raises:
            ValueError: if there was no reset yet.
        """
        leaves, _ = jax.tree.flatten_with_path(_plain(self._running()))
        return {jax.tree_util.keystr(path): np.array(leaf) for path, leaf in leaves}

    def restore(self, state: dict[str, np.ndarray]) -> np.ndarray:
        """Go on bit for bit from a `state` of the same task and number of environments.

        Args:
            state: what `state` returned, of this object or of another one, whatever its seeds.

        Returns:
            The observations to act on next, ``(environments, observation)``.

        Raises:
            ValueError: if an array is missing, unknown, or of another shape or type.
        """
        expected = jax.eval_shape(
            lambda keys: _plain(self._compiled_reset(keys)), _keys(self._seeds)
        )
        leaves, structure = jax.tree.flatten_with_path(expected)
        names = [jax.tree_util.keystr(path) for path, _ in leaves]
        if odd := sorted(set(names) ^ set(state)):
            raise ValueError(f"not a state of {self.env.name} on mjx: {odd[0]} is not in both")
        for name, (_, leaf) in zip(names, leaves, strict=True):
            found = state[name]
            if (found.shape, found.dtype) != (leaf.shape, leaf.dtype):
                raise ValueError(
                    f"not a state of {self.num_envs} environments of {self.env.name} on mjx: {name}"
                    f" is {found.dtype} {found.shape}, expected {leaf.dtype} {leaf.shape}"
                )
        plain = jax.tree.unflatten(structure, [jnp.array(state[name]) for name in names])
        self._state = plain._replace(key=jax.random.wrap_key_data(plain.key))
        self._begun = True
        return np.asarray(plain.obs, np.float64)

    def _reset(self, seeds: list[int] | None) -> np.ndarray:
        if seeds is None and self._state is not None:
            keys = self._state.key
        else:
            keys = _keys(self._seeds if seeds is None else seeds)
        self._state = self._compiled_reset(keys)
        return np.asarray(self._state.obs, np.float64)

    def _step(self, actions: np.ndarray) -> Outcomes:
        self._state = self._compiled_step(self._running(), jnp.asarray(actions, jnp.float32))
        obs, reward, terminated, truncated, final = jax.device_get(self._state[:5])
        return Outcomes(
            np.asarray(obs, np.float64),
            np.asarray(final, np.float64),
            np.asarray(reward, np.float64),
            np.array(terminated),
            np.array(truncated),
        )

    def _running(self) -> EnvState:
        if self._state is None:
            raise ValueError("no episode has begun: call reset first")
        return self._state


def _keys(seeds: list[int]) -> jax.Array:
    return jax.vmap(jax.random.key)(jnp.array(seeds, jnp.uint32))


def _plain(state: EnvState) -> EnvState:
    return state._replace(key=jax.random.key_data(state.key))
