"""The command line: what it says, its exit codes, and one sentence on bad input."""

import json
import signal

import pytest
from vs_train.sweep import cli
from vs_train.sweep.pool import Outcome
from vs_train.sweep.records import Record
from vs_train.sweep.spec import preset_names, spec_text

SPEC = """
algo = "sac"
seeds = 2

[axes]
utd = [1]
batch_size = [4, 8]
learning_rate = [1e-3]
critic_width = [8]
actor_width = 8

[tasks."dmc/pendulum-swingup"]
steps = 60
eval_every = 20

[constants]
warmup_steps = 20
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def handlers():
    """Put the signal handlers back."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


def pretend(monkeypatch, state, *, signum=None):
    """Let a pool end its first cell like this without training."""

    def run_sweep(configs, out, *, workers, checkpoint_every, stop, watcher):
        stop.signum = signum
        cells = cli.longest_first(cli.survey(configs, out))
        error = "the simulator exploded"
        record = Record(cell=cells[0].label, state=state, first_step=0, env_step=20, seconds=3.0)
        watcher.begin(cells[0])
        watcher.step(cells[0], 20)
        watcher.end(cells[0], record)
        match state:
            case "done":
                return Outcome(done=cells)
            case "failed":
                return Outcome(done=cells[1:], failed=[(cells[0], error)])
            case _:
                return Outcome(stopped=cells)

    monkeypatch.setattr(cli, "run_sweep", run_sweep)


def test_presets(capsys):
    cli.main(["presets"])
    assert capsys.readouterr().out.split() == preset_names()
    cli.main(["presets", "quickstart"])
    assert capsys.readouterr().out == spec_text("quickstart")


def test_plan(spec, capsys, monkeypatch):
    monkeypatch.setattr(cli, "cores", lambda: 2)
    cli.main(["plan", str(spec), "--no-calibrate", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert [cell["batch_size"] for cell in document["cells"]] == [8, 4]
    assert document["total"]["env_steps"] == 2 * 2 * 60
    assert [worker["workers"] for worker in document["workers"]] == [1, 2]
    monkeypatch.setenv("COLUMNS", "160")
    cli.main(["plan", str(spec), "--no-calibrate"])
    text = capsys.readouterr().out
    assert "dmc/pendulum-swingup" in text
    assert "2 cells" in text
    assert "unknown" in text


def test_dry_run_says_what_would_be_run(spec, tmp_path, capsys):
    cli.main(["run", str(spec), "--out", str(tmp_path / "runs"), "--dry-run"])
    assert capsys.readouterr().out.splitlines() == [
        "dmc/pendulum-swingup utd 1 batch 8 width 8 depth 2 rates 0.001",
        "dmc/pendulum-swingup utd 1 batch 4 width 8 depth 2 rates 0.001",
        "0 of 2 cells are done",
    ]
    assert not (tmp_path / "runs").exists()


def test_a_sweep_that_goes_well(spec, tmp_path, capsys, monkeypatch, handlers):
    pretend(monkeypatch, "done")
    out = tmp_path / "runs"
    cli.main(["run", str(spec), "--out", str(out), "--lanes", "all"])
    assert (out / "spec.toml").read_text() == SPEC
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "0/2 begun: dmc/pendulum-swingup utd 1 batch 8 width 8 depth 2 rates 0.001",
        "1/2 done in 0 s: dmc/pendulum-swingup utd 1 batch 8 width 8 depth 2 rates 0.001",
    ]
    spec.write_text(SPEC + "# another\n")
    cli.main(["run", str(spec), "--out", str(out), "--lanes", "all"])
    assert "is another spec; this one is spec_2.toml there" in capsys.readouterr().err
    cli.main(["status", str(out), str(spec), "--json"])
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert counts == {"done": 0, "running": 0, "failed": 0, "waiting": 2}
    cli.main(["status", str(out), str(spec)])
    assert "2 waiting; unknown left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("state", "signum", "status", "sentence"),
    [
        (
            "failed",
            None,
            1,
            "failed: dmc/pendulum-swingup utd 1 batch 8 width 8 depth 2 rates 0.001: the si",
        ),
        ("failed", None, 1, "1 of 2 cells failed; what they said is in "),
        ("stopped", signal.SIGTERM, 143, "SIGTERM: 2 cells left; the same command goes on"),
        ("stopped", signal.SIGINT, 130, "SIGINT: 2 cells left; the same command goes on"),
    ],
)
def test_exit_codes(spec, tmp_path, capsys, monkeypatch, handlers, state, signum, status, sentence):
    pretend(monkeypatch, state, signum=signum)
    with pytest.raises(SystemExit) as stop:
        cli.main(["run", str(spec), "--out", str(tmp_path / "runs"), "--lanes", "all"])
    assert stop.value.code == status
    assert f"vs-sweep: {sentence}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("plan nothing", "nothing: no such file; expected a TOML file or a preset"),
        ("presets nothing", "nothing: expected one of paper1-dmc, "),
        ("status RUNS quickstart", "runs: no such folder; expected that of a sweep"),
        ("run quickstart --out RUNS --workers 0", "workers = 0: expected 1 or more"),
        ("run quickstart --out RUNS --checkpoint-every -1", "checkpoint_every = -1: expected 0"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments.replace("RUNS", str(tmp_path / "runs")).split())
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
