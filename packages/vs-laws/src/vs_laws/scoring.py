"""Scores of predictions against what was measured: coverage, sharpness, and the decisions they lead to."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from vs_laws.law import Floats

COVERAGES = (50, 80, 90, 95)
"""Nominal coverages in percent."""


@dataclass(frozen=True)
class Intervals:
    """The quality of predictive intervals, normal in the logarithm.

    Attributes:
        coverage: share of measured values inside, by nominal percent.
        log_width: mean width of the 90 % intervals in log D.
        score: mean interval score at 90 % in log D, width + 20 × the distance outside; less is better
            (Gneiting and Raftery 2007, eq. 43).
    """

    coverage: Mapping[int, float]
    log_width: float
    score: float


def score_intervals(log_error: ArrayLike, log_sd: ArrayLike) -> Intervals:
    """Score predictive intervals.

    Args:
        log_error: (n,) log(predicted/measured).
        log_sd: (n,) standard deviation that was predicted of it.
    """
    size, sd = np.abs(np.asarray(log_error, float)), np.asarray(log_sd, float)
    half = ndtri(0.95) * sd
    return Intervals(
        {
            percent: float(np.mean(size <= ndtri(0.5 + percent / 200.0) * sd))
            for percent in COVERAGES
        },
        float(np.mean(2.0 * half)),
        float(np.mean(2.0 * half + 20.0 * np.maximum(size - half, 0.0))),
    )


def log_sd(low: ArrayLike, high: ArrayLike, percent: float = 95.0) -> Floats:
    """Return the standard deviation of the logarithm behind an interval; NaN where it has none."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    known = (low > 0) & (high >= low) & np.isfinite(high)
    ratio = np.where(known, high, np.nan) / np.where(known, low, np.nan)
    return np.log(ratio) / (2.0 * ndtri(0.5 + percent / 200.0))


def ranked_right(predicted: ArrayLike, measured: ArrayLike) -> tuple[int, int]:
    """Return how many pairs of n are predicted in the right order, and how many differ at all."""
    left, right = np.asarray(predicted, float), np.asarray(measured, float)
    i, j = np.triu_indices(len(right), 1)
    apart = right[i] != right[j]
    agree = (left[i] < left[j]) == (right[i] < right[j])
    return int((agree & apart).sum()), int(apart.sum())


def regret(predicted: ArrayLike, measured: ArrayLike) -> float:
    """Return what the choice of the least predicted cost costs more than the best one."""
    cost = np.asarray(measured, float)
    return float(cost[np.argmin(np.asarray(predicted, float))] / cost.min() - 1.0)
