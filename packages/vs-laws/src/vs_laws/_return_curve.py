"""The least-squares search behind `vs_laws.returns`: many curves over the same places."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import expit

from vs_laws.law import Floats

EXPONENT_BOUNDS = (0.2, 10.0)
"""Range in which B is searched."""

_BLOCKS = 100  # longer curves are averaged to so many points
_WINDOWS = 10  # the asymptote is at least the highest mean over a tenth of the curve
_EXPONENTS, _MIDPOINTS = 12, 24  # starting grid
_STILL = 1e4  # the logarithm of a place at 0 lies this far below the first positive one


def share_done(log_x: Floats, log_midpoint: Floats, exponent: Floats) -> Floats:
    """Return the share of the rise that is done at x, in [0, 1]."""
    return expit(exponent * (log_x - log_midpoint))


def windows(size: int, count: int) -> NDArray[np.int64]:
    """Return where each of ``count`` runs of consecutive points starts, nearly equally long."""
    return np.linspace(0, size, min(size, count) + 1).round().astype(int)[:-1]


def means(rows: Floats, starts: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the means (…, m) of rows (…, n) over windows without NaN, and how many points each has."""
    known = np.isfinite(rows)
    count = np.add.reduceat(known.astype(float), starts, axis=-1)
    total = np.add.reduceat(np.where(known, rows, 0.0), starts, axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan), count


def blocks(size: int) -> NDArray[np.int64]:
    """Return the windows that a curve of this many evaluations is averaged over before a search."""
    return windows(size, _BLOCKS)


def solve_curves(x: Floats, rows: Floats, counts: Floats) -> Floats:
    """Return (R, 4) asymptote, rise, midpoint and exponent of curves (R, n), by least squares.

    The asymptote is at least the highest mean over a tenth of its own curve, the rise is not negative,
    and the midpoint lies inside x. Starts come from a grid over (B, C_mid), where asymptote and rise
    are linear.

    Args:
        x: (n,) increasing, not negative, two of them positive.
        rows: (R, n) returns, NaN where missing; a row with fewer than five points gives NaN.
        counts: (R, n) evaluations behind each point, its weight.
    """
    logs = np.log(np.where(x > 0, x, 1.0))
    first = float(logs[x > 0][0])
    logs = np.where(x > 0, logs, first - _STILL)
    exponents = np.log(np.geomspace(*EXPONENT_BOUNDS, _EXPONENTS))
    midpoints = np.linspace(first, logs[-1], _MIDPOINTS)
    nodes = np.stack([v.ravel() for v in np.meshgrid(exponents, midpoints, indexing="ij")], axis=1)
    basis = share_done(logs, nodes[:, 1:], np.exp(nodes[:, :1]))  # (nodes, n)
    low = np.array([-np.inf, 0.0, exponents[0], midpoints[0]])
    high = np.array([np.inf, np.inf, exponents[-1], midpoints[-1]])
    tenths = means(rows, windows(rows.shape[1], _WINDOWS))[0]
    found = np.full((len(rows), 4), np.nan)
    for r, (row, count) in enumerate(zip(rows, counts, strict=True)):
        known = np.isfinite(row) & (count > 0)
        if known.sum() < 5:
            continue
        centre, unit = float(row[known].mean()), float(np.ptp(row[known])) or 1.0
        y, weight = (row[known] - centre) / unit, count[known] / count[known].max()
        low[0] = (np.nanmax(tenths[r]) - centre) / unit
        start = _best_node(y, weight, basis[:, known], low[0], nodes)
        inner = (low + 1e-9, np.where(np.isfinite(high), high - 1e-9, np.inf))
        best = least_squares(
            _residual, np.clip(start, *inner), _jacobian, (low, high), x_scale="jac",
            args=(logs[known], y, np.sqrt(weight)), max_nfev=200,
        ).x  # fmt: skip
        asymptote, rise = centre + unit * best[0], unit * best[1]
        found[r] = asymptote, rise, np.exp(best[3]), np.exp(best[2])
    return found


def correlation(residual: Floats) -> tuple[float, float]:
    """Return ρ of neighbouring residuals (n,) of a fitted curve, and their degrees of freedom.

    Four smooth parameters take low frequencies out of the noise: ρ is raised by about that, 4(1 + ρ)/n,
    and each of them takes (1 + ρ)/(1 − ρ) degrees of freedom, together at most half of n.
    """
    n = residual.size
    squares = float(residual @ residual)
    rho = float(residual[1:] @ residual[:-1]) / squares if squares > 0 else 0.0
    rho = min(max(rho + 4.0 * (1.0 + rho) / n, 0.0), 0.95)
    return rho, n - min(4.0 * (1.0 + rho) / (1.0 - rho), 0.5 * n)


def autoregressive(
    rho: float, sd: float, shape: tuple[int, int], rng: np.random.Generator
) -> Floats:
    """Return noise (rows, n) of standard deviation sd, neighbours correlated by ρ."""
    shocks = rng.standard_normal(shape)
    noise = shocks.copy()
    for k in range(1, shape[1]):
        noise[:, k] = rho * noise[:, k - 1] + np.sqrt(1.0 - rho**2) * shocks[:, k]
    return sd * noise


def _best_node(y: Floats, w: Floats, basis: Floats, low: float, nodes: Floats) -> Floats:
    """Return (asymptote, rise, ln B, ln C_mid) of the best node, linear in the first two."""
    left = 1.0 - basis  # y = asymptote − rise·left
    m, s, ss = w.sum(), left @ w, (left * left) @ w
    t, st = w @ y, left @ (w * y)
    spread = m * ss - s * s
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.where(spread > 1e-12 * m * m, (s * t - m * st) / spread, 0.0)
        top = (t + rise * s) / m
        held = (top < low) | (rise < 0)
        top = np.where(held, low, top)
        alone = np.where(ss > 0, np.maximum((low * s - st) / ss, 0.0), 0.0)
        rise = np.where(held, alone, rise)
    loss = m * top**2 - 2 * top * (t + rise * s) + 2 * rise * st + rise**2 * ss
    best = int(np.argmin(loss))
    return np.array([top[best], rise[best], *nodes[best]])


def _residual(p: Floats, logs: Floats, y: Floats, root: Floats) -> Floats:
    return root * (p[0] - p[1] * (1.0 - share_done(logs, p[3], np.exp(p[2]))) - y)


def _jacobian(p: Floats, logs: Floats, _y: Floats, root: Floats) -> Floats:
    exponent = np.exp(p[2])
    away = exponent * (logs - p[3])
    share = expit(away)
    slope = p[1] * share * (1.0 - share)
    columns = [np.ones_like(share), share - 1.0, slope * away, -slope * exponent]
    return root[:, None] * np.stack(columns, axis=1)
