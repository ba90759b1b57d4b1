"""Training end to end on tiny cells: what is written, reproducibility, interruption."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from vs_logging import read_metadata, read_table
from vs_train import TrainConfig, columns, is_finished, train, train_and_record
from vs_train.cli import main
from vs_train.record import flops_per_update

# dm_control's own indexing, with numpy >= 2.5
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy:DeprecationWarning")

TINY = TrainConfig(
    env="dmc/pendulum-swingup",
    utd=0.5,
    batch_size=4,
    critic_width=8,
    actor_width=8,
    learning_rates=(1e-3, 3e-3),
    seeds=2,
    steps=60,
    warmup_steps=20,
    eval_every=20,
)
FLAGS = [
    "--env",
    "dmc/pendulum-swingup",
    "--utd",
    "0.5",
    "--batch-size",
    "4",
    "--critic-width",
    "8",
    "--actor-width",
    "8",
    "--learning-rates",
    "1e-3",
    "3e-3",
    "--seeds",
    "2",
    "--steps",
    "60",
    "--warmup-steps",
    "20",
    "--eval-every",
    "20",
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return out, list(train_and_record(TINY, out))


def test_the_run_table(written):
    out, evaluations = written
    table = read_table(out)
    assert table.height == 2 * 2 * 3
    assert table["run"].n_unique() == 2
    assert sorted(table["learning_rate"].unique()) == [1e-3, 3e-3]
    row = table.row(0, named=True)
    assert (row["algo"], row["benchmark"], row["env"]) == ("sac", "dmc", "pendulum-swingup")
    assert (row["utd"], row["batch_size"], row["critic_width"]) == (0.5, 4, 8)
    assert row["critic_params"] == 2 * ((4 * 8 + 8) + (8 * 8 + 8) + (8 + 1))
    one = table.filter(pl.col("learning_rate") == 3e-3, pl.col("seed") == 1).sort("env_step")
    assert one["env_step"].to_list() == [20, 40, 60]
    assert one["return_"].to_list() == [e.returns[3] for e in evaluations]
    assert one["return_"].is_between(0, 1000).all()


def test_updates_and_flops_are_counted(written):
    out, _ = written
    table = read_table(out).filter(pl.col("seed") == 0, pl.col("learning_rate") == 1e-3)
    table = table.sort("env_step")
    assert table["updates"].to_list() == [0, 10, 20]  # none in the warm-up, then one in two
    expected = 10 * table["critic_params"][0] * 4 * table["updates"]
    assert table["flops"].to_list() == expected.to_list()
    assert table["critic_loss"].is_finite().to_list()[1:] == [True, True]


def test_metadata(written):
    out, _ = written
    facts = read_metadata(out)
    assert set(facts["state"]) == {"finished"}
    assert set(facts["action_repeat"]) == {1}
    assert {f"versions.{n}" for n in ("mujoco", "dm-control", "jax", "flax", "numpy")} <= set(
        facts.columns
    )
    assert set(facts["actor_every"]) == {"critic_update"}
    assert set(facts["flops_per_update"]) == {flops_per_update(TINY)}
    assert is_finished(TINY, out)


def test_the_same_settings_give_the_same_numbers(written):
    _, first = written
    for one, two in zip(first, train(TINY), strict=True):
        np.testing.assert_array_equal(one.returns, two.returns)
        for name, values in one.metrics.items():
            np.testing.assert_array_equal(values, two.metrics[name])


def test_the_run_is_the_same_whatever_trains_beside_it():
    alone = replace(TINY, learning_rates=(3e-3,), seeds=7)
    assert columns(alone, 3e-3) == columns(TINY, 3e-3)
    assert columns(alone, 3e-3) != columns(TINY, 1e-3)


def test_a_finished_cell_is_refused(written, capsys):
    out, _ = written
    with pytest.raises(SystemExit) as stop:
        main([*FLAGS, "--out", str(out)])
    assert stop.value.code == 2
    assert "already finished" in capsys.readouterr().err


def test_a_cell_cut_off_leaves_its_rows_and_starts_again(tmp_path):
    evaluations = train_and_record(TINY, tmp_path)
    next(evaluations)
    evaluations.close()
    assert read_table(tmp_path).height == 4
    assert set(read_metadata(tmp_path)["state"]) == {"failed"}
    assert not is_finished(TINY, tmp_path)
    list(train_and_record(TINY, tmp_path))
    assert read_table(tmp_path).height == 12
    assert is_finished(TINY, tmp_path)


def test_sigterm_leaves_a_valid_table(tmp_path):
    command = [sys.executable, "-m", "vs_train.cli", *FLAGS, "--out", str(tmp_path)]
    command[command.index("60")] = "1000000"
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "200"}
    )
    assert process.stderr is not None
    line = next(line for line in process.stderr if "step 40/" in line)
    assert "mean return by learning rate 0.001: " in line
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    process.stderr.close()
    table = read_table(tmp_path)
    assert table.height >= 8
    assert set(read_metadata(tmp_path)["state"]) == {"failed"}
    for folder in tmp_path.iterdir():
        assert json.loads((folder / "run.json").read_text())["error"]


def test_a_diverged_agent_is_recorded_as_nan_and_the_others_go_on():
    mad = replace(TINY, learning_rates=(1e-3, 1e30), utd=1.0)
    *_, last = train(mad)
    assert np.isfinite(last.returns[:2]).all()
    assert np.isnan(last.returns[2:]).all()
