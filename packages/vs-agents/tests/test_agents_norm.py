"""The written-out layer normalisation against flax's and automatic differentiation."""

import jax
import numpy as np
import pytest
from flax import linen as nn
from jax import numpy as jnp
from vs_agents.norm import LayerNorm


@pytest.mark.parametrize("shape", [(7, 16), (3, 5, 32)])
def test_values_and_gradients_are_flaxs(shape):
    keys = jax.random.split(jax.random.key(0), 4)
    x = 3 * jax.random.normal(keys[0], shape) + 2
    x = x.at[..., 0, :].set(1.5)  # a row without variance
    g = jax.random.normal(keys[1], shape)
    params = {
        "params": {
            "scale": jax.random.normal(keys[2], shape[-1:]),
            "bias": jax.random.normal(keys[3], shape[-1:]),
        }
    }
    assert jax.tree.map(jnp.shape, LayerNorm().init(keys[0], x)) == jax.tree.map(jnp.shape, params)

    def run(module, x, g):
        value, pull = jax.vjp(module.apply, params, x)
        return value, pull(g)

    ours, theirs = (run(module, x, g) for module in (LayerNorm(), nn.LayerNorm()))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-4), ours, theirs)

    lanes = jax.vmap(lambda x, g: run(LayerNorm(), x, g))(x[None], g[None])
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-5, atol=1e-5), lanes, ours
    )
