"""Fit the best batch size B*(σ, N) = a/(σ^α·(1 + (b/N)^c)) (arXiv:2508.14881), or a power law.

Three nested forms, all least squares in log B: a·σ^p (N does not matter), a·σ^p·N^q (a rise without
an end: the limit b → ∞ of the paper's form) and the paper's form with its asymptote. The one of
least AICc (Hurvich & Tsai 1989) is taken. The asymptote is kept only if its position is identified:
where the 95 % interval of b spans more than two decades or reaches infinity, the better power law is
taken and a note says so.
"""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from vs_laws import verdict as rules
from vs_laws._epilogue import covariance_of, estimates_of, finish
from vs_laws._judge import judge
from vs_laws._newton import Problem, polish
from vs_laws._points import Points, bootstrap_rows, observed, points, weights_like
from vs_laws.forms import EXPONENT_BOUNDS, BatchLaw, PowerLaw
from vs_laws.law import Floats
from vs_laws.power_law import fit_power_law
from vs_laws.registry import FORMS
from vs_laws.result import Fit
from vs_laws.verdict import Judgement, Verdict

type BatchForm = Literal["sigma", "power", "asymptote"]

_FORMULA = "B = coefficient * sigma^power / (1 + (scale/N)^rise)"
_LEAST_SHARE = 1e-12
_PARAMETERS: dict[BatchForm, int] = {"sigma": 2, "power": 3, "asymptote": 4}
_EXPONENTS = np.geomspace(*EXPONENT_BOUNDS, 48)
_SHARES = 1.0 / (1.0 + np.exp(-np.linspace(-12.0, 6.0, 48)))
_LOW = np.array([0.0, 0.0, 0.0, -10.0, EXPONENT_BOUNDS[0]])
_HIGH = np.array([np.inf, 0.0, 1.0, 10.0, EXPONENT_BOUNDS[1]])
_EXACT = 1e-24  # mean square residual of log B below which a fit is exact


def fit_batch_size(
    batch_size: ArrayLike,
    /,
    *,
    form: BatchForm | None = None,
    weights: ArrayLike | None = None,
    draws: ArrayLike | None = None,
    **axes: ArrayLike | None,
) -> Fit:
    """Fit the best batch size of one task in log space; each form reaches its global optimum.

    Args:
        batch_size: (n,) best batch sizes; NaN points are left out, with a note.
        form: ``"sigma"`` (a power law of the first axis), ``"power"`` (of both) or ``"asymptote"``;
            by default chosen as described in `vs_laws.batch_size`. One axis has a power law only.
        weights: (n,) non-negative.
        draws: (S, n) bootstraps of the best batch size.
        **axes: ``sigma``, and ``critic_params`` for two axes, each (n,) and positive.

    Returns:
        Parameters coefficient and ``sigma_exponent`` (−α), with ``critic_params_exponent``; or
        coefficient, power (−α), scale (b) and rise (c). ``notes`` give the AICc of the forms.

    Raises:
        ValueError: on mismatched lengths, values that are not positive, fewer than five points, fewer
            than two distinct σ or three distinct N, or an unknown form.
    """
    given: dict[str, Any] = {name: values for name, values in axes.items() if values is not None}
    if len(given) == 1:
        return fit_power_law(batch_size, weights=weights, draws=draws, **given)
    if form is not None and form not in _PARAMETERS:
        raise ValueError(f"form must be one of {', '.join(_PARAMETERS)} or None, got {form!r}")
    where = points(given, None)
    if len(where.axes) != 2:
        raise ValueError(f"a law of the batch size has one axis or two, got {len(where.axes)}")
    y, notes = observed("batch_size", batch_size, len(where.x))
    w = np.where(np.isfinite(y), weights_like(weights, len(y)), 0.0)
    used = w > 0
    distinct = [np.unique(column[used]).size for column in where.x.T]
    if used.sum() < 5 or distinct[0] < 2 or distinct[1] < 3:
        first, second = where.axes
        raise ValueError(
            f"a law B*({first}, {second}) needs five known points, two distinct {first} and three "
            f"distinct {second}; got {int(used.sum())}, {distinct[0]} and {distinct[1]}"
        )
    rows = bootstrap_rows("draws", draws, len(y))
    power = _power(where, y, rows, weights)
    fits: dict[BatchForm, Fit] = {
        "sigma": _first_axis(where, y, rows, weights, power),
        "power": power,
    }
    losses: dict[BatchForm, float] = {name: fit.loss for name, fit in fits.items()}
    losses["asymptote"] = float(_solve(where, y[None], w)[1][0])
    scores = {name: _aicc(losses[name], int(used.sum()), name) for name in _PARAMETERS}
    notes += (
        "AICc (lower is better): " + ", ".join(f"{name} {s:.1f}" for name, s in scores.items()),
    )
    chosen = form or min(scores, key=lambda name: scores[name])
    if chosen == "asymptote":
        fit = _asymptotic(where, y, w, rows)
        reason = None if form else _unlocated(fit)
        if reason is None:
            return replace(fit, notes=notes)
        chosen = min(fits, key=lambda name: scores[name])
        notes += (f"no asymptote in {where.axes[1]}: {reason}",)
    elif form is None:
        notes += (
            f"no asymptote in {where.axes[1]} is supported: it does not lower the AICc of a power "
            "law",
        )
    return replace(fits[chosen], notes=notes)


def _power(where: Points, y: Floats, draws: Floats | None, weights: ArrayLike | None) -> Fit:
    """Fit a power law of both axes."""
    axes: dict[str, Any] = where.places
    fit = fit_power_law(y, weights=weights, draws=draws, **axes)
    first, second = where.axes
    return replace(
        fit, form="power", formula=f"B = coefficient * {first}^exponent * {second}^exponent"
    )


def _first_axis(
    where: Points, y: Floats, draws: Floats | None, weights: ArrayLike | None, power: Fit
) -> Fit:
    """Fit a power law of the first axis; its verdict is that with the second one controlled for."""
    first, second = where.axes
    one: dict[str, Any] = {first: where.places[first]}
    fit = fit_power_law(y, weights=weights, draws=draws, **one)
    own = power.judgements[first]
    return replace(
        fit,
        form="sigma",
        formula=f"B = coefficient * {first}^exponent",
        law=_without(fit.law, where),
        draws=None if fit.draws is None else _without(fit.draws, where),
        verdict=own.verdict,
        reason=own.reason,
        judgements={first: own, second: Judgement(Verdict.FLAT, f"{second} is not in this form")},
        ranges=power.ranges,
        covariance=None if fit.covariance is None else np.pad(fit.covariance, ((0, 1), (0, 1))),
    )


def _without(law: PowerLaw, where: Points) -> PowerLaw:
    """Return the power law of the first axis as one of both, with no effect of the second."""
    exponent = np.concatenate([law.exponent, np.zeros_like(law.exponent)], axis=-1)
    return PowerLaw(law.coefficient, exponent, axes=where.axes)


def _aicc(loss: float, n: int, form: BatchForm) -> float:
    """Return the corrected AIC of a least-squares fit; the noise counts as a parameter."""
    k = _PARAMETERS[form] + 1
    if n - k - 1 <= 0:
        return float("inf")
    return float(n * np.log(max(loss, _EXACT)) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def _asymptotic(where: Points, y: Floats, w: Floats, draws: Floats | None) -> Fit:
    """Fit the paper's form, with all that belongs to a `Fit`."""
    rows, losses = _solve(where, y[None], w)
    law = rows.at((0, 0))
    used = w > 0
    drawn = None if draws is None else _solve(where, draws, w)[0]
    dof = float(used.sum() - _PARAMETERS["asymptote"])
    covariance = None
    numbers = [float(v) for v in law.parameters().values()]
    if draws is None and dof > 0 and np.isfinite(numbers).all() and float(law.scale) > 0:
        covariance = covariance_of(law, {}, where, y, w, dof, "log")
    parameters = estimates_of(law, drawn, {}, covariance, dof, ())
    return finish(
        where, y, w, law, drawn, parameters,
        judge(where, np.where(used, y, np.nan), w, draws, parameters, FORMS["log_linear"]),
        form="asymptote", formula=_FORMULA, loss=float(losses[0]), loss_name="log MSE",
        covariance=covariance, dof=0.0 if draws is not None else max(dof, 0.0), notes=(),
    )  # fmt: skip


def _solve(where: Points, y: Floats, weights: Floats) -> tuple[BatchLaw, Floats]:
    """Return the law of every row of y (B, n), NaN = missing, with (B, 1) fields, and log MSE (B,)."""
    w = np.where(np.isfinite(y), weights, 0.0)
    enough = (w > 0).sum(axis=1) >= _PARAMETERS["asymptote"]
    y = np.where(w > 0, y, 1.0)
    logs = np.log(where.x)
    origin = logs.min(axis=0)
    theta = np.full((len(y), 5), np.nan)
    if enough.any():
        theta[enough] = _optimum(logs - origin, y[enough], w[enough])
    # 0 is a pure power law, which the formula reaches only in the limit of infinite a and b
    top, share = theta[:, :1], np.maximum(theta[:, 2:3], _LEAST_SHARE)
    power, rise = theta[:, 3:4], theta[:, 4:]
    with np.errstate(divide="ignore", over="ignore"):
        scale = np.exp(origin[1] + np.log((1.0 - share) / share) / rise)
        # 1/B = top·σ^(−p)·(share + (1 − share)·(N₀/N)^c)
        coefficient = np.exp(-power * origin[0]) / (top * share)
    law = BatchLaw(coefficient, power, scale, rise, axes=where.axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        residual = np.where(w > 0, np.log(y) - np.log(law(**where.places)), 0.0)
        return law, np.sum(w * residual**2, axis=1) / w.sum(axis=1) + np.where(enough, 0.0, np.nan)


def _optimum(x: Floats, y: Floats, w: Floats) -> Floats:
    """Return the global optimum (B, 5) in the terms of the product form for 1/B.

    For a given (share, rise) the rest is linear in log B: a grid over both, then Newton.
    """
    first, second = x.T
    v = np.exp(-np.multiply.outer(_EXPONENTS, second))[:, None]  # (G, 1, n)
    shape = np.log(_SHARES[:, None] + (1.0 - _SHARES[:, None]) * v).reshape(-1, len(x))
    target = -np.log(y)
    mass = w.sum(axis=1, keepdims=True)
    dx = first - w @ first[:, None] / mass
    spread = np.sum(w * dx**2, axis=1, keepdims=True)
    t_mean = np.sum(w * target, axis=1, keepdims=True) / mass
    t_slope = np.sum(w * dx * target, axis=1, keepdims=True) / spread
    s_mean, s_slope = w @ shape.T / mass, (w * dx) @ shape.T / spread
    square = w @ (shape**2).T - mass * s_mean**2 - spread * s_slope**2
    cross = (w * target) @ shape.T - mass * t_mean * s_mean - spread * t_slope * s_slope
    value = (square - 2.0 * cross).reshape(len(y), _EXPONENTS.size, _SHARES.size)
    profile = value.min(axis=2)
    padded = np.pad(profile, ((0, 0), (1, 1)), constant_values=np.inf)
    row, i = np.nonzero((profile <= padded[:, :-2]) & (profile <= padded[:, 2:]))
    j = value[row, i].argmin(axis=1)
    cell = i * _SHARES.size + j
    slope = t_slope[row, 0] - s_slope[row, cell]
    top = np.exp(-s_mean[row, cell] - slope * (w @ first / mass[:, 0])[row])  # units taken out
    start = np.column_stack([top, np.zeros(row.size), _SHARES[j], -slope, _EXPONENTS[i]])
    one = np.zeros(len(x), int)  # a single task
    problem = Problem(x[None], one, 1, target - t_mean, w / mass, True, True, _LOW, _HIGH)
    theta, reached = polish(problem.rows(row), start, iterations=300)
    order = np.lexsort((reached, row))
    best = theta[order[np.unique(row[order], return_index=True)[1]]]
    best[:, 0] *= np.exp(t_mean[:, 0])
    return best


def _unlocated(fit: Fit) -> str | None:
    """Return why the asymptote is not located, or None."""
    scale = fit.parameters["scale"]
    if not np.isfinite(scale.value):
        return "the best fit puts it at infinity"
    wide = rules.wide("its location, scale,", scale.low, scale.high)
    return wide.reason if wide else None
