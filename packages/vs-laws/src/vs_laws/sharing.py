"""Ways in which tasks share one data law (arXiv:2502.04327 §5 and its code)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from vs_laws._epilogue import r2_within
from vs_laws._points import Points
from vs_laws.law import Floats, Law, stack
from vs_laws.result import Estimate, Fit

type FitOne = Callable[[Points, Floats, Floats, Floats | None, tuple[str, ...]], Fit]
"""Fit of one law: (points, y, weights, draws, notes)."""


def task_medians(y: ArrayLike) -> Floats:
    """Return the median of each task's finite values (axis −2 is the task), shape (..., T).

    The papers' code takes the median over σ *and* levels: put the levels beside the σ on the last
    axis for that, and pass the result as ``scales`` to `vs_laws.fit_data_law`.

    Raises:
        ValueError: if a task has no finite value.
    """
    array = np.asarray(y, float)
    known = np.isfinite(array)
    if not known.any(axis=-1).all():
        task = int(np.argwhere(~known.any(axis=-1))[0][-1])
        raise ValueError(f"task {task} has no finite value (no level was reached); leave it out")
    return np.nanmedian(np.where(known, array, np.nan), axis=-1)


def median_normalise(y: ArrayLike, *, scales: ArrayLike | None = None) -> Floats:
    """Return the mean over tasks of y / (task's median) × (median of the medians), (..., n).

    Args:
        y: (..., T, n); non-finite entries are left out of the mean (NaN where no task is left).
        scales: (..., T) medians; by default `task_medians` of y.
    """
    array = np.asarray(y, float)
    unit = task_medians(array) if scales is None else np.asarray(scales, float)
    ratio = array / unit[..., None]
    known = np.isfinite(ratio)
    with np.errstate(invalid="ignore"):
        mean = np.where(known, ratio, 0.0).sum(axis=-2) / known.sum(axis=-2)
    return mean * np.median(unit, axis=-1)[..., None]


def average_tasks(
    y: ArrayLike, *, tasks: ArrayLike, groups: ArrayLike, places: ArrayLike
) -> tuple[Floats, Floats]:
    """Return one set of points for a suite of tasks: the mean of `median_normalise` at every group.

    Tasks may lie at slightly different places, as model sizes depend on a task's observations. Points
    that belong together are those of one group (a σ and a width, say). Every task's median is taken
    over the groups that all tasks reach.

    Args:
        y: (..., n) values, one per point; non-finite where a task does not reach the level.
        tasks: (n,) names; a task has one point per group at most.
        groups: (n,) names.
        places: (n, K) coordinates, positive.

    Returns:
        (..., G) values, NaN at groups that a task lacks, and (G, K) places, the geometric mean over
        tasks; groups in sorted order. Fit them as one task with `vs_laws.fit_data_law`.

    Raises:
        ValueError: a task has two points in one group, or no group is reached by all tasks.

    Source: arXiv:2502.04327 §5 (the normalisation); arXiv:2508.14881, its suites in aggregate.
    """
    values, where = np.asarray(y, float), np.asarray(places, float)
    names, member = np.unique(np.asarray(tasks), return_inverse=True)
    labels, group = np.unique(np.asarray(groups), return_inverse=True)
    taken, counts = np.unique(np.stack([member, group]), axis=1, return_counts=True)
    if (counts > 1).any():
        t, g = taken[:, counts.argmax()]
        raise ValueError(f"task {names[t]} has several points in group {labels[g]}")
    table = np.full((*values.shape[:-1], len(names), len(labels)), np.nan)
    table[..., member, group] = values
    whole = np.isfinite(table).all(axis=-2)
    if not whole.any(axis=-1).all():
        raise ValueError("no group is reached by all tasks; leave a task out")
    mean = median_normalise(np.where(whole[..., None, :], table, np.nan))
    logs = [np.log(where[group == g]).mean(axis=0) for g in range(len(labels))]
    return mean, np.exp(logs)


def nothing(
    where: Points,
    y: Floats,
    w: Floats,
    draws: Floats | None,
    notes: tuple[str, ...],
    fit_one: FitOne,
) -> Fit:
    """Fit each task alone; the verdict is that of the first task that fails a rule.

    Intervals of predictions take the degrees of freedom of the task that has fewest.
    """
    alone = []
    for t, name in enumerate(where.tasks):
        here = where.member == t
        try:
            rows = None if draws is None else draws[:, here]
            alone.append(fit_one(where.task(t), y[here], w[here], rows, ()))
        except ValueError as error:
            raise ValueError(f"task {name!r}: {error}") from None
    failing = next((k for k, fit in enumerate(alone) if not fit.supported), 0)
    used, first = [fit.n for fit in alone], alone[0]
    residuals = np.full(len(y), np.nan)
    for t, fit in enumerate(alone):
        residuals[where.member == t] = fit.residuals
    known = np.isfinite(residuals)
    mass = np.where(known, w, 0.0)
    return replace(
        first,
        law=_per_task([fit.law for fit in alone], 0),
        draws=None if draws is None else _per_task([fit.draws for fit in alone if fit.draws], 1),
        parameters={
            f"{key}[{name}]": estimate
            for name, fit in zip(where.tasks, alone, strict=True)
            for key, estimate in fit.parameters.items()
        },
        loss=float(np.average([fit.loss for fit in alone], weights=mass @ where.one_hot)),
        n=sum(used),
        r2_log=r2_within(where, np.log(np.where(known, y, 1.0)), np.nan_to_num(residuals), mass),
        residuals=residuals,
        verdict=alone[failing].verdict,
        reason=f"{where.tasks[failing]}: {alone[failing].reason}",
        judgements={
            f"{axis}[{name}]": judgement
            for name, fit in zip(where.tasks, alone, strict=True)
            for axis, judgement in fit.judgements.items()
        },
        ranges={
            axis: (min(f.ranges[axis][0] for f in alone), max(f.ranges[axis][1] for f in alone))
            for axis in where.axes
        },
        tasks=where.tasks,
        covariance=None
        if any(fit.covariance is None for fit in alone)
        else np.stack([np.asarray(fit.covariance) for fit in alone]),
        dof=min(fit.dof for fit in alone),
        notes=(*notes, *dict.fromkeys(note for fit in alone for note in fit.notes)),
    )


def shape(
    where: Points,
    y: Floats,
    w: Floats,
    draws: Floats | None,
    notes: tuple[str, ...],
    fit_one: FitOne,
    *,
    median: bool,
    scales: ArrayLike | None,
) -> Fit:
    """Fit one curve, of which every task is a multiple.

    - Median: the papers' way. Each task is divided by its median, the mean over tasks is fitted, and
      a task is that curve × (its median / median of the medians).
    - Otherwise the joint least squares of log y with an intercept per task. An intercept leaves the
      mean of log y over tasks, so this is exactly the fit of the geometric mean.

    A bootstrap with a missing value is not fitted. Bootstraps use ``scales`` where they are given,
    else their own medians.

    Raises:
        ValueError: if a task lacks a value at a place of another one.
    """
    places, index = np.unique(where.x, axis=0, return_inverse=True)
    index = index.ravel()
    size = (where.count, len(places))
    table = np.full(size, np.nan)
    table[where.member, index] = y
    bad = ~np.isfinite(table)
    if bad.any():
        t, i = np.argwhere(bad)[0]
        at = ", ".join(f"{a} = {v:g}" for a, v in zip(where.axes, places[i], strict=True))
        raise ValueError(
            f"task {where.tasks[t]!r} has no value at {at}: tasks that share a shape need one at "
            "every place; leave the place or the task out"
        )
    weights = np.zeros(size)
    weights[where.member, index] = w
    common, ratio = _reduce(table, median, scales)
    rows, ratios = None, None
    if draws is not None:
        full = np.full((len(draws), *size), np.nan)
        full[:, where.member, index] = draws
        whole = np.isfinite(full).all(axis=(1, 2))
        if not whole.all():
            notes += (
                f"{int((~whole).sum())} of {len(draws)} bootstraps have a censored task and place, "
                "and were left out",
            )
        given = None if scales is None else np.broadcast_to(scales, full.shape[:2])
        safe = np.where(whole[:, None, None], full, 1.0)
        rows, ratios = _reduce(safe, median, given)
        rows = np.where(whole[:, None], rows, np.nan)
    shared = Points(where.axes, places, np.zeros(len(places), int))
    fit = fit_one(shared, common, weights.mean(axis=0), rows, ())
    law = _scaled(fit.law.at(None), ratio[:, None])
    fitted = law(**where.places)[where.member, np.arange(len(y))]
    residuals = np.log(y / fitted)
    drawn = None
    if fit.draws is not None and ratios is not None:
        drawn = _scaled(fit.draws.at((slice(None), None)), ratios[..., None])
    parameters = dict(fit.parameters)
    for name, values in law.parameters().items():
        one = fit.parameters.get(name)
        if one is None or not name.endswith(law.scaling):  # the form fixes what is not a parameter
            continue
        for t, task in enumerate(where.tasks):
            if drawn is None:  # the scale is taken as known
                entry = one.times(float(ratio[t]))
            else:
                several = drawn.parameters()[name][:, t]
                entry = Estimate.from_draws(float(values[t, 0]), several, at_bound=one.at_bound)
            parameters[f"{name}[{task}]"] = entry
    stretch = _stretch(fit.law, ratio)
    way = "median normalisation" if median else "log space with a free scale each"
    note = f"tasks shared by {way}; the verdict is that of the shared curve"
    return replace(
        fit,
        law=law,
        draws=drawn,
        parameters=parameters,
        loss_name=f"{fit.loss_name} of the shared curve",
        n=int(table.size),
        r2_log=r2_within(where, np.log(y), residuals, np.ones(len(y))),
        residuals=residuals,
        tasks=where.tasks,
        covariance=None
        if fit.covariance is None
        else fit.covariance * stretch[:, :, None] * stretch[:, None, :],
        notes=(note, *notes, *fit.notes),
    )


def _reduce(y: Floats, median: bool, scales: ArrayLike | None) -> tuple[Floats, Floats]:
    """Return the curve to fit (..., n), and each task's values relative to it (..., T)."""
    if not median:
        log_y = np.log(y)
        means = log_y.mean(axis=-1)
        return np.exp(log_y.mean(axis=-2)), np.exp(means - means.mean(axis=-1, keepdims=True))
    unit = task_medians(y) if scales is None else np.asarray(scales, float)
    if unit.shape != y.shape[:-1] or not np.all(np.isfinite(unit) & (unit > 0)):
        raise ValueError(f"scales must be {y.shape[:-1]} positive numbers, one per task")
    return median_normalise(y, scales=unit), unit / np.median(unit, axis=-1)[..., None]


def _scaled(law: Law, factor: Floats) -> Law:
    """Return the law times a factor (…, T, 1), in the fields that scale."""
    if not law.scaling and factor.shape[-2] > 1:
        raise ValueError(f"tasks cannot share the shape of a {type(law).__name__}")
    parts = {}
    for entry in law.entries():
        shape = entry.metadata.get("shape")
        if shape != "constant":
            by = factor if shape is None else factor[..., None]
            parts[entry.name] = getattr(law, entry.name) * (
                by if entry.name in law.scaling else np.ones_like(by)
            )
    return replace(law, **parts)


def _stretch(law: Law, ratio: Floats) -> Floats:
    """Return (T, P): how each parameter of a task's law moves with that of the shared curve."""
    scales = [name.endswith(law.scaling) for name in law.parameters()]
    return np.where(scales, ratio[:, None], 1.0)


def _per_task(laws: list[Law], axis: int) -> Law:
    """Return laws with fields () or (S, 1) as one with fields (T, 1) or (S, T, 1)."""
    if axis == 0:
        joined = stack(laws, join=0)
        return joined.at((slice(None), None))
    return stack([law.at((slice(None), None)) for law in laws], join=1)
