"""Fit D_J(σ, N) and its rivals (arXiv:2508.14881) behind one interface."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import ArrayLike

from vs_laws._inputs import labels, levels, positive, sample_rows, weights_like
from vs_laws._offset import loss_label
from vs_laws._surface_judge import judge
from vs_laws._surface_rows import PARAMETERS, FittedSurface, Points, pick, searched, solve_rows
from vs_laws._surface_search import EXPONENT_BOUNDS
from vs_laws._varpro import Loss
from vs_laws.forms import Floats
from vs_laws.result import Estimate, delta_error, log_gradient
from vs_laws.surface_result import SurfaceFit
from vs_laws.surfaces import (
    FORMULAS,
    LogPolynomial,
    NearestRun,
    ProductSurface,
    SurfaceForm,
    SurfaceLaw,
)
from vs_laws.verdict import t_quantile

_NEGLIGIBLE = 1e-9  # share of the smallest fitted D below which a term counts as 0
_SCALES = ("sigma_scale", "params_scale")


def fit_surface(
    sigma: ArrayLike,
    critic_params: ArrayLike,
    D: ArrayLike,
    *,
    form: SurfaceForm = "additive",
    loss: Loss = "log",
    tasks: Sequence[str] | None = None,
    weights: ArrayLike | None = None,
    samples: ArrayLike | None = None,
) -> SurfaceFit[FittedSurface]:
    """Fit env steps to a level against σ and N; the points need not lie on a grid.

    The paper's form is ``"additive"``, ``d_min·(1 + (a/σ)^α + (b/N)^β)`` with all terms ≥ 0;
    `vs_laws.surfaces.FORMULAS` lists the rivals. Exponents are searched in [0.01, 10], densely:
    least squares reach the global optimum of that box (`vs_laws._surface_search`).

    Args:
        sigma: (n,) updates-to-data ratio of each run.
        critic_params: (n,) critic parameters N of each run.
        D: (n,) env steps to the level; NaN or inf (censored) points are left out, with a note.
        form: the form.
        loss: ``"log"`` (mean squared residual of log D) or ``"plain"`` (of D).
        tasks: (n,) label of each point's task; all tasks then share both exponents and have
            their own d_min and amplitudes (forms with exponents only).
        weights: (n,) non-negative.
        samples: (K, n) bootstraps of D; non-finite entries are left out of their bootstrap only.
            Intervals are percentiles over them; without them Student's t (one task only).

    Returns:
        Parameters by form: d_min, sigma_amplitude, sigma_exponent, params_amplitude,
        params_exponent, with sigma_scale (a_J) and params_scale (b_J); the polynomials'
        coefficients; none for ``"nearest"``.

    Raises:
        ValueError: on mismatched lengths, non-positive values, fewer points than parameters,
            fewer than three distinct σ or N, an unknown form or loss, or a combination of them
            that has no meaning.
    """
    _check_form(form, loss, tasks is not None)
    x, z = levels("sigma", sigma), levels("critic_params", critic_params)
    if z.size != x.size:
        raise ValueError(f"critic_params has {z.size} points, expected {x.size}, one per sigma")
    y, notes = positive("D", D, x.size)
    w = weights_like(weights, x.size)
    names, member = labels(tasks, x.size)
    points = Points(x, z, member, max(len(names), 1), bool(names))
    laws, losses = solve_rows(points, y[None], w[None], form=form, log=loss == "log")
    if np.isnan(losses[0]):
        raise ValueError(
            f"the {form} form has {PARAMETERS[form]} parameters and needs at least as many points "
            "with D known, and three distinct sigma and critic_params"
        )
    law = pick(laws, 0)
    used = np.isfinite(y) & (w > 0)
    fitted = law(x, z)
    fitted = fitted[member, np.arange(x.size)] if names else fitted
    residuals = np.where(used, np.log(np.where(used, y, 1.0) / fitted), np.nan)

    draws, drawn = None, None
    if samples is not None:
        draws = sample_rows("samples", samples, x.size)
        drawn, lost = solve_rows(points, draws, w[None], form=form, log=loss == "log")
        holes = int((~np.isfinite(draws[:, used])).any(axis=1).sum())
        if holes:
            notes += (
                f"{holes} of {len(draws)} bootstraps have censored points, left out of that "
                f"bootstrap; {int(np.isnan(lost).sum())} could not be fitted",
            )
    exact = draws is None and not names and form != "nearest"
    dof = float(max(used.sum() - PARAMETERS[form], 0)) if exact else 0.0
    covariance = None
    if dof > 0 and not isinstance(law, NearestRun):
        covariance = _covariance(law, points, y, np.where(used, w, 0.0), dof, loss)
    estimates = _estimates(law, drawn, covariance, dof, names, float(fitted[used].min()))
    if form == "floorless":  # its d_min is 0 by definition
        estimates = {k: e for k, e in estimates.items() if not k.startswith(("d_min", *_SCALES))}
    axes, overall = judge(points, y, w, draws, estimates, form, names)
    if form == "nearest":
        notes += ("no law was fitted: predictions repeat the nearest run",)
    if names:
        notes += (f"both exponents are shared by {len(names)} tasks",)
    log_y = np.log(np.where(used, y, 1.0))
    mass = np.where(used, w, 0.0)
    one_hot = np.equal.outer(member, np.arange(points.tasks)).astype(float)
    mean = ((mass * log_y) @ one_hot / np.maximum(mass @ one_hot, 1e-300))[member]
    variation = mass @ (log_y - mean) ** 2
    explained = mass @ np.nan_to_num(residuals) ** 2
    return SurfaceFit(
        name=form,
        form=FORMULAS[form],
        parameters=estimates,
        loss=float(losses[0]),
        loss_name=loss_label(loss, None),
        n=int(used.sum()),
        r2_log=float(1.0 - explained / variation) if variation > 0 else float("nan"),
        residuals=residuals,
        verdict=overall.verdict,
        reason=overall.reason,
        axes=axes,
        law=law,
        samples=drawn,
        covariance=covariance,
        dof=dof,
        groups=names,
        notes=notes,
        sigma_range=(float(x[used].min()), float(x[used].max())),
        params_range=(float(z[used].min()), float(z[used].max())),
    )


def fit_surfaces(
    sigma: ArrayLike,
    critic_params: ArrayLike,
    D: ArrayLike,
    *,
    form: SurfaceForm = "additive",
    loss: Loss = "log",
    tasks: Sequence[str] | None = None,
    weights: ArrayLike | None = None,
) -> tuple[FittedSurface, Floats]:
    """The same fit for a whole batch (levels, bootstraps), point estimates only.

    Args:
        sigma: (n,) as in `fit_surface`.
        critic_params: (n,) as in `fit_surface`.
        D: (..., n) env steps; NaN or inf entries are left out of their row.
        form: as in `fit_surface`.
        loss: as in `fit_surface`.
        tasks: as in `fit_surface`.
        weights: (n,) non-negative.

    Returns:
        The law with fields (..., 1), or (..., T, 1) with ``tasks``, and the losses (...); NaN for
        rows with too few points.

    Raises:
        ValueError: as `fit_surface`, except that rows with too few points become NaN.
    """
    _check_form(form, loss, tasks is not None)
    x, z = levels("sigma", sigma), levels("critic_params", critic_params)
    array = np.asarray(D, float)
    if z.size != x.size or array.ndim == 0 or array.shape[-1] != x.size:
        raise ValueError(
            f"D has shape {array.shape}, expected (..., {x.size}) for {x.size} sigma and "
            f"{z.size} critic_params"
        )
    rows = sample_rows("D", array.reshape(-1, x.size), x.size)
    names, member = labels(tasks, x.size)
    points = Points(x, z, member, max(len(names), 1), bool(names))
    law, value = solve_rows(
        points, rows, weights_like(weights, x.size)[None], form=form, log=loss == "log"
    )
    lead = array.shape[:-1]
    if isinstance(law, NearestRun):
        return NearestRun(law.data.reshape(array.shape), x, z), value.reshape(lead)
    parts = (np.asarray(getattr(law, f.name), float) for f in fields(law))
    return type(law)(*(p.reshape(*lead, *p.shape[1:]) for p in parts)), value.reshape(lead)


def _check_form(form: SurfaceForm, loss: Loss, shared: bool) -> None:
    if form not in FORMULAS:
        raise ValueError(f"form must be one of {', '.join(FORMULAS)}, got {form!r}")
    loss_label(loss, None)
    if searched(form) is None and form != "nearest" and loss != "log":
        raise ValueError(f"the {form} form is a regression of log D: use loss='log'")
    if shared and searched(form) is None:
        raise ValueError(f"the {form} form has no exponents that tasks could share")


def _free(law: FittedSurface, low: float) -> dict[str, bool]:
    """Whether each field is at a bound, by name; origins are not parameters at all."""
    low_end, high_end = EXPONENT_BOUNDS[0] * (1 + 1e-9), EXPONENT_BOUNDS[1] * (1 - 1e-9)
    bounds = {}
    for f in fields(law):
        value = np.asarray(getattr(law, f.name), float)
        if f.name.endswith("exponent"):
            bounds[f.name] = bool(np.any((value <= low_end) | (value >= high_end)))
        elif isinstance(law, SurfaceLaw) and f.name == "d_min":
            bounds[f.name] = bool(np.any(value <= _NEGLIGIBLE * low))
        elif isinstance(law, SurfaceLaw):
            bounds[f.name] = bool(np.any(value <= 0))
        elif f.name.endswith("floor"):
            bounds[f.name] = bool(np.any((value <= 0) | (value >= 1)))
        else:
            bounds[f.name] = f.name.endswith("origin")
    return bounds


def _covariance(
    law: FittedSurface, points: Points, y: Floats, w: Floats, dof: float, loss: Loss
) -> Floats:
    """Gauss-Newton covariance of the law's fields; those at a bound are held fixed."""
    used = w > 0
    x, z, y, w = points.sigma[used], points.critic_params[used], y[used], w[used]
    fitted = law(x, z)
    jacobian = log_gradient(law, lambda other: other(x, z))  # (n, p)
    residual = np.log(y / fitted)
    if loss == "plain":
        jacobian, residual = jacobian * fitted[:, None], y - fitted
    bound = np.array(list(_free(law, float(fitted.min())).values()))
    if isinstance(law, LogPolynomial):
        bound = np.array([float(getattr(law, f.name)) == 0.0 for f in fields(law)])
    jacobian = jacobian * np.sqrt(w)[:, None]
    size = np.sqrt((jacobian**2).sum(axis=0))
    free = ~bound & (size > 0)
    unit = jacobian[:, free] / size[free]
    noise = w @ residual**2 / dof
    covariance = np.zeros((bound.size, bound.size))
    inner = noise * np.linalg.pinv(unit.T @ unit, hermitian=True)
    covariance[np.ix_(free, free)] = inner / np.outer(size[free], size[free])
    return covariance


def _estimates(
    law: FittedSurface,
    drawn: FittedSurface | None,
    covariance: Floats | None,
    dof: float,
    names: tuple[str, ...],
    low: float,
) -> Mapping[str, Estimate]:
    if isinstance(law, NearestRun):
        return {}
    bounds = _free(law, low)
    derived = () if isinstance(law, LogPolynomial) else _SCALES
    derived += ("d_min",) if isinstance(law, ProductSurface) else ()
    errors = (
        {} if covariance is None else dict(zip(bounds, np.diag(covariance) ** 0.5, strict=True))
    )
    found: dict[str, Estimate] = {}
    for name in (*bounds, *derived):
        if name.endswith("origin"):
            continue
        value = np.asarray(getattr(law, name), float).reshape(-1)
        if isinstance(law, LogPolynomial) and name not in _used_terms(law):
            continue
        rows = None
        if drawn is not None:
            rows = np.asarray(getattr(drawn, name), float).reshape(-1, value.size)
        shared = name.endswith("exponent")
        for g in range(1 if shared or not names else value.size):
            key = name if shared or not names else f"{name}[{names[g]}]"
            flag = bounds.get(name, False)
            number = float(value[g])
            if rows is not None:
                found[key] = Estimate.from_samples(number, rows[:, g], at_bound=flag)
            elif covariance is None or flag or not np.isfinite(number):
                found[key] = Estimate(number, at_bound=flag)
            elif isinstance(law, LogPolynomial):
                error = float(errors[name])
                half = t_quantile(dof) * error
                found[key] = Estimate(number, number - half, number + half, error)
            else:
                found[key] = _log_interval(law, name, number, covariance, dof)
    return found


def _used_terms(law: LogPolynomial) -> tuple[str, ...]:
    linear = ("constant", "sigma_slope", "params_slope")
    square = ("sigma_square", "cross", "params_square")
    return linear + square if any(np.any(getattr(law, s)) for s in square) else linear


def _log_interval(
    law: FittedSurface, name: str, value: float, covariance: Floats, dof: float
) -> Estimate:
    """Student's t on the logarithm of one of the law's fields or properties."""
    if value <= 0:
        return Estimate(value)
    gradient = log_gradient(law, lambda other: np.asarray(getattr(other, name), float))
    with np.errstate(over="ignore", invalid="ignore"):
        error = float(delta_error(np.nan_to_num(gradient), covariance))
        factor = float(np.exp(np.float64(t_quantile(dof) * error)))
    return Estimate(value, value / factor, value * factor, value * error)
