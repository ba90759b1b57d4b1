"""The first minimum of many cumulative sums, flagging minima that rounding could swap."""

from collections.abc import Callable

import numpy as np

from vs_isotonic._checks import Booleans, Floats, Integers

type FitOfRow = Callable[[int], tuple[Floats, Booleans | None]]


def margins(length: int, mass: Floats, size: Floats, levels: Floats) -> Floats:
    """Return the distance of two of the ``length`` sums at which rounding does not matter, ``(rows, J)``.

    Both the sums and the block means of the fit carry errors of O(length · eps) of the largest
    |value| ``size`` (or |level|) per unit of weight; ``mass`` is the weight of the whole row.
    """
    largest = np.maximum(size[:, None], np.abs(levels))
    return 16 * np.finfo(float).eps * length * mass[:, None] * largest


def first_minimum(sums: Floats, rows: Integers) -> tuple[Integers, Floats]:
    """Column of each row's first minimum, and by how much every other column lies above it.

    ``rows`` is ``arange(len(sums))``. Overwrites ``sums``.
    """
    best = sums.argmin(axis=1)
    lowest = sums[rows, best]
    sums[rows, best] = np.inf
    return best, sums[rows, sums.argmin(axis=1)] - lowest  # argmin: faster than min on rows


def settle(index: Integers, doubtful: Booleans, levels: Floats, fit_of_row: FitOfRow) -> None:
    """Put the fit's own crossings into ``index`` ``(rows, J)`` wherever ``doubtful``.

    ``fit_of_row`` returns a row's fit and which evaluations are observed (``None``: all of them).
    """
    for row in np.flatnonzero(doubtful.any(axis=1)).tolist():
        fit, observed = fit_of_row(row)
        for column in np.flatnonzero(doubtful[row]).tolist():
            reached = fit >= levels[column]
            if observed is not None:
                reached &= observed
            index[row, column] = reached.argmax() if reached.any() else fit.size
