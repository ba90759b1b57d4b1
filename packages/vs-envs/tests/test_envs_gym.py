from typing import Any

import gymnasium
import numpy as np
import pytest
from vs_envs import make

NAMES = ["HalfCheetah-v4", "Walker2d-v5", "Humanoid-v4", "Ant-v5", "Pusher-v5", "Reacher-v4"]


@pytest.mark.parametrize("name", NAMES)
def test_steps_are_those_of_gymnasium(name):
    """Same seed, same actions: the same numbers as gymnasium, through falls and time limits."""
    theirs: Any = gymnasium.make(gymnasium.spec(name), disable_env_checker=True)
    high = theirs.action_space.high.astype(np.float64)
    np.testing.assert_array_equal(theirs.action_space.low, -high)
    ours = make(f"gym/{name}", seeds=[3])
    expected = theirs.reset(seed=3)[0]
    np.testing.assert_array_equal(ours.reset()[0][0], expected)
    rng = np.random.default_rng(0)
    ends = 0
    for _ in range(60):
        action = rng.uniform(-1, 1, high.shape)
        expected, r, terminates, truncates, _ = theirs.step(high * action)
        observation, reward, terminated, truncated, info = ours.step(action[None])
        # the rescaling rounds in another order, and contacts amplify that
        np.testing.assert_allclose(info["final_obs"][0], expected, rtol=1e-7, atol=1e-7)
        assert reward[0] == pytest.approx(r, rel=1e-7, abs=1e-7)
        assert (terminated[0], truncated[0]) == (terminates, truncates)
        if terminates or truncates:
            ends += 1
            np.testing.assert_array_equal(observation[0], theirs.reset()[0])
    assert ends > 0 if name in {"Walker2d-v5", "Humanoid-v4", "Reacher-v4"} else ends == 0


@pytest.mark.parametrize("name", ["HalfCheetah-v4", "Humanoid-v4", "Pusher-v5"])
def test_actions_of_one_are_the_bounds(name):
    """With float64 actions at the bounds nothing is rounded: bit for bit."""
    theirs: Any = gymnasium.make(gymnasium.spec(name), disable_env_checker=True)
    ours = make(f"gym/{name}", seeds=[3])
    theirs.reset(seed=3)
    ours.reset()
    for action, bound in (
        (1.0, theirs.action_space.high),
        (-1.0, theirs.action_space.low),
        (9.0, theirs.action_space.high),
    ):
        expected, reward, *_ = theirs.step(bound.astype(np.float64))
        outcome = ours.step(np.full((1, bound.size), action))
        np.testing.assert_array_equal(outcome[0][0], expected)
        assert outcome[1][0] == reward


def test_falling_terminates_and_the_time_limit_truncates():
    env = make("gym/Walker2d-v4", seeds=[0, 1])
    env.reset()
    rng = np.random.default_rng(0)
    falls = 0
    for _ in range(100):
        observation, _, terminated, truncated, info = env.step(rng.uniform(-1, 1, (2, 6)))
        assert not truncated.any()
        moved = np.abs(info["final_obs"] - observation).max(axis=1) > 0
        np.testing.assert_array_equal(moved, terminated)
        for i in np.flatnonzero(terminated):
            falls += 1
            height, angle = info["final_obs"][i, :2]
            assert height < 0.8 or height > 2.0 or abs(angle) > 1.0  # a fall, by the rule of v4
            upright = np.eye(1, 17)[0] * 1.25  # its start, up to noise of 0.005
            np.testing.assert_allclose(observation[i], upright, atol=0.005)
    assert falls >= 4

    env = make("gym/Reacher-v5", seeds=[0])
    env.reset()
    ends = [env.step(np.zeros((1, 2)))[2:4] for _ in range(100)]
    assert not any(terminated.any() for terminated, _ in ends)
    assert [t for t, (_, truncated) in enumerate(ends, 1) if truncated.any()] == [50, 100]


def test_v4_needs_no_warning(recwarn):
    """gymnasium warns that v4 is out of date; asked for by name here, it is not news."""
    make("gym/Ant-v4", seeds=[0])
    assert not recwarn.list
