"""The parts of every fit once its law is found: covariance, intervals, residuals, R², verdicts."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vs_laws._judge import Judged
from vs_laws._points import Points
from vs_laws.law import Floats, Law
from vs_laws.result import Estimate, Fit, delta_error, log_gradient


def finish(
    where: Points,
    y: Floats,
    w: Floats,
    law: Law,
    drawn: Law | None,
    parameters: Mapping[str, Estimate],
    judged: Judged,
    **more: Any,
) -> Fit:
    """Return the fit with residuals, R², ranges and verdicts: what every fit has in common."""
    used = w > 0
    log_y = np.log(np.where(used, y, 1.0))
    with np.errstate(divide="ignore"):  # a fit that underflows to 0
        residuals = np.where(used, log_y - np.log(at_points(law, where)), np.nan)
    judgements, overall = judged
    return Fit(
        law=law,
        draws=drawn,
        parameters=parameters,
        n=int(used.sum()),
        r2_log=r2_within(where, log_y, np.where(used, residuals, 0.0), w),
        residuals=residuals,
        verdict=overall.verdict,
        reason=overall.reason,
        judgements=judgements,
        ranges={
            axis: (float(places[used].min()), float(places[used].max()))
            for axis, places in where.places.items()
        },
        tasks=where.tasks,
        **more,
    )


def r2_within(where: Points, log_y: Floats, residuals: Floats, w: Floats) -> float:
    """Return R² of log y (n,) within tasks; NaN where it does not vary."""
    mass = np.maximum(w @ where.one_hot, 1e-300)
    mean = ((w * log_y) @ where.one_hot / mass)[where.member]
    variation = float(w @ (log_y - mean) ** 2)
    return 1.0 - float(w @ residuals**2) / variation if variation > 0 else float("nan")


def at_points(law: Law, where: Points) -> Floats:
    """Return the law at the data, each point by its own task's law."""
    values = law(**where.places)
    if not where.tasks:
        return values
    values = np.broadcast_to(values, (where.count, len(where.x)))
    return values[where.member, np.arange(len(where.x))]


def covariance_of(
    law: Law,
    bounds: Mapping[str, Any],
    where: Points,
    y: Floats,
    w: Floats,
    dof: float,
    loss: str,
) -> Floats:
    """Return the Gauss-Newton covariance of the law's parameters; those at a bound are held fixed."""
    used = w > 0
    places = {axis: values[used] for axis, values in where.places.items()}
    y, w = y[used], w[used]
    fitted = law(**places)
    jacobian = log_gradient(law, lambda other: other(**places))  # (n, P)
    residual = np.log(y / fitted)
    if loss == "plain":
        jacobian, residual = jacobian * fitted[:, None], y - fitted
    names = list(law.parameters())
    held = np.array([bool(np.any(bounds.get(name, False))) for name in names])
    for axis in where.axes:  # without its amplitude an exponent has no meaning
        if np.any(bounds.get(f"{axis}_amplitude", False)):
            held[names.index(f"{axis}_exponent")] = True
    jacobian = np.where(held, 0.0, jacobian) * np.sqrt(w)[:, None]
    size = np.sqrt((jacobian**2).sum(axis=0))
    free = ~held & (size > 0) & np.isfinite(size)
    unit = jacobian[:, free] / size[free]
    covariance = np.zeros((len(names), len(names)))
    inner = w @ residual**2 / dof * np.linalg.pinv(unit.T @ unit, hermitian=True)
    covariance[np.ix_(free, free)] = inner / np.outer(size[free], size[free])
    return covariance


def estimates_of(
    law: Law,
    drawn: Law | None,
    bounds: Mapping[str, Any],
    covariance: Floats | None,
    dof: float,
    tasks: tuple[str, ...],
    *,
    fixed: tuple[str, ...] = (),
) -> dict[str, Estimate]:
    """Return the law's parameters and what derives from them, each with its interval.

    Names that end in one of ``fixed`` are left out: the form does not estimate them.
    """
    found: dict[str, Estimate] = {}
    several = {} if drawn is None else {**drawn.parameters(), **drawn.derived()}
    named = law.parameters()
    for name, values in {**named, **law.derived()}.items():
        if name.endswith(fixed):
            continue
        flat = np.reshape(values, -1)
        for t in range(1 if name.endswith("_exponent") or not tasks else flat.size):
            key = name if name.endswith("_exponent") or not tasks else f"{name}[{tasks[t]}]"
            number = float(flat[t])
            flag = bool(np.any(np.reshape(bounds.get(name, False), -1)))
            if drawn is not None:
                rows = np.reshape(several[name], (len(several[name]), -1))
                found[key] = Estimate.from_draws(number, rows[:, t % rows.shape[1]], at_bound=flag)
            elif covariance is None or flag or not np.isfinite(number):
                found[key] = Estimate(number, at_bound=flag)
            else:
                found[key] = _from_covariance(law, name, number, covariance, dof)
    return found


def _from_covariance(law: Law, name: str, value: float, covariance: Floats, dof: float) -> Estimate:
    """Return Student's t interval: on the value of signed parameters, on the logarithm of others."""
    names = list(law.parameters())
    if name.endswith(law.signed):
        place = names.index(name)
        return Estimate.from_error(value, float(np.sqrt(covariance[place, place])), dof, log=False)
    if value <= 0:
        return Estimate(value)

    def one(other: Law) -> Floats:
        return {**other.parameters(), **other.derived()}[name]

    gradient = np.nan_to_num(log_gradient(law, one))
    with np.errstate(over="ignore", invalid="ignore"):
        error = float(delta_error(gradient, covariance))
    return Estimate.from_error(value, error, dof, log=True)
