"""From learning curves to D_J: the env steps to each level, with their bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import vs_isotonic as iso
from numpy.typing import NDArray

from vs_analyze.runs import AnalysisError, Run
from vs_analyze.settings import Settings

type Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One configuration, measured.

    Attributes:
        data: env steps to each level, shape (J,); ``inf`` where the mean curve never gets there.
        samples: the same for K bootstraps over seeds, shape (K, J).
        last_step: env step that a censored entry is censored at, shape (J,); it depends on the level
            where seeds stopped on success.
        seeds: how many seeds are in the mean at the crossing (at ``last_step`` where censored),
            shape (J,).
    """

    run: Run
    data: Floats
    samples: Floats
    last_step: Floats
    seeds: NDArray[np.int64]

    @property
    def utd(self) -> float:
        """σ of the run."""
        return self.run.utd


def with_levels(settings: Settings, runs: Sequence[Run]) -> Settings:
    """The settings with their levels filled in by `reachable_levels` where none were given."""
    return settings if settings.levels else replace(settings, levels=reachable_levels(runs))


def reachable_levels(runs: Sequence[Run]) -> tuple[float, ...]:
    """Eleven levels that the curves can speak about, as paper 2 chooses them (base to worst run).

    The highest is nine tenths of what half of the configurations reach at the task and σ where that
    is hardest (at most 800, paper 1's level; rounded down to a multiple of 10); the lowest is 3/8
    of it. The tenth keeps most bootstraps from being censored there.
    """
    finals: dict[tuple[str, float], list[float]] = {}
    for run in runs:
        fit = iso.isotonic_regression(run.mean())
        finals.setdefault((run.env, run.utd), []).append(float(fit[-1]))
    (env, utd), worst = min(
        ((key, float(np.median(values))) for key, values in finals.items()),
        key=lambda item: item[1],
    )
    if worst < 12:  # below, the levels would be 0
        raise AnalysisError(
            f"{env} at utd {utd:g}: half of the configurations end below a normalised return of 12 "
            f"({worst:.3g}; 1000 = optimal), so no level can be compared; run longer or give --levels"
        )
    top = min(800.0, np.floor(0.09 * worst) * 10)
    return tuple(np.round(np.linspace(0.375 * top, top, 11), 6).tolist())


def measure(runs: Sequence[Run], settings: Settings, rng: np.random.Generator) -> list[Cell]:
    """Crossings of every run at every level, and of K bootstraps over its seeds.

    One independent stream per run, so adding a run does not change the draws of those before it.
    """
    levels = np.asarray(settings.levels, float)
    cells = []
    for run, stream in zip(runs, rng.spawn(len(runs)), strict=True):
        point = iso.mean_crossings(run.steps, run.returns, levels, stopped=run.stopped)
        boot = iso.bootstrap_crossings(
            run.steps, run.returns, levels, bootstraps=settings.bootstraps, rng=stream,
            stopped=run.stopped,
        )  # fmt: skip
        last = np.broadcast_to(point.last_step, levels.shape).copy()
        cells.append(Cell(run, point.step, boot.step, last, np.asarray(point.seeds)))
    return cells


@dataclass(frozen=True)
class Grid:
    """D_J over learning rate × batch size at one task and σ, at one level.

    Attributes:
        data: shape (n_eta, n_B); ``inf`` censored, NaN not run.
        samples: shape (K, n_eta, n_B).
    """

    env: str
    utd: float
    learning_rates: Floats
    batch_sizes: Floats
    data: Floats
    samples: Floats


def grids(cells: Sequence[Cell], level: int) -> list[Grid]:
    """Arrange cells into one grid per (env, σ), sorted; ``level`` is an index into the levels."""
    found = []
    for env, utd in sorted({(cell.run.env, cell.utd) for cell in cells}):
        here = [cell for cell in cells if (cell.run.env, cell.utd) == (env, utd)]
        rates = np.unique([cell.run.learning_rate for cell in here])
        batches = np.unique([float(cell.run.batch_size) for cell in here])
        data = np.full((len(rates), len(batches)), np.nan)
        samples = np.full((here[0].samples.shape[0], *data.shape), np.nan)
        for cell in here:
            i = np.searchsorted(rates, cell.run.learning_rate)
            j = np.searchsorted(batches, float(cell.run.batch_size))
            data[i, j] = cell.data[level]
            samples[:, i, j] = cell.samples[:, level]
        found.append(Grid(env, utd, rates, batches, data, samples))
    return found
