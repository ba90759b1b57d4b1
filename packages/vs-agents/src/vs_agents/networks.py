"""The multilayer perceptrons of soft actor-critic."""

from flax import linen as nn
from jax import Array
from jax import numpy as jnp

LOG_STD_MIN, LOG_STD_MAX = -10.0, 2.0  # the range of jaxrl's policy


def _dense(features: int) -> nn.Dense:
    return nn.Dense(features, kernel_init=nn.initializers.orthogonal(2.0**0.5))


class MLP(nn.Module):
    """Dense-ReLU hidden layers, then a linear layer.

    Attributes:
        widths: units of each hidden layer.
        outputs: size of the last axis of the result.
    """

    widths: tuple[int, ...]
    outputs: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map ``(..., inputs)`` to ``(..., outputs)``."""
        for width in self.widths:
            x = nn.relu(_dense(width)(x))
        return _dense(self.outputs)(x)


class GaussianActor(nn.Module):
    """Mean and log standard deviation of the action before tanh (Haarnoja 2018, appendix C)."""

    widths: tuple[int, ...]
    action_size: int

    @nn.compact
    def __call__(self, observation: Array) -> tuple[Array, Array]:
        """Map ``(..., observation)`` to two arrays ``(..., action)``."""
        mean, log_std = jnp.split(MLP(self.widths, 2 * self.action_size)(observation), 2, axis=-1)
        return mean, jnp.clip(log_std, LOG_STD_MIN, LOG_STD_MAX)


class TwinCritic(nn.Module):
    """Two independent Q functions, their layers batched into one product each."""

    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, observation: Array, action: Array) -> Array:
        """Map ``(..., observation)`` and ``(..., action)`` to values ``(2, ...)``."""
        twin = nn.vmap(
            MLP,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=None,
            out_axes=0,
            axis_size=2,
        )
        return twin(self.widths, 1)(jnp.concatenate([observation, action], axis=-1)).squeeze(-1)
