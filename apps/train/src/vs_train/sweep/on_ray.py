"""Cells as tasks on a Ray cluster.

Ray places them by the resources they ask for. When a node, or the process of a cell, dies, the cell
is tried again from its checkpoint.
"""

import json
import os
import signal
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from vs_train.config import TrainConfig
from vs_train.stop import StopRequest
from vs_train.sweep.attempt import KILLED
from vs_train.sweep.cells import Cell, survey
from vs_train.sweep.child import encoded
from vs_train.sweep.jobs import JobSettings, follow, optional, run_job, settle
from vs_train.sweep.pool import Outcome, Watcher, longest_first
from vs_train.sweep.records import Record, pool_lock

_RETRIES = 3
_OBJECTS = 100 << 20  # bytes of an object store of our own: records are small


class CellKilledError(RuntimeError):
    """A cell's process was killed, by the system for its memory perhaps: to be tried again."""


def run_on_ray(
    configs: Iterable[TrainConfig],
    settings: JobSettings,
    *,
    address: str | None,
    stop: StopRequest,
    watcher: Watcher,
) -> Outcome:
    """Train what is not finished yet in the sweep's folder, one task per cell.

    A cell that fails does not end the others; one whose process was killed is tried again, up to
    three times. Once asked to stop, all tasks write a checkpoint.

    Args:
        configs: the cells.
        settings: folder, checkpoints and resources.
        address: of the cluster, "auto" for this machine's; None for an instance of our own here.
        stop: asks for an early end.
        watcher: callbacks for the progress of cells.

    Raises:
        ImportError: if Ray is missing.
        ValueError: if no cluster is there, or a sweep is at work in the folder.
    """
    ray = optional("ray", extra="ray")
    out, resources = settings.out, settings.resources
    resources.check("ray", known=("cpus", "gpus", "memory_gb"))
    out.mkdir(parents=True, exist_ok=True)
    waiting = longest_first(survey(configs, out))
    if not waiting:
        return Outcome()
    with _connected(ray, address):
        there = ray.cluster_resources()
        cpus, gpus = int(there.get("CPU", 0)), there.get("GPU", 0)
        if address is None and (resources.cpus > cpus or resources.gpus > gpus):
            raise ValueError(
                f"cpus = {resources.cpus}, gpus = {resources.gpus:g}: expected no more than this "
                f"machine's {cpus} and {gpus:g}"
            )
        fit = int(gpus / resources.gpus) if resources.gpus else cpus // resources.cpus
        task = ray.remote(_train).options(
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
            memory=None if resources.memory_gb is None else int(resources.memory_gb * 2**30),
            max_retries=_RETRIES,
            retry_exceptions=[CellKilledError],
        )
        with pool_lock(out, workers=max(1, min(fit, len(waiting)))):
            futures = [task.remote(encoded(cell.config), settings) for cell in waiting]
            jobs = [
                _RayJob(ray, cell, future, out)
                for cell, future in zip(waiting, futures, strict=True)
            ]

            def cancel() -> None:
                for future in futures:
                    ray.cancel(future, force=False)

            return follow(jobs, out, stop=stop, watcher=watcher, cancel=cancel)


def _train(order: str, settings: JobSettings) -> str:
    stop = StopRequest()

    def note(signum: int, frame: FrameType | None) -> None:
        del frame
        stop.signum = signum

    before = signal.signal(signal.SIGINT, note)  # Ray cancels a task by SIGINT
    try:
        record = run_job(order, settings, stop)
    finally:
        signal.signal(signal.SIGINT, before)
    if record.state == "failed" and (record.error or "").startswith(KILLED):
        raise CellKilledError(record.error)
    return json.dumps(asdict(record))


@contextmanager
def _connected(ray: Any, address: str | None) -> Generator[None]:
    own = {"include_dashboard": False, "object_store_memory": _OBJECTS} if address is None else {}
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="warning", **own)
    except Exception as error:  # of many kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        where = "it did not start here" if address is None else f"address = {address}: not there"
        raise ValueError(f"Ray: {where} ({reason})") from error
    finally:
        for signum, handler in before.items():  # it takes SIGTERM for itself
            signal.signal(signum, handler)
    try:
        yield
    finally:
        ray.shutdown()


class _RayJob:
    """One task."""

    def __init__(self, ray: Any, cell: Cell, future: Any, out: Path) -> None:
        self.cell, self._ray, self._future, self._out = cell, ray, future, out
        self._error: str | None = None

    def ended(self, *, asked: bool) -> Record | None:
        if self._error is None:
            if not self._ray.wait([self._future], timeout=0)[0]:
                return None
            try:
                return Record(**json.loads(self._ray.get(self._future)))
            except self._ray.exceptions.RayError as error:
                cause = getattr(error, "cause", None) or error
                lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
                self._error = lines[0] if lines else type(error).__name__
        return settle(self.cell, self._out, asked=asked, error=self._error)
