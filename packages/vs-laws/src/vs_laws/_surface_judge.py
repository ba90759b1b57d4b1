"""Verdicts on two-axis laws: the rules of `vs_laws.verdict`, axis by axis.

For each axis, with the other one controlled for:

1. *too few levels*: fewer than four distinct values (three for a form without a floor).
2. *non-monotone*: log D minus the other axis' effects rises beyond noise between two levels.
3. *flat*: the 95 % interval of the slope in the log-linear regression includes 0, or the fitted term
   is 0 at its bound.
4. *unidentified*: the exponent at a bound, or its interval reaching one or spanning decades.

The surface's own verdict is the first of: too few points, then the axes' worst in the order above,
then an unidentified floor (additive and product form).
"""

from collections.abc import Mapping

import numpy as np

from vs_laws import verdict as rules
from vs_laws._surface_polish import EXPONENT_BOUNDS
from vs_laws._surface_rows import PARAMETERS, Points, log_regression
from vs_laws.forms import Floats
from vs_laws.result import Estimate
from vs_laws.surfaces import SurfaceForm
from vs_laws.verdict import Judgement, Verdict, t_quantile

_ORDER = (Verdict.TOO_FEW_LEVELS, Verdict.NON_MONOTONE, Verdict.FLAT, Verdict.UNIDENTIFIED)
_AXES = {"sigma": ("σ", "sigma"), "critic_params": ("N", "params")}


def judge(
    points: Points,
    y: Floats,
    weights: Floats,
    draws: Floats | None,
    estimates: Mapping[str, Estimate],
    form: SurfaceForm,
    groups: tuple[str, ...],
) -> tuple[Mapping[str, Judgement], Judgement]:
    """Judgement by axis, and of the surface."""
    if form == "nearest":
        return {}, Judgement(Verdict.UNIDENTIFIED, "the nearest run is no law")
    w = np.where(np.isfinite(y), weights, 0.0)
    slopes = _slopes(points, y, w, draws)
    axes = {
        axis: _axis(axis, points, y, w, draws, estimates, form, slopes[k])
        for k, axis in enumerate(_AXES)
    }
    used = int((w > 0).sum())
    parameters = PARAMETERS[form] if not groups else 3 * len(groups) + 2
    if used <= parameters:
        reason = f"{used} points cannot test a law with {parameters} parameters"
        return axes, Judgement(Verdict.TOO_FEW_LEVELS, reason)
    for verdict in _ORDER:
        for axis, judgement in axes.items():
            if judgement.verdict is verdict:
                return axes, Judgement(verdict, f"{_AXES[axis][0]}: {judgement.reason}")
    if form in ("additive", "product") and (floor := _floor(estimates)):
        return axes, floor
    return axes, rules.supported("; ".join(f"{_AXES[a][0]}: {j.reason}" for a, j in axes.items()))


def _axis(
    axis: str,
    points: Points,
    y: Floats,
    w: Floats,
    draws: Floats | None,
    estimates: Mapping[str, Estimate],
    form: SurfaceForm,
    slope: tuple[float, float],
) -> Judgement:
    symbol, prefix = _AXES[axis]
    values = points.sigma if axis == "sigma" else points.critic_params
    other = points.critic_params if axis == "sigma" else points.sigma
    fitted_levels = np.unique(values[w > 0]).size
    floored = form in ("additive", "product", "log_quadratic")
    if few := rules.too_few_levels(fitted_levels, 3 if floored else 2):
        return few
    if form in ("additive", "floorless", "product"):
        pair = _reversal(points, values, other, y, w, draws)
        if turn := rules.non_monotone(np.unique(values), pair, name="D"):
            return turn
    if level := rules.flat(*slope):
        return (
            Judgement(
                Verdict.FLAT,
                f"no dependence on {symbol} beyond noise: the 95% interval of the log-log slope is "
                f"[{slope[0]:.3g}, {slope[1]:.3g}]",
            )
            if np.isfinite(slope).all()
            else level
        )
    if form in ("log_linear", "log_quadratic"):
        return rules.supported(
            f"the 95% interval of the log-log slope [{slope[0]:.3g}, {slope[1]:.3g}] excludes 0"
        )
    if form != "product" and any(
        estimate.at_bound
        for name, estimate in estimates.items()
        if name.startswith(f"{prefix}_amplitude")
    ):
        return Judgement(Verdict.FLAT, f"the best fit has no term in {symbol} (its amplitude is 0)")
    exponent = estimates[f"{prefix}_exponent"]
    if exponent.at_bound:
        bound = min(EXPONENT_BOUNDS, key=lambda b: abs(np.log(b / exponent.value)))
        return rules.at_bound(f"the exponent of {symbol}", exponent.value, bound)
    name = f"the exponent of {symbol}"
    if np.isnan(exponent.low):
        return rules.supported(
            f"the slope [{slope[0]:.3g}, {slope[1]:.3g}] excludes 0; {name} has no interval "
            "without bootstraps"
        )
    failed = rules.touches(name, exponent.low, exponent.high, EXPONENT_BOUNDS) or rules.wide(
        name, exponent.low, exponent.high
    )
    return failed or rules.supported(
        f"the 95% interval of the exponent [{exponent.low:.3g}, {exponent.high:.3g}] is bounded"
    )


def _floor(estimates: Mapping[str, Estimate]) -> Judgement | None:
    for name, floor in estimates.items():
        if not name.startswith("d_min"):
            continue
        if floor.at_bound or floor.value <= 0:
            return Judgement(
                Verdict.UNIDENTIFIED,
                f"{name} is at its bound 0: two power laws describe the data, the asymptote is "
                "not identified",
            )
        if not np.isnan(floor.low) and (wide := rules.wide(name, floor.low, floor.high)):
            return wide
    return None


def _slopes(
    points: Points, y: Floats, w: Floats, draws: Floats | None
) -> list[tuple[float, float]]:
    """95 % intervals of the slopes in log σ and log N, each with the other controlled for."""
    x, z = np.log(points.sigma), np.log(points.critic_params)
    y, x, z, draws = _within(points, y, x, z, w, draws)
    centre = log_regression(x, z, y[None], w[None], quadratic=False)[0, 1:]
    if draws is not None:
        rows = np.where(np.isfinite(draws), w, 0.0)
        several = log_regression(x, z, draws, rows, quadratic=False)[:, 1:]
        found = [Estimate.from_samples(centre[k], several[:, k]) for k in range(2)]
        return [(e.low, e.high) for e in found]
    used = w > 0
    basis = np.stack([np.ones(x.size), x, z], axis=1)[used]
    basis[:, 1:] -= basis[:, 1:].mean(axis=0)
    residual = np.log(y[used]) - np.log(y[used]).mean() - basis[:, 1:] @ centre
    residual -= np.average(residual, weights=w[used])
    dof = float(used.sum() - 2 - points.tasks)
    if dof <= 0 or np.isnan(centre).any():
        return [(np.nan, np.nan)] * 2
    inverse = np.linalg.pinv(basis.T @ (w[used][:, None] * basis), hermitian=True)
    error = np.sqrt(w[used] @ residual**2 / dof * np.diag(inverse)[1:])
    half = t_quantile(dof) * error
    return [(float(c - h), float(c + h)) for c, h in zip(centre, half, strict=True)]


def _within(
    points: Points, y: Floats, x: Floats, z: Floats, w: Floats, draws: Floats | None
) -> tuple[Floats, Floats, Floats, Floats | None]:
    """Task means taken out of log D, log σ and log N, so that only slopes within tasks count."""
    if points.tasks == 1:
        return y, x, z, draws
    x, z, log_y = x.copy(), z.copy(), np.log(np.where(w > 0, y, 1.0))
    moved = None if draws is None else np.log(draws)
    for task in range(points.tasks):
        at = points.member == task
        mass = w[at]
        for values in (x, z, log_y):
            values[at] -= np.average(values[at], weights=mass)
        if moved is not None:
            moved[:, at] -= np.nanmean(moved[:, at], axis=1, keepdims=True)
    return (
        np.where(w > 0, np.exp(log_y), np.nan),
        x,
        z,
        None if moved is None else np.exp(moved),
    )


def _reversal(
    points: Points, values: Floats, other: Floats, y: Floats, w: Floats, draws: Floats | None
) -> tuple[int, int] | None:
    """Rule 2 on the axis' effects, with an effect for every value of the other axis and task."""
    axis, own = np.unique(values, return_inverse=True)
    _, rest = np.unique(np.stack([other, points.member]), axis=1, return_inverse=True)
    effects = _effects(own, rest.ravel(), y[None], w)[0]
    several = None if draws is None else _effects(own, rest.ravel(), draws, w)
    return rules.worst_reversal(axis, effects, several)


def _effects(own: np.ndarray, rest: np.ndarray, y: Floats, w: Floats) -> Floats:
    """(B, levels) least-squares effects of log y in a two-way layout; NaN where not connected."""
    columns = np.concatenate(
        [
            np.equal.outer(own, np.arange(own.max() + 1)),
            np.equal.outer(rest, np.arange(rest.max() + 1)),
        ],
        axis=1,
    ).astype(float)
    known = np.isfinite(y) & (w > 0)
    log_y = np.where(known, np.log(np.where(known, y, 1.0)), 0.0)
    weight = np.where(known, w, 0.0)
    size = own.max() + 1
    effects = np.full((len(y), size), np.nan)
    patterns, index = np.unique(known, axis=0, return_inverse=True)
    for p, pattern in enumerate(patterns):
        rows = np.flatnonzero(index.ravel() == p)
        root = np.sqrt(weight[rows[0]])
        seen = (columns[pattern, :size].sum(axis=0)) > 0
        solution = np.linalg.pinv(columns * root[:, None]) @ (root[:, None] * log_y[rows].T)
        effects[rows] = np.where(seen[:, None], solution[:size], np.nan).T
    return effects
