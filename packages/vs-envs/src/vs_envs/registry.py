"""What is known of each task without building it, and the name it goes by."""

from dataclasses import dataclass

from vs_envs import facts


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task's facts.

    Attributes:
        benchmark: family of tasks: ``dmc``, ``gym`` or ``hbench``.
        env: name within the benchmark, e.g. ``cartpole-swingup``.
        observation_size: length of the flattened observation.
        action_size: length of one action, each component in [-1, 1].
        episode_steps: agent decisions until the time limit.
        action_repeat: simulator control steps per decision.
        optimal_return: undiscounted return that counts as optimal, for normalisation.
        source: where `optimal_return` comes from.
    """

    benchmark: str
    env: str
    observation_size: int
    action_size: int
    episode_steps: int
    action_repeat: int
    optimal_return: float
    source: str

    @property
    def name(self) -> str:
        """Name in `task_names`, e.g. ``dmc/cartpole-swingup``."""
        return f"{self.benchmark}/{self.env}"


def _dmc(env: str) -> Task:
    action_size, parts = facts.DMC[env]
    return Task(
        benchmark="dmc",
        env=env,
        observation_size=sum(parts.values()),
        action_size=action_size,
        episode_steps=1000,
        action_repeat=1,
        optimal_return=1000.0,
        source="upper bound: a reward in [0, 1] over 1000 steps (arXiv:1801.00690, § 3)",
    )


def _other(benchmark: str, env: str, known: facts.Facts) -> Task:
    return Task(benchmark=benchmark, env=env, action_repeat=1, **known._asdict())


_TASKS = {
    one.name: one
    for one in (
        *(_dmc(env) for env in facts.DMC),
        *(_other("gym", env, known) for env, known in facts.GYM.items()),
        *(_other("hbench", env, known) for env, known in facts.HBENCH.items()),
    )
}


def task_names() -> tuple[str, ...]:
    """Return every known name, e.g. ``dmc/cartpole-swingup``, ``gym/Ant-v4``."""
    return tuple(_TASKS)


def task(name: str) -> Task:
    """Return the facts of one task. They are written down: no simulator is built or imported.

    Args:
        name: ``benchmark/env`` as listed by `task_names`.

    Raises:
        ValueError: if there is no such task.
    """
    if name not in _TASKS:
        raise ValueError(
            f"unknown task {name!r}: expected e.g. 'dmc/cartpole-swingup', 'gym/HalfCheetah-v4' "
            "or 'hbench/h1-walk-v0'"
        )
    return _TASKS[name]
