"""Training speed against a literal trainer: ms per env step, and agent-steps/s of five seeds.

The yardstick in ``literal/`` does what the papers' trainers do: seeds by vmap, quantile loss
written out over (batch, predicted, target), numpy replay, one dispatch per stage. Both sides do
the same updates (critic, target, actor, temperature; batch 256) on dmc/cheetah-run, simulator
included. Every measurement is a fresh process pinned to its cores, compilation outside the clock;
sides take turns, medians over rounds.

    uv run python benchmarks/train_speed.py [--points bro-256-utd1 ...] [--repeats 5] [--seconds 10]
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from literal import processes

TASK = "dmc/cheetah-run"
BATCH = 256
WARMUP = 300  # transitions before the first update
CAPACITY = 1_000_000

DTYPES = ("float32", "bfloat16")


class Point(NamedTuple):
    """A configuration whose training is timed."""

    algorithm: str
    width: int  # of the critics
    utd: int  # updates per env step


POINTS = {
    "bro-256-utd1": Point("bro", 256, 1),
    "bro-256-utd8": Point("bro", 256, 8),
    "bro-512-utd2": Point("bro", 512, 2),
    "sac-256-utd1": Point("sac", 256, 1),
}
FIVE_SEEDS, FIVE_SEEDS_POINT, SEEDS = "five-seeds", "bro-256-utd1", 5

type Loop = tuple[Callable[[bool], None], Callable[[], Any]]


def literal_loop(point: Point, lanes: int) -> Loop:
    """Return one env step of the yardstick (told whether to learn yet), and what it leaves."""
    from literal.bro import BRO
    from literal.common import Batch
    from literal.sac import SAC
    from vs_envs import make

    environment = make(TASK, seeds=list(range(lanes)))
    sizes = (environment.task.observation_size, environment.task.action_size)
    agent = {"bro": BRO, "sac": SAC}[point.algorithm](range(lanes), *sizes, point.width, CAPACITY)
    random = np.random.default_rng(0)
    observation = environment.reset()[0].astype(np.float32)

    def step(learn: bool) -> None:
        nonlocal observation
        action = agent.act(observation) if learn else random.uniform(-1, 1, (lanes, sizes[1]))
        after, reward, terminated, _, info = environment.step(action)
        agent.buffer.insert(Batch(observation, action, reward, 1.0 - terminated, info["final_obs"]))
        observation = after.astype(np.float32)
        for _ in range(point.utd if learn else 0):
            agent.update(BATCH)

    return step, lambda: (agent.critic, agent.target, agent.actor, agent.log_alpha)


def our_loop(point: Point, lanes: int, dtype: str) -> Loop:
    """Return one env step of ours (told whether to learn yet), and what it leaves."""
    import vs_agents
    from vs_envs import make

    configs: dict[str, Any] = {"bro": vs_agents.BRO, "sac": vs_agents.SAC}
    environment = make(TASK, seeds=list(range(lanes)))
    sizes = (environment.task.observation_size, environment.task.action_size)
    config = configs[point.algorithm](
        observation_size=sizes[0], action_size=sizes[1], critic_width=point.width, dtype=dtype
    )
    state = vs_agents.init_lanes(
        config, seeds=np.arange(lanes), learning_rates=np.full(lanes, 3e-4), capacity=CAPACITY
    )
    random = np.random.default_rng(0)
    observation = environment.reset()[0].astype(np.float32)
    policy_action: Any = None

    def step(learn: bool) -> None:
        nonlocal observation, policy_action, state
        action = np.asarray(policy_action) if learn else random.uniform(-1, 1, (lanes, sizes[1]))
        after, reward, *ends, info = environment.step(action)
        happened = (observation, action, reward, *ends, info["final_obs"])
        observation = after.astype(np.float32)
        state, policy_action, _ = vs_agents.step(
            state,
            vs_agents.Transition(*(np.asarray(part, np.float32) for part in happened)),
            observation,
            config=config,
            batch_size=BATCH,
            updates=point.utd if learn else None,
        )

    return step, lambda: policy_action


def worker(options: argparse.Namespace) -> None:
    """Time one side in this process."""
    import jax

    point = POINTS[options.points[0]]
    if options.worker == "literal":
        step, state = literal_loop(point, options.lanes)
    else:
        step, state = our_loop(point, options.lanes, options.worker)
    for _ in range(WARMUP):
        step(False)
    for _ in range(5):
        step(True)
    result = processes.time_steps(
        lambda: step(True), lambda: jax.block_until_ready(state()), options.seconds
    )
    print(json.dumps(result), flush=True)


def sides(name: str, options: argparse.Namespace) -> dict[str, list[processes.Job]]:
    """Return who is measured at a point: a name and its processes; the yardstick is first."""
    own = dict(pair.split("=", 1) for pair in options.ours_env)
    point = FIVE_SEEDS_POINT if name == FIVE_SEEDS else name

    def job(side: str, lanes: int, cores: str) -> processes.Job:
        flags = ["--worker", side, "--points", point, "--lanes", str(lanes)]
        return processes.Job(
            command=[sys.executable, __file__, *flags, "--seconds", str(options.seconds)],
            cores=cores,
            environment={} if side == "literal" else own,
        )

    together, cores = ",".join(options.cores), options.cores
    if name != FIVE_SEEDS:
        return {side: [job(side, 1, together)] for side in ("literal", *DTYPES)}
    vmapped = ("literal", "float32")
    return {
        **{f"{side}, vmapped": [job(side, SEEDS, together)] for side in vmapped},
        # each process works off seeds one after another, in lanes of one
        **{
            f"{side}, {len(cores)} processes of one thread": [job(side, 1, core) for core in cores]
            for side in ("literal", *DTYPES)
        },
    }


def summary(name: str, rounds: dict[str, list[list[dict[str, Any]]]]) -> dict[str, Any]:
    """Return medians over rounds, and ratios to the first side, which is the yardstick."""
    table: dict[str, Any] = {}
    for side, found in rounds.items():
        lanes = SEEDS if "vmapped" in side else 1
        rates = [lanes * processes.rate(reports) for reports in found]
        cpu = median(r["cpu_seconds"] / r["steps"] for reports in found for r in reports)
        table[side] = {
            "agent_steps_per_second": median(rates),
            "agent_steps_per_second_range": [min(rates), max(rates)],
            "cpu_ms_per_agent_step": 1000 * cpu / lanes,
        }
        if name != FIVE_SEEDS:
            table[side]["ms_per_env_step"] = 1000 / median(rates)
    yardstick = next(iter(table.values()))["agent_steps_per_second"]
    for row in table.values():
        row["times_the_literal"] = row["agent_steps_per_second"] / yardstick
    return table


def show(name: str, table: dict[str, Any]) -> None:
    """Print one point."""
    print(f"\n{name:38} {'agent-steps/s':>13} {'ms/env step':>12} {'CPU ms':>8} {'ratio':>7}")
    for side, row in table.items():
        ms = f"{row['ms_per_env_step']:.2f}" if "ms_per_env_step" in row else ""
        print(
            f"  {side:36} {row['agent_steps_per_second']:13.1f} {ms:>12} "
            f"{row['cpu_ms_per_agent_step']:8.2f} {row['times_the_literal']:6.2f}x"
        )


def main() -> None:
    """Measure the points asked for and write the table."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    names = [*POINTS, FIVE_SEEDS]
    parser.add_argument("--points", nargs="+", choices=names, default=names)
    parser.add_argument("--repeats", type=int, default=5, help="rounds; medians over them")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--cores", nargs="+", default=["0", "1"], help="to pin to")
    parser.add_argument("--ours-env", nargs="*", default=[], help="NAME=VALUE for our side only")
    parser.add_argument("--out", type=Path, default=here / "results" / "train_speed.json")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--lanes", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options)
        return

    packages = ("jax", "jaxlib", "flax", "optax", "numpy", "mujoco", "dm-control")
    table: dict[str, Any] = {
        "machine": processes.machine(),
        "versions": {name: version(name) for name in packages},
        "settings": {
            "task": TASK,
            "batch_size": BATCH,
            "repeats": options.repeats,
            "seconds": options.seconds,
            "cores": options.cores,
            "ours_env": options.ours_env,
            "xla_flags": "",
        },
        "points": {},
    }
    for point in options.points:
        rounds = processes.alternate(
            sides(point, options), options.repeats, lambda s, p=point: print(p, s, file=sys.stderr)
        )
        table["points"][point] = summary(point, rounds)
        show(point, table["points"][point])
    table["load_at_end"] = os.getloadavg()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
