"""Affine layers whose forward and backward products all run at full speed.

XLA's CPU matmul is fast only where both operands are stored row by row: the transposed operand of
the weight gradient costs a quarter of its speed in float32, and in bfloat16 both transposed operands
of the backward pass cost half or more (benchmarks/product_speed.py). So there the transposes are
written out first.
"""

from functools import partial
from typing import Literal

import jax
from flax import linen as nn
from jax import Array
from jax import numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint

type Dtype = Literal["float32", "bfloat16"]


class Dense(nn.Module):
    """A linear layer with orthogonal weights and zero bias at start.

    Attributes:
        features: size of the last axis of the result.
        dtype: type in which products are formed; sums, weights and the result are float32.
        gain: of the initial weights.
        bias: whether there is one.
    """

    features: int
    dtype: Dtype = "float32"
    gain: float = 2.0**0.5
    bias: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map ``(..., inputs)`` to ``(..., features)``."""
        initial = nn.initializers.orthogonal(self.gain)
        kernel = self.param("kernel", initial, (x.shape[-1], self.features))
        rows = x.reshape(-1, x.shape[-1])
        y = matmul(rows, kernel, self.dtype).reshape(*x.shape[:-1], self.features)
        return y + self.param("bias", nn.initializers.zeros, (self.features,)) if self.bias else y


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def matmul(x: Array, w: Array, dtype: Dtype) -> Array:
    """Return ``x @ w`` in float32, ``(rows, inputs)`` by ``(inputs, outputs)``.

    Args:
        x: left operand.
        w: right operand.
        dtype: type to which both operands, and the gradients' operands, are rounded first.
    """
    return _product(x, w, dtype)


def _forward(x: Array, w: Array, dtype: Dtype) -> tuple[Array, tuple[Array, Array]]:
    return _product(x, w, dtype), (x, w)


def _backward(dtype: Dtype, kept: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, w = kept
    return _product(g, _transpose(w, dtype), dtype), _product(_transpose(x, dtype), g, dtype)


matmul.defvjp(_forward, _backward)


def _product(x: Array, w: Array, dtype: Dtype) -> Array:
    operands = x.astype(dtype), w.astype(dtype)
    return jnp.matmul(*operands, preferred_element_type=jnp.float32)


@partial(jax.jit, static_argnames="dtype")  # layouts can be set in compiled code only
def _transpose(x: Array, dtype: Dtype) -> Array:
    if jax.default_backend() != "cpu":
        return x.astype(dtype).T  # accelerators read either layout at the same speed
    if dtype == "float32":
        # kept out of the loop that makes x: the two fused take several times as long
        x = jax.lax.optimization_barrier(x)
    return with_layout_constraint(x.astype(dtype).T, Layout(major_to_minor=(0, 1)))
