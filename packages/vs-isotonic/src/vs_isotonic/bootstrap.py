"""Crossings under resampling of seeds (arXiv:2502.04327 App. D: K = 100 bootstraps)."""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from vs_isotonic._checks import Floats, Integers, as_flags, as_levels, as_returns, as_steps
from vs_isotonic._search import first_minimum, margins, settle
from vs_isotonic.crossing import Crossings, crossings, gaps
from vs_isotonic.means import mean_crossings, mean_curve, seeds_in_mean, with_seeds
from vs_isotonic.regression import fit_row


def bootstrap_counts(n_seeds: int, bootstraps: int, rng: np.random.Generator) -> Integers:
    """Draw how often each seed occurs in each bootstrap sample of ``n_seeds`` seeds.

    Args:
        n_seeds: number of seeds S to draw from, and to draw.
        bootstraps: number of samples K.
        rng: source of randomness; the same state gives the same counts.

    Returns:
        Shape ``(K, S)``, non-negative, every row sums to S. Keep it to use one draw for several
        metrics of the same seeds (``mean_curve(returns, counts=counts)``).

    Raises:
        ValueError: fewer than one seed or bootstrap.
    """
    if n_seeds < 1 or bootstraps < 1:
        raise ValueError(
            f"a bootstrap needs at least one seed and one sample, not {n_seeds} and {bootstraps}"
        )
    return rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=bootstraps)


def bootstrap_crossings(
    steps: ArrayLike,
    returns: ArrayLike,
    thresholds: ArrayLike,
    *,
    bootstraps: int = 100,
    rng: np.random.Generator,
    stopped: ArrayLike | None = None,
    failed: ArrayLike | None = None,
    resets: ArrayLike = (),
) -> Crossings:
    """Resample seeds with replacement, average them, and find every sample's crossings.

    Seeds without a single evaluation take no part in the draw, unless they ``failed``. Duplicate
    seeds are drawn as if they were independent, which makes intervals too narrow: see
    ``distinct_seeds``.

    Args:
        steps: env steps of the evaluations, ``(T,)``, strictly increasing.
        returns: shape ``(T, S)``, one column per seed, NaN where a seed has no evaluation.
        thresholds: levels J, a scalar or ``(J,)``.
        bootstraps: number of samples K.
        rng: source of randomness.
        stopped: shape ``(S,)``, True where a seed was stopped on success after its last value;
            ``mean_crossings`` says what that means.
        failed: shape ``(S,)``, True where a seed failed after its last value, or before any.
        resets: env steps of the agents' resets; every sample's mean loses its own dips.

    Returns:
        ``step`` of shape ``(K, J)`` (``(K,)`` for a scalar) and ``last_step`` of ``(K,)``: a sample
        ends where the last of its own seeds ends. When ``stopped`` or ``failed`` is given,
        ``last_step`` and ``seeds`` have the shape of ``step``.

    Raises:
        ValueError: bad shapes, infinite values, or no seed with an evaluation.
    """
    values = as_returns(returns)
    none = np.zeros(values.shape[1], bool)
    by_level = stopped is not None or failed is not None
    flags = none if stopped is None else as_flags(stopped, values.shape[1], "stopped")
    fallen = none if failed is None else as_flags(failed, values.shape[1], "failed")
    holes = np.isnan(values)
    complete = not holes.any()
    if not complete:
        live = fallen | ~holes.all(axis=0)
        if not live.any():
            raise ValueError("returns has no seed with an evaluation: every value is NaN")
        values, flags, fallen = values[:, live], flags[live], fallen[live]
    counts = bootstrap_counts(values.shape[1], bootstraps, rng)
    if np.size(resets) or flags.any() or fallen.any():
        given = {"stopped": flags, "failed": fallen} if by_level else {}
        return mean_crossings(steps, values, thresholds, counts=counts, resets=resets, **given)
    axis = as_steps(steps, len(values), "returns")
    if complete:
        levels = as_levels(thresholds)
        index = _complete_crossing_index(values, counts, levels.ravel())
        found = Crossings(
            step=np.append(axis, np.inf)[index].reshape((bootstraps, *levels.shape)),
            last_step=np.full(bootstraps, axis[-1]),
            spacing=gaps(axis)[index].reshape((bootstraps, *levels.shape)),
        )
    else:
        found = crossings(axis, mean_curve(values, counts=counts), thresholds)
    if not by_level:
        return found
    seeds = seeds_in_mean(values, counts=counts).astype(np.float64)
    return with_seeds(axis, found, seeds, by_level=True)


def _complete_crossing_index(returns: Floats, counts: Integers, levels: Floats) -> Integers:
    """Return the result of ``crossings`` on the mean curves, faster: cumulative sums of seeds, then means.

    Without holes the sum of a mean is the mean of the seeds' sums, so one cumulative sum of the
    seeds and a matrix product give S of all samples, and only at evaluations that can matter.
    """
    length, n_seeds = returns.shape
    sums = np.zeros((n_seeds, length + 1))
    np.cumsum(returns.T, axis=1, out=sums[:, 1:])
    low, high = _plausible_levels(sums)
    shares = counts / n_seeds
    near = margins(length, np.array([length]), np.array([np.abs(returns).max()]), levels)[0]
    index = np.empty((len(counts), levels.size), dtype=np.intp)
    gap = np.empty(index.shape)
    every = np.arange(len(counts))
    above = low < (levels + near)[:, None]
    plausible = np.flatnonzero(above & ((levels - near)[:, None] <= high))
    column, evaluation = np.divmod(plausible, length + 1)
    partial = sums.take(evaluation, axis=1) - levels[column] * evaluation
    ends = np.searchsorted(column, np.arange(levels.size + 1)).tolist()
    buffer = np.empty(len(counts) * np.diff(ends).max())
    for j, (start, end) in enumerate(pairwise(ends)):
        means = buffer[: len(counts) * (end - start)].reshape(len(counts), end - start)
        _product(shares, partial[:, start:end], out=means)
        best, gap[:, j] = first_minimum(means, every)
        index[:, j] = evaluation[start:end][best]

    def fit_of_row(row: int) -> tuple[Floats, None]:
        return fit_row(mean_curve(returns, counts=counts[row]), None), None

    settle(index, gap <= near, levels, fit_of_row)
    return index


def _product(left: Floats, right: Floats, *, out: Floats) -> None:
    """``out = left @ right`` in strips small enough that BLAS does not start threads for them.

    On matrices of this size threads cost more than they bring: several times the product itself
    when other processes use the cores.
    """
    width = max(1, 200_000 // left.size)
    for start in range(0, right.shape[1], width):
        strip = slice(start, start + width)
        np.matmul(left, right[:, strip], out=out[:, strip])


def _plausible_levels(sums: Floats) -> tuple[Floats, Floats]:
    """Levels ``low < J ≤ high`` that some mean of the seeds can cross at each index, ``(T + 1,)``.

    By the max-min formula of isotonic regression a curve crosses J at t only if every average that
    ends before t is < J and every one that starts at t is ≥ J. An average of seeds lies between the
    smallest and the largest seed's, so a few spans decide most evaluations for all samples at once.
    """
    length = sums.shape[1] - 1
    low = np.full(length + 1, -np.inf)
    high = np.full(length + 1, np.inf)
    for span in (1, 8, 64):
        if span <= length:
            averages = (sums[:, span:] - sums[:, :-span]) / span
            np.maximum(low[span:], averages.min(axis=0), out=low[span:])
            np.minimum(high[:-span], averages.max(axis=0), out=high[:-span])
    return low, high
