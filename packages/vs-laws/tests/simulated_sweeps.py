"""Sweeps over (task, σ, B, η) drawn from laws that are known, with the noise of OpenAI Gym's sweep.

One seed's log D has an sd of 0.35, correlated over levels; curvatures are about 0.06 per octave².
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

LEVELS = np.linspace(600.0, 800.0, 5)
SEED_SD = 0.35
LEVEL_LENGTH = 0.5  # of the noise's correlation, in ranges of the levels
LACK_OF_FIT = 0.06
EVERY = 1000.0  # env steps between evaluations
LAST = 2e6


@dataclass(frozen=True)
class Design:
    """A grid: σ, octaves of B and η about the middle of the grid, seeds, and the number of tasks."""

    sigma: Sequence[float]
    batch: Sequence[float]
    rate: Sequence[float]
    seeds: int
    tasks: int = 1

    def cells(self) -> tuple[np.ndarray, ...]:
        """Return task, σ, log2 B and log2 η of every cell, (n,) each."""
        rows = product(range(self.tasks), self.sigma, self.batch, self.rate)
        task, sigma, batch, rate = np.array(list(rows)).T
        return task.astype(int), sigma, 8.0 + batch, -11.0 + rate


@dataclass(frozen=True)
class Sweep:
    """Arguments of `fit_hyperparameters`, and the truth behind them.

    Attributes:
        given: its arguments.
        exponent: of both B* and η*.
        centre: (2, T) log2 of B* and η* at the middle σ.
        middle: log2 of that σ.
        curvature: (2, T).
        skew, twist: γ and r.
        optimum: (G, J) env steps at the optimum of every (task, σ), in their order.
    """

    given: dict[str, Any]
    exponent: float
    centre: np.ndarray
    middle: float
    curvature: np.ndarray
    skew: float
    twist: float
    optimum: np.ndarray = field(repr=False)

    def best(self, sigma: float) -> np.ndarray:
        """Return log2 of B* and η*, (2, T)."""
        return self.centre + self.exponent * (np.log2(sigma) - self.middle)

    def excess(self, task: int, sigma: float, batch_size: Any, learning_rate: Any) -> Any:
        """Return log D above the optimum."""
        best = self.best(sigma)[:, task]
        u, v = np.log2(batch_size) - best[0], np.log2(learning_rate) - best[1]
        return _excess(u, v, self.curvature[:, task], self.skew, self.twist)


def simulate(
    design: Design,
    exponent: float,
    rng: np.random.Generator,
    *,
    bootstraps: int = 100,
    noise: float = 1.0,
) -> Sweep:
    """Draw a sweep; ``noise`` scales the seeds' noise and the lack of fit."""
    task, sigma, batch, rate = design.cells()
    middle = float(np.mean(np.log2(design.sigma)))
    centre = np.array([[8.0], [-11.0]]) + 0.5 * rng.standard_normal((2, design.tasks))
    curvature = 0.06 * np.exp(0.4 * rng.standard_normal((2, design.tasks)))
    skew, twist = 0.3, 0.2
    s = np.log2(sigma) - middle
    u = batch - centre[0, task] - exponent * s
    v = rate - centre[1, task] - exponent * s
    steps = 2e4 * (1 + 0.5 * task)[:, None] * (1 + 2 * sigma**-0.7)[:, None] * _rise()
    surface = _excess(u, v, curvature[:, task], skew, twist)
    surface = surface + noise * LACK_OF_FIT * rng.standard_normal(len(task))
    each = noise * SEED_SD * _over_levels(rng, (design.seeds, len(task)))
    picks = rng.integers(design.seeds, size=(bootstraps, len(task), design.seeds))
    whole = steps * np.exp(surface[:, None] + each.mean(axis=0))
    resampled = np.stack([each[picks[:, i], i].mean(axis=1) for i in range(len(task))], axis=1)
    draws = steps * np.exp(surface[:, None] + resampled)
    first = np.unique(np.stack([task, sigma]), axis=1, return_index=True)[1]
    return Sweep(
        {
            "data": _censored(whole),
            "tasks": [f"task{t}" for t in task],
            "sigma": sigma,
            "batch_size": 2.0**batch,
            "learning_rate": 2.0**rate,
            "seeds": design.seeds,
            "spacing": EVERY,
            "draws": _censored(draws),
            "last_steps": LAST,
            "levels": LEVELS,
        },
        exponent, centre, middle, curvature, skew, twist, steps[first],
    )  # fmt: skip


def _excess(u: Any, v: Any, curvature: Any, skew: float, twist: float) -> Any:
    """Return κ_B u² + κ_η q(v) + 2 r √(κ_B κ_η) u v, as it is published."""
    q = 2.0 * (np.expm1(skew * v) - skew * v) / skew**2
    cross = 2.0 * twist * np.sqrt(curvature[0] * curvature[1]) * u * v
    return curvature[0] * u**2 + curvature[1] * q + cross


def _rise() -> np.ndarray:
    return np.exp(0.6 * (LEVELS - LEVELS[0]) / np.ptp(LEVELS))


def _over_levels(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return standard normal noise (*shape, J) with correlation exp(−distance/length)."""
    away = np.abs(LEVELS[:, None] - LEVELS) / np.ptp(LEVELS)
    root = np.linalg.cholesky(np.exp(-away / LEVEL_LENGTH))
    return rng.standard_normal((*shape, len(LEVELS))) @ root.T


def _censored(steps: np.ndarray) -> np.ndarray:
    """Return env steps at the next evaluation, inf beyond the last one."""
    at = np.ceil(steps / EVERY) * EVERY
    return np.where(at > LAST, np.inf, at)
