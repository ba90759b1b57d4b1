"""The tanh-normal distribution."""

import math

import jax
from jax import Array, nn
from jax import numpy as jnp


def standard_normal(key: Array, shape: tuple[int, ...]) -> Array:
    """Return independent draws of the standard normal distribution, as ``jax.random.normal``.

    They are drawn in one row, because XLA's loop over rows of a few action dimensions takes several
    times as long on a CPU, and behind a barrier, because XLA would otherwise recompute them in every
    loop that reads them.
    """
    row = jax.random.normal(key, (math.prod(shape),))
    return jax.lax.optimization_barrier(row).reshape(shape)


def tanh_normal(mean: Array, log_std: Array, noise: Array) -> tuple[Array, Array]:
    """Return an action in (-1, 1) and its log-density (Haarnoja 2018, eq. 21).

    With ``u = mean + exp(log_std) * noise`` the action is ``tanh(u)``. The change of variables
    needs ``log(1 - tanh(u)^2)``, written as ``2 (log 2 - u - softplus(-2 u))``, which keeps
    its digits where the action saturates.

    Args:
        mean: ``(..., action)``.
        log_std: ``(..., action)``.
        noise: ``(..., action)`` standard normal draws.

    Returns:
        The action ``(..., action)`` and its log-density ``(...)``, summed over action dimensions.
    """
    u = mean + jnp.exp(log_std) * noise
    normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
    log_slope = 2 * (math.log(2.0) - u - nn.softplus(-2 * u))
    return jnp.tanh(u), (normal - log_slope).sum(-1)
