"""Calibration of the data law at all levels: are its intervals as wide as its errors?

On simulated studies, whose law, lack of fit and noise are known, and on the published runs with some
left out, beside simpler predictors: the law fitted level by level (with the interval of its bootstrap), the
nearest run, and an interval of constant width from the law's own left-out residuals (split conformal).

    uv run python benchmarks/calibration.py [--quick]

The second part needs the published curves (``vs-analyze fetch``) in ../shared/curves.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import vs_logging as vslog
from numpy.typing import NDArray
from scipy.special import ndtri
from vs_analyze.levels import study_levels
from vs_analyze.measure import measure, only_cells
from vs_analyze.runs import load_runs
from vs_analyze.settings import Settings, published2
from vs_analyze.study import BOTH, ONE
from vs_laws import Measured, fit_data_law, fit_level_law, fit_level_laws, grid

ROOT = Path(__file__).resolve().parents[1]
CURVES = ROOT / "../shared/curves"
RESULT = ROOT / "benchmarks/results/calibration.txt"
NOMINAL = (0.5, 0.8, 0.9, 0.95)
AXES = ("sigma", "critic_params")
SCORED = (4, 9, 14, 19)  # levels of the published tasks that are scored, of 20
SPACING, SEEDS, LEVELS = 25e3, 4, 5
OWN = 0.035  # deviation of log D of a run from any smooth surface, as on the published runs

type Floats = NDArray[np.float64]
type Bools = NDArray[np.bool_]


@dataclass
class Score:
    """Errors and intervals of one predictor: log(predicted/measured), and its standard deviation."""

    errors: list[float] = field(default_factory=list)
    sd: list[float] = field(default_factory=list)

    def add(self, predicted: Floats, measured: Floats, sd: Floats | float) -> None:
        """Enter predictions of measured env steps; what was not reached is left out."""
        use = np.isfinite(measured) & np.isfinite(predicted)
        self.errors += np.log(predicted[use] / measured[use]).tolist()
        self.sd += np.broadcast_to(sd, measured.shape)[use].tolist()

    def coverage(self, level: float) -> float:
        """Return the share of errors inside the interval of this level."""
        half = ndtri(0.5 + level / 2) * np.array(self.sd)
        return float(np.mean(np.abs(self.errors) <= half))

    def line(self, name: str) -> str:
        """Return rms, bias, coverages and the mean log-width of the 90 % interval."""
        errors = np.array(self.errors)
        text = (
            f"{name:36s} {errors.size:6d} {np.sqrt(np.mean(errors**2)):6.3f} {errors.mean():+7.3f}"
        )
        if not np.isfinite(self.sd).all():
            return text
        text += "".join(f" {100 * self.coverage(level):5.1f}" for level in NOMINAL)
        return f"{text} {2 * ndtri(0.95) * np.mean(self.sd):6.3f}"


HEADER = f"{'':36s} {'n':>6s} {'rms':>6s} {'bias':>7s}  50 %  80 %  90 %  95 %  width"


def bends(rng: np.random.Generator, sd: float) -> Callable[[Floats], Floats]:
    """Return a smooth function of log places (n, 2) with this deviation: a wave along each axis.

    Waves of random length and phase, 3 to 8 in log x, and one across both axes; nothing of the law's
    own covariance of lack of fit.
    """
    lengths, phases = rng.uniform(3.0, 8.0, (3, 2)), rng.uniform(0.0, 2 * np.pi, 3)
    lengths[0, 1] = lengths[1, 0] = np.inf

    def bend(logs: Floats) -> Floats:
        waves = np.cos(2 * np.pi * (logs[:, None, :] / lengths).sum(axis=2) + phases)
        return sd * np.sqrt(2.0 / 3.0) * waves.sum(axis=1)

    return bend


def simulated(
    rng: np.random.Generator, misfit: float, own: float = OWN
) -> tuple[Measured, Measured]:
    """Return 4 × 4 runs of a random law, and 5 runs at new places: 3 inside, 2 outside the grid.

    The law bends by waves of deviation ``misfit``, each run is off by ``own`` and has the noise of
    four seeds. A crossing is the first evaluation at the level.
    """
    sigma, params = (
        v.ravel() for v in np.meshgrid([1.0, 2, 4, 8], [2e5, 6e5, 2e6, 8e6], indexing="ij")
    )
    low, high = np.log([1.0, 2e5]), np.log([8.0, 8e6])
    new = rng.uniform(low, high, (5, 2))
    out = rng.integers(2, size=2)  # the axis on which each of the last two is outside
    side = rng.choice([-1.0, 1.0], 2) * rng.uniform(0.0, np.log([2.0, 3.5])[out])
    new[[3, 4], out] = np.where(side > 0, high[out], low[out]) + side
    logs = np.vstack([np.log(np.column_stack([sigma, params])), new])

    share = rng.dirichlet([3.0, 2.0, 2.0])  # floor, σ term, N term in the middle of the grid
    alpha, beta = rng.uniform(0.3, 1.1), rng.uniform(0.2, 0.7)
    s, m = (logs - (low + high) / 2).T
    law = np.log(share[0] + share[1] * np.exp(-alpha * s) + share[2] * np.exp(-beta * m))
    t = np.linspace(-0.5, 0.5, LEVELS)
    scatter = own * rng.normal(size=len(logs))
    truth = np.log(4e5) + 0.9 * t + (law + bends(rng, misfit)(logs) + scatter)[:, None]
    root = np.linalg.cholesky(
        np.exp(-np.abs(np.subtract.outer(t, t)) / 0.2) + 1e-9 * np.eye(LEVELS)
    )
    noise = rng.uniform(0.05, 0.15) * rng.normal(size=(SEEDS, len(logs), LEVELS)) @ root.T

    def steps(log: Floats) -> Floats:
        return np.ceil(np.exp(log) / SPACING) * SPACING  # the first evaluation at the level

    point = steps(truth + noise.mean(axis=0))
    rows = rng.integers(SEEDS, size=(50, SEEDS, len(logs)))
    draws = steps(truth + noise[rows, np.arange(len(logs))].mean(axis=1))
    whole = Measured.of(
        point, 300 + 500 * (t + 0.5), draws=draws, seeds=SEEDS, spacing=SPACING,
        sigma=np.exp(logs[:, 0]), critic_params=np.exp(logs[:, 1]),
    )  # fmt: skip
    fresh = np.arange(len(logs)) >= len(sigma)
    return whole.without(fresh), whole.without(~fresh)


def simulation(studies: int, misfit: float, own: float = OWN, seed: int = 0) -> dict[str, Score]:
    """Return scores of the law, inside and outside the grid."""
    found = {"inside": Score(), "outside": Score(), "all": Score()}
    for rng in np.random.default_rng(seed).spawn(studies):
        runs, new = simulated(rng, misfit, own)
        law = fit_level_law(runs)
        for i in range(len(new.data)):
            at = {axis: values[i] for axis, values in new.places.items()}
            guess = law.predict(level=new.levels, seeds=SEEDS, spacing=SPACING, **at)
            for name in ("inside" if i < 3 else "outside", "all"):
                found[name].add(guess.value, new.data[i], guess.log_sd)
    return found


def each(task: Measured) -> Iterator[Bools]:
    """Leave out one run at a time."""
    yield from np.eye(len(task.data), dtype=bool)


def end(axis: str, pick: Callable[[Floats], float]) -> Callable[[Measured], Iterator[Bools]]:
    """Leave out the largest or smallest places of an axis; sizes within a third are the same."""

    def masks(task: Measured) -> Iterator[Bools]:
        values = task.places[axis]
        yield np.abs(np.log(values / pick(values))) < np.log(4 / 3)

    return masks


def held_out(
    tasks: Mapping[str, Measured],
    masks: Callable[[Measured], Iterator[Bools]],
    scored: NDArray[np.int64],
) -> dict[str, Score]:
    """Return scores of every predictor on runs that are left out, at some levels.

    Args:
        tasks: measured runs by task; over one axis they are pooled, with the first mask of each.
        masks: runs to leave out, (n,) bool, one mask after another.
        scored: indices of levels.
    """
    names = ("all levels", "level by level", "nearest run", "constant width")
    found = {name: Score() for name in names}
    for some in zip(*(masks(task) for task in tasks.values()), strict=False):
        kept = {
            name: task.without(mask) for (name, task), mask in zip(tasks.items(), some, strict=True)
        }
        laws = fit_level_laws(kept)
        for (name, task), mask in zip(tasks.items(), some, strict=True):
            gaps = np.mean([p.gap for p in laws[name].posteriors], axis=0)
            constant = _conformal(gaps[np.isfinite(gaps)])
            for i in np.flatnonzero(mask):
                at = {axis: values[i] for axis, values in task.places.items()}
                measured = task.data[i, scored]
                guess = laws[name].predict(
                    level=task.levels[scored], seeds=task.seeds[i], spacing=task.spacing[i], **at
                )
                near = kept[name].data[int(grid.nearest(kept[name].places, at))]
                near = np.where(np.isfinite(near), near, np.nan)[scored]
                alone = np.array([_alone(kept[name], k, at) for k in scored.tolist()])
                found["all levels"].add(guess.value, measured, guess.log_sd)
                found["level by level"].add(alone, measured, np.nan)
                found["nearest run"].add(near, measured, np.nan)
                found["constant width"].add(guess.value, measured, constant)
    return found


def _conformal(gaps: Floats) -> float:
    """Return the deviation whose 90 % interval is that of the left-out residuals."""
    rank = min(1.0, 0.9 * (1 + 1 / max(len(gaps), 1)))
    return float(np.quantile(np.abs(gaps), rank) / ndtri(0.95))


def _alone(task: Measured, level: int, at: Mapping[str, float]) -> float:
    """Return the prediction of the additive form fitted to one level by itself."""
    places: dict[str, Any] = dict(task.places)
    asked: dict[str, Any] = dict(at)
    return float(fit_data_law(task.data[:, level], **places).predict(**asked).value)


def published(name: str, settings: Settings, axes: tuple[str, ...]) -> dict[str, Measured]:
    """Return the published runs of a table by task, with the dips after resets left out."""
    runs = load_runs(vslog.import_zip(CURVES / f"{name}.zip").table, settings, source=name)
    levels = study_levels(runs, settings, axes)
    cells = measure(runs, levels, bootstraps=100, rng=np.random.default_rng(0))
    return {
        env: Measured.of(
            [cell.data for cell in here], levels[env],
            draws=np.stack([cell.draws for cell in here], axis=1),
            seeds=[cell.run.returns.shape[1] for cell in here],
            spacing=[np.median(np.diff(cell.run.steps)) for cell in here],
            last_step=[cell.last_step for cell in here],
            **{axis: [cell.place(axes)[k] for cell in here] for k, axis in enumerate(AXES[: len(axes)])},
        )
        for env, here in only_cells(cells, axes).items()
    }  # fmt: skip


def data(quick: bool) -> Iterator[str]:
    """Score the published runs, set by set."""
    if not (CURVES / "fitted_bs.zip").exists():
        yield f"the published curves are not in {CURVES.name}: no second part"
        return
    both = published("fitted_bs", published2(), BOTH)
    one = published("gym_ours", Settings(), ONE)
    sets: list[tuple[str, Mapping[str, Measured], Callable[[Measured], Iterator[Bools]]]] = [
        *([] if quick else [("fitted_bs, one run", both, each)]),
        ("fitted_bs, largest sigma", both, end("sigma", np.max)),
        ("fitted_bs, smallest sigma", both, end("sigma", np.min)),
        ("fitted_bs, largest N", both, end("critic_params", np.max)),
        ("fitted_bs, smallest N", both, end("critic_params", np.min)),
        ("gym_ours, largest sigma", one, end("sigma", np.max)),
        ("gym_ours, smallest sigma", one, end("sigma", np.min)),
    ]
    for name, tasks, masks in sets:
        count = len(next(iter(tasks.values())).levels)
        scored = np.array(SCORED) if count == 20 else np.arange(count)
        yield name
        for predictor, score in held_out(tasks, masks, scored).items():
            yield score.line(f"  {predictor}")


def main() -> None:
    """Print the table and, at full size, keep it."""
    parser = argparse.ArgumentParser(description="calibration of the data law at all levels")
    parser.add_argument("--quick", action="store_true", help="few studies, nothing is kept")
    quick = parser.parse_args().quick
    start = time.perf_counter()
    lines = [HEADER]
    print(HEADER)
    for misfit, own in ((0.0, 0.0), (0.0, OWN), (0.05, OWN), (0.1, OWN)):
        lines.append(f"simulated, bends {misfit:g}, runs {own:g}")
        lines += [
            score.line(f"  {name}")
            for name, score in simulation(20 if quick else 400, misfit, own).items()
        ]
        print("\n".join(lines[-4:]), flush=True)
    for line in data(quick):
        print(line, flush=True)
        lines.append(line)
    lines.append(
        f"{time.perf_counter() - start:.0f} s, python {platform.python_version()}, numpy "
        f"{np.__version__}, {os.cpu_count()} cores"
    )
    print(lines[-1])
    if not quick:
        RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
