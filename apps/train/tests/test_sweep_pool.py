"""The pool with workers that only pretend: order, failures, stopping, records."""

import signal
import sys
import threading
import time
from dataclasses import replace

import pytest
from vs_train import StopRequest, TrainConfig
from vs_train.sweep import pool
from vs_train.sweep.cells import Cell
from vs_train.sweep.pool import longest_first, makespan, run_sweep
from vs_train.sweep.records import keep_spec, log_path, pool_lock, pool_workers, read_record

CELL = TrainConfig(
    env="dmc/pendulum-swingup",
    utd=1.0,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    seeds=2,
    steps=60,
    warmup_steps=10,
    eval_every=20,
)

PRETEND = """
import json, os, signal, sys, time

config = json.loads(sys.stdin.readline())
assert sys.stdin.readline().strip() == sys.argv[1]
assert sys.stdin.readline() == "7\\n"
assert os.environ["NPROC"] == "1"
assert os.environ["JAX_COMPILATION_CACHE_DIR"] == sys.argv[1] + "/compiled"
print(0, flush=True)
print("noise", flush=True)
match config["batch_size"]:
    case 1:
        sys.exit("first line\\nthe simulator exploded\\n")
    case 2:
        os.kill(os.getpid(), signal.SIGKILL)
    case 3:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        print(20, flush=True)
        time.sleep(60)
print(config["steps"], flush=True)
"""


class Notes:
    """A watcher that only takes notes."""

    def __init__(self, on_step=lambda cell, env_step: None):
        self.begun, self.steps, self.ended, self._on_step = [], [], {}, on_step

    def begin(self, cell):
        self.begun.append(cell.config.batch_size)

    def step(self, cell, env_step):
        self.steps.append((cell.config.batch_size, env_step))
        self._on_step(cell, env_step)

    def end(self, cell, record):
        self.ended[cell.config.batch_size] = record


def sweep(batch_sizes, out, *, workers=1, stop=None, notes=None):
    notes = notes or Notes()
    outcome = run_sweep(
        [replace(CELL, batch_size=size) for size in batch_sizes],
        out,
        workers=workers,
        checkpoint_every=7,
        stop=stop or StopRequest(),
        watcher=notes,
        command=(sys.executable, "-c", PRETEND, str(out)),
    )
    return outcome, notes


def sizes(cells):
    return [cell.config.batch_size for cell in cells]


def test_the_longest_is_first_and_failures_end_nothing(tmp_path):
    outcome, notes = sweep([1, 16, 2, 8], tmp_path)
    assert notes.begun == [16, 8, 2, 1]
    assert (16, 0) in notes.steps
    assert (8, 60) in notes.steps
    assert sizes(outcome.done) == [16, 8]
    errors = {cell.config.batch_size: error for cell, error in outcome.failed}
    assert errors == {2: "killed by SIGKILL", 1: "the simulator exploded"}
    assert not outcome.stopped
    for cell, error in outcome.failed:
        record = read_record(tmp_path, cell.name)
        assert record is not None
        assert (record.state, record.error, record.env_step) == ("failed", error, 0)
    assert log_path(tmp_path, outcome.failed[1][0].name).read_text().startswith("first line\n")


def test_asked_to_stop_it_stops_its_workers_and_begins_nothing(tmp_path):
    stop = StopRequest()

    def ask(cell, env_step):
        if env_step == 20:
            stop.signum = signal.SIGTERM

    outcome, notes = sweep([3, 2], tmp_path, stop=stop, notes=Notes(ask))
    assert notes.begun == [3]
    assert sorted(sizes(outcome.stopped)) == [2, 3]
    assert (notes.ended[3].state, notes.ended[3].env_step) == ("stopped", 20)
    assert notes.ended[3].first_step == 20  # it learns since then: its pace is measured from here
    assert not outcome.failed


def test_an_error_in_the_pool_leaves_no_worker(tmp_path):
    def broken(cell, env_step):
        raise RuntimeError("the terminal is gone")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="the terminal is gone"):
        sweep([3], tmp_path, notes=Notes(broken))
    assert pool_workers(tmp_path) == (1, False)
    while threading.active_count() > before:  # the thread that listened to it ends, too
        time.sleep(0.01)


def test_one_pool_at_a_time(tmp_path):
    assert pool_workers(tmp_path) == (None, False)
    with pool_lock(tmp_path, workers=3):
        assert pool_workers(tmp_path) == (3, True)
        with pytest.raises(ValueError, match="another vs-sweep run is at work there"):
            sweep([8], tmp_path)
    assert pool_workers(tmp_path) == (3, False)


def test_what_is_left_counts():
    cells = [
        Cell(replace(CELL, batch_size=4), done=False),
        Cell(replace(CELL, batch_size=16), done=False, start=54),
        Cell(replace(CELL, batch_size=64), done=True),
    ]
    assert sizes(longest_first(cells)) == [4, 16]
    assert makespan([5, 4, 3, 3], 2) == 8  # 5+3 beside 4+3
    assert makespan([5, 4, 3, 3], 1) == 15
    assert makespan([5, 4], 9) == 5
    assert makespan([], 2) == 0


def test_every_spec_is_kept_once(tmp_path):
    names = [keep_spec(tmp_path, text).name for text in ("a", "b", "a", "c", "b")]
    assert names == ["spec.toml", "spec_2.toml", "spec.toml", "spec_3.toml", "spec_2.toml"]
    assert (tmp_path / "spec_2.toml").read_text() == "b"


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(pool, "find_spec", lambda name: name == "jax_cuda13_plugin")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")


def test_gpus_are_those_that_are_visible(monkeypatch, two_gpus):
    assert pool.gpus() == ["3", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert pool.gpus() == []
    monkeypatch.setattr(pool, "find_spec", lambda _: None)  # JAX is without CUDA
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert pool.gpus() == []


def test_workers_share_the_gpus(tmp_path, two_gpus):
    one_each = pool._environments(tmp_path, 2)
    assert [place["CUDA_VISIBLE_DEVICES"] for place in one_each] == ["3", "5"]
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in one_each[0]
    two_each = pool._environments(tmp_path, 4)
    assert [place["CUDA_VISIBLE_DEVICES"] for place in two_each] == ["3", "5", "3", "5"]
    assert {place["XLA_PYTHON_CLIENT_MEM_FRACTION"] for place in two_each} == {"0.450"}
