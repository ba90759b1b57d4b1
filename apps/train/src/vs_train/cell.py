"""The parts of a training cell: its agents' algorithm, its lanes, its evaluations."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from vs_agents import (
    BRO,
    SAC,
    Agent,
    FullBRO,
    SimbaV2,
    published_discount,
    published_resets,
    updates_after,
)
from vs_envs import Task, choose_backend, task

from vs_train.config import CONSTANTS, Choices, TrainConfig

_ALGORITHMS: dict[str, Any] = {"sac": SAC, "bro": BRO, "bro-full": FullBRO, "simbav2": SimbaV2}


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
    """Return the algorithm's constants for a cell.

    Raises:
        ValueError: if a constant is set that the algorithm does not have.
    """
    facts, choices = task(config.env), config.choices
    algorithm = _ALGORITHMS[config.algo]
    given = {name: getattr(config, name) for name in CONSTANTS} | {
        "passive_width": config.passive_critic_width
    }
    given = {name: value for name, value in given.items() if value is not None}
    known = {field.name for field in fields(algorithm)} - _UNUSED.get(config.algo, set())
    for name in given:
        if name not in known:
            setting = name.replace("passive_width", "passive_critic_width")
            raise ValueError(f"{setting}: {config.algo} has none; expected no value")
    if given.get("reset_every") == 0:
        given["reset_every"] = None
    return algorithm(
        observation_size=facts.observation_size,
        action_size=facts.action_size,
        critic_width=choices.critic_width,
        critic_depth=config.critic_depth,
        actor_width=choices.actor_width,
        actor_every=config.actor_every,
        target_entropy_per_action=config.target_entropy_per_action,
        dtype=config.dtype,
        **(_published(config, facts) | given),
    )


_UNUSED = {"bro-full": {"reset_every"}}  # constants that an algorithm inherits and does not use


def _published(config: TrainConfig, facts: Task) -> dict[str, Any]:
    """Return an algorithm's constants that depend on the cell."""
    choices = config.choices
    if config.algo == "bro-full":
        return {"reset_steps": published_resets(choices.utd)}
    if config.algo == "simbav2":
        return {
            "critics": 1 if facts.benchmark == "dmc" else 2,
            "discount": published_discount(facts.episode_steps, choices.action_repeat),
            "decay_updates": max(1, critic_updates(choices, config.steps)),
        }
    return {}


def decisions(choices: Choices, env_step: int) -> int:
    """Return an agent's decisions after the warm-up in its first ``env_step`` environment steps."""
    return max(0, env_step - choices.warmup_steps) // choices.action_repeat


def critic_updates(choices: Choices, env_step: int) -> int:
    """Return an agent's critic updates in its first ``env_step`` environment steps."""
    return updates_after(decisions(choices, env_step), choices.utd)


def reset_due(agent: Agent, choices: Choices, env_step: int) -> bool:
    """Return True if the agents start afresh before the updates of the decision ending here."""
    repeat = choices.action_repeat
    before, updates = (critic_updates(choices, max(0, env_step - k * repeat)) for k in (2, 1))
    return agent.reset_due(env_step=env_step // repeat, updates_before=before, updates=updates)


def with_backend(config: TrainConfig) -> tuple[TrainConfig, str]:
    """Return the cell with what backend ``auto`` stands for here, and a sentence on the choice."""
    if config.backend != "auto":
        return config, f"backend {config.backend!r} was asked for"
    if config.choices.action_repeat != 1:
        return replace(config, backend="python"), "auto: only python has an action repeat"
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
