"""Tasks that a user registers: a dm_control one and a gymnasium one, through the same door."""

import inspect
import io
import sys
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from dm_control.rl import control
from dm_control.suite import cartpole
from gymnasium.envs.mujoco.inverted_pendulum_v5 import InvertedPendulumEnv
from gymnasium.spaces import Box, Dict
from vs_envs import Task, choose_backend, make, register_task, registry, task, task_names

# dm_control's own indexing, with numpy >= 2.5
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy:DeprecationWarning")


class Steady(cartpole.Balance):
    """A user's own task: the pole has to stand still."""

    def get_reward(self, physics):
        return float(np.exp(-abs(physics.angular_vel()).max()))


def build_steady(seed):
    physics = cartpole.Physics.from_xml_string(*cartpole.get_model_and_assets())
    steady = Steady(swing_up=False, sparse=False, random=seed)
    return control.Environment(physics, steady, control_timestep=0.01)


def register_steady():
    register_task(
        Task(
            benchmark="mine",
            env="walker-steady",  # auto would take EnvPool for the walkers of dm_control
            observation_size=5,
            action_size=1,
            episode_steps=40,
            optimal_return=40.0,
            source="upper bound: a reward in [0, 1] over 40 steps",
        ),
        build_steady,
    )


class Heavy(InvertedPendulumEnv):
    """A user's own environment: it pays by how upright the pole is."""

    def step(self, action):
        observation, _, terminated, truncated, info = super().step(action)
        return observation, float(np.cos(observation[1])), terminated, truncated, info


def register_heavy():
    register_task(
        Task(
            benchmark="gym",
            env="HeavyPendulum-v0",
            observation_size=4,
            action_size=1,
            episode_steps=12,
            optimal_return=12.0,
            source="upper bound: a reward of at most 1 over 12 steps",
        ),
        lambda seed: Heavy(),
    )


REGISTRATIONS = {"mine/walker-steady": register_steady, "gym/HeavyPendulum-v0": register_heavy}


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTERED", {})
    for register in REGISTRATIONS.values():
        register()


@pytest.mark.parametrize("register", REGISTRATIONS.values())
def test_a_registration_is_one_call_of_twelve_lines(register):
    call = inspect.getsource(register).splitlines()[1:]
    assert len(call) == 12  # seven facts, the function, and the brackets around them


@pytest.mark.parametrize("name", REGISTRATIONS)
def test_a_registered_task_is_known_by_name(name):
    assert name in task_names()
    known = task(name)
    assert (known.name, known.action_repeat) == (name, 1)
    env = make(name, seeds=[0, 1, 2])
    assert (env.backend, env.task, env.num_envs) == ("python", known, 3)


@pytest.mark.parametrize("name", REGISTRATIONS)
def test_its_episodes_depend_on_the_seed_alone_and_end_at_its_time_limit(name):
    """Neither environment has a time limit: the task's is enforced."""
    frames = []
    for seeds in ([7, 3, 7], [3], [9]):
        env: Any = make(name, seeds=seeds)
        rows, rng = [env.reset()[0]], np.random.default_rng(0)
        for step in range(1, 2 * env.task.episode_steps + 1):
            action = 0.1 * rng.uniform(-1, 1, 1)
            observation, _, terminated, truncated, _ = env.step(np.tile(action, (len(seeds), 1)))
            assert not terminated.any()  # the pendulum needs longer to fall
            assert truncated.all() == truncated.any() == (step % env.task.episode_steps == 0)
            rows.append(observation)
        frames.append(np.array(rows))
    several, alone, other = frames
    np.testing.assert_array_equal(several[:, 0], several[:, 2])
    np.testing.assert_array_equal(several[:, 1:2], alone)
    assert not np.array_equal(alone, other)
    assert not np.array_equal(several[0], several[env.task.episode_steps])  # another episode


@pytest.mark.parametrize("name", REGISTRATIONS)
def test_its_state_goes_on_bit_for_bit(name):
    env: Any = make(name, seeds=[4, 5])
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(env.task.episode_steps + 7):
        observation, *_ = env.step(0.3 * rng.uniform(-1, 1, (2, 1)))
    file = io.BytesIO()
    np.savez(file, **env.state())
    file.seek(0)
    other: Any = make(name, seeds=[8, 9])
    np.testing.assert_array_equal(other.restore(dict(np.load(file))), observation)
    for _ in range(env.task.episode_steps):
        actions = rng.uniform(-1, 1, (2, 1))
        for ours, theirs in zip(env.step(actions)[:4], other.step(actions)[:4], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_its_steps_are_those_of_the_users_environment():
    theirs: Any = build_steady(3)
    ours: Any = make("mine/walker-steady", seeds=[3])
    first = np.concatenate([np.ravel(part) for part in theirs.reset().observation.values()])
    np.testing.assert_array_equal(ours.reset()[0][0], first)
    for action in (1.0, -0.5, 0.25):
        expected = theirs.step(np.array([action]))
        observation, reward, *_ = ours.step(np.array([[action]]))
        flat = np.concatenate([np.ravel(part) for part in expected.observation.values()])
        np.testing.assert_array_equal(observation[0], flat)
        assert reward[0] == expected.reward


def test_only_python_has_it():
    for name in REGISTRATIONS:
        chosen, why = choose_backend(name, environments=64, installed=True)
        assert chosen == "python"
        assert "a registered task, and EnvPool does not have it" in why
        for backend in ("envpool", "mjx"):
            with pytest.raises(ValueError, match=f"{backend} has no {name}, a registered task"):
                make(name, seeds=[0], backend=backend)


def test_auto_does_not_take_envpool_for_a_task_in_a_fast_domain():
    register_task(replace(task("mine/walker-steady"), benchmark="dmc"), build_steady)
    chosen, _ = choose_backend("dmc/walker-steady", environments=64, installed=True)
    assert chosen == "python"


def test_a_module_that_registers_is_imported_by_the_tasks_name(tmp_path, monkeypatch):
    (tmp_path / "own_thing_module.py").write_text(
        "from vs_envs import Task, register_task\n"
        "facts = dict(observation_size=4, action_size=1, episode_steps=9)\n"
        "register_task(Task(benchmark='mine', env='thing', optimal_return=9.0, source='', **facts),"
        " lambda seed: None)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="unknown task 'mine/thing'"):
        task("mine/thing")
    assert task("own_thing_module:mine/thing").name == "mine/thing"
    assert task("mine/thing").optimal_return == 9.0
    with pytest.raises(ValueError, match="unknown task 'own_thing_module:mine/other'"):
        task("own_thing_module:mine/other")
    with pytest.raises(ValueError, match="no module 'own_task'; expected one that can be imported"):
        task("own_task:mine/thing")
    (tmp_path / "broken_tasks.py").write_text("import a_module_that_is_not_there\n")
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
        task("broken_tasks:mine/thing")
    sys.modules.pop("own_thing_module")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"benchmark": "dmc", "env": "walker-run"}, "dmc/walker-run comes with vs-envs"),
        ({"env": "a/b"}, "env = 'a/b': expected a name without '/' and ':'"),
        ({"benchmark": ""}, "benchmark = '': expected a name"),
        ({"observation_size": 0}, "observation_size = 0: expected at least 1"),
        ({"optimal_return": 0.0}, "optimal_return = 0.0: expected a positive number"),
        ({"optimal_return": float("nan")}, "optimal_return = nan: expected a positive number"),
    ],
)
def test_facts_that_cannot_be(change, sentence):
    before = task_names()
    with pytest.raises(ValueError) as error:
        register_task(replace(task("mine/walker-steady"), **change), build_steady)
    assert sentence in str(error.value)
    assert task_names() == before


class Odd(gymnasium.Env):
    """An environment with the spaces it is given."""

    def __init__(self, observation, action):
        self.observation_space, self.action_space = observation, action


UNIT, WIDE = Box(-1, 1, (1,)), Box(-1, 1, (5,))


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda seed: "x", "returned str: expected a gymnasium.Env or a dm_control"),
        (lambda seed: Odd(Dict(a=WIDE), UNIT), "observation_space is Dict"),
        (
            lambda seed: Odd(UNIT, UNIT),
            "observations of length 1 and actions of shape (1,): expected",
        ),
        (lambda seed: Odd(WIDE, WIDE), "actions of shape (5,): expected 5 and (1,)"),
        (lambda seed: Odd(WIDE, Box(-np.inf, np.inf, (1,))), "actions have no bounds"),
    ],
)
def test_environments_that_are_not_the_tasks(build, sentence):
    register_task(task("mine/walker-steady"), build)  # again: it replaces the other
    with pytest.raises(ValueError) as error:
        make("mine/walker-steady", seeds=[0])
    assert sentence in str(error.value)
    assert str(error.value).startswith("mine/walker-steady: ")


class Countdown(gymnasium.Env):
    """Observations count steps; a reward is the step's number; ends after `length` steps."""

    observation_space, action_space = Box(-np.inf, np.inf, (1,)), Box(-1.0, 1.0, (1,))

    def __init__(self, length):
        self.length, self.at = length, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return np.zeros(1), {}

    def step(self, action):
        self.at += 1
        return np.full(1, float(self.at)), float(self.at), self.at == self.length, False, {}


def test_an_action_may_be_repeated_and_an_end_cuts_it_off():
    facts = Task(
        benchmark="mine",
        env="countdown",
        observation_size=1,
        action_size=1,
        episode_steps=20,
        optimal_return=1.0,
        source="none",
    )
    register_task(facts, lambda _: Countdown(8))
    env = make("mine/countdown", seeds=[0], action_repeat=5)
    assert (env.task.episode_steps, env.task.action_repeat) == (4, 5)
    env.reset()
    observation, reward, terminated, _, info = env.step(np.zeros((1, 1)))
    assert (observation[0, 0], reward[0], terminated[0]) == (5, 1 + 2 + 3 + 4 + 5, False)
    state = env.state()
    assert state is not None
    observation, reward, terminated, _, info = env.step(np.zeros((1, 1)))
    assert (info["final_obs"][0, 0], reward[0], terminated[0]) == (8, 6 + 7 + 8, True)
    assert observation[0, 0] == 0
    assert env.restore(state)[0, 0] == 5
    with pytest.raises(ValueError, match="action_repeat = 3: expected a divisor of 20"):
        make("mine/countdown", seeds=[0], action_repeat=3)
    with pytest.raises(ValueError, match="envpool has no action repeat: use python"):
        make("dmc/cartpole-swingup", seeds=[0], backend="envpool", action_repeat=2)
