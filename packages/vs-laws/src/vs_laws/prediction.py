"""Predictions of env steps to a level, with intervals that say what they are intervals of."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import ndtri

from vs_laws.law import Floats
from vs_laws.result import Estimate

type Kind = Literal["run", "law"]

SHARP = 1.2
"""A surface known within this factor at 90 % is *sharp*."""
USABLE = 1.5
"""A surface known within this factor at 90 % is *usable*, beyond it *vague*."""


@dataclass(frozen=True)
class Prediction:
    """Env steps to a level at one place or several: normal in the logarithm.

    Attributes:
        value: median, of the places' shape.
        log_sd: standard deviation of log D: of what a new run would measure (``kind="run"``), or of
            the surface that such runs scatter about (``kind="law"``).
        surface_sd: standard deviation of the surface alone.
        extrapolated: True where the fitted runs say less than half of what there is to know about
            the surface's lack of fit, or the level is above those fitted.
        kind: what the interval is an interval of.
        seeds: seeds of the new run.
    """

    value: Any
    log_sd: Any
    surface_sd: Any
    extrapolated: Any
    kind: Kind
    seeds: Any

    def interval(self, level: float = 0.9) -> tuple[Any, Any]:
        """Return the ends of the interval that holds D with probability ``level``.

        Raises:
            ValueError: if the level is not between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"the level of an interval must be between 0 and 1, got {level:g}")
        half = ndtri(0.5 * (1.0 + level)) * np.asarray(self.log_sd)
        with np.errstate(over="ignore"):
            return self.value * np.exp(-half), self.value * np.exp(half)

    @property
    def factor(self) -> Any:
        """The 90 % interval is the value divided and multiplied by this factor."""
        with np.errstate(over="ignore"):
            return np.exp(ndtri(0.95) * np.asarray(self.log_sd))

    @property
    def word(self) -> Any:
        """*sharp*, *usable* or *vague*: how well the surface is known at the place."""
        factor = np.exp(np.minimum(ndtri(0.95) * np.asarray(self.surface_sd), 700.0))
        words = np.where(factor <= SHARP, "sharp", np.where(factor <= USABLE, "usable", "vague"))
        return str(words) if words.ndim == 0 else words

    def estimate(self) -> Estimate:
        """Return the value with its 90 % interval; ``std_error`` is that of log D times the value."""
        low, high = self.interval()
        return Estimate(self.value, low, high, self.value * self.log_sd)

    def z(self, measured: Any) -> Floats:
        """Return measured env steps as standardised errors of this prediction."""
        return (np.log(measured) - np.log(self.value)) / self.log_sd
