"""Covariance of log D about the law: lack of fit that runs share, that of one run, and seed noise.

All three persist over levels. The sizes were measured on the published runs of arXiv:2508.14881.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vs_laws.law import Floats

SHARED = 0.06**2
"""Variance of the lack of fit that neighbouring places share."""
OWN = 0.035**2
"""Variance of the lack of fit of a run of its own."""

_OWN_WHITE = 0.45  # share of it that is independent over levels
_NEAR = 0.8  # places: length in log x
_OVER_LEVELS = 1.5  # of both lacks of fit, in positions of levels
_SEEDS_OVER_LEVELS = 0.2
_JITTER = 1e-6


@dataclass(frozen=True)
class Entries:
    """Measured or censored (run, level) pairs.

    Attributes:
        run: (n,) index of the run.
        logs: (n, K) log places of the run.
        t: (n,) position of the level.
        noise: (n,) variance of the run's seed noise.
    """

    run: NDArray[np.int64]
    logs: Floats
    t: Floats
    noise: Floats

    def take(self, index: NDArray) -> "Entries":
        """Return the entries at an index or mask."""
        return Entries(self.run[index], self.logs[index], self.t[index], self.noise[index])


def shared(left: Floats, left_t: Floats, right: Floats, right_t: Floats) -> Floats:
    """Return the covariance (m, n) of the shared lack of fit between places (m, K) and (n, K).

    0.06²·(Π_k (1 + k_k) − 1)·e^{−|Δt|/1.5} with k_k = exp(−½(Δ ln x_k/0.8)²): every axis bends the law,
    and so does every combination of axes.
    """
    gaps = (left[:, None, :] - right[None, :, :]) / _NEAR
    bends = np.prod(1.0 + np.exp(-0.5 * gaps**2), axis=2) - 1.0
    return SHARED * bends * _decay(left_t, right_t, _OVER_LEVELS)


def covariance(entries: Entries) -> Floats:
    """Return the covariance (n, n) of measured log D about the law."""
    t = entries.t
    same = np.equal.outer(entries.run, entries.run)
    own = (1.0 - _OWN_WHITE) * _decay(t, t, _OVER_LEVELS)
    seeds = np.sqrt(np.outer(entries.noise, entries.noise)) * _decay(t, t, _SEEDS_OVER_LEVELS)
    total = shared(entries.logs, t, entries.logs, t) + same * (OWN * own + seeds)
    total[np.diag_indices(len(t))] += OWN * _OWN_WHITE + _JITTER
    return total


def prior_variance(axes: int) -> float:
    """Return the variance of the shared lack of fit at any one place."""
    return SHARED * (2.0**axes - 1.0)


def _decay(left: Floats, right: Floats, length: float) -> Floats:
    return np.exp(-np.abs(np.subtract.outer(left, right)) / length)
