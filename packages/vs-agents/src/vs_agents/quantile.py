"""The quantile Huber loss of distributional critics, without its (batch, Q, Q) array."""

import jax
from jax import Array
from jax import numpy as jnp

_UNROLL = 4  # of the loop over target quantiles: keeps the accumulators in registers longer


@jax.custom_vjp
def quantile_huber(predicted: Array, target: Array) -> Array:
    """Return the quantile Huber loss (Dabney 2018, arXiv:1710.10044, eq. 10; kappa = 1).

    With ``u = target_j - predicted_i`` and midpoints ``tau_i = (i + 1/2) / Q`` it is
    ``sum_i mean_j |tau_i - 1(u < 0)| huber(u)``. Formed literally it needs an array of
    ``batch x Q x Q`` that XLA on a CPU neither avoids nor reads fast. Here a loop over j keeps
    running sums, from which the gradient follows too: with c = clip(u, -1, 1),
    ``huber(u) = c (u - c/2)`` and ``d huber / du = c``. The batch lies innermost, so that each
    step is plain vector arithmetic.

    Args:
        predicted: ``(..., batch, Q)``.
        target: ``(batch, Q')``; constant: no gradient flows into it.

    Returns:
        ``(..., batch)``.
    """
    return _loss_and_gradient(predicted, target)[0]


def _loss_and_gradient(predicted: Array, target: Array) -> tuple[Array, Array]:
    p = jnp.swapaxes(predicted, -1, -2)

    def add(sums: tuple[Array, ...], t: Array) -> tuple[tuple[Array, ...], None]:
        u = t - p
        clipped = jnp.clip(u, -1.0, 1.0)
        above = jnp.maximum(clipped, 0.0)  # nonzero if predicted_i lies under target_j
        terms = clipped, above, clipped * (u - 0.5 * clipped), above * (u - 0.5 * above)
        return tuple(s + term for s, term in zip(sums, terms, strict=True)), None

    zero = jnp.zeros_like(p)
    (slope, slope_above, huber, huber_above), _ = jax.lax.scan(
        add, (zero,) * 4, target.T, unroll=_UNROLL
    )
    count, targets = predicted.shape[-1], target.shape[-1]
    tau = ((jnp.arange(count) + 0.5) / count)[:, None]
    loss = tau * huber_above + (1 - tau) * (huber - huber_above)
    gradient = -(tau * slope_above + (1 - tau) * (slope - slope_above)) / targets
    return loss.sum(-2) / targets, jnp.swapaxes(gradient, -1, -2)


def _backward(kept: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    gradient, target = kept
    return gradient * g[..., None], jnp.zeros_like(target)


def _forward(predicted: Array, target: Array) -> tuple[Array, tuple[Array, Array]]:
    loss, gradient = _loss_and_gradient(predicted, target)
    return loss, (gradient, target)


quantile_huber.defvjp(_forward, _backward)
