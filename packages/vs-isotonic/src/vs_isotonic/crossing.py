"""The first evaluation at which a curve's isotonic fit reaches a level, without the fit.

The isotonic fit is the slope of the greatest convex minorant of the cumulative sum of the curve.
With

    S_t = Σ_{i ≤ t} w_i (y_i − J),   S_0 = 0,

the fit is ≥ J from right after the *first* minimum of S on (and > J from right after the last: they
differ where the fit is exactly J for a while). So a crossing costs a cumulative sum and an argmin,
for all rows and levels at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vs_isotonic._checks import (
    Booleans,
    Floats,
    Integers,
    as_levels,
    as_steps,
    as_weighted_rows,
)
from vs_isotonic._search import first_minimum, margins, settle
from vs_isotonic.regression import fit_row


@dataclass(frozen=True)
class Crossings:
    """Env steps at which curves reach levels; a curve that does not is right-censored, not missing.

    Attributes:
        step: first env step at which the isotonic fit is ≥ the level, ``inf`` if it never is.
            Shape of the curves' leading axes, then of the thresholds. Never NaN.
        last_step: last observed env step of each curve, shape of the leading axes (of ``step``
            where seeds stopped on success): a censored crossing is known to lie beyond it.
        spacing: env steps from the observation before the crossing (from 0 where there is none) to
            the crossing, shape of ``step``; NaN where censored. The level was reached somewhere
            in between: a variance of spacing²/12.
        seeds: for a mean over seeds, how many are in it at the crossing (at ``last_step`` where
            censored), with their multiplicity, shape of ``step``; else ``None``.
    """

    step: Floats
    last_step: Floats
    spacing: Floats
    seeds: Integers | None = None

    @property
    def censored(self) -> Booleans:
        """True where the level was not reached by ``last_step``; shape of ``step``."""
        return np.isinf(self.step)


def crossings(
    steps: ArrayLike,
    curve: ArrayLike,
    thresholds: ArrayLike,
    *,
    weights: ArrayLike | None = None,
) -> Crossings:
    """Find the first evaluation step at which each curve's isotonic fit is ≥ each threshold.

    Equal to looking for it in ``isotonic_regression(curve)``, ties included: where two candidate
    minima of S differ by no more than rounding could explain, the fit itself decides.

    Args:
        steps: env steps of the evaluations, ``(T,)``, strictly increasing, any spacing.
        curve: returns, ``(..., T)``; NaN where a curve has no evaluation.
        thresholds: levels J, a scalar or ``(J,)``, in the unit of ``curve``, in any order.
        weights: broadcasts to ``curve``; not negative.

    Returns:
        ``step`` of shape ``(..., J)`` (``(...)`` for a scalar) and ``last_step`` of ``(...)``.

    Raises:
        ValueError: shapes that do not fit, infinite values, or a curve without any observation
            (it has no last step to be censored at).

    Source: arXiv:2502.04327 App. D (definition of D_J); S_t is the cumulative sum diagram of
    Barlow et al. (1972).
    """
    values, weighted = as_weighted_rows(curve, weights, "curve")
    axis = as_steps(steps, values.shape[1], "curve")
    levels = as_levels(thresholds)
    index = _crossing_index(values, weighted, levels.ravel())
    batch = np.shape(curve)[:-1]
    step = np.append(axis, np.inf)[index].reshape(batch + levels.shape)
    if weighted is None:
        last_step = np.full(batch, axis[-1])
        spacing = gaps(axis)[index]
    else:
        observed = weighted > 0
        last_step = axis[axis.size - 1 - observed[:, ::-1].argmax(axis=1)].reshape(batch)
        spacing = np.take_along_axis(gaps(axis, observed), index, axis=1)
    return Crossings(step, last_step, spacing.reshape(step.shape))


def gaps(axis: Floats, observed: Booleans | None = None) -> Floats:
    """Return the steps from the observation before to each evaluation, ``(rows, T + 1)``, NaN at T.

    Without ``observed`` ``(rows, T)`` every evaluation is one, and the shape is ``(T + 1,)``.
    """
    seen = np.ones(axis.shape, bool) if observed is None else observed
    before = np.zeros(seen.shape)
    np.maximum.accumulate(np.where(seen, axis, 0.0)[..., :-1], axis=-1, out=before[..., 1:])
    return np.concatenate([axis - before, np.full((*seen.shape[:-1], 1), np.nan)], axis=-1)


def _crossing_index(values: Floats, weighted: Floats | None, levels: Floats) -> Integers:
    """Index of the crossing evaluation per row and level, ``(rows, J)``; T if there is none."""
    rows, length = values.shape
    # Column t: the sum over the t evaluations before index t, so an argmin is a crossing's index.
    sums = np.zeros((rows, length + 1))
    if weighted is None:
        np.cumsum(values, axis=1, out=sums[:, 1:])
        mass = np.arange(length + 1.0)[None, :]
    else:
        np.cumsum(values * weighted, axis=1, out=sums[:, 1:])
        mass = np.zeros((rows, length + 1))
        np.cumsum(weighted, axis=1, out=mass[:, 1:])
        sums[:, :-1][weighted == 0] = np.inf  # only an observed evaluation (or none) can cross

    index = np.empty((rows, levels.size), dtype=np.intp)
    gap = np.empty(index.shape)
    buffer = np.empty_like(sums)
    every = np.arange(rows)
    for column, level in enumerate(levels.tolist()):
        np.subtract(sums, mass * level, out=buffer)
        index[:, column], gap[:, column] = first_minimum(buffer, every)

    def fit_of_row(row: int) -> tuple[Floats, Booleans | None]:
        if weighted is None:
            return fit_row(values[row], None), None
        return fit_row(values[row], weighted[row]), weighted[row] > 0

    near = margins(length, mass[:, -1], np.abs(values).max(axis=1), levels)
    settle(index, gap <= near, levels, fit_of_row)
    return index
