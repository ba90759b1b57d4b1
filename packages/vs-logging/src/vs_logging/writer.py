"""Write one run's rows so that a kill at any moment loses at most the row in flight.

A run is a folder ``<root>/<run>/`` with

* ``run.json``: the configuration, metadata and state (running, finished, failed);
* ``rows.jsonl``: while the run lives, one line per evaluation, each appended by one system call;
* ``rows.parquet``: after the run, the same rows; it is complete before ``rows.jsonl`` goes.

Where both row files exist (a crash between the two steps), ``rows.jsonl`` is the one to read.
"""

import json
import os
import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from vs_logging._rundir import METADATA, PARQUET, ROWS, read_rows, rows_frame
from vs_logging.files import whole_file, write_json
from vs_logging.table import (
    CONFIG_COLUMNS,
    NULLABLE,
    SCHEMA,
    RunTableError,
    constant_columns,
    run_id,
    validate,
)


class RunWriter:
    """Append the evaluations of one run (every seed of one configuration) to its folder.

    Use it as a context manager: leaving normally marks the run ``finished``, leaving by an
    exception marks it ``failed`` (with the exception's text), and both compact the rows into
    Parquet. A process that is killed leaves state ``running`` and all rows written so far.

    Attributes:
        run: The run's id, the hash of ``config``.
        folder: ``<root>/<run>``.
    """

    def __init__(
        self,
        root: str | Path,
        config: Mapping[str, object],
        *,
        metadata: Mapping[str, object],
        resume_at: int | None = None,
    ) -> None:
        """Create the run's folder, or reopen it.

        Args:
            root: The sweep's folder.
            config: Every hyperparameter but the seed: the columns constant within a run
                (``algo`` … ``critic_width``) and anything else that tells runs apart. All of it
                enters the run's id and ``run.json``; only the table's columns enter the rows.
            metadata: JSON-able facts about the run (``action_repeat``, ``versions``, ``device``…);
                `vs_logging.table.FACTS` become columns of its rows as well.
            resume_at: Continue an earlier attempt from this env step: its rows up to and including
                this step are kept, later ones dropped (they come again). Without it, a folder that
                already holds rows is refused.

        Raises:
            RunTableError: A column is missing from ``config``, its value cannot be, or the folder
                holds rows and ``resume_at`` is not given.
        """
        missing = [name for name in CONFIG_COLUMNS if name not in config and name not in NULLABLE]
        if missing:
            raise RunTableError(f"config: missing {', '.join(missing)}")
        self.run = run_id(config)
        self.folder = Path(root) / self.run
        self._constants = {"run": self.run} | constant_columns(config, metadata)
        probe = rows_frame([{"seed": 0, "env_step": 0, "return_": None}], self._constants)
        validate(probe, source="config")

        kept = self._earlier_rows(resume_at)
        self._seen = {(row["seed"], row["env_step"]) for row in kept}
        earlier_seconds = 0.0
        if (self.folder / METADATA).exists():
            document = json.loads((self.folder / METADATA).read_text(encoding="utf-8"))
            earlier_seconds = document.get("wall_seconds") or 0.0
        self._started = time.monotonic() - earlier_seconds
        self._document: dict[str, object] = {
            "run": self.run,
            "state": "running",
            "error": None,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "wall_seconds": None,
            "host": platform.node(),
            "config": {k: v for k, v in config.items() if k != "seed"},
            "metadata": dict(metadata),
        }
        write_json(self.folder / METADATA, self._document)
        with whole_file(self.folder / ROWS) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        (self.folder / PARQUET).unlink(missing_ok=True)
        self._file = os.open(self.folder / ROWS, os.O_WRONLY | os.O_APPEND)
        self._open = True

    def _earlier_rows(self, resume_at: int | None) -> list[dict[str, object]]:
        rows = read_rows(self.folder)
        if rows and resume_at is None:
            raise RunTableError(
                f"{self.folder}: the run already holds {len(rows)} rows; "
                "give resume_at to continue it, or another root"
            )
        return [row for row in rows if row["env_step"] <= resume_at] if rows else []

    def write(
        self,
        *,
        seed: int,
        env_step: int,
        return_: float | None,
        stopped_on_success: bool = False,
        **diagnostics: float,
    ) -> None:
        """Append one evaluation; it is on its way to the disk when this returns.

        Args:
            seed: The seed's number.
            env_step: Agent decisions × action repeat so far, at least 0.
            return_: Undiscounted evaluation return, raw; ``None`` or NaN when not measured.
            stopped_on_success: Whether this is the seed's last row, since its return is good enough.
            diagnostics: Further numbers, one column each.

        Raises:
            RunTableError: The step is negative, the seed was already evaluated at it, the return
                is infinite, or a diagnostic has a column's name.
        """
        if not self._open:
            raise RunTableError(f"{self.folder}: the writer is closed")
        row: dict[str, object] = {
            "seed": int(seed),
            "env_step": int(env_step),
            "return_": None if return_ is None else float(return_),
        }
        where = f"{self.folder}: seed {seed}, env_step {env_step}"
        if env_step < 0:
            raise RunTableError(f"{where}: env_step must be at least 0")
        if return_ is not None and return_ in (float("inf"), float("-inf")):
            raise RunTableError(f"{where}: return_ is {return_}; expected a finite number or NaN")
        if clash := sorted(SCHEMA.keys() & diagnostics.keys()):
            raise RunTableError(f"{where}: diagnostic {clash[0]} has the name of a table column")
        key = (int(seed), int(env_step))
        if key in self._seen:
            raise RunTableError(f"{where}: this evaluation is already written")
        if stopped_on_success:
            row["stopped_on_success"] = True
        row |= {name: float(value) for name, value in diagnostics.items()}
        line = (json.dumps(row) + "\n").encode()
        if os.write(self._file, line) != len(line):
            raise OSError(f"{where}: the disk took only part of the row")
        self._seen.add(key)

    def close(self, *, error: str | None = None) -> None:
        """Compact the rows and record the end: finished, or failed with ``error``."""
        if not self._open:
            return
        self._open = False
        os.close(self._file)
        rows = read_rows(self.folder)
        if rows:
            with whole_file(self.folder / PARQUET) as temporary:
                rows_frame(rows, self._constants).write_parquet(temporary, compression="zstd")
        self._document |= {
            "state": "finished" if error is None else "failed",
            "error": error,
            "wall_seconds": round(time.monotonic() - self._started, 3),
        }
        write_json(self.folder / METADATA, self._document)
        (self.folder / ROWS).unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(error=None if error is None else f"{type(error).__name__}: {error}")
