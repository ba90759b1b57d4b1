"""Global least squares of ``y = d + A·σ^(−α)``, ``d, A ≥ 0``, for many data sets at once.

Variable projection (Golub & Pereyra 1973): for a fixed exponent the rest is easy, so only the
exponent is searched, densely, over its whole range.

- Plain loss: for fixed α the model is linear in (d, A); the non-negative least squares of two
  variables have a closed form. The search is one-dimensional.
- Log loss: with u = (σ/σ_min)^(−α) and the model written c·p, p = z + (1 − z)·u, 0 ≤ z ≤ 1, the
  scale c is a weighted mean for fixed (α, z). log p does not depend on the data, so the whole
  (α, z) grid costs a matrix product; the minimum over z leaves a profile in α.

Every local minimum of the profile in α is then polished by a damped projected Newton method with
exact second derivatives on (log c, z, α), rows independent. z = 0 is the pure power law (d = 0),
z = 1 the constant (A = 0); both bounds are reached exactly. Under the Huber loss the profile is
that of reweighted least squares: the result is the best of several starts, not a proven optimum.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vs_laws.forms import Floats

type Loss = Literal["log", "plain"]

ALPHA_BOUNDS = (0.01, 10.0)
"""Range in which the exponent is searched."""

_ALPHAS = np.geomspace(*ALPHA_BOUNDS, 64)
_Z_POINTS = 40
_STARTS = 3  # local minima of the profile that are polished, per data set
_CHUNK = 512  # data sets per pass; bounds memory to a few 10 MB
_ITERATIONS = 100
_EXACT = 1e-30  # mean square residual, in units of y, that is nothing but rounding
_CONTINUATION = (np.inf, 0.1, 0.01, 0.0)  # Huber thresholds passed on the way down to δ
_ROUNDS = 1  # reweighted searches for further starting points under the Huber loss


@dataclass(frozen=True)
class Solution:
    """Optimum of every data set; all fields (B,)."""

    offset: Floats
    amplitude: Floats
    alpha: Floats
    loss: Floats


@dataclass(frozen=True)
class _Problem:
    """B data sets on shared levels: x = log(σ/σ_min) (n,), y and weights (B, n)."""

    x: Floats
    y: Floats
    weights: Floats  # rows sum to 1
    log: bool
    delta: Floats  # (B,) Huber threshold in units of the residual; inf for least squares

    def rows(self, index: np.ndarray) -> "_Problem":
        return _Problem(self.x, self.y[index], self.weights[index], self.log, self.delta[index])

    def softened(self, delta: float) -> "_Problem":
        return replace(self, delta=np.maximum(self.delta, delta))


def solve(
    sigma: Floats, y: Floats, weights: Floats, *, loss: Loss, huber: float | None
) -> Solution:
    """Minimise the weighted mean of squared (or Huber) residuals over d, A ≥ 0 and α.

    Args:
        sigma: (n,) positive levels, at least two of them distinct.
        y: (B, n) positive values; ignored where the weight is 0.
        weights: (B, n) non-negative, rows not all zero.
        loss: residuals of ``log y`` or of ``y``.
        huber: residuals beyond this size (log units, or the units of y) count linearly.

    Returns:
        The optimum of every row. ``loss`` is the weighted mean of r², or of 2·huber·|r| − huber²
        beyond the Huber threshold.
    """
    log_sigma = np.log(sigma)
    origin = log_sigma.min()
    weights = weights / weights.sum(axis=1, keepdims=True)
    y = np.where(weights > 0, y, 1.0)
    scale = np.exp(np.sum(weights * np.log(y), axis=1))  # units out: all data sets are O(1)
    threshold = np.inf if huber is None else float(huber)
    log = loss == "log"
    problem = _Problem(
        log_sigma - origin,
        np.log(y / scale[:, None]) if log else y / scale[:, None],
        weights,
        log,
        np.full(len(y), threshold) if log else threshold / scale,
    )
    parts = [
        _solve_chunk(problem.rows(np.arange(start, min(start + _CHUNK, len(y)))))
        for start in range(0, len(y), _CHUNK)
    ]
    theta = np.concatenate([part[0] for part in parts])
    value = np.concatenate([part[1] for part in parts])
    top, z, alpha = scale * np.exp(theta[:, 0]), theta[:, 1], theta[:, 2]
    return Solution(
        top * z,
        top * (1.0 - z) * np.exp(alpha * origin),
        alpha,
        value if log else value * scale**2,
    )


def _solve_chunk(problem: _Problem) -> tuple[Floats, Floats]:
    """Best (log c, z, α) (B, 3) and objective (B,)."""
    best = np.full((len(problem.y), 3), np.nan)
    lowest = np.full(len(problem.y), np.inf)
    robust = bool(np.isfinite(problem.delta).any())
    weights = problem.weights
    for _ in range(1 + _ROUNDS * robust):
        search = _log_starts if problem.log else _plain_starts
        row, start = search(problem.x, problem.y, weights)
        part = problem.rows(row)
        theta, value = _polish(part, start)
        if robust:  # and once more through smoother losses: a small δ is all kinks
            smooth, value_smooth = start, value
            for level in _CONTINUATION:
                smooth, value_smooth = _polish(part.softened(level), smooth)
            row = np.concatenate([row, row])
            theta = np.concatenate([theta, smooth])
            value = np.concatenate([value, value_smooth])
        for index in np.argsort(-value, kind="stable"):  # the lowest is written last
            if value[index] < lowest[row[index]]:
                best[row[index]], lowest[row[index]] = theta[index], value[index]
        if robust:  # search again with the weights that the Huber loss gives its residuals
            weights = problem.weights * _irls(problem, problem.y - _model(problem, best)[0])
            weights = weights / weights.sum(axis=1, keepdims=True)
    return best, lowest


def _minima(profile: Floats) -> tuple[np.ndarray, np.ndarray]:
    """(row, column) of the lowest local minima of each row of a (B, G) profile, ends included."""
    padded = np.pad(profile, ((0, 0), (1, 1)), constant_values=np.inf)
    minimum = (profile < padded[:, :-2]) & (profile <= padded[:, 2:])
    minimum[np.arange(len(profile)), profile.argmin(axis=1)] = True
    ranked = np.argsort(np.where(minimum, profile, np.inf), axis=1)[:, :_STARTS]
    keep = np.take_along_axis(minimum, ranked, axis=1)
    row = np.nonzero(keep)[0]
    return row, ranked[keep]


def _log_starts(x: Floats, y: Floats, weights: Floats) -> tuple[np.ndarray, Floats]:
    """Starting points for the log loss, with the pure power law and the constant among them."""
    log_u = -np.multiply.outer(_ALPHAS, x)  # (G, n)
    # between "the offset is invisible even at the largest σ" and "only the offset is visible"
    logit = np.linspace(log_u.min(axis=1) - 6.0, np.full(_ALPHAS.size, 6.0), _Z_POINTS, axis=1)
    z = 1.0 / (1.0 + np.exp(-logit))
    z[:, 0] = 0.0
    shape = np.log(z[..., None] + (1.0 - z[..., None]) * np.exp(log_u)[:, None, :])  # (G, Z, n)
    flat = shape.reshape(-1, x.size)
    mean = np.sum(weights * y, axis=1, keepdims=True)
    centred = weights * (y - mean)
    if np.all(weights == weights[0]):
        shape_mean = flat @ weights[0]
        spread = flat**2 @ weights[0] - shape_mean**2
    else:
        shape_mean = weights @ flat.T
        spread = weights @ (flat**2).T - shape_mean**2
    # variance of y − log p, up to the constant variance of y
    objective = (spread - 2.0 * (centred @ flat.T)).reshape(len(y), *z.shape)
    z_index = objective.argmin(axis=2)
    row, column = _minima(np.take_along_axis(objective, z_index[..., None], axis=2)[..., 0])
    alpha, z_start = _ALPHAS[column], z[column, z_index[row, column]]
    x_mean = np.sum(weights * x, axis=1, keepdims=True)
    slope = -np.sum(centred * (x - x_mean), axis=1) / np.sum(weights * (x - x_mean) ** 2, axis=1)
    every = np.arange(len(y))
    row = np.concatenate([row, every])
    alpha = np.concatenate([alpha, np.clip(slope, *ALPHA_BOUNDS)])
    z_start = np.concatenate([z_start, np.where(slope > 0, 0.0, 1.0)])
    p = z_start[:, None] + (1.0 - z_start[:, None]) * np.exp(-alpha[:, None] * x)
    top = np.sum(weights[row] * (y[row] - np.log(p)), axis=1)
    return row, np.stack([top, z_start, alpha], axis=1)


def _plain_starts(x: Floats, y: Floats, weights: Floats) -> tuple[np.ndarray, Floats]:
    """Starting points for the plain loss: non-negative least squares of (d, A) on the α grid."""
    u = np.exp(-np.multiply.outer(_ALPHAS, x))  # (G, n)
    y_mean = np.sum(weights * y, axis=1, keepdims=True)
    u_mean = weights @ u.T  # (B, G)
    u_square = weights @ (u**2).T
    product = (weights * y) @ u.T
    # A = 0 when the covariance is negative; d = 0 when the free solution has d < 0
    spread = np.maximum(u_square - u_mean**2, 1e-300)
    amplitude = np.maximum(product - u_mean * y_mean, 0.0) / spread
    offset = y_mean - amplitude * u_mean
    negative = offset < 0
    amplitude = np.where(negative, product / u_square, amplitude)
    offset = np.where(negative, 0.0, offset)
    objective = (
        -2.0 * (offset * y_mean + amplitude * product)
        + offset**2
        + 2.0 * offset * amplitude * u_mean
        + amplitude**2 * u_square
    )
    row, column = _minima(objective)
    d, a = offset[row, column], amplitude[row, column]
    return row, np.stack([np.log(d + a), d / (d + a), _ALPHAS[column]], axis=1)


def _model(problem: _Problem, theta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Model (R, n) in the residual's units, p, u and 1 − z."""
    rest = 1.0 - theta[:, 1:2]
    u = np.exp(-theta[:, 2:] * problem.x)
    p = theta[:, 1:2] + rest * u
    if problem.log:
        with np.errstate(divide="ignore"):
            return theta[:, :1] + np.log(p), p, u, rest
    return np.exp(theta[:, :1]) * p, p, u, rest


def _objective(problem: _Problem, residual: Floats) -> Floats:
    size = np.abs(residual)
    delta = problem.delta[:, None]
    inside = np.minimum(size, delta)
    return np.sum(problem.weights * inside * (2.0 * size - inside), axis=1)


def _irls(problem: _Problem, residual: Floats) -> Floats:
    """Weights min(1, δ/|r|) that turn the Huber loss into least squares (Huber 1964)."""
    delta = problem.delta[:, None]
    with np.errstate(divide="ignore"):
        return 1.0 / np.maximum(np.abs(residual) / delta, 1.0)


def _derivatives(problem: _Problem, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Gradient (R, 3), Hessian (R, 3, 3) and curvature scale (R, 3) of half the objective."""
    model, p, u, rest = _model(problem, theta)
    residual = problem.y - model
    delta = problem.delta[:, None]
    pull = problem.weights * np.clip(residual, -delta, delta)
    stiff = problem.weights * (np.abs(residual) <= delta)
    p_z, p_a = 1.0 - u, -rest * problem.x * u
    p_za, p_aa = problem.x * u, -problem.x * p_a
    if problem.log:  # derivatives of log c + log p
        j_z, j_a = p_z / p, p_a / p
        jacobian = np.stack([np.ones_like(p), j_z, j_a], axis=1)
        zero = np.zeros_like(p)
        second = (zero, zero, zero, -j_z * j_z, p_za / p - j_z * j_a, p_aa / p - j_a * j_a)
    else:  # derivatives of c·p
        c = np.exp(theta[:, :1])
        jacobian = c[:, None] * np.stack([p, p_z, p_a], axis=1)
        second = (c * p, c * p_z, c * p_a, np.zeros_like(p), c * p_za, c * p_aa)
    gradient = -(jacobian @ pull[..., None])[..., 0]
    gauss = (jacobian * stiff[:, None]) @ jacobian.transpose(0, 2, 1)
    # the damping's scale is that of the reweighted squares, which never vanishes
    reweighted = problem.weights * _irls(problem, residual)
    scale = np.sum(reweighted[:, None] * jacobian**2, axis=2)
    bend = np.einsum("krn,rn->rk", np.stack(second), pull)
    hessian = gauss - bend[:, _SYMMETRIC]
    return gradient, hessian, scale


_SYMMETRIC = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])
_LOWER = np.array([-np.inf, 0.0, ALPHA_BOUNDS[0]])
_UPPER = np.array([np.inf, 1.0, ALPHA_BOUNDS[1]])


def _polish(problem: _Problem, theta: Floats) -> tuple[Floats, Floats]:
    """Damped projected Newton from every start; the objective never rises."""
    theta = theta.copy()
    value = _objective(problem, problem.y - _model(problem, theta)[0])
    damping = np.full(len(theta), 1e-3)
    active = np.arange(len(theta))
    for _ in range(_ITERATIONS):
        if active.size == 0:
            break
        part, here = problem.rows(active), theta[active]
        gradient, hessian, scale = _derivatives(part, here)
        held = ((here <= _LOWER) & (gradient > 0)) | ((here >= _UPPER) & (gradient < 0))
        gradient = np.where(held, 0.0, gradient)
        hessian = np.where(held[:, :, None] | held[:, None, :], 0.0, hessian)
        diagonal = damping[active, None] * (scale + 1e-12) + 1e-30
        hessian[:, [0, 1, 2], [0, 1, 2]] += np.where(held, 1.0, diagonal)
        with np.errstate(over="ignore", invalid="ignore"):
            step = -_solve3(hessian, gradient)
            moved = np.clip(here + step, _LOWER, _UPPER)
            reached = _objective(part, part.y - _model(part, moved)[0])
        better = reached < value[active]
        theta[active[better]], value[active[better]] = moved[better], reached[better]
        damping[active] *= np.where(better, 0.1, 10.0)
        still = np.all(np.abs(moved - here) <= 1e-14 * (1e-3 + np.abs(here)), axis=1)
        # an exact fit, or steps that cannot lower the objective any more: rounding is left
        done = still | (value[active] < _EXACT) | (~better & (damping[active] > 1e8))
        active = active[~done]
    return theta, value


def _solve3(matrix: Floats, vector: Floats) -> Floats:
    """Solve (R, 3, 3) systems by Cramer's rule: never raises, inf/NaN where singular."""
    a, b, c = matrix[:, 0], matrix[:, 1], matrix[:, 2]
    bc, ca, ab = _cross(b, c), _cross(c, a), _cross(a, b)
    determinant = np.sum(a * bc, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (vector[:, :1] * bc + vector[:, 1:2] * ca + vector[:, 2:] * ab) / determinant


def _cross(a: Floats, b: Floats) -> Floats:
    return np.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        axis=1,
    )
