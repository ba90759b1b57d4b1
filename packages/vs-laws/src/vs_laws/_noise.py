"""Noise of a measured log D: over seeds, and because evaluations are apart."""

import numpy as np
from numpy.typing import ArrayLike

from vs_laws.law import Floats

KNOWN = 0.8
"""Share of bootstraps that must reach a level before their spread is taken for the noise there."""


def seed_variance(draws: ArrayLike, seeds: ArrayLike) -> Floats:
    """Return the variance of log D over seeds from its bootstraps.

    A bootstrap of S seeds has (S − 1)/S of the variance of their mean; the factor is taken out.

    Args:
        draws: (S, ...) bootstraps of D, inf or NaN where a level was not reached.
        seeds: number of distinct seeds, broadcast to the places of ``draws``.

    Returns:
        The variance by place; NaN with one seed, or where fewer than `KNOWN` of the bootstraps reach.
    """
    values = np.asarray(draws, float)
    count = np.broadcast_to(np.asarray(seeds, float), values.shape[1:])
    known = np.isfinite(values) & (values > 0)
    logs = np.log(np.where(known, values, 1.0))
    reached = known.sum(axis=0)
    mean = logs.sum(axis=0) / np.maximum(reached, 1)
    squares = np.where(known, (logs - mean) ** 2, 0.0).sum(axis=0)
    enough = (reached >= KNOWN * len(values)) & (reached > 1) & (count > 1)
    variance = squares / np.maximum(reached - 1, 1) * count / np.maximum(count - 1, 1)
    return np.where(enough, variance, np.nan)


def spacing_variance(data: ArrayLike, spacing: ArrayLike) -> Floats:
    """Return the variance of log D of a crossing known only to lie between two evaluations.

    Args:
        data: env steps to a level; inf where not reached.
        spacing: env steps between evaluations, broadcast to ``data``.

    Returns:
        (spacing/D)²/12, that of a uniform distribution; 0 where not reached.
    """
    return (np.asarray(spacing, float) / np.asarray(data, float)) ** 2 / 12.0
