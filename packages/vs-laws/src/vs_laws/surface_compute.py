"""FLOPs until a level is reached, with the batch size in it: C_J(σ, N) = 10·N·B(σ, N)·σ·D_J(σ, N).

arXiv:2508.14881. Its code holds B at 256 (`PUBLISHED_BATCH_SIZE`); pass that as ``batch_size`` to
follow it. Actor updates and a passive critic can be counted in.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from vs_laws.batch_surface import BatchPower, BatchSurface
from vs_laws.compute import ACTOR_FLOPS, CRITIC_FLOPS
from vs_laws.forms import Floats
from vs_laws.surfaces import Surface

type ActorUpdates = Literal["critic_update", "env_step"]
type Batch = ArrayLike | BatchSurface | BatchPower

PUBLISHED_BATCH_SIZE = 256.0
"""The batch size at which the published code counts FLOPs, whatever was run."""

PASSIVE_FLOPS = 6.0
"""Per parameter and transition of a passive critic: one forward pass (2), one backward pass (4); its
targets are the main critic's."""


def flops_per_step(
    sigma: ArrayLike,
    critic_params: ArrayLike,
    *,
    batch_size: Batch,
    actor_params: ArrayLike = 0.0,
    actor_updates: ActorUpdates = "env_step",
    passive_params: ArrayLike = 0.0,
) -> Floats:
    """FLOPs per env step, ``10·N·B·σ`` and the options.

    Args:
        sigma: critic updates per env step.
        critic_params: N.
        batch_size: the batch sizes really run (prefer them for measured points), the law B*(σ, N),
            or a constant.
        actor_params: parameters of the actor, ``12·N_actor·B`` per actor update; 0 leaves it out.
        actor_updates: one actor update per env step, or one per critic update.
        passive_params: parameters of a passive critic, ``6·N_passive·B`` per critic update.

    Raises:
        ValueError: if σ, N or B is not positive, the others are negative, or an unknown option.
    """
    if actor_updates not in ("critic_update", "env_step"):
        raise ValueError(
            f"actor_updates must be 'critic_update' or 'env_step', got {actor_updates!r}"
        )
    ratio, params = np.asarray(sigma, float), np.asarray(critic_params, float)
    actor, passive = np.asarray(actor_params, float), np.asarray(passive_params, float)
    law = isinstance(batch_size, BatchSurface | BatchPower)
    batch = batch_size(ratio, params) if law else np.asarray(batch_size, float)
    for name, value in (("sigma", ratio), ("critic_params", params), ("batch_size", batch)):
        if np.any(value <= 0):
            raise ValueError(f"{name} must be positive, got {np.nanmin(value):.6g}")
    for name, value in (("actor_params", actor), ("passive_params", passive)):
        if np.any(value < 0):
            raise ValueError(f"{name} must not be negative, got {np.nanmin(value):.6g}")
    updates = 1.0 if actor_updates == "env_step" else ratio
    per_transition = CRITIC_FLOPS * params * ratio + PASSIVE_FLOPS * passive * ratio
    return batch * (per_transition + ACTOR_FLOPS * actor * updates)


@dataclass(frozen=True)
class SurfaceCompute:
    """``C(σ, N) = flops_per_step(σ, N)·D(σ, N)``.

    Fields broadcast; for m levels the data law's fields have shape (m,), for bootstraps (K, m)
    with (K, 1) fields in a batch law.

    Attributes:
        data: D_J(σ, N), any form.
        batch_size: B*(σ, N) or a constant, see `flops_per_step`.
        actor_params: see `flops_per_step`.
        actor_updates: see `flops_per_step`.
        passive_params: see `flops_per_step`.
    """

    data: Surface
    batch_size: Batch
    actor_params: ArrayLike = 0.0
    actor_updates: ActorUpdates = "env_step"
    passive_params: ArrayLike = 0.0

    def per_step(self, sigma: ArrayLike, critic_params: ArrayLike) -> Floats:
        """FLOPs per env step (broadcasting)."""
        return flops_per_step(
            sigma,
            critic_params,
            batch_size=self.batch_size,
            actor_params=self.actor_params,
            actor_updates=self.actor_updates,
            passive_params=self.passive_params,
        )

    def __call__(self, sigma: ArrayLike, critic_params: ArrayLike) -> Floats:
        """FLOPs until the level is reached (broadcasting)."""
        return self.per_step(sigma, critic_params) * self.data(sigma, critic_params)

    @property
    def power(self) -> BatchPower | None:
        """FLOPs per env step as ``k·σ^p·N^q`` where they are one term, else None.

        The batch size is a constant or a power law, and nothing but the critic counts.
        """
        if np.any(np.asarray(self.actor_params) != 0) or np.any(np.asarray(self.passive_params)):
            return None
        batch = self.batch_size
        if isinstance(batch, BatchSurface):
            return None
        if not isinstance(batch, BatchPower):
            batch = BatchPower(batch)
        return BatchPower(
            CRITIC_FLOPS * np.asarray(batch.coefficient, float),
            1.0 + np.asarray(batch.sigma_power, float),
            1.0 + np.asarray(batch.params_power, float),
        )
