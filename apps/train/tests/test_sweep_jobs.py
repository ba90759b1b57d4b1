"""Jobs of a cluster without one: following records, lost jobs, who holds a cell, bad input."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from vs_train import StopRequest, TrainConfig, train_and_record
from vs_train.sweep import cli, jobs
from vs_train.sweep.attempt import attempt_cell
from vs_train.sweep.cells import Cell
from vs_train.sweep.child import child_environment
from vs_train.sweep.jobs import JobSettings, Resources, follow, optional, settle
from vs_train.sweep.records import Record, cell_at_work, cell_lock, read_record, write_record
from vs_train.sweep.slurm import run_on_slurm

CELL = TrainConfig(
    env="dmc/pendulum-swingup",
    utd=1.0,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    seeds=1,
    steps=60,
    warmup_steps=10,
    eval_every=30,
)


class Notes:
    """A watcher that takes notes."""

    def __init__(self):
        self.said = []

    def begin(self, cell):
        self.said.append(("begin", cell.config.batch_size))

    def step(self, cell, env_step):
        self.said.append(("step", cell.config.batch_size, env_step))

    def end(self, cell, record):
        self.said.append(("end", cell.config.batch_size, record.state))


class Scripted:
    """A job that writes these records one after the other; the last one is how it ends."""

    def __init__(self, cell, out, *records):
        self.cell, self._out, self._records = cell, out, list(records)

    def ended(self, *, asked):
        if not self._records:
            return settle(self.cell, self._out, asked=asked, error="lost") if asked else None
        record = self._records.pop(0)
        write_record(self._out, self.cell.name, record)
        return None if record.state == "running" else record


def cell(batch_size):
    return Cell(replace(CELL, batch_size=batch_size), done=False)


def record(state, env_step, error=None):
    return Record(cell="", state=state, first_step=0, env_step=env_step, seconds=1.0, error=error)


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(jobs, "_LOOK_EVERY", 0.001)


def test_records_are_told_and_failures_end_nothing(tmp_path, quickly):
    notes = Notes()
    write_record(tmp_path, cell(4).name, record("running", 50))  # of a pool that was killed
    submitted = [
        Scripted(cell(4), tmp_path, record("running", 20), record("failed", 20, "exploded")),
        Scripted(cell(8), tmp_path, record("running", 30), record("done", 60)),
        Scripted(cell(2), tmp_path, record("failed", 0, "no such node")),
    ]
    outcome = follow(
        submitted, tmp_path, stop=StopRequest(), watcher=notes, cancel=lambda: pytest.fail("asked")
    )
    assert [one.config.batch_size for one in outcome.done] == [8]
    assert {one.config.batch_size: error for one, error in outcome.failed} == {
        4: "exploded",
        2: "no such node",
    }
    assert [said for said in notes.said if said[1] == 4] == [
        ("begin", 4),
        ("step", 4, 20),
        ("end", 4, "failed"),
    ]
    assert [said for said in notes.said if said[1] == 2] == [("begin", 2), ("end", 2, "failed")]


def test_cancelled_once_and_those_that_write_checkpoints_are_waited_for(tmp_path, quickly):
    stop, cancelled, notes = StopRequest(), [], Notes()
    stop.signum = signal.SIGINT
    with cell_lock(tmp_path, cell(4).name, stop=StopRequest()) as held:
        assert held
        assert settle(cell(4), tmp_path, asked=True, error="lost") is None  # it still writes
    outcome = follow(
        [Scripted(cell(4), tmp_path), Scripted(cell(8), tmp_path, record("running", 30))],
        tmp_path,
        stop=stop,
        watcher=notes,
        cancel=lambda: cancelled.append(True),
    )
    assert cancelled == [True]
    assert len(outcome.stopped) == 2
    assert notes.said == [("begin", 8), ("step", 8, 30), ("end", 8, "stopped")]  # 4 never began


def test_a_lost_job_failed_unless_its_cell_is_finished(tmp_path, toy):
    lost = settle(cell(4), tmp_path, asked=False, error="its node is gone")
    assert lost is not None
    assert (lost.state, lost.error) == ("failed", "its node is gone")
    assert read_record(tmp_path, cell(4).name) == lost
    for _ in train_and_record(CELL, tmp_path):
        pass
    done = settle(cell(4), tmp_path, asked=False, error="its node is gone")
    assert done is not None
    assert (done.state, done.env_step, done.error) == ("done", 60, None)


def test_one_process_at_a_time_trains_a_cell(tmp_path):
    stop = StopRequest()
    assert not cell_at_work(tmp_path, "cell")
    with cell_lock(tmp_path, "cell", stop=stop) as held:
        assert held
        assert cell_at_work(tmp_path, "cell")
        assert not cell_at_work(tmp_path, "other")
        stop.signum = signal.SIGTERM
        with cell_lock(tmp_path, "cell", stop=stop) as also_held:
            assert not also_held
    assert not cell_at_work(tmp_path, "cell")


# A worker that would die of any of a cluster's signals, and ends well when its input is closed.
DEAF = """
import os, signal, sys
for _ in range(3):
    sys.stdin.readline()
for signum in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
    os.kill(os.getpid(), signum)
print(20, flush=True)
open(sys.argv[1], "w").close()
sys.stdin.read()
sys.exit(143)
"""


def test_the_worker_of_a_job_is_only_asked_by_the_job(tmp_path):
    class Asked(StopRequest):
        @property
        def signum(self):
            return signal.SIGUSR2 if (tmp_path / "deaf").exists() else None

        @signum.setter
        def signum(self, value):
            pass

    ended = attempt_cell(
        CELL,
        tmp_path,
        checkpoint_every=7,
        environment=child_environment(),
        stop=Asked(),
        command=(sys.executable, "-c", DEAF, str(tmp_path / "deaf")),
    )
    assert (ended.state, ended.env_step) == ("stopped", 20)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()  # ours are as before


def test_the_users_own_settings_stay(monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert child_environment()["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=1"
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x")
    environment = child_environment()
    assert environment["GLIBC_TUNABLES"] == "glibc.malloc.arena_max=1"
    assert environment["XLA_FLAGS"] == "--xla_dump_to=x"


@pytest.mark.parametrize("threads", [1, 3])
def test_threads(threads):
    names = "[open(f'/proc/self/task/{t}/comm').read() for t in os.listdir('/proc/self/task')]"
    code = f"import jax, os; jax.devices(); print(sum('Eigen' in name for name in {names}))"
    environment = child_environment(threads=threads) | {"JAX_PLATFORMS": "cpu"}
    said = subprocess.run(
        (sys.executable, "-c", code), env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == str(threads)


def test_parts_of_a_gpu():
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in child_environment(gpus=2)
    assert child_environment(gpus=0.5)["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.450"


SPEC = """
algo = "sac"
seeds = 1
[axes]
utd = [1]
batch_size = [4]
learning_rate = [1e-3]
critic_width = [8]
[tasks."dmc/pendulum-swingup"]
steps = 60
eval_every = 30
"""


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ("--cpus 2", "cpus = 2: not known to --executor local, expected none of these"),
        ("--executor ray --hours 2", "hours = 2.0: not known to --executor ray, expected cpus, "),
        ("--executor ray --workers 2", "workers = 2: Ray goes by --cpus and --gpus; expected none"),
        ("--executor slurm --address auto", "address = auto: expected with --executor ray only"),
        ("--executor slurm --gpus 0.5", "gpus = 0.5: expected a whole number with --executor sl"),
        ("--executor slurm", "sbatch: no such command here; expected a machine of a Slurm cluster"),
        ("--executor ray --gpus 1.5", "gpus = 1.5: expected a whole number, or a part of 1"),
        ("--executor ray --cpus 0", "cpus = 0: expected 1 or more"),
        ("--executor slurm --hours -1", "hours = -1: expected a positive number"),
    ],
)
def test_bad_input_is_one_sentence(flags, sentence, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("vs_train.sweep.slurm.optional", lambda module, extra: None)
    monkeypatch.setattr("vs_train.sweep.on_ray.optional", lambda module, extra: None)
    monkeypatch.setattr("vs_train.sweep.slurm.shutil.which", lambda command: None)
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC)
    with pytest.raises(SystemExit) as stop:
        cli.main(["run", str(spec), "--out", str(tmp_path / "runs"), *flags.split()])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_a_missing_extra_is_one_sentence_with_the_command():
    with pytest.raises(ImportError, match=r"needs no_such_module.*pip install 'vs-train\[slurm\]'"):
        optional("no_such_module", extra="slurm")


SBATCH = """#!/bin/sh
cp "$1" "$TMPDIR/script"
echo "sbatch: error: invalid partition specified: nowhere" >&2
exit 1
"""


def test_what_slurm_is_asked_for_and_its_refusal(tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")
    for name in ("sbatch", "srun"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(SBATCH)
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    resources = Resources(cpus=4, gpus=1, memory_gb=8, hours=0.5, partition="nowhere")
    settings = JobSettings(out=tmp_path / "runs", checkpoint_every=7, resources=resources)
    with pytest.raises(ValueError, match=r"did not take the jobs: .*invalid partition specified"):
        run_on_slurm(
            [CELL, replace(CELL, batch_size=8), replace(CELL, batch_size=16)],
            settings,
            at_once=2,
            stop=StopRequest(),
            watcher=Notes(),
        )
    asked = (tmp_path / "script").read_text().splitlines()
    for line in (
        "array=0-2%2",
        "cpus-per-task=4",
        "gpus-per-node=1",
        "mem=8GB",
        "partition=nowhere",
        "requeue",
        "signal=USR2@120",
        "time=30",
    ):
        assert f"#SBATCH --{line}" in asked
    assert json.loads((tmp_path / "runs" / "sweep.lock").read_text()) == {"workers": 2}
