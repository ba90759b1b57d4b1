"""HumanoidBench (arXiv:2403.10506) through its gymnasium registration, where a user installed it.

Its pins hold it to packages of 2024, and it imports torch, which these tasks do not use. It is
adapted while it is imported and built, not edited.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
from mujoco import MjData, MjModel  # ty: ignore[import-not-found]

from vs_envs._streams import legacy_words, set_legacy
from vs_envs.gym import GymEnvironment
from vs_envs.python_loop import Outcome
from vs_envs.registry import task

_INSTALL = (
    "git clone https://github.com/carlosferrazza/humanoid-bench && "
    "pip install --no-deps --editable humanoid-bench"
)


def humanoid_environment(name: str, seed: int) -> GymEnvironment:
    """Build one task, e.g. ``h1-walk-v0``.

    Raises:
        ValueError: if the installed HumanoidBench does not have the task, or in other sizes.
        ImportError: if HumanoidBench is not installed.
    """
    _load()
    if name not in gymnasium.registry:
        raise ValueError(f"the installed HumanoidBench has no task {name!r}")
    with _no_viewer():
        environment = gymnasium.make(
            gymnasium.spec(name), render_mode=None, disable_env_checker=True
        )
    known = task(f"hbench/{name}")
    expected = (known.observation_size,), (known.action_size,)
    found = environment.observation_space.shape, environment.action_space.shape
    if found != expected:
        raise ValueError(
            f"the installed HumanoidBench's {name} has observations and actions of the shapes "
            f"{found}: expected {expected}"
        )
    build = GoalEnvironment if name == "h1-reach-v0" else GymEnvironment
    return build(environment, seed)


class GoalEnvironment(GymEnvironment):
    """`reach`, which draws its goal from numpy's global stream instead of its own.

    Each environment keeps its own global stream and puts it in place while it resets and steps:
    otherwise its episodes would depend on every other user of that stream.
    """

    def __init__(self, environment: gymnasium.Env, seed: int) -> None:
        """Wrap an environment, see `GymEnvironment`."""
        self._global = np.random.RandomState(seed)
        super().__init__(environment, seed)

    def seed(self, seed: int) -> None:
        """Restart both random streams."""
        super().seed(seed)
        self._global.seed(seed)

    def stream(self) -> np.ndarray:
        """Return the states of both random streams, ``(633,)`` uint64."""
        return np.concatenate([super().stream(), legacy_words(self._global)])

    def set_stream(self, words: np.ndarray) -> None:
        """Set both random streams."""
        super().set_stream(words[:6])
        set_legacy(self._global, words[6:])

    def reset(self) -> np.ndarray:
        """Start an episode."""
        with self._in_place():
            return super().reset()

    def step(self, action: np.ndarray) -> Outcome:
        """Apply an action."""
        with self._in_place():
            return super().step(action)

    @contextmanager
    def _in_place(self) -> Generator[None]:
        outer = np.random.get_state(legacy=False)  # noqa: NPY002 - it is the global one that is meant
        np.random.set_state(self._global.get_state(legacy=False))  # noqa: NPY002
        try:
            yield
        finally:
            self._global.set_state(np.random.get_state(legacy=False))  # noqa: NPY002
            np.random.set_state(outer)  # noqa: NPY002


def _load() -> None:
    """Import HumanoidBench, which registers its tasks."""
    if "humanoid_bench" not in sys.modules:
        if find_spec("humanoid_bench") is None:
            raise ImportError(f"hbench tasks need HumanoidBench: {_INSTALL}")
        with _torch_or_stubs():
            import_module("humanoid_bench")
    if find_spec("humanoid_bench.dmc_deps") is not None:  # the fork has none
        _forget_old_fields(import_module("humanoid_bench.dmc_deps.dmc_sizes").array_sizes)


@contextmanager
def _torch_or_stubs() -> Generator[None]:
    """Let imports of torch succeed without it: only learned low-level policies would use it."""
    if find_spec("torch") is not None:
        yield
        return
    stubs = {name: _Stub(name) for name in ("torch", "humanoid_bench.mjx.flax_to_torch")}
    sys.modules.update(stubs)
    try:
        yield
    finally:  # later imports must not find the stubs
        for name in stubs:
            del sys.modules[name]


class _Stub(ModuleType):
    """A module that has any name one may import from it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _forget_old_fields(sizes: dict[str, dict[str, Any]]) -> None:
    """Drop fields that today's MuJoCo structures no longer have from HumanoidBench's table."""
    for structure, kind in (("mjmodel", MjModel), ("mjdata", MjData)):
        fields = sizes.get(structure, {})
        for field in [field for field in fields if not hasattr(kind, field)]:
            del fields[field]


@contextmanager
def _no_viewer() -> Generator[None]:
    """Keep an environment from opening a viewer while it is built, as the fork does."""
    from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer

    viewer = MujocoRenderer._get_viewer
    MujocoRenderer._get_viewer = lambda *args, **kwargs: None
    try:
        yield
    finally:
        MujocoRenderer._get_viewer = viewer
