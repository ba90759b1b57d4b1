"""The law with an offset, ``d + A·x^(∓α)``, from data and bootstraps to estimates and a verdict.

Shared by the data law (falling) and the offset power law (either direction).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vs_laws import verdict as rules
from vs_laws._varpro import ALPHA_BOUNDS, Loss, Solution, solve
from vs_laws.forms import Floats
from vs_laws.power_law import log_slopes
from vs_laws.result import Estimate
from vs_laws.verdict import Judgement, Verdict

_NEGLIGIBLE = 1e-9  # share of y below which the offset, or the rest, counts as 0


@dataclass(frozen=True)
class Curve:
    """One fitted curve with its bootstraps; ``best`` fields are (1,), ``draws`` fields (K,)."""

    best: Solution
    draws: Solution | None
    estimates: Mapping[str, Estimate]  # offset, amplitude, alpha, beta
    judgement: Judgement
    covariance: Floats  # (3, 3) of offset, amplitude, alpha; rows at a bound are 0
    dof: float
    residuals: Floats
    r2_log: float
    n: int
    notes: tuple[str, ...]


def loss_label(loss: Loss, huber: float | None) -> str:
    """Name of the loss in reports; refuses an unknown one."""
    if loss not in ("log", "plain"):
        raise ValueError(f"loss must be 'log' or 'plain', got {loss!r}")
    if huber is not None and not huber > 0:
        raise ValueError(f"huber must be positive (or None for least squares), got {huber!r}")
    base = "MSE" if huber is None else f"Huber({huber:g})"
    return f"log {base}" if loss == "log" else base


def solve_rows(
    x: Floats, y: Floats, weights: Floats, *, loss: Loss, huber: float | None
) -> Solution:
    """`solve` for rows with missing (NaN) points; NaN where a row has fewer than three levels."""
    known = np.isfinite(y) & (weights > 0)
    distinct = np.equal.outer(x, np.unique(x)).astype(float)
    enough = ((known @ distinct) > 0).sum(axis=1) >= 3
    fields = np.full((4, len(y)), np.nan)
    if enough.any():
        w = np.where(known, weights, 0.0)[enough]
        part = solve(x, np.where(known, y, 1.0)[enough], w, loss=loss, huber=huber)
        fields[:, enough] = part.offset, part.amplitude, part.alpha, part.loss
    return Solution(*fields)


def evaluate(solution: Solution, x: Floats) -> Floats:
    """(B, n) values of the falling law."""
    return solution.offset[:, None] + solution.amplitude[:, None] * np.exp(
        -np.multiply.outer(solution.alpha, np.log(x))
    )


def fit_curve(
    x: Floats,
    y: Floats,
    weights: Floats,
    draws: Floats | None,
    *,
    loss: Loss,
    huber: float | None,
    name: str,
) -> Curve:
    """Fit one falling curve (n,) and its bootstraps (K, n); NaN marks missing points."""
    used = np.isfinite(y) & (weights > 0)
    if np.unique(x[used]).size < 2:
        raise ValueError(
            f"{name} is known at fewer than two distinct levels; nothing can be fitted"
        )
    notes: tuple[str, ...] = ()
    weights = np.where(used, weights, 0.0)
    best = solve(x, np.where(used, y, 1.0)[None], weights[None], loss=loss, huber=huber)
    fitted = evaluate(best, x)[0]
    residual = np.where(used, np.log(np.where(used, y, 1.0) / fitted), np.nan)
    log_y = np.log(np.where(used, y, np.nan))
    centred = log_y[used] - np.average(log_y[used], weights=weights[used])
    variation = weights[used] @ centred**2
    explained = weights[used] @ residual[used] ** 2

    resampled = None
    if draws is not None:
        resampled = solve_rows(x, draws, weights, loss=loss, huber=huber)
        holes = int((~np.isfinite(draws[:, used])).any(axis=1).sum())
        if holes:
            lost = int(np.isnan(resampled.loss).sum())
            notes += (
                f"{holes} of {len(draws)} bootstraps have censored points, left out of that "
                f"bootstrap; {lost} could not be fitted",
            )
    covariance, dof = _covariance(x, y, weights, best, loss)
    estimates = _estimates(best, resampled, covariance, dof)
    judgement = _judge(x, log_y, weights, draws, estimates, name)
    if huber is not None and draws is None:
        notes += ("intervals take the residuals for Gaussian; use bootstraps under a Huber loss",)
    return Curve(
        best,
        resampled,
        estimates,
        judgement,
        covariance,
        dof,
        residual,
        float(1.0 - explained / variation) if variation > 0 else float("nan"),
        int(used.sum()),
        notes,
    )


def _at_bounds(offset: float, amplitude: float, alpha: float, low: float) -> tuple[bool, ...]:
    """Whether offset = 0, amplitude = 0, alpha at a bound; ``low`` is the smallest fitted value."""
    edge = alpha <= ALPHA_BOUNDS[0] * (1 + 1e-9) or alpha >= ALPHA_BOUNDS[1] * (1 - 1e-9)
    return offset <= _NEGLIGIBLE * low, amplitude <= _NEGLIGIBLE * low, edge


def _covariance(
    x: Floats, y: Floats, weights: Floats, best: Solution, loss: Loss
) -> tuple[Floats, float]:
    """Gauss-Newton covariance of (offset, amplitude, alpha), the ones at a bound held fixed."""
    used = weights > 0
    x, y, w = x[used], y[used], weights[used]
    fitted = evaluate(best, x)[0]
    theta = np.array([best.offset[0], best.amplitude[0], best.alpha[0]])
    free = ~np.array(_at_bounds(*theta, low=float(fitted.min())))
    if not free[1]:
        free[2] = False  # a constant has no exponent
    power = theta[1] * x ** -theta[2]
    jacobian = np.stack([np.full(x.size, theta[0]), power, -theta[2] * np.log(x) * power], axis=1)
    residual = y - fitted
    if loss == "log":
        jacobian, residual = jacobian / fitted[:, None], np.log(y / fitted)
    jacobian = jacobian[:, free] * np.sqrt(w)[:, None]
    dof = float(x.size - 3)
    covariance = np.zeros((3, 3))
    if dof > 0:
        noise = w @ residual**2 / dof
        inner = noise * np.linalg.pinv(jacobian.T @ jacobian, hermitian=True)
        covariance[np.ix_(free, free)] = inner * np.outer(theta[free], theta[free])
    return covariance, max(dof, 0.0)


def beta_of(amplitude: Floats, alpha: Floats) -> Floats:
    """β of (β/σ)^α; inf where beyond a double."""
    with np.errstate(over="ignore", divide="ignore"):
        return amplitude ** (1.0 / alpha)


def _estimates(
    best: Solution, draws: Solution | None, covariance: Floats, dof: float
) -> dict[str, Estimate]:
    """Percentile intervals of the bootstraps, else t intervals on the log scale of each number."""
    theta = np.array([best.offset[0], best.amplitude[0], best.alpha[0]])
    bounds = _at_bounds(*theta, low=float(theta[:2].sum()))
    values = dict(zip(("offset", "amplitude", "alpha"), theta, strict=True))
    beta = float(beta_of(best.amplitude, best.alpha)[0])
    if draws is not None:
        parts = {"offset": draws.offset, "amplitude": draws.amplitude, "alpha": draws.alpha}
        found = {
            key: Estimate.from_samples(values[key], parts[key], at_bound=flag)
            for key, flag in zip(parts, bounds, strict=True)
        }
        found["beta"] = Estimate.from_samples(beta, beta_of(draws.amplitude, draws.alpha))
        return found
    # log β = log(A)/α
    to_log = np.where(theta > 0, 1.0 / np.where(theta > 0, theta, 1.0), 0.0)
    relative = covariance * np.outer(to_log, to_log)
    errors = dict(zip(values, np.sqrt(np.diag(relative)), strict=True))
    with np.errstate(over="ignore", divide="ignore"):
        log_top = np.log(theta[1]) if theta[1] > 0 else 0.0
        slope = np.array([0.0, 1.0 / theta[2], -log_top / theta[2]])
    errors["beta"] = float(np.sqrt(max(slope @ relative @ slope, 0.0)))
    values["beta"] = beta
    flags = dict(zip(values, (*bounds, False), strict=True))
    return {
        key: _log_estimate(float(values[key]), float(errors[key]), dof, flags[key])
        for key in values
    }


def _log_estimate(value: float, error: float, dof: float, flag: bool) -> Estimate:
    if dof <= 0 or flag or not np.isfinite(value):
        return Estimate(value, at_bound=flag)
    with np.errstate(over="ignore"):
        factor = float(np.exp(np.float64(rules.t_quantile(dof) * error)))
    return Estimate(value, value / factor, value * factor, value * error)


def _judge(
    x: Floats,
    log_y: Floats,
    weights: Floats,
    draws: Floats | None,
    estimates: Mapping[str, Estimate],
    name: str,
) -> Judgement:
    """The rules of `vs_laws.verdict`, in their order."""
    used = np.isfinite(log_y)
    if few := rules.too_few_levels(np.unique(x[used]).size, 3):
        return few
    pair = rules.worst_reversal(x, log_y, None if draws is None else np.log(draws))
    if turn := rules.non_monotone(x, pair, name=name):
        return turn
    amplitude = estimates["amplitude"]
    if amplitude.at_bound:
        return Judgement(Verdict.FLAT, "the best fit is a constant (the amplitude is 0)")
    low, high = _slope_interval(np.log(x), log_y, weights, draws)
    if level := rules.flat(low, high):
        return level
    alpha, offset = estimates["alpha"], estimates["offset"]
    if alpha.at_bound:
        bound = min(ALPHA_BOUNDS, key=lambda b: abs(np.log(b / alpha.value)))
        return rules.at_bound("the exponent", alpha.value, bound)
    if offset.at_bound:
        return Judgement(
            Verdict.UNIDENTIFIED,
            "the offset is at its bound 0: a plain power law describes the data, the asymptote "
            "is not identified",
        )
    checks = (
        rules.touches("the exponent", alpha.low, alpha.high, ALPHA_BOUNDS),
        rules.wide("the offset", offset.low, offset.high),
        rules.wide("the exponent", alpha.low, alpha.high),
    )
    failed = next((check for check in checks if check), None)
    return failed or rules.supported(
        f"the 95% intervals of the exponent [{alpha.low:.3g}, {alpha.high:.3g}] and of the offset "
        f"[{offset.low:.3g}, {offset.high:.3g}] are bounded"
    )


def _slope_interval(
    log_x: Floats, log_y: Floats, weights: Floats, draws: Floats | None
) -> tuple[float, float]:
    """95 % interval of the log-log slope: percentile over bootstraps, else Student's t."""
    slope = float(log_slopes(log_x, np.exp(log_y)[None], weights)[0])
    if draws is not None:
        estimate = Estimate.from_samples(slope, log_slopes(log_x, draws, weights))
        return estimate.low, estimate.high
    used = np.isfinite(log_y)
    w = weights[used]
    x = log_x[used] - np.average(log_x[used], weights=w)
    y = log_y[used] - np.average(log_y[used], weights=w)
    dof = used.sum() - 2
    error = np.sqrt(w @ (y - slope * x) ** 2 / dof / (w @ x**2))
    half = rules.t_quantile(float(dof)) * float(error)
    return slope - half, slope + half
