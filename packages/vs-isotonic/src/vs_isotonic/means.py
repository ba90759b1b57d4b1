"""The mean over seeds that end at different steps, some of them because they succeeded.

A seed that was stopped on success is no failure afterwards, and no measurement either. What it
says depends on the level J that is asked about, through the *final level* v of its own isotonic
fit, which is ≥ J exactly if the seed itself has reached J:

- v ≥ J: it has reached J, and goes on in the mean with the constant v, "at least J".
- v < J: it is censored at its stop, and leaves the mean.

The mean for J ends, and is censored there, where the seeds missing because they stopped below J
outnumber the seeds in it.

A seed that failed (it diverged, or its process died) must not leave the mean to those that did not:
it goes on in it, at every level, with its v.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from vs_isotonic._checks import (
    Booleans,
    Floats,
    Integers,
    as_counts,
    as_flags,
    as_levels,
    as_returns,
    as_steps,
)
from vs_isotonic.cleaning import remove_resets
from vs_isotonic.crossing import Crossings, crossings
from vs_isotonic.regression import fit_row


def mean_curve(
    returns: ArrayLike,
    *,
    counts: ArrayLike | None = None,
    stopped: ArrayLike | None = None,
    failed: ArrayLike | None = None,
    threshold: float | None = None,
) -> Floats:
    """Average seeds at every evaluation, over those seeds that have a value there.

    A seed that ended early (trailing NaN) or skipped an evaluation is left out of that
    evaluation's mean only; nothing is filled forward, except of the seeds that ``stopped`` on
    success or ``failed`` (see ``mean_crossings``).

    Args:
        returns: shape ``(T, S)``, one column per seed, NaN where a seed has no evaluation.
        counts: multiplicity of every seed, ``(S,)`` or ``(K, S)`` (see ``bootstrap_counts``).
            Default: every seed once.
        stopped: shape ``(S,)``, True where a seed's last evaluation is its last because it
            was stopped on success. Needs ``threshold``.
        failed: shape ``(S,)``, True where it is its last because the seed failed. Needs
            ``threshold``.
        threshold: the level J the mean is for; of no effect where nothing stopped.

    Returns:
        Shape ``(T,)``, or ``(K, T)`` for ``(K, S)`` counts; NaN where no counted seed has a value,
        and past the end of the mean.

    Raises:
        ValueError: bad shapes, infinite returns, negative counts, ``stopped`` or ``failed`` without
            a threshold, or a seed that is both.
    """
    return _one_level(returns, counts, stopped, failed, threshold)[0]


def seeds_in_mean(
    returns: ArrayLike,
    *,
    counts: ArrayLike | None = None,
    stopped: ArrayLike | None = None,
    failed: ArrayLike | None = None,
    threshold: float | None = None,
) -> Integers:
    """Count the seeds that enter ``mean_curve`` at every evaluation, with their multiplicity.

    Seeds that failed below the threshold go on in the mean, but not in this number. Arguments,
    shape and errors are those of ``mean_curve``.
    """
    return _one_level(returns, counts, stopped, failed, threshold)[1].astype(np.int64)


def mean_crossings(
    steps: ArrayLike,
    returns: ArrayLike,
    thresholds: ArrayLike,
    *,
    counts: ArrayLike | None = None,
    stopped: ArrayLike | None = None,
    failed: ArrayLike | None = None,
    resets: ArrayLike = (),
) -> Crossings:
    """Find where the isotonic fit of the mean over seeds reaches each threshold.

    Without ``stopped`` and ``failed`` this is
    ``crossings(steps, mean_curve(returns, counts=counts), …)``.

    With ``stopped``, the mean at level J has, after a stopped seed's last evaluation, the final level v of
    that seed's own isotonic fit if v ≥ J, and nothing of that seed otherwise. It has v at the
    evaluations where a seed that is still running has a value, and wherever none runs any more. It
    ends where the seeds missing because they stopped below J outnumber those in it. Seeds that end
    without a word leave the mean and are not counted as missing.

    With ``failed``, the mean has, after a failed seed's last evaluation, the final level v of its
    fit at every J, wherever another seed speaks: the seed does not reach what it had not reached. A
    level that the mean does not reach is then censored at the last of ``steps``, the failed seeds
    being known to stay below it. The v of a failed seed without any value is the lowest return of
    the others; without any value at all no level is reached.

    Args:
        steps: env steps of the evaluations, ``(T,)``, strictly increasing.
        returns: shape ``(T, S)``, one column per seed, NaN where a seed has no evaluation.
        thresholds: levels J, a scalar or ``(J,)``.
        counts: multiplicity of every seed, ``(S,)`` or ``(K, S)``. Default: every seed once.
        stopped: shape ``(S,)``, True where a seed was stopped on success after its last value.
        failed: shape ``(S,)``, True where a seed failed after its last value, or before any.
        resets: env steps of the agents' resets, ``(R,)``, strictly increasing.

    Returns:
        ``step`` of shape ``(J,)`` or ``(K, J)`` (``()`` or ``(K,)`` for a scalar) and ``seeds`` of
        that shape. ``last_step`` has one entry per curve, or, when ``stopped`` or ``failed`` is
        given, the shape of ``step``: the mean's end depends on the level.

    Raises:
        ValueError: bad shapes, infinite values, or no counted seed with an evaluation.
    """
    values = as_returns(returns)
    axis = as_steps(steps, len(values), "returns")
    levels = as_levels(thresholds)
    times = as_counts(counts, values.shape[1])
    ends = _Ends(values, stopped, failed)
    if not (ends.stopped | ends.failed).any():
        curve, seeds = _average(values, times)
        found = _without_dips(axis, curve, levels, resets)
        by_level = stopped is not None or failed is not None
        return with_seeds(axis, found, seeds, by_level=by_level)
    flat = levels.ravel()
    shape = (*times.shape[:-1], flat.size)
    step, last, spacing = np.empty(shape), np.empty(shape), np.empty(shape)
    entered = np.empty(shape, dtype=np.int64)
    # Levels that the same seeds reached have the same mean, and final levels are few.
    reached = (ends.final[:, None] >= flat).sum(axis=0)
    for number in np.unique(reached):
        alike = np.flatnonzero(reached == number)
        curve, seeds, known = ends.average(times, ends.final >= flat[alike[0]])
        silent = known.any(axis=-1) & np.isnan(curve).all(axis=-1)  # every seed failed at once
        curve[silent] = flat.min() - 1.0
        found = _without_dips(axis, curve, flat[alike], resets)
        end = axis[axis.size - 1 - known[..., ::-1].argmax(axis=-1)]
        found = replace(found, last_step=end)
        step[..., alike] = found.step
        spacing[..., alike] = found.spacing
        last[..., alike] = found.last_step[..., None]
        entered[..., alike] = _entering(axis, found, seeds)
    batch = times.shape[:-1] + levels.shape
    return Crossings(
        step.reshape(batch), last.reshape(batch), spacing.reshape(batch), entered.reshape(batch)
    )


def _without_dips(axis: Floats, curve: Floats, levels: Floats, resets: ArrayLike) -> Crossings:
    """Crossings of the curve without its dips, censored where the whole curve ends."""
    found = crossings(axis, curve, levels)
    if not np.size(resets):
        return found
    kept = crossings(axis, remove_resets(axis, curve, resets), levels)
    return replace(kept, last_step=found.last_step)


def with_seeds(axis: Floats, found: Crossings, seeds: Floats, *, by_level: bool) -> Crossings:
    """Add what ``Crossings.seeds`` is; ``by_level`` gives ``last_step`` the shape of ``step``."""
    last = _per_level(found) if by_level else found.last_step
    return replace(found, last_step=last, seeds=_entering(axis, found, seeds))


def _entering(axis: Floats, found: Crossings, seeds: Floats) -> Integers:
    """Seeds in the mean ``(…, T)`` at each crossing, at the last step where censored."""
    where = np.searchsorted(axis, np.where(found.censored, _per_level(found), found.step))
    rows = seeds.reshape(-1, axis.size)
    entered = np.take_along_axis(rows, where.reshape(len(rows), -1), axis=1)
    return entered.reshape(found.step.shape).astype(np.int64)


def _per_level(found: Crossings) -> Floats:
    """``last_step`` in the shape of ``step``."""
    extra = found.step.ndim - np.ndim(found.last_step)
    last = np.reshape(found.last_step, np.shape(found.last_step) + (1,) * extra)
    return np.broadcast_to(last, found.step.shape).copy()


def _one_level(
    returns: ArrayLike,
    counts: ArrayLike | None,
    stopped: ArrayLike | None,
    failed: ArrayLike | None,
    threshold: float | None,
) -> tuple[Floats, Floats]:
    values = as_returns(returns)
    times = as_counts(counts, values.shape[1])
    if stopped is None and failed is None:
        return _average(values, times)
    if threshold is None:
        raise ValueError(
            "with stopped or failed seeds the mean depends on the level: give threshold too"
        )
    ends = _Ends(values, stopped, failed)
    if not (ends.stopped | ends.failed).any():
        return _average(values, times)
    return ends.average(times, ends.final >= as_levels(threshold).item())[:2]


def _average(values: Floats, times: Floats) -> tuple[Floats, Floats]:
    """Mean ``(…, T)`` over the seeds with a value, and their number."""
    observed = ~np.isnan(values)
    if observed.all():
        total = times @ values.T
        seeds = times.sum(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore"):  # 0/0: no seed is counted
            return total / seeds, np.broadcast_to(seeds, total.shape)
    total = times @ np.where(observed, values, 0.0).T
    seeds = times @ observed.T.astype(np.float64)
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN that is wanted
        return total / seeds, seeds


class _Ends:
    """Ends of the seeds, and the values that stopped and failed ones go on with.

    Attributes:
        stopped: shape (S,), seeds with a value that were stopped on success.
        failed: shape (S,), seeds that failed.
        final: shape (S,), final level of their isotonic fits, −inf for the other seeds.
    """

    def __init__(self, values: Floats, stopped: ArrayLike | None, failed: ArrayLike | None) -> None:
        length, count = values.shape
        none = np.zeros(count, bool)
        self.values = values
        self.observed = ~np.isnan(values)
        begun = self.observed.any(axis=0)
        self.stopped = none if stopped is None else as_flags(stopped, count, "stopped") & begun
        self.failed = none if failed is None else as_flags(failed, count, "failed")
        if (both := self.stopped & self.failed).any():
            raise ValueError(f"seed {both.argmax()} is in both stopped and failed")
        ends = np.where(
            begun, length - self.observed[::-1].argmax(axis=0), 0
        )  # past the last value
        self.running = np.arange(length)[:, None] < ends
        self.final = np.full(count, -np.inf)
        for seed in np.flatnonzero((self.stopped | self.failed) & begun):
            self.final[seed] = fit_row(values[self.observed[:, seed], seed], None)[-1]
        self.final[self.failed & ~begun] = np.nanmin(values) if begun.any() else 0.0

    def average(self, times: Floats, above: Booleans) -> tuple[Floats, Floats, Booleans]:
        """Average the seeds, of which those ``above`` have reached the level.

        Returns:
            The mean, the number of seeds that speak in it, and where it is known, its value or that
            it does not reach the level, each ``(…, T)``.
        """

        def number(seeds: Booleans) -> Floats:
            return times @ seeds.T.astype(np.float64)

        gone = ~self.running
        measured = number(self.observed)
        running = number(self.running)
        carried = number(gone & self.stopped & above)
        fallen = number(gone & self.failed)
        missing = number(gone & self.stopped & ~above)
        # At an evaluation that every running seed skipped, the others must not speak alone.
        carry = (measured > 0) | (running == 0)
        whole = running + carried + fallen >= missing
        speak = (measured + carry * carried) * whole
        final = np.where(gone & (self.failed | (self.stopped & above)), self.final, 0.0)
        total = times @ np.where(self.observed, self.values, 0.0).T + carry * (times @ final.T)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / (measured + carry * (carried + fallen))
        seeds = speak + (speak > 0) * number(gone & self.failed & above)
        return np.where(speak > 0, mean, np.nan), seeds, (speak > 0) | ((fallen > 0) & whole)
