"""Measure the best number of agents in one compiled program, and the gain of environments in jit.

First table: for every width, the time of an environment step with one update per agent over lanes
per program, in one process of one thread, with what one process per run (one lane) takes beside it,
once in steady state and once for runs of ``--steps`` steps with the start (imports left out,
compilation included). Second table: environment steps per second, evaluation included, of the
Python path and of environments inside jit, in turn.

    uv run python benchmarks/lanes.py [--widths 64 256 512] [--lanes 1 2 4 8 16 32]

Times are CPU time of the process, which other work on the machine changes little. Compilation is
not cached.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from vs_train import TrainConfig
from vs_train.processes import process_settings
from vs_train.programs import Programs

RESULT = Path(__file__).resolve().parent / "results/lanes.json"
BATCH = {64: 64, 256: 256, 512: 256}
FIRST = 40  # steps that compile and fill


def small(backend: str, lanes: int) -> TrainConfig:
    """Return a cell of small networks at a small utd, with an evaluation every 1000 steps."""
    return TrainConfig(
        backend=backend,  # ty: ignore[invalid-argument-type]
        utd=0.25,
        batch_size=16,
        critic_width=16,
        actor_width=16,
        seeds=lanes,
        steps=10**6,
        warmup_steps=100,
        eval_every=1_000,
    )


def time_lanes(width: int, lanes: int, seconds: float) -> dict[str, float]:
    """Return CPU seconds per environment step of all lanes, and until it runs."""
    config = TrainConfig(
        utd=1.0,
        batch_size=BATCH.get(width, 256),
        critic_width=width,
        actor_width=width,
        seeds=lanes,
        steps=10**6,
        replay_capacity=10_000,
        warmup_steps=20,
        eval_every=10**6,
    )
    begun = time.process_time()
    programs = Programs(config)
    for _ in range(FIRST):
        programs.advance(config.steps)
    start = time.process_time() - begun
    count, begun = 0, time.process_time()
    while time.process_time() - begun < seconds or count < 5:
        programs.advance(config.steps)
        count += 1
    return {"step": (time.process_time() - begun) / count, "start": start}


def time_rate(backend: str, lanes: int, steps: int) -> dict[str, float]:
    """Return environment steps of all lanes per CPU second, with an evaluation every 1000 steps."""
    config = small(backend, lanes)
    programs = Programs(config)
    while programs.env_step < 1_000:  # compiles all there is
        programs.advance(1_000)
    end, begun = 1_000 + steps, time.process_time()
    while programs.env_step < end:
        programs.advance(end)
    return {"rate": lanes * steps / (time.process_time() - begun)}


def in_process(*arguments: object) -> dict[str, float]:
    """Measure in a fresh process of one thread."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", *(str(one) for one in arguments)],
        env=os.environ | process_settings() | {"JAX_ENABLE_COMPILATION_CACHE": "false"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def lanes_table(options: argparse.Namespace) -> dict[str, object]:
    """Measure and print the first table."""
    table: dict[str, object] = {}
    print("width batch lanes   ms/step/agent   steady vs 1 lane   with start vs 1 lane")
    for width in options.widths:
        rows = []
        for lanes in options.lanes:
            found = in_process("lanes", width, lanes, options.seconds)
            steady = found["step"] / lanes
            whole = (found["start"] + options.steps * found["step"]) / lanes
            rows.append({"lanes": lanes, **found, "steady": steady, "whole": whole})
            first = rows[0]
            print(
                f"{width:5} {BATCH.get(width, 256):5} {lanes:5} {1e3 * steady:15.3f} "
                f"{first['steady'] / steady:18.2f} {first['whole'] / whole:22.2f}",
                flush=True,
            )
        table[str(width)] = rows
    return table


def rates_table(options: argparse.Namespace) -> list[dict[str, float]]:
    """Measure and print the second table."""
    rows = []
    print("lanes   python steps/s   inside jit steps/s   ratio   (utd 1/4, width 16, batch 16)")
    for lanes in (1, 8, 24):
        python = in_process("rate", "python", lanes, options.rate_steps)["rate"]
        inside = in_process("rate", "mjx", lanes, 10 * options.rate_steps)["rate"]
        rows.append({"lanes": lanes, "python": python, "inside": inside})
        print(f"{lanes:5} {python:16.0f} {inside:20.0f} {inside / python:7.1f}", flush=True)
    return rows


def main() -> None:
    """Measure everything, or one thing for the parent process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 256, 512])
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--steps", type=int, default=10_000, help="of a run, for the second ratio")
    parser.add_argument("--rate-steps", type=int, default=2_000, help="of the second table")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        what, first, lanes, amount = options.one
        if what == "lanes":
            print(json.dumps(time_lanes(int(first), int(lanes), float(amount))))
        else:
            print(json.dumps(time_rate(first, int(lanes), int(amount))))
        return
    machine = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    result = {**machine, "lanes": lanes_table(options), "rates": rates_table(options)}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
