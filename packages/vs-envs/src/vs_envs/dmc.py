"""dm_control's suite: one environment, flattened, with actions in [-1, 1]."""

from typing import Any

import numpy as np
from dm_control import suite

from vs_envs._streams import legacy_words, set_legacy
from vs_envs.python_loop import Outcome
from vs_envs.vector import rescaled


class DMCEnvironment:
    """One task of the suite. Its methods are those of `vs_envs.python_loop.Environment`."""

    def __init__(self, environment: Any) -> None:
        """Wrap an environment of the suite."""
        self._environment = environment
        spec = environment.action_spec()
        self._low, self._high = spec.minimum, spec.maximum

    def seed(self, seed: int) -> None:
        """Restart the random stream."""
        self._environment.task.random.seed(seed)

    def stream(self) -> np.ndarray:
        """Return the state of the random stream, ``(627,)`` uint64."""
        return legacy_words(self._environment.task.random)

    def set_stream(self, words: np.ndarray) -> None:
        """Set the random stream."""
        set_legacy(self._environment.task.random, words)

    def reset(self) -> np.ndarray:
        """Start an episode."""
        return _flatten(self._environment.reset().observation)

    def step(self, action: np.ndarray) -> Outcome:
        """Apply an action.

        The suite ends an episode with discount 1 at the time limit (truncated), and with
        discount 0 where the task itself ends (terminated).
        """
        time_step = self._environment.step(rescaled(action, self._low, self._high))
        terminated = time_step.last() and time_step.discount == 0.0
        return Outcome(
            _flatten(time_step.observation),
            float(time_step.reward),
            terminated,
            time_step.last() and not terminated,
        )


def dmc_environment(name: str, seed: int) -> DMCEnvironment:
    """Build one of the suite's tasks, e.g. ``finger-turn_hard``."""
    domain, task = name.split("-", 1)
    environment = suite.load(domain, task, task_kwargs={"random": seed})
    if name == "quadruped-escape":
        _blind(environment.physics)
    return DMCEnvironment(environment)


def _blind(physics: Any) -> None:
    """Keep a task from uploading its terrain to a renderer: there may be none, and none is used."""
    kind = type(physics)
    physics.__class__ = type(kind.__name__, (kind,), {"contexts": None})


def _flatten(observation: dict[str, Any]) -> np.ndarray:
    return np.concatenate([np.ravel(part) for part in observation.values()])
