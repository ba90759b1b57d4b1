"""The runs behind docs/learning.md: what SAC and BRO reach on real tasks.

``train --out runs`` takes hours and goes on where it was stopped; ``consolidate --out runs`` writes
runs.parquet beside this file; ``draw`` makes docs/figures/learning.png from it.
"""

import argparse
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.axes import Axes
from vs_logging import consolidate, scan
from vs_train import TrainConfig, checkpoint_step, is_finished, train_and_record
from vs_train.progress import Watch

HERE = Path(__file__).parent
FIGURE = HERE.parents[1] / "docs" / "figures" / "learning.png"
SBX = HERE.parents[1] / "benchmarks" / "results" / "sbx_halfcheetah_sbx_seed*.csv"
PANELS = {  # task and utd: the return to pass, see docs/learning.md
    ("cartpole-swingup", 1.0): 750.0,
    ("cheetah-run", 1.0): 500.0,
    ("HalfCheetah-v4", 1.0): None,
    ("walker-walk", 1.0): 500.0,
    ("finger-spin", 1.0): None,
    ("walker-run", 1.0): None,
    ("walker-run", 2.0): None,
    ("dog-stand", 2.0): None,
    ("humanoid-stand", 2.0): None,
}
COLORS = {
    ("sac", "float32"): "#0072B2",
    ("sac", "bfloat16"): "#56B4E9",
    ("bro", "float32"): "#E69F00",
    ("bro", "bfloat16"): "#D55E00",
}


def cells() -> list[TrainConfig]:
    """Return what was trained."""
    swingup = TrainConfig(
        env="dmc/cartpole-swingup", steps=80_000, eval_every=5_000, warmup_steps=2_500
    )
    sac = [
        swingup,
        replace(swingup, dtype="bfloat16"),
        TrainConfig(
            env="dmc/cheetah-run",
            dtype="bfloat16",
            steps=150_000,
            eval_every=10_000,
            warmup_steps=2_500,
        ),
        TrainConfig(
            env="gym/HalfCheetah-v4",
            dtype="bfloat16",
            steps=100_000,
            eval_every=10_000,
            eval_episodes=10,
            warmup_steps=2_500,
            seeds=3,
        ),
        *(
            TrainConfig(
                env=f"dmc/{env}",
                dtype="bfloat16",
                steps=steps,
                eval_every=10_000,
                eval_episodes=3,
                warmup_steps=2_500,
            )
            for env, steps in (("walker-walk", 200_000), ("finger-spin", 300_000))
        ),
    ]
    both = [
        TrainConfig(
            algo=algo,
            env=f"dmc/{env}",
            utd=utd,
            batch_size=batch_size,
            critic_width=256,
            dtype="bfloat16",
            steps=steps,
            eval_every=5_000,
            eval_episodes=3,
            warmup_steps=2_500,
            seeds=4,
        )
        for env, utd, batch_size, steps in (
            ("walker-walk", 1.0, 256, 50_000),
            ("walker-run", 1.0, 128, 60_000),
            ("walker-run", 2.0, 128, 100_000),
            ("dog-stand", 2.0, 128, 225_000),
            ("humanoid-stand", 2.0, 128, 300_000),
        )
        for algo in ("sac", "bro")
        if (env, algo) != ("walker-walk", "sac")  # above
    ]
    again = [cell for cell in both if (cell.algo, cell.env) == ("bro", "dmc/walker-walk")]
    return sac + both + [replace(cell, dtype="float32") for cell in again]


def draw(table: pl.DataFrame) -> None:
    """Draw every seed thin and the mean of all seeds thick, one panel per task."""
    figure, axes = plt.subplots(3, len(PANELS) // 3, figsize=(11, 8.4), layout="tight")
    for ax, ((env, utd), level) in zip(axes.flat, PANELS.items(), strict=True):
        rows = table.filter(pl.col("env") == env, pl.col("utd") == utd)
        for (algo, dtype), color in COLORS.items():
            mine = rows.filter(pl.col("algo") == algo, pl.col("dtype") == dtype)
            if not mine.is_empty():
                _draw_seeds(ax, mine, color, f"{algo.upper()}, {dtype}")
        if env == "HalfCheetah-v4":
            _draw_seeds(ax, pl.read_csv(SBX), "#7F7F7F", "SBX, float32")
        if level is not None:
            ax.axhline(level, color="grey", lw=0.8, ls="--")
        ax.set_title(f"{env}, UTD {utd:g}", fontsize=10)
        ax.set_xlabel("environment steps / 1000")
        ax.set_ylabel("evaluation return")
        ax.legend(frameon=False, fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=130)


def _draw_seeds(ax: Axes, rows: pl.DataFrame, color: str, label: str) -> None:
    for (_,), one in rows.group_by("seed"):
        one = one.sort("env_step")
        ax.plot(one["env_step"] / 1e3, one["return_"], color=color, lw=0.6, alpha=0.5)
    seeds = rows["seed"].n_unique()
    mean = rows.group_by("env_step").agg(pl.col("return_").mean(), pl.len())
    mean = mean.filter(pl.col("len") == seeds).sort("env_step")
    label = f"{label}, {seeds} seed{'s' if seeds > 1 else ''}"
    ax.plot(mean["env_step"] / 1e3, mean["return_"], color=color, lw=2, label=label)


def main() -> None:
    """Train what is missing, gather what is there, or draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["train", "consolidate", "draw"])
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of run folders")
    arguments = parser.parse_args()
    if arguments.what == "consolidate":
        consolidate(arguments.out, HERE / "runs.parquet")
        return
    if arguments.what == "draw":
        draw(scan(HERE / "runs.parquet").collect())
        return
    for cell in cells():
        if is_finished(cell, arguments.out):
            continue
        sys.stderr.write(f"{cell.algo} on {cell.env}\n")
        start = checkpoint_step(cell, arguments.out)
        watch = Watch(cell, sys.stderr, start=start or 0)
        evaluations = train_and_record(
            cell,
            arguments.out,
            resume=start is not None,
            checkpoint_every=20_000,
            on_step=watch.step,
        )
        with closing(evaluations):
            watch.follow(evaluations)


if __name__ == "__main__":
    main()
