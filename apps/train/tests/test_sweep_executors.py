"""The executors, really started: their tables are the local pool's, whatever happens on the way.

In each sweep one cell is interrupted twice, one goes well, and one cannot be run at all.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from vs_logging import read_table
from vs_train import StopRequest, TrainConfig, checkpoint_step
from vs_train.sweep.cells import Cell
from vs_train.sweep.jobs import JobSettings, Resources
from vs_train.sweep.on_ray import run_on_ray
from vs_train.sweep.pool import run_sweep
from vs_train.sweep.records import read_record
from vs_train.sweep.slurm import run_on_slurm
from vs_train.sweep.status import sweep_status

pytestmark = pytest.mark.slow  # a minute or more each, most of it compilation

GOOD = TrainConfig(
    env="dmc/pendulum-swingup",
    utd=1.0,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    learning_rates=(1e-3,),
    seeds=2,
    steps=60,
    warmup_steps=10,
    eval_every=60,
)
LONG = replace(GOOD, batch_size=8, steps=600, eval_every=300)
BROKEN = replace(GOOD, steps=10**12, replay_capacity=10**12, batch_size=16)  # no such memory
EVERY = 15


class Nobody:
    """A watcher that looks away."""

    def begin(self, cell):
        pass

    def step(self, cell, env_step):
        pass

    def end(self, cell, record):
        pass


@pytest.fixture(scope="module")
def local_table(tmp_path_factory):
    """Outcome of the local pool on the two cells that can be run."""
    out = tmp_path_factory.mktemp("local")
    outcome = run_sweep(
        [LONG, GOOD],
        out,
        workers=2,
        checkpoint_every=0,
        stop=StopRequest(),
        watcher=Nobody(),
    )
    assert len(outcome.done) == 2
    return table(out)


def table(out):
    return read_table(out).sort("run", "seed", "env_step")


def settings(out):
    return JobSettings(out=out, checkpoint_every=EVERY, resources=Resources())


def trained_by(out):
    """The process that trains LONG now, None if there is none: who holds its lock."""
    path = out / "cells" / f"{Cell(LONG, done=False).name}.lock"
    if path.exists():
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5].endswith(f":{path.stat().st_ino}"):
                return int(words[4])
    return None


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class Interrupted(threading.Thread):
    """Interrupts LONG by each of these, as soon as another process has come further with it."""

    def __init__(self, out, *actions):
        super().__init__(daemon=True)
        self._out, self._actions, self.at = out, actions, []

    def run(self):
        before = None
        for act in self._actions:
            while True:
                pid, step = trained_by(self._out), checkpoint_step(LONG, self._out) or 0
                if pid not in (None, before) and step > (self.at[-1] if self.at else 0):
                    break
                time.sleep(0.02)
            self.at.append(step)
            before = pid
            act(pid)


def check(outcome, out, interrupted, local_table):
    """One cell failed, the interrupted one went on from its checkpoints, the table is the same."""
    assert [(cell.config, "memory" in error.lower()) for cell, error in outcome.failed] == [
        (BROKEN, True)
    ]
    assert {cell.config for cell in outcome.done} == {LONG, GOOD}
    assert outcome.stopped == []
    assert len(interrupted.at) == 2
    last = read_record(out, Cell(LONG, done=False).name)
    assert last is not None
    assert (last.state, last.env_step) == ("done", LONG.steps)
    assert last.first_step >= interrupted.at[1] > interrupted.at[0] > 0
    assert table(out).equals(local_table, null_equal=True)
    status = sweep_status([LONG, GOOD, BROKEN], out)
    assert status.counts() == {"done": 2, "running": 0, "failed": 1, "waiting": 0}
    assert not status.at_work
    assert list((out / "compiled").iterdir())  # programs are shared


def test_submitit_here(tmp_path, local_table):
    pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")

    def preempt(pid):
        os.kill(parent(pid), signal.SIGUSR2)

    interrupted = Interrupted(tmp_path, preempt, preempt)
    interrupted.start()
    outcome = run_on_slurm(
        [LONG, GOOD, BROKEN],
        settings(tmp_path),
        at_once=None,
        stop=StopRequest(),
        watcher=Nobody(),
        cluster="local",
    )
    check(outcome, tmp_path, interrupted, local_table)


def test_ray_here(tmp_path, local_table):
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    interrupted = Interrupted(
        tmp_path,
        lambda pid: os.kill(parent(pid), signal.SIGKILL),  # the task's process, as a node's death
        lambda pid: os.kill(pid, signal.SIGKILL),  # the training process, as for its memory
    )
    interrupted.start()
    outcome = run_on_ray(
        [LONG, GOOD, BROKEN],
        settings(tmp_path),
        address=None,
        stop=StopRequest(),
        watcher=Nobody(),
    )
    check(outcome, tmp_path, interrupted, local_table)


def test_stopped_ray_tasks_write_checkpoints(tmp_path):
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    stop = StopRequest()
    endless = replace(LONG, steps=1_000_000)

    class Impatient(Nobody):
        def step(self, cell, env_step):
            stop.signum = signal.SIGINT

    outcome = run_on_ray(
        [endless, replace(endless, batch_size=4)],
        settings(tmp_path),
        address=None,
        stop=stop,
        watcher=Impatient(),
    )
    assert len(outcome.stopped) == 2
    assert (checkpoint_step(endless, tmp_path) or 0) > 0
    status = sweep_status([endless], tmp_path)
    assert (status.counts()["waiting"], status.at_work) == (1, False)


CONF = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
KillWait=20
MinJobAge=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture
def slurm(tmp_path_factory, monkeypatch):
    """A Slurm of one node, of its own."""
    for command in ("sbatch", "slurmctld", "slurmd", "munged"):
        if shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            pytest.skip(f"no {command} here: apt-get install slurmctld slurmd slurm-client munge")
    if os.geteuid() != 0:
        pytest.skip("slurmd is started by root only")
    folder = tmp_path_factory.mktemp("slurm", numbered=True)
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        ports = [free.getsockname()[1] for free in (one, other)]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    host, user = socket.gethostname().partition(".")[0], getpass.getuser()
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(host=host, user=user, folder=folder, ports=ports))
    monkeypatch.setenv("SLURM_CONF", str(conf))
    own = [f"--{name}={folder}/munge.{name.partition('-')[0]}" for name in ("pid-file", "log-file")]
    own += [f"--seed-file={folder}/munge.seed", f"--key-file={key}", "--force", "--foreground"]
    munged = ["/usr/sbin/munged", f"--socket={folder}/munge.socket", *own]
    commands = [munged, ["/usr/sbin/slurmctld", "-D"], ["/usr/sbin/slurmd", "-D"]]
    daemons = []
    try:
        for command in commands:
            with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
                daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
            time.sleep(1)
        for _ in range(60):
            if "idle" in said("sinfo", "--noheader", "--format=%t"):
                break
            time.sleep(1)
        yield
        for _ in range(30):  # the last job's processes end
            if not said("squeue", "--noheader"):
                break
            time.sleep(1)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_a_slurm_of_one_node(tmp_path, local_table, slurm):
    pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")

    def element(pid):  # BROKEN is the longest, LONG the next
        return next(name for name in said("squeue", "-ho%i").split() if name.endswith("_1"))

    def again(pid, *command):
        name = element(pid)
        said(*command, name)
        for runs in (False, True):  # it ends, and Slurm would wait for minutes
            while (said("squeue", f"-hj{name}", "-o%t").strip() == "R") != runs:
                said("scontrol", "update", f"JobId={name}", "StartTime=now")
                time.sleep(1)

    interrupted = Interrupted(
        tmp_path,
        lambda pid: again(pid, "scontrol", "requeue"),
        lambda pid: again(pid, "scancel", "--signal=USR2"),  # as before the time limit
    )
    interrupted.start()
    outcome = run_on_slurm(
        [LONG, GOOD, BROKEN],
        settings(tmp_path),
        at_once=None,
        stop=StopRequest(),
        watcher=Nobody(),
    )
    check(outcome, tmp_path, interrupted, local_table)
