import jax
import numpy as np
import pytest
from vs_agents import replay as memory
from vs_agents.replay import Transition


def numbered(i: int) -> Transition:
    """A transition whose every field tells its number."""
    one, ended = np.array(i, np.float32), np.array(i % 2, np.float32)
    never = np.zeros((), np.float32)
    after = np.full(3, one + 0.5)
    return Transition(np.full(3, one), np.full(2, 10 * one), one, ended, never, after)


def filled(n: int, capacity: int) -> memory.Replay:
    replay = memory.empty(capacity, 3, 2, lanes=1)
    replay = replay._replace(data=jax.tree.map(lambda x: x[0], replay.data))
    for i in range(n):
        replay = memory.insert(replay, numbered(i))
    return replay


def test_the_oldest_is_overwritten():
    replay = filled(7, capacity=5)
    assert int(replay.inserted) == 7
    np.testing.assert_array_equal(replay.data.reward, [5, 6, 2, 3, 4])


def test_samples_are_whole_transitions_among_those_present():
    batch = memory.sample(filled(3, capacity=100), jax.random.key(0), (4, 500), discount=0.5)
    assert batch.observation.shape == (4, 500, 3)
    reward = np.asarray(batch.reward)
    assert set(np.unique(reward)) == {0.0, 1.0, 2.0}
    np.testing.assert_array_equal(batch.observation[..., 0], reward)
    np.testing.assert_array_equal(batch.action[..., 1], 10 * reward)
    np.testing.assert_array_equal(batch.discount, 0.5 * (1 - reward % 2))
    np.testing.assert_array_equal(batch.next_observation[..., 2], reward + 0.5)


def test_sampling_is_uniform():
    n, draws = 20, 40_000
    batch = memory.sample(filled(n, capacity=n), jax.random.key(1), (draws,), discount=0.9)
    counts = np.bincount(np.asarray(batch.reward, int), minlength=n)
    chi_square = ((counts - draws / n) ** 2 / (draws / n)).sum()
    assert chi_square < 43.8  # the 99.9 % quantile at 19 degrees of freedom


def episode(kinds: str, capacity: int) -> memory.Replay:
    """Steps numbered from 0 with rewards 1, 2, ...: "." goes on, "T" terminates, "L" is a limit."""
    replay = filled(0, capacity)
    for i, kind in enumerate(kinds):
        one = numbered(i)._replace(
            reward=np.array(i + 1, np.float32),
            terminated=np.array(kind == "T", np.float32),
            truncated=np.array(kind == "L", np.float32),
        )
        replay = memory.insert(replay, one)
    return replay


@pytest.mark.parametrize(
    ("kinds", "capacity", "windows"),
    [
        # first step: (rewards, steps, bootstraps or not)
        ("......", 10, {0: ([1, 2, 3], 1), 3: ([4, 5, 6], 1), 4: ([5, 6], 1), 5: ([6], 1)}),
        ("..T...", 10, {0: ([1, 2, 3], 0), 1: ([2, 3], 0), 2: ([3], 0), 3: ([4, 5, 6], 1)}),
        ("..L...", 10, {0: ([1, 2, 3], 1), 1: ([2, 3], 1), 2: ([3], 1), 3: ([4, 5, 6], 1)}),
        ("......", 4, {2: ([3, 4, 5], 1), 3: ([4, 5, 6], 1), 4: ([5, 6], 1), 5: ([6], 1)}),
    ],
)
def test_windows_of_three_steps_are_cut_at_ends_and_at_the_newest(kinds, capacity, windows):
    replay = episode(kinds, capacity)
    batch = memory.sample(replay, jax.random.key(0), (200,), discount=0.5, n_step=3)
    starts = np.asarray(batch.observation[:, 0], int)
    assert set(windows) <= set(starts.tolist())
    for first, (rewards, goes_on) in windows.items():
        (one, *_) = np.flatnonzero(starts == first)
        total = sum(0.5**k * reward for k, reward in enumerate(rewards))
        assert float(batch.reward[one]) == pytest.approx(total)
        assert float(batch.discount[one]) == pytest.approx(goes_on * 0.5 ** len(rewards))
        assert float(batch.next_observation[one, 0]) == first + len(rewards) - 1 + 0.5
