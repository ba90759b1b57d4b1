"""The law of returns: a saturating curve of one run, with intervals and a verdict.

    R(C) = R0 + (A − R0) / (1 + (C_mid/C)^B)

(the compute-performance curve of ScaleRL, arXiv:2510.13786) over C in FLOPs or env steps: learning starts
at R0 and ends at A, and half of the rise is done at C_mid. It says how far a run will go; the data law
says when a run gets to a level.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from vs_laws._return_curve import (
    EXPONENT_BOUNDS,
    autoregressive,
    blocks,
    correlation,
    means,
    share_done,
    solve_curves,
    windows,
)
from vs_laws._return_points import checked_bootstraps, checked_curve
from vs_laws.law import Floats, Law, Numbers, from_json_numbers, json_numbers
from vs_laws.prediction import Kind
from vs_laws.result import Estimate, Fit, percentiles
from vs_laws.verdict import Judgement, Verdict, worst_reversal

MAX_RATIO = 2.0
"""A rise A − R0 whose 95 % interval has high / low above this does not identify the asymptote."""

_WINDOWS = 8  # of a curve, between which it must rise and must not fall
_EDGE = 1e-3  # relative: a search in a box stops this near to its bounds


@dataclass(frozen=True)
class ReturnLaw(Law):
    """``R = start + (asymptote − start) / (1 + (midpoint/x)^exponent)`` over one axis."""

    start: Numbers
    asymptote: Numbers
    midpoint: Numbers
    exponent: Numbers

    signed = ("start", "asymptote")
    scaling = ("start", "asymptote")

    def value(self, *x: Floats) -> Floats:
        """Return the law at x ≥ 0; ``start`` at 0."""
        share = share_done(np.log(x[0]), np.log(self.midpoint), np.asarray(self.exponent))
        return self.start + (np.asarray(self.asymptote) - self.start) * share


@dataclass(frozen=True)
class ReturnForecast:
    """Returns of a run at places on its axis.

    Attributes:
        value: (m,) the law.
        draws: (S, m) the law of every bootstrap.
        noise: standard deviation of an evaluation about the law.
        kind: ``"run"`` for what the run's evaluations measure, ``"law"`` for the law itself.
    """

    value: Floats
    draws: Floats
    noise: float
    kind: Kind

    def interval(self, level: float = 0.9) -> tuple[Floats, Floats]:
        """Return the ends of the interval that holds the return with probability ``level``.

        The law's part is a percentile interval, widened to hold the value; an evaluation's noise is
        added in squares.

        Raises:
            ValueError: if the level is not between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"the level of an interval must be between 0 and 1, got {level:g}")
        tail = 0.5 * (1.0 - level)
        ends = np.nanquantile(self.draws, [tail, 1.0 - tail], axis=0)
        away = np.maximum([self.value - ends[0], ends[1] - self.value], 0.0)
        noise = -ndtri(tail) * self.noise if self.kind == "run" else 0.0
        below, above = np.hypot(away, noise)
        return self.value - below, self.value + above


@dataclass(frozen=True, kw_only=True)
class ReturnFit(Fit):
    """A fitted law of returns; residuals are returns − law, and R² is of the returns themselves.

    Attributes:
        noise: standard deviation of an evaluation about the law, in units of return.
        r2: R² of the returns; NaN where they do not vary.
    """

    noise: float = float("nan")
    r2: float = float("nan")

    def predict(self, *, task: str | None = None, **axes: ArrayLike) -> Estimate:
        """Return the law with its 95 % interval, widened to hold the law; see `Fit.predict`."""
        found = super().predict(task=task, **axes)
        return _holding(found)

    def forecast(self, x: ArrayLike, *, kind: Kind = "run") -> ReturnForecast:
        """Predict the returns at places x (m,) of the law's axis, of this run or of its law.

        ``kind="run"`` is about evaluations as they were fitted: means over as many seeds.
        """
        at = {self.axes[0]: np.atleast_1d(np.asarray(x, float))}
        return ReturnForecast(self.law(**at), self.draws(**at), self.noise, kind)

    @property
    def goodness(self) -> str:
        """R² of the returns, in words."""
        return f"R2 = {self.r2:.4f}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values; `from_dict` brings back a fit that predicts."""
        return {**super().to_dict(), "noise": json_numbers(self.noise), "r2": json_numbers(self.r2)}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Self:
        """Bring back a fit from its `to_dict`."""
        numbers = {name: float(from_json_numbers(entry[name])) for name in ("noise", "r2")}
        return replace(super().from_dict(entry), **numbers)


def fit_return_law(
    returns: ArrayLike,
    /,
    *,
    draws: ArrayLike | None = None,
    bootstraps: int = 100,
    seed: int = 0,
    **axis: ArrayLike,
) -> ReturnFit:
    """Fit R(C) to a learning curve, of one seed or the mean over seeds, by least squares.

    A is at least the highest mean over a tenth of the curve, A ≥ R0, and C_mid is searched inside the
    curve: one that has not done half of its rise does not say where it ends. Curves of more than a
    hundred evaluations are averaged to a hundred points.

    Evaluations that follow each other err alike, so intervals come from ``draws`` or, without them,
    from refits to the law plus first-order autoregressive noise that is like the residuals.

    Args:
        returns: (T,); NaN where there is no evaluation.
        draws: (S, T) the same for bootstraps over seeds.
        bootstraps: refits behind intervals without ``draws``.
        seed: of their noise.
        **axis: one axis by name, e.g. ``compute=`` (FLOPs) or ``env_step=``, (T,), increasing, not negative.

    Returns:
        Parameters ``start`` (R0), ``asymptote`` (A), ``midpoint`` (C_mid) and ``exponent`` (B).
        Verdicts: *flat* (no rise beyond noise), *non-monotone* (a fall beyond noise), *unidentified*
        (the asymptote is not known), else *supported*. Without ``draws`` noise is what the law leaves,
        misfit included, so that a fall has to be larger to be called one.

    Raises:
        ValueError: on mismatched lengths, an axis that does not increase, infinite returns, fewer than
            eight evaluations, or fewer than two bootstraps.
    """
    name, x, y = checked_curve(returns, axis)
    known = np.isfinite(y)
    given = checked_bootstraps(draws, y.size)
    if bootstraps < 2:
        raise ValueError(f"bootstraps must be at least 2, got {bootstraps}")
    x, y = x[known], y[known]
    starts = blocks(y.size)
    places = means(x, starts)[0]
    points, counts = means(y[None], starts)
    best = solve_curves(places, points, counts)
    law = _law(best[0], name)
    residuals = y - law(**{name: x})
    fitted = law(**{name: places})
    left = (points - fitted)[0]
    rho, dof = correlation(left)
    if given is None:
        sd, stream = float(np.sqrt(left @ left / dof)), np.random.default_rng(seed)
        rows = fitted + autoregressive(rho, sd, (bootstraps, left.size), stream)
        weights = np.broadcast_to(counts, rows.shape)
    else:
        rows, weights = means(given[:, known], starts)
    found = solve_curves(places, rows, weights)
    drawn = _law(found[:, :, None].swapaxes(0, 1), name)
    bounds = {
        "midpoint": (places[places > 0][0], places[-1]), "exponent": EXPONENT_BOUNDS,
    }  # fmt: skip
    parameters = {
        key: _holding(
            Estimate.from_draws(
                value, getattr(drawn, key), at_bound=_at_bound(float(value), bounds.get(key))
            )
        )
        for key, value in law.parameters().items()
    }
    several = windows(len(places), _WINDOWS)
    judgement = _judge(
        means(places, several)[0], means(points[0], several)[0], means(rows, several)[0],
        law, drawn, parameters["midpoint"], name, float(places[-1]),
    )  # fmt: skip
    squares = float(residuals @ residuals)
    variation = float(np.sum((y - y.mean()) ** 2))
    every = np.full(known.size, np.nan)
    every[known] = residuals
    return ReturnFit(
        form="returns",
        formula=f"R = start + (asymptote - start) / (1 + (midpoint / {name})^exponent)",
        law=law,
        draws=drawn,
        parameters=parameters,
        loss=squares / y.size,
        loss_name="MSE",
        n=int(y.size),
        r2_log=float("nan"),
        r2=1.0 - squares / variation if variation > 0 else float("nan"),
        residuals=every,
        verdict=judgement.verdict,
        reason=judgement.reason,
        judgements={name: judgement},
        ranges={name: (float(x[0]), float(x[-1]))},
        noise=float(np.sqrt(squares / y.size * left.size / dof)),
        notes=() if given is not None else (
            "intervals are of refits to autoregressive noise: no bootstraps over seeds were given",
        ),
    )  # fmt: skip


def _judge(
    x: Floats, y: Floats, rows: Floats, law: ReturnLaw, drawn: ReturnLaw, midpoint: Estimate,
    axis: str, end: float,
) -> Judgement:  # fmt: skip
    """Return the verdict from the means over windows (8,) of a curve, and of its bootstraps (S, 8)."""
    unit = float(np.ptp(y)) or 1.0
    if worst_reversal(x, y / unit, rows / unit) is None:
        return Judgement(Verdict.FLAT, "the return does not rise beyond noise")
    fall = worst_reversal(x, -y / unit, -rows / unit)
    if fall is not None:
        i, j = fall
        return Judgement(
            Verdict.NON_MONOTONE,
            f"the return falls from {y[i]:.4g} near {axis} {x[i]:.4g} to {y[j]:.4g} near {x[j]:.4g}, "
            "beyond noise; the law only rises",
        )
    if midpoint.at_bound or not midpoint.high < end * (1.0 - _EDGE):
        return Judgement(
            Verdict.UNIDENTIFIED,
            "half of the rise may lie beyond the data, so the asymptote is not identified; its estimate "
            "and interval assume that it does not",
        )
    low, high = percentiles(np.asarray(drawn.asymptote) - drawn.start)
    if not float(high[0]) <= MAX_RATIO * float(low[0]):
        return Judgement(
            Verdict.UNIDENTIFIED,
            f"the 95% interval of the rise, [{low[0]:.4g}, {high[0]:.4g}], spans more than a factor "
            f"{MAX_RATIO:g}, so the asymptote is not identified",
        )
    done = float(share_done(np.log(end), np.log(law.midpoint), np.asarray(law.exponent)))
    return Judgement(Verdict.SUPPORTED, f"{100 * done:.0f}% of the rise is done where the data end")


def _law(parts: Any, axis: str) -> ReturnLaw:
    asymptote, rise, midpoint, exponent = parts
    return ReturnLaw(asymptote - rise, asymptote, midpoint, exponent, axes=(axis,))


def _at_bound(value: float, bounds: tuple[float, float] | None) -> bool:
    return bounds is not None and not bounds[0] * (1 + _EDGE) < value < bounds[1] * (1 - _EDGE)


def _holding(estimate: Estimate) -> Estimate:
    """Return the estimate with an interval that holds its value."""
    low, high = (
        extreme(end, estimate.value)
        for extreme, end in ((np.minimum, estimate.low), (np.maximum, estimate.high))
    )
    if np.ndim(estimate.value) == 0:
        low, high = float(low), float(high)
    return replace(estimate, low=low, high=high)
