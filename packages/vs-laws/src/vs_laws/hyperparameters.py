"""Best batch size and learning rate of a study: laws, tolerance bands, regret, D at the optimum."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws._about_optimum import height
from vs_laws.law import Floats, from_json_numbers, json_numbers
from vs_laws.result import Estimate, Fit

type Name = Literal["batch_size", "learning_rate"]

HYPERPARAMETERS: tuple[Name, Name] = ("batch_size", "learning_rate")

CERTAINTY = 0.8
"""Share of the refits in which a band outside the fitted σ must lie within its limit."""

_OCTAVES = np.linspace(-8.0, 8.0, 321)  # from the optimum, where a band is looked for


@dataclass(frozen=True)
class Band:
    """Values of each hyperparameter with D near the least, (low, high), the other one at its best.

    None where there is no such value (the optimum is not known well enough), or no law.
    """

    batch_size: tuple[float, float] | None
    learning_rate: tuple[float, float] | None


@dataclass(frozen=True)
class Optimum:
    """D at the best batch size and learning rate of one task.

    Attributes:
        sigma: (m,) values of σ at which some cell reaches a level.
        data: (m, J) env steps; NaN at levels that no cell of that σ reaches.
        draws: (K, m, J) refits.
    """

    sigma: Floats
    data: Floats
    draws: Floats


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The surface log D(σ, B, η) of `fit_hyperparameters`, and what follows from it.

    With A laws (one or both of `HYPERPARAMETERS`, in their order), T tasks, G pairs of a task and a σ,
    J levels, and K refits, index k of which is bootstrap k of the data:

    Attributes:
        tasks: T labels.
        batch_size: B*(σ), a `PowerLaw` with an intercept per task; None where B did not vary.
        learning_rate: η*(σ) likewise.
        curvature: (T, A) κ, log D one octave from the optimum.
        curvature_draws: (K, T, A).
        skew: γ: with γ > 0 too large a rate costs more than one too small.
        skew_draws: (K,).
        twist: r, the correlation of both directions.
        twist_draws: (K,).
        places: the (task, σ) of the G rows of ``steps``.
        steps: (G, J) env steps at the optimum; NaN at levels that no cell reaches there.
        steps_draws: (K, G, J).
        tried: (G, 2) least and largest value that was run, by hyperparameter with a law.
        lack_of_fit: sd of a cell's log D about the surface beyond seed noise.
        notes: what a reader must know.
    """

    tasks: tuple[str, ...]
    batch_size: Fit | None
    learning_rate: Fit | None
    curvature: Floats
    curvature_draws: Floats
    skew: float
    skew_draws: Floats
    twist: float
    twist_draws: Floats
    places: tuple[tuple[str, float], ...]
    steps: Floats
    steps_draws: Floats
    tried: Mapping[str, Floats]
    lack_of_fit: float
    notes: tuple[str, ...] = ()

    @property
    def fits(self) -> dict[Name, Fit]:
        """The A laws that there are, by name."""
        both = ((name, getattr(self, name)) for name in HYPERPARAMETERS)
        return {name: fit for name, fit in both if fit is not None}

    def exponent(self, name: Name, *, level: float = 0.95) -> Estimate:
        """Return the exponent of B*(σ) or η*(σ) with its interval of any level.

        Raises:
            ValueError: if that hyperparameter has no law, or the level is not in (0, 1).
        """
        if name not in self.fits:
            raise ValueError(f"there is no law of {name!r}; known: {', '.join(self.fits)}")
        if not 0.0 < level < 1.0:
            raise ValueError(f"level must be between 0 and 1, got {level:g}")
        fit = self.fits[name]
        draws = fit.draws.exponent[:, 0, 0, 0]
        low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
        value = fit.parameters["sigma_exponent"].value
        return Estimate(value, float(low), float(high), float(draws.std(ddof=1)))

    def excess(
        self,
        task: str,
        sigma: ArrayLike,
        *,
        batch_size: ArrayLike | None = None,
        learning_rate: ArrayLike | None = None,
    ) -> Floats:
        """Return log D of a choice above the least D, of every refit, (K, *shape).

        Args:
            task: one of ``tasks``.
            sigma: anywhere; arrays are broadcast.
            batch_size: None for the best one of each refit, as without a law of it.
            learning_rate: likewise.

        Raises:
            ValueError: if the task is unknown, or a place is not positive.
        """
        at = self._index(task)
        places = {"sigma": sigma, "batch_size": batch_size, "learning_rate": learning_rate}
        given = {name: np.asarray(x, float) for name, x in places.items() if x is not None}
        for name, x in given.items():
            if not np.all(x > 0):
                raise ValueError(f"{name} must be positive, got {np.min(x):.6g}")
        full = dict(zip(given, np.broadcast_arrays(*given.values()), strict=True))
        shape, flat = full["sigma"].shape, {name: np.ravel(x) for name, x in full.items()}
        chosen = [name for name in self.fits if name in flat]  # the others are at their best
        if not chosen:
            return np.zeros((len(self.skew_draws), *shape))
        above = height(
            [
                np.log2(
                    flat[name] / self.fits[name].draws.at((slice(None), at))(sigma=flat["sigma"])
                )
                for name in chosen
            ],
            [self.curvature_draws[:, at, [list(self.fits).index(name)]] for name in chosen],
            self.skew_draws[:, None],
            self.twist_draws[:, None],
            chosen,
        )
        return above.value.reshape(-1, *shape)

    def regret(
        self,
        task: str,
        sigma: ArrayLike,
        *,
        batch_size: ArrayLike | None = None,
        learning_rate: ArrayLike | None = None,
    ) -> Estimate:
        """Return D of a choice over the least D, minus 1: its mean over the refits, and 95 % interval.

        Arguments and errors are those of `excess`.
        """
        log = self.excess(task, sigma, batch_size=batch_size, learning_rate=learning_rate)
        with np.errstate(over="ignore"):
            draws = np.expm1(log)
        return Estimate.from_draws(draws.mean(axis=0), draws)

    def band(
        self, task: str, sigma: float, *, within: float = 0.10, certainty: float | None = None
    ) -> Band:
        """Return the values of B and of η at which D is at most 10 % above the least.

        Inside the fitted σ, those at which log D above the least, averaged over the refits, is at most
        log(1 + within): narrower than the curvature's own band where the optimum is not well known.
        Outside, or with ``certainty``, a stretch that lies whole within the limit in that share of the
        refits (half of what is left on either side): narrower again, or none.

        Args:
            task: one of ``tasks``.
            sigma: anywhere.
            within: D over the least, minus 1.
            certainty: by default `CERTAINTY` outside the fitted σ.

        Raises:
            ValueError: if the task is unknown, or a number is out of range.
        """
        if not within > 0 or not sigma > 0 or not (certainty is None or 0 < certainty <= 1):
            raise ValueError(
                f"band: expected within > 0, sigma > 0 and certainty in (0, 1], got {within:g}, "
                f"{sigma:g} and {certainty}"
            )
        low, high = next(iter(self.fits.values())).ranges["sigma"]
        share = CERTAINTY if certainty is None and not low <= sigma <= high else certainty
        found = {}
        for name, fit in self.fits.items():
            best = float(fit.law.at((self._index(task), 0))(sigma=sigma))
            places = best * np.exp2(_OCTAVES)
            above = self.excess(task, sigma, **{name: places})
            limit = np.log1p(within)
            found[name] = (
                _below(places, above.mean(axis=0) - limit)
                if share is None
                else _agreed(places, above <= limit, share)
            )
        return Band(found.get("batch_size"), found.get("learning_rate"))

    def at_optimum(self, task: str) -> Optimum:
        """Return D at the optimum of a task at every σ that was run, however far its cells.

        Raises:
            ValueError: if the task is unknown.
        """
        name = self.tasks[self._index(task)]
        rows = [g for g, (other, _) in enumerate(self.places) if other == name]
        sigma = np.array([self.places[g][1] for g in rows])
        return Optimum(sigma, self.steps[rows], self.steps_draws[:, rows])

    def _index(self, task: str) -> int:
        if task not in self.tasks:
            raise ValueError(f"unknown task {task!r}, known tasks: {', '.join(self.tasks)}")
        return self.tasks.index(task)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values; `from_dict` brings it back."""
        entry: dict[str, Any] = {
            name: None if (fit := getattr(self, name)) is None else fit.to_dict()
            for name in HYPERPARAMETERS
        }
        entry |= {name: json_numbers(getattr(self, name)) for name in _numbers()}
        return entry | {
            "tasks": list(self.tasks),
            "places": [list(place) for place in self.places],
            "tried": {name: json_numbers(ends) for name, ends in self.tried.items()},
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Hyperparameters":
        """Bring back hyperparameters from their `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: if an entry is missing or of another kind.
        """
        arrays = {name: from_json_numbers(entry[name]) for name in _numbers()}
        numbers: dict[str, Any] = {n: float(a) if a.ndim == 0 else a for n, a in arrays.items()}
        fits: dict[str, Any] = {
            name: None if entry[name] is None else Fit.from_dict(entry[name])
            for name in HYPERPARAMETERS
        }
        return cls(
            **numbers,
            **fits,
            tasks=tuple(entry["tasks"]),
            places=tuple((str(task), float(sigma)) for task, sigma in entry["places"]),
            tried={name: from_json_numbers(ends) for name, ends in entry["tried"].items()},
            notes=tuple(entry["notes"]),
        )

    def __str__(self) -> str:
        lines = []
        for name, fit in self.fits.items():
            interval = self.exponent(name, level=0.9)
            lines.append(
                f"{name}: exponent of sigma {interval.value:.3g}, 90% [{interval.low:.3g}, "
                f"{interval.high:.3g}], 95% [{fit.parameters['sigma_exponent'].low:.3g}, "
                f"{fit.parameters['sigma_exponent'].high:.3g}]"
            )
            for t, task in enumerate(self.tasks):
                lines.append(
                    f"  {task}: {fit.parameters[f'coefficient[{task}]'].value:.4g} at sigma 1, "
                    f"{np.expm1(self.curvature[t, list(self.fits).index(name)]):.0%} more D an octave away"
                )
        return "\n".join([*lines, *(f"- {note}" for note in self.notes)])


def _numbers() -> list[str]:
    """Return the names of the fields that are numbers or arrays."""
    other = ("tasks", "places", "tried", "notes", *HYPERPARAMETERS)
    return [f.name for f in fields(Hyperparameters) if f.name not in other]


def _below(places: Floats, excess: Floats) -> tuple[float, float] | None:
    """Return the ends of the stretch about its least value where a convex function is at most 0."""
    inside = np.flatnonzero(excess <= 0)
    if inside.size == 0:
        return None
    ends = []
    for edge, beyond in ((inside[0], inside[0] - 1), (inside[-1], inside[-1] + 1)):
        if not 0 <= beyond < len(places):
            ends.append(float(places[edge]))
            continue
        part = excess[edge] / (excess[edge] - excess[beyond])
        ends.append(float(places[edge] * (places[beyond] / places[edge]) ** part))
    return ends[0], ends[1]


def _agreed(
    places: Floats, inside: NDArray[np.bool_], certainty: float
) -> tuple[float, float] | None:
    """Return a stretch of places that lies inside the one of so large a share of refits (K, P)."""
    some = inside.any(axis=1)
    lows = np.where(some, places[inside.argmax(axis=1)], np.inf)
    highs = np.where(some, places[::-1][inside[:, ::-1].argmax(axis=1)], -np.inf)
    low = np.quantile(lows, (1.0 + certainty) / 2.0, method="higher")
    high = np.quantile(highs, (1.0 - certainty) / 2.0, method="lower")
    return (float(low), float(high)) if low <= high else None
