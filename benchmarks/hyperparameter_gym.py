"""The hyperparameter surface of arXiv:2502.04327's OpenAI Gym sweep, checked on runs it has not seen.

The surface is fitted to gym_sweep (σ 1-8) at levels 600-800. At σ 0.25, 0.5 and 16 the paper ran the
hyperparameters of its own fit (gym_ours) and those of σ = 2 (gym_baseline_utd2): the log ratio of their D,
averaged over levels, is compared with the surface's. Its 90 % interval holds the refits, both cells' lack of
fit and both measurements' noise. The curves lie beside the checkout, in ../shared/curves.

    uv run python benchmarks/hyperparameter_gym.py
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import vs_logging as vslog
from vs_analyze.measure import Cell, measure
from vs_analyze.runs import load_runs
from vs_analyze.settings import Settings
from vs_laws import fit_hyperparameters
from vs_laws._noise import cell_variance, seed_variance, spacing_variance

ROOT = Path(__file__).resolve().parents[1]
CURVES = ROOT / "../shared/curves"
RESULT = ROOT / "benchmarks/results/hyperparameter_gym.txt"
LEVELS = np.linspace(600.0, 800.0, 5)
UNSEEN = (0.25, 0.5, 16.0)


def cells_of(name: str, seed: int) -> list[Cell]:
    """Return the measured cells of one of the published zips."""
    path = CURVES / f"{name}.zip"
    if not path.exists():
        sys.exit(f"{path} is not there: this benchmark needs the published curves")
    table = vslog.find_importer(str(path), "auto").read(str(path), vslog.ImportOptions()).table
    runs = load_runs(table, Settings(), source=name)
    levels = {run.env: tuple(LEVELS) for run in runs}
    return measure(runs, levels, bootstraps=100, rng=np.random.default_rng(seed))


def arrays(cells: list[Cell]) -> dict[str, Any]:
    """Return the arguments of `fit_hyperparameters`."""
    return {
        "data": np.stack([cell.data for cell in cells]),
        "tasks": [cell.run.env for cell in cells],
        "sigma": np.array([cell.utd for cell in cells]),
        "batch_size": np.array([float(cell.run.batch_size) for cell in cells]),
        "learning_rate": np.array([cell.run.learning_rate for cell in cells]),
        "seeds": np.array([cell.run.returns.shape[1] for cell in cells]),
        "spacing": np.array([cell.usual_spacing for cell in cells]),
        "draws": np.stack([cell.draws for cell in cells], axis=1),
        "last_steps": np.stack([cell.last_step for cell in cells]),
        "levels": LEVELS,
    }


def noise_of(given: dict[str, Any]) -> np.ndarray:
    """Return the variance of each cell's mean log D over levels, as at one level: at most too much."""
    task = np.unique(given["tasks"], return_inverse=True)[1]
    seeds = given["seeds"].astype(float)
    spaced = spacing_variance(given["data"], given["spacing"][:, None])
    spaced = np.where(np.isfinite(given["data"]), spaced, np.nan)
    return cell_variance(seed_variance(given["draws"], seeds[:, None]), spaced, seeds, task)


def main() -> None:
    """Fit, predict, and write what was found."""
    given = arrays(cells_of("gym_sweep", 0))
    start = time.perf_counter()
    found = fit_hyperparameters(rng=np.random.default_rng(0), **given)
    seconds = time.perf_counter() - start
    lines = [str(found), f"{len(given['tasks'])} cells, {seconds:.1f} s", ""]
    pair = [arrays(cells_of(name, 0)) for name in ("gym_ours", "gym_baseline_utd2")]
    noise = [noise_of(part) for part in pair]
    rng = np.random.default_rng(0)
    measured, predicted, inside = [], [], []
    for task in found.tasks:
        for sigma in UNSEEN:
            at = [
                next(
                    i
                    for i, p in enumerate(zip(part["tasks"], part["sigma"], strict=True))
                    if p == (task, sigma)
                )
                for part in pair
            ]
            ours, base = (
                {name: part[name][i] for name in ("batch_size", "learning_rate")}
                for part, i in zip(pair, at, strict=True)
            )
            logs = [np.log(part["data"][i]) for part, i in zip(pair, at, strict=True)]
            true = float(np.mean(logs[0] - logs[1]))
            ratio = found.excess(task, sigma, **ours) - found.excess(task, sigma, **base)
            spread = np.sqrt(
                2 * found.lack_of_fit**2 + sum(v[i] for v, i in zip(noise, at, strict=True))
            )
            new = ratio + spread * rng.standard_normal((50, len(ratio)))
            low, high = np.quantile(new, [0.05, 0.95])
            measured.append(true)
            predicted.append(ratio.mean())
            inside.append(low <= true <= high)
            lines.append(
                f"{task:15} sigma {sigma:5g}: log ratio {true:+.2f} measured, {ratio.mean():+.2f} predicted, "
                f"90% [{low:+.2f}, {high:+.2f}]"
            )
    error = np.array(predicted) - measured
    lines.append(
        f"mean {np.mean(measured):+.2f} measured, {np.mean(predicted):+.2f} predicted; rms error "
        f"{np.sqrt(np.mean(error**2)):.2f} (no prediction: {np.sqrt(np.mean(np.square(measured))):.2f}); "
        f"{np.mean(inside):.0%} inside"
    )
    print("\n".join(lines))
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
