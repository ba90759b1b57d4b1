"""One training cell: environments, agents and evaluations, lane by lane in step."""

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np
from vs_agents import Lanes, SACConfig, Transition, evaluate, init_lanes, step, updates_due
from vs_envs import VectorEnv, task

from vs_train.config import TrainConfig

_EVALUATION_SEED = 1_000_000  # evaluation environments never share a stream with training ones


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One evaluation of every lane.

    Attributes:
        env_step: environment steps of training so far.
        updates: critic updates of each agent so far.
        returns: ``(lanes,)`` mean undiscounted return; NaN where the agent has diverged.
        metrics: name to ``(lanes,)`` values of the last step that had an update.
    """

    env_step: int
    updates: int
    returns: np.ndarray
    metrics: dict[str, np.ndarray]


def lane_axes(config: TrainConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the learning rate and the seed of every lane, ``(lanes,)``, seeds fastest."""
    rates = np.repeat(np.array(config.learning_rates), config.seeds)
    return rates, np.tile(np.arange(config.seeds), len(config.learning_rates))


def agent_config(config: TrainConfig) -> SACConfig:
    """Return the algorithm's constants for a cell."""
    facts = task(config.env)
    return SACConfig(
        observation_size=facts.observation_size,
        action_size=facts.action_size,
        critic_widths=(config.critic_width,) * 2,
        actor_widths=(config.actor_width,) * 2,
    )


def train(config: TrainConfig) -> Iterator[Evaluation]:
    """Train all lanes of a cell, yielding at every evaluation.

    The same configuration gives the same numbers on the same machine.
    """
    rates, seeds = lane_axes(config)
    agent = agent_config(config)
    lanes = init_lanes(
        agent,
        seeds=seeds,
        learning_rates=rates,
        capacity=min(config.replay_capacity, config.steps),
    )
    environments = VectorEnv(config.env, seeds=seeds)
    judges = VectorEnv(config.env, seeds=_EVALUATION_SEED + seeds)
    explorers = [np.random.default_rng((seed, 1)) for seed in seeds]
    updates = 0
    metrics: dict[str, np.ndarray] = {}
    observation, _ = environments.reset()
    policy_action: jax.Array | None = None
    for decision in range(config.steps):
        if policy_action is None or decision < config.warmup_steps:
            action = np.stack([rng.uniform(-1, 1, agent.action_size) for rng in explorers])
        else:
            action = _finite(np.asarray(policy_action))
        after, reward, terminated, _, info = environments.step(action)
        due = 0
        if decision >= config.warmup_steps:
            due = updates_due(decision - config.warmup_steps, config.utd)
        transition = Transition(
            observation=observation.astype(np.float32),
            action=action.astype(np.float32),
            reward=reward.astype(np.float32),
            terminated=terminated.astype(np.float32),
            next_observation=info["final_obs"].astype(np.float32),
        )
        lanes, policy_action, latest = step(
            lanes,
            transition,
            after.astype(np.float32),
            config=agent,
            batch_size=config.batch_size,
            updates=due,
        )
        observation = after
        updates += due
        env_step = decision + 1
        if due:
            metrics = latest
        if env_step % config.eval_every == 0:
            yield Evaluation(
                env_step=env_step,
                updates=updates,
                returns=_evaluate(config, agent, lanes, judges),
                metrics={name: np.asarray(value) for name, value in metrics.items()},
            )


def _evaluate(config: TrainConfig, agent: SACConfig, lanes: Lanes, judges: VectorEnv) -> np.ndarray:
    total = np.zeros(judges.num_envs)
    for _ in range(config.eval_episodes):
        observation, _ = judges.reset()
        running = np.ones(judges.num_envs, bool)
        while running.any():
            action = evaluate(lanes.agent, observation.astype(np.float32), config=agent)
            observation, reward, terminated, truncated, _ = judges.step(_finite(np.asarray(action)))
            total += np.where(running, reward, 0.0)
            running &= ~(terminated | truncated)
    diverged = ~np.isfinite(np.asarray(action)).all(axis=1)
    return np.where(diverged, np.nan, total / config.eval_episodes)


def _finite(action: np.ndarray) -> np.ndarray:
    """Let a diverged agent do nothing: the simulator refuses NaN, and the other lanes go on."""
    return np.nan_to_num(action, nan=0.0)
