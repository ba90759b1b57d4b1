"""The progress of a cell: a live bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterable
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from vs_train.cell import Evaluation
from vs_train.config import TrainConfig


class Watch:
    """Shows speed, mean return per learning rate and the time left."""

    def __init__(self, config: TrainConfig, stream: TextIO, *, start: int = 0) -> None:
        """Begin to count the time.

        Args:
            config: the cell.
            stream: where to show it.
            start: env step that the training continues from.
        """
        self._config, self._stream, self._start = config, stream, start
        self._started = time.monotonic()
        self._console = Console(file=stream, highlight=False)
        self._returns = "no return yet"
        self._shown: Callable[[int], None] = lambda _: None

    def step(self, env_step: int) -> None:
        """Take note of the env step reached; cheap."""
        self._shown(env_step)

    def follow(self, evaluations: Iterable[Evaluation]) -> None:
        """Consume the evaluations of the cell, showing each."""
        if not self._console.is_terminal:
            for evaluation in evaluations:
                self._take(evaluation)
                print(self._line(evaluation.env_step), file=self._stream, flush=True)
            return
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        with bar:
            total = self._config.steps
            shown = bar.add_task(self._config.env, total=total, completed=self._start)
            last = 0.0

            def update(env_step: int) -> None:
                nonlocal last
                if time.monotonic() - last > 0.5:
                    last = time.monotonic()
                    text = self._line(env_step)
                    bar.update(shown, completed=env_step, description=text)

            self._shown = update
            for evaluation in evaluations:
                self._take(evaluation)
                last = 0.0
                update(evaluation.env_step)

    def _take(self, evaluation: Evaluation) -> None:
        rates = self._config.learning_rates
        means = evaluation.returns.reshape(len(rates), self._config.seeds).mean(axis=1)
        self._returns = "mean return by learning rate " + ", ".join(
            f"{rate:g}: {mean:.0f}" for rate, mean in zip(rates, means, strict=True)
        )

    def _line(self, env_step: int) -> str:
        config = self._config
        speed = max(env_step - self._start, 1) / (time.monotonic() - self._started)
        return (
            f"{config.env} step {env_step}/{config.steps} | {self._returns} | "
            f"{speed:.3g} steps/s | {(config.steps - env_step) / speed:.0f} s left"
        )
