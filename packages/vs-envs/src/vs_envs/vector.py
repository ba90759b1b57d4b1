"""Several environments stepped together, with gymnasium's vector conventions."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from vs_envs.dmc import DMCEnvironment
from vs_envs.registry import task


class VectorEnv(gymnasium.vector.VectorEnv):
    """A plain Python loop over environments that reset in the step in which they end.

    `step` returns the observation to act on next: the first one of the new episode where one just
    ended. ``info["final_obs"]`` holds, for every environment, the observation that the action led
    to: the one to store and to bootstrap from. The two differ only where an episode ended.
    """

    def __init__(self, name: str, *, seeds: Sequence[int] | np.ndarray) -> None:
        """Build one environment per seed.

        Args:
            name: task as in `task_names`, e.g. ``dmc/cartpole-swingup``.
            seeds: one seed per environment; equal seeds give equal episodes.

        Raises:
            ValueError: if the task is unknown or there is no seed.
        """
        self.task = task(name)
        if not len(seeds):
            raise ValueError("seeds is empty: expected one seed per environment")
        self._seeds = [int(seed) for seed in seeds]
        self._environments = [DMCEnvironment(self.task.env, seed) for seed in self._seeds]
        self.num_envs = len(self._environments)
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        observation, action = self.task.observation_size, self.task.action_size
        self.single_observation_space = gymnasium.spaces.Box(
            -np.inf, np.inf, (observation,), np.float64
        )
        self.single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (action,), np.float64)
        batch = gymnasium.vector.utils.batch_space
        self.observation_space = batch(self.single_observation_space, self.num_envs)
        self.action_space = batch(self.single_action_space, self.num_envs)

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
            ValueError: if the number of seeds is not that of environments, or an option is given.
        """
        if options:
            raise ValueError(f"unknown reset options {sorted(options)}: expected none")
        if seed is not None:
            seeds = range(seed, seed + self.num_envs) if isinstance(seed, int) else seed
            if len(seeds) != self.num_envs:
                raise ValueError(f"{len(seeds)} seeds given: expected {self.num_envs}")
            for environment, one in zip(self._environments, seeds, strict=True):
                environment.seed(int(one))
        return np.stack([environment.reset() for environment in self._environments]), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step every environment, and reset those whose episode ended.

        Args:
            actions: ``(environments, action)`` in [-1, 1].

        Returns:
            Observations to act on ``(environments, observation)``, rewards ``(environments,)``
            float64, terminated and truncated ``(environments,)`` bool, and ``info`` with
            ``final_obs`` ``(environments, observation)`` (see the class).

        Raises:
            ValueError: if the actions have another shape.
        """
        if np.shape(actions) != self.action_space.shape:
            raise ValueError(
                f"actions have shape {np.shape(actions)}: expected {self.action_space.shape}"
            )
        outcomes = [e.step(a) for e, a in zip(self._environments, actions, strict=True)]
        final = np.stack([outcome.observation for outcome in outcomes])
        terminated = np.array([outcome.terminated for outcome in outcomes])
        truncated = np.array([outcome.truncated for outcome in outcomes])
        observation = final.copy()
        for i in np.flatnonzero(terminated | truncated):
            observation[i] = self._environments[i].reset()
        reward = np.array([outcome.reward for outcome in outcomes])
        return observation, reward, terminated, truncated, {"final_obs": final}
