"""Environment steps per second of every backend of vs-envs that is installed.

Backends take turns, the order swapping every round; medians over rounds. ``python``, ``envpool``
and ``mjx`` go through `vs_envs.make`: numpy in and out, random actions, resets included, first
calls outside the clock. ``mjx in jit`` is what MJX is for: a `lax.scan` over many environments that
never leaves the device.

    uv run python benchmarks/env_speed.py [--tasks dmc/cartpole-swingup ...] [--environments 1 10]
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from vs_envs import make

RESULT = Path(__file__).resolve().parent / "results/env_speed.json"
TASKS = (
    "dmc/cartpole-swingup",
    "dmc/cheetah-run",
    "dmc/finger-turn_hard",
    "dmc/walker-walk",
    "dmc/humanoid-walk",
    "dmc/dog-run",
    "gym/HalfCheetah-v4",
    "gym/Ant-v5",
)
PACKAGES = ("mujoco", "dm-control", "gymnasium", "numpy", "envpool", "mujoco-mjx", "jax")
SCAN = 50  # steps per compiled call

type Stepper = Callable[[], int]  # takes some steps and says how many


def through_make(name: str, backend: str, environments: int) -> Stepper:
    """Step a vector environment once per call."""
    env = make(name, seeds=range(environments), backend=backend)
    env.reset()
    shape = (64, environments, env.task.action_size)
    actions = np.random.default_rng(0).uniform(-1, 1, shape)
    taken = 0

    def step() -> int:
        nonlocal taken
        env.step(actions[taken % 64])
        taken += 1
        return environments

    return step


def in_jit(name: str, environments: int) -> Stepper:
    """Step many environments `SCAN` times in one compiled call."""
    import jax
    from vs_envs.mjx import EnvState, jax_env

    env = jax_env(name)

    @jax.jit
    def rollout(states: EnvState, key: jax.Array) -> EnvState:
        def body(states: EnvState, key: jax.Array) -> tuple[EnvState, None]:
            shape = (environments, env.action_size)
            actions = jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
            return jax.vmap(env.step)(states, actions), None

        return jax.lax.scan(body, states, jax.random.split(key, SCAN))[0]

    states = jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.key(0), environments))

    def step() -> int:
        nonlocal states
        states = jax.block_until_ready(rollout(states, jax.random.key(1)))
        return SCAN * environments

    return step


def rate(step: Stepper, seconds: float) -> float:
    """Steps per second over at least this long."""
    start, taken = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        taken += step()
    return taken / elapsed


def measure(steppers: dict[str, Stepper], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Steps per second of each, round by round, in turn."""
    for step in steppers.values():
        step()  # imports, compilation and caches, outside the clock
    rates: dict[str, list[float]] = {name: [] for name in steppers}
    for number in range(rounds):
        for name in sorted(steppers, reverse=bool(number % 2)):
            rates[name].append(rate(steppers[name], seconds))
    return rates


def build(name: str, environments: int, backends: list[str]) -> dict[str, Stepper]:
    """Return the steppers of the backends that have the task."""
    steppers = {}
    for backend in backends:
        try:
            steppers[backend] = through_make(name, backend, environments)
        except ValueError as error:
            print(f"  {backend}: {str(error).partition(':')[0]}")
    return steppers


def installed() -> dict[str, str]:
    """Versions of the packages that count."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Measure, print the table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=TASKS, metavar="TASK")
    parser.add_argument("--environments", nargs="+", type=int, default=(1, 10), metavar="N")
    parser.add_argument("--mjx-tasks", nargs="+", default=TASKS[:2], metavar="TASK",
                        help="they take a minute to compile")  # fmt: skip
    parser.add_argument("--jit-environments", type=int, default=256, help="0: none in jit")
    parser.add_argument("--backends", nargs="+", choices=("python", "envpool", "mjx"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="per backend and round")
    options = parser.parse_args()

    optional = {"envpool": "envpool", "mjx": "mujoco_playground"}
    backends = options.backends or [
        "python", *(name for name, module in optional.items() if find_spec(module) is not None)
    ]  # fmt: skip
    rows = []
    print(f"{'task':24} {'environments':>12} {'backend':12} {'steps/s':>10} {'over python':>11}")
    for name in options.tasks:
        for environments in options.environments:
            worth_compiling = name in options.mjx_tasks and environments == options.environments[-1]
            some = [one for one in backends if worth_compiling or one != "mjx"]
            steppers = build(name, environments, some)
            if "mjx" in steppers and options.jit_environments:
                steppers["mjx in jit"] = in_jit(name, options.jit_environments)
            rates = measure(steppers, options.rounds, options.seconds)
            for backend, rounds in rates.items():
                count = options.jit_environments if backend == "mjx in jit" else environments
                middle = statistics.median(rounds)
                against = middle / statistics.median(rates["python"]) if "python" in rates else None
                rows.append(
                    {
                        "task": name,
                        "environments": count,
                        "backend": backend,
                        "steps_per_second": round(middle),
                        "rounds": [round(one) for one in rounds],
                        "over_python": against and round(against, 2),
                    }
                )
                ratio = "" if against is None else f"{against:.2f}"
                print(f"{name:24} {count:12} {backend:12} {middle:10.0f} {ratio:>11}", flush=True)
    RESULT.parent.mkdir(exist_ok=True)
    settings = {"rounds": options.rounds, "seconds": options.seconds}
    machine = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "load_average": round(os.getloadavg()[0], 1),
    }
    result = {"settings": settings, "machine": machine, "versions": installed(), "rows": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"load of the machine: {machine['load_average']} on {machine['cores']} cores")


if __name__ == "__main__":
    main()
