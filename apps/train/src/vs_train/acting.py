"""Agents in their environments: what they do and what comes of it."""

import json

import numpy as np
from vs_agents import Transition
from vs_envs import VectorEnv, make

from vs_train.config import TrainConfig
from vs_train.snapshot import Arrays, part, under


def environments_of(config: TrainConfig, seeds: np.ndarray) -> VectorEnv:
    """Build one environment per seed."""
    return make(
        config.env,
        seeds=seeds,
        backend=config.backend,
        action_repeat=config.choices.action_repeat,
    )


def derived_seeds(seeds: np.ndarray, *where: int) -> list[int]:
    """Return one seed per environment for what happens at some place of the training."""
    words = [np.random.SeedSequence((int(seed), *where)).generate_state(1)[0] for seed in seeds]
    return [int(word) >> 1 for word in words]  # simulators take 31 bits


def finite(action: np.ndarray) -> np.ndarray:
    """Let a diverged agent do nothing: the simulator refuses NaN, and the other lanes go on."""
    return np.where(np.isnan(action), 0.0, action)


class Acting:
    """One environment per lane, stepped with uniformly random or with chosen actions."""

    def __init__(self, config: TrainConfig, seeds: np.ndarray, *, action_size: int) -> None:
        """Begin an episode everywhere.

        Args:
            config: task and backend.
            seeds: ``(lanes,)`` of the environments and of the random actions.
            action_size: length of one action.
        """
        self._seeds, self._action_size = seeds, action_size
        self._environments = environments_of(config, seeds)
        self._explorers = [np.random.default_rng((seed, 1)) for seed in seeds]
        self._observation = self._environments.reset()[0]
        self._action: np.ndarray | None = None

    def step(self, *, random: bool) -> tuple[Transition, np.ndarray]:
        """Do one step; return what happened and the observations to act on next, in float32.

        Args:
            random: take a uniformly random action, not the one that was chosen.
        """
        if random or self._action is None:
            draws = [rng.uniform(-1, 1, self._action_size) for rng in self._explorers]
            action = np.stack(draws)
        else:
            action = self._action
        after, reward, terminated, truncated, info = self._environments.step(action)
        transition = Transition(
            observation=self._observation.astype(np.float32),
            action=action.astype(np.float32),
            reward=reward.astype(np.float32),
            terminated=terminated.astype(np.float32),
            truncated=truncated.astype(np.float32),
            next_observation=info["final_obs"].astype(np.float32),
        )
        self._observation = after
        return transition, after.astype(np.float32)

    def choose(self, action: np.ndarray) -> None:
        """Set what to do next, ``(lanes, action)``."""
        self._action = finite(action)

    def state(self) -> Arrays:
        """Return what `restore` takes."""
        state = under("environments", self._environments.state() or {})
        explorers = json.dumps([rng.bit_generator.state for rng in self._explorers])
        state["explorers"] = np.frombuffer(explorers.encode(), np.uint8)
        state["observation"] = self._observation
        if self._action is not None:
            state["action"] = self._action
        return state

    def restore(self, state: Arrays, env_step: int) -> None:
        """Continue from a `state`.

        A backend whose environments cannot save their state starts new episodes, seeded from
        ``env_step``; their first action is random.
        """
        explorers = json.loads(state["explorers"].tobytes())
        for rng, saved in zip(self._explorers, explorers, strict=True):
            rng.bit_generator.state = saved
        environments = part(state, "environments")
        if environments:
            self._environments.restore(environments)
            self._observation, self._action = state["observation"], state.get("action")
        else:
            seeds = derived_seeds(self._seeds, env_step)
            self._observation, self._action = self._environments.reset(seed=seeds)[0], None
