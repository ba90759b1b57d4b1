"""Real workers on a toy: killed at any moment, the table is the uninterrupted one."""

import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from vs_logging import read_metadata, read_table, scan
from vs_train import StopRequest, TrainConfig
from vs_train.sweep.cells import survey
from vs_train.sweep.pool import run_sweep
from vs_train.sweep.status import sweep_status

CELL = TrainConfig(
    env="dmc/pendulum-swingup",
    utd=1.0,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    learning_rates=(1e-3, 3e-3),
    seeds=2,
    steps=120,
    warmup_steps=20,
    eval_every=20,
)

# A worker whose environments are the toy, and which kills itself soon after an env step.
WORKER = """
import importlib.util, os, signal, sys, threading, time
from vs_envs import task
from vs_envs.python_loop import LoopEnv
from vs_train import acting, run

conftest, env_step, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
spec = importlib.util.spec_from_file_location("toys", conftest)
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)
acting.make = lambda name, *, seeds, **_: LoopEnv(task(name), toys.Toy, seeds=seeds)

def die():
    time.sleep(delay)
    os.kill(os.getpid(), signal.SIGKILL)

def advance(trainer, until, advance=run.Trainer.advance):
    if trainer.env_step == env_step:
        threading.Thread(target=die).start() if delay else die()
    return advance(trainer, until)

run.Trainer.advance = advance
from vs_train.sweep import worker
worker.main()
"""


class Nobody:
    """A watcher that looks away."""

    def begin(self, cell):
        pass

    def step(self, cell, env_step):
        pass

    def end(self, cell, record):
        pass


def sweep(configs, out, *, kill_at=-1, delay=0.0, workers=2):
    conftest = Path(__file__).with_name("conftest.py")
    return run_sweep(
        configs,
        out,
        workers=workers,
        checkpoint_every=7,
        stop=StopRequest(),
        watcher=Nobody(),
        command=(sys.executable, "-c", WORKER, str(conftest), str(kill_at), str(delay)),
    )


def table(out):
    return read_table(out).sort("run", "seed", "env_step")


def test_killed_once_then_run_again(tmp_path):
    first = sweep([CELL], tmp_path, kill_at=50)
    ((cell, error),) = first.failed
    assert error == "killed by SIGKILL"
    assert scan(tmp_path).collect()["env_step"].max() == 40
    status = sweep_status([CELL], tmp_path)
    assert [(c.state, c.env_step, c.error) for c in status.cells] == [("failed", 49, error)]
    assert list((tmp_path / "compiled").iterdir())  # programs are shared

    again = sweep([CELL], tmp_path)
    assert ([c.config for c in again.done], again.failed) == ([cell.config], [])
    rows = table(tmp_path)
    assert rows["env_step"].to_list() == [*range(20, 121, 20)] * 4
    assert set(read_metadata(tmp_path)["state"]) == {"finished"}
    assert sweep([CELL], tmp_path).done == []  # nothing is left to do


@pytest.mark.slow  # a dozen processes that import everything
def test_killed_at_random_moments_the_table_is_the_uninterrupted_one(tmp_path):
    configs = [CELL, replace(CELL, utd=0.5)]
    assert len(sweep(configs, tmp_path / "whole").done) == 2
    draw = random.Random(10)
    killed = tmp_path / "killed"
    kills = 0
    for moment in sorted(draw.sample(range(115), 4)):
        outcome = sweep(configs, killed, kill_at=moment, delay=draw.uniform(0.001, 0.02))
        kills += sum(error == "killed by SIGKILL" for _, error in outcome.failed)
    assert kills >= 4
    sweep(configs, killed)
    assert all(cell.done for cell in survey(configs, killed))
    assert table(killed).equals(table(tmp_path / "whole"), null_equal=True)
