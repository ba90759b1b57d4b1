import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from dm_control import suite
from vs_envs import facts, make, task, task_names

SUITE = [(domain, one) for domain, one in suite.ALL_TASKS if domain != "lqr"]


def test_the_suite_is_listed_whole():
    assert list(facts.DMC) == [f"{domain}-{one}" for domain, one in SUITE]


# one task per layout; `-m slow` does them all
@pytest.mark.parametrize(
    ("domain", "one"),
    [
        pytest.param(
            *key,
            marks=[]
            if key
            in {("dog", "run"), ("fish", "swim"), ("quadruped", "walk"), ("humanoid", "walk")}
            or key[0] in {"acrobot", "cartpole", "cheetah", "finger", "hopper", "walker"}
            else pytest.mark.slow,
        )
        for key in SUITE
    ],
)
def test_the_table_of_the_suite_is_the_simulators(domain, one):
    environment = suite.load(domain, one)
    parts = {
        name: int(np.prod(spec.shape)) for name, spec in environment.observation_spec().items()
    }
    action_size, expected = facts.DMC[f"{domain}-{one}"]
    assert list(parts.items()) == list(expected.items())  # in the same order
    assert environment.action_spec().shape == (action_size,)
    assert environment._step_limit == task(f"dmc/{domain}-{one}").episode_steps


@pytest.mark.parametrize("name", facts.GYM)
def test_the_table_of_gymnasium_is_the_simulators(name):
    spec = gymnasium.spec(name)
    environment = gymnasium.make(spec, disable_env_checker=True)
    known = task(f"gym/{name}")
    assert environment.observation_space.shape == (known.observation_size,)
    assert environment.action_space.shape == (known.action_size,)
    assert spec.max_episode_steps == known.episode_steps
    if "reward_threshold" in known.source:
        assert spec.reward_threshold == known.optimal_return


def test_facts_of_the_papers():
    """arXiv:2502.04327, Table 1; sizes from the simulators' papers."""
    known = {
        "dmc/cartpole-swingup": (5, 1, 1000.0),
        "dmc/cheetah-run": (17, 6, 1000.0),
        "dmc/dog-stand": (223, 38, 1000.0),
        "dmc/finger-spin": (9, 2, 1000.0),
        "dmc/humanoid-stand": (67, 21, 1000.0),
        "dmc/quadruped-walk": (78, 12, 1000.0),
        "dmc/walker-walk": (24, 6, 1000.0),
        "gym/HalfCheetah-v4": (17, 6, 8500.0),
        "gym/Walker2d-v4": (17, 6, 4500.0),
        "gym/Ant-v4": (27, 8, 6625.0),
        "gym/Humanoid-v4": (376, 17, 6125.0),
        "hbench/h1-reach-v0": (57, 19, 12000.0),
        "hbench/h1-walk-v0": (51, 19, 700.0),
    }
    for name, expected in known.items():
        one = task(name)
        assert (one.observation_size, one.action_size, one.optimal_return) == expected
        assert (one.name, one.episode_steps, one.action_repeat) == (name, 1000, 1)
        assert one.source
    assert set(known) < set(task_names())


def test_facts_need_no_simulator():
    code = """
import sys
from vs_envs import make, task, task_names
assert len([task(name) for name in task_names()]) > 70
print(*{"mujoco", "dm_control", "jax", "envpool", "gymnasium.envs.mujoco"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", ["dmc/cartpole", "gym/Ant-v3", "cartpole-swingup", "hbench/h1"])
def test_an_unknown_task_is_named(name):
    with pytest.raises(ValueError, match=f"unknown task '{name}'"):
        task(name)
    with pytest.raises(ValueError, match=f"unknown task '{name}'"):
        make(name, seeds=[0])
