"""Parts that both algorithms of the yardstick share: numpy replay, tanh-normal policy, stages.

Written in the style of jaxrl and of the papers' trainer: all seeds together by `jax.vmap`, one
jitted call per stage, batches sampled on the host from numpy arrays.
"""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
import optax
from jax import Array
from jax import numpy as jnp

TAU = 0.005
DISCOUNT = 0.99

type Params = Any


class Batch(NamedTuple):
    """Transitions of every seed, ``(seeds, batch, ...)``."""

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    masks: np.ndarray  # 0 where the task ended by itself
    next_observations: np.ndarray


class Model(NamedTuple):
    """Parameters and their optimiser's state, one per seed."""

    params: Params
    optimizer: Any


class ReplayBuffer:
    """One ring per seed in numpy arrays."""

    def __init__(self, seeds: int, capacity: int, observation: int, action: int) -> None:
        self.data = Batch(
            np.zeros((seeds, capacity, observation), np.float32),
            np.zeros((seeds, capacity, action), np.float32),
            np.zeros((seeds, capacity), np.float32),
            np.zeros((seeds, capacity), np.float32),
            np.zeros((seeds, capacity, observation), np.float32),
        )
        self.capacity, self.size, self.place = capacity, 0, 0
        self.random = np.random.default_rng(0)

    def insert(self, transition: Batch) -> None:
        """Write one transition of every seed."""
        for kept, new in zip(self.data, transition, strict=True):
            kept[:, self.place] = new
        self.place = (self.place + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def sample(self, batch_size: int) -> Batch:
        """Draw one batch for every seed."""
        seeds = len(self.data.rewards)
        places = self.random.integers(self.size, size=(seeds, batch_size))
        rows = np.arange(seeds)[:, None]
        return Batch(*(kept[rows, places] for kept in self.data))


def tanh_normal(mean: Array, log_std: Array, key: Array) -> tuple[Array, Array]:
    """Sample actions and their log-densities."""
    noise = jax.random.normal(key, mean.shape)
    u = mean + jnp.exp(log_std) * noise
    log_prob = -0.5 * noise**2 - log_std - 0.5 * jnp.log(2 * jnp.pi)
    log_prob -= 2 * (jnp.log(2.0) - u - jax.nn.softplus(-2 * u))
    return jnp.tanh(u), log_prob.sum(-1)


def apply(net: nn.Module, params: Params, *inputs: Any) -> Any:
    """Call a network."""
    return net.apply(params, *inputs)


def apply_gradient(
    optimizer: optax.GradientTransformation, model: Model, gradient: Params
) -> Model:
    """Take one optimiser step of one seed."""
    updates, state = optimizer.update(gradient, model.optimizer, model.params)
    return Model(optax.apply_updates(model.params, updates), state)


@jax.jit
def update_target(critic: Params, target: Params) -> Params:
    """Move the targets a little towards the critics, all seeds."""
    return jax.tree.map(lambda new, old: TAU * new + (1 - TAU) * old, critic, target)


@partial(jax.jit, static_argnames=("optimizer", "target_entropy"))
def update_temperature(
    log_alpha: Model,
    entropy: Array,
    *,
    optimizer: optax.GradientTransformation,
    target_entropy: float,
) -> Model:
    """Move every seed's temperature."""

    def one(log_alpha: Model, entropy: Array) -> Model:
        gradient = jax.grad(lambda p: jnp.exp(p) * (entropy - target_entropy))(log_alpha.params)
        return apply_gradient(optimizer, log_alpha, gradient)

    return jax.vmap(one)(log_alpha, entropy)


def split(keys: Array) -> tuple[Array, Array]:
    """Split every seed's key."""
    both = _split(keys)
    return both[:, 0], both[:, 1]


_split = jax.jit(jax.vmap(jax.random.split))
