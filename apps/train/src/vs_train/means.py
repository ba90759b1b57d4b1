"""Means of the agents' metrics between two evaluations."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from vs_train.snapshot import Arrays, part, under

WAITING = 256  # steps; fetching every step's few numbers by themselves takes longer


class Taken(NamedTuple):
    """The metrics between two evaluations, by name and ``(lanes,)`` each.

    Attributes:
        means: NaN where any of the values was.
        nan_from: env step of the first value that was NaN, 0 where none was.
    """

    means: dict[str, np.ndarray]
    nan_from: dict[str, np.ndarray]


class Means:
    """Running sums and counts per metric and lane.

    A value that is NaN makes the mean NaN: an agent that has diverged must not look like one that
    learns.
    """

    def __init__(self, state: Arrays | None = None) -> None:
        """Start empty, or from what `state` returned."""
        self._sums = part(state or {}, "sums")
        self._counts = part(state or {}, "counts")
        self._nan_from = part(state or {}, "nan_from")
        self._waiting: list[tuple[int, Mapping[str, Array | np.ndarray]]] = []

    def add(self, metrics: Mapping[str, Array | np.ndarray], *, env_step: int) -> None:
        """Count one value ``(lanes,)`` per metric that was measured in this environment step."""
        self._waiting.append((env_step, metrics))
        if len(self._waiting) == WAITING:
            self._count_waiting()

    def add_rows(
        self, metrics: Mapping[str, np.ndarray], *, first_step: int, updates: np.ndarray
    ) -> None:
        """Count the values ``(steps or more, lanes)`` per metric of several environment steps.

        Args:
            metrics: values by name; what a step did not update is NaN in all lanes.
            first_step: env step of the first row.
            updates: ``(steps,)`` critic updates of every step, none where 0 or less.
        """
        for name, padded in metrics.items():
            rows = padded[: len(updates)]
            measured = np.flatnonzero((updates > 0) | ~np.isnan(rows).all(axis=1))
            if measured.size:
                self._count(name, rows[measured], first_step + measured)

    def _count_waiting(self) -> None:
        steps = np.array([step for step, _ in self._waiting])
        fetched, self._waiting = jax.device_get([metrics for _, metrics in self._waiting]), []
        for name in dict.fromkeys(name for metrics in fetched for name in metrics):
            there = [i for i, metrics in enumerate(fetched) if name in metrics]
            self._count(name, np.stack([fetched[i][name] for i in there]), steps[there])

    def _count(self, name: str, rows: np.ndarray, env_steps: np.ndarray) -> None:
        total = np.vstack([np.zeros_like(rows[:1]), rows]).astype(float)
        total[0] = self._sums.get(name, 0.0)
        # cumsum, not sum: the result must not depend on where the pieces are cut
        self._sums[name] = np.cumsum(total, axis=0)[-1]
        self._counts[name] = self._counts.get(name, np.array(0)) + len(rows)
        nan = np.isnan(rows)
        first = np.where(nan.any(axis=0), env_steps[nan.argmax(axis=0)], 0)
        before = self._nan_from.get(name, np.array(0))
        self._nan_from[name] = np.where(before > 0, before, first)

    def take(self) -> Taken:
        """Return what was counted, and start anew."""
        self._count_waiting()
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        nan_from = self._nan_from
        self._sums, self._counts, self._nan_from = {}, {}, {}
        return Taken(means, nan_from)

    def state(self) -> Arrays:
        """Return what the constructor takes."""
        self._count_waiting()
        state = under("sums", self._sums) | under("counts", self._counts)
        return state | under("nan_from", self._nan_from)
