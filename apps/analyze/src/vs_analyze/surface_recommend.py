"""From laws over two axes to a decision: σ, N and B to run, what it will cost, what to grow next."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import vs_laws as laws
from numpy.typing import NDArray

from vs_analyze.recommend import REACH, Question
from vs_analyze.runs import AnalysisError, shape_of
from vs_analyze.surface_book import SurfaceLevel, SurfaceTaskLaws

type Floats = NDArray[np.float64]
type Point = tuple[Floats, Floats]

PARAMS_REACH = REACH**2
"""How far past the smallest and largest N that were run a recommendation goes: `REACH` in width."""


@dataclass(frozen=True)
class SurfaceRecommendation:
    """What to run, and what to expect of it.

    ``utd`` and ``critic_params`` have the intervals of the optimum over bootstraps. The other
    quantities are those of a run *at the recommended point*, with the interval of the laws there.

    Attributes:
        width: critic width of that many parameters, between those run; None when not known.
        depth: the critic depth that ``width`` is for; None when not known.
        edges: the axes on which the optimum is at or beyond the edge of what was run.
        growth: which resource to grow next.
    """

    env: str
    question: str
    level: laws.Estimate
    utd: laws.Estimate
    critic_params: laws.Estimate
    width: float | None
    depth: int | None
    batch_size: laws.Estimate
    batch_size_rounded: int
    learning_rates: tuple[float, ...]
    data: laws.Estimate
    compute: laws.Estimate
    budget: laws.Estimate
    delta: float
    where: str
    edges: tuple[str, ...]
    growth: str
    warnings: tuple[str, ...]

    @property
    def shape(self) -> str:
        """The critic's width, and its depth where that is known."""
        return shape_of(self.width, self.depth)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            name: value.to_dict() if isinstance(value, laws.Estimate) else value
            for name, value in vars(self).items()
        }

    def __str__(self) -> str:
        wide = f"-> width {self.shape}" if self.shape else ""
        rows = [
            ("level J", self.level, "normalised return"),
            ("utd", self.utd, "updates per env step"),
            ("critic params", self.critic_params, wide),
            ("batch size", self.batch_size, f"-> run {self.batch_size_rounded}"),
            ("data", self.data, "env steps"),
            ("compute", self.compute, "FLOPs"),
            ("budget", self.budget, f"FLOPs, delta = {self.delta:.3g} per env step"),
        ]
        rates = ", ".join(f"{rate:g}" for rate in self.learning_rates)
        lines = [f"{self.env}: {self.question}  ({self.where})"]
        lines += [
            f"  {name:<14} {e.value:>10.4g}  {_interval(e)}  {unit}".rstrip()
            for name, e, unit in rows
        ]
        lines.append(f"  {'learning rate':<14} {rates}, as in the runs")
        lines += [f"  > {self.growth}"] if self.growth else []
        return "\n".join(lines + [f"  ! {warning}" for warning in self.warnings])


def _interval(estimate: laws.Estimate) -> str:
    if np.isnan(estimate.low):
        return "(no interval)"
    return f"[{estimate.low:.4g}, {estimate.high:.4g}]"


def recommend_surface(
    task: SurfaceTaskLaws,
    question: Question,
    *,
    delta: float | None = None,
    batch_size_multiple: int = 16,
) -> SurfaceRecommendation:
    """Answer a question from a task's laws, at most `REACH` and `PARAMS_REACH` past the runs.

    Args:
        task: the laws of one task (``laws.json``).
        question: what is given.
        delta: price of an env step in FLOPs; by default the task's.
        batch_size_multiple: the batch size to run is rounded to a multiple of this.

    Raises:
        AnalysisError: the question has no answer (an infeasible limit, an unknown level…).
    """
    price = task.delta if delta is None else delta
    warnings: list[str] = []
    if question.budget is not None:
        entry, level, point, draws = _for_budget(task, question.budget, price, warnings)
    else:
        entry = _entry(task, question, price)
        level = laws.Estimate(entry.level, entry.level, entry.level, 0.0)
        law, samples = task.compute([entry])
        point, draws = (_solve(task, each, question, price) for each in (law, samples))
        lost = float(np.isnan(draws[0]).mean())
        if lost:
            warnings.append(
                f"{lost:.0%} of bootstraps have no answer: they have no law at the level, or no point "
                "meets the limit"
            )
    return _describe(
        task, entry, question, level, point, draws, price, batch_size_multiple, warnings
    )


def _box(task: SurfaceTaskLaws) -> dict[str, Any]:
    """The (σ, N) that the data can speak for: those run, and some way beyond."""
    (sigma, top_sigma), (params, top_params) = task.sigma_range, task.params_range
    return {
        "sigma_range": (sigma / REACH, top_sigma * REACH),
        "params_range": (params / PARAMS_REACH, top_params * PARAMS_REACH),
    }


def _cheapest(
    task: SurfaceTaskLaws, law: laws.SurfaceCompute, delta: float
) -> laws.SurfaceAllocation:
    return laws.least_surface_budget(law, delta, **_box(task), within_data=True)


def _entry(task: SurfaceTaskLaws, question: Question, delta: float) -> SurfaceLevel:
    """The level asked about, by default the highest that the limit reaches."""
    levels = task.levels if question.level is None else (task.level(question.level),)
    law, _ = task.compute(levels)
    sigma, _ = _solve(task, law, question, delta)
    reached = np.flatnonzero(np.isfinite(sigma))
    if reached.size == 0:
        text = f"level {levels[0].level:g}" if question.level else f"even level {levels[0].level:g}"
        raise AnalysisError(
            f"{task.env}: no utd and model size within reach of the runs (a factor {REACH:g} in utd, "
            f"{PARAMS_REACH:g} in critic_params) bring {text} within the limit: {question}"
        )
    return levels[int(reached[-1])]


def _solve(
    task: SurfaceTaskLaws, law: laws.SurfaceCompute, question: Question, delta: float
) -> Point:
    """(σ*, N*) of every problem in the law; NaN where a limit cannot be met."""
    if question.max_data is not None:
        point = laws.least_surface_compute(law, question.max_data, **_box(task))
    elif question.max_compute is not None:
        point = laws.least_surface_data(law, question.max_compute, **_box(task))
    else:
        point = _cheapest(task, law, delta)
    return point.sigma, point.critic_params


def _for_budget(
    task: SurfaceTaskLaws, budget: float, delta: float, warnings: list[str]
) -> tuple[SurfaceLevel, laws.Estimate, Point, Point]:
    levels = [entry.level for entry in task.levels]
    best, draws = (
        laws.best_level(levels, _cheapest(task, law, delta), budget, delta=delta)
        for law in task.compute()
    )
    level = float(best.level)
    if np.isnan(level):
        law, _ = task.compute()
        least = _cheapest(task, law, delta).budget
        raise AnalysisError(
            f"{task.env}: a budget of {budget:.4g} FLOPs does not reach level {levels[0]:g}, which "
            f"needs {np.nanmin(least):.4g}"
        )
    if bool(best.out_of_range):
        warnings.append(
            f"the budget exceeds what the highest fitted level needs; level {levels[-1]:g} is given"
        )
    below = float(np.isnan(draws.level).mean())
    if below:
        warnings.append(f"in {below:.0%} of bootstraps the budget does not reach the lowest level")
    upper = next(entry for entry in task.levels if entry.level >= level - 1e-9)
    if upper.level > level:
        warnings.append(
            f"D and C are those of level {upper.level:g}, the next fitted one: an upper bound"
        )
    return (
        upper, laws.Estimate.from_samples(level, draws.level),
        (best.sigma, best.critic_params), (draws.sigma, draws.critic_params),
    )  # fmt: skip


def _describe(
    task: SurfaceTaskLaws,
    entry: SurfaceLevel,
    question: Question,
    level: laws.Estimate,
    point: Point,
    draws: Point,
    delta: float,
    multiple: int,
    warnings: list[str],
) -> SurfaceRecommendation:
    sigma, params = (float(np.squeeze(value)) for value in point)
    law, samples = task.compute([entry])

    def at(value: Any, drawn: Any) -> laws.Estimate:
        centre = float(np.squeeze(value(sigma, params)))
        return laws.Estimate.from_samples(centre, np.ravel(drawn(sigma, params)))

    batch_law, drawn_batch = task.batch_size.law, task.batch_size.samples
    batch = float(np.squeeze(batch_law(sigma, params)))
    batch_size = laws.Estimate(batch) if drawn_batch is None else at(batch_law, drawn_batch)
    data, compute = at(law.data, samples.data), at(law, samples)
    budget = at(
        lambda s, n: law(s, n) + delta * law.data(s, n),
        lambda s, n: samples(s, n) + delta * samples.data(s, n),
    )
    for name, fit in (
        ("batch size", task.batch_size),
        (f"data law at level {entry.level:g}", entry.data),
    ):
        if fit.verdict not in ("supported", "constant"):
            warnings.append(f"the {name} is {fit.verdict}: {fit.reason}")
    if drawn_batch is None:
        warnings.append(
            "the batch size has no interval over seeds: it is that of the runs, or a constant"
        )
    edges, where = [], "interior"
    for name, value, (low, high), reach in (
        ("utd", sigma, task.sigma_range, REACH),
        ("critic_params", params, task.params_range, PARAMS_REACH),
    ):
        if low * (1 + 1e-6) < value < high * (1 - 1e-6):
            continue
        edges.append(name)
        end = value <= low / reach * (1 + 1e-6) or value >= high * reach * (1 - 1e-6)
        where = laws.Where.EDGE if end or where == laws.Where.EDGE else laws.Where.BEYOND
        ran = f"the runs ({low:.4g} to {high:.4g})"
        warnings.append(
            f"the laws put the optimum at or beyond {name} {value:.4g}, a factor {reach:g} past {ran}, "
            "where they are not followed: run more there"
            if end
            else f"{name} {value:.4g} lies outside {ran}: an extrapolation"
        )
    return SurfaceRecommendation(
        env=task.env,
        question=str(question),
        level=level,
        utd=laws.Estimate.from_samples(sigma, np.ravel(draws[0])),
        critic_params=laws.Estimate.from_samples(params, np.ravel(draws[1])),
        width=task.width(params),
        depth=task.depth,
        batch_size=batch_size,
        batch_size_rounded=int(laws.round_batch_size(batch, to=multiple)),
        learning_rates=task.learning_rates,
        data=data,
        compute=compute,
        budget=budget,
        delta=delta,
        where=str(where),
        edges=tuple(edges),
        growth=task.growth,
        warnings=tuple(warnings),
    )
