"""Threshold crossings of vs-isotonic against a Python loop of scikit-learn fits.

The papers' way: for every run and every bootstrap of its seeds, average, fit scikit-learn's
IsotonicRegression, and look up every threshold in the fit. Both sides get the same resamples, are
timed run by run in turn (first one, then the other, the order swapping every run), and must agree
in every crossing; reading the files is timed on neither. The ratio that counts is of wall time. The
ratio of CPU time stands beside it: on a machine that other work keeps busy, it is the steadier one.

    uv run python benchmarks/isotonic.py [FOLDER WITH gym_sweep.zip] [--bootstraps 100]
"""

import argparse
import io
import os
import platform
import sys
import time
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from vs_isotonic import bootstrap_counts, bootstrap_crossings

MAX_RETURNS = {"HalfCheetah-v4": 9125, "Walker2d-v4": 5000, "Ant-v4": 6625, "Humanoid-v4": 6500}
THRESHOLDS = np.arange(100.0, 900.0, 100.0)
TARGET = 75

type Floats = NDArray[np.float64]


def read_runs(archive: Path) -> list[tuple[Floats, Floats]]:
    """Steps ``(T,)`` and returns ``(T, S)``, normalised to an optimum of 1000, of every run."""
    runs = []
    with zipfile.ZipFile(archive) as members:
        for name in sorted(members.namelist()):
            if name.endswith(".npy"):
                table = np.load(io.BytesIO(members.read(name)), allow_pickle=False)
                task = name.split("/")[2]
                runs.append((table[:, 0].copy(), table[:, 1:] * 1000 / MAX_RETURNS[task]))
    return runs


def ours(steps: Floats, returns: Floats, bootstraps: int, seed: int) -> Floats:
    """All bootstraps and thresholds of one run, ``(K, J)``."""
    rng = np.random.default_rng(seed)
    return bootstrap_crossings(steps, returns, THRESHOLDS, bootstraps=bootstraps, rng=rng).step


def rival(steps: Floats, returns: Floats, bootstraps: int, seed: int) -> Floats:
    """The same by one scikit-learn fit per bootstrap."""
    counts = bootstrap_counts(returns.shape[1], bootstraps, np.random.default_rng(seed))
    result = np.full((len(counts), THRESHOLDS.size), np.inf)
    for k, count in enumerate(counts):
        columns = np.repeat(np.arange(count.size), count)
        curve = returns[:, columns].mean(axis=1)
        fit = IsotonicRegression().fit_transform(steps, curve)
        for j, threshold in enumerate(THRESHOLDS):
            reached = fit >= threshold
            if reached.any():
                result[k, j] = steps[reached.argmax()]
    return result


def main() -> int:
    """Run the comparison; exit status 1 if a crossing differs or the full run misses its target."""
    here = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=here.parent / "shared/curves")
    parser.add_argument("--bootstraps", type=int, default=100, help="fewer for a quick look")
    options = parser.parse_args()
    archive = options.folder / "gym_sweep.zip"
    if not archive.is_file():
        print(f"{archive} does not exist: give the folder that holds gym_sweep.zip")
        return 2

    runs = read_runs(archive)
    seconds = {ours: 0.0, rival: 0.0}
    processor = {ours: 0.0, rival: 0.0}
    different = 0
    for side in seconds:  # imports and caches of both sides, outside the clock
        side(*runs[0], 2, 0)
    for number, (steps, returns) in enumerate(runs):
        found = {}
        for side in (ours, rival) if number % 2 else (rival, ours):
            start, start_processor = time.perf_counter(), time.process_time()
            found[side] = side(steps, returns, options.bootstraps, number)
            seconds[side] += time.perf_counter() - start
            processor[side] += time.process_time() - start_processor
        different += int((found[ours] != found[rival]).sum())

    total = len(runs) * options.bootstraps * THRESHOLDS.size
    ratio = seconds[rival] / seconds[ours]
    packages = ("numpy", "scipy", "scikit-learn")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    print(f"{len(runs)} runs x {options.bootstraps} bootstraps x {THRESHOLDS.size} thresholds")
    print(f"python {platform.python_version()}, {versions}, {platform.machine()}")
    print(f"crossings that differ: {different} of {total}")
    print(f"scikit-learn loop: {seconds[rival]:.3f} s ({processor[rival]:.3f} s of CPU)")
    print(f"vs-isotonic:       {seconds[ours]:.3f} s ({processor[ours]:.3f} s of CPU)")
    print(f"ratio: {ratio:.0f}x (target: {TARGET}x at 100 bootstraps)")
    print(f"ratio of CPU time: {processor[rival] / processor[ours]:.0f}x")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return int(different > 0 or (options.bootstraps >= 100 and ratio < TARGET))


if __name__ == "__main__":
    sys.exit(main())
