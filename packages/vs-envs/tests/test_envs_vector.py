from typing import Any

import numpy as np
import pytest
from dm_control import suite
from vs_envs import make

# dm_control's own indexing, with numpy >= 2.5
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy:DeprecationWarning")

NAMES = ["dmc/cartpole-swingup", "dmc/finger-turn_hard", "dmc/quadruped-walk"]


def flat(time_step):
    return np.concatenate([np.ravel(part) for part in time_step.observation.values()])


@pytest.mark.parametrize("name", NAMES)
def test_steps_are_those_of_dm_control(name):
    """Same seed, same actions: the same numbers, with the action bounds rescaled."""
    domain, one = name.removeprefix("dmc/").split("-")
    theirs = suite.load(domain, one, task_kwargs={"random": 3})
    spec = theirs.action_spec()
    ours: Any = make(name, seeds=[3])
    observation, _ = ours.reset()
    np.testing.assert_array_equal(observation[0], flat(theirs.reset()))
    rng = np.random.default_rng(0)
    for _ in range(20):
        action = rng.uniform(-1, 1, spec.shape)
        middle, half = (spec.maximum + spec.minimum) / 2, (spec.maximum - spec.minimum) / 2
        expected = theirs.step(middle + half * action)
        observation, reward, terminated, truncated, info = ours.step(action[None])
        np.testing.assert_allclose(observation[0], flat(expected), rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(info["final_obs"], observation)
        assert reward[0] == pytest.approx(expected.reward, abs=1e-12)
        assert not terminated[0]
        assert not truncated[0]


def test_bounds_are_reached_at_plus_and_minus_one():
    spec = suite.load("quadruped", "walk").action_spec()
    assert {-1.0, -0.8} == set(spec.minimum)  # not all bounds are one
    env: Any = make("dmc/quadruped-walk", seeds=[0])
    env.reset()
    for action, bound in ((1.0, spec.maximum), (-1.0, spec.minimum), (5.0, spec.maximum)):
        env.step(np.full((1, 12), action))
        control = env._environments[0]._environment.physics.control()
        np.testing.assert_allclose(control, bound, atol=1e-12)


def rollout(env, seed, steps=5):
    rng = np.random.default_rng(9)
    frames = [env.reset(seed=seed)[0]]
    frames += [env.step(rng.uniform(-1, 1, env.action_space.shape))[0] for _ in range(steps)]
    return np.array(frames)


def test_seeds_reproduce_and_differ():
    env: Any = make("dmc/finger-turn_hard", seeds=[5, 5, 6])
    first = np.array([env.reset()[0] for _ in range(3)])
    np.testing.assert_array_equal(first[:, 0], first[:, 1])
    assert not np.array_equal(first[0, 0], first[0, 2])
    assert not np.array_equal(first[0, 0], first[1, 0])  # the stream goes on between episodes

    again: Any = make("dmc/finger-turn_hard", seeds=[1, 1, 1])
    np.testing.assert_array_equal(rollout(env, [5, 5, 6]), rollout(again, [5, 5, 6]))
    np.testing.assert_array_equal(rollout(env, 5)[:, 1], rollout(again, [0, 6, 0])[:, 1])
    np.testing.assert_array_equal(env.reset(seed=[5, 5, 6])[0], first[0])


def test_a_lane_depends_on_its_own_seed_alone():
    """The same lane, alone and among others, past the end of an episode."""
    for name in ("dmc/point_mass-hard", "gym/Walker2d-v4"):
        several: Any = make(name, seeds=[7, 3, 7, 8])
        alone: Any = make(name, seeds=[3])
        first, own = several.reset()[0], alone.reset()[0]
        np.testing.assert_array_equal(first[1], own[0])
        np.testing.assert_array_equal(first[0], first[2])
        rng = np.random.default_rng(0)
        ends = 0
        for _ in range(60):
            actions = rng.uniform(-1, 1, several.action_space.shape)
            observation, reward, terminated, *_ = several.step(actions)
            lane = alone.step(actions[1:2])
            np.testing.assert_array_equal(observation[1], lane[0][0])
            assert reward[1] == lane[1][0]
            ends += terminated[1]
        assert ends == 0 if name.startswith("dmc") else ends > 1


def test_the_time_limit_is_a_truncation_and_keeps_the_last_observation():
    env: Any = make("dmc/pendulum-swingup", seeds=[0, 1])
    theirs = suite.load("pendulum", "swingup", task_kwargs={"random": 1})
    observation, _ = env.reset()
    theirs.reset()
    action, last = np.zeros((2, 1)), None
    for t in range(1, 1001):
        observation, _, terminated, truncated, info = env.step(action)
        last = theirs.step(np.zeros(1))
        assert not terminated.any()
        assert truncated.all() == (t == 1000)
    assert last is not None
    assert last.last()
    assert last.discount == 1.0
    np.testing.assert_array_equal(info["final_obs"][1], flat(last))
    np.testing.assert_array_equal(observation[1], flat(theirs.reset()))  # the next episode's first
    assert not np.array_equal(info["final_obs"][1], observation[1])
    assert not env.step(action)[3].any()


def test_a_task_that_ends_by_itself_is_a_termination(monkeypatch):
    env: Any = make("dmc/cartpole-balance", seeds=[0, 1])
    env.reset()
    inner = env._environments[1]._environment.task
    monkeypatch.setattr(inner, "get_termination", lambda physics: 0.0)
    observation, _, terminated, truncated, info = env.step(np.zeros((2, 1)))
    assert terminated.tolist() == [False, True]
    assert truncated.tolist() == [False, False]
    assert not np.array_equal(info["final_obs"][1], observation[1])
    np.testing.assert_array_equal(info["final_obs"][0], observation[0])


def test_spaces_follow_gymnasium():
    env: Any = make("dmc/cartpole-swingup", seeds=[0, 1, 2])
    observation, info = env.reset()
    assert env.num_envs == 3
    assert env.observation_space.contains(observation)
    assert env.action_space.shape == (3, 1)
    assert info == {}


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="seeds is empty"):
        make("dmc/cartpole-swingup", seeds=[])
    with pytest.raises(ValueError, match="seed -1 is out of range"):
        make("dmc/cartpole-swingup", seeds=[0, -1])
    with pytest.raises(ValueError, match="seed 2147483648 is out of range"):
        make("dmc/cartpole-swingup", seeds=np.array([2**31]))
    env: Any = make("dmc/cartpole-swingup", seeds=[0, 1])
    with pytest.raises(ValueError, match="call reset first"):
        env.step(np.zeros((2, 1)))
    with pytest.raises(ValueError, match="call reset first"):
        env.state()
    env.reset()
    with pytest.raises(ValueError, match=r"shape \(1, 1\): expected \(2, 1\)"):
        env.step(np.zeros((1, 1)))
    with pytest.raises(ValueError, match="3 seeds given: expected 2"):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(ValueError, match="unknown reset options"):
        env.reset(options={"low": 0})


def test_a_task_with_terrain_needs_no_renderer():
    env: Any = make("dmc/quadruped-escape", seeds=[0, 1])
    observation, _ = env.reset()
    assert observation.shape == (2, env.task.observation_size)
    terrains = [e._environment.physics.model.hfield_data.copy() for e in env._environments]
    assert not np.array_equal(*terrains)  # drawn anew from each seed
    _, reward, *_ = env.step(np.zeros(env.action_space.shape))
    assert np.isfinite(reward).all()
