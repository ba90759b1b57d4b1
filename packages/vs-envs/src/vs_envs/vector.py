"""The interface: several environments stepped together, with gymnasium's vector conventions."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode

from vs_envs.registry import Task

_SEEDS = 2**31  # range that every simulator accepts


class Outcomes(NamedTuple):
    """Result of one step of every environment."""

    observation: np.ndarray  # (environments, observation) to act on next
    final: np.ndarray  # (environments, observation) that the action led to
    reward: np.ndarray  # (environments,)
    terminated: np.ndarray  # (environments,) bool
    truncated: np.ndarray  # (environments,) bool


class VectorEnv(gymnasium.vector.VectorEnv):
    """Environments of one task that reset in the step in which they end.

    `step` returns the observation to act on next: the first one of the new episode where one just
    ended. ``info["final_obs"]`` holds, for every environment, the observation that the action led
    to: the one to store and to bootstrap from. The two differ only where an episode ended.

    An environment's episodes depend on its own seed alone, not on its neighbours.

    Attributes:
        task: the facts of the task.
        backend: ``python``, ``envpool`` or ``mjx``.
        why: how the backend came to be chosen, a sentence.
    """

    def __init__(self, task: Task, *, seeds: Sequence[int] | np.ndarray, backend: str) -> None:
        """Set the spaces; `make` chooses the class.

        Args:
            task: the facts of the task.
            seeds: one seed per environment, in [0, 2³¹).
            backend: name of the backend.

        Raises:
            ValueError: if there is no seed, or one is out of range.
        """
        self.task = task
        self.backend = backend
        self.why = f"backend {backend!r} was asked for"
        self._seeds = _checked(seeds)
        self._begun = False
        self.num_envs = len(self._seeds)
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        observation, action, n = task.observation_size, task.action_size, self.num_envs
        self.single_observation_space = Box(-np.inf, np.inf, (observation,), np.float64)
        self.single_action_space = Box(-1.0, 1.0, (action,), np.float64)
        self.observation_space = Box(-np.inf, np.inf, (n, observation), np.float64)
        self.action_space = Box(-1.0, 1.0, (n, action), np.float64)

    @abstractmethod
    def _reset(self, seeds: list[int] | None) -> np.ndarray:
        """Start an episode everywhere, with restarted streams if there are seeds."""

    @abstractmethod
    def _step(self, actions: np.ndarray) -> Outcomes:
        """Apply float64 actions, clipped to [-1, 1], and reset where an episode ended."""

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode everywhere.

        Args:
            seed: restarts the random streams: one seed per environment, or an integer for
                ``seed, seed + 1, ...``. None lets the streams go on.
            options: none is known.

        Returns:
            Observations ``(environments, observation)`` float64 and an empty dict.

        Raises:
            ValueError: if the number of seeds is not that of environments, one is out of range, or
                an option is given.
        """
        if options:
            raise ValueError(f"unknown reset options {sorted(options)}: expected none")
        seeds = None
        if seed is not None:
            several = range(seed, seed + self.num_envs) if isinstance(seed, int) else seed
            seeds = _checked(several)
            if len(seeds) != self.num_envs:
                raise ValueError(f"{len(seeds)} seeds given: expected {self.num_envs}")
        self._begun = True
        return self._reset(seeds), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step every environment, and reset those whose episode ended.

        Args:
            actions: ``(environments, action)``, clipped to [-1, 1] and rescaled to the simulator's
                own bounds.

        Returns:
            Observations to act on ``(environments, observation)`` float64, rewards
            ``(environments,)`` float64, terminated and truncated ``(environments,)`` bool, and
            ``info`` with ``final_obs`` ``(environments, observation)`` (see the class).

        Raises:
            ValueError: if the actions have another shape, or there was no reset yet.
        """
        if np.shape(actions) != self.action_space.shape:
            raise ValueError(
                f"actions have shape {np.shape(actions)}: expected {self.action_space.shape}"
            )
        self._check_begun()
        # np.clip would do, more slowly
        outcomes = self._step(np.minimum(np.maximum(np.asarray(actions, np.float64), -1.0), 1.0))
        observation, final, reward, terminated, truncated = outcomes
        return observation, reward, terminated, truncated, {"final_obs": final}

    def state(self) -> dict[str, np.ndarray] | None:
        """Return what `restore` needs to go on from here bit for bit, or None.

        None where the backend cannot tell its state: reset instead, a clean episode boundary.

        Raises:
            ValueError: if there was no reset yet.
        """
        return None

    def restore(self, state: dict[str, np.ndarray]) -> np.ndarray:
        """Go on from a `state` of the same task and number of environments.

        Args:
            state: what `state` returned, of this object or of another one, whatever its seeds.

        Returns:
            The observations to act on next, ``(environments, observation)``.

        Raises:
            ValueError: if the backend has no state, or this is not a state of such environments.
        """
        raise ValueError(f"the {self.backend} backend cannot restore a state: reset it instead")

    def _check_begun(self) -> None:
        if not self._begun:
            raise ValueError("no episode has begun: call reset first")


def rescaled(actions: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Map actions ``(..., action)`` of [-1, 1] linearly onto the bounds ``(action,)``."""
    return low + (actions + 1.0) / 2.0 * (high - low)


def _checked(seeds: Sequence[int] | np.ndarray) -> list[int]:
    if not len(seeds):
        raise ValueError("seeds is empty: expected one seed per environment")
    for seed in seeds:
        if not 0 <= seed < _SEEDS:
            raise ValueError(f"seed {seed} is out of range: expected 0 <= seed < 2**31")
    return [int(seed) for seed in seeds]
