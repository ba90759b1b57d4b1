"""What is known of each task without building it, and the name it goes by."""

from dataclasses import dataclass
from functools import cache

from vs_envs import dmc


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task's facts.

    Attributes:
        benchmark: family of tasks, e.g. ``dmc``.
        env: name within the benchmark, e.g. ``cartpole-swingup``.
        observation_size: length of the flattened observation.
        action_size: length of one action, each component in [-1, 1].
        episode_steps: agent decisions in one episode.
        action_repeat: simulator control steps per decision.
        optimal_return: upper bound of the undiscounted return, for normalisation.
    """

    benchmark: str
    env: str
    observation_size: int
    action_size: int
    episode_steps: int
    action_repeat: int
    optimal_return: float


def task_names() -> tuple[str, ...]:
    """Return every known name, e.g. ``dmc/cartpole-swingup``."""
    return tuple(f"dmc/{name}" for name in dmc.names())


@cache
def task(name: str) -> Task:
    """Return the facts of one task; its sizes are asked of the simulator.

    Args:
        name: ``benchmark/env`` as listed by `task_names`.

    Raises:
        ValueError: if there is no such task.
    """
    benchmark, _, env = name.partition("/")
    if benchmark != "dmc" or env not in dmc.names():
        raise ValueError(f"unknown task {name!r}: expected e.g. 'dmc/cartpole-swingup'")
    observation_size, action_size = dmc.sizes(env)
    # every task of the suite pays a reward in [0, 1] over 1000 control steps (Tassa 2018, § 3)
    return Task(
        benchmark=benchmark,
        env=env,
        observation_size=observation_size,
        action_size=action_size,
        episode_steps=1000,
        action_repeat=1,
        optimal_return=1000.0,
    )
