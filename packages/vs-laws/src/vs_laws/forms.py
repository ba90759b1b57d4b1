"""The functional forms of paper 1, as values that can be evaluated.

Fields and ``x``/``sigma`` broadcast by NumPy's rules, so one object can hold a whole bootstrap:
a law whose fields have shape ``(K, 1)`` maps ``(n,)`` values of σ to ``(K, n)`` predictions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

type Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PowerLaw:
    """``y = coefficient * x**exponent`` (B*, η*: arXiv:2502.04327 §4.2, exponent = −α).

    The paper's ``(β/σ)^α`` and its tables' ``β·σ^(−α)`` differ; this is the tables' form, so
    ``coefficient`` is the value at ``x = 1``.
    """

    coefficient: ArrayLike
    exponent: ArrayLike

    def __call__(self, x: ArrayLike) -> Floats:
        """Evaluate at ``x > 0`` (broadcasting)."""
        with np.errstate(over="ignore", invalid="ignore"):  # wild bootstraps: inf or NaN
            return np.asarray(self.coefficient * np.asarray(x, float) ** self.exponent, float)


@dataclass(frozen=True)
class DataLaw:
    """``D(σ) = d_min + amplitude * σ**(−alpha)`` env steps (arXiv:2502.04327 eq. 4.1).

    ``amplitude = β^α`` is the excess over ``d_min`` at σ = 1. It is stored instead of β because β
    overflows as α → 0 while the law itself stays finite.
    """

    d_min: ArrayLike
    amplitude: ArrayLike
    alpha: ArrayLike

    def __call__(self, sigma: ArrayLike) -> Floats:
        """Env steps to the level, at ``sigma > 0`` (broadcasting)."""
        excess = self.amplitude * np.asarray(sigma, float) ** (-np.asarray(self.alpha, float))
        return np.asarray(self.d_min, float) + excess

    @property
    def beta(self) -> Floats:
        """β of ``d_min + (β/σ)^α``; ``inf`` where it is beyond a double."""
        with np.errstate(over="ignore", divide="ignore"):
            return np.asarray(self.amplitude, float) ** (1.0 / np.asarray(self.alpha, float))


@dataclass(frozen=True)
class OffsetPowerLaw:
    """``y = offset + coefficient * x**exponent``: B_min + β/σ^α and η_min + β/σ^α (P1 App. D).

    With exponent = −α this is the data law's formula; here the exponent may have either sign.
    """

    offset: ArrayLike
    coefficient: ArrayLike
    exponent: ArrayLike

    def __call__(self, x: ArrayLike) -> Floats:
        """Evaluate at ``x > 0`` (broadcasting)."""
        power = np.asarray(x, float) ** np.asarray(self.exponent, float)
        return np.asarray(self.offset, float) + self.coefficient * power
