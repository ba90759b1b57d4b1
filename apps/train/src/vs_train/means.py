"""Means of the agents' metrics between two evaluations."""

from collections.abc import Mapping

import numpy as np

from vs_train.snapshot import Arrays, part, under


class Means:
    """Running sums and counts per metric and lane; values that are NaN are left out."""

    def __init__(self, state: Arrays | None = None) -> None:
        """Start empty, or from what `state` returned."""
        self._sums = part(state or {}, "sums")
        self._counts = part(state or {}, "counts")

    def add(self, metrics: Mapping[str, np.ndarray]) -> None:
        """Count one value ``(lanes,)`` per metric."""
        for name, value in metrics.items():
            known = ~np.isnan(value)
            self._sums[name] = self._sums.get(name, 0.0) + np.where(known, value, 0.0).astype(float)
            self._counts[name] = self._counts.get(name, 0) + known

    def add_rows(self, metrics: Mapping[str, np.ndarray]) -> None:
        """Count many values ``(steps, lanes)`` per metric, one step after another as `add` does."""
        for name, rows in metrics.items():
            known = ~np.isnan(rows)
            if known.any():
                total = np.vstack([np.zeros_like(rows[:1]), rows]).astype(float)
                total[0] = self._sums.get(name, 0.0)
                total[1:][~known] = 0.0
                self._sums[name] = np.cumsum(total, axis=0)[-1]  # not pairwise: pieces may be cut
                self._counts[name] = self._counts.get(name, 0) + known.sum(axis=0)

    def take(self) -> dict[str, np.ndarray]:
        """Return the means ``(lanes,)``, NaN where nothing was counted, and start anew."""
        means = {
            name: np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
            for name, total in self._sums.items()
            for count in [self._counts[name]]
        }
        self._sums, self._counts = {}, {}
        return means

    def state(self) -> Arrays:
        """Return what the constructor takes."""
        return under("sums", self._sums) | under("counts", self._counts)
