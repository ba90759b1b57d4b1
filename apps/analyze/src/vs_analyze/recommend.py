"""From laws to a decision: σ, B, η to run, and the data, compute and budget it will cost."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import vs_laws as laws
from numpy.typing import NDArray

from vs_analyze.book import TaskLaws
from vs_analyze.runs import AnalysisError
from vs_analyze.study import compute_laws

type Floats = NDArray[np.float64]

REACH = 2.0
"""How far past the smallest and largest σ that were run a recommendation goes."""


@dataclass(frozen=True)
class Question:
    """What is given: one of a target level, a budget, or a limit on data or compute.

    With a limit on data or compute, ``level`` says what it is spent on; by default the highest
    fitted level that it reaches.
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


@dataclass(frozen=True)
class Recommendation:
    """What to run, and what to expect of it.

    ``utd`` has the interval of the optimum over bootstraps. The other quantities are those of a run
    *at the recommended utd*, with the interval of the laws there.
    """

    env: str
    question: str
    level: laws.Estimate
    utd: laws.Estimate
    batch_size: laws.Estimate
    batch_size_rounded: int
    learning_rate: laws.Estimate
    data: laws.Estimate
    compute: laws.Estimate
    budget: laws.Estimate
    delta: float
    critic_params: int
    where: str
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            name: value.to_dict() if isinstance(value, laws.Estimate) else value
            for name, value in vars(self).items()
        }

    def __str__(self) -> str:
        rows = [
            ("level J", self.level, "normalised return"),
            ("utd", self.utd, "updates per env step"),
            ("batch size", self.batch_size, f"-> run {self.batch_size_rounded}"),
            ("learning rate", self.learning_rate, ""),
            ("data", self.data, "env steps"),
            ("compute", self.compute, "FLOPs"),
            ("budget", self.budget, f"FLOPs, delta = {self.delta:.3g} per env step"),
        ]
        lines = [f"{self.env}: {self.question}  ({self.where})"]
        lines += [
            f"  {name:<14} {e.value:>10.4g}  [{e.low:.4g}, {e.high:.4g}]  {unit}".rstrip()
            for name, e, unit in rows
        ]
        return "\n".join(lines + [f"  ! {warning}" for warning in self.warnings])


def recommend(
    task: TaskLaws, question: Question, *, delta: float | None = None, batch_size_multiple: int = 16
) -> Recommendation:
    """Answer a question from a task's laws, with σ at most a factor `REACH` past the runs.

    Args:
        task: the laws of one task (``laws.json``).
        question: what is given.
        delta: price of an env step in FLOPs; by default the task's.
        batch_size_multiple: the batch size to run is rounded to a multiple of this.

    Raises:
        AnalysisError: the question has no answer (an infeasible limit, an unknown level…).
    """
    price = task.delta if delta is None else delta
    if question.budget is not None:
        return _for_budget(task, question, question.budget, price, batch_size_multiple)
    if question.level is not None:
        found = _solve(_at_level(task, question.level), question, price)
        level = question.level
    else:
        solved = [
            (entry.level, _solve(_at_level(task, entry.level), question, price))
            for entry in task.levels
        ]
        reached = [(level, found) for level, found in solved if found.feasible.item()]
        if not reached:
            raise AnalysisError(
                f"{task.env}: not even level {task.levels[0].level:g} is within that limit: {question}"
            )
        level, found = reached[-1]
    if not found.feasible.item():
        low, high = _limits(task)
        raise AnalysisError(
            f"{task.env}: no utd between {low:g} and {high:g} (a factor {REACH:g} beyond the runs) "
            f"meets the limit: {question}"
        )
    chosen = _at_level(task, level)
    share = found.feasible_share
    warnings = []
    if share < 1:
        warnings.append(
            f"{1 - share:.0%} of bootstraps have no answer: a run of theirs does not reach the level, "
            "or no utd meets the limit"
        )
    return _describe(
        task, chosen, question, laws.Estimate(level, level, level, 0.0), found.estimate("sigma"),
        str(found.where.item()), price, batch_size_multiple, warnings,
    )  # fmt: skip


def _at_level(task: TaskLaws, level: float) -> TaskLaws:
    return replace(task, levels=(task.level(level),))


def _limits(task: TaskLaws) -> tuple[float, float]:
    """The σ that the data can speak for: those that were run, and a factor `REACH` beyond."""
    return task.sigma_low / REACH, task.sigma_high * REACH


def _solve(task: TaskLaws, question: Question, delta: float) -> laws.Allocation:
    """The question at the one level of ``task``, on the fit and on every bootstrap."""
    law, samples = compute_laws(task)
    limits = _limits(task)
    if question.max_data is not None:
        point, draws = (
            laws.least_compute(each, question.max_data, limits=limits, delta=delta)
            for each in (law, samples)
        )
    elif question.max_compute is not None:
        point, draws = (
            laws.least_data(each, question.max_compute, limits=limits, delta=delta)
            for each in (law, samples)
        )
    else:
        point, draws = (laws.least_budget(each, delta, limits=limits) for each in (law, samples))
    return point.with_samples(draws)


def _for_budget(
    task: TaskLaws, question: Question, budget: float, delta: float, multiple: int
) -> Recommendation:
    law, samples = compute_laws(task)
    levels = [entry.level for entry in task.levels]
    optimum = laws.least_budget(law, delta, limits=_limits(task))
    best = laws.best_level(levels, optimum, budget, delta=delta)
    level = float(best.level)
    if np.isnan(level):
        raise AnalysisError(
            f"{task.env}: a budget of {budget:.4g} FLOPs does not reach level {levels[0]:g}, "
            f"which needs {np.nanmin(optimum.budget):.4g}"
        )
    draws = laws.best_level(
        levels, laws.least_budget(samples, delta, limits=_limits(task)), budget, delta=delta
    )
    warnings = []
    if bool(best.out_of_range):
        warnings.append(
            f"the budget exceeds what the highest fitted level needs; level {levels[-1]:g} is given"
        )
    below = float(np.isnan(draws.level).mean())
    if below:
        warnings.append(f"in {below:.0%} of bootstraps the budget does not reach the lowest level")
    upper = next(entry.level for entry in task.levels if entry.level >= level - 1e-9)
    if upper > level:
        warnings.append(
            f"D and C are those of level {upper:g}, the next fitted one: an upper bound"
        )
    return _describe(
        task, _at_level(task, upper), question, laws.Estimate.from_samples(level, draws.level),
        laws.Estimate.from_samples(float(best.sigma), draws.sigma), "interior", delta, multiple,
        warnings,
    )  # fmt: skip


def _describe(
    task: TaskLaws,
    chosen: TaskLaws,
    question: Question,
    level: laws.Estimate,
    utd: laws.Estimate,
    where: str,
    delta: float,
    multiple: int,
    warnings: list[str],
) -> Recommendation:
    law, samples = compute_laws(chosen)
    sigma = utd.value

    def at(value: Any, draws: Any) -> laws.Estimate:
        return laws.Estimate.from_samples(float(np.squeeze(value(sigma))), draws(sigma))

    data, compute = at(law.data, samples.data), at(law, samples)
    budget = laws.Estimate.from_samples(
        compute.value + delta * data.value, samples(sigma) + delta * samples.data(sigma)
    )
    batch_size = at(task.batch_size.law, task.batch_size.samples)
    verdicts = [
        ("batch size", task.batch_size),
        ("learning rate", task.learning_rate),
        (f"data law at level {chosen.levels[0].level:g}", chosen.levels[0].data),
    ]
    warnings = [
        *warnings,
        *(
            f"the {name} is {s.verdict}: {s.reason}"
            for name, s in verdicts
            if s.verdict != "supported"
        ),
    ]
    low, high = _limits(task)
    if np.isclose(sigma, low) or np.isclose(sigma, high):
        where = laws.Where.EDGE
        warnings.append(
            f"the laws put the optimum at or beyond utd {sigma:g}, a factor {REACH:g} past the runs "
            f"({task.sigma_low:g} to {task.sigma_high:g}), where they are not followed: run more there"
        )
    elif not task.sigma_low * (1 - 1e-9) <= sigma <= task.sigma_high * (1 + 1e-9):
        warnings.append(
            f"utd {sigma:.3g} lies outside the runs ({task.sigma_low:g} to {task.sigma_high:g}): "
            "an extrapolation"
        )
    return Recommendation(
        env=task.env,
        question=str(question),
        level=level,
        utd=utd,
        batch_size=batch_size,
        batch_size_rounded=int(laws.round_batch_size(batch_size.value, to=multiple)),
        learning_rate=at(task.learning_rate.law, task.learning_rate.samples),
        data=data,
        compute=compute,
        budget=budget,
        delta=delta,
        critic_params=task.critic_params,
        where=where,
        warnings=tuple(warnings),
    )
