import re
import sys
from typing import get_args

import pytest
from vs_train import TrainConfig
from vs_train.cli import Command, main
from vs_train.config import Algo


def test_dry_run_says_what_would_be_written(tmp_path, capsys):
    out = tmp_path / "runs"
    flags = [
        "--dry-run",
        "--learning-rate",
        "1e-3",
        "3e-3",
        "--seeds",
        "2",
        "--first-seed",
        "5",
        "--out",
    ]
    main([*flags, str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("learning rate 0.001, seeds 5 to 6")
    assert lines[0].startswith(str(out))
    assert not out.exists()


def test_the_issues_own_command(tmp_path, capsys):
    line = (
        "--algo bro --env dmc/cheetah-run --utd 2 --batch-size 256 --critic-width 512 "
        f"--learning-rate 3e-4 --seeds 5 --steps 1000000 --out {tmp_path / 'runs'} --dry-run"
    )
    main(line.split())
    (told,) = capsys.readouterr().out.splitlines()
    assert told.endswith("learning rate 0.0003, seeds 0 to 4")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--env dmc/cartpole", "env: unknown task 'dmc/cartpole': expected e.g. 'dmc/cartpole-"),
        ("--env mine:dmc/hop", "env: task 'mine:dmc/hop': there is no module 'mine'"),
        ("--utd 0", "utd = 0.0: expected a positive number"),
        ("--batch-size -3", "batch_size = -3: expected a positive number"),
        ("--learning-rate 1e-3 1e-3", "expected distinct values"),
        ("--steps 100 --eval-every 200", "expected at least one evaluation"),
        ("--algo bro --steps 10000", "eval_every = 25000 is larger than steps = 10000"),
        ("--learning-rate nan", "learning_rate = nan: expected a positive number"),
        ("--resume", "no checkpoint to resume from"),
        ("--processes 5", "processes = 5: expected 1 to 4, the number of lanes"),
        ("--checkpoint-every -1", "checkpoint_every = -1: expected 0 or more"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence, capsys, tmp_path):
    with pytest.raises(SystemExit) as stop:
        main([*arguments.split(), "--out", str(tmp_path / "runs")])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert not (tmp_path / "runs").exists()


def test_a_tracker_that_is_not_installed_is_one_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SystemExit) as stop:
        main(["--wandb", "project", "--out", str(tmp_path / "runs")])
    assert stop.value.code == 2
    assert "pip install 'vs-logging[wandb]'" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    named = {*TrainConfig.__dataclass_fields__, *Command.__dataclass_fields__}
    for field in named - {"config", "learning_rates"} | {"learning_rate"}:
        assert re.search(rf"--{field.replace('_', '-')}\b", text), field
    assert "{" + ",".join(get_args(Algo.__value__)) + "}" in text
