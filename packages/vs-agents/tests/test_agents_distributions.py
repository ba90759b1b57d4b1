import jax
import numpy as np
import pytest
from jax import numpy as jnp
from vs_agents.distributions import standard_normal, tanh_normal


@pytest.mark.parametrize("shape", [(6,), (3, 1), (5, 6)])
def test_draws_are_those_of_jax(shape):
    keys = jax.random.split(jax.random.key(3), 4)
    ours = jax.jit(jax.vmap(lambda key: standard_normal(key, shape)))(keys)
    theirs = jax.vmap(lambda key: jax.random.normal(key, shape))(keys)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_density_is_the_change_of_variables_in_closed_form():
    rng = np.random.default_rng(0)
    mean, log_std, noise = rng.normal(size=(3, 50, 2)).astype(np.float32)
    ours = tanh_normal(jnp.asarray(mean), jnp.asarray(log_std), jnp.asarray(noise))
    action, log_prob = (np.asarray(x, np.float64) for x in ours)
    u = mean.astype(np.float64) + np.exp(log_std.astype(np.float64)) * noise
    density = np.exp(-0.5 * noise.astype(np.float64) ** 2) / np.sqrt(2 * np.pi) / np.exp(log_std)
    density /= 1 - np.tanh(u) ** 2
    np.testing.assert_allclose(action, np.tanh(u), atol=1e-6)
    np.testing.assert_allclose(log_prob, np.log(density).sum(-1), rtol=1e-4, atol=1e-4)


def test_density_integrates_to_one():
    mean, std = 0.3, 0.7
    action = np.linspace(-1, 1, 20_003)[1:-1]
    noise = jnp.asarray((np.arctanh(action) - mean) / std)[:, None]
    shape = jnp.ones_like(noise)
    _, log_prob = tanh_normal(mean * shape, np.log(std) * shape, noise)
    total = np.trapezoid(np.exp(np.asarray(log_prob, np.float64)), action)
    assert total == pytest.approx(1.0, abs=1e-4)


def test_saturated_actions_keep_a_finite_density():
    one = jnp.ones((1, 1))
    action, log_prob = tanh_normal(40 * one, 0 * one, 0 * one)
    assert float(action[0, 0]) == 1.0
    # log(1 - tanh(u)^2) -> 2 log 2 - 2 u
    expected = -0.5 * np.log(2 * np.pi) - (2 * np.log(2) - 80)
    assert float(log_prob[0]) == pytest.approx(expected, rel=1e-6)
