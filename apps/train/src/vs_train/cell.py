"""The parts of a training cell: its agents' algorithm, its lanes, its evaluations."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from vs_agents import BRO, SAC, Agent, FullBRO, published_resets, updates_after
from vs_envs import choose_backend, task

from vs_train.config import Choices, TrainConfig

_ALGORITHMS = {"sac": SAC, "bro": BRO, "bro-full": FullBRO}


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One evaluation of every lane.

    Attributes:
        env_step: environment steps of training so far.
        updates: critic updates of each agent so far.
        returns: ``(lanes,)`` mean undiscounted return; NaN where the agent has diverged.
        metrics: name to ``(lanes,)`` means over the steps with an update since the evaluation
            before, NaN where any of the values was; and the diagnostics, measured now.
        nan_from: name of such a mean to ``(lanes,)`` env steps: the first since the evaluation
            before whose value was NaN, 0 where none was.
    """

    env_step: int
    updates: int
    returns: np.ndarray
    metrics: dict[str, np.ndarray]
    nan_from: dict[str, np.ndarray]


def lane_axes(config: TrainConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the learning rate and the seed of every lane, ``(lanes,)``, seeds fastest."""
    seeds = np.array(config.agent_seeds)
    rates = np.repeat(np.array(config.learning_rates), config.seeds)
    return rates, np.tile(seeds, len(config.learning_rates))


def agent_config(config: TrainConfig) -> Agent:
    """Return the algorithm's constants for a cell."""
    facts = task(config.env)
    own: dict[str, Any] = {}
    if config.algo == "bro-full":
        own["reset_steps"] = published_resets(config.choices.utd)
    return _ALGORITHMS[config.algo](
        observation_size=facts.observation_size,
        action_size=facts.action_size,
        critic_width=config.choices.critic_width,
        critic_depth=config.critic_depth,
        actor_width=config.actor_width,
        actor_every=config.actor_every,
        target_entropy_per_action=config.target_entropy_per_action,
        dtype=config.dtype,
        passive_width=config.passive_critic_width,
        **own,
    )


def critic_updates(choices: Choices, env_step: int) -> int:
    """Return an agent's critic updates in its first ``env_step`` environment steps."""
    return updates_after(max(0, env_step - choices.warmup_steps), choices.utd)


def reset_due(agent: Agent, choices: Choices, env_step: int) -> bool:
    """Return True if the agents start afresh before the updates of step ``env_step`` = 1, 2, ..."""
    before, updates = (critic_updates(choices, max(0, env_step - k)) for k in (2, 1))
    return agent.reset_due(env_step=env_step, updates_before=before, updates=updates)


def with_backend(config: TrainConfig) -> tuple[TrainConfig, str]:
    """Return the cell with what backend ``auto`` stands for here, and a sentence on the choice."""
    if config.backend != "auto":
        return config, f"backend {config.backend!r} was asked for"
    chosen, why = choose_backend(config.env, environments=len(lane_axes(config)[0]))
    return replace(config, backend=chosen), why


def merged(parts: Iterable[Evaluation]) -> Evaluation:
    """Return evaluations of neighbouring lanes at one step as one."""
    parts = list(parts)
    return Evaluation(
        env_step=parts[0].env_step,
        updates=parts[0].updates,
        returns=np.concatenate([part.returns for part in parts]),
        metrics=_joined([part.metrics for part in parts]),
        nan_from=_joined([part.nan_from for part in parts]),
    )


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
