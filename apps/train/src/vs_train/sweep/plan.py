"""The plan of a sweep: cells, agents, arithmetic, memory, and time on this machine."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from vs_envs import task

from vs_train.config import TrainConfig
from vs_train.facts import flops
from vs_train.sweep.calibrate import Speed, kind, seconds_of
from vs_train.sweep.cells import agent_updates, cell_flops
from vs_train.sweep.pool import makespan


@dataclass(frozen=True, kw_only=True)
class CellPlan:
    """One cell.

    Attributes:
        env, utd, batch_size, critic_width, critic_depth: its configuration.
        runs: learning rates.
        lanes: learning rates times seeds, the agents of one program.
        env_steps: of all agents together.
        flops: 10 N B per critic update (the papers' count), all agents together.
        measured_flops: the compiled programs' count, actor included; None when not measured.
        replay_bytes: of all agents' replay memories when full; its last checkpoint is about as large.
        seconds: on this machine; None when not measured.
    """

    env: str
    utd: float
    batch_size: int
    critic_width: int
    critic_depth: int
    runs: int
    lanes: int
    env_steps: int
    flops: float
    measured_flops: float | None
    replay_bytes: int
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class WorkerPlan:
    """The planned duration of a sweep for a number of parallel processes.

    Attributes:
        workers: processes.
        seconds: if they do not slow each other down; None when not measured.
        replay_bytes: the largest replay memories that can be there together.
    """

    workers: int
    seconds: float | None
    replay_bytes: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A sweep before it runs."""

    cells: list[CellPlan]
    workers: list[WorkerPlan]

    def to_dict(self) -> dict[str, object]:
        """Return plain values, totals included."""
        return asdict(self) | {"total": self.total()}

    def total(self) -> dict[str, float | None]:
        """Return the sums over cells; None where a cell was not measured."""
        names = ("runs", "lanes", "env_steps", "flops", "measured_flops", "replay_bytes", "seconds")
        sums: dict[str, float | None] = {"cells": len(self.cells)}
        for name in names:
            values = [getattr(cell, name) for cell in self.cells]
            sums[name] = None if None in values else sum(values)
        return sums


def make_plan(
    configs: Iterable[TrainConfig],
    *,
    cores: int,
    speeds: Mapping[TrainConfig, Speed] | None = None,
) -> Plan:
    """Plan a sweep, its cells in the order in which they would begin.

    Args:
        configs: its cells.
        cores: plans are for 1, 2, 4, ... workers up to this number.
        speeds: from `calibrate`; without them nothing is measured.
    """
    ordered = sorted(configs, key=cell_flops, reverse=True)
    cells = [_cell_plan(config, speeds) for config in ordered]
    largest = sorted((cell.replay_bytes for cell in cells), reverse=True)
    counts = sorted({cores, *(2**k for k in range(cores.bit_length()) if 2**k <= cores)})
    times = [cell.seconds for cell in cells if cell.seconds is not None]
    workers = [
        WorkerPlan(
            workers=count,
            seconds=makespan(times, count) if speeds is not None else None,
            replay_bytes=sum(largest[:count]),
        )
        for count in counts
    ]
    return Plan(cells=cells, workers=workers)


def _cell_plan(config: TrainConfig, speeds: Mapping[TrainConfig, Speed] | None) -> CellPlan:
    choices = config.choices
    runs = len(config.learning_rates)
    lanes = runs * config.seeds
    return CellPlan(
        env=config.env,
        utd=choices.utd,
        batch_size=choices.batch_size,
        critic_width=choices.critic_width,
        critic_depth=config.critic_depth,
        runs=runs,
        lanes=lanes,
        env_steps=lanes * config.steps,
        flops=cell_flops(config),
        measured_flops=None if speeds is None else lanes * _measured(config),
        replay_bytes=lanes * _replay_bytes(config),
        seconds=None if speeds is None else seconds_of(config, speeds[kind(config)]),
    )


def _measured(config: TrainConfig) -> float:
    whole = flops(config, env_step=config.steps, updates=agent_updates(config))
    return whole["measured_flops"]


def _replay_bytes(config: TrainConfig) -> int:
    """Return the size of one agent's memory: float32 transitions, two where some are held out."""
    facts = task(config.env)
    numbers = 2 * facts.observation_size + facts.action_size + 2  # reward and terminated
    memories = 2 if config.diagnostics == "validation" else 1
    return 4 * numbers * min(config.replay_capacity, config.steps) * memories
