"""Fit the best batch size B*(σ, N) = a/(σ^α·(1 + (b/N)^c)) (arXiv:2508.14881), or a power law.

Three nested forms, all least squares in log B: a·σ^p (N does not matter), a·σ^p·N^q (a rise without
an end: the limit b → ∞ of the paper's form) and the paper's form with its asymptote. The one of
least AICc (Hurvich & Tsai 1989) is taken. An asymptote also has to be located: where the 95 % interval of b
spans more than two decades or reaches infinity, the better power law is taken and a note says so.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from vs_laws import verdict as rules
from vs_laws._inputs import levels, positive, sample_rows, weights_like
from vs_laws._surface_judge import judge
from vs_laws._surface_polish import EXPONENT_BOUNDS, Bounds, Problem, polish
from vs_laws._surface_rows import Points, log_regression
from vs_laws.batch_surface import BatchPower, BatchSurface
from vs_laws.forms import Floats
from vs_laws.result import Estimate, delta_error, log_gradient
from vs_laws.surface_result import SurfaceFit
from vs_laws.verdict import Judgement, Verdict, t_quantile

type BatchForm = Literal["sigma", "power", "asymptote"]

_FORMULAS: dict[BatchForm, str] = {
    "sigma": "B = coefficient * sigma^sigma_power",
    "power": "B = coefficient * sigma^sigma_power * N^params_power",
    "asymptote": "B = coefficient * sigma^sigma_power / (1 + (params_scale/N)^params_exponent)",
}
_LEAST_SHARE = 1e-12
_PARAMETERS: dict[BatchForm, int] = {"sigma": 2, "power": 3, "asymptote": 4}
_EXPONENTS = np.geomspace(*EXPONENT_BOUNDS, 48)
_SHARES = 1.0 / (1.0 + np.exp(-np.linspace(-12.0, 6.0, 48)))
_BOUNDS = Bounds(
    (np.zeros(3), np.array([np.inf, 0.0, 1.0])),
    (np.array([-10.0, EXPONENT_BOUNDS[0]]), np.array([10.0, EXPONENT_BOUNDS[1]])),
)
_EXACT = 1e-24  # mean square residual of log B below which a fit is exact


def fit_batch_surface(
    sigma: ArrayLike,
    critic_params: ArrayLike,
    batch_size: ArrayLike,
    *,
    form: BatchForm | None = None,
    weights: ArrayLike | None = None,
    samples: ArrayLike | None = None,
) -> SurfaceFit[BatchSurface | BatchPower]:
    """Fit B*(σ, N) of one task in log space; each form reaches its global optimum.

    Args:
        sigma: (n,) updates-to-data ratios.
        critic_params: (n,) critic parameters N.
        batch_size: (n,) best batch sizes; NaN points are left out, with a note.
        form: ``"sigma"``, ``"power"`` or ``"asymptote"``; by default chosen as described in
            `vs_laws.batch_law`.
        weights: (n,) non-negative.
        samples: (K, n) bootstraps of the best batch size.

    Returns:
        Parameters coefficient, sigma_power (−α), and params_power, or params_scale (b) and
        params_exponent (c). ``notes`` give the AICc of the forms.

    Raises:
        ValueError: on mismatched lengths, non-positive values, fewer than five points, fewer than
            two distinct σ or three distinct N, or an unknown form.
    """
    if form is not None and form not in _FORMULAS:
        raise ValueError(f"form must be one of {', '.join(_FORMULAS)} or None, got {form!r}")
    s, n = levels("sigma", sigma), levels("critic_params", critic_params)
    if n.size != s.size:
        raise ValueError(f"critic_params has {n.size} points, expected {s.size}, one per sigma")
    y, notes = positive("batch_size", batch_size, s.size)
    w = np.where(np.isfinite(y), weights_like(weights, s.size), 0.0)
    used = w > 0
    if used.sum() < 5 or np.unique(s[used]).size < 2 or np.unique(n[used]).size < 3:
        raise ValueError(
            "a law B*(sigma, N) needs five known points, two distinct sigma and three distinct "
            f"critic_params; got {int(used.sum())}, {np.unique(s[used]).size} and "
            f"{np.unique(n[used]).size}"
        )
    draws = None if samples is None else sample_rows("samples", samples, s.size)
    losses = {name: float(_solve(name, s, n, y[None], w)[1][0]) for name in _FORMULAS}
    scores = {name: _aicc(losses[name], int(used.sum()), name) for name in _FORMULAS}
    table = ", ".join(f"{name} {score:.1f}" for name, score in scores.items())
    notes += (f"AICc (lower is better): {table}",)
    chosen: BatchForm = form or min(scores, key=lambda name: scores[name])
    fit = _build(chosen, s, n, y, w, draws, notes)
    if form is None and chosen == "asymptote" and (reason := _unlocated(fit)):
        chosen = min(("sigma", "power"), key=lambda name: scores[name])
        fit = _build(chosen, s, n, y, w, draws, (*notes, f"no asymptote in N: {reason}"))
    elif form is None and chosen != "asymptote":
        note = "no asymptote in N is supported: it does not lower the AICc of a power law"
        fit = _build(chosen, s, n, y, w, draws, (*notes, note))
    return fit


def _aicc(loss: float, n: int, form: BatchForm) -> float:
    """Corrected AIC of a least-squares fit; the noise counts as a parameter."""
    k = _PARAMETERS[form] + 1
    if n - k - 1 <= 0:
        return float("inf")
    return float(n * np.log(max(loss, _EXACT)) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def _solve(
    form: BatchForm, s: Floats, n: Floats, y: Floats, weights: Floats
) -> tuple[BatchSurface | BatchPower, Floats]:
    """Every row of y (K, n), NaN = missing: law with (K, 1) fields and log MSE (K,)."""
    w = np.where(np.isfinite(y), weights, 0.0)
    enough = (w > 0).sum(axis=1) >= _PARAMETERS[form]
    y = np.where(w > 0, y, 1.0)
    x, z = np.log(s), np.log(n)
    if form == "asymptote":
        theta = np.full((len(y), 5), np.nan)
        if enough.any():
            theta[enough] = _asymptote(x - x.min(), z - z.min(), y[enough], w[enough])
        # 0 is a pure power law, which the formula reaches only in the limit of infinite a and b
        top, share = theta[:, :1], np.maximum(theta[:, 2:3], _LEAST_SHARE)
        power, exponent = theta[:, 3:4], theta[:, 4:]
        with np.errstate(divide="ignore", over="ignore"):
            scale = np.exp(z.min() + np.log((1.0 - share) / share) / exponent)
            # 1/B = top·σ^(−p)·(share + (1 − share)·(N₀/N)^c)
            coefficient = np.exp(-power * x.min()) / (top * share)
        law: BatchSurface | BatchPower = BatchSurface(coefficient, power, scale, exponent)
    else:
        flat = np.full((len(y), 3), 0.0)
        if form == "power":
            flat = log_regression(x, z, y, w, quadratic=False)
        else:
            mass = w.sum(axis=1)
            log_y = np.log(y)
            dx = x - (w @ x / mass)[:, None]
            with np.errstate(divide="ignore", invalid="ignore"):
                flat[:, 1] = np.sum(w * dx * log_y, axis=1) / np.sum(w * dx**2, axis=1)
            flat[:, 0] = np.sum(w * (log_y - flat[:, 1:2] * x), axis=1) / mass
        flat[~enough] = np.nan
        law = BatchPower(np.exp(flat[:, :1]), flat[:, 1:2], flat[:, 2:3])
    with np.errstate(invalid="ignore", divide="ignore"):
        residual = np.log(y) - np.log(law(s, n))
    return law, np.sum(np.where(w > 0, w * residual**2, 0.0), axis=1) / w.sum(axis=1) + np.where(
        enough, 0.0, np.nan
    )


def _asymptote(x: Floats, z: Floats, y: Floats, w: Floats) -> Floats:
    """Global optimum of the paper's form, (K, 5) in the terms of the product form for 1/B.

    For a given (share, c) the rest is linear in log B: a grid over both, then Newton.
    """
    v = np.exp(-np.multiply.outer(_EXPONENTS, z))[:, None]  # (G, 1, n)
    shape = np.log(_SHARES[:, None] + (1.0 - _SHARES[:, None]) * v).reshape(-1, x.size)
    target = -np.log(y)
    mass = w.sum(axis=1, keepdims=True)
    dx = x - w @ x[:, None] / mass
    spread = np.sum(w * dx**2, axis=1, keepdims=True)

    t_mean = np.sum(w * target, axis=1, keepdims=True) / mass
    t_slope = np.sum(w * dx * target, axis=1, keepdims=True) / spread
    s_mean, s_slope = w @ shape.T / mass, (w * dx) @ shape.T / spread
    square = w @ (shape**2).T - mass * s_mean**2 - spread * s_slope**2
    cross = (w * target) @ shape.T - mass * t_mean * s_mean - spread * t_slope * s_slope
    value = (square - 2.0 * cross).reshape(len(y), _EXPONENTS.size, _SHARES.size)
    profile = value.min(axis=2)
    padded = np.pad(profile, ((0, 0), (1, 1)), constant_values=np.inf)
    lowest = (profile <= padded[:, :-2]) & (profile <= padded[:, 2:])
    row, i = np.nonzero(lowest)
    j = value[row, i].argmin(axis=1)
    cell = i * _SHARES.size + j
    slope = t_slope[row, 0] - s_slope[row, cell]
    mean_x = (w @ x / mass[:, 0])[row]
    top = np.exp(t_mean[row, 0] - s_mean[row, cell] - slope * mean_x)
    start = np.column_stack([top, np.zeros(row.size), _SHARES[j], -slope, _EXPONENTS[i]])
    scale, one = np.exp(t_mean), np.zeros(x.size, int)  # units out; a single task
    problem = Problem(x, z, one, 1, target - t_mean, w / mass, True, True, _BOUNDS)
    start[:, 0] /= scale[row, 0]
    theta, reached = polish(problem.rows(row), start, iterations=300)
    order = np.lexsort((reached, row))
    best = theta[order[np.unique(row[order], return_index=True)[1]]]
    best[:, 0] *= scale[:, 0]
    return best


def _build(
    form: BatchForm,
    s: Floats,
    n: Floats,
    y: Floats,
    w: Floats,
    draws: Floats | None,
    notes: tuple[str, ...],
) -> SurfaceFit[BatchSurface | BatchPower]:
    rows, losses = _solve(form, s, n, y[None], w)
    names = _fields(form)
    law = type(rows)(**{k: float(np.ravel(getattr(rows, k))[0]) for k in names})
    used = w > 0
    fitted = law(s, n)
    residuals = np.where(used, np.log(np.where(used, y, 1.0) / fitted), np.nan)
    dof = float(used.sum() - _PARAMETERS[form])
    drawn, covariance = None, None
    if draws is not None:
        drawn = _solve(form, s, n, draws, w)[0]
        estimates = {k: Estimate.from_samples(getattr(law, k), getattr(drawn, k)) for k in names}
    else:
        covariance = _covariance(law, names, s[used], n[used], w[used], residuals[used], dof)
        estimates = _t_intervals(law, names, covariance, dof)
    points = Points(s, n, np.zeros(s.size, int))
    axes, overall = judge(points, y, w, draws, estimates, "log_linear", ())
    if form == "sigma" and axes["critic_params"].verdict is Verdict.SUPPORTED:
        axes = {**axes, "critic_params": Judgement(Verdict.FLAT, "N is not in this form")}
    centred = np.log(y[used]) - np.average(np.log(y[used]), weights=w[used])
    variation = w[used] @ centred**2
    return SurfaceFit(
        name=form,
        form=_FORMULAS[form],
        parameters=estimates,
        loss=float(losses[0]),
        loss_name="log MSE",
        n=int(used.sum()),
        r2_log=float(1.0 - w[used] @ residuals[used] ** 2 / variation) if variation > 0 else np.nan,
        residuals=residuals,
        verdict=overall.verdict,
        reason=overall.reason,
        axes=axes,
        law=law,
        samples=drawn,
        covariance=covariance,
        dof=0.0 if draws is not None else max(dof, 0.0),
        notes=notes,
        sigma_range=(float(s[used].min()), float(s[used].max())),
        params_range=(float(n[used].min()), float(n[used].max())),
    )


def _fields(form: BatchForm) -> tuple[str, ...]:
    last = {
        "sigma": (),
        "power": ("params_power",),
        "asymptote": ("params_scale", "params_exponent"),
    }
    return ("coefficient", "sigma_power", *last[form])


def _covariance(
    law: BatchSurface | BatchPower,
    names: tuple[str, ...],
    s: Floats,
    n: Floats,
    w: Floats,
    residual: Floats,
    dof: float,
) -> Floats | None:
    """Gauss-Newton covariance of all fields of the law; those not in the form stay 0."""
    every = list(vars(law))
    free = np.array([name in names for name in every])
    if dof <= 0 or not all(np.isfinite(getattr(law, name)) for name in names):
        return None
    if getattr(law, "params_scale", 1.0) == 0.0:  # at its bound: no derivative there
        return None
    jacobian = log_gradient(law, lambda other: other(s, n)) * np.sqrt(w)[:, None]
    size = np.sqrt((jacobian**2).sum(axis=0))
    free &= size > 0
    unit = jacobian[:, free] / size[free]
    covariance = np.zeros((free.size, free.size))
    inner = (w @ residual**2 / dof) * np.linalg.pinv(unit.T @ unit, hermitian=True)
    covariance[np.ix_(free, free)] = inner / np.outer(size[free], size[free])
    return covariance


def _t_intervals(
    law: BatchSurface | BatchPower, names: tuple[str, ...], covariance: Floats | None, dof: float
) -> dict[str, Estimate]:
    """Student's t: on the value of powers, on the logarithm of the rest."""
    if covariance is None:
        return {name: Estimate(float(getattr(law, name))) for name in names}
    errors = dict(zip(vars(law), np.sqrt(np.diag(covariance)), strict=True))
    found = {}
    for name in names:
        value, error = float(getattr(law, name)), float(errors[name])
        if name.endswith("power"):
            half = t_quantile(dof) * error
            found[name] = Estimate(value, value - half, value + half, error)
        else:
            gradient = log_gradient(law, lambda other: np.asarray(getattr(other, name), float))  # noqa: B023
            with np.errstate(over="ignore"):
                spread = float(delta_error(gradient, covariance))
                factor = float(np.exp(np.float64(t_quantile(dof) * spread)))
            found[name] = Estimate(value, value / factor, value * factor, error)
    return found


def _unlocated(fit: SurfaceFit[BatchSurface | BatchPower]) -> str | None:
    scale = fit.parameters["params_scale"]
    if not np.isfinite(scale.value):
        return "the best fit puts it at infinity"
    wide = rules.wide("its location params_scale", scale.low, scale.high)
    return wide.reason if wide else None
