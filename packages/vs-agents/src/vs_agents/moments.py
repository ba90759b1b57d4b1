"""Running mean and variance, for agents that normalise what they see."""

from typing import NamedTuple

from jax import Array
from jax import numpy as jnp

from vs_agents.replay import Values


class Moments(NamedTuple):
    """Mean and variance of all values so far, and their number."""

    mean: Array
    variance: Array
    count: Array  # ()


def fresh_moments(shape: tuple[int, ...]) -> Moments:
    """Return mean 0 and variance 1, with a count of 1e-4."""
    return Moments(jnp.zeros(shape), jnp.ones(shape), jnp.asarray(1e-4))


def include(
    moments: Moments, mean: Values, variance: Values | float = 0.0, count: float = 1.0
) -> Moments:
    """Return the moments with ``count`` more values, of known mean and variance.

    One value is its own mean. This is the parallel update of Chan, Golub and LeVeque 1979, written
    so that float32 loses no digits where the variance is small.
    """
    total = moments.count + count
    apart, share = mean - moments.mean, count / total
    old = (moments.count / total) * (moments.variance + apart**2 * share)
    return Moments(moments.mean + apart * share, old + variance * share, total)
