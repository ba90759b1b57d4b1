"""The end of a run predicted from its beginning: the law of returns beside simple rivals."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from vs_laws._return_points import checked_bootstraps, checked_curve
from vs_laws.law import Floats
from vs_laws.returns import ReturnFit, ReturnForecast, fit_return_law

RIVALS = ("last value", "log line", "late log line")
"""Simple predictors beside the law: the mean over the last tenth of the fitted part stays; a line in
log C through the fitted part; the same through its later half."""


@dataclass(frozen=True)
class HeldOutReturns:
    """The end of a curve, predicted from its beginning.

    Attributes:
        fit: of the beginning.
        x: (m,) places of the evaluations held out.
        measured: (m,) their returns.
        forecast: of the same run there.
        rivals: (m,) predictions by the names of `RIVALS`.
    """

    fit: ReturnFit
    x: Floats
    measured: Floats
    forecast: ReturnForecast
    rivals: Mapping[str, Floats]

    def rms(self, rival: str | None = None) -> float:
        """Return the root mean square error of the law, or of a rival, in units of return."""
        predicted = self.forecast.value if rival is None else self.rivals[rival]
        return float(np.sqrt(np.mean((predicted - self.measured) ** 2)))

    @property
    def bias(self) -> float:
        """Mean of law − measured."""
        return float(np.mean(self.forecast.value - self.measured))

    def coverage(self, level: float = 0.9) -> float:
        """Return the share of evaluations inside their intervals."""
        low, high = self.forecast.interval(level)
        return float(np.mean((low <= self.measured) & (self.measured <= high)))

    def width(self, level: float = 0.9) -> float:
        """Return the mean width of the intervals, in units of return."""
        low, high = self.forecast.interval(level)
        return float(np.mean(high - low))


def hold_out_returns(
    returns: ArrayLike,
    /,
    *,
    share: float = 0.5,
    draws: ArrayLike | None = None,
    bootstraps: int = 100,
    seed: int = 0,
    **axis: ArrayLike,
) -> HeldOutReturns:
    """Fit the beginning of a curve and predict its end: the evaluations beyond (1 − share) of the axis.

    Args:
        returns: (T,); NaN where there is no evaluation.
        share: of the axis' last value, between 0 and 1.
        draws: (S, T) the same for bootstraps over seeds.
        bootstraps: refits behind intervals without ``draws``.
        seed: of their noise.
        **axis: one axis by name, as of `fit_return_law`.

    Raises:
        ValueError: as `fit_return_law`, for the beginning; or a share out of range.
    """
    if not 0.0 < share < 1.0:
        raise ValueError(f"the share to hold out must be between 0 and 1, got {share:g}")
    name, x, y = checked_curve(returns, axis)
    rows = checked_bootstraps(draws, y.size)
    known = np.isfinite(y)
    early = x <= (1.0 - share) * x[known][-1]
    fit = fit_return_law(
        y[early], draws=None if rows is None else rows[:, early], bootstraps=bootstraps, seed=seed,
        **{name: x[early]},
    )  # fmt: skip
    later, early = known & ~early, known & early
    rivals = dict(zip(RIVALS, _rivals(x[early], y[early], x[later]), strict=True))
    return HeldOutReturns(fit, x[later], y[later], fit.forecast(x[later]), rivals)


def _rivals(x: Floats, y: Floats, at: Floats) -> tuple[Floats, Floats, Floats]:
    """Return what `RIVALS` predict at places from the points of the beginning."""
    last = np.full(at.size, y[-max(1, y.size // 10) :].mean())
    lines = []
    for first in (0.0, 0.5 * x[-1]):
        used = x > (first if np.sum(x > first) > 1 else 0.0)
        logs = np.log(x[used])
        slope = np.polyfit(logs - logs.mean(), y[used], 1)
        lines.append(np.polyval(slope, np.log(at) - logs.mean()))
    return last, lines[0], lines[1]
