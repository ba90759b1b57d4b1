"""Find the unfinished cells of a sweep."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from vs_logging import run_id

from vs_train.cell import critic_updates
from vs_train.checkpoint import Checkpoints
from vs_train.config import TrainConfig
from vs_train.facts import columns, flops_per_update
from vs_train.record import checkpoint_step, finished_seeds

CHECKPOINTS = "checkpoints"
_AXES = ("algo", "env", "utd", "batch_size", "critic_width", "critic_depth", "actor_width")


@dataclass(frozen=True)
class Cell:
    """One program: some learning rates of a configuration times its seeds.

    Attributes:
        config: what is trained.
        done: whether all of it is finished.
        start: environment step of the checkpoint to go on from, None without one.
    """

    config: TrainConfig
    done: bool
    start: int | None = None

    @property
    def name(self) -> str:
        """Its id: the name of its checkpoints' folder, too."""
        return _checkpoints(self.config, Path()).folder.name

    @property
    def label(self) -> str:
        """Label to show."""
        choices = self.config.choices
        rates = ", ".join(f"{rate:g}" for rate in self.config.learning_rates)
        return (
            f"{self.config.env} utd {choices.utd:g} batch {choices.batch_size} "
            f"width {choices.critic_width} depth {self.config.critic_depth} rates {rates}"
        )


def agent_updates(config: TrainConfig) -> int:
    """Return the critic updates of each agent."""
    return critic_updates(config.choices, config.steps)


def cell_flops(config: TrainConfig) -> float:
    """Return the papers' 10 N B per critic update, over all updates and agents of a cell."""
    agents = config.seeds * len(config.learning_rates)
    return flops_per_update(config) * agent_updates(config) * agents


def survey(configs: Iterable[TrainConfig], out: Path) -> list[Cell]:
    """Split a sweep's cells into what is done in ``out``, what has begun there, and the rest.

    A learning rate that was added later becomes a separate cell. A cell with a checkpoint continues
    with the learning rates it began with, so that no run is trained twice.

    Args:
        configs: the sweep's cells.
        out: folder of run folders; need not exist.

    Raises:
        ValueError: if ``out`` holds other seeds of one of these configurations.
    """
    begun = _learning_rates_begun(out)
    return [cell for config in configs for cell in _survey_one(config, out, begun[_axes(config)])]


def _survey_one(config: TrainConfig, out: Path, begun_with: list[tuple[float, ...]]) -> list[Cell]:
    rates = config.learning_rates
    done = tuple(rate for rate in rates if _finished(config, rate, out))
    rest = [rate for rate in rates if rate not in done]
    cells = [Cell(replace(config, learning_rates=done), done=True)] if done else []
    for begun in _begun(config, out, begun_with):
        if set(begun.learning_rates) & set(rest):
            cells.append(Cell(begun, done=False, start=checkpoint_step(begun, out)))
            rest = [rate for rate in rest if rate not in begun.learning_rates]
    if rest:
        cells.append(Cell(replace(config, learning_rates=tuple(rest)), done=False))
    return cells


def _finished(config: TrainConfig, rate: float, out: Path) -> bool:
    one = replace(config, learning_rates=(rate,))
    held = finished_seeds(one, out)
    wanted = set(config.agent_seeds)
    if held and not wanted <= held:
        run = out / run_id(columns(one, rate))
        raise ValueError(
            f"{run}: holds the seeds {_span(held)} of a configuration that is wanted with the seeds "
            f"{_span(wanted)}; expected another folder for further seeds (the analysis reads several)"
        )
    return bool(held)


def _learning_rates_begun(out: Path) -> dict[tuple[object, ...], list[tuple[float, ...]]]:
    """Return the learning rates of every cell with checkpoints, by its place on the axes."""
    found: dict[tuple[object, ...], list[tuple[float, ...]]] = defaultdict(list)
    for path in sorted((out / CHECKPOINTS).glob("*/cell.json")):
        cell = json.loads(path.read_text(encoding="utf-8"))
        found[tuple(cell[name] for name in _AXES)].append(tuple(cell["learning_rate"]))
    return found


def _axes(config: TrainConfig) -> tuple[object, ...]:
    settings = config.settings(0.0)
    return tuple(settings[name] for name in _AXES)


def _begun(
    config: TrainConfig, out: Path, begun_with: list[tuple[float, ...]]
) -> list[TrainConfig]:
    """Return the cells with a complete checkpoint that differ from this in learning rates only."""
    found = []
    for rates in begun_with:
        other = replace(config, learning_rates=rates)
        if _checkpoints(other, out).latest() is not None:  # by its hash: all else is the same
            found.append(other)
    return found


def _checkpoints(config: TrainConfig, out: Path) -> Checkpoints:
    runs = [run_id(columns(config, rate)) for rate in config.learning_rates]
    return Checkpoints(out, runs, config)


def _span(seeds: set[int]) -> str:
    return f"{min(seeds)} to {max(seeds)}"
