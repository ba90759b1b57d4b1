"""One door to every backend. Simulators are imported behind it, not before."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Literal

import numpy as np

from vs_envs.python_loop import Environment, LoopEnv
from vs_envs.registry import registered_build, task
from vs_envs.vector import VectorEnv

_WORTHWHILE = 4  # environments: with a single one EnvPool is slower than the loop on some tasks
_FASTER = frozenset(
    ("cartpole", "finger", "fish", "cheetah", "hopper", "quadruped", "humanoid", "walker", "dog")
)
"""Domains in which EnvPool was faster than the loop with 10 environments on 2 cores; those that
benchmarks/env_speed.py measures by default have their ratios in benchmarks/results."""

BACKENDS = ("python", "envpool", "mjx", "auto")

# Nothing is drawn. Simulators read this when they are imported, which is after this module.
os.environ.setdefault("MUJOCO_GL", "disabled")


def make(
    name: str,
    *,
    seeds: Sequence[int] | np.ndarray,
    backend: str = "python",
    action_repeat: int = 1,
) -> VectorEnv:
    """Build environments of one task.

    Args:
        name: task as in `task_names`, e.g. ``dmc/cartpole-swingup``.
        seeds: one seed per environment, in [0, 2³¹); equal seeds give equal episodes.
        backend: ``python``, a plain loop over the simulators themselves, whose state can be stored;
            ``envpool``, the same tasks in C++ (`vs_envs.envpool.PoolEnv`); ``mjx``, MuJoCo
            Playground's versions of DMC tasks in JAX (`vs_envs.mjx`); ``auto``, the one that
            `choose_backend` returns. The result's ``backend`` and ``why`` say what was chosen, and
            why.
        action_repeat: steps of the task per step of the result: their rewards add up, and its
            ``task`` has so many fewer ``episode_steps``. Other than 1 with the Python backend only.

    Raises:
        ValueError: if the task or the backend is unknown, the backend does not have the task or the
            action repeat, an episode is no whole number of repeats, there is no seed, or one is out
            of range.
        ImportError: if what the task or the backend needs is not installed; the message has the
            command.
    """
    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}: expected one of {', '.join(BACKENDS)}")
    if action_repeat != 1:
        return _repeating(name, seeds, backend, action_repeat)
    if backend == "auto":
        chosen, why = choose_backend(name, environments=len(seeds))
        environments = _build(name, seeds, chosen)
        environments.why = why
        return environments
    return _build(name, seeds, backend)


def choose_backend(
    name: str, *, environments: int, installed: bool | None = None
) -> tuple[Literal["python", "envpool"], str]:
    """Return the backend that ``auto`` means for a task, and a sentence that says why.

    EnvPool where it is installed and was measured faster, else Python. No environment is built.

    Args:
        name: task as in `task_names`.
        environments: number of environments.
        installed: whether EnvPool is installed; None to look.

    Raises:
        ValueError: if the task is unknown.
    """
    facts = task(name)
    domain = facts.env.partition("-")[0]
    if registered_build(name) is not None:
        return "python", f"auto: {facts.name} is a registered task, and EnvPool does not have it"
    if facts.benchmark != "dmc" or domain not in _FASTER:
        return "python", f"auto: EnvPool is not known to be faster than Python on {facts.name}"
    known = f"EnvPool is faster than Python with 10 environments of {domain}"
    if not (find_spec("envpool") is not None if installed is None else installed):
        return "python", f'auto: {known} but not installed: pip install "vs-envs[envpool]"'
    if environments < _WORTHWHILE:
        return "python", f"auto: {known}, but gains little below {_WORTHWHILE} environments"
    return "envpool", f"auto: {known}, at the price of exact resumption in mid-episode"


def _repeating(
    name: str, seeds: Sequence[int] | np.ndarray, backend: str, repeat: int
) -> VectorEnv:
    facts = task(name)
    if backend not in ("python", "auto"):
        raise ValueError(f"{backend} has no action repeat: use python, or action_repeat 1")
    if repeat < 1 or facts.episode_steps % repeat:
        raise ValueError(
            f"action_repeat = {repeat}: expected a divisor of {facts.episode_steps}, the steps of "
            f"an episode of {facts.name}"
        )
    facts = replace(
        facts,
        episode_steps=facts.episode_steps // repeat,
        action_repeat=facts.action_repeat * repeat,
    )
    return LoopEnv(facts, _loop_builder(name), seeds=seeds, repeat=repeat)


def _build(name: str, seeds: Sequence[int] | np.ndarray, backend: str) -> VectorEnv:
    facts = task(name)
    if backend != "python" and registered_build(name) is not None:
        raise ValueError(f"{backend} has no {facts.name}, a registered task: use python")
    if backend == "envpool":
        from vs_envs.envpool import PoolEnv

        return PoolEnv(facts, seeds=seeds)
    if backend == "mjx":
        from vs_envs.mjx import MJXVectorEnv

        return MJXVectorEnv(facts.name, seeds=seeds)
    return LoopEnv(facts, _loop_builder(name), seeds=seeds)


def _loop_builder(name: str) -> Callable[[str, int], Environment]:
    """Return what builds one environment of a task from its ``env`` and a seed."""
    facts, own = task(name), registered_build(name)
    if own is not None:
        from vs_envs._registered import registered_environment

        return lambda _, seed: registered_environment(facts, own, seed)
    match facts.benchmark:
        case "dmc":
            from vs_envs.dmc import dmc_environment as build
        case "gym":
            from vs_envs.gym import gym_environment as build
        case _:
            from vs_envs.hbench import humanoid_environment as build
    return build
