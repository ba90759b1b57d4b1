"""The runs behind docs/learning.md: what SAC and BRO reach on real tasks.

``train --out runs`` takes hours and goes on where it was stopped; ``consolidate --out runs`` writes
runs.parquet beside this file; ``draw`` makes docs/figures/learning.png from it.
"""

import argparse
import sys
from contextlib import closing
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl
from vs_logging import consolidate, scan
from vs_train import TrainConfig, checkpoint_step, is_finished, train_and_record
from vs_train.progress import Watch

HERE = Path(__file__).parent
FIGURE = HERE.parents[1] / "docs" / "figures" / "learning.png"
PANELS = {  # task and utd: the return to pass, see docs/learning.md
    ("cartpole-swingup", 1.0): 750.0,
    ("cheetah-run", 1.0): 500.0,
    ("HalfCheetah-v4", 1.0): None,
    ("walker-walk", 1.0): 500.0,
    ("walker-run", 1.0): None,
    ("walker-run", 2.0): None,
}
COLORS = {"sac": "#0072B2", "bro": "#D55E00"}


def cells() -> list[TrainConfig]:
    """Return what was trained."""
    sac = [
        TrainConfig(env="dmc/cartpole-swingup", steps=80_000, eval_every=5_000, warmup_steps=2_500),
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
            ("walker-run", 2.0, 128, 60_000),
        )
        for algo in ("sac", "bro")
    ]
    return sac + both


def draw(table: pl.DataFrame) -> None:
    """Draw every seed thin and the mean of all seeds thick, one panel per task."""
    figure, axes = plt.subplots(1, len(PANELS), figsize=(3 * len(PANELS), 2.8), layout="tight")
    for ax, ((env, utd), level) in zip(axes, PANELS.items(), strict=True):
        rows = table.filter(pl.col("env") == env, pl.col("utd") == utd)
        for algo in rows["algo"].unique().sort().to_list():
            mine = rows.filter(pl.col("algo") == algo)
            for (_,), one in mine.group_by("seed"):
                one = one.sort("env_step")
                ax.plot(
                    one["env_step"] / 1e3, one["return_"], color=COLORS[algo], lw=0.6, alpha=0.5
                )
            mean = mine.group_by("env_step").agg(pl.col("return_").mean(), pl.len())
            mean = mean.filter(pl.col("len") == mine["seed"].n_unique()).sort("env_step")
            seeds = mine["seed"].n_unique()
            label = f"{algo.upper()}, {seeds} seed{'s' if seeds > 1 else ''}"
            ax.plot(mean["env_step"] / 1e3, mean["return_"], color=COLORS[algo], lw=2, label=label)
        if level is not None:
            ax.axhline(level, color="grey", lw=0.8, ls="--")
        ax.set_title(f"{env}, UTD {utd:g}", fontsize=10)
        ax.set_xlabel("environment steps / 1000")
        ax.legend(frameon=False, fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("evaluation return")
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=130)


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
