"""Value-based RL agents as pure functions over pytrees."""

from vs_agents.actor_critic import ActorCriticConfig, AgentState
from vs_agents.bro import BROConfig, FullBROConfig
from vs_agents.diagnostics import (
    Stream,
    UpdateFlops,
    diagnose,
    formula_flops,
    fresh_loss,
    init_stream,
    measured_flops,
    step_stream,
)
from vs_agents.inside import COLLECT, Inside, run_inside
from vs_agents.loop import Lanes, evaluate, init_lanes, reset_lanes, step, updates_due
from vs_agents.replay import Transition
from vs_agents.sac import SACConfig

__all__ = [
    "COLLECT",
    "ActorCriticConfig",
    "AgentState",
    "BROConfig",
    "FullBROConfig",
    "Inside",
    "Lanes",
    "SACConfig",
    "Stream",
    "Transition",
    "UpdateFlops",
    "diagnose",
    "evaluate",
    "formula_flops",
    "fresh_loss",
    "init_lanes",
    "init_stream",
    "measured_flops",
    "reset_lanes",
    "run_inside",
    "step",
    "step_stream",
    "updates_due",
]
