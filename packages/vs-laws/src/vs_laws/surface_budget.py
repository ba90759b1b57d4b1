"""Along the budget with two axes: D*(F), C*(F), σ*(F), N*(F) and σ*(N*) (arXiv:2508.14881).

Every level J has its optimum (F*, D*, C*, σ*, N*); over J they follow power laws in F, fitted with the
largest budgets held out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws._path import path_law
from vs_laws.budget import HeldOut
from vs_laws.forms import Floats, PowerLaw
from vs_laws.result import Estimate, Fit, json_number
from vs_laws.surface_allocate import Range, SurfaceAllocation, least_surface_budget
from vs_laws.surface_compute import SurfaceCompute

SURFACE_QUANTITIES = ("sigma", "critic_params", "data", "compute")


@dataclass(frozen=True)
class Growth:
    """Which resource to grow next.

    Attributes:
        elasticities: by quantity, d log y / d log F along the path, with its interval.
        factors: by quantity, y(10·F)/y(F).
        compute_share: C/F at the largest budget.
        sentence: the same in words.
    """

    elasticities: Mapping[str, Estimate]
    factors: Mapping[str, float]
    compute_share: float
    sentence: str

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {
            "elasticities": {k: e.to_dict() for k, e in self.elasticities.items()},
            "factors": {k: json_number(v) for k, v in self.factors.items()},
            "compute_share": json_number(self.compute_share),
            "sentence": self.sentence,
        }


@dataclass(frozen=True)
class SurfaceBudgetLaws:
    """The optimal path of one task.

    Attributes:
        levels: (m,) performance levels J, ascending.
        optimum: allocation of every level, arrays (m,); its ``samples`` have (K, m).
        held_out: (m,) the levels left out of the fits, those of the largest F.
        fits: σ*(F), N*(F), D*(F), C*(F) by quantity (`SURFACE_QUANTITIES`).
        sigma_of_params: σ*(N*).
        checks: by quantity, and ``"sigma_of_params"``, the held-out levels; empty without.
        growth: which resource to grow next.
    """

    levels: Floats
    optimum: SurfaceAllocation
    held_out: NDArray[np.bool_]
    fits: Mapping[str, Fit[PowerLaw]]
    sigma_of_params: Fit[PowerLaw]
    checks: Mapping[str, HeldOut]
    growth: Growth


def fit_surface_budget_laws(
    levels: ArrayLike,
    law: SurfaceCompute,
    delta: float,
    *,
    sigma_range: Range,
    params_range: Range,
    hold_out: int = 2,
    samples: SurfaceCompute | None = None,
    within_data: bool = False,
) -> SurfaceBudgetLaws:
    """Budget-optimal (σ*, N*) of every level, and their power laws in the budget.

    Args:
        levels: (m,) performance levels J.
        law: C_J of all levels: the data law's fields have shape (m,).
        delta: price of an env step in FLOPs.
        sigma_range: range of σ the laws were fitted on.
        params_range: range of N the laws were fitted on.
        hold_out: number of largest budgets left out of the fits.
        samples: the same law for every bootstrap: data-law fields (K, m), others (K, 1).
        within_data: see `least_surface_budget`.

    Raises:
        ValueError: if shapes do not match, fewer than two levels remain, an optimum is missing, or
            see `least_surface_budget`.
    """
    goal = np.asarray(levels, float)
    if goal.ndim != 1 or not np.all(np.diff(goal) > 0):
        raise ValueError(f"levels must be 1-D and strictly ascending, got {goal.tolist()}")
    if hold_out < 0 or goal.size - hold_out < 2:
        raise ValueError(
            f"{goal.size} levels with {hold_out} held out leave fewer than two for a law; "
            "hold out fewer or add levels"
        )

    def solve(cost: SurfaceCompute) -> SurfaceAllocation:
        return least_surface_budget(
            cost,
            delta,
            sigma_range=sigma_range,
            params_range=params_range,
            within_data=within_data,
        )

    optimum = solve(law)
    if optimum.sigma.shape != goal.shape:
        raise ValueError(
            f"the law describes {optimum.sigma.shape} levels, expected ({goal.size},): one data "
            "law per level"
        )
    if np.isnan(optimum.budget).any():
        at = int(np.isnan(optimum.budget).argmax())
        raise ValueError(f"level {goal[at]:g} has no law (too few runs reach it); leave it out")
    if samples is not None:
        drawn = solve(samples)
        if drawn.sigma.ndim != 2 or drawn.sigma.shape[1] != goal.size:
            raise ValueError(
                f"samples describe {drawn.sigma.shape}, expected (bootstraps, {goal.size})"
            )
        optimum = optimum.with_samples(drawn)
    held = np.zeros(goal.size, bool)
    held[np.argsort(optimum.budget, kind="stable")[goal.size - hold_out :]] = True
    fits = {name: _fit("budget", name, optimum, ~held) for name in SURFACE_QUANTITIES}
    if np.unique(optimum.critic_params[~held]).size < 2:
        raise ValueError("N* is the same at every level: sigma*(N*) cannot be fitted")
    between = _fit("critic_params", "sigma", optimum, ~held)
    checks = {}
    if hold_out:
        for name, fit in fits.items():
            checks[name] = _check(fit, optimum.budget[held], getattr(optimum, name)[held])
        checks["sigma_of_params"] = _check(
            between, optimum.critic_params[held], optimum.sigma[held]
        )
    return SurfaceBudgetLaws(goal, optimum, held, fits, between, checks, _growth(fits, optimum))


def _fit(x: str, y: str, optimum: SurfaceAllocation, used: NDArray[np.bool_]) -> Fit[PowerLaw]:
    drawn = None
    if optimum.samples is not None:
        drawn = getattr(optimum.samples, x)[:, used], getattr(optimum.samples, y)[:, used]
    return path_law(
        f"{y} = coefficient * {'F' if x == 'budget' else 'N'}^exponent",
        getattr(optimum, x)[used],
        getattr(optimum, y)[used],
        drawn,
        outside=int((optimum.edges[used] != "").sum()),
        where="at or beyond the edge of the (sigma, N) that were run",
    )


def _check(fit: Fit[PowerLaw], x: Floats, actual: Floats) -> HeldOut:
    predicted = fit.predict(x)
    return HeldOut(predicted, actual, predicted.value / actual - 1.0)


def _growth(fits: Mapping[str, Fit[PowerLaw]], optimum: SurfaceAllocation) -> Growth:
    rates = {name: fit.parameters["exponent"] for name, fit in fits.items()}
    factors = {name: float(10.0**rate.value) for name, rate in rates.items()}
    top = int(np.argmax(optimum.budget))
    share = float(optimum.compute[top] / optimum.budget[top])
    labels = {"sigma": "the UTD ratio", "critic_params": "the critic's parameters"}
    sure = {name: rate.low > 0 or rate.high < 0 for name, rate in rates.items()}
    first = max(labels, key=lambda name: rates[name].value)
    parts = [
        f"{labels[name]} {factors[name]:.2g} times"
        + ("" if sure[name] else " (not distinguishable from no change)")
        for name in sorted(labels, key=lambda name: -rates[name].value)
    ]
    if not any(sure[name] for name in labels):
        lead = "which of the two to grow is not told by these data"
    elif sure[first] and factors[first] > 1:
        lead = f"grow {labels[first]} first"
    else:
        lead = "neither is seen to grow, collect more data"
    edges = int((optimum.edges != "").sum())
    caution = (
        f"; {edges} of {optimum.edges.size} optima lie at or beyond the edge of what was run"
        if edges
        else ""
    )
    sentence = (
        f"With ten times the budget: {lead}; {parts[0]}, {parts[1]}, and data "
        f"{factors['data']:.2g} times{caution}."
    )
    return Growth(rates, factors, share, sentence)
