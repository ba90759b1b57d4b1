"""Facts recorded of a cell beside its rows: settings, versions, cost."""

from dataclasses import asdict
from functools import cache
from importlib.metadata import version

import jax
from vs_agents import (
    ActorCriticConfig,
    Agent,
    UpdateFlops,
    formula_flops,
    measured_flops,
    measured_total,
)
from vs_envs import task

from vs_train.cell import agent_config, decisions, lane_axes, with_backend
from vs_train.config import TrainConfig

_RECORDED = ("mujoco", "dm-control", "gymnasium", "jax", "jaxlib", "flax", "optax", "numpy")
_OF_BACKEND = {"envpool": ("envpool",), "mjx": ("mujoco-mjx", "playground")}


def columns(config: TrainConfig, learning_rate: float) -> dict[str, object]:
    """Return everything but the seed that shapes one run; its hash is the run's id.

    That is the cell's settings, resolved, and the agents' constants (discount, ...).
    """
    config = with_backend(config)[0]
    facts, agent = task(config.env), agent_config(config)
    constants = asdict(agent)
    constants.pop("passive_width", None)  # in the settings, under the table's name
    return (
        constants
        | config.settings(learning_rate)
        | {
            "benchmark": facts.benchmark,
            "env": facts.env,
        }
        | _params(agent)
    )


def metadata(config: TrainConfig, *, processes: int = 1) -> dict[str, object]:
    """Return the facts of a cell that are not settings: task, versions, device, cost per update."""
    packages = (*_RECORDED, *_OF_BACKEND.get(config.backend, ()))
    facts = task(config.env)
    return {
        "action_repeat": config.choices.action_repeat,
        "optimal_return": facts.optimal_return,
        "reset_every": agent_config(config).reset_period,
        "versions": {name: version(name) for name in packages},
        "device": jax.devices()[0].device_kind,
        "steps": config.steps,
        "lanes": len(lane_axes(config)[0]),
        "processes": processes,
        "flops_per_update": flops_per_update(config),
        "measured_flops_per_update": _measured(config)._asdict(),
        "diagnostics": config.diagnostics,
    }


def flops_per_update(config: TrainConfig) -> float:
    """Return ``10 N B``, the papers' count for one critic update; they neglect the actor's.

    ``N`` is the number of critic parameters, ``B`` the batch size.
    """
    return formula_flops(agent_config(config), config.choices.batch_size).critic


def flops(config: TrainConfig, *, env_step: int, updates: int) -> dict[str, float]:
    """Return the cost of an agent's updates so far.

    Returns:
        ``flops`` by the papers' formula, which has no term for the actor, and
        ``measured_flops`` by XLA's count of both programs, the actor's as often as it was updated.
    """
    done = decisions(config.choices, env_step)
    return {
        "flops": flops_per_update(config) * updates,
        "measured_flops": measured_total(
            agent_config(config), config.choices.batch_size, decisions=done, updates=updates
        ),
    }


def _measured(config: TrainConfig) -> UpdateFlops:
    return measured_flops(agent_config(config), config.choices.batch_size)


@cache  # counting builds the networks' shapes, which takes a tenth of a second
def _params(agent: Agent) -> dict[str, int]:
    passive = agent.passive_params if isinstance(agent, ActorCriticConfig) else None
    found = {} if passive is None else {"passive_critic_params": passive}
    return found | {"critic_params": agent.critic_params}
