"""Shared inputs of other loggers, through the command line: each gives its README's right value."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import vs_logging as vslog
from vs_analyze.cli import main

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"
GIVEN = ["--constants", "algo", "sac", "batch_size", "256", "learning_rate", "3e-4"]
SEEDS = r"utd(?P<utd>[0-9.]+)_s(?P<seed>[0-9]+)"
JAXRL = r"env_name_(?P<env>.+)_max_steps_.*updates_per_step_(?P<utd>[0-9]+)"


def straight(steps, returns, seed=0):
    return [(1.0, seed, step, float(value)) for step, value in zip(steps, returns, strict=True)]


def values(name):
    """The last column of a case's text table."""
    lines = (CASES / name).read_text().splitlines()[1:]
    return [float(line.split(",")[-1]) for line in lines]


def text_files():
    folder = CASES / "24-jaxrl-txt-folder" / "results"
    return [
        (float(utd), seed, int(step), value)
        for utd in (8, 32)
        for seed in (0, 1)
        for step, value in np.loadtxt(next(folder.glob(f"*_step_{utd}/{seed}.txt")))
    ]


def tidy():
    every = iter(values("30-seed-as-text/curves.csv"))
    return [(1.0, seed, step, next(every)) for seed in (0, 1) for step in range(5000, 50001, 5000)]


@pytest.mark.parametrize(
    ("source", "flags", "expected"),
    [
        (
            "20-sb3-monitor/sac_utd1_s0/0.monitor.csv",
            [*GIVEN, "utd", "1"],
            lambda: straight(range(1000, 12001, 1000), range(-100, 341, 40)),
        ),
        (
            "21-sb3-evaluations-npz/evaluations.npz",
            [*GIVEN, "utd", "1", "env", "Hopper-v4"],
            lambda: straight(range(10000, 50001, 10000), (11, 21, 31, 41, 51)),
        ),
        (
            "23-tensorboard-csv/sac_utd1_s0_eval_return.csv",
            [*GIVEN, "env", "Hopper-v4", "--pattern", SEEDS],
            lambda: straight(
                range(5000, 40001, 5000), values("23-tensorboard-csv/sac_utd1_s0_eval_return.csv")
            ),
        ),
        ("24-jaxrl-txt-folder/results", [*GIVEN, "--pattern", JAXRL], text_files),
        *(
            (f"30-seed-as-text/{name}", [*GIVEN, "--pattern", "utd(?P<utd>[0-9.]+)"], tidy)
            for name in ("curves.csv", "CURVES.CSV", "curves_semicolon.csv", "curves_tab.tsv")
        ),
    ],
    ids=lambda value: value.partition("-")[0] if isinstance(value, str) else None,
)
def test_a_case_gives_its_right_value(source, flags, expected, tmp_path):
    if not (CASES / source).exists():
        pytest.skip(f"the case {source} is not beside the checkout")
    check([str(CASES / source), *flags], expected(), tmp_path)


def test_case_27_a_tensorboard_folder_that_is_one_run(tmp_path):
    make = CASES / "27-tensorboard-one-run" / "make.py"
    if not make.exists():
        pytest.skip("the case 27-tensorboard-one-run is not beside the checkout")
    subprocess.run([sys.executable, make], cwd=tmp_path, check=True)
    flags = ["--return-key", "eval/mean_reward", "--pattern", "PPO_(?P<seed>[0-9]+)"]
    command = [str(tmp_path / "PPO_1"), *flags, *GIVEN, "utd", "1", "env", "Hopper-v4"]
    check(command, straight(range(1000, 5001, 1000), range(10, 51, 10), seed=1), tmp_path)


def test_case_28_the_step_key_of_wandb(tmp_path, monkeypatch):
    path = CASES / "28-wandb-step-key" / "rows.json"
    if not path.exists():
        pytest.skip("the case 28-wandb-step-key is not beside the checkout")
    rows = json.loads(path.read_text())
    run = SimpleNamespace(
        id="a",
        state="finished",
        config={"env_id": "Hopper-v4", "q_lr": 1e-3, "seed": 2},
        scan_history=lambda keys: (row for row in rows if {*keys} <= {*row}),
    )
    api = SimpleNamespace(runs=lambda path, filters: [run])
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(Api=lambda: api))
    flags = ["--return-key", "charts/episodic_return", "--columns", "step=global_step"]
    fields = ["--fields", "env", "env_id", "learning_rate", "q_lr"]
    command = ["wandb:me/project", *flags, *fields, *GIVEN, "utd", "1"]
    check(command, straight(range(1000, 5001, 1000), range(10, 51, 10), seed=2), tmp_path)


def check(arguments, expected, folder):
    out = folder / "runs.parquet"
    main(["import", *arguments, "--out", str(out)])
    table = vslog.read_table(out).sort("utd", "seed", "env_step")
    assert table.select("utd", "seed", "env_step", "return_").rows() == expected
