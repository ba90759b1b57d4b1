"""The restructured quantile Huber loss against the formula written out in float64."""

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from vs_agents.quantile import quantile_huber


def literally(predicted, target):
    """Loss ``(...)`` and its slope in ``predicted``, over an array ``(..., Q, Q')``."""
    predicted, target = np.asarray(predicted, np.float64), np.asarray(target, np.float64)
    count = predicted.shape[-1]
    tau = (np.arange(count) + 0.5) / count
    u = target[..., None, :] - predicted[..., :, None]
    huber = np.where(np.abs(u) <= 1, 0.5 * u**2, np.abs(u) - 0.5)
    weight = np.abs(tau[:, None] - (u < 0))
    return (weight * huber).mean(-1).sum(-1), -(weight * np.clip(u, -1, 1)).mean(-1)


def normal(seed, *shape, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def whole(seed, *shape):
    """Small integers: many ties and many errors of exactly kappa = 1."""
    return np.random.default_rng(seed).integers(-2, 3, size=shape).astype(np.float32)


CASES = {
    "as in training": (normal(0, 64, 100), normal(1, 64, 100)),
    "two critics": (normal(2, 2, 32, 100), normal(3, 32, 100)),
    "mostly linear": (normal(4, 32, 100, scale=30), normal(5, 32, 100, scale=30)),
    "mostly quadratic": (normal(6, 32, 100, scale=0.1), normal(7, 32, 100, scale=0.1)),
    "ties and |u| = kappa": (whole(8, 32, 100), whole(9, 32, 100)),
    "all equal": (np.full((4, 100), 3.0, np.float32), np.full((4, 100), 3.0, np.float32)),
    "huge": (normal(10, 8, 100, scale=1e6), normal(11, 8, 100, scale=1e6)),
    "far apart": (normal(12, 8, 100) - 1e4, normal(13, 8, 100) + 1e4),
    "few quantiles": (normal(14, 16, 3), normal(15, 16, 3)),
    "one quantile": (normal(16, 16, 1), normal(17, 16, 1)),
    "more targets than predictions": (normal(18, 16, 5), normal(19, 16, 12)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("jit", [False, True])
def test_value_and_gradient(case, jit):
    predicted, target = CASES[case]
    weights = np.linspace(0.5, 2.0, predicted[..., 0].size).reshape(predicted.shape[:-1])
    weights = weights.astype(np.float32)

    def loss(p):
        return (weights * quantile_huber(p, target)).sum()

    value, slope = literally(predicted, target)
    slope = slope * weights[..., None]
    gradient = jax.grad(loss)
    ours, ours_slope = quantile_huber, gradient
    if jit:
        ours, ours_slope = jax.jit(quantile_huber), jax.jit(gradient)
    found = np.asarray(ours(jnp.asarray(predicted), jnp.asarray(target)), np.float64)
    assert found.shape == predicted.shape[:-1]
    np.testing.assert_allclose(found, value, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours_slope(jnp.asarray(predicted)), slope, rtol=1e-6, atol=1e-6)


def test_value_inside_value_and_grad_is_the_value():
    predicted, target = CASES["as in training"]
    alone = quantile_huber(jnp.asarray(predicted), jnp.asarray(target)).mean()
    value, _ = jax.value_and_grad(lambda p: quantile_huber(p, target).mean())(predicted)
    assert float(value) == float(alone)


def test_the_target_is_a_constant():
    predicted, target = CASES["as in training"]
    slope = jax.grad(lambda t: quantile_huber(jnp.asarray(predicted), t).sum())(target)
    np.testing.assert_array_equal(slope, np.zeros_like(target))


def test_vmap_over_lanes():
    predicted, target = normal(20, 3, 2, 8, 50), normal(21, 3, 8, 50)
    found = jax.vmap(quantile_huber)(predicted, target)
    slope = jax.grad(lambda p: jax.vmap(quantile_huber)(p, target).sum())(predicted)
    for lane in range(3):
        value, expected = literally(predicted[lane], target[lane])
        np.testing.assert_allclose(found[lane], value, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(slope[lane], expected, rtol=1e-6, atol=1e-6)


def test_the_minimum_is_at_the_quantiles():
    """Descending on many draws of one distribution finds its quantiles, when they are far apart."""
    draws = 100 * np.sort(normal(22, 999))  # spread far beyond kappa, where Huber is absolute
    found = jnp.zeros((1, 9))
    descend = jax.jit(
        lambda p, i: (
            p - 500 / (1 + i) ** 0.7 * jax.grad(lambda p: quantile_huber(p, draws[None]).sum())(p)
        )
    )
    for i in range(600):
        found = descend(found, i)
    expected = np.quantile(draws, (np.arange(9) + 0.5) / 9)
    np.testing.assert_allclose(np.asarray(found)[0], expected, atol=2.0)
