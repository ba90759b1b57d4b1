"""One data law for the tasks of a benchmark (arXiv:2502.04327 §5 and its code)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from vs_laws._inputs import levels, weights_like
from vs_laws._offset import fit_curve, loss_label
from vs_laws._varpro import Loss
from vs_laws.data_law import data_estimates, data_samples
from vs_laws.forms import DataLaw, Floats
from vs_laws.result import Estimate, Fit

type Method = Literal["median", "per_task_floor"]


def task_scales(D: ArrayLike) -> Floats:
    """Median of each task's finite D (axis −2 is the task, −1 is σ), shape (..., T).

    The papers' code takes the median over σ *and* thresholds: put the thresholds beside the σ on
    the last axis for that, and pass the result as ``scales`` to `fit_data_law_tasks`.

    Raises:
        ValueError: if a task has no finite value.
    """
    array = np.asarray(D, float)
    known = np.isfinite(array)
    if not known.any(axis=-1).all():
        task = int(np.argwhere(~known.any(axis=-1))[0][-1])
        raise ValueError(f"task {task} has no finite D (no level was reached); leave it out")
    return np.nanmedian(np.where(known, array, np.nan), axis=-1)


def median_normalise(D: ArrayLike, *, scales: ArrayLike | None = None) -> Floats:
    """Mean over tasks of D / (task's median) × (median of the medians), env steps, (..., n).

    Args:
        D: (..., T, n); non-finite entries are left out of the mean (NaN where no task is left).
        scales: (..., T) medians; by default `task_scales` of D.
    """
    array = np.asarray(D, float)
    unit = task_scales(array) if scales is None else np.asarray(scales, float)
    ratio = array / unit[..., None]
    known = np.isfinite(ratio)
    with np.errstate(invalid="ignore"):
        mean = np.where(known, ratio, 0.0).sum(axis=-2) / known.sum(axis=-2)
    return mean * np.median(unit, axis=-1)[..., None]


def fit_data_law_tasks(
    sigma: ArrayLike,
    D: ArrayLike,
    *,
    tasks: Sequence[str] | None = None,
    method: Method = "median",
    loss: Loss = "log",
    huber: float | None = None,
    weights: ArrayLike | None = None,
    samples: ArrayLike | None = None,
    scales: ArrayLike | None = None,
    sample_scales: ArrayLike | None = None,
) -> Fit[DataLaw]:
    """Fit ``D_t(σ) = D_min,t · (1 + (σ/β)^(−α))``: one shape, one D_min per task.

    - ``"median"``: the papers' way. Each task's D is divided by its median, the mean over tasks is
      fitted, and task t is that curve × (its median / median of the medians).
    - ``"per_task_floor"``: the joint least squares of log D with a free D_min per task. A task
      intercept in log space leaves the mean of log D over tasks, so this is exactly the fit of the
      geometric mean; the log loss is the only one with that property.

    Args:
        sigma: (n,) positive updates-to-data ratios.
        D: (T, n) env steps to the level.
        tasks: T names; ``task 0`` … by default.
        method: as above.
        loss: ``"log"`` or ``"plain"`` (of the normalised curve in env steps).
        huber: as in `vs_laws.fit_data_law`.
        weights: (n,) non-negative.
        samples: (K, T, n) bootstraps of D; one with too few points left has NaN parameters.
        scales: (T,) normalising medians (method ``"median"``), by default over this D's σ.
        sample_scales: (K, T) the same for the bootstraps; by default ``scales`` if given (the
            normalisation is then a fixed choice), else each bootstrap's own medians.

    Returns:
        A fit with groups = tasks; parameters alpha, beta, d_min, amplitude of the shared curve (at
        the median of the tasks' scales, or the geometric mean) and ``d_min[task]``.

    Raises:
        ValueError: as `vs_laws.fit_data_law`; also if a task has a censored level (which would
            shift the mean over tasks): leave the level or the task out.
    """
    label = loss_label(loss, huber)
    x = levels("sigma", sigma)
    array = np.asarray(D, float)
    if array.ndim != 2 or array.shape[1] != x.size or array.shape[0] == 0:
        raise ValueError(f"D has shape {array.shape}, expected (tasks, {x.size})")
    names = tuple(f"task {t}" for t in range(len(array))) if tasks is None else tuple(tasks)
    if len(names) != len(array):
        raise ValueError(f"tasks has {len(names)} names, expected {len(array)}, one per row of D")
    bad = ~(np.isfinite(array) & (array > 0))
    if bad.any():
        t, i = np.argwhere(bad)[0]
        raise ValueError(
            f"D[{names[t]!r}, sigma = {x[i]:g}] = {array[t, i]:g}: every task needs a positive, "
            "uncensored value at every level; leave the level or the task out"
        )
    if method == "per_task_floor" and loss != "log":
        raise ValueError("method 'per_task_floor' needs loss='log', where D_min is an intercept")
    if method not in ("median", "per_task_floor"):
        raise ValueError(f"method must be 'median' or 'per_task_floor', got {method!r}")
    draws = None if samples is None else _checked(samples, array.shape)
    shared, ratio = _reduce(array, method, scales)
    shared_draws, ratio_draws = None, None
    notes: tuple[str, ...] = (_NOTES[method],)
    if draws is not None:
        whole = np.isfinite(draws).all(axis=(1, 2))
        if not whole.all():
            notes += (f"{int((~whole).sum())} of {len(draws)} bootstraps have a censored task and "
                      "level, and were left out",)  # fmt: skip
        given = scales if sample_scales is None else sample_scales
        if given is not None:
            given = np.broadcast_to(np.asarray(given, float), draws.shape[:2])
        safe = np.where(whole[:, None, None], draws, 1.0)
        shared_draws, ratio_draws = _reduce(safe, method, given)
        shared_draws = np.where(whole[:, None], shared_draws, np.nan)

    curve = fit_curve(
        x, shared, weights_like(weights, x.size), shared_draws, loss=loss, huber=huber, name="D"
    )
    parameters = data_estimates(curve)
    floor = float(curve.best.offset[0])
    for t, name in enumerate(names):
        value = floor * float(ratio[t])
        shared_floor = parameters["d_min"]
        if curve.draws is not None and ratio_draws is not None:
            own = curve.draws.offset * ratio_draws[:, t]
            entry = Estimate.from_samples(value, own, at_bound=shared_floor.at_bound)
        else:  # the scale is taken as known
            ends = (shared_floor.low, shared_floor.high, shared_floor.std_error)
            entry = Estimate(value, *(e * float(ratio[t]) for e in ends), shared_floor.at_bound)
        parameters[f"d_min[{name}]"] = entry
    column = ratio[:, None]
    law = DataLaw(
        floor * column,
        float(curve.best.amplitude[0]) * column,
        np.full_like(column, float(curve.best.alpha[0])),
    )
    sample_law = data_samples(curve)
    if sample_law is not None and ratio_draws is not None:
        scale = ratio_draws[:, :, None]
        sample_law = DataLaw(
            np.asarray(sample_law.d_min)[:, None] * scale,
            np.asarray(sample_law.amplitude)[:, None] * scale,
            np.asarray(sample_law.alpha)[:, None] * np.ones_like(scale),
        )
    stretch = np.stack([np.array([r, r, 1.0]) for r in ratio])
    residuals = np.log(array / law(x))
    centred = np.log(array) - np.log(array).mean(axis=1, keepdims=True)
    variation = float(np.sum(centred**2))
    return Fit(
        form="D_task = (d_min + amplitude * sigma^-alpha) * d_min[task] / d_min",
        parameters=parameters,
        loss=float(curve.best.loss[0]),
        loss_name=f"{label} of the shared curve",
        n=int(array.size),
        r2_log=float(1.0 - np.sum(residuals**2) / variation) if variation > 0 else float("nan"),
        residuals=residuals,
        verdict=curve.judgement.verdict,
        reason=curve.judgement.reason,
        law=law,
        samples=sample_law,
        covariance=curve.covariance * stretch[:, :, None] * stretch[:, None, :],
        dof=curve.dof,
        groups=names,
        notes=(*notes, *curve.notes),
    )


_NOTES = {
    "median": "tasks shared by median normalisation; the verdict is that of the shared curve",
    "per_task_floor": "tasks shared in log space with a free D_min each; the verdict is that of "
    "their geometric mean",
}


def _checked(samples: ArrayLike, shape: tuple[int, ...]) -> Floats:
    draws = np.asarray(samples, float)
    if draws.ndim != 3 or draws.shape[1:] != shape or len(draws) == 0:
        raise ValueError(f"samples has shape {draws.shape}, expected (bootstraps, *{shape})")
    if np.any(draws <= 0):
        raise ValueError("samples must be positive (inf or NaN where the level was not reached)")
    return draws


def _reduce(D: Floats, method: Method, scales: ArrayLike | None) -> tuple[Floats, Floats]:
    """The curve to fit (..., n), and each task's D relative to it (..., T)."""
    if method == "per_task_floor":
        log_d = np.log(D)
        means = log_d.mean(axis=-1)
        return np.exp(log_d.mean(axis=-2)), np.exp(means - means.mean(axis=-1, keepdims=True))
    unit = task_scales(D) if scales is None else np.asarray(scales, float)
    if unit.shape != D.shape[:-1] or not np.all(np.isfinite(unit) & (unit > 0)):
        raise ValueError(f"scales must be {D.shape[:-1]} positive numbers, one per task")
    return median_normalise(D, scales=unit), unit / np.median(unit, axis=-1)[..., None]
