"""Isotonic (non-decreasing) least squares by pooling adjacent violators."""

import numpy as np
from numpy.typing import ArrayLike

from vs_isotonic._checks import Floats, as_weighted_rows


def isotonic_regression(y: ArrayLike, *, weights: ArrayLike | None = None) -> Floats:
    """Fit the non-decreasing curve nearest to ``y`` in weighted least squares.

    Every row of the leading axes is fitted on its own, in O(T). The order of the floating-point
    operations is that of ``scipy.optimize.isotonic_regression`` (which scikit-learn calls), so the
    result is the same to the last bit, rounding of tied blocks included.

    Args:
        y: shape ``(..., T)``. NaN marks an evaluation that does not exist.
        weights: broadcasts to ``y``; not negative. Default: every evaluation counts the same.

    Returns:
        Shape ``(..., T)``, without NaN: where ``y`` is NaN (or its weight is 0) the fit is that of
        the observation before it, or of the first observation if there is none before.

    Raises:
        ValueError: infinite values, bad weights, or a row without any observation.

    Source: Busing (2022), "Monotone Regression: A Simple and Fast O(n) PAVA Implementation",
    Journal of Statistical Software 102, code snippet 1.
    """
    values, weighted = as_weighted_rows(y, weights, "y")
    fit = np.empty_like(values)
    for row in range(len(values)):
        fit[row] = fit_row(values[row], None if weighted is None else weighted[row])
    return fit.reshape(np.shape(y))


def fit_row(values: Floats, weights: Floats | None) -> Floats:
    """Fit one ``(T,)`` row; ``weights`` as ``as_weighted_rows`` gives them."""
    if weights is None:
        return _pool(values.tolist(), [1.0] * values.size)
    observed = weights > 0
    fit = _pool(values[observed].tolist(), weights[observed].tolist())
    return fit[np.maximum(np.cumsum(observed) - 1, 0)]


def _pool(y: list[float], w: list[float]) -> Floats:
    # Python floats on purpose: element access in a list is several times faster than in an array.
    n = len(y)
    level, mass, end = [y[0]], [w[0]], [1]  # per block: fitted value, weight, one past its last
    i = 1
    while i < n:
        x, m = y[i], w[i]
        i += 1
        if level[-1] >= x:
            total = mass[-1] * level[-1] + m * x
            m += mass[-1]
            x = total / m
            level.pop(), mass.pop(), end.pop()
            while i < n and x >= y[i]:
                total += w[i] * y[i]
                m += w[i]
                x = total / m
                i += 1
            while level and level[-1] >= x:
                previous = mass.pop()
                total += previous * level.pop()
                end.pop()
                m += previous
                x = total / m
        level.append(x)
        mass.append(m)
        end.append(i)
    return np.repeat(level, np.diff(end, prepend=0))
