"""Agents that have succeeded, and are trained no further."""

from collections.abc import Iterable

import numpy as np

from vs_train.cell import Evaluation, lane_axes
from vs_train.config import TrainConfig


class Successes:
    """The lanes of a cell whose return has reached `TrainConfig.stop_at_success`."""

    def __init__(self, config: TrainConfig, *, before: Iterable[int] = ()) -> None:
        """Start with none, or with those of an earlier attempt.

        Args:
            config: the cell.
            before: lanes that have succeeded before.
        """
        self._level = config.stop_at_success
        self._stopped = np.zeros(len(lane_axes(config)[0]), bool)
        self._stopped[list(before)] = True

    @property
    def all(self) -> bool:
        """True once every lane has succeeded."""
        return bool(self._stopped.all())

    def look(self, evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray]:
        """Return the lanes still learning before an evaluation, and those that succeed in it.

        Both are ``(lanes,)`` bool. A NaN return is no success.
        """
        learning = ~self._stopped
        reached = np.zeros_like(learning)
        if self._level is not None:
            reached = learning & (evaluation.returns >= self._level)
        self._stopped |= reached
        return learning, reached
