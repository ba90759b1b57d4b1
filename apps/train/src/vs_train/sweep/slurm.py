"""Cells as a Slurm job array, through submitit.

A job that is preempted, reaches its time limit or is requeued writes a checkpoint and goes on from
it when Slurm starts it again.
"""

import getpass
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from vs_train.config import TrainConfig
from vs_train.stop import StopRequest
from vs_train.sweep.cells import Cell, survey
from vs_train.sweep.child import encoded
from vs_train.sweep.jobs import JobSettings, follow, optional, run_job, settle
from vs_train.sweep.pool import Outcome, Watcher, longest_first
from vs_train.sweep.records import Record, pool_lock

_JOBS = "slurm"  # folder of submitit's files
_TIME_LIMITS = 1_000  # per cell; the next job continues from its checkpoint
_SECONDS_TO_CHECKPOINT = 120
_ASK_EVERY = 30.0  # seconds between two questions to Slurm


def run_on_slurm(
    configs: Iterable[TrainConfig],
    settings: JobSettings,
    *,
    at_once: int | None,
    stop: StopRequest,
    watcher: Watcher,
    cluster: Literal["slurm", "local"] = "slurm",
) -> Outcome:
    """Train what is not finished yet in the sweep's folder, one element of an array per cell.

    A cell that fails does not end the others. Once asked to stop, all jobs are cancelled; those
    that run write a checkpoint in the time Slurm leaves them.

    Args:
        configs: the cells.
        settings: folder, checkpoints and resources.
        at_once: elements that may run at the same time; None for as many as Slurm likes.
        stop: asks for an early end.
        watcher: callbacks for the progress of cells.
        cluster: submitit's name of what runs the jobs; "local" starts all of them here.

    Raises:
        ImportError: if submitit is missing.
        ValueError: if there is no Slurm here, it refuses the jobs, or a sweep is at work there.
    """
    submitit = optional("submitit", extra="slurm")
    out = settings.out
    settings.resources.check("slurm", known=("cpus", "gpus", "memory_gb", "hours", "partition"))
    if settings.resources.gpus != int(settings.resources.gpus):
        raise ValueError(
            f"gpus = {settings.resources.gpus:g}: expected a whole number with --executor slurm"
        )
    if cluster == "slurm" and shutil.which("sbatch") is None:
        raise ValueError("sbatch: no such command here; expected a machine of a Slurm cluster")
    out.mkdir(parents=True, exist_ok=True)
    waiting = longest_first(survey(configs, out))
    with pool_lock(out, workers=min(at_once or len(waiting), len(waiting)) or 1):
        if not waiting:
            return Outcome()
        executor = submitit.AutoExecutor(
            out / _JOBS, cluster=cluster, slurm_max_num_timeout=_TIME_LIMITS
        )
        executor.update_parameters(**_parameters(settings, at_once or len(waiting)))
        orders = [encoded(cell.config) for cell in waiting]
        try:
            submitted = executor.map_array(CellJob(settings), orders)
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise ValueError(f"sbatch did not take the jobs: {reason}") from error
        alive = _Alive(submitted, cluster)
        jobs = [
            _SlurmJob(cell, job, out, alive) for cell, job in zip(waiting, submitted, strict=True)
        ]

        def cancel() -> None:
            alive.ask_every = 2.0
            for job in submitted:
                job.cancel(check=False)

        return follow(jobs, out, stop=stop, watcher=watcher, cancel=cancel)


@dataclass(frozen=True)
class CellJob:
    """The work of one job; submitit hands it to the node."""

    settings: JobSettings

    def __call__(self, order: str) -> str:
        """Train a cell.

        Args:
            order: the cell, encoded.

        Returns:
            Its record as JSON. Where it is stopped it does not return: the job ends, to be started
            again by Slurm or not.
        """
        submitit = optional("submitit", extra="slurm")
        warning = getattr(signal, f"SIG{submitit.JobEnvironment.USR_SIG}")
        stop, noted = StopRequest(), set[int]()

        def note(signum: int, frame: FrameType | None) -> None:
            del frame
            noted.add(signum)
            stop.signum = signum

        signal.signal(signal.SIGTERM, note)
        signal.signal(signal.SIGINT, note)
        requeue: Any = signal.signal(warning, note)
        record = run_job(order, self.settings, stop)
        if record.state == "stopped":
            if warning in noted:
                requeue(warning, None)  # submitit's: Slurm is asked to start this job again
            sys.exit(128 + signal.SIGTERM)
        return json.dumps(asdict(record))

    def checkpoint(self, order: str) -> Any:
        """Return what the job does when it is started again: the same; the cell has a checkpoint."""
        return optional("submitit", extra="slurm").helpers.DelayedSubmission(self, order)


class _Alive:
    """The jobs that wait or run, polled now and then."""

    def __init__(self, submitted: list[Any], cluster: str) -> None:
        self.ask_every = _ASK_EVERY
        self._submitted, self._cluster = submitted, cluster
        self._asked = time.monotonic()
        self._alive = {job.job_id for job in submitted}
        self._before = self._alive

    def __contains__(self, job_id: str) -> bool:
        if time.monotonic() - self._asked > self.ask_every:
            self._before, self._alive = self._alive, self._look()
            self._asked = time.monotonic()
        # twice: a job that has just ended may be about to be requeued, or its result be on its way
        return job_id in self._alive or job_id in self._before

    def _look(self) -> set[str]:
        if self._cluster == "local":
            return {job.job_id for job in self._submitted if not job.done()}
        user = getpass.getuser()
        queue = subprocess.run(  # noqa: S603 - our own words
            ("squeue", "--noheader", "--array", "--user", user, "--format", "%i"),  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        # a controller that does not answer now says nothing about the jobs
        return set(queue.stdout.split()) if queue.returncode == 0 else self._alive


class _SlurmJob:
    """One element of the array."""

    def __init__(self, cell: Cell, job: Any, out: Path, alive: _Alive) -> None:
        self.cell, self._job, self._out, self._alive = cell, job, out, alive

    def ended(self, *, asked: bool) -> Record | None:
        if self._job.paths.result_pickle.exists():
            error = self._job.exception()
            if error is None:
                return Record(**json.loads(self._job.result()))
            return settle(self.cell, self._out, asked=asked, error=_last_line(str(error)))
        if self._job.job_id in self._alive:
            return None
        log = self._job.stderr() or ""
        error = f"its job {self._job.job_id} ended without a result: {_last_line(log)}"
        return settle(self.cell, self._out, asked=asked, error=error)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip(" -")]
    return lines[-1] if lines else "it has said nothing"


def _parameters(settings: JobSettings, at_once: int) -> dict[str, Any]:
    resources = settings.resources
    asked: dict[str, Any] = {
        "name": "vs-sweep",
        "timeout_min": max(1, round(resources.hours * 60)),
        "cpus_per_task": resources.cpus,
        "mem_gb": resources.memory_gb,
        "gpus_per_node": int(resources.gpus) or None,
        "slurm_partition": resources.partition,
        "slurm_array_parallelism": at_once,
        "slurm_signal_delay_s": _SECONDS_TO_CHECKPOINT,
        "slurm_additional_parameters": {"requeue": True},
    }
    return {name: value for name, value in asked.items() if value is not None}
