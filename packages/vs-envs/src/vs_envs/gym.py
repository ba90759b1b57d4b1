"""gymnasium's MuJoCo tasks: one environment, with actions in [-1, 1]."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils.seeding import np_random

from vs_envs._streams import generator, words
from vs_envs.python_loop import Outcome
from vs_envs.vector import rescaled


class GymEnvironment:
    """One gymnasium environment. Its methods are those of `vs_envs.python_loop.Environment`.

    Falling and the like give ``terminated``, gymnasium's `TimeLimit` gives ``truncated``; both may
    come in the same step.
    """

    def __init__(self, environment: gymnasium.Env, seed: int) -> None:
        """Wrap an environment.

        Args:
            environment: observations and actions are boxes of one axis.
            seed: seed of its own random stream.
        """
        self._environment = environment
        space: Any = environment.action_space
        self._low, self._high = space.low.astype(np.float64), space.high.astype(np.float64)
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Restart the random stream: what ``reset(seed=seed)`` does in gymnasium."""
        self._environment.unwrapped.np_random = np_random(seed)[0]

    def stream(self) -> np.ndarray:
        """Return the state of the random stream, ``(6,)`` uint64."""
        return words(self._environment.unwrapped.np_random)

    def set_stream(self, words: np.ndarray) -> None:
        """Set the random stream."""
        self._environment.unwrapped.np_random = generator(words)

    def reset(self) -> np.ndarray:
        """Start an episode."""
        return _flat(self._environment.reset()[0])

    def step(self, action: np.ndarray) -> Outcome:
        """Apply an action."""
        observation, reward, terminated, truncated, _ = self._environment.step(
            rescaled(action, self._low, self._high)
        )
        return Outcome(_flat(observation), float(reward), bool(terminated), bool(truncated))


def gym_environment(name: str, seed: int) -> GymEnvironment:
    """Build one of gymnasium's MuJoCo tasks, e.g. ``HalfCheetah-v4``."""
    # From its spec, not its name: gymnasium looks a name up with a warning that v4 is out of date,
    # and v4 is what was asked for.
    spec = gymnasium.spec(name)
    return GymEnvironment(gymnasium.make(spec, disable_env_checker=True), seed)


def _flat(observation: Any) -> np.ndarray:
    return np.array(observation, np.float64).ravel()  # a copy: some tasks reuse their array
