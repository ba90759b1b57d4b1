"""Measured env steps to the levels of a task, with what is known of their noise."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vs_laws._noise import seed_variance, spacing_variance
from vs_laws.law import Floats, from_json_numbers, json_numbers

_USUAL_NOISE = 0.05  # variance of log D of one seed where no run has two
_NOISE_WEIGHT = 5.0  # seeds that a typical run's noise counts as beside a run's own


@dataclass(frozen=True)
class Measured:
    """Env steps of n runs to the J levels of one task.

    Attributes:
        data: (n, J); inf where a run did not reach the level, NaN where it was not measured.
        levels: (J,) increasing.
        places: (n,) by axis.
        noise: (n,) variance of log D over seeds, by run; NaN where it is not known.
        seeds: (n,) number of distinct seeds.
        spacing: (n,) env steps between evaluations.
        last_step: (n,) last env step, where a level not reached is censored.
    """

    data: Floats
    levels: Floats
    places: Mapping[str, Floats]
    noise: Floats
    seeds: Floats
    spacing: Floats
    last_step: Floats

    @classmethod
    def of(
        cls,
        data: ArrayLike,
        levels: ArrayLike,
        *,
        draws: ArrayLike | None = None,
        seeds: ArrayLike = 1,
        spacing: ArrayLike = 0.0,
        last_step: ArrayLike | None = None,
        **places: ArrayLike,
    ) -> "Measured":
        """Return measurements, checked.

        Args:
            data: (n, J) env steps.
            levels: (J,) increasing.
            draws: (S, n, J) bootstraps over seeds; without them the noise of a run is not known.
            seeds: one number or (n,).
            spacing: one number or (n,); 0 where crossings are known exactly.
            last_step: one number, (n,) or (n, J), of which the last column counts; NaN, and by default,
                what was not reached says nothing.
            **places: (n,) positive, by axis.

        Raises:
            ValueError: on shapes that do not fit, values, places, seeds or last steps that are not
                positive, levels that do not increase, or no level reached by any run.
        """
        table = np.atleast_2d(np.asarray(data, float))
        where = {name: np.asarray(values, float) for name, values in places.items()}
        heights = np.atleast_1d(np.asarray(levels, float))
        n, count = table.shape
        if heights.shape != (count,) or not _increasing(heights):
            raise ValueError(
                f"levels must be {count} increasing finite numbers, one per column of data"
            )
        if not where:
            raise ValueError("a law needs at least one axis, e.g. sigma=…")
        for name, values in where.items():
            if values.shape != (n,) or not np.all(np.isfinite(values) & (values > 0)):
                raise ValueError(f"{name} must be {n} positive numbers, one per row of data")
        if np.any(table <= 0):
            raise ValueError("data must be positive (inf where a level was not reached)")
        if not np.isfinite(table).any():
            raise ValueError("no run reaches any level; nothing can be fitted")
        many = _per_run(seeds, n, "seeds must be positive numbers")
        apart = _per_run(spacing, n, "spacing must be 0 or more", least=0.0)
        last = np.full(n, np.nan)
        if last_step is not None:
            last = np.asarray(last_step, float)
            last = last[:, -1] if last.ndim == 2 else last
            last = _per_run(last, n, "last_step must be positive", unknown=True)
        noise = np.full(n, np.nan)
        if draws is not None:
            rows = np.asarray(draws, float)
            if rows.shape[1:] != table.shape:
                raise ValueError(
                    f"draws has shape {rows.shape}, expected (bootstraps, {n}, {count})"
                )
            noise = _mean_known(seed_variance(rows, many[:, None]))
        return cls(table, heights, where, noise, many, apart, last)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the places' axes."""
        return tuple(self.places)

    @property
    def quantised(self) -> Floats:
        """(n,) variance of log D because evaluations are apart, averaged over levels."""
        return _mean_known(np.where(
            np.isfinite(self.data), spacing_variance(self.data, self.spacing[:, None]), np.nan
        ))  # fmt: skip

    @property
    def one_seed(self) -> float:
        """κ, the variance of log D of a run with one seed: the median over runs."""
        rounded = np.nan_to_num(self.quantised)
        kappa = self.seeds * np.maximum(self.noise - rounded, self.noise / 4.0)
        known = kappa[np.isfinite(kappa)]
        return float(np.median(known)) if known.size else _USUAL_NOISE

    @property
    def shrunk(self) -> Floats:
        """(n,) variance of log D of each run: its own, drawn to that of a typical run."""
        typical = self.one_seed / self.seeds + np.nan_to_num(self.quantised)
        drawn = (self.seeds * self.noise + _NOISE_WEIGHT * typical) / (self.seeds + _NOISE_WEIGHT)
        return np.where(np.isfinite(self.noise), drawn, typical)

    def without(self, left_out: ArrayLike) -> "Measured":
        """Return the measurements without some runs, (n,) bool."""
        kept = ~np.asarray(left_out, bool)
        names = ("data", "noise", "seeds", "spacing", "last_step")
        return replace(
            self,
            places={name: values[kept] for name, values in self.places.items()},
            **{name: getattr(self, name)[kept] for name in names},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        names = ("data", "levels", "noise", "seeds", "spacing", "last_step")
        return {
            **{name: json_numbers(getattr(self, name)) for name in names},
            "places": {axis: json_numbers(values) for axis, values in self.places.items()},
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Measured":
        """Bring back measurements from their `to_dict`."""
        names = ("data", "levels", "noise", "seeds", "spacing", "last_step")
        places = {axis: from_json_numbers(values) for axis, values in entry["places"].items()}
        return cls(**{name: from_json_numbers(entry[name]) for name in names}, places=places)


def _increasing(levels: Floats) -> bool:
    return bool(np.isfinite(levels).all() and np.all(np.diff(levels) > 0))


def _per_run(
    values: ArrayLike, n: int, rule: str, *, least: float | None = None, unknown: bool = False
) -> Floats:
    """Return one number per run (n,), checked: positive, or not below ``least``; NaN if allowed."""
    found = np.asarray(values, float)
    good = np.isfinite(found) & (found > 0 if least is None else found >= least)
    if found.shape not in ((), (n,)) or not np.all(good | (unknown & np.isnan(found))):
        raise ValueError(f"{rule}, one number or {n}, one per row of data")
    return np.broadcast_to(found, (n,)).copy()


def _mean_known(values: Floats) -> Floats:
    """Return the mean over levels (n,) of (n, J), leaving out NaN."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)
