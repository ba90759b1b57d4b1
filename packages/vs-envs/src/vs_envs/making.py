"""One door to every backend. Simulators are imported behind it, not before."""

import os
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from vs_envs.loop import LoopEnv
from vs_envs.registry import Task, task
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


def make(name: str, *, seeds: Sequence[int] | np.ndarray, backend: str = "python") -> VectorEnv:
    """Build environments of one task.

    Args:
        name: task as in `task_names`, e.g. ``dmc/cartpole-swingup``.
        seeds: one seed per environment, in [0, 2³¹); equal seeds give equal episodes.
        backend: ``python``, a plain loop over the simulators themselves, whose state can be stored;
            ``envpool``, the same tasks in C++ (`vs_envs.pool.PoolEnv`); ``mjx``, MuJoCo
            Playground's versions of DMC tasks in JAX (`vs_envs.mjx`); ``auto``, envpool where it is
            installed and known to be faster, else python. The result's ``backend`` and ``why`` say
            what was chosen, and why.

    Raises:
        ValueError: if the task or the backend is unknown, the backend does not have the task, there
            is no seed, or one is out of range.
        ImportError: if what the task or the backend needs is not installed; the message has the
            command.
    """
    facts = task(name)
    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}: expected one of {', '.join(BACKENDS)}")
    if backend == "auto":
        backend, why = choice(facts, len(seeds), installed=find_spec("envpool") is not None)
        environments = _build(facts, seeds, backend)
        environments.why = why
        return environments
    return _build(facts, seeds, backend)


def _build(facts: Task, seeds: Sequence[int] | np.ndarray, backend: str) -> VectorEnv:
    if backend == "envpool":
        from vs_envs.pool import PoolEnv

        return PoolEnv(facts, seeds=seeds)
    if backend == "mjx":
        from vs_envs.mjx import MJXVectorEnv

        return MJXVectorEnv(facts.name, seeds=seeds)
    match facts.benchmark:
        case "dmc":
            from vs_envs.dmc import dmc_environment as build
        case "gym":
            from vs_envs.gym import gym_environment as build
        case _:
            from vs_envs.hbench import humanoid_environment as build
    return LoopEnv(facts, build, seeds=seeds)


def choice(facts: Task, environments: int, *, installed: bool) -> tuple[str, str]:
    """Return the backend that ``auto`` means, and why.

    Args:
        facts: of the task.
        environments: how many there will be.
        installed: whether EnvPool is.
    """
    domain = facts.env.partition("-")[0]
    if facts.benchmark != "dmc" or domain not in _FASTER:
        return "python", f"auto: EnvPool is not known to be faster than Python on {facts.name}"
    known = f"EnvPool is faster than Python with 10 environments of {domain}"
    if not installed:
        return "python", f'auto: {known} but not installed: pip install "vs-envs[envpool]"'
    if environments < _WORTHWHILE:
        return "python", f"auto: {known}, but gains little below {_WORTHWHILE} environments"
    return "envpool", f"auto: {known}, at the price of exact resumption in mid-episode"
