"""Roots of sums of two exponentials, by a Newton iteration that convexity makes global."""

import numpy as np

from vs_laws.law import Floats

_ITERATIONS = 200


def solve(log_a: Floats, p: Floats, log_b: Floats, q: Floats, log_c: Floats) -> Floats:
    """Return t with ``a·exp(p·t) + b·exp(q·t) = c``; the *largest* root where ``p > 0``.

    The logarithm of the left side is convex in t. Each term alone is at most c, which bounds the
    root: from above where its rate is positive, from below otherwise. At such a bound the left side
    is at least c, and from there Newton's iteration on the logarithm converges monotonically to the
    nearest root, without a safeguard.

    Args:
        log_a: log of a; ``-inf`` for an absent term.
        p: rate of the first term; if positive, the start is the upper bound.
        log_b: log of b; ``-inf`` for an absent term.
        q: rate of the second term.
        log_c: log of c.

    Returns:
        t, broadcast; NaN where there is no root (the minimum of the left side exceeds c).
    """
    log_a, p, log_b, q, log_c = np.broadcast_arrays(log_a, p, log_b, q, log_c)
    with np.errstate(all="ignore"):
        first = np.where(np.isneginf(log_a), np.nan, (log_c - log_a) / p)
        second = np.where(np.isneginf(log_b) | (q * p <= 0), np.nan, (log_c - log_b) / q)
        t = np.where(p > 0, np.fmin(first, second), np.fmax(first, second))
        for _ in range(_ITERATIONS):
            left, right = log_a + p * t, log_b + q * t
            share = np.exp(right - np.logaddexp(left, right))
            slope = p + (q - p) * share
            step = (np.logaddexp(left, right) - log_c) / slope
            # past the minimum: the left side never comes down to c
            gone = slope * np.sign(p) <= 0
            step = np.where(gone, np.nan, step)
            t = t - step
            if not np.any(np.abs(step) > 4e-16 * np.maximum(np.abs(t), 1.0)):
                break
    return t
