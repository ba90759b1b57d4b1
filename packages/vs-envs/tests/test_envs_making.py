import os
import re
import sys
import types
from typing import Any

import pytest
from vs_envs import VectorEnv, choose_backend, make, task


def test_python_is_the_default():
    env = make("dmc/pendulum-swingup", seeds=[0])
    assert isinstance(env, VectorEnv)
    assert env.backend == "python"
    assert env.why == "backend 'python' was asked for"
    assert env.task == task("dmc/pendulum-swingup")


@pytest.mark.parametrize(
    ("name", "environments", "installed", "backend", "because"),
    [
        (
            "dmc/cartpole-swingup",
            10,
            True,
            "envpool",
            "faster than Python with 10 .* of cartpole, .* exact resumption",
        ),
        ("dmc/cartpole-swingup", 2, True, "python", "gains little below 4"),
        ("dmc/dog-run", 64, False, "python", r"not installed: pip install \"vs-envs\[envpool\]\""),
        ("dmc/swimmer-swimmer6", 64, True, "python", "not known to be faster"),
        ("gym/HalfCheetah-v4", 64, True, "python", "not known to be faster"),
        ("hbench/h1-walk-v0", 64, True, "python", "not known to be faster"),
    ],
)
def test_auto_takes_what_was_measured_faster(name, environments, installed, backend, because):
    chosen, why = choose_backend(name, environments=environments, installed=installed)
    assert chosen == backend
    assert re.search(because, why)


@pytest.mark.parametrize(("there", "backend"), [(True, "envpool"), (False, "python")])
def test_auto_looks_for_envpool_and_builds_nothing(there, backend, monkeypatch):
    def build(*_, **__):
        raise AssertionError("an environment was built")

    monkeypatch.setattr("vs_envs.making._build", build)
    monkeypatch.setattr("vs_envs.making.find_spec", lambda name: object() if there else None)
    assert choose_backend("dmc/dog-run", environments=8)[0] == backend
    with pytest.raises(ValueError, match="unknown task 'dmc/dog'"):
        choose_backend("dmc/dog", environments=8)


def test_auto_says_what_it_chose():
    env = make("gym/InvertedPendulum-v4", seeds=range(8), backend="auto")
    assert (env.backend, env.num_envs) == ("python", 8)
    assert env.why.startswith("auto: EnvPool is not known to be faster")


def test_an_unknown_backend_is_named():
    with pytest.raises(ValueError, match="unknown backend 'cpp': expected one of python, envpool"):
        make("dmc/pendulum-swingup", seeds=[0], backend="cpp")


def test_what_is_not_installed_is_one_command_away(monkeypatch):
    monkeypatch.setitem(sys.modules, "envpool", None)
    with pytest.raises(ImportError, match=r'needs EnvPool: pip install "vs-envs\[envpool\]"'):
        make("dmc/pendulum-swingup", seeds=[0], backend="envpool")


def test_the_installed_envpool_is_found_and_not_our_module_of_that_name(monkeypatch):
    package: Any = types.ModuleType("envpool")
    package.list_all_envs = list
    monkeypatch.setitem(sys.modules, "envpool", package)
    with pytest.raises(ValueError, match="EnvPool has no dmc/pendulum-swingup"):
        make("dmc/pendulum-swingup", seeds=[0], backend="envpool")


def test_mjx_is_behind_the_same_door(monkeypatch):
    """The arguments that reach it; its own tests say what it does with them."""
    module: Any = types.ModuleType("vs_envs.mjx")
    module.MJXVectorEnv = lambda name, *, seeds: (name, list(seeds))
    monkeypatch.setitem(sys.modules, "vs_envs.mjx", module)
    made = make("dmc/pendulum-swingup", seeds=[3, 1], backend="mjx")
    assert made == ("dmc/pendulum-swingup", [3, 1])


def test_nothing_is_drawn():
    assert os.environ["MUJOCO_GL"]
