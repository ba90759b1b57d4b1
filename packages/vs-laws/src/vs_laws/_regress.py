"""The one weighted log-log regression: fixed effects by task, shared slopes, many rows at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vs_laws.law import Floats

_RANK = 1e-10  # eigenvalue ratio of the columns' correlations below which they are collinear
_SPREAD = 1e-20  # share of a column's spread over all points below which it does not vary


@dataclass(frozen=True)
class Regression:
    """Least squares of ``log y = intercept[task] + columns · slope``, for B rows.

    Slopes are those of all tasks, G = 1, or of each, G = T.

    Attributes:
        intercept: (B, T) at columns = 0; NaN where a task has no point.
        slope: (B, G, P); NaN where the columns are collinear within the tasks.
        inverse: (B, G, P, P) of the weighted normal matrix of the columns within tasks.
        mean: (B, T, P) weighted mean of the columns of each task.
        mass: (B, T) weights.
    """

    intercept: Floats
    slope: Floats
    inverse: Floats
    mean: Floats
    mass: Floats


def regress(
    columns: Floats, log_y: Floats, weights: Floats, one_hot: Floats, *, shared: bool = True
) -> Regression:
    """Fit every row by weighted least squares; the intercepts are taken out first.

    Args:
        columns: (n, P), or (B, n, P) where every row has its own.
        log_y: (B, n); NaN or infinite where missing.
        weights: (n,) or (B, n), non-negative.
        one_hot: (n, T) membership in tasks.
        shared: one slope for all tasks, or one for each.
    """
    rows = np.broadcast_to(columns, (len(log_y), *columns.shape[-2:]))
    known = np.isfinite(log_y) & (weights > 0) & np.isfinite(rows).all(axis=-1)
    w = np.where(known, weights, 0.0)
    y = np.where(known, log_y, 0.0)
    rows = np.where(known[..., None], rows, 0.0)
    mass = w @ one_hot
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.einsum("bn,bnp,nt->btp", w, rows, one_hot) / mass[..., None]
        mean_y = (w * y) @ one_hot / mass
    # per point: its task's mean (0 where the task is empty, its weight is 0 there anyway)
    centred = rows - np.einsum("nt,btp->bnp", one_hot, np.nan_to_num(mean))
    y = y - np.nan_to_num(mean_y) @ one_hot.T
    heavy = centred * w[..., None]
    pools = np.ones((len(one_hot), 1)) if shared else one_hot
    gram = np.einsum("bnp,bnq,ng->bgpq", heavy, centred, pools)
    right = np.einsum("bnp,bn,ng->bgp", heavy, y, pools)
    flat = np.where(np.isfinite(columns), columns, 0.0).reshape(-1, columns.shape[-1])
    total = np.sum(np.atleast_2d(weights).max(axis=0)) * np.ptp(flat, axis=0) ** 2 / 12.0
    count = columns.shape[-1]
    least = _SPREAD * (total + 1e-300)
    slope, inverse = _solve(gram.reshape(-1, count, count), right.reshape(-1, count), least)
    slope, inverse = slope.reshape(right.shape), inverse.reshape(gram.shape)
    intercept = mean_y - np.sum(mean * slope, axis=-1)
    return Regression(intercept, slope, inverse, mean, mass)


def _solve(gram: Floats, right: Floats, least: Floats) -> tuple[Floats, Floats]:
    """Return slopes (B, P) and inverse normal matrices.

    NaN where a column's spread is not above ``least``, or a column is redundant.
    """
    size = np.sqrt(np.einsum("bpp->bp", gram))
    varies = (size**2 > least).all(axis=1)
    scale = np.where(varies[:, None], size, 1.0)
    correlation = gram / (scale[:, :, None] * scale[:, None, :])
    unit = np.eye(gram.shape[-1])
    correlation = np.where(varies[:, None, None], correlation, unit)
    eigen = np.linalg.eigvalsh(correlation)
    good: NDArray[np.bool_] = varies & (eigen[:, 0] > _RANK * eigen[:, -1])
    correlation = np.where(good[:, None, None], correlation, unit)
    inverse = np.linalg.inv(correlation) / (scale[:, :, None] * scale[:, None, :])
    slope = np.einsum("bpq,bq->bp", inverse, right)
    slope[~good], inverse[~good] = np.nan, np.nan
    return slope, inverse


def design(log_x: Floats, *, quadratic: bool) -> Floats:
    """Return the columns of log x (…, K), and of their products j ≤ k with ``quadratic``."""
    if not quadratic:
        return log_x
    count = log_x.shape[-1]
    pairs = [log_x[..., j] * log_x[..., k] for j in range(count) for k in range(j, count)]
    return np.concatenate([log_x, np.stack(pairs, axis=-1)], axis=-1)
