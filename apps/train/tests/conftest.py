"""A toy instead of a simulator: fast, and its episodes end early, at different steps."""

import numpy as np
import pytest
from vs_envs import task
from vs_envs.python_loop import LoopEnv, Outcome


class Toy:
    """A point between -1 and 1 that drifts off; leaving it ends the episode, 30 steps cut it."""

    def __init__(self, name, seed):
        self.seed(seed)

    def seed(self, seed):
        self._word = seed

    def stream(self):
        return np.array([self._word], np.uint64)

    def set_stream(self, words):
        self._word = int(words[0])

    def _draw(self):
        self._word = (self._word * 6364136223846793005 + 1442695040888963407) % 2**64
        return 2 * self._word / 2**64 - 1

    def _observation(self):
        return np.array([self._place, self._drift, self._place**2])

    def reset(self):
        self._steps, self._place, self._drift = 0, 0.5 * self._draw(), 0.2 * self._draw()
        return self._observation()

    def step(self, action):
        self._steps += 1
        self._place += self._drift + 0.1 * float(action[0])
        fallen = abs(self._place) > 1
        reward = 1 - self._place**2
        return Outcome(self._observation(), reward, fallen, self._steps == 30 and not fallen)


@pytest.fixture
def toy(monkeypatch):
    """Replace every environment; the cells still name a real task, of the same sizes."""

    def make(name, *, seeds, backend, action_repeat):
        assert (backend, action_repeat) == ("python", 1)
        return LoopEnv(task(name), Toy, seeds=seeds)

    monkeypatch.setattr("vs_train.acting.make", make)
    return make
