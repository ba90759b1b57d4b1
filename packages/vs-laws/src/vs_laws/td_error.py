"""TD-overfitting: TD errors against batch size, width and σ (arXiv:2508.14881 §4).

Bigger batches lower the training error; the validation error they raise on small critics and lower on
large ones. That is an interaction in

    log error = c0 + c1·log B + c2·log N + c3·log σ + c4·log B·log N,

fitted by least squares with heteroscedasticity-robust (HC3) errors and Student's t. Logarithms of
B, N and σ are taken from their geometric means, so c1 is the effect of B at the mean N.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vs_laws._judge import slope_estimates
from vs_laws._points import Points
from vs_laws.law import Floats, json_numbers
from vs_laws.result import Estimate
from vs_laws.verdict import t_quantile

_NAMES = ("constant", "batch_size", "critic_params", "sigma", "batch_size:critic_params")
_LEVERAGE = 1.0 - 1e-9  # a point that fits itself: HC3 has no error for it


@dataclass(frozen=True)
class ErrorFit:
    """A log-linear regression of a TD error.

    Attributes:
        coefficients: by name; ``"batch_size:critic_params"`` is the interaction. ``sigma`` is left
            out when σ does not vary.
        centre: geometric means of B, N and σ, where the logarithms are 0.
        covariance: (p, p) robust covariance in the order of the coefficients.
        n: points used.
        dof: degrees of freedom.
        r2: R² of log error.
        notes: what was left out.
    """

    coefficients: Mapping[str, Estimate]
    centre: tuple[float, float, float]
    covariance: Floats
    n: int
    dof: float
    r2: float
    notes: tuple[str, ...] = ()

    def predict(
        self, batch_size: ArrayLike, critic_params: ArrayLike, sigma: ArrayLike = 1.0
    ) -> Estimate:
        """Error and 95 % interval of the regression at points, broadcast.

        Args:
            batch_size: B.
            critic_params: N.
            sigma: σ; without effect where the regression has no σ.
        """
        b, n, s = np.broadcast_arrays(
            *(np.asarray(v, float) for v in (batch_size, critic_params, sigma))
        )
        names = tuple(self.coefficients)
        basis = _basis(b.ravel(), n.ravel(), s.ravel(), self.centre, names)
        centre = basis @ np.array([e.value for e in self.coefficients.values()])
        half = t_quantile(self.dof) * np.sqrt(
            np.maximum(np.sum((basis @ self.covariance) * basis, axis=1), 0.0)
        )
        return Estimate(
            *(np.exp(v).reshape(b.shape) for v in (centre, centre - half, centre + half))
        )

    def batch_slope(self, critic_params: ArrayLike) -> Estimate:
        """D log error / d log B at N, with its interval: positive where bigger batches overfit."""
        size = np.log(np.asarray(critic_params, float) / self.centre[1])
        names = tuple(self.coefficients)
        pair = [names.index("batch_size"), names.index("batch_size:critic_params")]
        gradient = np.stack([np.ones_like(size), size], axis=-1)
        values = np.array([self.coefficients[names[k]].value for k in pair])
        inner = self.covariance[np.ix_(pair, pair)]
        error = np.sqrt(np.sum((gradient @ inner) * gradient, axis=-1))
        half = t_quantile(self.dof) * error
        slope = gradient @ values
        return Estimate(slope, slope - half, slope + half)

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {
            "coefficients": {k: e.to_dict() for k, e in self.coefficients.items()},
            "centre": {
                k: json_numbers(v)
                for k, v in zip(("batch_size", "critic_params", "sigma"), self.centre, strict=True)
            },
            "n": self.n,
            "dof": json_numbers(self.dof),
            "r2": json_numbers(self.r2),
            "notes": list(self.notes),
        }


def fit_td_error(
    batch_size: ArrayLike, critic_params: ArrayLike, sigma: ArrayLike, error: ArrayLike
) -> ErrorFit:
    """Regress a TD error on log B × log N and log σ, one point per run.

    Args:
        batch_size: (n,) B.
        critic_params: (n,) N.
        sigma: (n,) σ; the term is left out when all are the same.
        error: (n,) positive TD errors; NaN points are left out, with a note.

    Raises:
        ValueError: on mismatched lengths, non-positive values, or B and N that do not vary enough
            to tell the terms apart.
    """
    columns = {
        "batch_size": np.asarray(batch_size, float),
        "critic_params": np.asarray(critic_params, float),
        "sigma": np.asarray(sigma, float),
        "error": np.asarray(error, float),
    }
    shape = columns["error"].shape
    for name, values in columns.items():
        if values.ndim != 1 or values.shape != shape:
            raise ValueError(f"{name} has shape {values.shape}, expected {shape}, one per run")
        if np.any(values <= 0):
            raise ValueError(f"{name} must be positive, got {np.nanmin(values):.6g}")
    known = np.all([np.isfinite(v) for v in columns.values()], axis=0)
    b, n, s, y = (v[known] for v in columns.values())
    notes = () if known.all() else (f"{int((~known).sum())} of {known.size} points are missing",)
    names = _NAMES if np.unique(s).size > 1 else tuple(k for k in _NAMES if k != "sigma")
    centre = tuple(float(np.exp(np.log(v).mean())) if v.size else np.nan for v in (b, n, s))
    basis = _basis(b, n, s, (centre[0], centre[1], centre[2]), names)
    if y.size < len(names) or np.linalg.matrix_rank(basis) < len(names):
        raise ValueError(
            f"{y.size} runs do not tell {len(names)} terms apart; batch sizes and critic_params "
            "must both vary, and vary against each other"
        )
    log_y = np.log(y)
    inverse = np.linalg.inv(basis.T @ basis)
    values = inverse @ basis.T @ log_y
    residual = log_y - basis @ values
    leverage = np.minimum(np.sum((basis @ inverse) * basis, axis=1), _LEVERAGE)
    scaled = basis * (residual / (1.0 - leverage))[:, None]
    covariance = inverse @ (scaled.T @ scaled) @ inverse
    dof = float(y.size - len(names))
    variation = np.sum((log_y - log_y.mean()) ** 2)
    coefficients = {
        name: Estimate.from_error(float(v), float(np.sqrt(c)), dof, log=False)
        for name, v, c in zip(names, values, np.diag(covariance), strict=True)
    }
    return ErrorFit(
        coefficients,
        (centre[0], centre[1], centre[2]),
        covariance,
        int(y.size),
        dof,
        float(1.0 - residual @ residual / variation) if variation > 0 else float("nan"),
        notes,
    )


def largest_batch(
    fit: ErrorFit,
    critic_params: ArrayLike,
    batch_sizes: ArrayLike,
    *,
    sigma: float = 1.0,
    tolerance: float = 0.05,
) -> Floats:
    """Largest batch whose predicted validation error is within ``1 + tolerance`` of the best.

    Args:
        fit: regression of the *validation* error.
        critic_params: (w,) one N per width.
        batch_sizes: (m,) batch sizes to choose among; keep them within the data.
        sigma: σ at which to predict.
        tolerance: relative, ≥ 0.

    Returns:
        (w,) batch sizes.

    Raises:
        ValueError: if there are no batch sizes or the tolerance is negative.
    """
    tried = np.sort(np.asarray(batch_sizes, float).ravel())
    if tried.size == 0 or not tolerance >= 0:
        raise ValueError("batch_sizes must not be empty, and tolerance must not be negative")
    params = np.atleast_1d(np.asarray(critic_params, float))
    error = fit.predict(tried, params[:, None], sigma).value
    allowed = error <= error.min(axis=1, keepdims=True) * (1.0 + tolerance)
    return tried[tried.size - 1 - allowed[:, ::-1].argmax(axis=1)]


def width_slopes(widths: Mapping[str, ArrayLike], error: ArrayLike) -> dict[str, Estimate]:
    """Slopes of log error against the logarithms of one or more widths, fitted jointly.

    For a passive critic pass both widths, ``{"main": …, "passive": …}``, and the passive critic's
    error: the two slopes tell what the policy's data and what the critic's own capacity contribute.
    Average runs of the same widths first, or they weigh more than the others.

    Args:
        widths: by name, (n,) widths (or parameter counts).
        error: (n,) positive errors; NaN points are left out.

    Returns:
        Slopes by name with least-squares standard errors and 95 % t intervals.

    Raises:
        ValueError: on mismatched lengths, non-positive values, or widths that do not tell the slopes
            apart (fewer than two distinct ones, or all in proportion).
    """
    y = np.asarray(error, float)
    columns = {name: np.asarray(w, float) for name, w in widths.items()}
    for name, values in (*columns.items(), ("error", y)):
        if y.ndim != 1 or values.shape != y.shape:
            raise ValueError(f"{name} has shape {values.shape}, expected {y.shape}, one per point")
        if np.any(values <= 0):
            raise ValueError(f"{name} must be positive, got {np.nanmin(values):.6g}")
    known = np.all(np.isfinite([*columns.values(), y]), axis=0)
    places = np.stack([values[known] for values in columns.values()], axis=1)
    where = Points(tuple(columns), places, np.zeros(len(places), int))
    slopes = slope_estimates(where, y[known], np.ones(len(places)), None) if len(places) else []
    if not slopes or np.isnan([slope.value for slope in slopes]).any():
        raise ValueError(
            f"{len(places)} points do not tell the slopes of {', '.join(widths)} apart: each width "
            "needs two distinct values, not in proportion to another width"
        )
    return dict(zip(columns, slopes, strict=True))


def mean_slopes(widths: Mapping[str, ArrayLike], error: ArrayLike) -> dict[str, float]:
    """Return the mean slope of log error along each of two widths, one fit per value of the other.

    As the published analysis of passive critics averages them (arXiv:2508.14881 §4); `width_slopes` fits
    both widths jointly.

    Args:
        widths: two by name, (n,) each; NaN points are left out.
        error: (n,) positive errors; NaN points are left out.
    """
    columns = {name: np.asarray(values, float) for name, values in widths.items()}
    y = np.asarray(error, float)
    found = {}
    for name, other in (tuple(columns), tuple(columns)[::-1]):
        slopes = []
        for value in np.unique(columns[other][np.isfinite(columns[other])]):
            here = (columns[other] == value) & np.isfinite(y)
            if np.unique(columns[name][here]).size > 1:
                slopes.append(width_slopes({name: columns[name][here]}, y[here])[name].value)
        if slopes:
            found[name] = float(np.mean(slopes))
    return found


def _basis(
    b: Floats, n: Floats, s: Floats, centre: tuple[float, float, float], names: tuple[str, ...]
) -> Floats:
    batch, params = np.log(b / centre[0]), np.log(n / centre[1])
    every = {
        "constant": np.ones_like(batch),
        "batch_size": batch,
        "critic_params": params,
        "sigma": np.log(s / centre[2]),
        "batch_size:critic_params": batch * params,
    }
    return np.stack([every[name] for name in names], axis=1)
