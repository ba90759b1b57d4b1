"""The surface's fit to pooled responses, and its refits to resampled ones.

A refit moves everything that the posterior weighs by as much as it is uncertain (the responses by seeds
and lack of fit, the priors by their own sd) and takes the new optimum: randomise, then optimise.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from vs_laws._about_optimum import Cells, Layout, Prior, surface
from vs_laws._levenberg import minimise
from vs_laws._responses import Responses
from vs_laws.law import Floats

LACK_OF_FIT = 0.06
"""Prior sd of a cell's log D about the surface."""

_DOF = 6.0  # of that prior
_LEAST = 0.02  # lack of fit below which it is not believed
_ROUNDS = 3  # of fitting the surface and estimating the lack of fit
_MOVE = 1.15  # factor of the moves of priors and lack of fit, calibrated in simulation


@dataclass(frozen=True)
class Posterior:
    """Twice the negative log posterior of B data sets at once, up to constants.

    A response is normal about the surface, with the variance of its seeds and the lack of fit. At the
    first level that a cell does not reach, its log D is above a bound (Tobit); given the response, that
    log D is normal about ``(1 − tie)·surface + tie·response``.

    Attributes:
        layout: of the P parameters.
        cells: n places.
        prior: Q rows.
        prior_mean: (B, Q) what the rows are drawn to.
        response: (B, n), NaN where a cell reached no level.
        variance: (n,) of a response.
        bound: (B, n), NaN without one.
        tie: (n,) regression of log D at the bound on the response; 0 without a response.
        bound_variance: (n,) of log D at the bound given the response.
    """

    layout: Layout
    cells: Cells
    prior: Prior
    prior_mean: Floats
    response: Floats
    variance: Floats
    bound: Floats
    tie: Floats
    bound_variance: Floats

    def __call__(self, theta: Floats, which: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Return costs (b,), gradients (b, P) and Gauss-Newton Hessians (b, P, P), halved but costs."""
        residual, jacobian = self.rows(theta, which)
        rows = self.prior.rows
        gap = theta @ rows.T - self.prior_mean[which]
        cost = np.sum(residual**2, axis=1) + np.sum(gap**2, axis=1)
        gradient = np.einsum("bnp,bn->bp", jacobian, residual) + gap @ rows
        return cost, gradient, np.matmul(jacobian.swapaxes(1, 2), jacobian) + rows.T @ rows

    def rows(self, theta: Floats, which: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return residuals (b, m) of responses and then of bounds, and derivatives (b, m, P)."""
        model, jacobian = surface(theta, self.layout, self.cells)
        response = self.response[which]
        seen, cut = np.isfinite(self.response[0]), np.isfinite(self.bound[0])
        scale = np.sqrt(self.variance[seen])
        residual = (model[:, seen] - response[:, seen]) / scale
        slope = jacobian[:, seen] / scale[:, None]
        if not cut.any():
            return residual, slope

        tie, scale = self.tie[cut], np.sqrt(self.bound_variance[cut])
        tied = tie * np.where(seen, response, 0.0)[:, cut]
        above = ((1.0 - tie) * model[:, cut] + tied - self.bound[which][:, cut]) / scale
        log_chance = special.log_ndtr(above)
        root = np.sqrt(np.maximum(-2.0 * log_chance, 1e-300))
        density = np.exp(-0.5 * above**2 - 0.5 * np.log(2.0 * np.pi) - log_chance)
        by_model = -density / root * (1.0 - tie) / scale
        return (
            np.concatenate([residual, root], axis=1),
            np.concatenate([slope, by_model[..., None] * jacobian[:, cut]], axis=1),
        )


def posterior(
    layout: Layout, cells: Cells, prior: Prior, pooled: Responses, noise: Floats, lack: float
) -> Posterior:
    """Return the posterior of the responses' draws.

    Args:
        layout: of the parameters.
        cells: n places.
        prior: of the parameters.
        pooled: K draws of responses and bounds.
        noise: (n,) variance of log D at one level.
        lack: sd of a cell about the surface.
    """
    seen = np.isfinite(pooled.shift)
    variance = pooled.shrink * noise + lack**2
    shared, whole = pooled.tie * noise + lack**2, noise + lack**2
    tie = np.where(seen, shared / variance, 0.0)
    left = np.where(seen, whole - tie * shared, whole)
    return Posterior(
        layout,
        cells,
        prior,
        np.repeat(prior.mean[None], len(pooled.shift_draws), axis=0),
        pooled.shift_draws,
        variance,
        pooled.bound_draws,
        tie,
        np.maximum(left, 1e-3 * whole),
    )


def fit_surface(
    layout: Layout, cells: Cells, prior: Prior, pooled: Responses, noise: Floats
) -> tuple[Floats, float]:
    """Return the parameters (P,) at the mode and the lack of fit, estimated in turn by moments."""
    own = replace(pooled, shift_draws=pooled.shift[None], bound_draws=pooled.bound[None])
    theta, lack = _start(layout, cells, prior, pooled.shift)[None], LACK_OF_FIT
    for _ in range(_ROUNDS):
        known = posterior(layout, cells, prior, own, noise, lack)
        theta, _, hessian = minimise(known, theta)
        lack = _lack_of_fit(known, theta, hessian[0], (pooled.shrink * noise))
    known = posterior(layout, cells, prior, own, noise, lack)
    return minimise(known, theta)[0][0], lack


def refit_surface(
    layout: Layout,
    cells: Cells,
    prior: Prior,
    pooled: Responses,
    noise: Floats,
    seeds: Floats,
    start: Floats,
    lack: float,
    rng: np.random.Generator,
) -> Floats:
    """Return the modes (K, P) for the K draws of the responses, moved as the module says.

    Args:
        layout: of the parameters.
        cells: n places.
        prior: of the parameters.
        pooled: responses; their draws are widened to the variance the posterior has them at.
        noise: (n,) variance of log D at one level.
        seeds: (n,) seeds behind each cell.
        start: (P,) mode of the data themselves.
        lack: sd of a cell about the surface.
        rng: moves priors, lack of fit, and what the draws do not move.
    """
    count = len(pooled.shift_draws)
    known = posterior(layout, cells, prior, pooled, noise, lack)
    deviation = pooled.shift_draws - pooled.shift_draws.mean(axis=0)
    have, want = np.mean(deviation**2, axis=0), pooled.shrink * noise
    with np.errstate(invalid="ignore", divide="ignore"):  # no draws: 0/0
        most = np.sqrt(seeds / np.maximum(seeds - 1.0, 1.0))
        factor = np.where(have > 0, np.minimum(np.sqrt(want / have), most), 0.0)
    rest = np.sqrt(np.maximum(want - factor**2 * have, 0.0) + (_MOVE * lack) ** 2)
    own = rng.standard_normal((2, count, len(seeds)))
    moves = _MOVE * rng.standard_normal((count, len(prior.mean)))
    moved = replace(
        known,
        response=pooled.shift + factor * deviation + rest * own[0],
        bound=known.bound + np.sqrt(known.bound_variance) * own[1],
        prior_mean=prior.mean + moves,
    )
    return minimise(moved, np.repeat(start[None], count, axis=0), tolerance=1e-8)[0]


def _start(layout: Layout, cells: Cells, prior: Prior, shift: Floats) -> Floats:
    """Return the priors' centre, with each group's level at its mean response."""
    theta = np.linalg.lstsq(prior.rows, prior.mean)[0]
    seen = np.isfinite(shift)
    count = np.bincount(cells.group[seen], minlength=layout.groups)
    total = np.bincount(cells.group[seen], shift[seen], minlength=layout.groups)
    theta[: layout.groups] = total / count
    return theta


def _lack_of_fit(known: Posterior, theta: Floats, hessian: Floats, noise: Floats) -> float:
    """Return the sd of cells about the surface by moments, with 6 degrees of freedom of prior."""
    seen = np.isfinite(known.response[0])
    rows, slopes = known.rows(theta, np.arange(1))
    rows, slopes = rows[0, : seen.sum()], slopes[0, : seen.sum()]
    left = 1.0 - np.einsum("np,pq,nq->n", slopes, np.linalg.inv(hessian), slopes)
    excess = float(np.sum(rows**2 * known.variance[seen] - left * noise[seen]))
    square = (_DOF * LACK_OF_FIT**2 + max(excess, 0.0)) / (_DOF + left.sum())
    return max(float(np.sqrt(square)), _LEAST)
