"""The forms of the data law, by name: the papers' and their rivals, and a door for more.

A form is what `fit_data_law` needs to know of a law: how to fit many data sets at once, and what its
verdicts may ask. The command line, the rivals of an evaluation and the report read `FORMS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vs_laws._lattice import Shape
from vs_laws._points import Points
from vs_laws._regress import design, regress
from vs_laws._search import solve as search
from vs_laws.forms import DataLaw, LogQuadratic, NearestRun, PowerLaw, ProductLaw
from vs_laws.law import Floats, Law

type Solver = Callable[[Points, Floats, Floats, bool, float | None], tuple[Law, Floats]]
"""(points, y (B, n) with NaN where missing, weights (B, n) with 0 there, log, huber) → law with fields
(B, 1), or (B, T, 1) for several tasks, and the loss (B,); NaN where a row cannot be fitted. Of a
`Points`, ``x`` (n, K), ``axes`` and ``places`` say where the data are, ``one_hot`` (n, T) of which task."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """One form of the data law.

    Attributes:
        name: its key in `FORMS`.
        formula: the law in words, given its axes.
        solve: fits many data sets at once.
        parameters: number of free parameters of one task over K axes.
        shares: whether tasks can share its exponents; such a form takes a Huber loss, too.
        losses: residuals that it can be fitted by: of ``log`` D, or ``plain``.
        falls: whether D falls along every axis, so that a rise speaks against it.
        floor: name of the parameter that D cannot fall below; empty without.
        fixed: endings of the names of parameters that the form does not estimate.
        levels: distinct places an axis must have for a verdict.
    """

    name: str
    formula: Callable[[tuple[str, ...]], str]
    solve: Solver
    parameters: Callable[[int], int]
    shares: bool = False
    losses: tuple[str, ...] = ("log",)
    falls: bool = False
    floor: str = ""
    fixed: tuple[str, ...] = ()
    levels: int = 3


FORMS: dict[str, Form] = {}
"""All forms by name, in the order of registration; the papers' form first."""


def register_form(form: Form) -> Form:
    """Add a form to `FORMS`, and return it.

    Raises:
        ValueError: if another form has that name.
    """
    if FORMS.setdefault(form.name, form) is not form:
        raise ValueError(f"a form called {form.name!r} is registered already")
    return form


def form_named(name: str) -> Form:
    """Return a registered form.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {name!r}")
    return FORMS[name]


def enough(points: Points, weights: Floats, parameters: int) -> NDArray[np.bool_]:
    """Return which rows (B, n) can be fitted: points for every parameter, three places on each axis.

    Of several tasks each needs three points.
    """
    known = weights > 0
    if points.count > 1:
        return (known @ points.one_hot >= 3).all(axis=1)
    result = known.sum(axis=1) >= parameters
    for places in points.x.T:
        distinct = np.equal.outer(places, np.unique(places)).astype(float)
        result &= ((known @ distinct) > 0).sum(axis=1) >= 3
    return result


def _terms(axes: tuple[str, ...]) -> str:
    return " + ".join(f"{a}_amplitude * {a}^-{a}_exponent" for a in axes)


def _saturating(shape: Shape) -> Solver:
    """Return the solver of a form whose exponents are searched."""
    floor = shape != "floorless"

    def solve_rows(
        points: Points, y: Floats, weights: Floats, log: bool, huber: float | None
    ) -> tuple[Law, Floats]:
        axes, tasks = len(points.axes), points.count
        logs = np.log(points.x)
        origin = np.stack([logs[points.member == t].min(axis=0) for t in range(tasks)])  # (T, K)
        good = enough(points, weights, floor + 2 * axes)
        local = np.full((len(y), tasks, 1 + axes), np.nan)
        exponents, loss = np.full((len(y), 1, axes), np.nan), np.full(len(y), np.nan)
        if good.any():
            found = search(
                logs - origin[points.member], points.member, y[good], weights[good],
                shape=shape, log=log, huber=huber,
            )  # fmt: skip
            local[good], exponents[good, 0], loss[good] = found.local, found.exponents, found.loss
        exponents = np.broadcast_to(exponents, local[..., 1:].shape)
        top, rest = local[..., 0], local[..., 1:]
        if shape == "product":
            start = np.broadcast_to(np.exp(origin), rest.shape)
            parts = (top, rest, exponents, start)
        else:
            parts = (top, rest * np.exp(exponents * origin), exponents)
        # a dimension for places; without named tasks there is none for them
        parts = (
            np.expand_dims(p if points.tasks else p[:, 0], -1 if p is top else -2) for p in parts
        )
        return (ProductLaw if shape == "product" else DataLaw)(*parts, axes=points.axes), loss

    return solve_rows


def _regression(*, quadratic: bool) -> Solver:
    """Return the solver of a form that is linear in its parameters, in log D."""

    def solve_rows(
        points: Points, y: Floats, weights: Floats, _log: bool, _huber: float | None
    ) -> tuple[Law, Floats]:
        axes = len(points.axes)
        logs = np.log(points.x)
        centre = logs.mean(axis=0)
        columns = design(logs - centre, quadratic=quadratic)
        log_y = np.log(np.where(weights > 0, y, 1.0))
        found = regress(columns, log_y, weights, points.one_hot)
        good = enough(points, weights, columns.shape[1] + 1)
        slope = np.where(good[:, None], found.slope[:, 0], np.nan)
        residual = log_y - found.intercept[:, :1] - slope @ columns.T
        with np.errstate(divide="ignore", invalid="ignore"):
            loss = np.einsum("bn,bn,bn->b", weights, residual, residual) / weights.sum(axis=1)
        constant, first = found.intercept[:, 0].copy(), slope[:, :axes].copy()
        place = axes
        for j in range(axes):  # from columns about the centre to columns about 0
            for k in range(j, axes) if quadratic else ():
                second = slope[:, place]
                constant += second * centre[j] * centre[k]
                first[:, j] -= second * centre[k]
                first[:, k] -= second * centre[j]
                place += 1
        constant -= slope[:, :axes] @ centre
        constant[~good] = np.nan
        if quadratic:
            law: Law = LogQuadratic(
                constant[:, None], first[:, None], slope[:, None, axes:], axes=points.axes
            )
        else:
            with np.errstate(over="ignore"):
                law = PowerLaw(np.exp(constant)[:, None], first[:, None], axes=points.axes)
        return law, loss

    return solve_rows


def _nearest(
    points: Points, y: Floats, weights: Floats, _log: bool, _huber: float | None
) -> tuple[Law, Floats]:
    known = np.where(weights > 0, y, np.nan)
    law = NearestRun(known[:, None], points.x, axes=points.axes)
    return law, np.zeros(len(y))


register_form(
    Form(
        name="additive",
        formula=lambda axes: "D = d_min + " + _terms(axes),
        solve=_saturating("additive"),
        parameters=lambda axes: 1 + 2 * axes,
        shares=True,
        losses=("log", "plain"),
        falls=True,
        floor="d_min",
        levels=4,
    )
)
register_form(
    Form(
        name="floorless",
        formula=lambda axes: "D = " + _terms(axes),
        solve=_saturating("floorless"),
        parameters=lambda axes: 2 * axes,
        shares=True,
        losses=("log", "plain"),
        falls=True,
        fixed=("d_min", "_scale"),  # 0 and inf by definition
    )
)
register_form(
    Form(
        name="product",
        formula=lambda axes: (
            "D = d_min * " + " * ".join(f"(1 + ({a}_scale/{a})^{a}_exponent)" for a in axes)
        ),
        solve=_saturating("product"),
        parameters=lambda axes: 1 + 2 * axes,
        shares=True,
        losses=("log", "plain"),
        falls=True,
        floor="d_min",
        levels=4,
    )
)
register_form(
    Form(
        name="log_linear",
        formula=lambda axes: "D = coefficient * " + " * ".join(f"{a}^{a}_exponent" for a in axes),
        solve=_regression(quadratic=False),
        parameters=lambda axes: 1 + axes,
    )
)
register_form(
    Form(
        name="log_quadratic",
        formula=lambda axes: f"log D = quadratic in log {', log '.join(axes)}, with cross terms",
        solve=_regression(quadratic=True),
        parameters=lambda axes: (axes + 1) * (axes + 2) // 2,
        levels=4,
    )
)
register_form(
    Form(
        name="nearest",
        formula=lambda axes: f"D of the run nearest in log {', log '.join(axes)}",
        solve=_nearest,
        parameters=lambda _axes: 0,
    )
)
