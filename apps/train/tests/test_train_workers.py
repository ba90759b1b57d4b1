"""Lanes over processes: the same table, one stopping point, and a worker that dies."""

import multiprocessing
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from vs_logging import read_metadata, read_table
from vs_train import Stopped, StopRequest, TrainConfig, WorkerError, checkpoint_step, train, workers
from vs_train import train_and_record as record
from vs_train.checkpoint import Checkpoints

CELL = TrainConfig(
    env="dmc/pendulum-swingup",
    utd=1.0,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    learning_rates=(1e-3,),
    seeds=3,
    steps=1_000_000,
    warmup_steps=20,
    eval_every=20,
)


def stop_after(evaluations, stop, env_step):
    for evaluation in evaluations:
        if evaluation.env_step >= env_step:
            stop.signum = signal.SIGTERM


def check_rows(out, last):
    table = read_table(out).sort("env_step", "seed")
    assert table["seed"].to_list() == [0, 1, 2] * (last // 20)
    assert table["env_step"].to_list() == [n for n in range(20, last + 1, 20) for _ in range(3)]
    for evaluation in train(replace(CELL, steps=60)):
        rows = table.filter(table["env_step"] == evaluation.env_step)
        np.testing.assert_allclose(rows["return_"], evaluation.returns, rtol=1e-3, atol=1e-3)


def test_every_lane_has_one_process():
    for lanes in range(1, 12):
        for processes in range(1, lanes + 1):
            parts = workers.shares(lanes, processes)
            assert [i for part in parts for i in range(lanes)[part]] == list(range(lanes))
            sizes = [part.stop - part.start for part in parts]
            assert max(sizes) - min(sizes) <= 1


def test_children_find_their_settings_and_ours_stay(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--ours")
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    before = dict(os.environ)
    with workers._children_told({"XLA_FLAGS": "--theirs", "GLIBC_TUNABLES": "a.b=1"}):
        code = "import os; print(os.environ['XLA_FLAGS'], os.environ['GLIBC_TUNABLES'])"
        assert subprocess.check_output((sys.executable, "-c", code)) == b"--theirs a.b=1\n"
    assert dict(os.environ) == before


def test_two_processes_write_the_table_of_one_and_stop_together(tmp_path):
    stop = StopRequest()
    evaluations = record(CELL, tmp_path, processes=2, stop=stop)
    with pytest.raises(Stopped):
        stop_after(evaluations, stop, 60)
    assert not multiprocessing.active_children()
    stopped = checkpoint_step(CELL, tmp_path, processes=2)
    assert stopped is not None
    assert stopped >= 60
    (kept,) = (tmp_path / "checkpoints").glob("*/step_*")
    assert sorted(path.name for path in kept.glob("part_?")) == ["part_0", "part_1"]
    assert f"SIGTERM at env step {stopped}" in read_metadata(tmp_path)["error"].item()
    check_rows(tmp_path, stopped)


@pytest.mark.slow  # four processes that import and compile everything
def test_a_killed_worker_ends_the_cell_and_it_can_be_resumed(tmp_path):
    evaluations = record(CELL, tmp_path, processes=2, checkpoint_every=10)
    for _ in range(2):
        next(evaluations)
    first = min(multiprocessing.active_children(), key=lambda child: child.pid)
    first.kill()
    with pytest.raises(WorkerError, match="worker 1 of 2 was killed by signal 9"):
        list(evaluations)
    assert not multiprocessing.active_children()
    assert set(read_metadata(tmp_path)["state"]) == {"failed"}
    assert "WorkerError: worker 1 of 2 was killed" in read_metadata(tmp_path)["error"].item()
    at = checkpoint_step(CELL, tmp_path, processes=2)
    assert at is not None
    assert at >= 30
    stop = StopRequest()
    with pytest.raises(Stopped):
        stop_after(record(CELL, tmp_path, processes=2, resume=True, stop=stop), stop, at + 20)
    check_rows(tmp_path, checkpoint_step(CELL, tmp_path, processes=2))


def in_process(monkeypatch, pipe, config, out, *, start=None):
    """Run a worker's own code here; it would ignore signals from now on."""
    monkeypatch.setattr(workers.signal, "signal", lambda signum, handler: None)
    checkpoints = Checkpoints(out, ["a"], config, processes=2)
    checkpoints.begin(keep=start)
    workers._work(pipe, config, checkpoints, 1, slice(2, 4), start, 25)
    return checkpoints


def messages(pipe):
    """Messages of the worker, without those about its progress."""
    said = []
    while pipe.poll():
        said.append(pipe.recv())
    return [message for message in said if message[0] != "step"]


def test_what_a_worker_says_and_that_it_resumes_its_own_lanes(tmp_path, toy, monkeypatch):
    config = replace(CELL, seeds=4, steps=50)
    ours, theirs = multiprocessing.Pipe()
    ours.send(("stop",))
    ours.send(("go",))  # sent before the worker's answer was seen
    ours.send(("until", 30))
    checkpoints = in_process(monkeypatch, theirs, config, tmp_path)
    at, evaluation, *rest = messages(ours)
    assert at == ("at", 1)
    assert (evaluation[0], evaluation[1].env_step) == ("evaluation", 20)
    assert rest == [("saved", 25), ("saved", 30), ("done",)]
    state = checkpoints.load(30, part=1)
    assert state["program_0/env_step"].tolist() == 30
    assert state["program_0/lanes/updates"].tolist() == 10

    ours.send(("stop",))
    ours.send(("until", 50))
    in_process(monkeypatch, theirs, config, tmp_path, start=30)
    at, evaluation, *rest = messages(ours)
    assert at == ("at", 31)
    assert rest == [("saved", 50), ("done",)]
    whole = list(train(config))
    np.testing.assert_allclose(evaluation[1].returns, whole[1].returns[2:], rtol=1e-4)


def test_a_workers_error_is_one_line(tmp_path, toy, monkeypatch):
    ours, theirs = multiprocessing.Pipe()

    def broken(self, until):
        raise RuntimeError("first line\nthe simulator exploded")

    monkeypatch.setattr("vs_train.run.Trainer.advance", broken)
    in_process(monkeypatch, theirs, replace(CELL, seeds=4), tmp_path)
    assert messages(ours) == [("error", "RuntimeError: the simulator exploded")]
