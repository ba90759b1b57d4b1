"""Noise of a measured log D: over seeds, because evaluations are apart, and its correlation over levels."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws.law import Floats

KNOWN = 0.8
"""Share of bootstraps that must reach a level before their spread is taken for the noise there."""

_SEED_VARIANCE = 0.25**2  # of log D of one seed, where no run has two (OpenAI Gym, SAC: 0.26²)
_PRIOR_DOF = 12.0  # weight of the task's mean variance in the variance of a cell
_LEVEL_LENGTH = 0.2  # of the correlation over levels 0 to 1, where there are no bootstraps


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


def cell_variance(
    variance: Floats, spacing: Floats, seeds: Floats, member: NDArray[np.int64]
) -> Floats:
    """Return the variance (n,) of log D of each cell, steadied by the other cells of its task.

    The mean over levels of the seeds' variance is drawn to the task's mean with 12 degrees of
    freedom; a task without two seeds in any cell takes the study's mean, a study without them that of
    a typical run. The spacing's variance is added.

    Args:
        variance: (n, J) from `seed_variance`.
        spacing: (n, J) from `spacing_variance`; NaN where a level was not reached.
        seeds: (n,).
        member: (n,) index of each cell's task.
    """
    known = np.isfinite(variance).any(axis=1)
    own = _mean(variance)
    dof = np.where(known, seeds - 1.0, 0.0)
    single = own * seeds  # of one seed
    typical = np.sum(dof * single) / dof.sum() if dof.sum() > 0 else _SEED_VARIANCE
    total = np.full(len(seeds), typical)
    for task in np.unique(member):
        here = member == task
        if dof[here].sum() > 0:
            total[here] = np.sum((dof * single)[here]) / dof[here].sum()
    steadied = (dof * own + _PRIOR_DOF * total / seeds) / (dof + _PRIOR_DOF)
    return steadied + _mean(spacing) + 1e-6


def level_correlation(draws: Floats, variance: Floats, places: Floats) -> Floats:
    """Return the correlation (J, J) of a run's log D over levels, exp(−distance/length).

    The length is the one that gives neighbouring levels their mean correlation over the bootstraps.

    Args:
        draws: (K, n, J).
        variance: (n, J) from `seed_variance`; levels where it is NaN are passed over.
        places: (J,) positions of the levels.
    """
    length = _LEVEL_LENGTH
    known = np.isfinite(draws).all(axis=0) & np.isfinite(variance) & (variance > 0)
    pair = known[:, 1:] & known[:, :-1]
    if pair.any():
        logs = np.log(np.where(known, draws, 1.0))
        logs = logs - logs.mean(axis=0)
        spread = np.sqrt(np.mean(logs**2, axis=0))
        shared = np.mean(logs[:, :, 1:] * logs[:, :, :-1], axis=0)[pair]
        mean = np.mean(shared / (spread[:, 1:] * spread[:, :-1])[pair])
        length = float(np.mean(np.diff(places)) / -np.log(np.clip(mean, 0.02, 0.98)))
    return np.exp(-np.abs(places[:, None] - places) / length)


def _mean(values: Floats) -> Floats:
    """Return the mean over levels of the known entries; 0 without any."""
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
