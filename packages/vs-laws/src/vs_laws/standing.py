"""Statements about predictions: how they were checked, and what an axis does.

Three questions have three answers. How good a prediction is at a place is said by the `Prediction`
itself. Here, the law as a whole is

- *checked*: each run left out in turn, it predicts better than the nearest run;
- *not better than the nearest run*: it does not;
- *misfit*: left-out runs lie much further off than promised, so that intervals had to be widened.

An axis is *flat* (as a statement of size: doubling it changes D by less than 5 %), *falls*, *rises*,
or *not known*; *non-monotone* where D rises beyond noise between two places and falls between others.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from vs_laws.law import Floats
from vs_laws.level_law import LevelLaw
from vs_laws.verdict import Judgement, Verdict

MISFIT = 1.5
"""Variances that had to be multiplied by more than this are a misfit."""
FLAT = 0.05
"""A change of D by doubling an axis within this is *flat*."""
TOLERANCE = 1.05
"""A law may err this much more than the nearest run before it is *not better*."""

_WIDE = float(ndtri(0.95))  # of 90 % intervals
_CLOSE = 1e-9


@dataclass(frozen=True)
class Standing:
    """A law's errors with each run left out in turn, beside simpler predictors.

    Attributes:
        rms: root mean square of log(predicted/measured) of the law.
        nearest: the same of the nearest other run, of any one where several are equally near.
        constant: the same of the other runs' mean.
        inflate: what variances were multiplied by.
        n: (run, level) pairs compared.
    """

    rms: float
    nearest: float
    constant: float
    inflate: float
    n: int

    @property
    def judgement(self) -> Judgement:
        """The word with its sentence."""
        errors = (
            f"each run left out in turn, D is predicted to a factor {np.exp(self.rms):.2f} (rms); the "
            f"nearest run gives {np.exp(self.nearest):.2f}, a constant {np.exp(self.constant):.2f}"
        )
        if self.inflate > MISFIT:
            return Judgement(
                Verdict.MISFIT, f"variances were multiplied by {self.inflate:.1f}: {errors}"
            )
        if not self.rms <= TOLERANCE * self.nearest:
            return Judgement(Verdict.NOT_BETTER, errors)
        return Judgement(Verdict.CHECKED, errors)


@dataclass(frozen=True)
class Trend:
    """Change of D by doubling one axis in the middle of the runs, the others in their middle.

    Attributes:
        change: D after over D before, minus 1.
        low: lower end of its 90 % interval.
        high: upper end.
        span: largest over smallest place of the runs that reach a level.
        rise: the two places between which D rises beyond noise; None where it does not.
        fall: the two places between which it falls, 90 % certain; None where there are none.
    """

    axis: str
    change: float
    low: float
    high: float
    span: float
    rise: tuple[float, float] | None
    fall: tuple[float, float] | None

    @property
    def judgement(self) -> Judgement:
        """The word with its sentence."""
        size = f"doubling {self.axis} changes D by {_percent(self.change)} "
        size += f"[{_percent(self.low)}, {_percent(self.high)}]"
        if self.span < 2.0 - _CLOSE:
            short = f"the runs span a factor {self.span:.3g} of {self.axis}, less than a doubling"
            return Judgement(Verdict.NOT_KNOWN, f"{short}; {size}")
        if self.rise is not None:
            first, last = self.rise
            rises = f"D rises from {self.axis} {first:g} to {last:g}"
            if self.fall is None:
                return Judgement(Verdict.RISES, f"{rises}; {size}")
            falls = f"falls from {self.fall[0]:g} to {self.fall[1]:g}"
            return Judgement(Verdict.NON_MONOTONE, f"{rises} and {falls}; {size}")
        if self.low >= -FLAT and self.high <= FLAT:
            return Judgement(Verdict.FLAT, size)
        if self.high < 0.0:
            return Judgement(Verdict.FALLS, size)
        return Judgement(Verdict.RISES if self.low > 0.0 else Verdict.NOT_KNOWN, size)


def standing(law: LevelLaw) -> Standing:
    """Return a law's errors with each run left out, from its fit (no refit), and its rivals'."""
    entries = law.posteriors[0].entries
    gap = np.mean([p.gap for p in law.posteriors], axis=0)  # measured − predicted
    known = np.flatnonzero(np.isfinite(gap))
    column = np.searchsorted(np.unique(entries.t), entries.t)
    table = np.log(np.where(np.isfinite(law.measured.data), law.measured.data, np.nan))
    table = table[:, np.isin(law.measured.levels, law.fitted)]
    others = [_others(law, table, run, k) for run, k in zip(
        entries.run[known].tolist(), column[known].tolist(), strict=True)]  # fmt: skip
    near, constant = np.array(others).T
    compared = np.isfinite(near)
    squares = gap[known] ** 2, near, constant
    return Standing(
        *(float(np.sqrt(part[compared].mean())) if compared.any() else np.nan for part in squares),
        float(np.mean(law.inflate)), int(compared.sum()),
    )  # fmt: skip


def trend(law: LevelLaw, axis: str, level: float | None = None) -> Trend:
    """Return what doubling an axis does at a level, by default the middle one.

    The doubling lies within the runs, as close to their middle as it can. Rises and falls are looked for
    between all places that were run, with variances as they were before leaving runs out widened them:
    what the law cannot follow widens them most, and a rise is just that.

    Raises:
        ValueError: if the law has no such axis.
    """
    if axis not in law.axes:
        raise ValueError(f"the law is over {', '.join(law.axes)}, not over {axis}")
    at = float(law.fitted[len(law.fitted) // 2]) if level is None else level
    middle = dict(zip(law.axes, law.centre.tolist(), strict=True))

    def along(values: Floats) -> dict[str, Floats]:
        return {a: values if a == axis else np.full(len(values), v) for a, v in middle.items()}

    reached = np.isfinite(law.measured.data).any(axis=1)
    tried = np.unique(law.measured.places[axis][reached])
    first = max(min(middle[axis] / np.sqrt(2.0), tried[-1] / 2.0), tried[0])
    change, sd = law.contrast([1.0, -1.0], level=at, **along(np.array([2.0 * first, first])))
    promised = replace(law, inflate=(1.0,) * len(law.inflate))
    pairs = [(i, j) for i in range(len(tried)) for j in range(i + 1, len(tried))]
    rises = [promised.contrast([-1.0, 1.0], level=at, **along(tried[[i, j]])) for i, j in pairs]
    z = np.array([up / max(error, 1e-12) for up, error in rises])

    def places(pair: int) -> tuple[float, float]:
        return float(tried[pairs[pair][0]]), float(tried[pairs[pair][1]])

    low, high = change - _WIDE * sd, change + _WIDE * sd
    return Trend(
        axis, *(float(np.expm1(min(part, 700.0))) for part in (change, low, high)),
        span=float(tried[-1] / tried[0]),
        rise=places(int(z.argmax())) if z.max() > ndtri(1.0 - 0.05 / len(pairs)) else None,
        fall=places(int(z.argmin())) if z.min() < -_WIDE else None,
    )  # fmt: skip


def _others(law: LevelLaw, table: Floats, run: int, column: int) -> tuple[float, float]:
    """Return squared errors in log D of the run nearest to one, and of the mean of all others.

    Of several that are equally near, as on any grid, the mean squared error: their order says nothing.
    """
    rest = np.isfinite(table[:, column]) & (np.arange(len(table)) != run)
    if not rest.any():
        return float("nan"), float("nan")
    gaps = [np.log(values / values[run]) ** 2 for values in law.measured.places.values()]
    distance = np.sum(gaps, axis=0)
    near = rest & (distance <= distance[rest].min() + 1e-9)
    error = table[:, column] - table[run, column]
    return float(np.mean(error[near] ** 2)), float(error[rest].mean() ** 2)


def _percent(change: float) -> str:
    return f"{100.0 * change:+.0f} %"
