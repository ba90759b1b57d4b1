"""Estimates with intervals, and the one `Fit` that every fitting function returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from vs_laws.law import Floats, Law, from_json_numbers, json_numbers
from vs_laws.verdict import LEVEL, Judgement, Verdict, t_quantile

PERCENTILES = (50.0 * (1.0 - LEVEL), 50.0 * (1.0 + LEVEL))
"""The percentiles of the bootstrap that bound an interval."""


@dataclass(frozen=True)
class Estimate:
    """A number, or an array of numbers, with its 95 % interval; NaN where unknown.

    Attributes:
        value: point estimate (from the data themselves, not a bootstrap mean).
        low: lower end of the interval, of the shape of ``value``.
        high: upper end of the interval.
        std_error: standard deviation over bootstraps, else the least-squares standard error.
        at_bound: whether the search stopped at a bound of this parameter.
    """

    value: Any
    low: Any = float("nan")
    high: Any = float("nan")
    std_error: Any = float("nan")
    at_bound: bool = False

    @classmethod
    def from_draws(
        cls, value: ArrayLike, draws: ArrayLike, *, at_bound: bool = False
    ) -> "Estimate":
        """Percentile interval and standard deviation over bootstraps.

        Args:
            value: a number, or an array.
            draws: (S, *shape of value) bootstraps; for a number any shape. NaN entries are left out;
                with fewer than two others there is no interval.
            at_bound: as the attribute.
        """
        centre = np.asarray(value, float)
        rows = np.asarray(draws, float).reshape(-1, *centre.shape)
        known = ~np.isnan(rows)
        low, high = percentiles(rows)
        with np.errstate(over="ignore", invalid="ignore"):  # draws of a scale reach 1e300
            error = np.full(centre.shape, np.inf)
            finite = np.isfinite(rows).sum(axis=0) == known.sum(axis=0)
            count = known.sum(axis=0)
            mean = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(count, 1)
            squares = np.where(known, (rows - mean) ** 2, 0.0).sum(axis=0)
            error = np.where(finite, np.sqrt(squares / np.maximum(count - 1, 1)), np.inf)
        few = count < 2
        parts = (centre, *(np.where(few, np.nan, part) for part in (low, high, error)))
        return cls(*(float(p) if p.ndim == 0 else p for p in parts), at_bound=at_bound)

    @classmethod
    def from_error(
        cls, value: float, error: float, dof: float, *, log: bool, at_bound: bool = False
    ) -> "Estimate":
        """Student's t interval, on the value or on its logarithm.

        Args:
            value: the number; positive with ``log``.
            error: its standard error, of the logarithm with ``log``.
            dof: degrees of freedom; without any there is no interval.
            log: whether the interval is symmetric on the logarithm.
            at_bound: as the attribute; such a number has no interval.
        """
        if dof <= 0 or at_bound or not np.isfinite([value, error]).all():
            return cls(float(value), at_bound=at_bound)
        half = t_quantile(dof) * error
        if not log:
            return cls(float(value), float(value - half), float(value + half), float(error))
        with np.errstate(over="ignore", invalid="ignore"):
            factor = float(np.exp(np.float64(half)))
            return cls(float(value), value / factor, value * factor, float(value * error))

    def times(self, factor: float) -> "Estimate":
        """Return the estimate in other units."""
        names = ("value", "low", "high", "std_error")
        return replace(self, **{name: getattr(self, name) * factor for name in names})

    def to_dict(self) -> dict[str, Any]:
        """Return value, low, high, std_error and at_bound, as `vs_laws.law.json_numbers` has it."""
        names = ("value", "low", "high", "std_error")
        numbers = {name: json_numbers(getattr(self, name)) for name in names}
        return {**numbers, "at_bound": bool(self.at_bound)}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Estimate":
        """Bring back an estimate from its `to_dict`."""
        names = ("value", "low", "high", "std_error")
        arrays = (from_json_numbers(entry[name]) for name in names)
        return cls(*(float(a) if a.ndim == 0 else a for a in arrays), bool(entry["at_bound"]))

    def __str__(self) -> str:
        if np.ndim(self.value):
            return f"{self.value} [{self.low}, {self.high}]"
        percent = 100.0 * self.std_error / abs(self.value) if self.value else float("nan")
        error = "" if np.isnan(self.std_error) else f" ± {self.std_error:.3g}"
        error += f" ({percent:.2g}%)" if error and percent < 1000 else ""
        unknown = np.isnan(self.low) and np.isnan(self.high)
        interval = " [interval unknown]" if unknown else f" [{self.low:.5g}, {self.high:.5g}]"
        return f"{self.value:.5g}{error}{interval}{'  at bound' if self.at_bound else ''}"


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted law over named axes: what was estimated, how sure it is, and what the data support.

    Attributes:
        form: name of the form in the registry, or of the kind of law.
        formula: the same in words.
        law: the fitted law; fields are scalars, (K,) per axis, or (T, 1) and (T, 1, K) for T tasks.
        draws: the law of every bootstrap, with a leading dimension S before a dimension for places:
            fields (S, 1) and (S, 1, K), or (S, T, 1) and (S, T, 1, K). NaN where a bootstrap could
            not be fitted; None without bootstraps. Index s of every ``draws`` is the same resample.
        parameters: estimates by name; those that differ by task are called ``name[task]``.
        loss: value reached, per unit of weight.
        loss_name: e.g. ``"log MSE"``.
        n: data points used.
        r2_log: R² in log space (within tasks when there are several); NaN without variation.
        residuals: log(y) − log(fit) in the order of the data; NaN where a point was left out.
        verdict: whether the data support the law.
        reason: the sentence behind the verdict.
        judgements: verdict and reason axis by axis.
        ranges: least and largest place of the fitted points, by axis.
        tasks: the T task labels; empty for one law.
        covariance: of ``parameters`` of ``law`` in their order, (P, P) or (T, P, P), for intervals
            without bootstraps; rows of parameters at a bound are 0.
        dof: degrees of freedom behind intervals without bootstraps.
        notes: what a reader must know (dropped points, conventions).
    """

    form: str
    formula: str
    law: Any
    draws: Any = None
    parameters: Mapping[str, Estimate]
    loss: float
    loss_name: str
    n: int
    r2_log: float
    residuals: Floats
    verdict: Verdict
    reason: str
    judgements: Mapping[str, Judgement] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]]
    tasks: tuple[str, ...] = ()
    covariance: Floats | None = None
    dof: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the law's axes."""
        return self.law.axes

    @property
    def supported(self) -> bool:
        """True where the verdict is *supported*, or *checked* by predictions of left-out runs."""
        return self.verdict in (Verdict.SUPPORTED, Verdict.CHECKED)

    @property
    def goodness(self) -> str:
        """R² in words."""
        return f"R2 (log) = {self.r2_log:.4f}"

    @property
    def bootstraps(self) -> int:
        """Number of bootstraps behind the intervals; 0 without any."""
        if self.draws is None:
            return 0
        first = self.draws.entries()[0].name
        return int(np.shape(getattr(self.draws, first))[0])

    def of(self, task: str) -> "Fit":
        """Return one task's fit, with its law, bootstrap and parameters.

        Raises:
            ValueError: if the task is unknown.
        """
        at = self._index(task)
        names = self.law.parameters()
        kept = {
            name.removesuffix(f"[{task}]"): estimate
            for name, estimate in self.parameters.items()
            if name.endswith(f"[{task}]") or not name.endswith("]")
        }
        whole = replace(self, parameters=kept, tasks=(), law=self.law.at((at, 0)))
        draws = None if self.draws is None else self.draws.at((slice(None), at))
        covariance = (
            None
            if self.covariance is None
            else np.reshape(self.covariance, (-1, len(names), len(names)))[at]
        )
        return replace(whole, draws=draws, covariance=covariance)

    def predict(self, *, task: str | None = None, **axes: ArrayLike) -> Estimate:
        """Return the law (its mean, not a new noisy measurement) with a 95 % interval.

        The interval is the percentile interval over ``draws``; without them the delta method on the
        logarithm with Student's t; NaN when neither is available.

        Args:
            task: the task to predict; by default all of them.
            **axes: places by axis, positive, broadcast against each other.

        Returns:
            Arrays of the places' shape, or (T, *shape) for a fit with tasks and ``task=None``.

        Raises:
            ValueError: if a place is not positive, or the task is unknown.
            TypeError: if an axis is missing or unknown.
        """
        if task is not None:
            return self.of(task).predict(task=None, **axes)
        places = dict(zip(axes, np.broadcast_arrays(*axes.values()), strict=True))
        for name, values in places.items():
            if not np.all(np.asarray(values) > 0):
                raise ValueError(f"predict: {name} must be positive, got {np.min(values):.6g}")
        shape = next(iter(places.values())).shape if places else ()
        flat = {name: np.ravel(values).astype(float) for name, values in places.items()}
        leading = (len(self.tasks),) if self.tasks else ()
        full = (*leading, np.prod(shape, dtype=int))
        value = np.broadcast_to(self.law(**flat), full)
        if self.draws is not None:
            low, high = percentiles(np.broadcast_to(self.draws(**flat), (self.bootstraps, *full)))
        elif self.covariance is not None and self.dof > 0:
            gradient = log_gradient(self.law, lambda law: law(**flat))
            error = delta_error(gradient, np.asarray(self.covariance, float))
            with np.errstate(over="ignore"):
                factor = np.exp(t_quantile(self.dof) * error)
            low, high = value / factor, value * factor
        else:
            low = high = np.full(full, np.nan)
        shape = (*leading, *shape)
        ends = (np.reshape(part, shape) for part in (value, low, high))
        value, low, high = (float(part) if part.ndim == 0 else part for part in ends)
        return Estimate(value, low, high)

    def _index(self, task: str) -> int:
        if task not in self.tasks:
            known = ", ".join(self.tasks) or "none, the fit has a single law"
            raise ValueError(f"unknown task {task!r}, known tasks: {known}")
        return self.tasks.index(task)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values; `from_dict` brings back a fit that predicts."""
        plain = ("form", "formula", "loss_name", "n", "reason", "dof")
        return {
            **{name: getattr(self, name) for name in plain},
            "verdict": self.verdict.value,
            "parameters": {name: p.to_dict() for name, p in self.parameters.items()},
            "loss": json_numbers(self.loss),
            "r2_log": json_numbers(self.r2_log),
            "residuals": json_numbers(self.residuals),
            "judgements": {axis: vars(j) for axis, j in self.judgements.items()},
            "ranges": {axis: list(ends) for axis, ends in self.ranges.items()},
            "tasks": list(self.tasks),
            "law": self.law.to_dict(),
            "draws": None if self.draws is None else self.draws.to_dict(),
            "covariance": None if self.covariance is None else json_numbers(self.covariance),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Self:
        """Bring back a fit from its `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: if an entry is missing or of another kind.
        """
        plain: dict[str, Any] = {
            name: str(entry[name]) for name in ("form", "formula", "loss_name", "reason")
        }
        for name in ("loss", "r2_log", "dof"):
            plain[name] = float(from_json_numbers(entry[name]))
        draws, covariance = entry["draws"], entry["covariance"]
        return cls(
            **plain,
            n=int(entry["n"]),
            verdict=Verdict(entry["verdict"]),
            parameters={k: Estimate.from_dict(v) for k, v in entry["parameters"].items()},
            residuals=from_json_numbers(entry["residuals"]),
            judgements={
                axis: Judgement(Verdict(j["verdict"]), str(j["reason"]))
                for axis, j in entry["judgements"].items()
            },
            ranges={
                axis: (float(low), float(high)) for axis, (low, high) in entry["ranges"].items()
            },
            tasks=tuple(entry["tasks"]),
            law=Law.from_dict(entry["law"]),
            draws=None if draws is None else Law.from_dict(draws),
            covariance=None if covariance is None else from_json_numbers(covariance),
            notes=tuple(entry["notes"]),
        )

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
        several = self.judgements if len(self.judgements) > 1 else {}
        lines = [
            f"[[{self.formula}]]",
            f"  verdict: {self.verdict} -- {self.reason}",
            *(f"  {axis}: {j.verdict} -- {j.reason}" for axis, j in several.items()),
            f"  n = {self.n}   {self.loss_name} = {self.loss:.6g}   {self.goodness}",
            f"  {title}",
            *(f"    {name:<{width}} = {p}" for name, p in self.parameters.items()),
        ]
        lines += ["  notes", *(f"    - {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines)


def log_gradient(law: Law, evaluate: Any) -> Floats:
    """Return derivatives of ``log(evaluate(law))`` by the law's parameters, in their order, (…, P)."""
    gradient = []
    for name, centre in law.parameters().items():
        step = 6e-6 * np.maximum(np.abs(centre), 1e-30)
        up, down = (law.with_parameters({name: centre + s}) for s in (step, -step))
        with np.errstate(all="ignore"):
            gradient.append((np.log(evaluate(up)) - np.log(evaluate(down))) / (2.0 * step))
    return np.stack(np.broadcast_arrays(*gradient), axis=-1)


def delta_error(gradient: Floats, covariance: Floats) -> Floats:
    """Return standard errors (…) of quantities with the gradient (…, P) in parameters."""
    variance = np.sum((gradient @ covariance) * gradient, axis=-1)
    return np.sqrt(np.maximum(variance, 0.0))


def percentiles(draws: Floats) -> tuple[Floats, Floats]:
    """Return 2.5 % and 97.5 % percentiles over axis 0, leaving out NaN; NaN where nothing is left."""
    known = ~np.isnan(draws).all(axis=0)
    low, high = np.full(draws.shape[1:], np.nan), np.full(draws.shape[1:], np.nan)
    if known.any():
        ordered = draws[:, known]
        if np.isinf(ordered).any():  # interpolation between infinities would be NaN
            pair = np.nanpercentile(ordered, PERCENTILES, axis=0, method="closest_observation")
        else:
            pair = np.nanpercentile(ordered, PERCENTILES, axis=0)
        low[known], high[known] = pair
    return low, high
