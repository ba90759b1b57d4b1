"""EnvPool (Weng et al. 2022, arXiv:2206.10558): the same tasks in C++, as an optional fast path."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from vs_envs import facts
from vs_envs.registry import Task
from vs_envs.vector import Outcomes, VectorEnv, rescaled

_NEVER = 2**30  # steps


class PoolEnv(VectorEnv):
    """EnvPool behind the interface of the plain loop.

    One step from the same state equals the simulators' own to round-off, apart from the reward,
    which EnvPool rounds to float32. Its MuJoCo is its own (3.11 in EnvPool 1.2.7) and so are its
    random streams: episodes are reproducible, but not those that the loop has for the same seed.
    EnvPool neither tells nor takes a state: `state` is None.

    How this class works around EnvPool:

    - DMC observations come as a dict with extra parts, filled with zeros, in another order: the
      suite's own parts are picked in the suite's own order.
    - It resets an environment in the step *after* the one that ended the episode, ignoring that
      step's action: those that ended are reset here at once.
    - It does not tell an episode that ends at the time limit from one that falls in that very step:
      its time limit is put out of reach and steps are counted here.
    """

    def __init__(self, task: Task, *, seeds: Sequence[int] | np.ndarray) -> None:
        """Build the pool, with as many threads as EnvPool sees fit.

        Args:
            task: the facts of the task.
            seeds: one seed per environment.

        Raises:
            ValueError: if EnvPool does not have the task, there is no seed, or one is out of range.
            ImportError: if EnvPool is not installed.
        """
        super().__init__(task, seeds=seeds, backend="envpool")
        self._pool = self._build()
        space = self._pool.action_space
        # gymnasium's bounds are float32: the same ones here, so that actions mean the same
        dtype = np.float32 if task.benchmark == "gym" else np.float64
        self._low = space.low.astype(dtype).astype(np.float64)
        self._high = space.high.astype(dtype).astype(np.float64)
        self._steps = np.zeros(self.num_envs, np.int64)

    def _build(self) -> Any:
        try:
            envpool = import_module("envpool")
        except ModuleNotFoundError as error:
            raise ImportError(
                'the envpool backend needs EnvPool: pip install "vs-envs[envpool]"'
            ) from error
        name = pool_name(self.task)
        if name not in envpool.list_all_envs():
            raise ValueError(f"EnvPool has no {self.task.name}: use the python backend")
        return envpool.make(
            name,
            env_type="gymnasium",
            num_envs=self.num_envs,
            seed=self._seeds,
            max_episode_steps=_NEVER,
        )

    def _reset(self, seeds: list[int] | None) -> np.ndarray:
        if seeds is not None:  # a pool is seeded when it is made
            self._seeds = seeds
            self._pool = self._build()
        self._steps[:] = 0
        return self._flat(self._pool.reset()[0])

    def _step(self, actions: np.ndarray) -> Outcomes:
        raw, reward, terminated, _, _ = self._pool.step(rescaled(actions, self._low, self._high))
        final = self._flat(raw)
        self._steps += 1
        truncated = self._steps >= self.task.episode_steps
        observation = final.copy()
        ended = np.flatnonzero(terminated | truncated)
        if ended.size:
            observation[ended] = self._flat(self._pool.reset(ended.astype(np.int32))[0])
            self._steps[ended] = 0
        return Outcomes(observation, final, reward.astype(np.float64), terminated.copy(), truncated)

    def _flat(self, raw: Any) -> np.ndarray:
        """Return EnvPool's observations as ``(environments, observation)``, a copy."""
        if self.task.benchmark != "dmc":
            return np.array(raw, np.float64)
        _, parts = facts.DMC[self.task.env]
        return np.concatenate([raw[name].reshape(-1, size) for name, size in parts.items()], axis=1)


def pool_name(task: Task) -> str:
    """Return EnvPool's name of a task: ``finger-turn_hard`` is ``FingerTurnHard-v1`` there."""
    if task.benchmark != "dmc":
        return task.env
    words = task.env.replace("-", "_").split("_")
    return "".join(word[:1].upper() + word[1:] for word in words) + "-v1"
