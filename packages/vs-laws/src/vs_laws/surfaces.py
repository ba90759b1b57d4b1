"""Two-axis forms (arXiv:2508.14881): laws in σ and in the critic's parameter count N.

As in `vs_laws.forms`, fields and arguments broadcast: a law whose fields have shape ``(K, 1)``
maps ``(n,)`` points (σ, N) to ``(K, n)`` predictions.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from vs_laws.forms import Floats

type SurfaceForm = Literal[
    "additive", "floorless", "product", "log_linear", "log_quadratic", "nearest"
]

FORMULAS: dict[SurfaceForm, str] = {
    "additive": "D = d_min + sigma_amplitude * sigma^-sigma_exponent"
    " + params_amplitude * N^-params_exponent",
    "floorless": "D = sigma_amplitude * sigma^-sigma_exponent"
    " + params_amplitude * N^-params_exponent",
    "product": "D = d_min * (1 + (sigma_scale/sigma)^sigma_exponent)"
    " * (1 + (params_scale/N)^params_exponent)",
    "log_linear": "log D = constant + sigma_slope * log sigma + params_slope * log N",
    "log_quadratic": "log D = quadratic in (log sigma, log N), with the cross term",
    "nearest": "D of the nearest run in (log sigma, log N)",
}
"""The forms of `fit_surface` and their formulas; the first is the paper's, the others rivals."""


class Surface(Protocol):
    """Env steps to a level as a function of σ and N."""

    def __call__(self, sigma: ArrayLike, critic_params: ArrayLike) -> Floats:
        """Env steps at ``sigma, critic_params > 0`` (broadcasting)."""
        ...


@dataclass(frozen=True)
class SurfaceLaw:
    """``D(σ, N) = d_min + A·σ^(−α) + C·N^(−β)`` (arXiv:2508.14881, D_J in linear form).

    A is ``sigma_amplitude``, α ``sigma_exponent``, C ``params_amplitude``, β ``params_exponent``.
    The amplitudes are stored instead of the paper's a_J and b_J, which do not exist at d_min = 0;
    d_min = 0 is the rival of two power laws without a floor.
    """

    d_min: ArrayLike
    sigma_amplitude: ArrayLike
    sigma_exponent: ArrayLike
    params_amplitude: ArrayLike
    params_exponent: ArrayLike

    def __call__(self, sigma: ArrayLike, critic_params: ArrayLike) -> Floats:
        """Env steps to the level (broadcasting)."""
        ratio, params = np.asarray(sigma, float), np.asarray(critic_params, float)
        updates = self.sigma_amplitude * ratio ** -np.asarray(self.sigma_exponent, float)
        size = self.params_amplitude * params ** -np.asarray(self.params_exponent, float)
        return np.asarray(self.d_min, float) + updates + size

    @property
    def sigma_scale(self) -> Floats:
        """a_J of ``d_min·(1 + (a/σ)^α + (b/N)^β)``; ``inf`` at d_min = 0."""
        return _scale(self.d_min, self.sigma_amplitude, self.sigma_exponent)

    @property
    def params_scale(self) -> Floats:
        """b_J of ``d_min·(1 + (a/σ)^α + (b/N)^β)``; ``inf`` at d_min = 0."""
        return _scale(self.d_min, self.params_amplitude, self.params_exponent)


@dataclass(frozen=True)
class ProductSurface:
    """``D = K·(f_σ + (1−f_σ)·(σ₀/σ)^α)·(f_N + (1−f_N)·(N₀/N)^β)``.

    The product form ``d_min·(1 + (a/σ)^α)·(1 + (b/N)^β)``, written so that no field overflows
    when a factor has no floor. K is ``top``, D at (σ₀, N₀) = (``sigma_origin``,
    ``params_origin``); f_σ and f_N are the floors' shares of it.
    """

    top: ArrayLike
    sigma_floor: ArrayLike
    sigma_exponent: ArrayLike
    params_floor: ArrayLike
    params_exponent: ArrayLike
    sigma_origin: ArrayLike
    params_origin: ArrayLike

    def __call__(self, sigma: ArrayLike, critic_params: ArrayLike) -> Floats:
        """Env steps to the level (broadcasting)."""
        ratio = np.asarray(sigma, float) / self.sigma_origin
        size = np.asarray(critic_params, float) / self.params_origin
        return np.asarray(
            np.asarray(self.top, float)
            * _factor(ratio, self.sigma_floor, self.sigma_exponent)
            * _factor(size, self.params_floor, self.params_exponent),
            float,
        )

    @property
    def d_min(self) -> Floats:
        """D at σ = N = ∞."""
        return np.asarray(self.top, float) * self.sigma_floor * self.params_floor

    @property
    def sigma_scale(self) -> Floats:
        """A of ``1 + (a/σ)^α``; ``inf`` without a floor."""
        floor = np.asarray(self.sigma_floor, float)
        return np.asarray(self.sigma_origin, float) * _scale(
            floor, 1.0 - floor, self.sigma_exponent
        )

    @property
    def params_scale(self) -> Floats:
        """B of ``1 + (b/N)^β``; ``inf`` without a floor."""
        floor = np.asarray(self.params_floor, float)
        return np.asarray(self.params_origin, float) * _scale(
            floor, 1.0 - floor, self.params_exponent
        )


@dataclass(frozen=True)
class LogPolynomial:
    """``log D`` as a polynomial in log σ and log N: linear, or quadratic with the cross term."""

    constant: ArrayLike
    sigma_slope: ArrayLike
    params_slope: ArrayLike
    sigma_square: ArrayLike = 0.0
    cross: ArrayLike = 0.0
    params_square: ArrayLike = 0.0

    def __call__(self, sigma: ArrayLike, critic_params: ArrayLike) -> Floats:
        """Env steps to the level (broadcasting); ``inf`` where the polynomial overflows."""
        x, z = np.log(np.asarray(sigma, float)), np.log(np.asarray(critic_params, float))
        linear = np.asarray(self.constant, float) + self.sigma_slope * x + self.params_slope * z
        square = self.sigma_square * x**2 + self.cross * x * z + self.params_square * z**2
        with np.errstate(over="ignore"):
            return np.exp(linear + square)


@dataclass(frozen=True)
class NearestRun:
    """D of the run nearest in (log σ, log N), natural logarithms, Euclidean.

    Attributes:
        data: (…, n) env steps of the runs; NaN entries are passed over.
        sigma: (n,) updates per env step of the runs.
        critic_params: (n,) parameter counts of the runs.
    """

    data: Floats
    sigma: Floats
    critic_params: Floats

    def __call__(self, sigma: ArrayLike, critic_params: ArrayLike) -> Floats:
        """Env steps, (…, *shape of the points); equally near runs are averaged in log D."""
        x, z = np.broadcast_arrays(np.asarray(sigma, float), np.asarray(critic_params, float))
        distance = np.hypot(
            np.log(x.reshape(-1, 1) / self.sigma), np.log(z.reshape(-1, 1) / self.critic_params)
        )
        steps = np.asarray(self.data, float)
        known = np.isfinite(steps)[..., None, :]
        away = np.where(known, distance, np.inf)
        near = known & (away <= away.min(axis=-1, keepdims=True) * (1.0 + 1e-9))
        count = near.sum(axis=-1)
        total = np.sum(np.where(near, np.log(np.where(known, steps[..., None, :], 1.0)), 0.0), -1)
        mean = np.exp(total / np.maximum(count, 1))
        return np.where(count > 0, mean, np.nan).reshape(*steps.shape[:-1], *x.shape)


def _factor(x: Floats, floor: ArrayLike, exponent: ArrayLike) -> Floats:
    share = np.asarray(floor, float)
    return share + (1.0 - share) * x ** -np.asarray(exponent, float)


def _scale(floor: ArrayLike, amplitude: ArrayLike, exponent: ArrayLike) -> Floats:
    """X at which ``amplitude·x^(−exponent)`` equals the floor; inf where beyond a double."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ratio = np.asarray(amplitude, float) / np.asarray(floor, float)
        return np.asarray(ratio ** (1.0 / np.asarray(exponent, float)), float)
