import pytest
from vs_train import TrainConfig
from vs_train.cli import main

# dm_control's own indexing, with numpy >= 2.5
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy:DeprecationWarning")


def test_dry_run_says_what_would_be_written(tmp_path, capsys):
    out = tmp_path / "runs"
    main(["--dry-run", "--learning-rates", "1e-3", "3e-3", "--out", str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("learning rate 0.001, 4 seeds")
    assert lines[0].startswith(str(out))
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--env dmc/cartpole", "env = 'dmc/cartpole': expected a task"),
        ("--utd 0", "utd = 0.0: expected a positive number"),
        ("--batch-size -3", "batch_size = -3: expected a positive number"),
        ("--learning-rates 1e-3 1e-3", "expected distinct values"),
        ("--steps 100 --eval-every 200", "expected at least one evaluation"),
        ("--learning-rates nan", "learning_rates = nan: expected a positive number"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*arguments.split(), "--dry-run"])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for field in TrainConfig.__dataclass_fields__:
        assert f"--{field.replace('_', '-')}" in text
