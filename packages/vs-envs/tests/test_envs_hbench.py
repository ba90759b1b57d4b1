"""HumanoidBench cannot be installed from an index: a stand-in with its peculiarities is used."""

import sys
import textwrap
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import gymnasium
import numpy as np
import pytest
from vs_envs import make

FILES = {
    "__init__.py": """
        import torch
        from gymnasium.envs import register
        from .dmc_deps import dmc_sizes
        from .mjx.flax_to_torch import TorchModel, TorchPolicy

        class Policy(TorchPolicy):
            net = torch.nn
        for task, size in (("walk", 51), ("reach", 57), ("run", 50)):
            register(
                id=f"h1-{task}-v0",
                entry_point="humanoid_bench.env:HumanoidEnv",
                max_episode_steps=1000,
                kwargs={"task": task, "size": size},
            )
    """,
    "mjx/__init__.py": "",
    "mjx/flax_to_torch.py": "raise ImportError('flax of 2024')",
    "dmc_deps/__init__.py": "",
    "dmc_deps/dmc_sizes.py": """
        array_sizes = {
            "mjmodel": {"qpos0": ("nq",), "gone_from_model": ("nv",)},
            "mjdata": {"qpos": ("nq",), "gone_from_data": ("nv",)},
        }
    """,
    "env.py": """
        import gymnasium
        import numpy as np
        from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer

        class HumanoidEnv(gymnasium.Env):
            metadata = {"render_modes": ["human", "rgb_array"]}

            def __init__(self, task, size, render_mode="rgb_array"):
                assert render_mode is None
                MujocoRenderer._get_viewer(None, "rgb_array")  # as the fork does
                self.task, self.size = task, size
                self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float64)
                self.action_space = gymnasium.spaces.Box(-1, 1, (19,), np.float32)

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                draw = np.random.uniform if self.task == "reach" else self.np_random.uniform
                self.state = np.r_[draw(size=3), self.np_random.uniform(size=self.size - 3)]
                return self.state.copy(), {}

            def step(self, action):
                self.state += action.sum()
                if self.task == "reach":
                    self.state[0] += np.random.uniform()
                fallen = bool(abs(self.state[-1]) > 9)
                return self.state.copy(), np.float32(self.state[0]), fallen, False, {}
    """,
}


@pytest.fixture
def humanoid_bench(tmp_path, monkeypatch):
    for name, text in FILES.items():
        file = tmp_path / "humanoid_bench" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules), set(gymnasium.registry)
    yield
    for name in set(sys.modules) - before[0]:
        if name.startswith("humanoid_bench"):
            del sys.modules[name]
    for name in set(gymnasium.registry) - before[1]:
        del gymnasium.registry[name]


def test_a_missing_install_is_one_command_away():
    if find_spec("humanoid_bench") is not None:
        pytest.skip("HumanoidBench is installed here")
    with pytest.raises(ImportError, match=r"git clone https://\S+ && pip install --no-deps"):
        make("hbench/h1-walk-v0", seeds=[0])


@pytest.mark.usefixtures("humanoid_bench")
def test_it_imports_without_torch_and_old_fields():
    if find_spec("torch") is not None:
        pytest.skip("torch is installed here")
    env: Any = make("hbench/h1-walk-v0", seeds=[0, 1])
    assert env.reset()[0].shape == (2, 51)
    assert not {"torch", "humanoid_bench.mjx.flax_to_torch"} & set(sys.modules)
    sizes = sys.modules["humanoid_bench.dmc_deps.dmc_sizes"].array_sizes
    assert {kind: list(fields) for kind, fields in sizes.items()} == {
        "mjmodel": ["qpos0"],
        "mjdata": ["qpos"],
    }
    rendering: Any = import_module("gymnasium.envs.mujoco.mujoco_rendering")
    with pytest.raises(AttributeError):  # the real one is back, and wants a renderer
        rendering.MujocoRenderer._get_viewer(None, "rgb_array")


@pytest.mark.usefixtures("humanoid_bench")
def test_steps_are_those_of_the_registered_environment():
    env: Any = make("hbench/h1-walk-v0", seeds=[3, 4])
    first, _ = env.reset()
    stream = np.random.Generator(np.random.PCG64(np.random.SeedSequence(4)))
    expected = np.r_[stream.uniform(size=3), stream.uniform(size=48)]
    np.testing.assert_array_equal(first[1], expected)
    actions = np.array([[0.5 / 19] * 19, [9.0] * 19])  # the second falls, after being clipped to 1
    observation, reward, terminated, truncated, info = env.step(actions)
    np.testing.assert_allclose(info["final_obs"], first + np.array([[0.5], [19.0]]), rtol=1e-12)
    np.testing.assert_allclose(reward, info["final_obs"][:, 0], rtol=1e-6)
    assert terminated.tolist() == [False, True]
    assert not truncated.any()
    np.testing.assert_array_equal(observation[1, :3], stream.uniform(size=3))


@pytest.mark.usefixtures("humanoid_bench")
def test_the_goals_of_reach_depend_on_their_own_seed_alone():
    """It draws from numpy's global stream, which must neither leak in nor out."""

    def rollout(env, lane, steps=6):
        frames = [env.reset()[0][lane]]
        for _ in range(steps):
            np.random.uniform(size=lane + 1)  # noqa: NPY002 - somebody else draws
            frames.append(env.step(np.full(env.action_space.shape, 0.01))[0][lane])
        return np.array(frames)

    np.random.seed(0)  # noqa: NPY002
    several = rollout(make("hbench/h1-reach-v0", seeds=[5, 3]), 1)
    drawn = np.random.uniform()  # noqa: NPY002 - the 13th
    assert drawn == np.random.RandomState(0).uniform(size=13)[-1]
    alone: Any = make("hbench/h1-reach-v0", seeds=[3])
    np.testing.assert_array_equal(several, rollout(alone, 0))
    np.testing.assert_array_equal(several[0, :3], np.random.RandomState(3).uniform(size=3))

    state = alone.state()
    other: Any = make("hbench/h1-reach-v0", seeds=[9])
    other.restore(state)
    actions = np.full((1, 19), 0.2)
    np.testing.assert_array_equal(alone.step(actions)[0], other.step(actions)[0])
    np.testing.assert_array_equal(alone.reset()[0], other.reset()[0])


@pytest.mark.usefixtures("humanoid_bench")
def test_another_humanoid_bench_is_refused():
    with pytest.raises(ValueError, match=r"h1-run-v0 has .* shapes \(\(50,\), \(19,\)\): expected"):
        make("hbench/h1-run-v0", seeds=[0])
    with pytest.raises(ValueError, match="the installed HumanoidBench has no task 'h1-maze-v0'"):
        make("hbench/h1-maze-v0", seeds=[0])
