"""Verdicts on fitted laws: the rules of `vs_laws.verdict`, axis by axis.

For each axis, with the other ones controlled for:

1. *too few levels*: fewer distinct places than the form asks for.
2. *non-monotone*: log D minus the other axes' effects rises beyond noise between two places.
3. *flat*: the 95 % interval of the slope in the log-linear regression includes 0, or the fitted term
   is 0 at its bound.
4. *unidentified*: the exponent at a bound, or its interval reaching one or spanning decades.

The law's own verdict is the first of: too few points, then the axes' worst in the order above, then an
unidentified floor.
"""

from collections.abc import Mapping

import numpy as np

from vs_laws import verdict as rules
from vs_laws._points import Points
from vs_laws._regress import regress
from vs_laws.forms import EXPONENT_BOUNDS
from vs_laws.law import Floats
from vs_laws.registry import Form
from vs_laws.result import Estimate
from vs_laws.verdict import Judgement, Verdict

_ORDER = (Verdict.TOO_FEW_LEVELS, Verdict.NON_MONOTONE, Verdict.FLAT, Verdict.UNIDENTIFIED)
_SYMBOLS = {"sigma": "σ", "critic_params": "N"}

type Estimates = Mapping[str, Estimate]
type Judged = tuple[dict[str, Judgement], Judgement]


def judge(
    points: Points,
    y: Floats,
    weights: Floats,
    draws: Floats | None,
    estimates: Estimates,
    form: Form,
) -> Judged:
    """Return the judgement of each axis, and of the law."""
    if not estimates:
        return {}, Judgement(Verdict.UNIDENTIFIED, f"the form {form.name!r} is no law")
    w = np.where(np.isfinite(y), weights, 0.0)
    slopes = slope_estimates(points, y, w, draws)
    axes = {
        axis: _axis(k, points, y, w, draws, estimates, form, slopes[k])
        for k, axis in enumerate(points.axes)
    }
    used = int((w > 0).sum())
    count = form.parameters(len(axes))
    if points.tasks:
        count = (1 + len(axes)) * points.count + len(axes)
    worst = _worst(axes)
    if used <= count and (worst is None or worst.verdict is not Verdict.TOO_FEW_LEVELS):
        reason = f"{used} points cannot test a law with {count} parameters"
        return axes, Judgement(Verdict.TOO_FEW_LEVELS, reason)
    if worst:
        return axes, worst
    if form.floor and (open_floor := _floor(estimates, form.floor)):
        return axes, open_floor
    return axes, rules.supported(_join(axes))


def judge_power_law(
    points: Points,
    y: Floats,
    draws: Floats | None,
    estimates: Estimates,
    *,
    shared: bool,
) -> Judged:
    """Return the judgement of each axis of a power law, and of the law.

    Over one axis a law whose data clearly rise and clearly fall is *non-monotone*. An exponent is
    *unidentified* where its interval lets y change by more than `MAX_DECADES` over the data.
    """
    used = np.isfinite(y)
    tasks = [used & (points.member == t) for t in range(points.count)]
    axes = {
        axis: _power_axis(k, points, y, draws, estimates, used, tasks, shared)
        for k, axis in enumerate(points.axes)
    }
    return axes, _worst(axes) or rules.supported(_join(axes))


def slope_estimates(
    points: Points, y: Floats, weights: Floats, draws: Floats | None
) -> list[Estimate]:
    """Return the log-log slope on each axis, the other axes and the tasks controlled for."""
    columns, one_hot = np.log(points.x), points.one_hot
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = regress(columns, np.log(y)[None], weights, one_hot)
        slope = centre.slope[0, 0]
        if draws is not None:
            several = regress(columns, np.log(draws), weights, one_hot).slope[:, 0]
            return [Estimate.from_draws(slope[k], several[:, k]) for k in range(len(points.axes))]
        residual = np.log(y) - centre.intercept[0, points.member] - columns @ slope
    used = weights > 0
    dof = float(used.sum() - len(points.axes) - points.count)
    noise = np.sum(weights[used] * residual[used] ** 2) / dof if dof > 0 else np.nan
    with np.errstate(invalid="ignore"):
        error = np.sqrt(noise * np.diag(centre.inverse[0, 0]))
    return [
        Estimate.from_error(float(s), float(e), dof, log=False)
        for s, e in zip(slope, error, strict=True)
    ]


def _axis(
    k: int,
    points: Points,
    y: Floats,
    w: Floats,
    draws: Floats | None,
    estimates: Estimates,
    form: Form,
    slope: Estimate,
) -> Judgement:
    axis, symbol = points.axes[k], _symbol(points, k)
    places = points.x[:, k]
    if few := rules.too_few_levels(np.unique(places[w > 0]).size, form.levels - 1):
        return few
    if form.falls:
        levels, effects, several = _effects(k, points, y, w, draws)
        pair = rules.worst_reversal(levels, effects, several)
        if turn := rules.non_monotone(levels, pair, name="D"):
            return turn
    amplitudes = [e for name, e in estimates.items() if name.startswith(f"{axis}_amplitude")]
    if any(amplitude.at_bound for amplitude in amplitudes):
        return Judgement(Verdict.FLAT, f"the best fit has no term in {symbol} (its amplitude is 0)")
    if level := rules.flat(slope.low, slope.high, symbol):
        return level
    exponent = estimates.get(f"{axis}_exponent")
    if not form.falls or exponent is None:
        return rules.supported(
            f"the 95% interval of the log-log slope [{slope.low:.3g}, {slope.high:.3g}] excludes 0"
        )
    name = f"the exponent of {symbol}"
    if exponent.at_bound:
        bound = min(EXPONENT_BOUNDS, key=lambda b: abs(np.log(b / exponent.value)))
        return rules.at_bound(name, exponent.value, bound)
    if np.isnan(exponent.low):
        return rules.supported(
            f"the slope [{slope.low:.3g}, {slope.high:.3g}] excludes 0; {name} has no interval "
            "without bootstraps"
        )
    failed = rules.touches(name, exponent.low, exponent.high, EXPONENT_BOUNDS) or rules.wide(
        name, exponent.low, exponent.high
    )
    return failed or rules.supported(
        f"the 95% interval of the exponent [{exponent.low:.3g}, {exponent.high:.3g}] is bounded"
    )


def _power_axis(
    k: int,
    points: Points,
    y: Floats,
    draws: Floats | None,
    estimates: Estimates,
    used: np.ndarray,
    tasks: list[np.ndarray],
    shared: bool,
) -> Judgement:
    axis, places = points.axes[k], points.x[:, k]
    pools = (
        {f"{axis}_exponent": used}
        if shared or not points.tasks
        else {
            f"{axis}_exponent[{name}]": pool for name, pool in zip(points.tasks, tasks, strict=True)
        }
    )

    def about(judgement: Judgement, task: int) -> Judgement:
        prefix = f"{points.tasks[task]}: " if points.tasks and len(tasks) > 1 else ""
        return Judgement(judgement.verdict, prefix + judgement.reason)

    for g, pool in enumerate(pools.values()):
        if few := rules.too_few_levels(np.unique(places[pool]).size, 2):
            return few if shared else about(few, g)
    for g, pool in enumerate(tasks if len(points.axes) == 1 else ()):
        x, log_y = places[pool], np.log(y[pool])
        with np.errstate(invalid="ignore"):
            spread = None if draws is None else np.log(draws[:, pool])
        up = rules.worst_reversal(x, log_y, spread)
        down = rules.worst_reversal(x, -log_y, None if spread is None else -spread)
        if up and down:
            a, b = x[list(up)], x[list(down)]
            reason = (
                f"beyond noise, y rises from {axis} = {a[0]:.4g} to {a[1]:.4g} and falls from "
                f"{b[0]:.4g} to {b[1]:.4g}"
            )
            return about(Judgement(Verdict.NON_MONOTONE, reason), g)
    for g, key in enumerate(pools):
        if level := rules.flat(estimates[key].low, estimates[key].high, axis):
            return level if shared else about(level, g)
    for g, (key, pool) in enumerate(pools.items()):
        low, high = estimates[key].low, estimates[key].high
        span = (high - low) * float(np.log10(places[pool].max() / places[pool].min()))
        if not span <= rules.MAX_DECADES:
            reason = f"the 95% interval of {key} lets y span {span:.1f} decades over the data"
            wide = Judgement(Verdict.UNIDENTIFIED, reason)
            return wide if shared else about(wide, g)
    each = "; ".join(
        f"{key} [{estimates[key].low:.3g}, {estimates[key].high:.3g}]" for key in pools
    )
    return rules.supported(f"the 95% interval excludes 0: {each}")


def _worst(axes: Mapping[str, Judgement]) -> Judgement | None:
    for verdict in _ORDER:
        for axis, judgement in axes.items():
            if judgement.verdict is verdict:
                prefix = f"{_SYMBOLS.get(axis, axis)}: " if len(axes) > 1 else ""
                return Judgement(verdict, prefix + judgement.reason)
    return None


def _join(axes: Mapping[str, Judgement]) -> str:
    if len(axes) == 1:
        return next(iter(axes.values())).reason
    return "; ".join(f"{_SYMBOLS.get(axis, axis)}: {j.reason}" for axis, j in axes.items())


def _symbol(points: Points, k: int) -> str:
    return _SYMBOLS.get(points.axes[k], points.axes[k])


def _floor(estimates: Estimates, floor: str) -> Judgement | None:
    for name, estimate in estimates.items():
        if not name.startswith(floor):
            continue
        if estimate.at_bound or estimate.value <= 0:
            return Judgement(
                Verdict.UNIDENTIFIED,
                f"{name} is at its bound 0: a sum of power laws describes the data, the asymptote "
                "is not identified",
            )
        if not np.isnan(estimate.low) and (wide := rules.wide(name, estimate.low, estimate.high)):
            return wide
    return None


def _effects(
    k: int, points: Points, y: Floats, w: Floats, draws: Floats | None
) -> tuple[Floats, Floats, Floats | None]:
    """Return an axis' places (L,), the effects of log y there (L,), and those of bootstraps (S, L).

    A two-way layout: one effect per place, one per combination of the other axes and the task. NaN
    where a place has no point.
    """
    levels, own = np.unique(points.x[:, k], return_inverse=True)
    others = np.column_stack([np.delete(points.x, k, axis=1), points.member])
    _, rest = np.unique(others, axis=0, return_inverse=True)
    columns = np.concatenate(
        [
            np.equal.outer(own, np.arange(levels.size)),
            np.equal.outer(rest.ravel(), np.arange(rest.max() + 1)),
        ],
        axis=1,
    ).astype(float)

    def solve(rows: Floats) -> Floats:
        known = np.isfinite(rows) & (w > 0)
        log_y = np.where(known, np.log(np.where(known, rows, 1.0)), 0.0)
        effects = np.full((len(rows), levels.size), np.nan)
        patterns, index = np.unique(known, axis=0, return_inverse=True)
        for p, pattern in enumerate(patterns):
            here = np.flatnonzero(index.ravel() == p)
            root = np.sqrt(np.where(pattern, w, 0.0))
            seen = columns[pattern, : levels.size].sum(axis=0) > 0
            solution = np.linalg.pinv(columns * root[:, None]) @ (root[:, None] * log_y[here].T)
            effects[here] = np.where(seen[:, None], solution[: levels.size], np.nan).T
        return effects

    return levels, solve(y[None])[0], None if draws is None else solve(draws)
