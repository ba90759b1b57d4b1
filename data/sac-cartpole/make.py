"""The sweep behind runs.parquet: SAC on cartpole-swingup over UTD, batch size and learning rate.

    python make.py train --out runs [--batch-sizes 16 64]   # goes on where it was stopped
    python make.py consolidate --out runs                   # writes runs.parquet beside this file

Cells of different batch sizes can be trained by different processes into the same folder.
"""

import argparse
import sys
from contextlib import closing
from pathlib import Path

from vs_logging import consolidate
from vs_train import TrainConfig, checkpoint_step, is_finished, train_and_record
from vs_train.progress import Watch

BATCH_SIZES = (16, 64, 256)
LEARNING_RATES = (3e-4, 1e-3, 3e-3)
# UTD -> (environment steps, evaluation interval): more updates per step need fewer steps.
# The order makes a sweep that was cut short span the axis already.
LENGTHS = {2: (42_000, 1_500), 0.5: (70_000, 2_500), 8: (24_000, 800), 1: (56_000, 2_000)}
LENGTHS |= {4: (32_000, 1_000)}


def cells(batch_sizes: tuple[int, ...]) -> list[TrainConfig]:
    """Return the grid."""
    return [
        TrainConfig(
            env="dmc/cartpole-swingup",
            utd=utd,
            batch_size=batch_size,
            critic_width=32,
            actor_width=32,
            learning_rates=LEARNING_RATES,
            seeds=4,
            steps=steps,
            eval_every=eval_every,
        )
        for utd, (steps, eval_every) in LENGTHS.items()
        for batch_size in batch_sizes
    ]


def main() -> None:
    """Train what is missing, or gather what is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["train", "consolidate"])
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of run folders")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=BATCH_SIZES)
    arguments = parser.parse_args()
    if arguments.what == "consolidate":
        consolidate(arguments.out, Path(__file__).with_name("runs.parquet"))
        return
    for cell in cells(tuple(arguments.batch_sizes)):
        name = f"UTD {cell.utd:g}, batch {cell.batch_size}"
        if is_finished(cell, arguments.out):
            sys.stderr.write(f"{name}: already finished\n")
            continue
        sys.stderr.write(f"{name}: {cell.steps} steps\n")
        start = checkpoint_step(cell, arguments.out)
        watch = Watch(cell, sys.stderr, start=start or 0)
        evaluations = train_and_record(
            cell, arguments.out, resume=start is not None, on_step=watch.step
        )
        with closing(evaluations):
            watch.follow(evaluations)


if __name__ == "__main__":
    main()
