"""The forms of the best batch size B*(σ, N) (arXiv:2508.14881)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vs_laws.forms import Floats


@dataclass(frozen=True)
class BatchSurface:
    """``B*(σ, N) = a·σ^p / (1 + (b/N)^c)``: rises with N to the asymptote a·σ^p.

    a is ``coefficient``, p ``sigma_power`` (the paper's −α_B), b ``params_scale``, c
    ``params_exponent``. Fields broadcast as in `vs_laws.surfaces`.
    """

    coefficient: ArrayLike
    sigma_power: ArrayLike
    params_scale: ArrayLike
    params_exponent: ArrayLike

    def __call__(self, sigma: ArrayLike, critic_params: ArrayLike) -> Floats:
        """Transitions per update at ``sigma, critic_params > 0`` (broadcasting)."""
        below = np.asarray(self.params_scale, float) / np.asarray(critic_params, float)
        rise = 1.0 + below ** np.asarray(self.params_exponent, float)
        return self.coefficient * np.asarray(sigma, float) ** self.sigma_power / rise


@dataclass(frozen=True)
class BatchPower:
    """``B*(σ, N) = a·σ^p·N^q``, the power law of data that show no asymptote in N.

    q is ``params_power``; 0 where N does not matter, p = q = 0 for a constant batch size.
    """

    coefficient: ArrayLike
    sigma_power: ArrayLike = 0.0
    params_power: ArrayLike = 0.0

    def __call__(self, sigma: ArrayLike, critic_params: ArrayLike) -> Floats:
        """Transitions per update at ``sigma, critic_params > 0`` (broadcasting)."""
        ratio, params = np.asarray(sigma, float), np.asarray(critic_params, float)
        return np.asarray(
            self.coefficient * ratio**self.sigma_power * params**self.params_power, float
        )
