"""Damped projected Newton for the two-axis forms, many problems at once, rows independent.

A form has three local parameters per task and two exponents shared by all tasks:

- additive: ``f = a0 + a1·u + a2·v``, a ≥ 0 (floorless: a0 = 0),
- product: ``f = c·(z1 + (1−z1)·u)·(z2 + (1−z2)·v)``, c ≥ 0, 0 ≤ z ≤ 1,

with ``u = exp(−α·x)``, ``v = exp(−β·z)``. First and second derivatives are exact; every bound is
reached exactly.
"""

from dataclasses import dataclass

import numpy as np

from vs_laws.forms import Floats

EXPONENT_BOUNDS = (0.01, 10.0)
"""Range in which both exponents of a surface are searched."""

_GAIN = 1e-14  # share of the objective
_EXACT = 1e-28  # mean square residual, in units of y, that is nothing but rounding


@dataclass(frozen=True)
class Bounds:
    """Bounds of the local parameters (3,) and of the exponents (2,)."""

    local: tuple[Floats, Floats]
    exponents: tuple[Floats, Floats]


_EXPONENTS = (np.full(2, EXPONENT_BOUNDS[0]), np.full(2, EXPONENT_BOUNDS[1]))

BOUNDS = {
    "additive": Bounds((np.zeros(3), np.full(3, np.inf)), _EXPONENTS),
    "floorless": Bounds((np.zeros(3), np.array([0.0, np.inf, np.inf])), _EXPONENTS),
    "product": Bounds((np.zeros(3), np.array([np.inf, 1.0, 1.0])), _EXPONENTS),
}


@dataclass(frozen=True)
class Problem:
    """B data sets on shared points.

    Attributes:
        x: (n,) log σ above its task's least.
        z: (n,) log N above its task's least.
        member: (n,) task of each point, 0 … T−1.
        tasks: T.
        y: (B, n) log y or y, units taken out.
        weights: (B, n), rows sum to 1; 0 for missing points.
        log: residuals of log y or of y.
        product: product form, else additive.
        bounds: of the parameters.
    """

    x: Floats
    z: Floats
    member: np.ndarray
    tasks: int
    y: Floats
    weights: Floats
    log: bool
    product: bool
    bounds: Bounds

    def rows(self, index: np.ndarray) -> "Problem":
        """The same with the data sets at ``index``."""
        return Problem(
            self.x,
            self.z,
            self.member,
            self.tasks,
            self.y[index],
            self.weights[index],
            self.log,
            self.product,
            self.bounds,
        )


def model(problem: Problem, theta: Floats) -> Floats:
    """F at the points, (R, n); theta (R, 3T + 2) = local parameters task by task, α, β."""
    a, b, c = _local(problem, theta)
    u, v = _powers(problem, theta)
    if problem.product:
        return a * (b + (1.0 - b) * u) * (c + (1.0 - c) * v)
    return a + b * u + c * v


def objective(problem: Problem, theta: Floats) -> Floats:
    """Weighted mean squared residual (R,); inf where the model is not positive under logs."""
    f = model(problem, theta)
    if not problem.log:
        return np.sum(problem.weights * (problem.y - f) ** 2, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.sum(
            np.where(problem.weights > 0, problem.weights * (problem.y - np.log(f)) ** 2, 0.0),
            axis=1,
        )
    return np.where(np.isnan(value), np.inf, value)


def polish(problem: Problem, theta: Floats, *, iterations: int) -> tuple[Floats, Floats]:
    """Lower the objective from every start (R, 3T + 2) to a local minimum; it never rises."""
    theta = theta.copy()
    low = np.concatenate([np.tile(problem.bounds.local[0], problem.tasks), _ends(problem, 0)])
    high = np.concatenate([np.tile(problem.bounds.local[1], problem.tasks), _ends(problem, 1)])
    value = objective(problem, theta)
    damping = np.full(len(theta), 1e-3)
    active = np.arange(len(theta))
    every = np.arange(theta.shape[1])
    for _ in range(iterations):
        if active.size == 0:
            break
        part, here = problem.rows(active), theta[active]
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
        active = active[~done]
    return theta, value


def _ends(problem: Problem, side: int) -> Floats:
    return problem.bounds.exponents[side]


def _local(problem: Problem, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """The three local parameters of each point's task, (R, n) or (R, 1) each."""
    local = theta[:, :-2].reshape(len(theta), problem.tasks, 3)
    at = problem.member if problem.tasks > 1 else slice(0, 1)
    return local[:, at, 0], local[:, at, 1], local[:, at, 2]


def _powers(problem: Problem, theta: Floats) -> tuple[Floats, Floats]:
    return np.exp(-theta[:, -2:-1] * problem.x), np.exp(-theta[:, -1:] * problem.z)


def _derivatives(problem: Problem, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Gradient (R, P), Hessian (R, P, P) and curvature scale (R, P) of half the objective."""
    f, first, second = _product(problem, theta) if problem.product else _sum(problem, theta)
    weights = problem.weights
    if problem.log:  # d log f = df/f, d² log f = d²f/f − (df/f)²
        first = first / f[:, None]
        pull = weights * (problem.y - np.log(f))
        stiff, bend_weight = weights + pull, pull / f
    else:
        pull = weights * (problem.y - f)
        stiff, bend_weight = weights, pull
    bend = np.zeros((len(theta), 5, 5, problem.tasks))
    one_hot = np.equal.outer(problem.member, np.arange(problem.tasks)).astype(float)
    for (i, j), term in second.items():
        bend[:, i, j] = bend[:, j, i] = (bend_weight * term) @ one_hot
    if problem.tasks == 1:
        jacobian, twist = first, bend[..., 0]
    else:
        jacobian, twist = _spread(first, one_hot), _assemble(bend)
    gradient = -(jacobian @ pull[..., None])[..., 0]
    hessian = (jacobian * stiff[:, None]) @ jacobian.transpose(0, 2, 1) - twist
    scale = np.sum(weights[:, None] * jacobian**2, axis=2)
    return gradient, hessian, scale


def _sum(problem: Problem, theta: Floats) -> tuple[Floats, Floats, dict[tuple[int, int], Floats]]:
    """f, its derivatives (R, 5, n) and its non-zero second derivatives, additive form."""
    a, b, c = _local(problem, theta)
    u, v = _powers(problem, theta)
    xu, zv = problem.x * u, problem.z * v
    first = np.stack([np.ones_like(u), u, v, -b * xu, -c * zv], axis=1)
    second = {
        (1, 3): -xu,
        (2, 4): -zv,
        (3, 3): b * problem.x * xu,
        (4, 4): c * problem.z * zv,
    }
    return a + b * u + c * v, first, second


def _product(
    problem: Problem, theta: Floats
) -> tuple[Floats, Floats, dict[tuple[int, int], Floats]]:
    """The same for the product form."""
    a, b, c = _local(problem, theta)
    u, v = _powers(problem, theta)
    xu, zv = problem.x * u, problem.z * v
    g, g_b, g_e = b + (1.0 - b) * u, 1.0 - u, -(1.0 - b) * xu
    h, h_c, h_e = c + (1.0 - c) * v, 1.0 - v, -(1.0 - c) * zv
    first = np.stack([g * h, a * g_b * h, a * g * h_c, a * g_e * h, a * g * h_e], axis=1)
    second = {
        (0, 1): g_b * h,
        (0, 2): g * h_c,
        (0, 3): g_e * h,
        (0, 4): g * h_e,
        (1, 2): a * g_b * h_c,
        (1, 3): a * xu * h,
        (1, 4): a * g_b * h_e,
        (2, 3): a * g_e * h_c,
        (2, 4): a * g * zv,
        (3, 3): a * (1.0 - b) * problem.x * xu * h,
        (3, 4): a * g_e * h_e,
        (4, 4): a * g * (1.0 - c) * problem.z * zv,
    }
    return a * g * h, first, second


def _spread(first: Floats, one_hot: Floats) -> Floats:
    """(R, 5, n) → (R, 3T + 2, n): a point moves only with the parameters of its own task."""
    rows, _, points = first.shape
    local = first[:, None, :3] * one_hot.T[:, None, :]  # (R, T, 3, n)
    return np.concatenate([local.reshape(rows, -1, points), first[:, 3:]], axis=1)


def _assemble(bend: Floats) -> Floats:
    """(R, 5, 5, T) → (R, 3T + 2, 3T + 2)."""
    rows, tasks = len(bend), bend.shape[-1]
    size = 3 * tasks + 2
    full = np.zeros((rows, size, size))
    for task in range(tasks):
        index = np.r_[3 * task : 3 * task + 3, size - 2, size - 1]
        full[:, index[:, None], index] += bend[..., task]
    return full
