"""Damped projected Newton for saturating forms over K axes, many problems at once, rows independent.

A form has 1 + K local parameters per task, and one exponent per axis that all tasks share:

- additive: ``f = a_0 + Σ_k a_k·u_k``, a ≥ 0 (floorless: a_0 = 0),
- product: ``f = c·Π_k (z_k + (1 − z_k)·u_k)``, c ≥ 0, 0 ≤ z ≤ 1,

with ``u_k = exp(−α_k·x_k)``. First and second derivatives are exact; every bound is reached exactly.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vs_laws.law import Floats

_GAIN = 1e-14  # share of the objective
_EXACT = 1e-28  # mean square residual, in units of y, that is nothing but rounding


@dataclass(frozen=True)
class Problem:
    """B data sets. Parameters theta: (1 + K) per task, task by task, then K exponents.

    Attributes:
        x: (B, n, K) logarithms of the axes above their task's least, or (1, n, K) shared by all.
        member: (n,) task of each point, 0 … T−1.
        tasks: T.
        y: (B, n) log y or y, units taken out.
        weights: (B, n), rows sum to 1; 0 for missing points.
        log: whether residuals are those of log y, or of y.
        product: product form, else additive.
        low: (T·(1 + K) + K,) lower bounds of theta.
        high: upper bounds.
        delta: (B,) size beyond which a residual r counts as 2·delta·|r| − delta² (Huber); None for
            least squares.
    """

    x: Floats
    member: NDArray[np.int64]
    tasks: int
    y: Floats
    weights: Floats
    log: bool
    product: bool
    low: Floats
    high: Floats
    delta: Floats | None = None

    @property
    def axes(self) -> int:
        """K."""
        return self.x.shape[-1]

    def rows(self, index: NDArray[np.int64]) -> "Problem":
        """Return the same with the data sets at ``index``."""
        x = self.x if len(self.x) == 1 else self.x[index]
        delta = None if self.delta is None else self.delta[index]
        return replace(self, x=x, y=self.y[index], weights=self.weights[index], delta=delta)


def model(problem: Problem, theta: Floats) -> Floats:
    """Return f at the points, (R, n)."""
    local, u = _local(problem, theta), _powers(problem, theta)
    f = local[..., 0]
    for k in range(problem.axes):
        share = local[..., 1 + k]
        f = f * (share + (1.0 - share) * u[k]) if problem.product else f + share * u[k]
    return f


def residuals(problem: Problem, theta: Floats) -> Floats:
    """Return y − f, or y − log f, (R, n); NaN or infinite where f is not positive under logs."""
    f = model(problem, theta)
    if not problem.log:
        return problem.y - f
    with np.errstate(divide="ignore", invalid="ignore"):
        return problem.y - np.log(f)


def objective(problem: Problem, theta: Floats) -> Floats:
    """Return the weighted mean squared (or Huber) residual (R,); inf without a logarithm."""
    r = np.where(problem.weights > 0, residuals(problem, theta), 0.0)
    inside = r if problem.delta is None else np.clip(r, *_ends(problem.delta))
    with np.errstate(invalid="ignore"):  # an infinite residual
        value = np.einsum("rn,rn,rn->r", problem.weights, inside, 2.0 * r - inside)
    return np.where(np.isnan(value), np.inf, value)


def softened(problem: Problem, residual: Floats) -> Floats:
    """Return the weights (R, n) that turn a Huber loss into squares, w·min(1, delta/|r|) (Huber 1964)."""
    if problem.delta is None:
        return problem.weights
    with np.errstate(divide="ignore", invalid="ignore"):
        return problem.weights / np.fmax(np.abs(residual) / problem.delta[:, None], 1.0)


def polish(
    problem: Problem, theta: Floats, *, iterations: int, caution: float = 1e-3
) -> tuple[Floats, Floats]:
    """Lower the objective from every start (R, P) to a local minimum; it never rises.

    ``caution`` is the damping of the first step: near 1 a start stays in its own basin.
    """
    theta, low, high = theta.copy(), problem.low, problem.high
    value = objective(problem, theta)
    damping = np.full(len(theta), caution)
    active = np.arange(len(theta))
    every = np.arange(theta.shape[1])
    part = problem
    for _ in range(iterations):
        if active.size == 0:
            break
        here = theta[active]
        gradient, hessian, scale = _derivatives(part, here)
        held = ((here <= low) & (gradient >= 0)) | ((here >= high) & (gradient <= 0))
        gradient = np.where(held, 0.0, gradient)
        hessian = np.where(held[:, :, None] | held[:, None, :], 0.0, hessian)
        hessian[:, every, every] += np.where(held, 1.0, damping[active, None] * scale + 1e-15)
        step = -np.linalg.solve(hessian, gradient[..., None])[..., 0]
        moved = np.clip(here + step, low, high)
        reached = objective(part, moved)
        better = reached < value[active]
        theta[active[better]], value[active[better]] = moved[better], reached[better]
        damping[active] *= np.where(better, 0.1, 10.0)
        still = np.all(np.abs(moved - here) <= 1e-12 * (1e-3 + np.abs(here)), axis=1)
        # an exact fit, or steps that cannot lower the objective any more: rounding is left
        done = still | (value[active] < _EXACT) | (~better & (damping[active] > 1e8))
        # nearly undamped, Newton's own estimate of what is left to gain is below rounding
        gain = -np.sum(gradient * step, axis=1)
        done |= (gain <= _GAIN * value[active]) & (damping[active] < 1e-3)
        if done.any():
            active = active[~done]
            part = problem.rows(active)
    return theta, value


def _ends(delta: Floats) -> tuple[Floats, Floats]:
    return -delta[:, None], delta[:, None]


def _local(problem: Problem, theta: Floats) -> Floats:
    """Return each point's local parameters, (R, n or 1, 1 + K)."""
    local = theta[:, : -problem.axes].reshape(len(theta), problem.tasks, 1 + problem.axes)
    return local[:, problem.member] if problem.tasks > 1 else local


def _powers(problem: Problem, theta: Floats) -> list[Floats]:
    exponents = theta[:, -problem.axes :]
    return [np.exp(-exponents[:, k : k + 1] * problem.x[..., k]) for k in range(problem.axes)]


type _Second = dict[tuple[int, int], Floats]


def _derivatives(problem: Problem, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Return gradient (R, P), Hessian (R, P, P) and curvature scale (R, P) of half the objective."""
    local, u = _local(problem, theta), _powers(problem, theta)
    f, first, second = (_product if problem.product else _sum)(problem, local, u)
    weights = problem.weights
    residual = problem.y - (np.log(f) if problem.log else f)
    soft = softened(problem, residual)
    pull = soft * residual
    stiff = weights if problem.delta is None else np.where(soft < weights, 0.0, weights)
    if problem.log:  # d log f = df/f, d² log f = d²f/f − (df/f)²
        first = first / f[:, None]
        stiff, bend_weight = stiff + pull, pull / f
    else:
        bend_weight = pull
    size = 1 + 2 * problem.axes
    bend = np.zeros((len(theta), size, size, problem.tasks))
    one_hot = np.equal.outer(problem.member, np.arange(problem.tasks)).astype(float)
    i, j = np.transpose(list(second))
    terms = np.stack(list(second.values()), axis=1) * bend_weight[:, None]
    bend[:, i, j] = bend[:, j, i] = terms @ one_hot
    if problem.tasks == 1:
        jacobian, twist = first, bend[..., 0]
    else:
        jacobian, twist = _spread(first, one_hot, problem.axes), _assemble(bend, problem.axes)
    gradient = -(jacobian @ pull[..., None])[..., 0]
    hessian = (jacobian * stiff[:, None]) @ jacobian.transpose(0, 2, 1) - twist
    # of the softened squares, which never vanish
    scale = np.sum(soft[:, None] * jacobian**2, axis=2)
    return gradient, hessian, scale


def _sum(problem: Problem, local: Floats, u: list[Floats]) -> tuple[Floats, Floats, _Second]:
    """Return f, its derivatives (R, 1 + 2K, n) and non-zero second ones, additive form."""
    K = problem.axes
    f, first = local[..., 0], [np.ones_like(u[0])]
    slopes, second = [], {}
    for k in range(K):
        a, xu = local[..., 1 + k], problem.x[..., k] * u[k]
        f = f + a * u[k]
        first.append(u[k])
        slopes.append(-a * xu)
        second[1 + k, 1 + K + k] = -xu
        second[1 + K + k, 1 + K + k] = a * problem.x[..., k] * xu
    return f, np.stack([*first, *slopes], axis=1), second


def _product(problem: Problem, local: Floats, u: list[Floats]) -> tuple[Floats, Floats, _Second]:
    """Return the same for the product form."""
    K = problem.axes
    top = local[..., 0]
    # each factor g_k with its derivatives by z_k, by α_k, twice by α_k, and by both
    factors = []
    for k in range(K):
        z, xu = local[..., 1 + k], problem.x[..., k] * u[k]
        rest = 1.0 - z
        factors.append((z + rest * u[k], 1.0 - u[k], -rest * xu, rest * problem.x[..., k] * xu, xu))

    def times(**at: int) -> Floats:
        """Return Π_k g_k with the derivative numbered ``at`` taken of some factors."""
        result = np.ones_like(u[0])
        for k in range(K):
            result = result * factors[k][at.get(f"f{k}", 0)]
        return result

    whole = times()
    first = [whole, *(top * times(**{f"f{k}": 1}) for k in range(K))]
    first += [top * times(**{f"f{k}": 2}) for k in range(K)]
    second: _Second = {}
    for k in range(K):
        z, e = 1 + k, 1 + K + k
        second[0, z], second[0, e] = times(**{f"f{k}": 1}), times(**{f"f{k}": 2})
        second[z, e], second[e, e] = top * times(**{f"f{k}": 4}), top * times(**{f"f{k}": 3})
        for m in range(k + 1, K):
            for one, i in ((1, z), (2, e)):
                for other, j in ((1, 1 + m), (2, 1 + K + m)):
                    second[i, j] = top * times(**{f"f{k}": one, f"f{m}": other})
    return top * whole, np.stack(first, axis=1), second


def _spread(first: Floats, one_hot: Floats, axes: int) -> Floats:
    """Return (R, P, n) from (R, 1 + 2K, n): a point moves only with its own task's parameters."""
    rows, _, count = first.shape
    local = first[:, None, : 1 + axes] * one_hot.T[:, None, :]  # (R, T, 1 + K, n)
    return np.concatenate([local.reshape(rows, -1, count), first[:, 1 + axes :]], axis=1)


def _assemble(bend: Floats, axes: int) -> Floats:
    """Return (R, P, P) from (R, 1 + 2K, 1 + 2K, T)."""
    rows, tasks = len(bend), bend.shape[-1]
    size = (1 + axes) * tasks + axes
    full = np.zeros((rows, size, size))
    for task in range(tasks):
        own = np.arange((1 + axes) * task, (1 + axes) * (task + 1))
        index = np.concatenate([own, np.arange(size - axes, size)])
        full[:, index[:, None], index] += bend[..., task]
    return full
