"""Send the run table's rows to experiment trackers too, one tracked run per run and seed.

A tracker is a second place for what `vs_logging.RunWriter` keeps; both are given the same rows.
After a restart rows that were already sent come again with the same values, and do no harm.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from vs_logging._extras import optional_module
from vs_logging.files import write_json
from vs_logging.table import run_id


class Sink(Protocol):
    """A second destination of rows, beside the run table."""

    def write(
        self,
        config: Mapping[str, object],
        *,
        seed: int,
        env_step: int,
        return_: float | None,
        **diagnostics: float,
    ) -> None:
        """Take one evaluation; the arguments are those of ``RunWriter`` and its ``write``."""
        ...

    def close(self, *, error: str | None = None) -> None:
        """Flush and end everything; with ``error``, as failed. A second call does nothing."""
        ...


class TensorBoardSink:
    """Scalars as event files, ``<logdir>/<run>/seed_<seed>/``, with the settings as config.json.

    `vs_logging.import_tensorboard` reads them back. Event files hold single precision.
    """

    def __init__(self, logdir: str | Path) -> None:
        """Check that TensorBoard is there; folders appear with the first rows.

        Args:
            logdir: what ``tensorboard --logdir`` is given.

        Raises:
            ImportError: TensorBoard is not installed; the message has the command.
        """
        self._logdir = Path(logdir)
        proto = "tensorboard.compat.proto"
        self._event: Any = optional_module(f"{proto}.event_pb2", "tensorboard").Event
        self._summary: Any = optional_module(f"{proto}.summary_pb2", "tensorboard").Summary
        files = optional_module("tensorboard.summary.writer.event_file_writer", "tensorboard")
        self._open: Any = files.EventFileWriter
        self._writers: dict[tuple[str, int], Any] = {}

    def write(
        self,
        config: Mapping[str, object],
        *,
        seed: int,
        env_step: int,
        return_: float | None,
        **diagnostics: float,
    ) -> None:
        """Write one scalar per number, at step ``env_step``; it is in the file on return."""
        key = (run_id(config), seed)
        if key not in self._writers:
            folder = self._logdir / key[0] / f"seed_{seed}"
            write_json(folder / "config.json", {**config, "seed": seed})
            self._writers[key] = self._open(str(folder))
        values = [
            self._summary.Value(tag=name, simple_value=value)
            for name, value in _scalars(return_, diagnostics).items()
        ]
        self._writers[key].add_event(
            self._event(step=env_step, wall_time=time.time(), summary=self._summary(value=values))
        )
        self._writers[key].flush()

    def close(self, *, error: str | None = None) -> None:
        """Close the event files; they have no place for ``error``."""
        while self._writers:
            self._writers.popitem()[1].close()


class WandbSink:
    """Runs of a Weights & Biases project, one per run and seed, named ``<run>-s<seed>``.

    The name is also the run's id, so that a resumed training continues the same W&B run. W&B's own
    settings apply: ``WANDB_MODE=offline`` writes to disk only, ``WANDB_ENTITY`` picks the account.
    `vs_logging.import_wandb` reads the runs back.
    """

    def __init__(self, project: str, *, folder: str | Path, wandb: Any = None) -> None:
        """Check that W&B is there; nothing is sent before the first row.

        Args:
            project: the W&B project.
            folder: W&B keeps its local files in ``<folder>/wandb``.
            wandb: the module to use; W&B itself when not given.

        Raises:
            ImportError: W&B is not installed; the message has the command.
        """
        self._wandb = wandb if wandb is not None else optional_module("wandb", "wandb")
        self._project = project
        self._folder = Path(folder)
        self._runs: dict[tuple[str, int], Any] = {}

    def write(
        self,
        config: Mapping[str, object],
        *,
        seed: int,
        env_step: int,
        return_: float | None,
        **diagnostics: float,
    ) -> None:
        """Log one row under W&B's step ``env_step``; W&B drops steps that it already has."""
        key = (run_id(config), seed)
        if key not in self._runs:
            name = f"{key[0]}-s{seed}"
            self._folder.mkdir(parents=True, exist_ok=True)
            self._runs[key] = self._wandb.init(
                project=self._project,
                name=name,
                id=name,
                config={**config, "seed": seed, "run": key[0]},
                dir=str(self._folder),
                resume="allow",
                reinit="create_new",  # several at once in one process
            )
        row = {"env_step": env_step} | _scalars(return_, diagnostics)
        self._runs[key].log(row, step=env_step, commit=True)

    def close(self, *, error: str | None = None) -> None:
        """Finish the W&B runs, with exit code 1 if there was an error."""
        while self._runs:
            self._runs.popitem()[1].finish(exit_code=0 if error is None else 1)


def _scalars(return_: float | None, diagnostics: Mapping[str, float]) -> dict[str, float]:
    row = {} if return_ is None else {"return_": float(return_)}
    return row | {name: float(value) for name, value in diagnostics.items()}
