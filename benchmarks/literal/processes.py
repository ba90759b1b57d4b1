"""Timing in fresh, pinned processes that start measuring together. Standard library only.

The parent starts one process per job under ``taskset``, waits until every one has compiled and
warmed up (it prints ``ready``), then lets them go at once and reads one line of JSON from each.
"""

import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Job:
    """One process to time.

    Attributes:
        command: the worker's command line.
        cores: what ``taskset -c`` is given, e.g. ``0`` or ``0,1``.
        environment: variables beside those of this process; XLA_FLAGS is empty unless given here.
    """

    command: Sequence[str]
    cores: str
    environment: Mapping[str, str] = field(default_factory=dict)


def measure(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Run the jobs side by side and return what each reports.

    Raises:
        RuntimeError: if a worker ends without a result; its messages were shown on stderr.
    """
    with contextlib.ExitStack() as stack:
        workers = []
        for job in jobs:
            environment = {**os.environ, "XLA_FLAGS": "", **job.environment}
            worker = subprocess.Popen(
                ["taskset", "-c", job.cores, *job.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            stack.enter_context(worker)
            stack.callback(worker.kill)  # does nothing to one that has ended
            workers.append(worker)
        for worker in workers:
            _read(worker)
        for worker in workers:
            assert worker.stdin
            worker.stdin.write("go\n")
            worker.stdin.flush()
        return [json.loads(_read(worker)) for worker in workers]


def _read(worker: "subprocess.Popen[str]") -> str:
    assert worker.stdout
    line = worker.stdout.readline()
    if not line:
        raise RuntimeError(f"a worker stopped with status {worker.wait()}: {worker.args}")
    return line


def wait_for_go() -> None:
    """Tell the parent that the warm-up is over, and wait for the others."""
    print("ready", flush=True)
    sys.stdin.readline()


def time_steps(
    step: Callable[[], None], finish: Callable[[], None], seconds: float, least: int = 5
) -> dict[str, float]:
    """Call ``step`` for some seconds after the parent's signal.

    Args:
        step: one environment step of all lanes with its updates.
        finish: waits until everything dispatched is done; inside the clock.
        seconds: when to stop.
        least: steps to do at least.

    Returns:
        ``steps``, ``seconds`` and ``cpu_seconds`` of this process, all threads.
    """
    wait_for_go()
    start, start_cpu, steps = time.perf_counter(), time.process_time(), 0
    while steps < least or time.perf_counter() - start < seconds:
        step()
        steps += 1
    finish()
    return {
        "steps": steps,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - start_cpu,
    }


def alternate(
    sides: Mapping[str, Sequence[Job]], repeats: int, say: Callable[[str], None]
) -> dict[str, list[list[dict[str, Any]]]]:
    """Measure every side once per round, the order turning round by round.

    Returns:
        For each side one list of the workers' reports per round.
    """
    names, results = list(sides), {name: [] for name in sides}
    for repeat in range(repeats):
        shift = repeat % len(names)
        for name in names[shift:] + names[:shift]:
            reports = measure(sides[name])
            results[name].append(reports)
            say(f"round {repeat + 1} of {repeats}, {name}: {rate(reports):.2f} env steps/s")
    return results


def rate(reports: Sequence[Mapping[str, float]]) -> float:
    """Return the environment steps per second of workers that ran side by side."""
    return sum(report["steps"] / report["seconds"] for report in reports)


def median_rate(rounds: Sequence[Sequence[Mapping[str, float]]]) -> float:
    """Return the median over rounds of `rate`."""
    return median(rate(reports) for reports in rounds)


def machine() -> dict[str, Any]:
    """Return the processor, its cores, its matrix extensions, the load and the Python version."""
    facts = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    found = dict(line.split("\t", 1) for line in facts if "\t" in line)
    flags = found.get("flags", "").split()
    return {
        "processor": found.get("model name", platform.processor()).strip("\t: "),
        "cores": os.cpu_count(),
        "matrix_extensions": [f for f in flags if f.startswith(("amx", "avx512_bf16", "avx2"))],
        "load": os.getloadavg(),
        "python": platform.python_version(),
    }
