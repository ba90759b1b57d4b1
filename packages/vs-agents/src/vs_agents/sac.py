"""Soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905), updated and started as in ``jaxrl``."""

from dataclasses import dataclass

from flax import linen as nn
from jax import Array

from vs_agents.actor_critic import ActorCriticConfig
from vs_agents.networks import MLP, GaussianActor, TwinCritic


@dataclass(frozen=True, kw_only=True)
class SAC(ActorCriticConfig):
    """Soft actor-critic.

    Two hidden layers, orthogonal weights at start (gain sqrt 2, both heads of the actor 1), Adam
    with one learning rate for critic, actor and temperature (published: 3e-4), discount 0.99, target
    critics following with rate 0.005, target entropy -|A|/2, temperature 1 at start, twin critics of
    which the smaller counts, entropy in the backup. One update goes critic -> target critic -> actor
    (against the new critic) -> temperature, all on the same batch.
    """

    @property
    def actor(self) -> nn.Module:
        """Two hidden layers; the log standard deviation is cut off at [-10, 2]."""
        return GaussianActor(MLP, self.actor_width, 2, self.action_size, "clip", 1.0, self.dtype)

    def critic_of(self, width: int) -> TwinCritic:
        """Return two MLPs with one output each."""
        return TwinCritic(MLP, width, self.critic_depth, 1, self.dtype)

    def combine(self, predictions: Array) -> Array:
        """Return the smaller of the two values."""
        return predictions.min(0)

    def loss(self, predictions: Array, target: Array) -> Array:
        """Return the squared TD error."""
        return ((predictions - target) ** 2).sum((0, -1))
