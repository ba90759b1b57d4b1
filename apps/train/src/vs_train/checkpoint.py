"""Checkpoints of a cell: complete or absent, the newest one kept.

``<out>/checkpoints/<cell>/step_<env step>/part_<k>`` holds the state of worker ``k``'s lanes, as
Orbax writes it, and ``part_<k>.json``, which comes last, its checksums; a step counts once all
parts have theirs. Earlier steps go only after that: whenever the process is killed, the newest
complete step is intact.
"""

import json
import shutil
import zlib
from pathlib import Path

import numpy as np
from vs_logging import run_id, write_json

from vs_train.config import TrainConfig
from vs_train.programs import Programs
from vs_train.snapshot import Arrays

_CELL = "cell.json"
_STEP = "step_"
_EMPTY = "empty_arrays"  # orbax stores none: their names, shapes and types as JSON


def checkpoint_due(step: int, *, until: int, every: int) -> bool:
    """Tell whether a checkpoint is written after this step: every so often, and at the end."""
    return step == until or (every > 0 and step % every == 0)


def next_checkpoint(step: int, until: int, every: int) -> int:
    """Return the first step after this one at which `checkpoint_due`."""
    return min(until, (step // every + 1) * every) if every > 0 else until


class Checkpoints:
    """The checkpoints of one cell."""

    def __init__(
        self, out: Path, runs: list[str], config: TrainConfig, *, processes: int = 1
    ) -> None:
        """Say where they are; nothing is touched.

        Args:
            out: folder of run folders.
            runs: ids of the cell's runs.
            config: the cell.
            processes: parts per step.
        """
        seeds = {"first_seed": config.first_seed, "seeds": config.seeds}
        self._all = out / "checkpoints"
        self.folder = self._all / run_id({"runs": runs} | seeds)
        self._processes = processes
        rates = {"learning_rate": list(config.learning_rates)}
        lanes = {"processes": processes, "lanes_per_program": config.lanes_per_program}
        self._settings = config.settings(0.0) | rates | seeds | lanes

    def latest(self) -> int | None:
        """Return the env step of the newest complete checkpoint, None if there is none.

        Raises:
            ValueError: if it was written by another number of processes.
        """
        try:
            written = json.loads((self.folder / _CELL).read_text(encoding="utf-8"))["processes"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError) as error:
            raise self._unreadable(error) from error
        complete = [
            step
            for step in self._steps()
            if all(_sums(self._part(step, k)).is_file() for k in range(written))
        ]
        if complete and written != self._processes:
            raise ValueError(
                f"{self.folder}: written by --processes {written}, here {self._processes}: "
                "expected the same number"
            )
        return max(complete, default=None)

    def lanes_per_program(self) -> int | None:
        """Return how the newest checkpoint was split: the same numbers need the same programs."""
        written = json.loads((self.folder / _CELL).read_text(encoding="utf-8"))
        return written.get("lanes_per_program")

    def nearest(self) -> str:
        """Say how another cell's checkpoint in the same place differs, for a message."""
        best: list[str] = []
        for path in sorted(self._all.glob(f"*/{_CELL}")):
            other = json.loads(path.read_text(encoding="utf-8"))
            names = [n for n in self._settings if other.get(n) != _plain(self._settings[n])]
            shown = [f"{n} {other.get(n)}, here {_plain(self._settings[n])}" for n in names]
            if shown and (not best or len(shown) < len(best)):
                best = shown
        return f" (the nearest one there has {'; '.join(best)})" if best else ""

    def begin(self, *, keep: int | None) -> None:
        """Make the folder, and remove every step but ``keep``."""
        write_json(self.folder / _CELL, self._settings)
        self.prune(keep=keep)

    def prune(self, *, keep: int | None) -> None:
        """Remove every step but one."""
        for step in self._steps():
            if step != keep:
                shutil.rmtree(self.folder / f"{_STEP}{step:012d}")

    def save(self, step: int, state: Arrays, *, part: int = 0) -> None:
        """Write one part of a step; it is whole when this returns."""
        import orbax.checkpoint  # takes seconds

        self._part(step, part).parent.mkdir(parents=True, exist_ok=True)
        empty = {n: [a.shape, a.dtype.str] for n, a in state.items() if not a.size}
        full = {name: array for name, array in state.items() if array.size}
        full[_EMPTY] = np.frombuffer(json.dumps(empty).encode(), np.uint8)
        with orbax.checkpoint.StandardCheckpointer() as checkpointer:
            checkpointer.save(self._part(step, part).absolute(), full)
        write_json(_sums(self._part(step, part)), _checksums(self._part(step, part)))

    def load(self, step: int, *, part: int = 0) -> Arrays:
        """Read one part of a step.

        Raises:
            ValueError: if the files are damaged.
        """
        import orbax.checkpoint

        path = self._part(step, part)
        try:
            if _checksums(path) != json.loads(_sums(path).read_text(encoding="utf-8")):
                raise ValueError("its files are not as they were written")
            with orbax.checkpoint.StandardCheckpointer() as checkpointer:
                state: Arrays = dict(checkpointer.restore(path.absolute()))
            for name, (shape, dtype) in json.loads(state.pop(_EMPTY).tobytes()).items():
                state[name] = np.zeros(shape, dtype)
        except (OSError, ValueError, KeyError) as error:
            raise self._unreadable(error, path) from error
        return state

    def restore(self, trainer: Programs, step: int, *, part: int = 0) -> None:
        """Let a trainer of the same lanes go on from one part of a step.

        Raises:
            ValueError: if the files are damaged, or of another version of the agents.
        """
        state = self.load(step, part=part)
        try:
            trainer.restore(state)
        except (ValueError, KeyError) as error:
            raise self._unreadable(error, self._part(step, part)) from error

    def _unreadable(self, error: Exception, path: Path | None = None) -> ValueError:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        return ValueError(
            f"{path or self.folder}: the checkpoint cannot be read ({reason}); "
            "remove its folder to start the cell again"
        )

    def _part(self, step: int, part: int) -> Path:
        return self.folder / f"{_STEP}{step:012d}" / f"part_{part}"

    def _steps(self) -> list[int]:
        names = [path.name for path in self.folder.glob(f"{_STEP}*")]
        return [int(name.removeprefix(_STEP)) for name in names]


def _sums(part: Path) -> Path:
    return part.with_suffix(".json")


def _checksums(folder: Path) -> dict[str, int]:
    """Return the CRC-32 of every file of a folder, by its path there."""
    sums = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total = 0
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total = zlib.crc32(block, total)
        sums[path.relative_to(folder).as_posix()] = total
    return sums


def _plain(value: object) -> object:
    return json.loads(json.dumps(value))
