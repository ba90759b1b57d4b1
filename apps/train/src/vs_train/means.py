"""Means of the agents' metrics between two evaluations."""

from collections.abc import Mapping

import jax
import numpy as np
from jax import Array

from vs_train.snapshot import Arrays, part, under

WAITING = 256  # steps; fetching every step's few numbers by themselves takes longer


class Means:
    """Running sums and counts per metric and lane; values that are NaN are left out."""

    def __init__(self, state: Arrays | None = None) -> None:
        """Start empty, or from what `state` returned."""
        self._sums = part(state or {}, "sums")
        self._counts = part(state or {}, "counts")
        self._waiting: list[Mapping[str, Array | np.ndarray]] = []

    def add(self, metrics: Mapping[str, Array | np.ndarray]) -> None:
        """Count one value ``(lanes,)`` per metric."""
        self._waiting.append(metrics)
        if len(self._waiting) == WAITING:
            self._count_waiting()

    def add_rows(self, metrics: Mapping[str, np.ndarray]) -> None:
        """Count many values ``(steps, lanes)`` per metric, where there is one that is not NaN."""
        for name, rows in metrics.items():
            if not np.isnan(rows).all():
                self._count(name, rows)

    def _count_waiting(self) -> None:
        fetched, self._waiting = jax.device_get(self._waiting), []
        for name in dict.fromkeys(name for metrics in fetched for name in metrics):
            self._count(name, np.stack([row[name] for row in fetched if name in row]))

    def _count(self, name: str, rows: np.ndarray) -> None:
        known = ~np.isnan(rows)
        total = np.vstack([np.zeros_like(rows[:1]), rows]).astype(float)
        total[0] = self._sums.get(name, 0.0)
        total[1:][~known] = 0.0
        self._sums[name] = np.cumsum(total, axis=0)[-1]  # not pairwise: pieces may be cut
        self._counts[name] = self._counts.get(name, 0) + known.sum(axis=0)

    def take(self) -> dict[str, np.ndarray]:
        """Return the means ``(lanes,)``, NaN where nothing was counted, and start anew."""
        self._count_waiting()
        means = {
            name: np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
            for name, total in self._sums.items()
            for count in [self._counts[name]]
        }
        self._sums, self._counts = {}, {}
        return means

    def state(self) -> Arrays:
        """Return what the constructor takes."""
        self._count_waiting()
        return under("sums", self._sums) | under("counts", self._counts)
