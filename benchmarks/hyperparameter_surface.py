"""Exponents of B*(σ) and η*(σ) in simulated sweeps: one surface against averaged argmins of the grid.

Curvature and noise are those of OpenAI Gym's sweep (`packages/vs-laws/tests/simulated_sweeps.py`). Both
exponents have the same true value. By design and true exponent, over both hyperparameters:

- bias of the exponent, coverage and mean width of its 90 % interval, argmins beside it;
- mean regret in D of running at the estimated (B*, η*), at the grid's σ and an octave outside them;
- coverage of the 95 % interval of η* at the largest σ;
- the share of values in the tolerance bands with D within 10 % of the least, at the grid's σ; an octave
  outside, the share of bands with all of their values so (in brackets: the share that exists).

    uv run python benchmarks/hyperparameter_surface.py --studies 60
"""

import argparse
import importlib.util
import os
import platform
import sys
import time
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from vs_laws import Estimate, Hyperparameters, fit_hyperparameters, grid

ROOT = Path(__file__).resolve().parents[1]
SIMULATOR = ROOT / "packages/vs-laws/tests/simulated_sweeps.py"
RESULT = ROOT / "benchmarks/results/hyperparameter_surface.txt"
EXPONENTS = (0.0, -0.3, -0.5, -1.0)
NAMES = ("batch_size", "learning_rate")
OCTAVE, HALF_DECADE, FOUR = (-1, 0, 1), (-1.66, 0, 1.66), (-3, -1, 1, 3)


def simulator() -> Any:
    """Return the module that simulates sweeps."""
    spec = importlib.util.spec_from_file_location("simulated_sweeps", SIMULATOR)
    if spec is None or spec.loader is None:
        sys.exit(f"{SIMULATOR} is not there")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def designs(make: Any) -> dict[str, Any]:
    """Return the designs by name: σ × B × η × seeds."""
    gym, below, around = (1, 2, 4, 8), (0.125, 0.25, 0.5, 1, 2), (0.25, 0.5, 1, 2, 4)
    return {
        "Gym 4x3x3x8, 4 tasks": make(gym, OCTAVE, OCTAVE, 8, 4),
        "Gym 4x3x3x8, 1 task": make(gym, OCTAVE, OCTAVE, 8),
        "sigma 1/8-2, 5x3x3x8": make(below, OCTAVE, OCTAVE, 8),
        "own 5x4x3x8": make(around, (-1.5, -0.5, 0.5, 1.5), HALF_DECADE, 8),
        "factors of 4, 5x4x4x4": make(around, FOUR, FOUR, 4),
        "quickstart 3x3x3x6": make((1, 2, 4), OCTAVE, OCTAVE, 6),
        "half-decades 4x3x3x8": make(gym, OCTAVE, HALF_DECADE, 8),
    }


def argmins(design: Any, sweep: Any) -> tuple[dict[str, Any], list[tuple[float, float]]]:
    """Return the laws through averaged argmins at the highest level, and the best cells at a middle σ."""
    shape = (design.tasks, len(design.sigma), len(design.batch), len(design.rate))
    draws = sweep.given["draws"][:, :, -1].reshape(-1, *shape)
    batches, rates = (np.unique(sweep.given[name]) for name in NAMES)
    places = list(product(range(design.tasks), range(len(design.sigma))))
    tables = [draws[:, t, s].swapaxes(1, 2) for t, s in places]
    optima = [grid.grid_optimum(t, learning_rates=rates, batch_sizes=batches) for t in tables]
    laws = {
        name: grid.fit_hyperparameter_law(
            [design.sigma[s] for _, s in places],
            [getattr(optimum, name) for optimum in optima],
            tasks=[f"task{t}" for t, _ in places],
        )
        for name in NAMES
    }
    middle = design.sigma.index(grid.middle_level(design.sigma))
    constant = [
        grid.best_configuration(
            draws[:, t, middle].swapaxes(1, 2), learning_rates=rates, batch_sizes=batches
        )
        for t in range(design.tasks)
    ]
    return laws, [(best.batch_size, best.learning_rate) for best in constant]


def fits_of(laws: Any, task: str, sigma: float) -> tuple[float, float]:
    """Return B* and η* of a pair of laws."""
    batch, rate = (laws[name].of(task).law(sigma=sigma) for name in NAMES)
    return float(batch), float(rate)


def regrets(design: Any, sweep: Any, choose: Any) -> tuple[float, float]:
    """Return the mean regret inside the design's σ and an octave outside, of (task, σ) → (B, η)."""
    outside = (min(design.sigma) / 2, max(design.sigma) * 2)

    def mean(values: Any) -> float:
        places = product(range(design.tasks), values)
        return float(np.mean([np.expm1(sweep.excess(t, s, *choose(t, s))) for t, s in places]))

    return mean(design.sigma), mean(outside)


def bands(design: Any, sweep: Any, found: Hyperparameters) -> Iterator[tuple[float, ...]]:
    """Yield for every band: inside the design's σ, existing, share of values within 10 %, all of them."""
    outside = (min(design.sigma) / 2, max(design.sigma) * 2)
    for t, s in product(range(design.tasks), (*design.sigma, *outside)):
        band, best = found.band(f"task{t}", s), 2.0 ** sweep.best(s)[:, t]
        for k, name in enumerate(NAMES):
            if (ends := getattr(band, name)) is None:
                yield s not in outside, 0.0, np.nan, np.nan
                continue
            place: list[Any] = list(best)
            place[k] = np.geomspace(*ends, 21)
            good = sweep.excess(t, s, *place) <= np.log(1.1)
            yield s not in outside, 1.0, good.mean(), good.all()


def covers(interval: Estimate, truth: float) -> bool:
    """Return whether the truth is inside."""
    return bool(interval.low <= truth <= interval.high)


def study(module: Any, design: Any, exponent: float, seed: list[int]) -> dict[str, Any]:
    """Return the numbers of one simulated sweep."""
    rng = np.random.default_rng(seed)
    sweep = module.simulate(design, exponent, rng)
    start = time.perf_counter()
    found = fit_hyperparameters(rng=rng, **sweep.given)
    seconds = time.perf_counter() - start
    laws, constant = argmins(design, sweep)
    ends = {
        "surface": [found.exponent(name, level=0.9) for name in NAMES],
        "argmins": [_ninety(laws[name]) for name in NAMES],
    }
    last = max(design.sigma)
    rates = found.fits["learning_rate"].predict(sigma=last)
    truth = 2.0 ** sweep.best(last)[1]
    argmin_rates = laws["learning_rate"].predict(sigma=last)
    tolerance = np.array(list(bands(design, sweep, found)))
    inside = tolerance[:, 0] == 1
    row: dict[str, Any] = {
        "seconds": seconds,
        "rate": np.mean((rates.low <= truth) & (truth <= rates.high)),
        "argmin rate": np.mean((argmin_rates.low <= truth) & (truth <= argmin_rates.high)),
        "band": _mean(tolerance[inside, 2]),
        "outside bands": np.mean(tolerance[~inside, 1]),
        "outside": _mean(tolerance[~inside, 3]),
        "surface regret": regrets(design, sweep, lambda t, s: fits_of(found.fits, f"task{t}", s)),
        "argmins regret": regrets(design, sweep, lambda t, s: fits_of(laws, f"task{t}", s)),
        "constant regret": regrets(design, sweep, lambda t, s: constant[t]),
    }
    for way, intervals in ends.items():
        row[way] = [(i.value - exponent, covers(i, exponent), i.high - i.low) for i in intervals]
    return row


def _ninety(law: Any) -> Estimate:
    draws = law.draws.exponent[:, 0, 0, 0]
    low, high = np.nanquantile(draws, [0.05, 0.95])
    return Estimate(law.parameters["sigma_exponent"].value, float(low), float(high))


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def line(name: str, exponent: float, rows: list[dict[str, Any]]) -> str:
    """Return one line of the table."""

    def part(key: str) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # no band at all
            return np.nanmean(np.array([row[key] for row in rows], float), axis=0)

    cells = [f"{name:22} {exponent:5.1f}"]
    for k in (0, 1):
        bias, cover, width = part("surface")[k]
        cells.append(f"{bias:+.3f} {cover:4.0%} {width:.2f} ")
        bias, cover, _ = part("argmins")[k]
        cells.append(f"({bias:+.2f} {cover:4.0%})")
    for way in ("surface", "argmins", "constant"):
        inside, outside = part(f"{way} regret")
        cells.append(f"{inside:4.0%}/{outside:4.0%}")
    cells.append(f"{part('rate'):4.0%} ({part('argmin rate'):4.0%})")
    cells.append(f"{part('band'):4.0%}")
    cells.append(f"{part('outside'):4.0%} [{part('outside bands'):4.0%}]")
    return " ".join(cells) + f"  {part('seconds'):.2f} s"


def main() -> None:
    """Simulate, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="part of a design's name")
    given = parser.parse_args()
    module = simulator()
    head = (
        f"{given.studies} studies a line, seed {given.seed}; {platform.processor() or platform.machine()}, "
        f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}\n"
        f"{'':22}  true  B: bias, cover, width (argmins)  eta: the same                "
        " regret in/out: surface, argmins, constant; eta* at the largest sigma, 95 % (argmins);"
        " bands inside; outside [exist]"
    )
    print(head)
    lines = [head]
    for name, design in designs(module.Design).items():
        for exponent in EXPONENTS:
            if given.only in name:
                seeds = ([given.seed, i, int(-10 * exponent)] for i in range(given.studies))
                lines.append(
                    line(name, exponent, [study(module, design, exponent, s) for s in seeds])
                )
                print(lines[-1], flush=True)
    if not given.only:
        RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
