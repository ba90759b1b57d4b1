"""Value-based RL agents as pure functions over pytrees."""

from vs_agents.actor_critic import ActorCriticConfig
from vs_agents.agent import Agent, AgentState
from vs_agents.bro import BRO, FullBRO, published_resets
from vs_agents.compiled_loop import COLLECT, Inside, run_inside
from vs_agents.diagnostics import Stream, diagnose, fresh_loss, init_stream, step_stream
from vs_agents.flops import UpdateFlops, formula_flops, measured_flops, measured_total
from vs_agents.lanes import (
    Lanes,
    evaluate,
    init_lanes,
    reset_lanes,
    step,
    updates_after,
    updates_due,
)
from vs_agents.pql import PQL, PQLD
from vs_agents.replay import Batch, Transition
from vs_agents.sac import SAC
from vs_agents.simbav2 import SimbaV2, published_discount

__all__ = [
    "BRO",
    "COLLECT",
    "PQL",
    "PQLD",
    "SAC",
    "ActorCriticConfig",
    "Agent",
    "AgentState",
    "Batch",
    "FullBRO",
    "Inside",
    "Lanes",
    "SimbaV2",
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
    "measured_total",
    "published_discount",
    "published_resets",
    "reset_lanes",
    "run_inside",
    "step",
    "step_stream",
    "updates_after",
    "updates_due",
]
