"""Value-based RL agents as pure functions over pytrees."""

from vs_agents.loop import Lanes, evaluate, init_lanes, step, updates_due
from vs_agents.replay import Transition
from vs_agents.sac import SACConfig, SACState

__all__ = [
    "Lanes",
    "SACConfig",
    "SACState",
    "Transition",
    "evaluate",
    "init_lanes",
    "step",
    "updates_due",
]
