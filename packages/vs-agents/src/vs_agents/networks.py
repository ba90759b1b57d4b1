"""The networks of SAC (multilayer perceptrons) and of BRO (residual blocks with layer norm)."""

from typing import Literal

from flax import linen as nn
from jax import Array
from jax import numpy as jnp

from vs_agents.linear import Dense, Dtype
from vs_agents.norm import LayerNorm

LOG_STD_MIN, LOG_STD_MAX = -10.0, 2.0

type Squash = Literal["clip", "tanh"]


class MLP(nn.Module):
    """Dense-ReLU hidden layers.

    Attributes:
        width: units of each hidden layer.
        depth: hidden layers.
        dtype: of the products.
    """

    width: int
    depth: int
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map ``(..., inputs)`` to ``(..., width)``."""
        for _ in range(self.depth):
            x = nn.relu(Dense(self.width, self.dtype)(x))
        return x


class BroNet(nn.Module):
    """Dense-LayerNorm-ReLU, then residual blocks (Nauman 2024, arXiv:2405.16158, section 3).

    Attributes:
        width: units of each layer.
        depth: residual blocks, each ``x + LN(Dense(ReLU(LN(Dense(x)))))``.
        dtype: of the products.
    """

    width: int
    depth: int
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map ``(..., inputs)`` to ``(..., width)``."""
        x = nn.relu(LayerNorm()(Dense(self.width, self.dtype)(x)))
        for _ in range(self.depth):
            inner = nn.relu(LayerNorm()(Dense(self.width, self.dtype)(x)))
            x = x + LayerNorm()(Dense(self.width, self.dtype)(inner))
        return x


type Torso = type[MLP] | type[BroNet]


class GaussianActor(nn.Module):
    """Mean and log standard deviation of the action before tanh (Haarnoja 2018, appendix C).

    Attributes:
        torso: hidden layers.
        width: units of each hidden layer.
        depth: hidden layers of an MLP, blocks of a BroNet.
        action_size: length of one action.
        squash: bound on the log standard deviation, [-10, 2]: "clip" cuts it off there, "tanh"
            maps it by ``-10 + 6 (1 + tanh x)``.
        mean_gain: of the initial weights of the mean's head; the log standard deviation's have 1.
        dtype: of the products.
    """

    torso: Torso
    width: int
    depth: int
    action_size: int
    squash: Squash
    mean_gain: float
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, observation: Array) -> tuple[Array, Array]:
        """Map ``(..., observation)`` to two arrays ``(..., action)``."""
        hidden = self.torso(self.width, self.depth, self.dtype)(observation)
        mean = Dense(self.action_size, self.dtype, gain=self.mean_gain)(hidden)
        x = Dense(self.action_size, self.dtype, gain=1.0)(hidden)
        if self.squash == "clip":
            return mean, jnp.clip(x, LOG_STD_MIN, LOG_STD_MAX)
        return mean, LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (1.0 + jnp.tanh(x))


class ShiftedActor(nn.Module):
    """BRO's optimistic actor: the conservative actor's mean plus a learned shift without a bias.

    Attributes:
        width: units of each layer.
        depth: residual blocks.
        action_size: length of one action.
        dtype: of the products.
    """

    width: int
    depth: int
    action_size: int
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, observation: Array, mean: Array) -> Array:
        """Map ``(..., observation)`` and means ``(..., action)`` to new means ``(..., action)``."""
        x = jnp.concatenate([observation, mean], axis=-1)
        hidden = BroNet(self.width, self.depth, self.dtype)(x)
        return mean + Dense(self.action_size, self.dtype, gain=0.01, bias=False)(hidden)


class _Critic(nn.Module):
    torso: Torso
    width: int
    depth: int
    outputs: int
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return Dense(self.outputs, self.dtype)(self.torso(self.width, self.depth, self.dtype)(x))


class TwinCritic(nn.Module):
    """Two independent critics, their layers batched into one product each.

    Attributes:
        torso: hidden layers.
        width: units of each hidden layer.
        depth: hidden layers of an MLP, blocks of a BroNet.
        outputs: numbers per critic: 1 value, or quantiles of the return.
        dtype: of the products.
    """

    torso: Torso
    width: int
    depth: int
    outputs: int = 1
    dtype: Dtype = "float32"

    @nn.compact
    def __call__(self, observation: Array, action: Array) -> Array:
        """Map ``(..., observation)`` and ``(..., action)`` to ``(2, ..., outputs)``."""
        twin = nn.vmap(
            _Critic,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=None,
            out_axes=0,
            axis_size=2,
        )
        x = jnp.concatenate([observation, action], axis=-1)
        return twin(self.torso, self.width, self.depth, self.outputs, self.dtype)(x)
