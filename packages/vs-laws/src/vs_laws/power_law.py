"""Power laws in log-log space: one exponent per axis with an intercept per task, or all per task."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from vs_laws import sharing
from vs_laws._epilogue import finish
from vs_laws._judge import judge_power_law
from vs_laws._points import (
    Points,
    bootstrap_notes,
    bootstrap_rows,
    observed,
    points,
    weights_like,
)
from vs_laws._regress import regress
from vs_laws.forms import PowerLaw
from vs_laws.law import Floats
from vs_laws.result import Estimate, Fit


def fit_power_law(
    y: ArrayLike,
    /,
    *,
    tasks: Sequence[str] | None = None,
    shared_exponent: bool = True,
    weights: ArrayLike | None = None,
    draws: ArrayLike | None = None,
    **axes: ArrayLike | None,
) -> Fit:
    """Fit ``y = coefficient[task] · Π_k x_k^exponent_k`` by weighted least squares of the logarithms.

    B*(σ) and η*(σ) of arXiv:2502.04327 §4.2 have one slope per benchmark and one intercept per task
    (fixed effects).

    Args:
        y: (n,) positive values; NaN or inf (censored) points are left out, with a note.
        tasks: (n,) label of each point's task; None for one law.
        shared_exponent: one exponent per axis for all tasks, or one for each task.
        weights: (n,) non-negative.
        draws: (S, n) bootstraps of y; a non-finite entry is left out of its bootstrap only. Intervals
            are then percentiles over the bootstraps, otherwise Student's t.
        **axes: places by name, each (n,) and positive.

    Returns:
        Parameters ``coefficient`` and ``sigma_exponent`` for every axis (``name[task]`` where they
        differ by task); law fields (T, 1) when there are tasks.

    Raises:
        ValueError: on mismatched lengths, values that are not positive, or places that do not
            determine the exponents.
    """
    where = points(axes, tasks)
    values, notes = observed("y", y, len(where.x))
    w = np.where(np.isfinite(values), weights_like(weights, len(values)), 0.0)
    rows = bootstrap_rows("draws", draws, len(values))
    if tasks is not None and not shared_exponent:
        return sharing.nothing(where, values, w, rows, notes, _power_fit)
    return _power_fit(where, values, w, rows, notes)


def _power_fit(
    where: Points, y: Floats, w: Floats, draws: Floats | None, notes: tuple[str, ...]
) -> Fit:
    """Fit one power law, or one with an intercept per task."""
    used = np.isfinite(y) & (w > 0)
    columns = np.log(where.x)
    centre = columns.mean(axis=0)
    with np.errstate(invalid="ignore"):
        found = regress(columns - centre, np.log(y)[None], w, where.one_hot)
    slope, intercept = found.slope[0], found.intercept[0]
    lacking = np.isnan(intercept + slope.sum())
    if lacking.any():
        task = f" for task {where.tasks[int(lacking.argmax())]!r}" if where.tasks else ""
        raise ValueError(
            f"too few known values of y{task}: a power law needs two distinct "
            f"{' and '.join(where.axes)} that vary against each other"
        )
    fitted = intercept[where.member] + (columns - centre) @ slope
    residual = np.where(used, np.log(np.where(used, y, 1.0)) - fitted, np.nan)
    dof = float(used.sum() - where.count - len(slope))
    noise = np.sum(w[used] * residual[used] ** 2) / dof if dof > 0 else np.nan
    with np.errstate(over="ignore"):  # places that hardly differ, far from 1
        coefficient = np.exp(intercept - slope @ centre)
    law = _as_law(coefficient, np.broadcast_to(slope, (where.count, len(slope))), where)
    # covariance of (coefficient, exponents) by task, from that of (intercept at the mean, exponents)
    inverse, shift = noise * found.inverse[0], found.mean[0] + centre  # (K, K), (T, K)
    covariance = np.empty((where.count, 1 + len(slope), 1 + len(slope)))
    cross = -shift @ inverse
    covariance[:, 0, 0] = noise / found.mass[0] + np.sum(-cross * shift, axis=1)
    covariance[:, 0, 1:] = covariance[:, 1:, 0] = cross
    covariance[:, 1:, 1:] = inverse
    log_errors = np.sqrt(covariance[:, 0, 0])
    with np.errstate(over="ignore", invalid="ignore"):
        covariance[:, 0, :] *= coefficient[:, None]
        covariance[:, :, 0] *= coefficient[:, None]
    drawn, parameters = None, {}
    if draws is not None:
        with np.errstate(invalid="ignore", over="ignore"):
            many = regress(columns - centre, np.log(draws), w, where.one_hot)
            tops = np.exp(many.intercept - (many.slope @ centre)[:, None])
        notes += bootstrap_notes(draws, used, int(np.isnan(tops.sum(axis=1)).sum()))
        drawn = PowerLaw(
            tops[..., None] if where.tasks else tops,
            np.broadcast_to(many.slope[:, None], (*tops.shape, len(slope)))[..., None, :]
            if where.tasks
            else many.slope[:, None],
            axes=where.axes,
        )
    for t in range(where.count):
        key = f"coefficient[{where.tasks[t]}]" if where.tasks else "coefficient"
        parameters[key] = (
            Estimate.from_error(coefficient[t], log_errors[t], dof, log=True)
            if drawn is None
            else Estimate.from_draws(coefficient[t], tops[:, t])
        )
    for k, axis in enumerate(where.axes):
        parameters[f"{axis}_exponent"] = (
            Estimate.from_error(slope[k], np.sqrt(inverse[k, k]), dof, log=False)
            if drawn is None
            else Estimate.from_draws(slope[k], many.slope[:, k])
        )
    if len(where.tasks) > 1:
        each = ", ".join(f"{int(n)}" for n in used @ where.one_hot)
        notes += (f"one exponent for {where.count} tasks ({each} points)",)
    return finish(
        where, y, np.where(used, w, 0.0), law, drawn, parameters,
        judge_power_law(where, np.where(used, y, np.nan), draws, parameters, shared=True),
        form="power", formula="y = coefficient * " + " * ".join(f"{a}^{a}_exponent" for a in where.axes),
        loss=float(np.sum(w[used] * residual[used] ** 2) / w[used].sum()), loss_name="log MSE",
        covariance=covariance if where.tasks else covariance[0], dof=max(dof, 0.0), notes=notes,
    )  # fmt: skip


def _as_law(coefficient: Floats, exponent: Floats, where: Points) -> PowerLaw:
    if where.tasks:
        return PowerLaw(coefficient[:, None], exponent[:, None], axes=where.axes)
    return PowerLaw(coefficient[0], exponent[0], axes=where.axes)
