"""The forms that are fitted: the papers' laws and their rivals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws.law import Floats, Law, Numbers, constant, per_axis, per_pair

EXPONENT_BOUNDS = (0.01, 10.0)
"""Range in which the exponents of saturating terms are searched."""

_NEGLIGIBLE = 1e-9  # share of the smallest fitted value below which a floor counts as 0


@dataclass(frozen=True)
class PowerLaw(Law):
    """``y = coefficient · Π_k x_k^(exponent_k)`` (B*, η*: arXiv:2502.04327 §4.2, exponent = −α).

    The paper's ``(β/σ)^α`` and its tables' ``β·σ^(−α)`` differ; this is the tables' form, so
    ``coefficient`` is the value where every axis is 1. An exponent of 0 means that its axis does not
    matter.
    """

    coefficient: Numbers
    exponent: Numbers = per_axis()

    signed = ("exponent",)
    scaling = ("coefficient",)

    def value(self, *x: Floats) -> Floats:
        """Return the product of powers."""
        result = np.asarray(self.coefficient)
        for k, place in enumerate(x):
            result = result * place ** np.asarray(self.exponent)[..., k]
        return result

    def hold(self, **fixed: ArrayLike) -> "PowerLaw":
        """Return the power law of the free axes; the held ones join the coefficient."""
        free = _free(self, fixed)
        coefficient, exponent = np.asarray(self.coefficient), np.asarray(self.exponent)
        for name, place in fixed.items():
            power = exponent[..., self.axes.index(name)]
            coefficient = coefficient * np.asarray(place, float) ** power
        return PowerLaw(coefficient, exponent[..., free], axes=tuple(self.axes[k] for k in free))


@dataclass(frozen=True)
class DataLaw(Law):
    """``D = d_min + Σ_k amplitude_k · x_k^(−exponent_k)``, env steps to a level.

    One axis, σ: arXiv:2502.04327 eq. 4.1, ``d_min + (β/σ)^α`` with amplitude = β^α. Two, σ and N:
    D_J(σ, N) of arXiv:2508.14881, ``d_min·(1 + (a/σ)^α + (b/N)^β)``, with a and b in ``scale``.
    Amplitudes are stored because β and ``scale`` overflow where an exponent or d_min goes to 0 while
    the law itself stays finite.
    """

    d_min: Numbers
    amplitude: Numbers = per_axis()
    exponent: Numbers = per_axis()

    scaling = ("d_min", "amplitude")

    def value(self, *x: Floats) -> Floats:
        """Return the floor plus one falling term per axis."""
        total = np.asarray(self.d_min)
        for k, place in enumerate(x):
            total = total + np.asarray(self.amplitude)[..., k] * place ** (
                -np.asarray(self.exponent)[..., k]
            )
        return total

    def hold(self, **fixed: ArrayLike) -> "DataLaw":
        """Return the law of the free axes; the terms of the held ones join ``d_min``."""
        free = _free(self, fixed)
        floor, amplitude, exponent = map(np.asarray, (self.d_min, self.amplitude, self.exponent))
        for name, place in fixed.items():
            k = self.axes.index(name)
            floor = floor + amplitude[..., k] * np.asarray(place, float) ** -exponent[..., k]
        return DataLaw(
            floor, amplitude[..., free], exponent[..., free], axes=tuple(self.axes[k] for k in free)
        )

    @property
    def scale(self) -> Floats:
        """The place (…, K) on each axis at which its term equals d_min; ``inf`` at d_min = 0."""
        return _scale(np.asarray(self.d_min)[..., None], self.amplitude, self.exponent)

    def derived(self) -> dict[str, Floats]:
        """Return ``axis_scale``, the papers' a_J and b_J."""
        return {f"{axis}_scale": self.scale[..., k] for k, axis in enumerate(self.axes)}

    def at_bounds(self, low: float) -> dict[str, NDArray[np.bool_]]:
        """Return where d_min or an amplitude is 0, or an exponent at an end of its search."""
        parts = {"d_min": np.asarray(self.d_min) <= _NEGLIGIBLE * low}
        for k, axis in enumerate(self.axes):
            parts[f"{axis}_amplitude"] = np.asarray(self.amplitude)[..., k] <= 0
            parts[f"{axis}_exponent"] = _ends(np.asarray(self.exponent)[..., k])
        return parts


@dataclass(frozen=True)
class ProductLaw(Law):
    """``D = top · Π_k (floor_k + (1 − floor_k)·(origin_k/x_k)^exponent_k)``.

    The product form ``d_min · Π_k (1 + (scale_k/x_k)^exponent_k)``, written so that no field
    overflows when a factor has no floor. ``top`` is D at the origins, ``floor`` the share of it that
    is left at infinity.
    """

    top: Numbers
    floor: Numbers = per_axis()
    exponent: Numbers = per_axis()
    origin: Numbers = per_axis(fitted=False)

    scaling = ("top",)

    def value(self, *x: Floats) -> Floats:
        """Return the product of one falling factor per axis."""
        result = np.asarray(self.top)
        for k, place in enumerate(x):
            share = np.asarray(self.floor)[..., k]
            ratio = place / np.asarray(self.origin)[..., k]
            power = ratio ** -np.asarray(self.exponent)[..., k]
            result = result * (share + (1.0 - share) * power)
        return result

    @property
    def d_min(self) -> Floats:
        """D where every axis is infinite."""
        return np.asarray(self.top) * np.prod(np.asarray(self.floor), axis=-1)

    def derived(self) -> dict[str, Floats]:
        """Return ``axis_scale`` (``inf`` without a floor) and d_min."""
        floor = np.asarray(self.floor)
        scale = np.asarray(self.origin) * _scale(floor, 1.0 - floor, self.exponent)
        found = {f"{axis}_scale": scale[..., k] for k, axis in enumerate(self.axes)}
        return {**found, "d_min": self.d_min}

    def at_bounds(self, low: float) -> dict[str, NDArray[np.bool_]]:
        """Return where a floor is 0 or 1, or an exponent at an end of its search."""
        parts = {}
        for k, axis in enumerate(self.axes):
            floor = np.asarray(self.floor)[..., k]
            parts[f"{axis}_floor"] = (floor <= 0) | (floor >= 1)
            parts[f"{axis}_exponent"] = _ends(np.asarray(self.exponent)[..., k])
        return parts


@dataclass(frozen=True)
class LogQuadratic(Law):
    """``log D = constant + Σ_k slope_k·log x_k + Σ_(j≤k) curvature_jk·log x_j·log x_k``."""

    constant: Numbers
    slope: Numbers = per_axis()
    curvature: Numbers = per_pair()

    signed = ("constant", "slope", "curvature")

    def value(self, *x: Floats) -> Floats:
        """Return the exponential of the polynomial; ``inf`` where it overflows."""
        logs = [np.log(place) for place in x]
        total, curvature = np.asarray(self.constant), np.asarray(self.curvature)
        for k, log in enumerate(logs):
            total = total + np.asarray(self.slope)[..., k] * log
        for place, (one, other) in enumerate(combinations_with_replacement(logs, 2)):
            total = total + curvature[..., place] * one * other
        return np.exp(total)


@dataclass(frozen=True)
class NearestRun(Law):
    """D of the run nearest in the logarithms of the axes, Euclidean: a baseline, not a law.

    Attributes:
        data: (…, n) env steps of the runs, (…, 1, n) with a dimension for places; entries that are
            not finite are passed over.
        places: (n, K) where the runs are.
    """

    data: Numbers = field(metadata={"shape": "points"})
    places: Numbers = constant()

    scaling = ("data",)

    def value(self, *x: Floats) -> Floats:
        """Return D at x; equally near runs are averaged in log D."""
        at = np.stack(np.broadcast_arrays(*x), axis=-1)
        logs = np.log(at.reshape(-1, 1, len(x)) / np.asarray(self.places))
        distance = np.sqrt((logs**2).sum(axis=-1))  # (places, n)
        steps = np.asarray(self.data)
        known = np.isfinite(steps)
        away = np.where(known, distance, np.inf)
        near = known & (away <= away.min(axis=-1, keepdims=True) * (1.0 + 1e-9))
        count = near.sum(axis=-1)
        total = np.sum(np.where(near, np.log(np.where(known, steps, 1.0)), 0.0), axis=-1)
        mean = np.exp(total / np.maximum(count, 1))
        return np.where(count > 0, mean, np.nan).reshape((*count.shape[:-1], *at.shape[:-1]))


@dataclass(frozen=True)
class BatchLaw(Law):
    """``B*(σ, N) = coefficient·σ^power / (1 + (scale/N)^rise)`` (arXiv:2508.14881, B* in σ and N).

    A power law of the first axis that rises along the second one to an asymptote.
    """

    coefficient: Numbers
    power: Numbers
    scale: Numbers
    rise: Numbers

    signed = ("power",)
    scaling = ("coefficient",)

    def value(self, *x: Floats) -> Floats:
        """Return transitions per update."""
        first, second = x
        below = np.asarray(self.scale) / second
        return self.coefficient * first**self.power / (1.0 + below ** np.asarray(self.rise))


def _free(law: Law, fixed: Mapping[str, ArrayLike]) -> list[int]:
    unknown = [name for name in fixed if name not in law.axes]
    free = [k for k, name in enumerate(law.axes) if name not in fixed]
    if unknown:
        raise ValueError(f"cannot hold {', '.join(unknown)}: the law is over {', '.join(law.axes)}")
    return free


def _ends(exponent: Floats) -> NDArray[np.bool_]:
    low, high = EXPONENT_BOUNDS
    return (exponent <= low * (1 + 1e-9)) | (exponent >= high * (1 - 1e-9))


def _scale(floor: ArrayLike, amplitude: ArrayLike, exponent: ArrayLike) -> Floats:
    """Return x at which ``amplitude·x^(−exponent)`` equals the floor; inf beyond a double."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ratio = np.asarray(amplitude, float) / np.asarray(floor, float)
        return np.asarray(ratio ** (1.0 / np.asarray(exponent, float)), float)
