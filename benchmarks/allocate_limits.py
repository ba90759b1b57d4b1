"""Limits on data or compute: the closed form against the search over prices that other costs need.

Least C with D ≤ D₀, and least D with C ≤ C₀, of one law over σ and N in a box. Both sides run in turn in
this process, several rounds, best time each.

    uv run python benchmarks/allocate_limits.py
"""

import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
from vs_laws import Cost, DataLaw, allocate

RESULT = Path(__file__).resolve().parent / "results/allocate_limits.txt"
ROUNDS = 5
BOX = {"sigma": (1.0, 8.0), "critic_params": (2e5, 4e7)}
GOALS: list[dict[str, Any]] = [{"max_data": 2.6e5}, {"max_data": 4e5}, {"max_compute": 1e17}]


def main() -> None:
    """Time both, check that the closed form is never worse, and write the result."""
    law = DataLaw(2e5, [1.5e5, 4e7], [0.8, 0.45], axes=tuple(BOX))
    costs = {
        "closed form": Cost(law, 256.0),
        "search": Cost(law, 256.0, actor_params=1e-300),  # adds nothing, but has no closed form
    }
    times, found = {}, {}
    for _ in range(ROUNDS):
        for name, cost in costs.items():
            start = time.process_time()
            results = [allocate(cost, **goal, within=BOX) for goal in GOALS]
            spent = (time.process_time() - start) / len(GOALS)
            times[name] = min(times.get(name, np.inf), spent)
            found[name] = [
                float(result.compute if "max_data" in goal else result.data)
                for goal, result in zip(GOALS, results, strict=True)
            ]
    excess = np.array(found["search"]) / np.array(found["closed form"]) - 1.0
    assert (excess >= -1e-12).all(), excess
    lines = [
        *(f"{name:<12} {1e3 * spent:8.2f} ms per limit" for name, spent in times.items()),
        f"ratio {times['search'] / times['closed form']:.0f}x",
        f"search above closed form by at most {excess.max():.1e}",
        f"python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores, "
        f"{platform.machine()}",
    ]
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
