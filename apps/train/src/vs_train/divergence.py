"""One warning for each metric of an agent that becomes NaN."""

import warnings

from vs_train.cell import Evaluation, lane_axes
from vs_train.config import TrainConfig


class DivergenceWarning(UserWarning):
    """A metric of an agent has become NaN: the agent has diverged."""


class DivergenceWatch:
    """Warns once per agent and metric."""

    def __init__(self, config: TrainConfig) -> None:
        """Begin with nothing warned of; ``config`` says whose evaluations these are."""
        self._env, self._axes = config.env, lane_axes(config)
        self._known: set[tuple[int, str]] = set()

    def look(self, evaluation: Evaluation) -> None:
        """Warn of every metric that is NaN for the first time, one sentence per agent."""
        for lane, (rate, seed) in enumerate(zip(*self._axes, strict=True)):
            new = {
                name: int(steps[lane])
                for name, steps in evaluation.nan_from.items()
                if steps[lane] > 0 and (lane, name) not in self._known
            }
            self._known |= {(lane, name) for name in new}
            if new:
                since = ", ".join(f"{name} from env step {step}" for name, step in new.items())
                warnings.warn(
                    f"{self._env}, seed {seed}, learning rate {rate:g}: NaN in {since}",
                    DivergenceWarning,
                    stacklevel=3,
                )
