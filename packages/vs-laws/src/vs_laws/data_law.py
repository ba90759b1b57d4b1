"""The data law D(σ) = D_min + (β/σ)^α (arXiv:2502.04327 eq. 4.1) and the offset power law."""

import numpy as np
from numpy.typing import ArrayLike

from vs_laws._inputs import levels, positive, sample_rows, weights_like
from vs_laws._offset import Curve, fit_curve, loss_label, solve_rows
from vs_laws._varpro import Loss
from vs_laws.forms import DataLaw, Floats, OffsetPowerLaw
from vs_laws.result import Estimate, Fit


def fit_data_law(
    sigma: ArrayLike,
    D: ArrayLike,
    *,
    loss: Loss = "log",
    huber: float | None = None,
    weights: ArrayLike | None = None,
    samples: ArrayLike | None = None,
) -> Fit[DataLaw]:
    """Fit ``D = d_min + amplitude · σ^(−alpha)`` with d_min, amplitude ≥ 0.

    alpha is searched in `ALPHA_BOUNDS` = [0.01, 10], densely: least squares reach the global
    optimum. The Huber loss has more local optima; there the best of several starts is returned.

    Args:
        sigma: (n,) positive updates-to-data ratios.
        D: (n,) env steps to the level; NaN or inf (censored) points are left out, with a note.
        loss: ``"log"`` (mean squared residual of log D) or ``"plain"`` (of D).
        huber: residuals beyond this (log units, or the units of D) count linearly.
        weights: (n,) non-negative.
        samples: (K, n) bootstraps of D; non-finite entries are left out of their bootstrap only,
            and a bootstrap with fewer than three distinct levels is not fitted. Intervals are
            percentiles over them; without them Student's t on the log of each parameter.

    Returns:
        Parameters d_min, amplitude (= β^α), alpha and beta.

    Raises:
        ValueError: on mismatched lengths, non-positive σ or D, fewer than two distinct σ, all
            points censored, or an unknown loss.
    """
    label = loss_label(loss, huber)
    x = levels("sigma", sigma)
    y, notes = positive("D", D, x.size)
    draws = None if samples is None else sample_rows("samples", samples, x.size)
    curve = fit_curve(x, y, weights_like(weights, x.size), draws, loss=loss, huber=huber, name="D")
    law = DataLaw(*(float(f[0]) for f in _triple(curve)))
    return Fit(
        form="D = d_min + amplitude * sigma^-alpha",
        parameters=data_estimates(curve),
        loss=float(curve.best.loss[0]),
        loss_name=label,
        n=curve.n,
        r2_log=curve.r2_log,
        residuals=curve.residuals,
        verdict=curve.judgement.verdict,
        reason=curve.judgement.reason,
        law=law,
        samples=data_samples(curve),
        covariance=curve.covariance,
        dof=curve.dof,
        notes=(*notes, *curve.notes),
    )


def fit_data_laws(
    sigma: ArrayLike,
    D: ArrayLike,
    *,
    loss: Loss = "log",
    huber: float | None = None,
    weights: ArrayLike | None = None,
) -> tuple[DataLaw, Floats]:
    """The same fit for a whole batch (thresholds, tasks, bootstraps), point estimates only.

    Args:
        sigma: (n,) positive updates-to-data ratios.
        D: (..., n) env steps; NaN or inf entries are left out of their row.
        loss: as in `fit_data_law`.
        huber: as in `fit_data_law`.
        weights: (n,) non-negative.

    Returns:
        The law with fields (..., 1) and the losses (...); NaN for rows with fewer than three
        distinct levels.

    Raises:
        ValueError: as `fit_data_law`, except that censored rows become NaN.
    """
    loss_label(loss, huber)
    x = levels("sigma", sigma)
    array = np.asarray(D, float)
    if array.ndim == 0 or array.shape[-1] != x.size:
        raise ValueError(f"D has shape {array.shape}, expected (..., {x.size}) for {x.size} levels")
    rows = sample_rows("D", array.reshape(-1, x.size), x.size)
    found = solve_rows(x, rows, weights_like(weights, x.size), loss=loss, huber=huber)
    shape = (*array.shape[:-1], 1)
    law = DataLaw(*(f.reshape(shape) for f in (found.offset, found.amplitude, found.alpha)))
    return law, found.loss.reshape(shape[:-1])


def fit_offset_power_law(
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: Loss = "log",
    huber: float | None = None,
    weights: ArrayLike | None = None,
    samples_y: ArrayLike | None = None,
) -> Fit[OffsetPowerLaw]:
    """Fit ``y = offset + coefficient · x^exponent``, offset, coefficient ≥ 0, of either sign.

    B_min + β/σ^α and η_min + β/σ^α (arXiv:2502.04327 App. D). Both directions are fitted by the
    data law's search and the lower loss wins; a bootstrap keeps the direction of the data.

    Args:
        x: (n,) positive levels.
        y: (n,) positive values; NaN or inf points are left out, with a note.
        loss: ``"log"`` or ``"plain"`` residuals.
        huber: as in `fit_data_law`.
        weights: (n,) non-negative.
        samples_y: (K, n) bootstraps of y.

    Returns:
        Parameters offset, coefficient and exponent.

    Raises:
        ValueError: as `fit_data_law`.
    """
    label = loss_label(loss, huber)
    grid = levels("x", x)
    values, notes = positive("y", y, grid.size)
    draws = None if samples_y is None else sample_rows("samples_y", samples_y, grid.size)
    w = weights_like(weights, grid.size)
    _, both = zip(
        *(fit_data_laws(g, values, loss=loss, huber=huber, weights=w) for g in (grid, 1 / grid)),
        strict=True,
    )
    rising = bool(both[1] < both[0])
    curve = fit_curve(
        1.0 / grid if rising else grid, values, w, draws, loss=loss, huber=huber, name="y"
    )
    sign = 1.0 if rising else -1.0
    offset, top, alpha = _triple(curve)
    flip = np.array([1.0, 1.0, sign])
    found = curve.estimates
    power = found["alpha"]
    exponent = (
        power
        if rising
        else Estimate(-power.value, -power.high, -power.low, power.std_error, power.at_bound)
    )
    samples = None
    if curve.draws is not None:
        parts = (curve.draws.offset, curve.draws.amplitude, sign * curve.draws.alpha)
        samples = OffsetPowerLaw(*(part[:, None] for part in parts))
    return Fit(
        form="y = offset + coefficient * x^exponent",
        parameters={
            "offset": found["offset"],
            "coefficient": found["amplitude"],
            "exponent": exponent,
        },
        loss=float(curve.best.loss[0]),
        loss_name=label,
        n=curve.n,
        r2_log=curve.r2_log,
        residuals=curve.residuals,
        verdict=curve.judgement.verdict,
        reason=curve.judgement.reason,
        law=OffsetPowerLaw(float(offset[0]), float(top[0]), float(sign * alpha[0])),
        samples=samples,
        covariance=curve.covariance * np.outer(flip, flip),
        dof=curve.dof,
        notes=(*notes, *curve.notes),
    )


def data_estimates(curve: Curve) -> dict[str, Estimate]:
    """The curve's estimates under the data law's names."""
    found = curve.estimates
    return {
        "d_min": found["offset"],
        "amplitude": found["amplitude"],
        "alpha": found["alpha"],
        "beta": found["beta"],
    }


def data_samples(curve: Curve) -> DataLaw | None:
    """The bootstraps as a law with fields (K, 1)."""
    if curve.draws is None:
        return None
    parts = (curve.draws.offset, curve.draws.amplitude, curve.draws.alpha)
    return DataLaw(*(part[:, None] for part in parts))


def _triple(curve: Curve) -> tuple[Floats, Floats, Floats]:
    return curve.best.offset, curve.best.amplitude, curve.best.alpha
