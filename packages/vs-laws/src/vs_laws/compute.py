"""FLOPs until a level is reached: C_J(σ) = 10·N·B(σ)·σ·D_J(σ) (arXiv:2502.04327 eq. 4.2)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vs_laws.forms import DataLaw, Floats, PowerLaw

CRITIC_FLOPS = 10.0
"""Per parameter and transition of a critic update: 3 forward (2 each) and 1 backward pass (4)."""

ACTOR_FLOPS = 12.0
"""Per parameter and transition of an actor update, one such update per env step."""


def update_flops(critic_params: ArrayLike, batch_size: ArrayLike) -> Floats:
    """FLOPs of one critic update, ``10·N·B``.

    Raises:
        ValueError: if the parameter count or the batch size is not positive.
    """
    params, batch = np.asarray(critic_params, float), np.asarray(batch_size, float)
    _check("critic_params", params)
    _check("batch_size", batch)
    return CRITIC_FLOPS * params * batch


def compute_to_level(
    sigma: ArrayLike,
    data: ArrayLike,
    *,
    batch_size: ArrayLike | PowerLaw,
    critic_params: ArrayLike,
    actor_updates: bool = False,
) -> Floats:
    """FLOPs spent by the time ``data`` env steps are taken: ``10·N·B·σ·D``.

    Args:
        sigma: updates per env step.
        data: env steps, e.g. D_J(σ); ``inf`` (censored) gives ``inf``.
        batch_size: the batch sizes really run, or the law B*(σ). They differ by up to 21 % in the
            published Gym baseline, so prefer what was run for measured points.
        critic_params: N.
        actor_updates: add ``12·N·B`` per env step for the actor; paper 1 neglects it.

    Returns:
        FLOPs, broadcast over all arguments.

    Raises:
        ValueError: if any of the arguments is not positive.
    """
    ratio, steps = np.asarray(sigma, float), np.asarray(data, float)
    _check("sigma", ratio)
    _check("data", steps)
    batch = batch_size(ratio) if isinstance(batch_size, PowerLaw) else batch_size
    per_transition = update_flops(critic_params, batch)
    updates = ratio + ACTOR_FLOPS / CRITIC_FLOPS if actor_updates else ratio
    return per_transition * updates * steps


@dataclass(frozen=True)
class ComputeLaw:
    """``C(σ) = 10·N·B*(σ)·σ·D(σ)``, a sum of two power laws (arXiv:2502.04327 eq. 4.2).

    With ``B* = b·σ^e`` and ``D = d + A·σ^(−α)`` it is ``k·d·σ^p + k·A·σ^(p−α)`` where
    ``k = 10·N·b`` and ``p = 1 + e``. Both terms are exponentials of log σ, so C is convex in
    log σ: it falls, then rises (either part may be missing).

    All fields broadcast; use (K, 1) for bootstraps against (n,) values of σ.
    """

    data: DataLaw
    batch_size: PowerLaw
    critic_params: ArrayLike

    def __post_init__(self) -> None:
        _check("critic_params", np.asarray(self.critic_params, float))

    def __call__(self, sigma: ArrayLike) -> Floats:
        """FLOPs until the level is reached, at ``sigma > 0`` (broadcasting)."""
        ratio = np.asarray(sigma, float)
        return self.unit * ratio**self.power * self.data(ratio)

    @property
    def unit(self) -> Floats:
        """``k = 10·N·b``: FLOPs per env step at σ = 1."""
        return update_flops(self.critic_params, self.batch_size.coefficient)

    @property
    def power(self) -> Floats:
        """``p = 1 − α_B``: exponent of σ in the FLOPs per env step."""
        return 1.0 + np.asarray(self.batch_size.exponent, float)

    def minimiser(self) -> Floats:
        """σ of least compute: ``(A(α−p)/(d·p))^(1/α)`` where ``α > p > 0``, else 0 or ``inf``.

        0 means that C rises everywhere (spend as few updates as possible), ``inf`` that it falls
        everywhere; NaN where a parameter is NaN.
        """
        floor, amplitude, alpha, p = np.broadcast_arrays(
            *(np.asarray(v, float) for v in (self.data.d_min, self.data.amplitude)),
            np.asarray(self.data.alpha, float),
            self.power,
        )
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            interior = (amplitude * (alpha - p) / (floor * p)) ** (1.0 / alpha)
        with_floor, falling_part = floor > 0, (amplitude > 0) & (alpha > p)
        rises = np.where(with_floor, (p > 0) & ~falling_part, alpha <= p)
        falls = np.where(with_floor, p <= 0, alpha > p)
        best = np.where(rises, 0.0, np.where(falls, np.inf, interior))
        return np.where(np.isnan(floor + amplitude + alpha + p), np.nan, best)


def _check(name: str, value: Floats) -> None:
    if np.any(value <= 0):
        raise ValueError(f"{name} must be positive, got {np.nanmin(value):.6g}")
