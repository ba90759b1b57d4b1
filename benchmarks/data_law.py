"""Data-law fits: variable projection against brute force + multi-start L-BFGS-B.

The 20 fits of ../shared/reference/golden_gym.json (2 methods × 10 thresholds, plain loss). The
rival is the papers' way: `scipy.optimize.brute` over a 3-D grid, then L-BFGS-B from the grid's
optimum and from random starts. Both run in turn in this process, several rounds, best time each.

    uv run python benchmarks/data_law.py
"""

import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import scipy
from scipy.optimize import brute, minimize
from vs_laws import solve_data_laws

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "../shared/reference/golden_gym.json"
RESULT = ROOT / "benchmarks/results/data_law.txt"
BOUNDS = ((0.05, 3.0), (0.01, 3.0), (0.0, 3.0))  # a, b, c of c + (σ/b)^−a; golden optima inside
GRID = 20  # points per axis
STARTS = 10
ROUNDS = 3
TARGET = 500.0


def rival(sigma: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """Loss reached by brute force, then L-BFGS-B from its optimum and from random starts."""

    def mse(theta: np.ndarray) -> float:
        a, b, c = theta
        return float(np.mean((c + (sigma / b) ** -a - y) ** 2))

    best = brute(mse, BOUNDS, Ns=GRID, finish=None)
    low, high = np.transpose(BOUNDS)
    starts = [np.asarray(best), *rng.uniform(low, high, (STARTS, 3))]
    return min(minimize(mse, s, method="L-BFGS-B", bounds=BOUNDS).fun for s in starts)


def main() -> None:
    """Time both, check that ours is never worse, and write the result."""
    if not GOLDEN.exists():
        sys.exit(f"{GOLDEN} is not there: this benchmark needs the shared reference data")
    golden = json.loads(GOLDEN.read_text())["fitted_stage"]
    sigma = np.array(golden["utds"])
    curves, reached = [], []
    for method in ("ours", "baseline"):
        by_task = golden["D_J_env_steps_by_task_then_utd_then_threshold"][method]
        D = np.array([by_task[task] for task in sorted(by_task)], float)  # (tasks, σ, J)
        curves.append((D / np.median(D, axis=(1, 2), keepdims=True)).mean(axis=0).T)
        reached += golden["mse_reached"][method]
    y, published = np.concatenate(curves), np.array(reached)

    solve_data_laws(y, sigma=sigma, loss="plain")  # first-call costs are not the algorithm's
    fast, slow = [], []
    ours, theirs = published, published
    for round_ in range(ROUNDS):
        for _ in range(5):
            start = time.perf_counter()
            ours = solve_data_laws(y, sigma=sigma, loss="plain")[1]
            fast.append(time.perf_counter() - start)
        rng = np.random.default_rng(round_)
        start = time.perf_counter()
        theirs = np.array([rival(sigma, row, rng) for row in y])
        slow.append(time.perf_counter() - start)
    ratio = min(slow) / min(fast)
    lines = [
        f"{len(y)} fits of {sigma.size} levels, plain loss, {ROUNDS} rounds in turn, best time",
        f"variable projection            {min(fast) * 1e3:10.2f} ms",
        f"brute {GRID}^3 + {STARTS + 1} L-BFGS-B starts {min(slow) * 1e3:10.1f} ms",
        f"ratio {ratio:.0f}x (target {TARGET:.0f}x)",
        f"largest loss / golden loss - 1: ours {np.max(ours / published - 1):.1e}, "
        f"rival {np.max(theirs / published - 1):.1e}",
        f"largest ours / rival - 1: {np.max(ours / theirs - 1):.1e}",
        f"python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, "
        f"{os.cpu_count()} cores, {platform.machine()}",
    ]
    report = "\n".join(lines)
    print(report)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(report + "\n")
    if ratio < TARGET or np.any(ours > published * (1 + 1e-9)):
        sys.exit("target missed")


if __name__ == "__main__":
    main()
