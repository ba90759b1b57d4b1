"""Environments of registered tasks: wrapped as those that come along, and checked against the facts."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from vs_envs.python_loop import Environment
from vs_envs.registry import Build, Task


def registered_environment(task: Task, build: Build, seed: int) -> Environment:
    """Build one environment of a registered task.

    Args:
        task: its facts.
        build: makes a `gymnasium.Env` or a `dm_control.rl.control.Environment` from a seed.
        seed: of its random stream.

    Raises:
        ValueError: if it makes something else, or the sizes or bounds are not those of the task.
    """
    made = build(seed)
    if isinstance(made, gymnasium.Env):
        from vs_envs.gym import GymEnvironment

        for kind in ("observation_space", "action_space"):
            if not isinstance(getattr(made, kind), Box):
                raise ValueError(
                    f"{task.name}: {kind} is {getattr(made, kind)}: expected a Box "
                    "(gymnasium.wrappers.FlattenObservation makes one of observations)"
                )
        actions: Any = made.action_space
        _check(task, [made.observation_space.shape], actions.shape, actions.low, actions.high)
        return GymEnvironment(made, seed)
    from dm_control.rl import control

    from vs_envs.dmc import DMCEnvironment

    if not isinstance(made, control.Environment):
        raise ValueError(
            f"{task.name}: the registered function returned {type(made).__name__}: expected a "
            "gymnasium.Env or a dm_control.rl.control.Environment"
        )
    spec, parts = made.action_spec(), made.observation_spec().values()
    _check(task, [part.shape for part in parts], spec.shape, spec.minimum, spec.maximum)
    environment = DMCEnvironment(made)
    environment.seed(seed)
    return environment


def _check(task: Task, parts: list[Any], action: Any, low: np.ndarray, high: np.ndarray) -> None:
    size = sum(int(np.prod(part)) for part in parts)
    expected = task.observation_size, (task.action_size,)
    if (size, action) != expected:
        raise ValueError(
            f"{task.name}: environments have observations of length {size} and actions of shape "
            f"{action}: expected {expected[0]} and {expected[1]}, as the task was registered"
        )
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError(f"{task.name}: actions have no bounds: expected finite ones")
