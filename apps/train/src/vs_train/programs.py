"""A cell's lanes as one compiled program, or as several in turn."""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from vs_train.cell import Evaluation, lane_axes, merged, with_backend
from vs_train.config import TrainConfig
from vs_train.run import Trainer
from vs_train.snapshot import Arrays, part, under
from vs_train.success import Successes


def train(config: TrainConfig) -> Iterator[Evaluation]:
    """Train all lanes of a cell, yielding at every evaluation; writes nothing.

    `TrainConfig.stop_at_success` ends it once every agent has succeeded.

    The same configuration gives the same numbers on the same machine.
    """
    programs, successes = Programs(with_backend(config)[0]), Successes(config)
    while programs.env_step < config.steps and not successes.all:
        evaluation = programs.advance(config.steps)
        if evaluation is not None:
            successes.look(evaluation)
            yield evaluation


class Programs:
    """Some lanes of a cell, in programs of `TrainConfig.lanes_per_program` lanes each.

    One program of many lanes saves calls; its arrays may not fit the processor's cache any more.

    Attributes:
        env_step: environment steps of each agent so far.
    """

    def __init__(self, config: TrainConfig, *, lanes: slice = slice(None)) -> None:
        """Build agents and environments.

        Args:
            config: the cell.
            lanes: which of `lane_axes`.
        """
        first, last, _ = lanes.indices(len(lane_axes(config)[0]))
        size = config.lanes_per_program or last - first
        starts = range(first, last, size)
        kind = _trainer(config)
        self._trainers = [
            kind(config, lanes=slice(start, min(start + size, last))) for start in starts
        ]

    @property
    def env_step(self) -> int:
        """Environment steps of each agent so far."""
        return self._trainers[0].env_step

    def advance(self, until: int) -> Evaluation | None:
        """Do one environment step or more, not beyond ``until``; evaluate where it is time."""
        found = [trainer.advance(until) for trainer in self._trainers]
        parts = [evaluation for evaluation in found if evaluation is not None]
        return merged(parts) if parts else None

    def state(self) -> Arrays:
        """Return everything that `restore` needs to go on with the same numbers."""
        state: Arrays = {"programs": np.array(len(self._trainers))}
        for k, trainer in enumerate(self._trainers):
            state |= under(f"program_{k}", trainer.state())
        return state

    def restore(self, state: Arrays) -> None:
        """Go on from where `state` was taken.

        Raises:
            ValueError: if it is of other lanes, or of another version of the agents.
        """
        if int(state["programs"]) != len(self._trainers):
            raise ValueError(f"it has {state['programs']} programs: expected {len(self._trainers)}")
        for k, trainer in enumerate(self._trainers):
            trainer.restore(part(state, f"program_{k}"))


class _Program(Protocol):
    """Some lanes in one program: `Trainer` or `InsideTrainer`."""

    env_step: int

    def advance(self, until: int) -> Evaluation | None: ...

    def state(self) -> Arrays: ...

    def restore(self, state: Arrays) -> None: ...


def _trainer(config: TrainConfig) -> Callable[..., _Program]:
    if config.backend != "mjx" or config.diagnostics != "none":
        return Trainer
    from vs_train.inside import InsideTrainer  # needs an extra

    return InsideTrainer
