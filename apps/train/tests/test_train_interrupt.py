"""Signals and kills: what is left behind, and that resuming gives the uninterrupted table."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from vs_logging import read_metadata, read_table
from vs_train import TrainConfig, checkpoint_step, train_and_record
from vs_train.cli import main

CELL = TrainConfig(
    env="dmc/pendulum-swingup",
    utd=1.0,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    learning_rates=(1e-3, 3e-3),
    seeds=2,
    steps=1_000_000,
    warmup_steps=20,
    eval_every=20,
)
LINE = """
--env dmc/pendulum-swingup --utd 1 --batch-size 4 --critic-width 8 --actor-width 8
--learning-rate 1e-3 3e-3 --seeds 2 --warmup-steps 20 --eval-every 20
"""
FLAGS = LINE.split()


def table(out):
    return read_table(out).sort("run", "seed", "env_step")


@pytest.fixture
def handlers():
    """Put the signal handlers back."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_stops_with_a_checkpoint(
    tmp_path, toy, handlers, monkeypatch, capsys, name, status
):
    def interrupt(watch, env_step):
        if env_step == 25:
            signal.raise_signal(signal.Signals[name])
            # a second one has its default effect: it ends the process
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
            assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL

    monkeypatch.setattr("vs_train.progress.Watch.step", interrupt)
    with pytest.raises(SystemExit) as stop:
        main([*FLAGS, "--steps", "90", "--out", str(tmp_path)])
    assert stop.value.code == status
    sentence = f"{name} at env step 25: --resume goes on from there"
    said = capsys.readouterr().err.splitlines()
    assert "step 20/90 | mean return by learning rate 0.001: " in said[0]
    assert "steps/s" in said[0]
    assert said[-1] == f"vs-train: {sentence}"
    assert set(read_metadata(tmp_path)["state"]) == {"failed"}
    assert set(read_metadata(tmp_path)["error"]) == {f"Stopped: {sentence}"}
    assert table(tmp_path)["env_step"].to_list() == [20] * 4
    assert checkpoint_step(CELL, tmp_path) == 25


def test_killed_then_resumed_is_the_uninterrupted_table(tmp_path, capsys):
    out = tmp_path / "runs"
    flags = [*FLAGS, "--steps", "1000000", "--checkpoint-every", "7", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "vs_train.cli", *flags],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "step 60/" in line:
            break
    process.kill()
    assert process.wait(timeout=120) == -signal.SIGKILL
    process.stderr.close()

    assert set(read_metadata(out)["state"]) == {"running"}
    at = checkpoint_step(CELL, out)
    assert at is not None
    assert at >= table(out)["env_step"].max() - 7
    end = (at // 20 + 2) * 20
    main([*FLAGS, "--steps", str(end), "--resume", "--out", str(out)])
    capsys.readouterr()
    assert set(read_metadata(out)["state"]) == {"finished"}
    list(train_and_record(replace(CELL, steps=end), tmp_path / "whole"))
    assert table(out)["env_step"].max() == end
    assert table(out).equals(table(tmp_path / "whole"), null_equal=True)
    for folder in out.glob("*/run.json"):
        assert json.loads(folder.read_text())["metadata"]["steps"] == end
