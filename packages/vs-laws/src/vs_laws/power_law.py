"""Power laws in log-log space: one exponent per axis with an intercept per task, or all per task."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from vs_laws._epilogue import finish
from vs_laws._judge import judge_power_law
from vs_laws._points import bootstrap_notes, bootstrap_rows, observed, points, weights_like
from vs_laws._regress import Regression, regress
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
    used, shared = w > 0, shared_exponent or tasks is None
    columns = np.log(where.x)
    centre = columns.mean(axis=0)

    def solve(many: Floats) -> tuple[Floats, Floats, Floats, Regression]:
        """Return coefficients and intercepts (B, T) and exponents (B, T, K) of rows (B, n)."""
        with np.errstate(invalid="ignore", over="ignore"):  # places that hardly differ, far from 1
            found = regress(columns - centre, np.log(many), w, where.one_hot, shared=shared)
            slope = np.broadcast_to(found.slope, found.mean.shape)
            return np.exp(found.intercept - slope @ centre), found.intercept, slope, found

    *parts, found = solve(values[None])
    coefficient, intercept, slope = (part[0] for part in parts)
    lacking = np.isnan(intercept + slope.sum(axis=1))
    if lacking.any():
        task = f" for task {where.tasks[int(lacking.argmax())]!r}" if where.tasks else ""
        raise ValueError(
            f"too few known values of y{task}: a power law needs two distinct "
            f"{' and '.join(where.axes)} that vary against each other"
        )
    member = where.member
    fitted = intercept[member] + np.sum((columns - centre) * slope[member], axis=1)
    residual = np.where(used, np.log(np.where(used, values, 1.0)) - fitted, 0.0)
    dof = float(used.sum() - where.count - found.slope.size)
    squares = float(np.sum(w * residual**2))
    covariance = _covariance(found, centre, squares / dof if dof > 0 else np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        log_errors = np.sqrt(covariance[:, 0, 0])
        covariance[:, 0, :] *= coefficient[:, None]
        covariance[:, :, 0] *= coefficient[:, None]
    drawn, parameters = None, {}
    if rows is not None:
        tops, _, slopes, _ = solve(rows)
        notes += bootstrap_notes(rows, used, int(np.isnan(tops.sum(axis=1)).sum()))
        drawn = PowerLaw(tops, slopes, axes=where.axes)
        if where.tasks:
            drawn = drawn.at((slice(None), slice(None), None))
    for t in range(where.count):
        label = f"[{where.tasks[t]}]" if where.tasks else ""
        parameters[f"coefficient{label}"] = (
            Estimate.from_error(coefficient[t], log_errors[t], dof, log=True)
            if rows is None
            else Estimate.from_draws(coefficient[t], tops[:, t])
        )
    for t in range(1 if shared else where.count):
        label = "" if shared else f"[{where.tasks[t]}]"
        for k, axis in enumerate(where.axes):
            error = np.sqrt(covariance[t, 1 + k, 1 + k])
            parameters[f"{axis}_exponent{label}"] = (
                Estimate.from_error(slope[t, k], error, dof, log=False)
                if rows is None
                else Estimate.from_draws(slope[t, k], slopes[:, t, k])
            )
    if len(where.tasks) > 1 and shared:
        each = ", ".join(f"{int(n)}" for n in used @ where.one_hot)
        notes += (f"one exponent for {where.count} tasks ({each} points)",)
    law = PowerLaw(coefficient, slope, axes=where.axes)
    return finish(
        where, values, w, law.at((slice(None), None)) if where.tasks else law.at(0), drawn, parameters,
        judge_power_law(where, np.where(used, values, np.nan), rows, parameters, shared=shared),
        form="power", formula="y = coefficient * " + " * ".join(f"{a}^{a}_exponent" for a in where.axes),
        loss=squares / float(w.sum()), loss_name="log MSE",
        covariance=covariance if where.tasks else covariance[0], dof=max(dof, 0.0), notes=notes,
    )  # fmt: skip


def _covariance(found: Regression, centre: Floats, noise: float) -> Floats:
    """Return the covariance (T, 1 + K, 1 + K) of each task's log coefficient and exponents."""
    shift = found.mean[0] + centre  # (T, K)
    inverse = np.broadcast_to(noise * found.inverse[0], (*shift.shape, shift.shape[1]))
    covariance = np.empty((len(shift), 1 + shift.shape[1], 1 + shift.shape[1]))
    cross = -np.einsum("tp,tpq->tq", shift, inverse)
    covariance[:, 0, 0] = noise / found.mass[0] + np.sum(-cross * shift, axis=1)
    covariance[:, 0, 1:] = covariance[:, 1:, 0] = cross
    covariance[:, 1:, 1:] = inverse
    return covariance
