"""From learning curves to D_J: the env steps to each level, with their bootstrap."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import vs_isotonic as iso
import vs_laws as laws
from numpy.typing import NDArray

from vs_analyze.runs import AnalysisError, Run

type Floats = NDArray[np.float64]
type Place = tuple[float, ...]
"""σ, or (σ, N), of a run."""
type Target = Callable[[str, Place], tuple[float, float]]
"""(env, place) → (batch size, learning rate), NaN where a rate does not matter."""

type Target = Callable[[str, Place], tuple[float, float]]
"""(env, place) → (batch size, learning rate), NaN where a rate does not matter."""

BAGGED = 0.8
"""A level has a bagged crossing if a larger share of the bootstraps than this reaches it."""


@dataclass(frozen=True)
class Cell:
    """One configuration, measured.

    Attributes:
        data: env steps to each level, shape (J,); ``inf`` where the mean curve never gets there.
        draws: the same for K bootstraps over seeds, shape (K, J).
        last_step: env step that a censored entry is censored at, shape (J,); it depends on the level
            where seeds stopped on success.
        spacing: env steps from the evaluation before the crossing to it, (J,), NaN where censored:
            the level was reached somewhere in between.
        seeds: number of seeds that speak in the mean at the crossing (at ``last_step`` where
            censored), (J,): those that failed below the level are in the mean, but not counted.
    """

    run: Run
    data: Floats
    draws: Floats
    last_step: Floats
    spacing: Floats
    seeds: NDArray[np.int64]

    @property
    def begun(self) -> int:
        """Number of seeds in the table."""
        return self.run.begun

    @property
    def distinct(self) -> int:
        """Number of seeds that are no exact copy of another."""
        return self.run.begun - self.run.duplicates

    @property
    def usual_spacing(self) -> float:
        """Env steps between evaluations: the median over the crossings, without any over the curve."""
        known = self.spacing[np.isfinite(self.spacing)]
        return float(np.median(known if known.size else np.diff(self.run.steps)))

    @property
    def utd(self) -> float:
        """σ of the run."""
        return self.run.utd

    @property
    def params(self) -> float:
        """N of the run; NaN where the table does not record it."""
        return float(self.run.critic_params or np.nan)

    def place(self, axes: Sequence[str]) -> Place:
        """Return the run's place on the axes of a study."""
        return (self.utd, self.params)[: len(axes)]

    def at(self, index: int) -> laws.Estimate:
        """Return the env steps to a level, with the interval over seeds."""
        return laws.Estimate.from_draws(float(self.data[index]), self.draws[:, index])


def measure(
    runs: Sequence[Run],
    levels: Mapping[str, Sequence[float]],
    *,
    bootstraps: int,
    rng: np.random.Generator,
) -> list[Cell]:
    """Return the crossings of every run at the levels of its task, and of bootstraps over its seeds.

    One independent stream per run, so adding a run does not change the draws of those before it.
    """
    cells = []
    for run, stream in zip(runs, rng.spawn(len(runs)), strict=True):
        wanted = np.asarray(levels[run.env], float)
        boot = iso.bootstrap_crossings(
            run.steps, run.returns, wanted, bootstraps=bootstraps, rng=stream, stopped=run.stopped,
            failed=run.failed, resets=run.resets,
        )  # fmt: skip
        cells.append(replace(measure_once(run, wanted), draws=boot.step))
    return cells


def measure_once(run: Run, levels: Sequence[float] | Floats) -> Cell:
    """Return the crossings of one run without a bootstrap: its one draw is the measured crossing."""
    point = run.crossings(levels)
    seeds = np.asarray(point.seeds)
    return Cell(run, point.step, point.step[None], point.last_step, point.spacing, seeds)


def crossing_notes(cells: Sequence[Cell], levels: Mapping[str, Sequence[float]]) -> list[str]:
    """Return a remark on crossings at which fewer than half of the seeds speak."""
    few = [
        (int(cell.seeds[j]), cell.run.returns.shape[1], f"{cell.run.label}, level {level:g}")
        for cell in cells
        for j, level in enumerate(levels[cell.run.env])
        if np.isfinite(cell.data[j]) and 2 * cell.seeds[j] < cell.run.returns.shape[1]
    ]
    if not few:
        return []
    seeds, count, where = min(few)
    return [
        f"{len(few)} crossings rest on fewer than half of their run's seeds, the others having ended "
        f"below the level: on {seeds} of {count} at {where}"
    ]


def by_place(cells: Sequence[Cell], axes: Sequence[str]) -> dict[tuple[str, Place], list[Cell]]:
    """Return the cells of each (env, place), sorted."""
    found: dict[tuple[str, Place], list[Cell]] = {}
    for cell in cells:
        found.setdefault((cell.run.env, cell.place(axes)), []).append(cell)
    return dict(sorted(found.items(), key=lambda item: item[0]))


@dataclass(frozen=True)
class Grid:
    """D_J over learning rate × batch size at one task and place, at one level.

    Attributes:
        data: shape (n_eta, n_B); ``inf`` censored, NaN not run.
        draws: shape (K, n_eta, n_B).
    """

    env: str
    place: Place
    learning_rates: Floats
    batch_sizes: Floats
    data: Floats
    draws: Floats

    @property
    def utd(self) -> float:
        """σ of the grid."""
        return self.place[0]


def grid(env: str, place: Place, cells: Sequence[Cell], level: int) -> Grid:
    """Arrange the cells of one place into a grid; ``level`` is an index into the levels."""
    rates = np.unique([cell.run.learning_rate for cell in cells])
    batches = np.unique([float(cell.run.batch_size) for cell in cells])
    data = np.full((len(rates), len(batches)), np.nan)
    draws = np.full((len(cells[0].draws), *data.shape), np.nan)
    for cell in cells:
        i = np.searchsorted(rates, cell.run.learning_rate)
        j = np.searchsorted(batches, float(cell.run.batch_size))
        data[i, j] = cell.data[level]
        draws[:, i, j] = cell.draws[:, level]
    return Grid(env, place, rates, batches, data, draws)


def only_cells(cells: Sequence[Cell], axes: Sequence[str]) -> dict[str, list[Cell]]:
    """Return cells by env, sorted by place: the only one of each (env, place), or the middle one.

    Paper 1 ran several configurations around B* and η* at each (task, σ) of its DeepMind Control
    suite. The one at (B*, η*) is the one whose batch size and learning rate are both the median.

    Raises:
        AnalysisError: an (env, place) has several configurations, and none or several in the middle.
    """
    found: dict[str, list[Cell]] = {}
    for (env, _), here in by_place(cells, axes).items():
        batch, rate = (
            np.median([getattr(cell.run, name) for cell in here])
            for name in ("batch_size", "learning_rate")
        )
        middle = [c for c in here if (c.run.batch_size, c.run.learning_rate) == (batch, rate)]
        if len(middle) != 1:
            raise AnalysisError(
                f"fitted runs: {env} has several configurations at utd {here[0].utd:g}; expected one "
                "per task and utd, or several around one that has their median batch size and "
                "learning rate (give a grid as the table itself)"
            )
        found.setdefault(env, []).append(middle[0])
    return found


def nearest_cells(
    cells: Sequence[Cell], axes: Sequence[str], target: Target
) -> dict[str, list[Cell]]:
    """Return, at each (env, place), the cell nearest to the target hyperparameters, in log distance."""
    found: dict[str, list[Cell]] = {}
    for (env, place), here in by_place(cells, axes).items():
        batch_size, rate = target(env, place)
        index = laws.grid.nearest(
            {
                "batch_size": [cell.run.batch_size for cell in here],
                "learning_rate": [cell.run.learning_rate for cell in here],
            },
            {"batch_size": batch_size, "learning_rate": rate},
        )
        found.setdefault(env, []).append(here[int(index)])
    return found
