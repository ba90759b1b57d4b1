"""The number of agents in a compiled program: the fastest in a short measurement here.

Many lanes in one program save calls where the arithmetic is small, and fill an accelerator; on a
CPU the arrays of many wide networks leave its caches, and the same work takes longer. All programs
of a cell run in one process in turn, so one lane per program costs what one process per run does.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from vs_logging import write_json

from vs_train.config import TrainConfig
from vs_train.sweep.calibrate import Speed, calibrate, kind
from vs_train.sweep.child import encoded

_FILE = "lanes.json"

type Measure = Callable[[Iterable[TrainConfig]], dict[TrainConfig, Speed]]


def sizes(lanes: int) -> list[int]:
    """Return the numbers of lanes per program to try: all, half of them, ..., one."""
    found = [lanes]
    while found[-1] > 1:
        found.append((found[-1] + 1) // 2)
    return found


def program(config: TrainConfig, size: int) -> TrainConfig:
    """Return the kind of cell that is one program of ``size`` lanes."""
    one = replace(
        config, seeds=size, learning_rates=config.learning_rates[:1], lanes_per_program=None
    )
    return kind(one)


def seconds_per_step(config: TrainConfig, size: int, speed: Speed) -> float:
    """Return what an environment step of one agent takes, with its updates at the cell's utd."""
    return (speed.step + config.choices.utd * speed.update) / size


def fastest(config: TrainConfig, speeds: Mapping[TrainConfig, Speed]) -> int:
    """Return the best number of lanes per program for a cell."""
    lanes = config.seeds * len(config.learning_rates)
    return min(
        sizes(lanes),
        key=lambda size: seconds_per_step(config, size, speeds[program(config, size)]),
    )


def choose_lanes(
    configs: Iterable[TrainConfig], out: Path, *, measure: Measure = calibrate
) -> list[TrainConfig]:
    """Return the cells, each with the lanes per program that are fastest here.

    Cells that say how many themselves are left alone. What was measured is kept in ``out``.

    Args:
        configs: the cells.
        out: folder of the sweep.
        measure: tells the speeds of kinds of cells.
    """
    configs = list(configs)
    free = [config for config in configs if config.lanes_per_program is None]
    wanted = {
        program(config, size)
        for config in free
        for size in sizes(config.seeds * len(config.learning_rates))
    }
    path = out / _FILE
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    missing = sorted((one for one in wanted if encoded(one) not in known), key=encoded)
    if missing:
        known |= {encoded(one): asdict(speed) for one, speed in measure(missing).items()}
        write_json(path, known)
    speeds = {one: Speed(**known[encoded(one)]) for one in wanted}
    return [
        config
        if config.lanes_per_program is not None
        else replace(config, lanes_per_program=fastest(config, speeds))
        for config in configs
    ]
