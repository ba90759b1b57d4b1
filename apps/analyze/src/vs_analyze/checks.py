"""Held-out numbers beside their predictions, and how accurate each predictor is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from vs_laws import Estimate


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
    """

    env: str
    quantity: str
    place: Mapping[str, float]
    level: float
    top: bool
    measured: Estimate
    predicted: Mapping[str, Estimate]

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
        """True where the law's interval and the measurement's overlap."""
        law = self.predicted["law"]
        return bool(law.low <= self.measured.high and self.measured.low <= law.high)

    def relative_error(self, predictor: str) -> float:
        """Return predicted / measured − 1."""
        return float(self.predicted[predictor].value / self.measured.value - 1)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "env": self.env, "quantity": self.quantity, "at": self.at, "place": dict(self.place),
            "level": self.level, "measured": self.measured.to_dict(),
            "predicted": {name: e.to_dict() for name, e in self.predicted.items()},
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
        covered: checks in which the predictor's interval and the measurement's overlap; None without
            intervals.
    """

    quantity: str
    predictor: str
    levels: Literal["all", "top"]
    n: int
    median: float
    p90: float
    rms_log: float
    covered: int | None


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
                    score = _score(quantity, name, levels, here)
                    found += [score] if score else []
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "hold_out": self.hold_out,
            "checks": [check.to_dict() for check in self.checks],
            "scores": [vars(score) for score in self.scores()],
            "censored": self.censored,
            "notes": list(self.notes),
        }


def _score(
    quantity: str, name: str, levels: Literal["all", "top"], checks: Sequence[Check]
) -> Score | None:
    own = [check for check in checks if name in check.predicted]
    error = np.array([check.relative_error(name) for check in own])
    known = np.isfinite(error)
    if not known.any():
        return None
    size, log = np.abs(error[known]), np.log1p(error[known])
    covered = sum(check.covered for check in own) if name == "law" else None
    return Score(
        quantity, name, levels, int(known.sum()), float(np.median(size)),
        float(np.quantile(size, 0.9)), float(np.sqrt(np.mean(log**2))), covered,
    )  # fmt: skip
