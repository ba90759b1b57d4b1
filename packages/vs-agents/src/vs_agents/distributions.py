"""The tanh-normal distribution, and categorical distributions of returns."""

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


def project(target: Array, weight: Array, bins: Array) -> Array:
    """Project distributions linearly onto evenly spaced bins.

    Args:
        target: ``(..., K)`` places of the probability, inside the bins' range.
        weight: ``(..., K)`` the probability there.
        bins: ``(K,)``.

    Returns:
        ``(..., K)`` probabilities of the bins.
    """
    # over the whole range: the difference of two neighbours has lost digits
    place = (target - bins[0]) * ((len(bins) - 1) / (bins[-1] - bins[0]))
    share = jnp.clip(1.0 - jnp.abs(place[..., None] - jnp.arange(len(bins))), 0.0, 1.0)
    return jnp.einsum("...j,...ji->...i", weight, share)
