"""One vector-environment interface over simulators."""

from vs_envs.making import choose_backend, make
from vs_envs.registry import Task, register_task, task, task_names
from vs_envs.vector import VectorEnv

__all__ = [
    "Task",
    "VectorEnv",
    "choose_backend",
    "make",
    "register_task",
    "task",
    "task_names",
]
