"""Compare three ways to keep a training process to one thread: two processes on two cores.

``--xla_cpu_multi_thread_eigen=false`` only keeps XLA from splitting a product: its pool still has a
thread per core. ``NPROC=1`` (what `vs_train.processes` sets) makes it a pool of one, as pinning the
process does.

    uv run python benchmarks/one_thread.py [--repeats 3] [--seconds 5]
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from literal import processes

HERE = Path(__file__).resolve().parent
CORES = ("0", "1")
WORK = (("sac-256-utd1", "float32"), ("bro-256-utd1", "bfloat16"))
TOLD = {
    "the flag": {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"},
    "NPROC=1": {"NPROC": "1"},
}


def sides(point: str, dtype: str, seconds: float) -> dict[str, list[processes.Job]]:
    """Return every way of telling, and its two processes."""
    options = ["--worker", dtype, "--points", point, "--lanes", "1", "--seconds", str(seconds)]
    command = [sys.executable, str(HERE / "train_speed.py"), *options]
    return {
        name: [processes.Job(command=command, cores=",".join(CORES), environment=told)] * len(CORES)
        for name, told in TOLD.items()
    } | {"pinned": [processes.Job(command=command, cores=core) for core in CORES]}


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=3, help="rounds; medians over them")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    options = parser.parse_args()
    table: dict[str, Any] = {"machine": processes.machine(), "points": {}}
    for point, dtype in WORK:
        rounds = processes.alternate(
            sides(point, dtype, options.seconds),
            options.repeats,
            lambda said, point=point: print(point, said, file=sys.stderr),
        )
        rows = table["points"][f"{point} {dtype}"] = {}
        for name, found in rounds.items():
            cpu = median(one["cpu_seconds"] / one["steps"] for reports in found for one in reports)
            rows[name] = {
                "env_steps_per_second": processes.median_rate(found),
                "rounds": [processes.rate(reports) for reports in found],
                "cpu_ms_per_env_step": 1e3 * cpu,
            }
        for name, row in rows.items():
            ratio = row["env_steps_per_second"] / rows["the flag"]["env_steps_per_second"]
            print(
                f"{point} {dtype:9} {name:9} {row['env_steps_per_second']:6.1f} env steps/s "
                f"{row['cpu_ms_per_env_step']:6.2f} CPU ms {ratio:5.2f}x"
            )
    (HERE / "results" / "one_thread.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
