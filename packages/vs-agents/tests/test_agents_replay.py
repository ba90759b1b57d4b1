import jax
import numpy as np
from vs_agents import replay as memory
from vs_agents.replay import Transition


def numbered(i: int) -> Transition:
    """A transition whose every field tells its number."""
    one, ended = np.array(i, np.float32), np.array(i % 2, np.float32)
    return Transition(np.full(3, one), np.full(2, 10 * one), one, ended, np.full(3, one + 0.5))


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
    batch = memory.sample(filled(3, capacity=100), jax.random.key(0), (4, 500))
    assert batch.observation.shape == (4, 500, 3)
    reward = np.asarray(batch.reward)
    assert set(np.unique(reward)) == {0.0, 1.0, 2.0}
    np.testing.assert_array_equal(batch.observation[..., 0], reward)
    np.testing.assert_array_equal(batch.action[..., 1], 10 * reward)
    np.testing.assert_array_equal(batch.terminated, reward % 2)
    np.testing.assert_array_equal(batch.next_observation[..., 2], reward + 0.5)


def test_sampling_is_uniform():
    n, draws = 20, 40_000
    batch = memory.sample(filled(n, capacity=n), jax.random.key(1), (draws,))
    counts = np.bincount(np.asarray(batch.reward, int), minlength=n)
    chi_square = ((counts - draws / n) ** 2 / (draws / n)).sum()
    assert chi_square < 43.8  # the 99.9 % quantile at 19 degrees of freedom
