import io
from typing import Any

import numpy as np
import pytest
from vs_envs import make, task_names

TASKS = [
    "dmc/finger-turn_hard",  # these five draw parts of the model at each reset
    "dmc/fish-swim",
    "dmc/point_mass-hard",
    "dmc/reacher-easy",
    "dmc/swimmer-swimmer6",
    "dmc/cheetah-run",
    "dmc/humanoid-walk",
    "dmc/quadruped-walk",  # has actuator states
    "gym/HalfCheetah-v4",
    "gym/Walker2d-v4",  # falls
    "gym/Ant-v5",
    "gym/Pusher-v5",
]


def stored(state):
    """Through a file, as a checkpoint would."""
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        return dict(loaded)


def assert_same(ours, theirs):
    for a, b in zip(ours[:4], theirs[:4], strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(ours[4]["final_obs"], theirs[4]["final_obs"])


def goes_on_exactly(name, before, after):
    """Run, store, restore in fresh environments of other seeds and another past, compare."""
    env: Any = make(name, seeds=[4, 5])
    env.reset()
    rng = np.random.default_rng(0)
    observation = None
    for t in range(before):
        if t == before // 2:
            env.reset()  # so that the streams are not where their seeds put them
        observation, *_ = env.step(rng.uniform(-1, 1, env.action_space.shape))
    state = env.state()
    assert state is not None
    assert {name: array.dtype for name, array in state.items()} == {
        "streams": np.uint64,
        "steps": np.int64,
        "actions": np.float64,
    }
    other: Any = make(name, seeds=[8, 9])
    other.reset()
    other.step(np.ones(env.action_space.shape))
    np.testing.assert_array_equal(other.restore(stored(state)), observation)
    ends = 0
    for _ in range(after):
        actions = rng.uniform(-1, 1, env.action_space.shape)
        outcome = env.step(actions)
        assert_same(other.step(actions), outcome)
        ends += (outcome[2] | outcome[3]).sum()
    np.testing.assert_array_equal(other.reset()[0], env.reset()[0])  # the streams agree as well
    for key, value in env.state().items():
        np.testing.assert_array_equal(other.state()[key], value)
    return ends


@pytest.mark.parametrize("name", TASKS)
def test_a_restored_state_goes_on_bit_for_bit(name):
    ends = goes_on_exactly(name, before=30, after=40)
    assert ends > 0 if name == "gym/Walker2d-v4" else ends == 0


def test_across_a_time_limit_and_from_an_episodes_first_observation():
    assert goes_on_exactly("dmc/pendulum-swingup", before=1998, after=1003) == 4
    assert goes_on_exactly("gym/Reacher-v5", before=100, after=60) == 2  # 50 steps: just reset


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in task_names() if not name.startswith("hbench")])
def test_every_task_goes_on_bit_for_bit(name):
    goes_on_exactly(name, before=24, after=24)


def test_a_state_that_was_restored_can_be_stored_again():
    env: Any = make("dmc/fish-swim", seeds=[0])
    env.reset()
    env.step(np.ones((1, 5)))
    other: Any = make("dmc/fish-swim", seeds=[1])
    other.restore(env.state())  # without a reset before
    outcomes = [one.step(np.zeros((1, 5))) for one in (env, other)]
    assert_same(*outcomes)
    again: Any = make("dmc/fish-swim", seeds=[2])
    np.testing.assert_array_equal(again.restore(other.state()), outcomes[0][0])


def test_a_wrong_state_is_refused():
    env: Any = make("dmc/pendulum-swingup", seeds=[0, 1])
    env.reset()
    env.step(np.zeros((2, 1)))
    state = env.state()
    with pytest.raises(
        ValueError, match=r"entries .*'steps'.: expected streams, steps and actions"
    ):
        env.restore({"steps": state["steps"]})
    three: Any = make("dmc/pendulum-swingup", seeds=[0, 1, 2])
    with pytest.raises(ValueError, match=r"shape \(2, 627\): expected \(3, 627\)"):
        three.restore(state)
    gym: Any = make("gym/InvertedPendulum-v4", seeds=[0, 1])
    with pytest.raises(ValueError, match=r"expected \(2, 6\) for 2 environments of gym/Inv"):
        gym.restore(state)
    with pytest.raises(ValueError, match="spans -1 to 1"):
        env.restore(state | {"steps": np.array([-1, 1])})
