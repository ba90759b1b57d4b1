"""One program of lanes: agents in environments outside jit, one environment step at a time."""

import jax
import numpy as np
from vs_agents import (
    Lanes,
    diagnose,
    evaluate,
    fresh_loss,
    init_lanes,
    reset_lanes,
    step,
    updates_due,
)

from vs_train.acting import Acting, derived_seeds, environments_of, finite
from vs_train.cell import Evaluation, agent_config, critic_updates, decisions, lane_axes, reset_due
from vs_train.config import SEED_LIMIT, TrainConfig
from vs_train.holdout import Holdout
from vs_train.means import Means
from vs_train.snapshot import Arrays, pack, part, restored, under


class Trainer:
    """Some lanes of a cell, trained one environment step at a time.

    Attributes:
        env_step: environment steps of each agent so far.
    """

    def __init__(self, config: TrainConfig, *, lanes: slice = slice(None)) -> None:
        """Build agents and environments.

        Args:
            config: the cell.
            lanes: which of `lane_axes`.
        """
        self.env_step = 0
        self._config, self._choices = config, config.choices
        rates, seeds = lane_axes(config)
        self._seeds = seeds[lanes]
        self._agent = agent_config(config)
        capacity = min(config.replay_capacity, config.steps // self._choices.action_repeat)
        self._lanes = init_lanes(
            self._agent, seeds=self._seeds, learning_rates=rates[lanes], capacity=capacity
        )
        self._acting = Acting(config, self._seeds, action_size=self._agent.action_size)
        self._judges = environments_of(config, SEED_LIMIT + self._seeds)
        self._holdout: Holdout | None = None
        if config.diagnostics == "validation":
            self._holdout = Holdout(config, self._agent, self._seeds, capacity=capacity)
        self._metrics = Means()

    def advance(self, until: int) -> Evaluation | None:
        """Do one decision with its updates; evaluate where it is time."""
        choices, repeat = self._choices, self._choices.action_repeat
        random = self.env_step < choices.warmup_steps
        due = None if random else updates_due(decisions(choices, self.env_step), choices.utd)
        if reset_due(self._agent, choices, self.env_step + repeat):
            self._lanes = reset_lanes(self._lanes, config=self._agent)
        if self._holdout is not None:
            self._holdout.advance(self._lanes.agent, random=random)
        transition, observation = self._acting.step(random=random)
        if self._config.diagnostics != "none" and not random:
            fresh = fresh_loss(self._lanes, transition, config=self._agent)
            self._metrics.add(fresh, env_step=self.env_step + repeat)
        self._lanes, action, metrics = step(
            self._lanes,
            transition,
            observation,
            config=self._agent,
            batch_size=self._choices.batch_size,
            updates=due,
        )
        self._acting.choose(np.asarray(action))
        self.env_step += repeat
        self._metrics.add(metrics, env_step=self.env_step)
        if self.env_step % self._choices.eval_every:
            return None
        taken = self._metrics.take()
        return Evaluation(
            env_step=self.env_step,
            updates=critic_updates(self._choices, self.env_step),
            returns=self._evaluate(self._lanes),
            metrics=taken.means | self._diagnose(),
            nan_from=taken.nan_from,
        )

    def state(self) -> Arrays:
        """Return everything that `restore` needs to go on with the same numbers.

        Evaluations begin from separate seeds every time and have no state. A backend without a state
        continues with a new episode.
        """
        state = pack(self._lanes, "lanes") | under("acting", self._acting.state())
        state |= under("metrics", self._metrics.state())
        state["env_step"] = np.array(self.env_step)
        if self._holdout is not None:
            state |= under("holdout", self._holdout.state())
        return state

    def restore(self, state: Arrays) -> None:
        """Go on from where `state` was taken.

        Raises:
            ValueError: if it is of other lanes, or of another version of the agents.
        """
        self._lanes = restored(self._lanes, state, "lanes")
        self.env_step = int(state["env_step"])
        self._acting.restore(part(state, "acting"), self.env_step)
        self._metrics = Means(part(state, "metrics"))
        if self._holdout is not None:
            self._holdout.restore(part(state, "holdout"), self.env_step)

    def _diagnose(self) -> dict[str, np.ndarray]:
        if self._config.diagnostics == "none":
            return {}
        found = diagnose(
            self._lanes,
            None if self._holdout is None else self._holdout.stream,
            config=self._agent,
            batch_size=self._choices.batch_size,
            noise_scale=True,
        )
        return jax.device_get(found)

    def _evaluate(self, lanes: Lanes) -> np.ndarray:
        total = np.zeros(len(self._seeds))
        action = np.zeros(0)
        for episode in range(self._choices.eval_episodes):
            # separate seeds: the episodes do not depend on the other lanes, nor on a restart
            seeds = derived_seeds(SEED_LIMIT + self._seeds, self.env_step, episode)
            observation, _ = self._judges.reset(seed=seeds)
            running = np.ones(len(self._seeds), bool)
            while running.any():
                action = np.asarray(
                    evaluate(lanes.agent, observation.astype(np.float32), config=self._agent)
                )
                observation, reward, terminated, truncated, _ = self._judges.step(finite(action))
                total += np.where(running, reward, 0.0)
                running &= ~(terminated | truncated)
        diverged = ~np.isfinite(action).all(axis=1)
        return np.where(diverged, np.nan, total / self._choices.eval_episodes)
