"""What a person sees while a cell trains: a live bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from vs_train.config import TrainConfig
from vs_train.run import Evaluation


def watch(evaluations: Iterable[Evaluation], config: TrainConfig, stream: TextIO) -> None:
    """Consume the evaluations of a cell, showing speed and mean return per learning rate."""
    started = time.monotonic()
    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        for evaluation in evaluations:
            print(_line(evaluation, config, started), file=stream, flush=True)
        return
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console
    )
    with bar:
        shown = bar.add_task(config.env, total=config.steps)
        for evaluation in evaluations:
            text = _line(evaluation, config, started)
            bar.update(shown, completed=evaluation.env_step, description=text)


def _line(evaluation: Evaluation, config: TrainConfig, started: float) -> str:
    speed = evaluation.env_step / (time.monotonic() - started)
    means = evaluation.returns.reshape(len(config.learning_rates), config.seeds).mean(axis=1)
    returns = ", ".join(
        f"{rate:g}: {mean:.0f}" for rate, mean in zip(config.learning_rates, means, strict=True)
    )
    eta = (config.steps - evaluation.env_step) / speed
    return (
        f"{config.env} step {evaluation.env_step}/{config.steps} | mean return by learning rate "
        f"{returns} | {speed:.0f} steps/s | {eta:.0f} s left"
    )
