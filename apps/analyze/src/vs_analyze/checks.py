"""Held-out numbers beside their predictions, and how accurate each predictor is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from vs_laws import Estimate, scoring

NEAREST = ("nearest", "nearest run")
"""Names of the nearest run among predictors."""


@dataclass(frozen=True)
class Check:
    """One held-out number.

    Attributes:
        quantity: ``batch_size``, ``learning_rate``, ``data`` or ``compute``; along the budget also
            ``utd`` and ``critic_params``.
        place: the held-out place by axis; empty along the budget.
        top: whether the level is the task's highest.
        measured: with the interval over seeds.
        predicted: by predictor; NaN where a baseline does not apply.
        log_sd: standard deviation of log(measured) by predictor, where it gives an interval.
        per_step: C + δ·D over D of the run, in FLOPs; NaN where the batch size is not its own.
    """

    env: str
    quantity: str
    place: Mapping[str, float]
    level: float
    top: bool
    measured: Estimate
    predicted: Mapping[str, Estimate]
    log_sd: Mapping[str, float] = field(default_factory=dict)
    per_step: float = float("nan")

    @property
    def at(self) -> str:
        """The held-out place in words."""
        if not self.place:
            return f"level {self.level:g}"
        words = [f"utd {self.place['sigma']:g}"] if "sigma" in self.place else []
        if "critic_params" in self.place:
            words.append(f"N {self.place['critic_params']:,.0f}")
        return ", ".join(words)

    @property
    def covered(self) -> bool:
        """True where the measured value lies in the law's interval."""
        law = self.predicted["law"]
        return bool(law.low <= self.measured.value <= law.high)

    def relative_error(self, predictor: str) -> float:
        """Return predicted / measured − 1."""
        return float(self.predicted[predictor].value / self.measured.value - 1)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "env": self.env, "quantity": self.quantity, "at": self.at, "place": dict(self.place),
            "level": self.level, "measured": self.measured.to_dict(),
            "predicted": {name: e.to_dict() for name, e in self.predicted.items()},
            "log_sd": dict(self.log_sd),
            **({"covered": self.covered} if "law" in self.predicted else {}),
        }  # fmt: skip


@dataclass(frozen=True)
class Score:
    """The accuracy of one predictor on one quantity.

    Attributes:
        levels: ``all``, or each task's ``top`` level.
        n: checks compared.
        median: of |relative error|.
        p90: its 90th percentile.
        rms_log: root mean square of log(predicted/measured).
        skill: 1 − rms_log over that of the nearest run; NaN without one.
        noise: root mean square of the measurements' own standard deviation of log D over seeds: no
            predictor can be expected to err less.
        intervals: coverage, width and score of the predictor's intervals; None without any.
        ranked: share of pairs of one task's runs whose order is predicted right; None where pairs are
            not to be had.
        regret: mean of what the run with the least predicted C + δ·D costs more than the best one.
    """

    quantity: str
    predictor: str
    levels: Literal["all", "top"]
    n: int
    median: float
    p90: float
    rms_log: float
    skill: float
    noise: float
    intervals: scoring.Intervals | None
    ranked: float | None
    regret: float | None


@dataclass(frozen=True)
class Evaluation:
    """All checks of one hold-out.

    Attributes:
        hold_out: in words.
        censored: held-out numbers that were left out because the run does not reach the level.
        paired: whether scores compare only what every predictor predicts, at all levels and at the top.
    """

    hold_out: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    censored: int = 0
    paired: bool = False

    def scores(self) -> list[Score]:
        """Return one row per quantity, predictor and set of levels."""
        found = []
        for levels in ("top", "all") if self.paired else ("all",):
            kept = [c for c in self.checks if levels == "all" or c.top]
            if self.paired:
                kept = [
                    c for c in kept if np.isfinite([e.value for e in c.predicted.values()]).all()
                ]
            for quantity in dict.fromkeys(check.quantity for check in kept):
                here = [check for check in kept if check.quantity == quantity]
                names = dict.fromkeys(name for check in here for name in check.predicted)
                for name in names:
                    score = _score(quantity, name, levels, here, self.paired)
                    found += [score] if score else []
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "hold_out": self.hold_out,
            "checks": [check.to_dict() for check in self.checks],
            "scores": [
                {**vars(s), "intervals": None if s.intervals is None else vars(s.intervals)}
                for s in self.scores()
            ],
            "censored": self.censored,
            "notes": list(self.notes),
        }


def _score(
    quantity: str, name: str, levels: Literal["all", "top"], checks: Sequence[Check], paired: bool
) -> Score | None:
    own = [check for check in checks if name in check.predicted]
    error = np.array([check.relative_error(name) for check in own])
    known = np.isfinite(error)
    if not known.any():
        return None
    kept = [check for check, good in zip(own, known, strict=True) if good]
    size, log = np.abs(error[known]), np.log1p(error[known])
    rms = _rms(log)
    rival = next((n for n in NEAREST if all(n in check.predicted for check in kept)), None)
    near = float("nan")
    if rival is not None:
        near = _rms(np.log1p([check.relative_error(rival) for check in kept]))
    spread = np.array([check.log_sd.get(name, np.nan) for check in kept])
    inside = scoring.score_intervals(log, spread) if np.isfinite(spread).all() else None
    ranked = regret = None
    if paired and quantity == "data":
        ranked, regret = _choices(kept, name)
    noise = [float(scoring.log_sd(check.measured.low, check.measured.high)) for check in kept]
    return Score(
        quantity, name, levels, len(kept), float(np.median(size)), float(np.quantile(size, 0.9)), rms,
        1.0 - rms / near if near > 0 else float("nan"), _rms(np.array(noise)), inside, ranked, regret,
    )  # fmt: skip


def _choices(checks: Sequence[Check], name: str) -> tuple[float | None, float | None]:
    """Return the share of pairs ranked right, and the mean regret of the least predicted budget."""
    groups: dict[tuple[str, float], list[Check]] = {}
    for check in checks:
        groups.setdefault((check.env, check.level), []).append(check)
    right, pairs, regrets = 0, 0, []
    for own in groups.values():
        predicted = np.array([check.predicted[name].value for check in own])
        measured = np.array([check.measured.value for check in own])
        agree, of = scoring.ranked_right(predicted, measured)
        right, pairs = right + agree, pairs + of
        price = np.array([check.per_step for check in own])
        if len(own) > 1 and np.isfinite(price).all():
            regrets.append(scoring.regret(predicted * price, measured * price))
    return (right / pairs if pairs else None, float(np.mean(regrets)) if regrets else None)


def _rms(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(known**2))) if known.size else float("nan")
