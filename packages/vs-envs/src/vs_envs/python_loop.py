"""The default backend: a plain Python loop, whose state can be stored and restored."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from vs_envs.registry import Task
from vs_envs.vector import Outcomes, VectorEnv


class Outcome(NamedTuple):
    """Result of one step of one environment."""

    observation: np.ndarray  # (observation,) float64
    reward: float
    terminated: bool
    truncated: bool


class Environment(Protocol):
    """One environment.

    Its episodes follow from its random stream and its actions: with the stream set back to where an
    episode began, the same actions give the same bits.
    """

    def seed(self, seed: int) -> None:
        """Restart the random stream; takes effect at the next reset."""

    def stream(self) -> np.ndarray:
        """Return the state of the random stream, ``(words,)`` uint64."""

    def set_stream(self, words: np.ndarray) -> None:
        """Set the random stream to what `stream` returned."""

    def reset(self) -> np.ndarray:
        """Start an episode and return its first observation, ``(observation,)`` float64."""
        ...

    def step(self, action: np.ndarray) -> Outcome:
        """Apply an action of [-1, 1]^A."""
        ...


class LoopEnv(VectorEnv):
    """A plain Python loop over environments.

    The state is kept as a recipe: where each random stream stood when the running episode began,
    and the actions since. `restore` plays them again. That is exact for every simulator, as it asks
    for nothing but determinism, and takes no longer than the episode did.
    """

    def __init__(
        self,
        task: Task,
        build: Callable[[str, int], Environment],
        *,
        seeds: Sequence[int] | np.ndarray,
        repeat: int = 1,
    ) -> None:
        """Build one environment per seed.

        Args:
            task: the facts of the task, the repeated one's.
            build: makes one environment from the task's ``env`` and a seed.
            seeds: one seed per environment.
            repeat: steps of an environment per action.

        Raises:
            ValueError: if there is no seed, or one is out of range.
        """
        self._repeat = repeat
        super().__init__(task, seeds=seeds, backend="python")
        self._environments = [build(task.env, seed) for seed in self._seeds]
        self._origins = [environment.stream() for environment in self._environments]
        self._steps = np.zeros(self.num_envs, np.int64)
        self._actions = np.zeros((self.num_envs, task.episode_steps, task.action_size))

    def _reset(self, seeds: list[int] | None) -> np.ndarray:
        if seeds is not None:
            for environment, seed in zip(self._environments, seeds, strict=True):
                environment.seed(seed)
        return np.stack([self._begin(i) for i in range(self.num_envs)])

    def _begin(self, i: int) -> np.ndarray:
        self._origins[i] = self._environments[i].stream()
        self._steps[i] = 0
        return self._environments[i].reset()

    def _step(self, actions: np.ndarray) -> Outcomes:
        final = np.empty((self.num_envs, self.task.observation_size))
        reward = np.empty(self.num_envs)
        terminated, truncated = np.zeros((2, self.num_envs), bool)
        for i, (environment, action) in enumerate(zip(self._environments, actions, strict=True)):
            self._actions[i, self._steps[i]] = action
            final[i], reward[i], terminated[i], truncated[i] = self._apply(environment, action)
        self._steps += 1
        # a registered environment may have no time limit
        truncated |= (self._steps >= self.task.episode_steps) & ~terminated
        observation = final.copy()
        for i in np.flatnonzero(terminated | truncated).tolist():
            observation[i] = self._begin(i)
        return Outcomes(observation, final, reward, terminated, truncated)

    def _apply(self, environment: Environment, action: np.ndarray) -> Outcome:
        """Repeat an action; rewards add up, an end cuts it off."""
        outcome = environment.step(action)
        total = outcome.reward
        for _ in range(self._repeat - 1):
            if outcome.terminated or outcome.truncated:
                break
            outcome = environment.step(action)
            total += outcome.reward
        return outcome._replace(reward=total)

    def state(self) -> dict[str, np.ndarray]:
        """Return where the running episodes began and the actions since.

        Returns:
            ``streams`` ``(environments, words)`` uint64, ``steps`` ``(environments,)`` int64 and
            ``actions`` ``(environments, longest episode so far, action)`` float64, 0 past an
            environment's own steps.

        Raises:
            ValueError: if there was no reset yet.
        """
        self._check_begun()
        longest = int(self._steps.max())
        own = np.arange(longest) < self._steps[:, None]
        return {
            "streams": np.stack(self._origins),
            "steps": self._steps.copy(),
            "actions": np.where(own[..., None], self._actions[:, :longest], 0.0),
        }

    def restore(self, state: dict[str, np.ndarray]) -> np.ndarray:
        """Begin the episodes again and take the same actions, up to 1000 steps of each."""
        streams, steps, actions = self._parts(state)
        self._begun = True
        observations = []
        for i, environment in enumerate(self._environments):
            environment.set_stream(streams[i])
            observation = self._begin(i)
            for action in actions[i, : steps[i]]:
                observation = self._apply(environment, action).observation
            observations.append(observation)
        self._steps[:] = steps
        self._actions[:, : actions.shape[1]] = actions
        return np.stack(observations)

    def _parts(self, state: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if set(state) != {"streams", "steps", "actions"}:
            raise ValueError(
                f"state has the entries {sorted(state)}: expected streams, steps and actions"
            )
        steps = np.asarray(state["steps"], np.int64)
        longest = int(steps.max()) if steps.shape == (self.num_envs,) else 0
        expected = {
            "streams": (self.num_envs, self._origins[0].size),
            "steps": (self.num_envs,),
            "actions": (self.num_envs, longest, self.task.action_size),
        }
        for name, shape in expected.items():
            if np.shape(state[name]) != shape:
                raise ValueError(
                    f"state[{name!r}] has shape {np.shape(state[name])}: expected {shape} for "
                    f"{self.num_envs} environments of {self.task.name}"
                )
        if steps.min() < 0 or longest >= self.task.episode_steps:
            raise ValueError(
                f"state['steps'] spans {steps.min()} to {longest}: expected at least 0 and less "
                f"than the {self.task.episode_steps} of an episode"
            )
        streams = np.asarray(state["streams"], np.uint64)
        return streams, steps, np.asarray(state["actions"], np.float64)
