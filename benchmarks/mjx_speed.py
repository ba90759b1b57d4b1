"""MJX environments in a `lax.scan` against dm_control in a plain Python loop, steps per second.

Random actions on both sides, resets included: a call is 1000 steps of every environment, hence one
episode and one new start each. Compilation is outside the clock and given on its own. Then the cost
of the new starts, with the same number of environments: none at all, as `vs_envs.mjx` does it, as a
`lax.cond` under vmap does it (a select: a start in every step), and as `vs_envs.mjx` does it when
the episodes are out of step. All take turns, the order swapping every round; speeds are medians over
rounds, and so are ratios, each within its own round: a busy machine's drift cancels.

    uv run python benchmarks/mjx_speed.py [--task dmc/cartpole-swingup] [--environments 64 256 1024]
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from operator import truediv
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from vs_envs import make
from vs_envs.mjx import EnvState, jax_env

RESULT = Path(__file__).resolve().parent / "results/mjx_speed.json"
STEPS = 1000  # of a call: one episode
RENEWAL = "vs_envs._mjx_env._renewal"
PACKAGES = ("mujoco", "mujoco-mjx", "playground", "dm-control", "jax", "numpy")


class Side(NamedTuple):
    """A timed call: the environment steps it takes, and the seconds its compilation took."""

    call: Callable[[], object]
    steps: int
    compile_s: float


def python(name: str, environments: int) -> Side:
    """Step the plain loop for one episode."""
    env = make(name, seeds=range(environments))
    env.reset()
    shape = (STEPS, environments, env.task.action_size)
    actions = np.random.default_rng(0).uniform(-1, 1, shape)

    def call() -> None:
        for action in actions:
            env.step(action)

    return Side(call, STEPS * environments, 0.0)


def scanned(name: str, environments: int, *, staggered: bool = False) -> Side:
    """Step many environments in one compiled call."""
    env = jax_env(name)

    def rollout(states: EnvState, key: jax.Array) -> EnvState:
        def body(states: EnvState, key: jax.Array) -> tuple[EnvState, None]:
            shape = (environments, env.action_size)
            actions = jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
            return jax.vmap(env.step)(states, actions), None

        return jax.lax.scan(body, states, jax.random.split(key, STEPS))[0]

    states = jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.key(0), environments))
    if staggered:
        phases = np.random.default_rng(0).integers(env.episode_steps, size=environments)
        states = states._replace(steps=jnp.asarray(phases, jnp.int32))
    start = time.perf_counter()
    compiled: Any = jax.jit(rollout).lower(states, jax.random.key(0)).compile()
    seconds = time.perf_counter() - start

    def call() -> EnvState:
        return jax.block_until_ready(compiled(states, jax.random.key(1)))

    return Side(call, STEPS * environments, seconds)


def never(start: Callable[..., Any]) -> Callable[..., Any]:
    """Start no new episode; stands in for the package's own way."""
    return lambda ended, key, running: running


def select(start: Callable[..., Any]) -> Callable[..., Any]:
    """Leave the choice to a cond, which vmap turns into a select."""
    return lambda ended, key, running: jax.lax.cond(ended, lambda: start(key), lambda: running)


def measure(sides: dict[str, Side], rounds: int) -> dict[str, dict[str, Any]]:
    """Time all in turn."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side.call()
    for number in range(rounds):
        for name in sorted(sides, reverse=bool(number % 2)):
            start = time.perf_counter()
            sides[name].call()
            rates[name].append(sides[name].steps / (time.perf_counter() - start))
    first = next(iter(rates.values()))
    return {
        name: {
            "steps_per_s": round(statistics.median(rates[name])),
            "ratio": round(statistics.median(map(truediv, rates[name], first)), 2),
            "compile_s": round(side.compile_s, 1),
            "steps_per_s_by_round": [round(rate) for rate in rates[name]],
        }
        for name, side in sides.items()
    }


def show(title: str, rows: dict[str, dict[str, Any]]) -> None:
    """Print a table; ratios are to its first row."""
    print(f"\n{title:34s} {'steps/s':>10s} {'ratio':>8s} {'compile s':>10s}")
    for name, row in rows.items():
        numbers = f"{row['steps_per_s']:10,d} {row['ratio']:8.2f} {row['compile_s']:10.1f}"
        print(f"  {name:32s} {numbers}")


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="dmc/cartpole-swingup")
    parser.add_argument("--environments", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python-environments", type=int, default=10)
    parser.add_argument("--starts", type=int, default=256, help="environments in the second table")
    options = parser.parse_args()

    name, few, middle = options.task, options.python_environments, options.starts
    against = {f"python loop, {few}": python(name, few)}
    for environments in options.environments:
        against[f"mjx in a scan, {environments}"] = scanned(name, environments)
    speed = measure(against, options.rounds)
    show(f"{name}, environments", speed)

    with mock.patch(RENEWAL, never):
        ways = {"no new episodes": scanned(name, middle)}
    ways["vs_envs.mjx"] = scanned(name, middle)
    with mock.patch(RENEWAL, select):
        ways["select: a start in every step"] = scanned(name, middle)
    ways["vs_envs.mjx, out of step"] = scanned(name, middle, staggered=True)
    starts = measure(ways, options.rounds)
    show(f"new starts, {middle} environments", starts)

    result = {
        "task": name,
        "rounds": options.rounds,
        "speed": speed,
        "new_starts": {"environments": middle, **starts},
        "versions": {package: version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\n{RESULT}")


if __name__ == "__main__":
    main()
