"""One vector-environment interface over simulators."""

from vs_envs.making import make
from vs_envs.registry import Task, task, task_names
from vs_envs.vector import VectorEnv

__all__ = ["Task", "VectorEnv", "make", "task", "task_names"]
