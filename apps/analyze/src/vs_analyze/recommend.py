"""From laws to a decision: σ, N, B and η to run, and the data, compute and budget it will cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import vs_laws as laws
from vs_laws import Allocation, Estimate

from vs_analyze.laws_file import TaskLaws
from vs_analyze.runs import AnalysisError, shape_of

REACH = {"sigma": 2.0, "critic_params": 4.0}
"""Factor by which a recommendation may leave the places that were run: 2 in σ, and 2 in width."""

LABELS = {"sigma": "utd", "critic_params": "critic_params"}
"""Names of the axes in the run table."""


@dataclass(frozen=True)
class Question:
    """The given: one of a target level, a budget, or a limit on data or compute.

    With a limit on data or compute, ``level`` says what it is spent on; by default the highest fitted
    level that it reaches.
    """

    level: float | None = None
    budget: float | None = None
    max_data: float | None = None
    max_compute: float | None = None

    def __post_init__(self) -> None:
        limits = [self.budget, self.max_data, self.max_compute]
        given = [limit for limit in limits if limit is not None]
        if len(given) > 1 or (not given and self.level is None):
            raise AnalysisError(
                "give one of: a level, a budget, a limit on data, a limit on compute"
            )
        if self.budget is not None and self.level is not None:
            raise AnalysisError("a budget asks for the best level; give either a budget or a level")
        if any(not 0 < limit < np.inf for limit in given):
            raise AnalysisError("a budget or limit must be positive")

    def __str__(self) -> str:
        if self.budget is not None:
            return f"highest level within a budget of {self.budget:.4g} FLOPs"
        goal = "the highest level" if self.level is None else f"level {self.level:g}"
        if self.max_data is not None:
            return f"{goal} with at most {self.max_data:.4g} env steps, at the least compute"
        if self.max_compute is not None:
            return f"{goal} with at most {self.max_compute:.4g} FLOPs, with the least data"
        return f"{goal} at the least C + delta*D"


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """A configuration to run, and what to expect of it.

    ``utd`` and ``critic_params`` have the intervals of the optimum over bootstraps (none where N is no
    axis of the laws). The other quantities are those of a run *at the recommended place*, with the
    interval of a new run there where all levels were fitted at once, else of the laws.

    Attributes:
        batch_size_rounded: the batch size to run.
        learning_rate: η*; None where no law of it was fitted.
        learning_rates: of the runs.
        width: critic width of that many parameters, between those run; None when not known.
        depth: the critic depth that ``width`` is for; None when not known.
        edges: the axes on which the optimum is at or beyond the edge of what was run.
        batch_size_band, learning_rate_band: values with D within 10 % of the least; None where that is
            not known.
        regret: D at the rounded batch size and the learning rate over the least, minus 1; None where
            that is not known.
        growth: which resource to grow next; empty over utd alone.
        interval: what the intervals of data, compute and budget are intervals of.
    """

    env: str
    question: str
    level: Estimate
    utd: Estimate
    critic_params: Estimate
    width: float | None
    depth: int | None
    batch_size: Estimate
    batch_size_rounded: int
    learning_rate: Estimate | None
    learning_rates: tuple[float, ...]
    data: Estimate
    compute: Estimate
    budget: Estimate
    delta: float
    where: str
    edges: tuple[str, ...]
    growth: str
    batch_size_band: tuple[float, float] | None
    learning_rate_band: tuple[float, float] | None
    regret: Estimate | None
    interval: str
    warnings: tuple[str, ...]

    @property
    def shape(self) -> str:
        """The critic's width, and its depth where that is known."""
        return shape_of(self.width, self.depth)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            name: value.to_dict() if isinstance(value, Estimate) else value
            for name, value in vars(self).items()
        }

    def __str__(self) -> str:
        rows = [("level J", self.level, "normalised return"),
                ("utd", self.utd, "updates per env step")]  # fmt: skip
        if self.width is not None or self.growth:
            wide = f"-> width {self.shape}" if self.shape else ""
            rows.append(("critic params", self.critic_params, wide))
        rows.append(
            ("batch size", self.batch_size,
             f"-> run {self.batch_size_rounded}{_band(self.batch_size_band)}")
        )  # fmt: skip
        if self.learning_rate is not None:
            rows.append(("learning rate", self.learning_rate, _band(self.learning_rate_band)))
        rows += [("data", self.data, f"env steps ({self.interval})"), ("compute", self.compute, "FLOPs"),
                 ("budget", self.budget, f"FLOPs, delta = {self.delta:.3g} per env step")]  # fmt: skip
        lines = [f"{self.env}: {self.question}  ({self.where})"]
        lines += [f"  {name:<14} {e.value:>10.4g}  {_interval(e)}  {unit}".rstrip()
                  for name, e, unit in rows]  # fmt: skip
        if self.learning_rate is None:
            rates = ", ".join(f"{rate:g}" for rate in self.learning_rates)
            lines.append(f"  {'learning rate':<14} {rates}, as in the runs")
        if self.regret is not None:
            lines.append(
                f"  {'regret':<14} {self.regret.value:>10.1%}  more data than at the best B and eta, expected"
            )
        lines += [f"  > {self.growth}"] if self.growth else []
        return "\n".join(lines + [f"  ! {warning}" for warning in self.warnings])


def _band(ends: tuple[float, float] | None) -> str:
    return (
        "" if ends is None else f"  (within 10 % of the least data: {ends[0]:.3g} to {ends[1]:.3g})"
    )


def _interval(estimate: Estimate) -> str:
    if estimate.low == estimate.high:
        return ""  # it is exact
    if np.isnan(estimate.low):
        return "(no interval)"
    return f"[{estimate.low:.4g}, {estimate.high:.4g}]"


@dataclass
class _Answer:
    """A place with its bootstraps, before it is described."""

    level: Estimate
    at: float
    place: dict[str, Estimate]
    where: str
    warnings: list[str] = field(default_factory=list)


def recommend(
    task: TaskLaws, question: Question, *, delta: float | None = None, batch_size_multiple: int = 16
) -> Recommendation:
    """Answer a question from a task's laws, at most a factor `REACH` past the runs.

    Args:
        task: the laws of one task (``laws.json``).
        question: the given.
        delta: price of an env step in FLOPs; by default the task's.
        batch_size_multiple: the batch size to run is rounded to a multiple of this.

    Raises:
        AnalysisError: the question has no answer (an infeasible limit, an unknown level…).
    """
    price = task.delta if delta is None else delta
    if question.budget is not None:
        answer = _for_budget(task, question.budget, price)
    else:
        answer = _for_level(task, question, price)
    return _describe(task, question, answer, price, batch_size_multiple)


def reach(task: TaskLaws) -> dict[str, tuple[float, float]]:
    """Return the places that the data can speak for: those that were run, and a factor beyond."""
    return {axis: (a / REACH[axis], b * REACH[axis]) for axis, (a, b) in task.ranges.items()}


def _solve(task: TaskLaws, levels: list[float], question: Question, delta: float) -> Allocation:
    """Return the question's answer at some levels, with its bootstraps."""
    cost, within = task.cost(levels), reach(task)
    if question.max_data is not None:
        return laws.allocate(cost, max_data=question.max_data, delta=delta, within=within)
    if question.max_compute is not None:
        return laws.allocate(cost, max_compute=question.max_compute, delta=delta, within=within)
    return laws.allocate(cost, delta=delta, within=within)


def _for_level(task: TaskLaws, question: Question, delta: float) -> _Answer:
    """Return the answer at the level asked about, by default the highest that the limit reaches."""
    levels, warnings = list(task.levels), []
    if question.level is not None:
        task.level(question.level)
        if question.level > max(levels) * (1 + 1e-9):
            warnings.append(
                f"level {question.level:g} is above {max(levels):g}, the highest that runs reached: an "
                "extrapolation, and no run has shown that it can be reached"
            )
        levels = [question.level]
    found = _solve(task, levels, question, delta)
    reached = np.flatnonzero(found.feasible)
    if reached.size == 0:
        if question.level is None:
            raise AnalysisError(
                f"{task.env}: not even level {levels[0]:g} is within that limit: {question}"
            )
        spans = ", ".join(
            f"{LABELS[axis]} between {a:g} and {b:g}" for axis, (a, b) in reach(task).items()
        )
        raise AnalysisError(
            f"{task.env}: no {spans} (within reach of the runs) meets the limit: {question}"
        )
    top = int(reached[-1])
    draws = found.draws
    if draws is not None and (share := float(draws.feasible[:, top].mean())) < 1:
        warnings.append(
            f"{1 - share:.0%} of bootstraps have no answer: a run of theirs does not reach the level, "
            "or no place meets the limit"
        )
    level = levels[top]
    place = {
        axis: Estimate(float(values[top])) if draws is None
        else Estimate.from_draws(float(values[top]), draws.places[axis][:, top])
        for axis, values in found.places.items()
    }  # fmt: skip
    exact = Estimate(level, level, level, 0.0)
    return _Answer(exact, level, place, str(found.where[top]), warnings)


def _for_budget(task: TaskLaws, budget: float, delta: float) -> _Answer:
    """Return the best level that a budget pays for."""
    levels = list(task.levels)
    optimum = laws.allocate(task.cost(), delta=delta, within=reach(task))
    best = laws.best_level(levels, optimum, budget, delta=delta)
    level = float(best.level)
    if np.isnan(level):
        raise AnalysisError(
            f"{task.env}: a budget of {budget:.4g} FLOPs does not reach level {levels[0]:g}, "
            f"which needs {np.nanmin(optimum.budget):.4g}"
        )
    draws = None
    if optimum.draws is not None:
        draws = laws.best_level(levels, optimum.draws, budget, delta=delta)
    warnings = []
    if bool(best.out_of_range):
        warnings.append(
            f"the budget exceeds what the highest level that runs reached needs: level {levels[-1]:g} is the "
            "limit, not the budget"
        )
    if draws is not None and (below := float(np.isnan(draws.level).mean())):
        warnings.append(f"in {below:.0%} of bootstraps the budget does not reach the lowest level")
    upper = next(entry for entry in levels if entry >= level - 1e-9)
    if task.level_law is not None:
        upper = level
    if upper > level:
        warnings.append(
            f"D and C are those of level {upper:g}, the next fitted one: an upper bound"
        )

    def estimate(value: Any, several: Any) -> Estimate:
        return (
            Estimate(float(value))
            if several is None
            else Estimate.from_draws(float(value), several)
        )

    place = {
        axis: estimate(value, None if draws is None else draws.places[axis])
        for axis, value in best.places.items()
    }
    found = estimate(level, None if draws is None else draws.level)
    return _Answer(found, upper, place, laws.Where.INTERIOR, warnings)


def _describe(
    task: TaskLaws, question: Question, answer: _Answer, delta: float, multiple: int
) -> Recommendation:
    """Return the recommendation of an answer: the laws there, and what a reader must know."""
    at = {axis: estimate.value for axis, estimate in answer.place.items()}
    data = task.steps(answer.at, at)
    compute, budget = (task.spend(answer.at, at, delta=price) for price in (0.0, delta))
    batch_size = task.batch_size.predict(**at)
    rate = None if task.learning_rate is None else task.learning_rate.predict(**at)
    warnings = [*answer.warnings, *_doubts(task, answer.at, at)]
    where, edges = _place_words(task, at, answer.where, warnings)
    size = int(laws.grid.round_batch_size(batch_size.value, to=multiple))
    band, regret = laws.Band(None, None), None
    if task.surface is not None:
        band = task.surface.band(task.env, at["sigma"])
        chosen: dict[str, Any] = {"batch_size": size}
        if rate is not None:
            chosen["learning_rate"] = rate.value
        regret = task.surface.regret(
            task.env, at["sigma"], **{k: v for k, v in chosen.items() if k in task.surface.fits}
        )
    exact = task.critic_params
    params = answer.place.get("critic_params") or Estimate(exact, exact, exact, 0.0)
    return Recommendation(
        env=task.env,
        question=str(question),
        level=answer.level,
        utd=answer.place["sigma"],
        critic_params=params,
        width=laws.grid.width_of(params.value, task.widths),
        depth=task.depth,
        batch_size=batch_size,
        batch_size_rounded=size,
        learning_rate=rate,
        learning_rates=task.learning_rates,
        data=data,
        compute=compute,
        budget=budget,
        delta=delta,
        where=where,
        edges=edges,
        growth=task.growth,
        batch_size_band=band.batch_size,
        learning_rate_band=band.learning_rate,
        regret=regret,
        interval=task.interval,
        warnings=tuple(warnings),
    )


def _doubts(task: TaskLaws, level: float, at: Mapping[str, float]) -> list[str]:
    """Return warnings: laws that are not supported or have no interval, places the runs say little of."""
    named = [("batch size", task.batch_size), (f"data law at level {level:g}", task.level(level))]
    if task.learning_rate is not None:
        named.insert(1, ("learning rate", task.learning_rate))
    found = [
        f"the {name} is {fit.verdict}: {fit.reason}" for name, fit in named if not fit.supported
    ]
    if task.level_law is not None:
        surface = task.level_law.predict(level=level, kind="law", **at)
        if surface.word == "vague":
            found.append(
                f"D is known within a factor {surface.factor:.2g} only at this place (vague): run more there"
            )
        elif surface.extrapolated:
            found.append("the runs say little about this place (extrapolated)")
    if task.batch_size.draws is None:
        found.append(
            "the batch size has no interval over seeds: it is that of the runs, or a constant"
        )
    return found


def _place_words(
    task: TaskLaws, at: Mapping[str, float], where: str, warnings: list[str]
) -> tuple[str, tuple[str, ...]]:
    """Return where the optimum lies and the axes at an edge; add what a reader must know of it."""
    edges = []
    for axis, value in at.items():
        (low, high), name, factor = task.ranges[axis], LABELS[axis], REACH[axis]
        if low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
            continue
        edges.append(name)
        ran = f"the runs ({low:.4g} to {high:.4g})"
        if value <= low / factor * (1 + 1e-6) or value >= high * factor * (1 - 1e-6):
            where = laws.Where.EDGE
            warnings.append(
                f"the laws put the optimum at or beyond {name} {value:.4g}, a factor {factor:g} past "
                f"{ran}, where they are not followed: run more there"
            )
        else:
            where = where if where == laws.Where.EDGE else laws.Where.BEYOND
            warnings.append(f"{name} {value:.4g} lies outside {ran}: an extrapolation")
    return str(where), tuple(edges)
