"""Tasks by name: the facts of those that come along, and whatever a user registers beside them."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from typing import Any

from vs_envs import facts

type Build = Callable[[int], Any]
"""Seed to one environment of a registered task; see `register_task`."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task's facts.

    Attributes:
        benchmark: family of tasks: ``dmc``, ``gym``, ``hbench`` or a user's own.
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
    action_repeat: int = 1
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
        optimal_return=1000.0,
        source="upper bound: a reward in [0, 1] over 1000 steps (arXiv:1801.00690, § 3)",
    )


def _other(benchmark: str, env: str, known: facts.Facts) -> Task:
    return Task(benchmark=benchmark, env=env, **known._asdict())


_TASKS = {
    one.name: one
    for one in (
        *(_dmc(env) for env in facts.DMC),
        *(_other("gym", env, known) for env, known in facts.GYM.items()),
        *(_other("hbench", env, known) for env, known in facts.HBENCH.items()),
    )
}
_REGISTERED: dict[str, tuple[Task, Build]] = {}


def register_task(task: Task, build: Build) -> None:
    """Register a task, so that `make` (with the Python backend) and every program find it by name.

    Registering a name again replaces the task, as when a notebook's cell is run twice.

    Args:
        task: its facts. ``episode_steps`` is enforced here; ``optimal_return`` is recorded with
            every run and is what the analysis divides returns by.
        build: makes one environment from a seed: a `gymnasium.Env` with boxes as spaces, or a
            `dm_control.rl.control.Environment`. All chance must come from the stream that is
            seeded and stored here: ``env.unwrapped.np_random``, or ``env.task.random``.

    Raises:
        ValueError: if the name is that of a task that comes along, or a fact cannot be.
    """
    if task.name in _TASKS:
        raise ValueError(f"{task.name} comes with vs-envs: expected another name")
    for name in ("benchmark", "env"):
        value = getattr(task, name)
        if not value or set(value) & set("/:"):
            raise ValueError(f"{name} = {value!r}: expected a name without '/' and ':'")
    for name in ("observation_size", "action_size", "episode_steps", "action_repeat"):
        if getattr(task, name) < 1:
            raise ValueError(f"{name} = {getattr(task, name)}: expected at least 1")
    if not (isfinite(task.optimal_return) and task.optimal_return > 0):
        raise ValueError(
            f"optimal_return = {task.optimal_return}: expected a positive number, by which returns "
            "are divided; add a constant to rewards that are costs"
        )
    _REGISTERED[task.name] = task, build


def task_names() -> tuple[str, ...]:
    """Return every known name, e.g. ``dmc/cartpole-swingup``, ``gym/Ant-v4``; registered ones last."""
    return (*_TASKS, *_REGISTERED)


def task(name: str) -> Task:
    """Return the facts of one task. They are written down: no simulator is built or imported.

    Args:
        name: ``benchmark/env`` as listed by `task_names`; or ``module:benchmark/env``, which first
            imports the module that registers the task, in whatever process it is needed.

    Raises:
        ValueError: if there is no such task, or no such module.
    """
    short = _imported(name)
    if short in _TASKS:
        return _TASKS[short]
    if short not in _REGISTERED:
        raise ValueError(
            f"unknown task {name!r}: expected e.g. 'dmc/cartpole-swingup', 'gym/HalfCheetah-v4', "
            "'hbench/h1-walk-v0' or 'module:task' for one that a module registers"
        )
    return _REGISTERED[short][0]


def registered_build(name: str) -> Build | None:
    """Return how environments of a registered task are made, None for a task that comes along."""
    found = _REGISTERED.get(task(name).name)
    return None if found is None else found[1]


def _imported(name: str) -> str:
    """Import the module in ``module:benchmark/env``, if there is one, and return the rest."""
    module, _, short = name.rpartition(":")
    if module:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            if not f"{module}.".startswith(f"{error.name}."):
                raise
            raise ValueError(
                f"task {name!r}: there is no module {module!r}; expected one that can be imported "
                "(installed, or in a folder of PYTHONPATH)"
            ) from error
    return short
