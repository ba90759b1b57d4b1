"""Fit the data law over named axes, in any registered form."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from vs_laws import sharing
from vs_laws._epilogue import at_points, covariance_of, estimates_of, finish
from vs_laws._judge import judge
from vs_laws._points import (
    Points,
    bootstrap_notes,
    bootstrap_rows,
    observed,
    points,
    weights_like,
)
from vs_laws.law import Floats, Law
from vs_laws.registry import Form, form_named
from vs_laws.result import Fit

type Loss = Literal["log", "plain"]
type Share = Literal["exponents", "shape", "median", "nothing"]


def fit_data_law(
    y: ArrayLike,
    /,
    *,
    form: str = "additive",
    loss: Loss = "log",
    huber: float | None = None,
    tasks: Sequence[str] | None = None,
    share: Share = "exponents",
    scales: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    draws: ArrayLike | None = None,
    **axes: ArrayLike | None,
) -> Fit:
    """Fit the data needed to reach a level against one axis or several.

    The papers' form is ``"additive"``, a floor and one falling term per axis, all ≥ 0: over σ it is
    eq. 4.1 of arXiv:2502.04327, over σ and N the D_J(σ, N) of arXiv:2508.14881; `FORMS` lists the
    rivals. Exponents are searched in [0.01, 10] for the global optimum of that box (`vs_laws._search`);
    of 8,000 noisy data sets over one and two axes, a denser search went lower in one.

    Args:
        y: (n,) values, e.g. env steps to a level; NaN or inf (censored) points are left out, with a
            note.
        form: name of the form in `FORMS`.
        loss: mean squared residual of ``"log"`` y, or of ``"plain"`` y.
        huber: residuals beyond this size (log units, or the units of y) count linearly.
        tasks: (n,) label of each point's task.
        share: what tasks have in common: the ``"exponents"``; the ``"shape"`` (exponents and the
            floor's share, in log space; needs every task at every place, and ``loss="log"``); the
            shape by the papers' ``"median"`` normalisation (likewise complete); or ``"nothing"``.
        scales: (T,) medians for ``share="median"``; by default those of y.
        weights: (n,) non-negative.
        draws: (S, n) bootstraps of y; non-finite entries are left out of their bootstrap only, points
            that y lacks of all of them. Intervals are percentiles over them; without them Student's t
            (tasks that share exponents have none).
        **axes: places by name, each (n,) and positive, e.g. ``sigma=…, critic_params=…``; None is
            left out.

    Returns:
        Parameters by form; for ``"additive"`` d_min, and ``sigma_amplitude``, ``sigma_exponent`` and
        ``sigma_scale`` for every axis.

    Raises:
        ValueError: on mismatched lengths, values that are not positive, fewer points than
            parameters, fewer than three distinct places on an axis, an unknown form, loss or way to
            share, or a combination of them that has no meaning.
    """
    law = _checked(form, loss, huber, share if tasks is not None else None)
    where = points(axes, tasks)
    values, notes = observed("y", y, len(where.x))
    w = weights_like(weights, len(values))
    rows = bootstrap_rows("draws", draws, len(values))
    problem = _Problem(law, loss, huber)
    if tasks is None or share == "exponents":
        return problem.fit(where, values, w, rows, notes)
    if share == "nothing":
        return sharing.nothing(where, values, w, rows, notes, problem.fit)
    return sharing.shape(
        where, values, w, rows, notes, problem.fit, median=share == "median", scales=scales
    )


def solve_data_laws(
    y: ArrayLike,
    /,
    *,
    form: str = "additive",
    loss: Loss = "log",
    huber: float | None = None,
    tasks: Sequence[str] | None = None,
    weights: ArrayLike | None = None,
    **axes: ArrayLike | None,
) -> tuple[Any, Floats]:
    """Fit a whole batch of data sets (levels, bootstraps) on the same places: estimates only.

    Args:
        y: (..., n) values; NaN or inf entries are left out of their row.
        form: as in `fit_data_law`.
        loss: as in `fit_data_law`.
        huber: as in `fit_data_law`.
        tasks: as in `fit_data_law`; they share their exponents.
        weights: (n,) non-negative.
        **axes: as in `fit_data_law`.

    Returns:
        The law with fields (..., 1), or (..., T, 1) with ``tasks``, and the losses (...); NaN for
        rows with too few points.

    Raises:
        ValueError: as `fit_data_law`, except that rows with too few points become NaN.
    """
    law = _checked(form, loss, huber, None if tasks is None else "exponents")
    where = points(axes, tasks)
    array = np.asarray(y, float)
    if array.ndim == 0 or array.shape[-1] != len(where.x):
        raise ValueError(f"y has shape {array.shape}, expected (..., {len(where.x)})")
    rows = bootstrap_rows("y", array.reshape(-1, len(where.x)), len(where.x))
    found, losses = _Problem(law, loss, huber).rows(
        where, np.asarray(rows), weights_like(weights, len(where.x))
    )
    lead = array.shape[:-1]
    parts = {
        entry.name: np.asarray(getattr(found, entry.name)).reshape(
            *lead, *np.shape(getattr(found, entry.name))[1:]
        )
        for entry in found.entries()
        if entry.metadata.get("shape") != "constant"
    }
    return replace(found, **parts), losses.reshape(lead)


@dataclass(frozen=True)
class _Problem:
    """One registered form with its loss."""

    form: Form
    loss: Loss
    huber: float | None

    @property
    def loss_name(self) -> str:
        base = "MSE" if self.huber is None else f"Huber({self.huber:g})"
        return f"log {base}" if self.loss == "log" else base

    def rows(self, where: Points, y: Floats, weights: Floats) -> tuple[Law, Floats]:
        """Return the law of every row of y (B, n), NaN = missing, and its loss (B,)."""
        w = np.where(np.isfinite(y), weights, 0.0)
        return self.form.solve(where, y, w, self.loss == "log", self.huber)

    def fit(
        self,
        where: Points,
        y: Floats,
        w: Floats,
        draws: Floats | None,
        notes: tuple[str, ...],
    ) -> Fit:
        """Fit one law, or one whose exponents tasks share, with all that belongs to a `Fit`."""
        used = np.isfinite(y) & (w > 0)
        w = np.where(used, w, 0.0)
        laws, losses = self.rows(where, y[None], w)
        axes = len(where.axes)
        if np.isnan(losses[0]):
            needs = f"three distinct places on {' and '.join(where.axes)}"
            if where.count > 1:
                needs = "three points of each task"
            raise ValueError(
                f"the {self.form.name} form has {self.form.parameters(axes)} parameters and needs at "
                f"least as many points with y known, and {needs}"
            )
        law = laws.at(0) if where.tasks else laws.at((0, 0))
        drawn = None
        if draws is not None:
            drawn, lost = self.rows(where, draws, w)
            notes += bootstrap_notes(draws, used, int(np.isnan(lost).sum()))
        named = law.parameters()
        fitted = at_points(law, where)
        bounds = law.at_bounds(float(fitted[used].min())) if named else {}
        dof, covariance = 0.0, None
        if draws is None and not where.tasks and named:
            dof = float(max(used.sum() - self.form.parameters(axes), 0))
            covariance = covariance_of(law, bounds, where, y, w, dof, self.loss) if dof else None
        if self.huber is not None and draws is None:
            notes += ("intervals take the residuals for Gaussian; use draws under a Huber loss",)
        parameters = estimates_of(
            law, drawn, bounds, covariance, dof, where.tasks, fixed=self.form.fixed
        )
        if not named:
            notes += ("no law was fitted: predictions repeat the nearest run",)
        if len(where.tasks) > 1:
            notes += (f"the exponents are shared by {where.count} tasks",)
        return finish(
            where, y, w, law, drawn, parameters,
            judge(where, np.where(used, y, np.nan), w, draws, parameters, self.form),
            form=self.form.name, formula=self.form.formula(where.axes), loss=float(losses[0]),
            loss_name=self.loss_name, covariance=covariance, dof=dof, notes=notes,
        )  # fmt: skip


def _checked(form: str, loss: str, huber: float | None, share: str | None) -> Form:
    found = form_named(form)
    if loss not in ("log", "plain"):
        raise ValueError(f"loss must be 'log' or 'plain', got {loss!r}")
    if loss not in found.losses:
        raise ValueError(f"the {form} form is a regression of log y: use loss='log'")
    if huber is not None and not huber > 0:
        raise ValueError(f"huber must be positive (or None for least squares), got {huber!r}")
    if huber is not None and not found.shares:
        raise ValueError(f"the {form} form has no Huber loss")
    if share not in (None, "exponents", "shape", "median", "nothing"):
        raise ValueError(
            f"share must be 'exponents', 'shape', 'median' or 'nothing', got {share!r}"
        )
    if share == "exponents" and not found.shares:
        raise ValueError(f"the {form} form has no exponents that tasks could share")
    if share is not None and found.parameters(1) == 0:
        raise ValueError(f"the {form} form takes one task at a time")
    if share == "shape" and loss != "log":
        raise ValueError("share='shape' needs loss='log', where a task's scale is an intercept")
    return found
