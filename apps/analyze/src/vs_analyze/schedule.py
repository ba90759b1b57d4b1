"""Hyperparameters to run over a list of utd, with the commands that run them."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import vs_laws as laws
from vs_logging import whole_file

from vs_analyze.laws_file import TaskLaws
from vs_analyze.tables import Table, interval, table


@dataclass(frozen=True)
class Row:
    """One configuration to run.

    Attributes:
        batch_size: rounded; ``batch_size_low`` and ``batch_size_high`` bound B* itself.
        learning_rate: η*; that of the runs where no law of it was fitted.
        data: env steps to ``level``, with its interval.
        command: the `vs-train` command, for tasks of this project.
    """

    env: str
    utd: float
    batch_size: int
    batch_size_low: float
    batch_size_high: float
    learning_rate: float
    level: float
    data: float
    data_low: float
    data_high: float
    command: str


def schedule(
    task: TaskLaws,
    utds: Sequence[float],
    *,
    critic_params: float | None = None,
    level: float | None = None,
    multiple: int = 16,
) -> list[Row]:
    """Return what to run at each utd, with the env steps to a level (by default the highest).

    Raises:
        AnalysisError: a place that is not positive, or a level without a law.
    """
    goal = list(task.levels)[-1] if level is None else level
    rows = []
    for utd in utds:
        place = task.place(utd, critic_params)
        best = task.batch_size.predict(**place)
        size = int(laws.grid.round_batch_size(best.value, to=multiple))
        rate = (
            sorted(task.learning_rates)[len(task.learning_rates) // 2]
            if task.learning_rates
            else float("nan")
        )
        if task.learning_rate is not None:
            rate = float(f"{task.learning_rate.predict(**place).value:.3g}")
        data = task.steps(goal, place)
        rows.append(
            Row(
                task.env, utd, size, best.low, best.high, rate, goal, data.value, data.low, data.high,
                command(task, utd, size, rate, data.high, critic_params),
            )
        )  # fmt: skip
    return rows


def command(
    task: TaskLaws, utd: float, batch_size: int, rate: float, steps: float, params: float | None
) -> str:
    """Return the `vs-train` command of a configuration, with enough env steps to reach the level."""
    width = None if params is None else laws.grid.width_of(params, task.widths)
    wide = "" if width is None else f" --critic-width {width:.0f}"
    env = task.env if "/" in task.env else f"{task.benchmark}/{task.env}"
    return (
        f"vs-train --env {env} --algo {task.algo} --utd {utd:g} --batch-size {batch_size} "
        f"--learning-rate {rate:g}{wide} --steps {int(-(-steps // 1000) * 1000)}"
    )


def as_table(rows: Sequence[Row]) -> Table:
    """Return the rows for a page or a terminal."""
    return table(
        "schedule",
        f"Configurations to run, with the env steps to level {rows[0].level:g}.",
        ("task", "σ", "run B =", "B*", "η", "data (env steps)"),
        [
            (row.env, f"{row.utd:g}", row.batch_size,
             interval(laws.Estimate(row.batch_size, row.batch_size_low, row.batch_size_high)),
             f"{row.learning_rate:g}",
             interval(laws.Estimate(row.data, row.data_low, row.data_high)))
            for row in rows
        ],
    )  # fmt: skip


def write_csv(rows: Sequence[Row], out: Path) -> None:
    """Write the rows as CSV, one per configuration."""
    with whole_file(out) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
