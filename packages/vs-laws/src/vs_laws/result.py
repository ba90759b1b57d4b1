"""What every fit returns: estimates, a verdict, a report, JSON and predictions with intervals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from math import isfinite, isnan

import numpy as np
from numpy.typing import ArrayLike

from vs_laws.forms import DataLaw, Floats, OffsetPowerLaw, PowerLaw
from vs_laws.verdict import LEVEL, Verdict, t_quantile

type Law = PowerLaw | DataLaw | OffsetPowerLaw

PERCENTILES = (50.0 * (1.0 - LEVEL), 50.0 * (1.0 + LEVEL))
"""The percentiles of the bootstrap that bound an interval."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and standard error; NaN where unknown.

    Attributes:
        value: point estimate (from the data themselves, not a bootstrap mean).
        low: lower end of the interval.
        high: upper end of the interval.
        std_error: standard deviation over bootstraps, else the least-squares standard error.
        at_bound: whether the search stopped at a bound of this parameter.
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")
    std_error: float = float("nan")
    at_bound: bool = False

    @classmethod
    def from_samples(
        cls, value: float, samples: ArrayLike, *, at_bound: bool = False
    ) -> "Estimate":
        """Percentile interval and standard deviation of ``samples``; NaN entries are left out."""
        known = np.asarray(samples, float).ravel()
        known = known[~np.isnan(known)]
        if known.size < 2:
            return cls(float(value), at_bound=at_bound)
        finite = known[np.isfinite(known)]
        with np.errstate(over="ignore"):  # samples of β reach 1e300
            error = float(finite.std(ddof=1)) if finite.size == known.size else float("inf")
        low, high = percentiles(known[:, None])
        return cls(float(value), float(low[0]), float(high[0]), error, at_bound)

    def to_dict(self) -> dict[str, object]:
        """JSON-able; see `json_number` for values that are not finite."""
        return {
            "value": json_number(self.value),
            "low": json_number(self.low),
            "high": json_number(self.high),
            "std_error": json_number(self.std_error),
            "at_bound": bool(self.at_bound),
        }

    def __str__(self) -> str:
        percent = 100.0 * self.std_error / abs(self.value) if self.value else float("nan")
        error = "" if isnan(self.std_error) else f" ± {self.std_error:.3g}"
        error += f" ({percent:.2g}%)" if error and percent < 1000 else ""
        unknown = isnan(self.low) and isnan(self.high)
        interval = " [interval unknown]" if unknown else f" [{self.low:.5g}, {self.high:.5g}]"
        return f"{self.value:.5g}{error}{interval}{'  at bound' if self.at_bound else ''}"


@dataclass(frozen=True)
class Prediction:
    """Predicted values with their 95 % interval; the arrays share one shape."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, kw_only=True)
class Report:
    """What every fitted law reports, whatever its arguments.

    Attributes:
        form: the formula, in words.
        parameters: estimates by name; per-group ones are called ``name[group]``.
        loss: value reached, per unit of weight.
        loss_name: what ``loss`` is, e.g. ``"log MSE"``.
        n: data points used.
        r2_log: R² in log space (within groups when there are several); NaN without variation.
        residuals: log(y) − log(fit) in the order of the data; NaN where a point was left out.
        verdict: whether the data support the law.
        reason: the sentence behind the verdict.
        dof: degrees of freedom behind intervals without bootstraps.
        groups: labels of the G groups; empty for one law.
        notes: what a reader must know (dropped points, loss, convention).
    """

    form: str
    parameters: Mapping[str, Estimate]
    loss: float
    loss_name: str
    n: int
    r2_log: float
    residuals: Floats
    verdict: Verdict
    reason: str
    dof: float = 0.0
    groups: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def supported(self) -> bool:
        """Whether the verdict is *supported*."""
        return self.verdict is Verdict.SUPPORTED

    @property
    def bootstraps(self) -> int:
        """Number of bootstraps behind the intervals; 0 without any."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, object]:
        """JSON-able summary without the bootstrap samples; see `json_number` for non-finite values.

        Keys: form, verdict, reason, parameters (name → value, low, high, std_error, at_bound),
        loss, loss_name, n, r2_log, residuals, groups, bootstraps, notes.
        """
        return {
            "form": self.form,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "parameters": {name: p.to_dict() for name, p in self.parameters.items()},
            "loss": json_number(self.loss),
            "loss_name": self.loss_name,
            "n": int(self.n),
            "r2_log": json_number(self.r2_log),
            "residuals": [json_number(r) for r in np.ravel(self.residuals)],
            "groups": list(self.groups),
            "bootstraps": self.bootstraps,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        if self.bootstraps:
            source = f"95% percentile intervals of {self.bootstraps} bootstraps"
        elif self.dof > 0:
            source = f"95% t intervals, {self.dof:g} degrees of freedom"
        else:
            source = "no intervals"
        title = f"parameters ({source})"
        if not self.supported:
            title += f" -- NOT SUPPORTED BY THE DATA ({self.verdict}), do not extrapolate"
        width = max((len(name) for name in self.parameters), default=0)
        lines = [
            f"[[{self.form}]]",
            f"  verdict: {self.verdict} -- {self.reason}",
            f"  n = {self.n}   {self.loss_name} = {self.loss:.6g}   R2 (log) = {self.r2_log:.4f}",
            f"  {title}",
            *(f"    {name:<{width}} = {p}" for name, p in self.parameters.items()),
        ]
        lines += ["  notes", *(f"    - {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Fit[L: Law](Report):
    """One fitted law of one argument.

    Attributes:
        law: the fitted law; fields are scalars, or (G, 1) for G groups.
        samples: the law of every bootstrap, fields (K, 1) or (K, G, 1); NaN where a bootstrap
            could not be fitted; None without bootstraps.
        covariance: (p, p), or (G, p, p), of the law's fields in their order, when known; used for
            intervals without bootstraps. Rows of parameters at a bound are 0.
    """

    law: L
    samples: L | None = None
    covariance: Floats | None = None

    @property
    def bootstraps(self) -> int:
        """Number of bootstraps behind the intervals; 0 without any."""
        if self.samples is None:
            return 0
        return int(np.shape(getattr(self.samples, fields(self.samples)[0].name))[0])

    def predict(self, x: ArrayLike, *, group: str | None = None) -> Prediction:
        """Value and 95 % interval of the law (its mean curve, not a new noisy measurement) at x.

        The interval is the percentile interval over ``samples``; without them the delta method on
        the log of the prediction with Student's t; NaN when neither is available.

        Args:
            x: any shape, positive.
            group: the group to predict; by default all of them.

        Returns:
            Arrays of shape ``x.shape``, or ``(G, *x.shape)`` for a fit with groups and
            ``group=None``.

        Raises:
            ValueError: if x is not positive, or the group is unknown.
        """
        points = np.asarray(x, float)
        if not np.all(points > 0):
            raise ValueError(f"predict: x must be positive, got {points.min():.6g}")
        pick: slice | int = slice(None)
        if group is not None:
            if group not in self.groups:
                known = ", ".join(self.groups) or "none, the fit has a single law"
                raise ValueError(f"predict: unknown group {group!r}, known groups: {known}")
            pick = self.groups.index(group)
        leading = (len(self.groups),) if self.groups and group is None else ()
        shape = leading + points.shape
        flat = points.ravel()

        def chosen(curve: Floats) -> Floats:
            """(…, G, m) to the chosen group(s); without groups, (…, m) as it is."""
            return curve[..., pick, :] if self.groups else curve

        value = chosen(self._evaluate(self.law, flat))
        if self.samples is not None:
            low, high = percentiles(chosen(self._evaluate(self.samples, flat)))
        elif self.covariance is not None and self.dof > 0:
            factor = np.exp(t_quantile(self.dof) * chosen(self._log_error(flat)))
            low, high = value / factor, value * factor
        else:
            low = high = np.full_like(value, np.nan)
        return Prediction(value.reshape(shape), low.reshape(shape), high.reshape(shape))

    def _evaluate(self, law: Law, x: Floats) -> Floats:
        """The law at x (m,), broadcast to the groups even where all its fields are shared."""
        curve = law(x)
        return np.atleast_2d(curve) if self.groups else curve

    def _log_error(self, x: Floats) -> Floats:
        """Standard error of log(law(x)) by the delta method, (…, m)."""
        jacobian = log_gradient(self.law, lambda law: law(x))
        return delta_error(jacobian, np.asarray(self.covariance, float))


def log_gradient[M](law: M, evaluate: Callable[[M], Floats]) -> Floats:
    """Derivatives of ``log(evaluate(law))`` by the law's fields, in their order, (…, p)."""
    gradient = []
    for entry in fields(law):  # ty: ignore[invalid-argument-type]
        centre = np.asarray(getattr(law, entry.name), float)
        step = 6e-6 * np.maximum(np.abs(centre), 1e-30)
        up = replace(law, **{entry.name: centre + step})  # ty: ignore[invalid-argument-type]
        down = replace(law, **{entry.name: centre - step})  # ty: ignore[invalid-argument-type]
        gradient.append((np.log(evaluate(up)) - np.log(evaluate(down))) / (2.0 * step))
    return np.stack(np.broadcast_arrays(*gradient), axis=-1)


def delta_error(jacobian: Floats, covariance: Floats) -> Floats:
    """Standard errors (…) of quantities with the gradient (…, p) in parameters."""
    variance = np.sum((jacobian @ covariance) * jacobian, axis=-1)
    return np.sqrt(np.maximum(variance, 0.0))


def json_number(value: float) -> float | str | None:
    """A finite float as it is, NaN (unknown) as None, infinities as ``"inf"`` and ``"-inf"``."""
    number = float(value)
    if isnan(number):
        return None
    return number if isfinite(number) else ("inf" if number > 0 else "-inf")


def percentiles(samples: Floats) -> tuple[Floats, Floats]:
    """2.5 % and 97.5 % percentiles over axis 0, leaving out NaN; NaN where nothing is left."""
    known = ~np.isnan(samples).all(axis=0)
    low, high = np.full(samples.shape[1:], np.nan), np.full(samples.shape[1:], np.nan)
    if known.any():
        ordered = samples[:, known]
        if np.isinf(ordered).any():  # interpolation between infinities would be NaN
            pair = np.nanpercentile(ordered, PERCENTILES, axis=0, method="closest_observation")
        else:
            pair = np.nanpercentile(ordered, PERCENTILES, axis=0)
        low[known], high[known] = pair
    return low, high
