"""``laws.json`` version 2: laws over utd and model size, written by ``fit``, read by ``recommend``.

As `vs_analyze.book` describes, with these differences. A law carries the name of its form (``form``,
a class of vs_laws); ``batch_size`` has no samples where the runs had one batch size per (σ, N);
``growth`` says which resource to grow next. ``fits`` has, by env, the fits of batch size, data and
budget, and what scaling one axis alone costs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import vs_laws as laws

from vs_analyze.book import (
    SURFACE_VERSION,
    law_from_dict,
    law_to_dict,
    parsed,
    read_document,
)
from vs_analyze.runs import AnalysisError

type BatchLaw = laws.BatchSurface | laws.BatchPower

FORMS: dict[str, Callable[..., Any]] = {
    form.__name__: form
    for form in (
        laws.SurfaceLaw,
        laws.ProductSurface,
        laws.LogPolynomial,
        laws.BatchSurface,
        laws.BatchPower,
    )
}
"""The laws that a laws.json may hold, by name."""


@dataclass(frozen=True)
class Sampled2:
    """A law of σ and N, its bootstrap (fields (K, 1); None without) and what the data say about it."""

    law: Any
    samples: Any
    verdict: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """One law of laws.json."""
        return {
            "form": type(self.law).__name__, **law_to_dict(self.law, self.samples),
            "verdict": self.verdict, "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True)
class SurfaceLevel:
    """D_J(σ, N) of one task at one level."""

    level: float
    data: Sampled2


@dataclass(frozen=True)
class SurfaceTaskLaws:
    """Everything needed to recommend for one task.

    Attributes:
        delta: δ, FLOPs per env step.
        sigma_range: least and largest σ that were run.
        params_range: the same of N.
        depth: the critic depth that was run most; None where the table did not say.
        widths: (N, critic width) pairs of that depth; empty where the table did not say.
        learning_rates: of the runs behind the laws.
        batch_size: B*(σ, N).
        actor_params: counted in FLOPs, as ``passive_params``.
        growth: which resource to grow next; empty without laws along the budget.
    """

    algo: str
    benchmark: str
    env: str
    optimal_return: float
    delta: float
    sigma_range: tuple[float, float]
    params_range: tuple[float, float]
    depth: int | None
    widths: tuple[tuple[float, float], ...]
    learning_rates: tuple[float, ...]
    batch_size: Sampled2
    actor_params: int
    passive_params: int
    levels: tuple[SurfaceLevel, ...]
    growth: str = ""

    def level(self, level: float) -> SurfaceLevel:
        """The law at one level; an AnalysisError names the levels there are."""
        for entry in self.levels:
            if np.isclose(entry.level, level):
                return entry
        known = ", ".join(f"{entry.level:g}" for entry in self.levels)
        raise AnalysisError(f"{self.env}: no law at level {level:g}; the fitted levels are {known}")

    def compute(
        self, levels: Sequence[SurfaceLevel] | None = None
    ) -> tuple[laws.SurfaceCompute, laws.SurfaceCompute]:
        """C_J of some levels (default: all), data-law fields (J,), and its bootstrap, (K, J)."""
        chosen = self.levels if levels is None else levels
        batch, drawn = self.batch_size.law, self.batch_size.samples
        return (
            laws.SurfaceCompute(
                _stack([entry.data.law for entry in chosen], np.array), batch,
                actor_params=self.actor_params, passive_params=self.passive_params,
            ),
            laws.SurfaceCompute(
                _stack([entry.data.samples for entry in chosen], np.hstack),
                batch if drawn is None else drawn,
                actor_params=self.actor_params, passive_params=self.passive_params,
            ),
        )  # fmt: skip

    def width(self, params: float) -> float | None:
        """The critic width of N parameters, between those that were run; None when not known.

        log width is linear in log N between runs, and in proportion to √N beyond them.
        """
        if not self.widths:
            return None
        known, width = np.log(np.array(sorted(self.widths))).T
        inside = np.interp(np.log(params), known, width)
        beyond = np.log(params) - np.clip(np.log(params), known[0], known[-1])
        return float(np.exp(inside + beyond / 2))

    def to_dict(self) -> dict[str, Any]:
        """One entry of ``tasks``."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            **plain,
            "batch_size": self.batch_size.to_dict(),
            "levels": [{"level": e.level, "data": e.data.to_dict()} for e in self.levels],
        }


def _stack(items: Sequence[Any], join: Callable[[list[Any]], Any]) -> Any:
    """One law whose fields are the joined fields of several laws of one form."""
    names = [entry.name for entry in fields(items[0])]
    return type(items[0])(**{name: join([getattr(i, name) for i in items]) for name in names})


def read_surface_tasks(path: Path) -> dict[str, SurfaceTaskLaws]:
    """Read the ``tasks`` of a laws.json over utd and model size, by env.

    Raises:
        AnalysisError: see `vs_analyze.book.read_document`; or the laws are over utd alone.
    """
    document = read_document(path)
    if document["version"] != SURFACE_VERSION:
        raise AnalysisError(f"{path}: laws over utd alone, expected laws over utd and model size")
    return parsed(path, document, _task)


def _task(entry: Mapping[str, Any]) -> SurfaceTaskLaws:
    plain = {f.name: entry[f.name] for f in fields(SurfaceTaskLaws)}
    for name in ("sigma_range", "params_range", "learning_rates"):
        plain[name] = tuple(float(value) for value in entry[name])
    plain["widths"] = tuple((float(n), float(w)) for n, w in entry["widths"])
    plain["batch_size"] = _sampled(entry["batch_size"])
    plain["levels"] = tuple(
        SurfaceLevel(float(level["level"]), _sampled(level["data"])) for level in entry["levels"]
    )
    return SurfaceTaskLaws(**plain)


def _sampled(entry: Mapping[str, Any]) -> Sampled2:
    form = FORMS[entry["form"]]
    law, samples = law_from_dict(entry, form)
    return Sampled2(law, samples, entry["verdict"], entry["reason"])
