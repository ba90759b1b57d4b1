"""Any two-axis form fitted to many rows of data: from points to laws with (B, …) fields."""

from dataclasses import dataclass, fields

import numpy as np

from vs_laws._surface_search import Form, solve
from vs_laws.forms import Floats
from vs_laws.surfaces import LogPolynomial, NearestRun, ProductSurface, SurfaceForm, SurfaceLaw

type FittedSurface = SurfaceLaw | ProductSurface | LogPolynomial | NearestRun

PARAMETERS: dict[SurfaceForm, int] = {
    "additive": 5,
    "floorless": 4,
    "product": 5,
    "log_linear": 3,
    "log_quadratic": 6,
    "nearest": 0,
}
"""Free parameters of a form for one task."""

_RANK = 1e-10  # eigenvalue ratio below which the columns of a regression are collinear


@dataclass(frozen=True)
class Points:
    """Where the runs are: σ and N (n,), and each point's task 0 … T−1.

    Attributes:
        named: whether laws have an axis of tasks, be it of length one.
    """

    sigma: Floats
    critic_params: Floats
    member: np.ndarray
    tasks: int = 1
    named: bool = False

    def least(self, values: Floats) -> Floats:
        """(T,) least value of each task."""
        return np.array([values[self.member == t].min() for t in range(self.tasks)])


def searched(form: SurfaceForm) -> Form | None:
    """The form if its exponents are searched, None for the linear ones and the nearest run."""
    return form if form in ("additive", "floorless", "product") else None


def solve_rows(
    points: Points, y: Floats, weights: Floats, *, form: SurfaceForm, log: bool
) -> tuple[FittedSurface, Floats]:
    """Fit every row of y (B, n), NaN = missing.

    Returns:
        The law with fields (B, 1), or (B, T, 1) for named tasks, and the losses (B,): the
        weighted mean squared residual. NaN for rows in which a task has fewer points than the
        form has parameters, or fewer than three distinct σ or N.
    """
    w = np.where(np.isfinite(y), weights, 0.0)
    if form == "nearest":
        return NearestRun(np.where(w > 0, y, np.nan), points.sigma, points.critic_params), np.full(
            len(y), 0.0
        )
    enough = _enough(points, w > 0, PARAMETERS[form])
    if (search := searched(form)) is None:
        return _regress(points, y, w, enough, quadratic=form == "log_quadratic")
    x, z = np.log(points.sigma), np.log(points.critic_params)
    x0, z0 = points.least(x), points.least(z)
    local = np.full((len(y), points.tasks, 3), np.nan)
    exponents, loss = np.full((len(y), 1, 2), np.nan), np.full(len(y), np.nan)
    if enough.any():
        found = solve(
            x - x0[points.member],
            z - z0[points.member],
            points.member,
            y[enough],
            w[enough],
            form=search,
            log=log,
        )
        local[enough], exponents[enough, 0], loss[enough] = (
            found.local,
            found.exponents,
            found.loss,
        )
    a, b, c = local[..., 0], local[..., 1], local[..., 2]
    alpha, beta = (np.broadcast_to(exponents[..., k], a.shape) for k in (0, 1))
    if form == "product":
        top, low = np.broadcast_to(np.exp(x0), a.shape), np.broadcast_to(np.exp(z0), a.shape)
        law: FittedSurface = ProductSurface(*_columns(points.named, a, b, alpha, c, beta, top, low))
    else:
        amplitudes = b * np.exp(alpha * x0), c * np.exp(beta * z0)
        law = SurfaceLaw(*_columns(points.named, a, amplitudes[0], alpha, amplitudes[1], beta))
    return law, loss


def pick(law: FittedSurface, index: int) -> FittedSurface:
    """One row of a batch: fields become floats, (T, 1) for named tasks, (n,) for nearest."""
    if isinstance(law, NearestRun):
        return NearestRun(law.data[index], law.sigma, law.critic_params)
    rows = [np.asarray(getattr(law, f.name), float)[index] for f in fields(law)]
    return type(law)(*(float(r[0]) if r.shape == (1,) else r for r in rows))


def log_regression(x: Floats, z: Floats, y: Floats, weights: Floats, *, quadratic: bool) -> Floats:
    """Weighted regression of log y (B, n): coefficients (B, 3) or (B, 6), NaN where collinear.

    Order: constant, log σ, log N, then (log σ)², log σ·log N, (log N)².
    """
    mx, mz = x.mean(), z.mean()
    dx, dz = x - mx, z - mz
    columns = [np.ones_like(dx), dx, dz]
    if quadratic:
        columns += [dx * dx, dx * dz, dz * dz]
    basis = np.stack(columns, axis=1)
    size = np.sqrt((basis**2).sum(axis=0)) + 1e-300
    basis = basis / size
    log_y = np.where(weights > 0, np.log(np.where(weights > 0, y, 1.0)), 0.0)
    total = weights.sum(axis=1, keepdims=True)
    unit = weights / np.where(total > 0, total, 1.0) * x.size
    gram = np.einsum("bn,ni,nj->bij", unit, basis, basis)
    right = (unit * log_y) @ basis
    eigen = np.linalg.eigvalsh(gram)
    good = eigen[:, 0] > _RANK * np.maximum(eigen[:, -1], 1e-300)
    gram[~good] = np.eye(basis.shape[1])
    c = np.linalg.solve(gram, right[..., None])[..., 0] / size
    c[~good] = np.nan
    if not quadratic:
        c[:, 0] -= c[:, 1] * mx + c[:, 2] * mz
        return c
    constant = (
        c[:, 0]
        - c[:, 1] * mx
        - c[:, 2] * mz
        + c[:, 3] * mx**2
        + c[:, 4] * mx * mz
        + c[:, 5] * mz**2
    )
    slope_x = c[:, 1] - 2.0 * c[:, 3] * mx - c[:, 4] * mz
    slope_z = c[:, 2] - c[:, 4] * mx - 2.0 * c[:, 5] * mz
    return np.column_stack([constant, slope_x, slope_z, c[:, 3:]])


def _regress(
    points: Points, y: Floats, w: Floats, enough: np.ndarray, *, quadratic: bool
) -> tuple[LogPolynomial, Floats]:
    x, z = np.log(points.sigma), np.log(points.critic_params)
    c = log_regression(x, z, y, w, quadratic=quadratic)
    c[~enough] = np.nan
    padded = np.zeros((len(y), 6))
    padded[:, : c.shape[1]] = c
    padded[np.isnan(c[:, 0])] = np.nan
    law = LogPolynomial(*(padded[:, k, None] for k in range(6)))
    residual = np.where(w > 0, np.log(np.where(w > 0, y, 1.0)), 0.0)
    residual = residual - np.log(law(points.sigma, points.critic_params))
    total = w.sum(axis=1)
    return law, np.sum(np.where(w > 0, w * residual**2, 0.0), axis=1) / np.where(
        total > 0, total, np.nan
    )


def _enough(points: Points, known: np.ndarray, parameters: int) -> np.ndarray:
    result = np.ones(len(known), bool)
    for task in range(points.tasks):
        here = known & (points.member == task)
        needed = parameters if points.tasks == 1 else 3
        result &= here.sum(axis=1) >= needed
        if points.tasks == 1:
            for values in (points.sigma, points.critic_params):
                distinct = np.equal.outer(values, np.unique(values)).astype(float)
                result &= ((here @ distinct) > 0).sum(axis=1) >= 3
    return result


def _columns(named: bool, *parts: Floats) -> list[Floats]:
    """(B, T) parameters as fields: (B, T, 1), or without names (T = 1) (B, 1)."""
    return [part[..., None] if named else part for part in parts]
