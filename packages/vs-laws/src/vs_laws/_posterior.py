"""Maximum a posteriori and Laplace approximation of a law with correlated residuals and censored entries."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import least_squares
from scipy.special import log_ndtr

from vs_laws._level_forms import Shape, shape
from vs_laws._residual import Entries, covariance, shared
from vs_laws.law import Floats

HEIGHT_SD = 10.0
"""Prior deviation of a level's own height: flat for any purpose."""
CENTRE = np.array([-1.0, 0.0, np.log(0.6), 0.0])
"""Prior means of an axis' u, its slope, ln α, its slope."""
SPREAD = np.array([1.5, 2.0, 0.6, 0.5])
"""Prior deviations of the same."""

_SWEEPS = 4  # of expectation propagation over censored entries
_WIDE = 1e4  # variance of a censored entry's site before the first sweep


@dataclass(frozen=True)
class Prior:
    """Independent normal priors of an axis' parameters, (4K,) each; heights of levels are flat."""

    mean: Floats
    sd: Floats

    @classmethod
    def standard(cls, axes: int) -> "Prior":
        """Return the prior of a task about which nothing else is known."""
        return cls(np.tile(CENTRE, axes), np.tile(SPREAD, axes))


@dataclass(frozen=True)
class Data:
    """Entries with their values.

    Attributes:
        heights: (n, L) weights of the levels' heights in each entry.
        y: (n,) log D; of a censored entry the log of the step it was seen to exceed.
        censored: (n,).
    """

    entries: Entries
    heights: Floats
    y: Floats
    censored: NDArray[np.bool_]


@dataclass(frozen=True)
class Posterior:
    """A law's parameters given the data, and its residuals.

    Attributes:
        form: how the terms combine.
        entries: the places behind it.
        height: (L,) log D at s = 1, by level.
        theta: (4K,) as `vs_laws._level_forms.shape` takes them.
        covariance: (L + 4K, L + 4K) of both, by Laplace.
        weights: (n,) inverse covariance times residuals: kriging needs no more.
        jacobian: (n, L + 4K) of the entries' means.
        factor: Cholesky factor of the entries' covariance, as `scipy.linalg.cho_factor` has it.
        left_out: (n,) residual of each entry, standardised, with its run left out; NaN where censored.
        gap: (n,) the same residual in log D.
    """

    form: Shape
    entries: Entries
    height: Floats
    theta: Floats
    covariance: Floats
    weights: Floats
    jacobian: Floats
    factor: tuple[Floats, bool]
    left_out: Floats
    gap: Floats

    def joint(self, logs: Floats, t: Floats, heights: Floats) -> tuple[Floats, Floats, Floats]:
        """Return mean (m,) and covariance (m, m) of the surface, and what is left to know of it (m,).

        Args:
            logs: (m, K) log places relative to those fitted.
            t: (m,) positions of levels.
            heights: (m, L) weights of the levels' heights.

        Returns:
            Law plus kriged residual; its covariance by kriging and Laplace; and the share of the prior
            variance of the shared lack of fit that the fitted runs leave.
        """
        value, slopes = shape(self.form, self.theta, logs, t)
        gradient = np.column_stack([heights, slopes])
        cross = shared(logs, t, self.entries.logs, self.entries.t)  # (m, n)
        solved = cho_solve(self.factor, cross.T).T
        prior = shared(logs, t, logs, t)
        left = prior - cross @ solved.T
        rest = gradient - solved @ self.jacobian
        mean = heights @ self.height + value + cross @ self.weights
        return mean, left + rest @ self.covariance @ rest.T, np.diag(left) / np.diag(prior)


def posterior(form: Shape, data: Data, prior: Prior) -> Posterior:
    """Fit by Levenberg-Marquardt from the prior's mean; censored entries by expectation propagation."""
    total = covariance(data.entries)
    extra = np.where(data.censored, _WIDE, 0.0)
    y = data.y.copy()
    found, start = None, None
    for _ in range(_SWEEPS if data.censored.any() else 0):
        found, jacobian, mean = _map(form, data, y, total, extra, prior, start)
        start = found
        y, extra = _sites(data, y, total, extra, jacobian, mean, prior)
    found, jacobian, mean = _map(form, data, y, total, extra, prior, start)
    levels = data.heights.shape[1]
    noisy = total + np.diag(extra)
    factor = cho_factor(noisy, lower=True)
    weights = cho_solve(factor, y - mean)
    inner = jacobian.T @ cho_solve(factor, jacobian)
    inner[np.diag_indices(len(inner))] += _precision(levels, prior)
    gap, left_out = _left_out(data, y - mean, factor, jacobian, inner)
    return Posterior(
        form=form, entries=data.entries, height=found[:levels], theta=found[levels:],
        covariance=np.linalg.inv(inner), weights=weights, jacobian=jacobian, factor=factor,
        left_out=left_out, gap=gap,
    )  # fmt: skip


def _precision(levels: int, prior: Prior) -> Floats:
    return np.concatenate([np.full(levels, HEIGHT_SD**-2.0), prior.sd**-2.0])


def _map(
    form: Shape, data: Data, y: Floats, total: Floats, extra: Floats, prior: Prior,
    start: Floats | None,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Return parameters, Jacobian (n, P) and mean (n,) at the maximum of the posterior."""
    levels = data.heights.shape[1]
    root = cholesky(total + np.diag(extra), lower=True)
    whiten = solve_triangular(root, np.eye(len(root)), lower=True)
    heights, target = whiten @ data.heights, whiten @ y
    logs, t = data.entries.logs, data.entries.t
    centre = _height_centre(data)

    def parts(found: Floats) -> tuple[Floats, Floats]:
        value, slopes = shape(form, found[levels:], logs, t)
        both = whiten @ np.column_stack([value, slopes])
        return both[:, 0], both[:, 1:]

    def residual(found: Floats) -> Floats:
        value, _ = parts(found)
        return np.concatenate([
            heights @ found[:levels] + value - target,
            (found[:levels] - centre) / HEIGHT_SD,
            (found[levels:] - prior.mean) / prior.sd,
        ])  # fmt: skip

    own = np.diag(np.sqrt(_precision(levels, prior)))

    def gradient(found: Floats) -> Floats:
        return np.vstack([np.column_stack([heights, parts(found)[1]]), own])

    first = np.concatenate([centre, prior.mean]) if start is None else start
    found = least_squares(
        residual, first, jac=gradient, method="lm", ftol=1e-12, xtol=1e-10, gtol=1e-10
    ).x
    value, slopes = shape(form, found[levels:], logs, t)
    return found, np.column_stack([data.heights, slopes]), data.heights @ found[:levels] + value


def _height_centre(data: Data) -> Floats:
    """Return where the flat prior of heights is centred, (L,): the middle of all that was measured."""
    known = data.y[~data.censored]
    return np.full(data.heights.shape[1], np.median(known))


def _sites(
    data: Data, y: Floats, total: Floats, extra: Floats, jacobian: Floats, mean: Floats,
    prior: Prior,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return pseudo-values (n,) and their variances (n,): censored entries by moment matching."""
    spread = 1.0 / _precision(data.heights.shape[1], prior)
    whole = total + np.diag(extra) + (jacobian * spread) @ jacobian.T
    inverse = np.linalg.inv(whole)
    # at the maximum, the inverse of `whole` times the residual about the prior's mean is the same
    # as the inverse of the entries' covariance times the residual about the law
    found = cho_solve(cho_factor(total + np.diag(extra), lower=True), y - mean)
    y, extra = y.copy(), extra.copy()
    for e in np.flatnonzero(data.censored).tolist():
        out = 1.0 / inverse[e, e]
        cavity = y[e] - found[e] * out
        width = max(out - extra[e], 1e-8)
        tilted, left = _truncated(cavity, width, float(data.y[e]))
        precision = 1.0 / left - 1.0 / width
        if precision > 1e-8:
            extra[e] = 1.0 / precision
            y[e] = extra[e] * (tilted / left - cavity / width)
    return y, extra


def _truncated(mean: float, variance: float, above: float) -> tuple[float, float]:
    """Return mean and variance of a normal variable known to lie above a value."""
    sd = np.sqrt(variance)
    z = (mean - above) / sd
    ratio = float(np.exp(-0.5 * z * z - 0.5 * np.log(2.0 * np.pi) - log_ndtr(z)))
    return mean + sd * ratio, max(variance * (1.0 - ratio * (z + ratio)), 1e-10)


def _left_out(
    data: Data, residual: Floats, factor: tuple[Floats, bool], jacobian: Floats, inner: Floats
) -> tuple[Floats, Floats]:
    """Return each entry's residual with its run left out, in log D and standardised, both (n,)."""
    solved = cho_solve(factor, np.eye(len(residual)))
    half = solved @ jacobian
    inverse = solved - half @ np.linalg.solve(inner, half.T)
    weighted = solved @ residual
    gap, standard = np.full(len(residual), np.nan), np.full(len(residual), np.nan)
    for run in np.unique(data.entries.run):
        own = np.flatnonzero(data.entries.run == run)
        block = np.linalg.inv(inverse[np.ix_(own, own)])
        out = block @ weighted[own]
        known = ~data.censored[own]
        gap[own[known]] = out[known]
        standard[own[known]] = (out / np.sqrt(np.maximum(np.diag(block), 1e-12)))[known]
    return gap, standard
