"""Levenberg-Marquardt for many small least-squares problems at once."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vs_laws.law import Floats

type Evaluate = Callable[[Floats, NDArray[np.int64]], tuple[Floats, Floats, Floats]]
"""(parameters (k, P), indices (k,) of the problems) → cost (k,), gradient (k, P), Hessian (k, P, P)."""

_HOPELESS = 1e12  # damping above which no step helps any more


def minimise(
    evaluate: Evaluate, start: Floats, *, tolerance: float = 1e-13, iterations: int = 300
) -> tuple[Floats, Floats, Floats]:
    """Minimise B costs, each from its own start and with its own damping.

    Args:
        evaluate: cost, its gradient and a positive definite approximation of its Hessian (that of
            Gauss-Newton); asked for the unfinished problems only.
        start: (B, P).
        tolerance: decrease, relative to 1 + cost, below which an accepted step is the last.
        iterations: at most as many steps, rejected ones included.

    Returns:
        Parameters (B, P), cost (B,) and Hessian (B, P, P) where each problem ended.
    """
    found = start.astype(float).copy()
    cost, gradient, hessian = evaluate(found, np.arange(len(found)))
    damping = np.full(len(found), 1e-3)
    active = np.arange(len(found))
    for _ in range(iterations):
        diagonal = np.einsum("bpp->bp", hessian[active])
        damped = hessian[active].copy()
        np.einsum("bpp->bp", damped)[:] += damping[active, None] * diagonal
        step = np.linalg.solve(damped, gradient[active][..., None])[..., 0]
        trial = found[active] - step
        new, slope, curve = evaluate(trial, active)
        gain = cost[active] - new
        better = gain >= 0.0  # NaN is not
        taken = active[better]
        found[taken], cost[taken] = trial[better], new[better]
        gradient[taken], hessian[taken] = slope[better], curve[better]
        damping[active] = np.where(
            better, np.maximum(damping[active] / 10.0, 1e-12), damping[active] * 8.0
        )
        done = (better & (gain <= tolerance * (1.0 + new))) | (damping[active] > _HOPELESS)
        active = active[~done]
        if active.size == 0:
            break
    return found, cost, hessian
