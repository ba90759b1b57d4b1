"""The speed of cells on this machine: a few steps of each kind, in a process of one thread.

``python -m vs_train.sweep.calibrate`` reads one cell per line and answers each with a `Speed`.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace

import numpy as np
from vs_envs import task

from vs_train.config import TrainConfig
from vs_train.programs import Programs
from vs_train.sweep.cells import agent_updates
from vs_train.sweep.child import child_environment, decoded, encoded

_FIRST = 3  # measurements that compile
_COLLECTING = 30
_LEARNING = 100
_BLOCK = 20  # environment steps of one measurement where they need no call each
_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Seconds that all lanes of a cell take together.

    Attributes:
        step: per environment step without an update.
        update: per critic update with what goes along.
        start: until it runs: environments, agents, compilation.
    """

    step: float
    update: float
    start: float


def kind(config: TrainConfig) -> TrainConfig:
    """Return what stands for all cells of the same speed: they differ in steps and utd only."""
    return replace(
        config,
        utd=1.0,
        warmup_steps=(_FIRST + _COLLECTING) * _block(config),
        steps=1_000_000,
        eval_every=1_000_000,
        eval_episodes=1,
        replay_capacity=min(config.replay_capacity, 10_000),
        first_seed=0,
    )


def seconds_of(config: TrainConfig, speed: Speed) -> float:
    """Return the time a cell takes, evaluations included; these are steps without updates."""
    choices = config.choices
    evaluations = config.steps // choices.eval_every
    judged = evaluations * choices.eval_episodes * task(config.env).episode_steps
    steps = (config.steps + judged) * speed.step
    return speed.start + steps + agent_updates(config) * speed.update


def calibrate(
    configs: Iterable[TrainConfig], *, on_kind: Callable[[int, int], None] = lambda *_: None
) -> dict[TrainConfig, Speed]:
    """Measure every kind of cell.

    Args:
        configs: the cells.
        on_kind: called with the number of kinds measured so far and in total.

    Returns:
        Speeds by `kind`.

    Raises:
        ValueError: if a kind cannot be run here.
    """
    kinds = list(dict.fromkeys(kind(config) for config in configs))
    speeds: dict[TrainConfig, Speed] = {}
    process = subprocess.Popen(
        (sys.executable, "-m", "vs_train.sweep.calibrate"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child_environment(),
        text=True,
    )
    with process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process was started without pipes")
        try:
            for one in kinds:
                process.stdin.write(encoded(one) + "\n")
                process.stdin.flush()
                answer = json.loads(process.stdout.readline() or '{"error": "it was killed"}')
                if "error" in answer:
                    where = f"{one.env}, width {one.choices.critic_width}, depth {one.critic_depth}"
                    raise ValueError(f"{where} cannot be run here: {answer['error']}")
                speeds[one] = Speed(**answer)
                on_kind(len(speeds), len(kinds))
        finally:
            process.kill()
    return speeds


def measure(config: TrainConfig) -> Speed:
    """Measure one kind of cell in this process."""
    begun, block = time.perf_counter(), _block(config)
    programs = Programs(config)
    for _ in range(_FIRST):
        _timed(programs, block)
    step = float(np.median([_timed(programs, block) for _ in range(_COLLECTING)]))
    for _ in range(_FIRST):
        _timed(programs, block)
    start = time.perf_counter() - begun - _COLLECTING * block * step
    both, until = [_timed(programs, block)], time.perf_counter() + _SECONDS
    while len(both) < _LEARNING and time.perf_counter() < until:
        both.append(_timed(programs, block))
    return Speed(step=step, update=max(0.0, float(np.median(both)) - step), start=start)


def _block(config: TrainConfig) -> int:
    return _BLOCK if config.backend == "mjx" else 1


def _timed(programs: Programs, steps: int) -> float:
    """Return the seconds per environment step."""
    begun = time.perf_counter()
    programs.advance(programs.env_step + steps)
    return (time.perf_counter() - begun) / steps


def main() -> None:
    """Answer every cell on standard input with its speed, or with why not."""
    for line in sys.stdin:
        try:
            answer: dict[str, object] = asdict(measure(decoded(line)))
        except Exception as error:
            lines = str(error).splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {lines[-1]}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
