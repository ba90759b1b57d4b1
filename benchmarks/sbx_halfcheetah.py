"""SAC on HalfCheetah-v4 against SBX (Stable Baselines Jax): speed, and returns after learning.

Both sides: two layers of 256, batch 256, one update per env step, Adam 3e-4, gamma 0.99, tau 0.005,
learned temperature with target entropy -|A|/2, the same random steps at the start. SBX lives in an
environment of its own, because it holds JAX back and needs torch; it is made on the first run with
the versions below.

    uv run python benchmarks/sbx_halfcheetah.py                                    # speed
    uv run python benchmarks/sbx_halfcheetah.py --learn --steps 100000 --seeds 3   # returns

Speed: every measurement is a fresh process pinned to its cores; sides take turns; medians. One
process on one core, one on both, and two processes of one core each side by side.
"""

import argparse
import csv
import importlib
import json
import os
import subprocess
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from literal import processes

# On Python 3.11, with the torch that has a plain CPU build there; UV_FIND_LINKS may point to it.
PYTHON = "3.11"
PINNED = (
    "sbx-rl==0.28.0",
    "stable-baselines3==2.9.2",
    "jax==0.10.2",
    "flax==0.12.8",
    "optax==0.2.8",
    "tfp-nightly==0.26.0.dev20261027",
    "torch==2.13.0",
    "numpy==2.4.6",
    "gymnasium[mujoco]==1.4.0",
    "mujoco==3.12.0",
)
TASK = "HalfCheetah-v4"
WARMUP = 2_500  # random steps of the learning comparison
EVALUATION_SEED = 1_000_000
SIDES = {
    "sbx": ("sbx", "float32"),
    "ours float32": ("ours", "float32"),
    "ours bfloat16": ("ours", "bfloat16"),
}
WORKLOADS = {"one process, one core": ["1"], "one process, both cores": ["0,1"],
             "two processes, one core each": ["0", "1"]}  # fmt: skip
GOALS = {
    "one process, both cores": {"ours float32": 1.25, "ours bfloat16": 1.9},
    "two processes, one core each": {"ours bfloat16": 2.4},
}


def sbx_python(folder: Path) -> str:
    """Return the interpreter of SBX's environment, made with uv where it is missing."""
    python = folder / "bin" / "python"
    marker = folder / "pinned.txt"
    if not marker.is_file() or marker.read_text().split() != list(PINNED):
        print(f"making SBX's environment in {folder}", file=sys.stderr)
        subprocess.run(["uv", "venv", "--clear", "--python", PYTHON, str(folder)], check=True)
        install = ["uv", "pip", "install", "--python", str(python), *PINNED]
        subprocess.run(install, check=True)
        marker.write_text("\n".join(PINNED))
    return str(python)


def sbx_agent(seed: int, warmup: int) -> Any:
    """Return SBX's SAC with the settings of the comparison."""
    sac = importlib.import_module("sbx").SAC
    return sac(
        "MlpPolicy",
        sbx_environment(),
        learning_rate=3e-4,
        buffer_size=1_000_000,
        learning_starts=warmup,
        batch_size=256,
        tau=0.005,
        gamma=0.99,
        train_freq=1,
        gradient_steps=1,
        ent_coef="auto",
        target_entropy=-3.0,  # -|A|/2
        policy_kwargs={"net_arch": [256, 256]},
        seed=seed,
    )


def sbx_environment() -> Any:
    """Return HalfCheetah-v4; that v5 exists is no news here."""
    gymnasium = importlib.import_module("gymnasium")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return gymnasium.make(TASK)


def sbx_speed(seconds: float) -> dict[str, float]:
    """Time SBX's own loop after a warm-up of compiled updates."""
    agent = sbx_agent(0, warmup=300)
    agent.learn(400)
    processes.wait_for_go()
    start, start_cpu = time.perf_counter(), time.process_time()
    before = agent.num_timesteps

    def go_on(*_: object) -> bool:
        return time.perf_counter() - start < seconds

    agent.learn(10**9, callback=go_on, reset_num_timesteps=False)
    return {
        "steps": agent.num_timesteps - before,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - start_cpu,
    }


def sbx_learn(seed: int, steps: int, every: int, episodes: int, out: Path) -> None:
    """Train SBX's SAC and write its evaluation returns."""
    evaluate = importlib.import_module("stable_baselines3.common.evaluation").evaluate_policy
    agent = sbx_agent(seed, warmup=WARMUP)
    judge = sbx_environment()
    judge.reset(seed=EVALUATION_SEED + seed)
    start = time.perf_counter()
    with out.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["seed", "env_step", "return_", "seconds"])
        for _ in range(every, steps + 1, every):
            agent.learn(every, reset_num_timesteps=False)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # no Monitor around the judge: nothing to correct
                returns, _ = evaluate(agent, judge, n_eval_episodes=episodes, deterministic=True)
            seconds = round(time.perf_counter() - start, 1)
            rows.writerow([seed, agent.num_timesteps, round(float(returns), 2), seconds])
            file.flush()


class Ours:
    """Our agent and its environment, one lane."""

    def __init__(self, seed: int, dtype: str, capacity: int) -> None:
        self.agents: Any = importlib.import_module("vs_agents")
        self.np: Any = importlib.import_module("numpy")
        self.make: Any = importlib.import_module("vs_envs").make
        self.environment = self.make(f"gym/{TASK}", seeds=[seed])
        facts = self.environment.task
        self.config = self.agents.SAC(
            observation_size=facts.observation_size, action_size=facts.action_size, dtype=dtype
        )
        self.lanes = self.agents.init_lanes(
            self.config, seeds=[seed], learning_rates=[3e-4], capacity=capacity
        )
        self.random = self.np.random.default_rng((seed, 1))
        self.observation = self.environment.reset()[0]
        self.action: Any = None

    def step(self, updates: int) -> None:
        """Do one environment step; the action is random until the first update."""
        action = self.random.uniform(-1, 1, (1, self.config.action_size))
        if updates:
            action = self.np.asarray(self.action)
        after, reward, terminated, truncated, info = self.environment.step(action)
        happened = self.agents.Transition(
            observation=self.observation,
            action=action,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            next_observation=info["final_obs"],
        )
        happened = self.agents.Transition(*(part.astype("float32") for part in happened))
        self.lanes, self.action, _ = self.agents.step(
            self.lanes,
            happened,
            after.astype("float32"),
            config=self.config,
            batch_size=256,
            updates=updates or None,
        )
        self.observation = after

    def judge(self, seed: int, episodes: int) -> float:
        """Return the mean return of deterministic episodes, all side by side."""
        judges = self.make(f"gym/{TASK}", seeds=[seed + i for i in range(episodes)])
        observation, total = judges.reset()[0], self.np.zeros(episodes)
        for _ in range(judges.task.episode_steps):
            # the one lane's agent, looking at all episodes at once
            seen = observation[None].astype("float32")
            action = self.agents.evaluate(self.lanes.agent, seen, config=self.config)[0]
            observation, reward, *_ = judges.step(self.np.asarray(action))
            total += reward  # HalfCheetah never terminates: every episode has the same length
        return float(total.mean())


def ours_speed(dtype: str, seconds: float) -> dict[str, float]:
    """Time our loop after a warm-up of compiled updates."""
    ours = Ours(0, dtype, 1_000_000)
    for i in range(400):
        ours.step(int(i >= 300))
    return processes.time_steps(lambda: ours.step(1), lambda: ours.np.asarray(ours.action), seconds)


def ours_learn(seed: int, dtype: str, steps: int, every: int, episodes: int, out: Path) -> None:
    """Train our SAC and write its evaluation returns."""
    ours = Ours(seed, dtype, steps)
    start = time.perf_counter()
    with out.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["seed", "env_step", "return_", "seconds"])
        for env_step in range(1, steps + 1):
            ours.step(int(env_step > WARMUP))
            if env_step % every == 0:
                returns = ours.judge(EVALUATION_SEED + 100 * seed, episodes)
                seconds = round(time.perf_counter() - start, 1)
                rows.writerow([seed, env_step, round(returns, 2), seconds])
                file.flush()


def worker(options: argparse.Namespace) -> None:
    """Run one side in this process."""
    side, dtype = SIDES[options.worker]
    if options.learn:
        how_long = (options.steps, options.every, options.episodes, options.curve)
        if side == "sbx":
            sbx_learn(options.seed, *how_long)
        else:
            ours_learn(options.seed, dtype, *how_long)
    else:
        seconds = options.seconds
        result = sbx_speed(seconds) if side == "sbx" else ours_speed(dtype, seconds)
        print(json.dumps(result), flush=True)


def speed(options: argparse.Namespace, commands: dict[str, list[str]]) -> None:
    """Time all sides in turn and write the table."""
    table: dict[str, Any] = {"machine": processes.machine(), "sbx": PINNED}
    table["ours"] = {name: version(name) for name in ("jax", "flax", "optax", "numpy", "mujoco")}
    table["ours_env"] = options.ours_env
    for name, cores in WORKLOADS.items():
        variables = dict(pair.split("=", 1) for pair in options.ours_env)
        sides = {
            side: [
                processes.Job(
                    command=[*commands[side], "--seconds", str(options.seconds)],
                    cores=core,
                    environment={} if side == "sbx" else variables,
                )
                for core in cores
            ]
            for side in options.sides
        }
        rounds = processes.alternate(sides, options.repeats, lambda s: print(s, file=sys.stderr))
        rates = {side: processes.median_rate(found) for side, found in rounds.items()}
        table[name] = {"env_steps_per_second": rates, "rounds": rounds}
        print(name)
        for side, value in rates.items():
            text = f"  {side:15} {value:8.1f} env steps/s"
            if "sbx" in rates:
                ratio, goal = value / rates["sbx"], GOALS.get(name, {}).get(side)
                text += f"   {ratio:5.2f}x SBX" + (f" (goal {goal}x)" if goal else "")
            print(text)
    table["load_at_end"] = os.getloadavg()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "sbx_halfcheetah.json").write_text(json.dumps(table, indent=1) + "\n")


def learn(options: argparse.Namespace, commands: dict[str, list[str]]) -> None:
    """Train every seed of every side, one after another, and print the last returns."""
    last: dict[str, list[float]] = {}
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        for side in options.sides:
            name = f"sbx_halfcheetah_{side.replace(' ', '_')}_seed{seed}.csv"
            curve = options.out / name
            sizes = [options.steps, options.every, options.episodes, seed]
            flags = ["--steps", "--every", "--episodes", "--seed"]
            pairs = [str(x) for pair in zip(flags, sizes, strict=True) for x in pair]
            subprocess.run(
                [*commands[side], "--learn", *pairs, "--curve", str(curve)],
                check=True,
                env={**os.environ, "XLA_FLAGS": ""},
            )
            with curve.open(newline="") as file:
                returns = [float(row["return_"]) for row in csv.DictReader(file)]
            last.setdefault(side, []).append(returns[-1])
            print(f"{side}, seed {seed}: {returns[-1]:.0f}", flush=True)
    for side, values in last.items():
        spread = f" ± {stdev(values):.0f}" if len(values) > 1 else ""
        print(f"{side:15} {mean(values):7.0f}{spread} at {options.steps} env steps, {values}")


def main() -> None:
    """Parse the options and run what they ask for."""
    here = Path(__file__).resolve()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    cache = Path.home() / ".cache" / "vs-benchmarks" / "sbx"
    parser.add_argument("--sbx-env", type=Path, default=cache, help="SBX's environment")
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=list(SIDES))
    parser.add_argument("--repeats", type=int, default=5, help="rounds of the speed comparison")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--ours-env", nargs="*", default=[], help="NAME=VALUE for our side only")
    parser.add_argument("--learn", action="store_true", help="compare returns instead of speed")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=int, default=10_000, help="steps between evaluations")
    parser.add_argument("--episodes", type=int, default=10, help="of each evaluation")
    parser.add_argument("--out", type=Path, default=here.parent / "results")
    for name, kind in (("--worker", str), ("--seed", int), ("--curve", Path)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options)
        return
    commands = {}
    for side in options.sides:
        python = sbx_python(options.sbx_env) if side == "sbx" else sys.executable
        commands[side] = [python, str(here), "--worker", side]
    (learn if options.learn else speed)(options, commands)


if __name__ == "__main__":
    main()
