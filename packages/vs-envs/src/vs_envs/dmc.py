"""dm_control's suite: one environment, flattened, with actions in [-1, 1]."""

import os
from functools import cache
from typing import Any, NamedTuple

import numpy as np

os.environ.setdefault("MUJOCO_GL", "disabled")  # must be set before the import: nothing is drawn

from dm_control import suite
from dm_control.rl.control import Environment


class Outcome(NamedTuple):
    """What one step of one environment gives."""

    observation: np.ndarray  # (observation,) float64
    reward: float
    terminated: bool
    truncated: bool


@cache
def names() -> tuple[str, ...]:
    """Return the suite's tasks as ``domain-task``, underscores kept; lqr has no time limit."""
    return tuple(f"{domain}-{task}" for domain, task in suite.ALL_TASKS if domain != "lqr")


def _load(name: str, seed: int | None = None) -> Environment:
    domain, task = name.split("-", 1)
    return suite.load(domain, task, task_kwargs={"random": seed})


@cache
def sizes(name: str) -> tuple[int, int]:
    """Return the observation and action sizes of a task."""
    environment = _load(name)
    specs = environment.observation_spec().values()
    return sum(int(np.prod(s.shape)) for s in specs), int(environment.action_spec().shape[0])


class DMCEnvironment:
    """One task of the suite."""

    def __init__(self, name: str, seed: int) -> None:
        """Build the task.

        Args:
            name: ``domain-task``, one of `names`.
            seed: seed of every random draw of its episodes.
        """
        self._environment: Any = _load(name, seed)
        spec = self._environment.action_spec()
        self._low, self._high = spec.minimum, spec.maximum

    def seed(self, seed: int) -> None:
        """Restart the random stream; takes effect at the next reset."""
        self._environment.task.random.seed(seed)

    def reset(self) -> np.ndarray:
        """Start an episode and return its first observation, ``(observation,)``."""
        return _flatten(self._environment.reset().observation)

    def step(self, action: np.ndarray) -> Outcome:
        """Apply an action of [-1, 1]^A, clipped to it and rescaled to the simulator's bounds.

        The suite ends an episode with discount 1 at the time limit (truncated), and with
        discount 0 where the task itself ends (terminated).
        """
        unit = (np.clip(np.asarray(action, np.float64), -1.0, 1.0) + 1.0) / 2.0
        time_step = self._environment.step(self._low + unit * (self._high - self._low))
        terminated = time_step.last() and time_step.discount == 0.0
        return Outcome(
            _flatten(time_step.observation),
            float(time_step.reward),
            terminated,
            time_step.last() and not terminated,
        )


def _flatten(observation: dict[str, Any]) -> np.ndarray:
    return np.concatenate([np.ravel(part) for part in observation.values()])
