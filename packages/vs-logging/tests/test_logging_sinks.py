"""Rows sent to trackers: TensorBoard's files are read back, W&B is a fake with its real names."""

import inspect
import math
import sys
from typing import Any

import polars as pl
import pytest
from vs_logging import (
    ImportOptions,
    RunWriter,
    TensorBoardSink,
    WandbSink,
    import_tensorboard,
    import_wandb,
    read_table,
    run_id,
)

CONFIG = {
    "algo": "sac",
    "benchmark": "dmc",
    "env": "cheetah-run",
    "utd": 2.0,
    "batch_size": 64,
    "learning_rate": 3e-4,
    "critic_params": 1000,
    "critic_width": 64,
    "tau": 0.005,
}
OTHER = CONFIG | {"learning_rate": 1e-3}
FIELDS = {name: name for name in CONFIG}
NAN = float("nan")
ROWS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (CONFIG, {"seed": 0, "env_step": 1000, "return_": 1.5, "critic_loss": 0.25}),
    (CONFIG, {"seed": 1, "env_step": 1000, "return_": NAN, "critic_loss": NAN}),
    (OTHER, {"seed": 0, "env_step": 1000, "return_": 3.0}),
    (CONFIG, {"seed": 0, "env_step": 2000, "return_": 2.5, "critic_loss": 0.125}),
    (CONFIG, {"seed": 1, "env_step": 2000, "return_": 7.0, "critic_loss": 1.0}),
]
KEYS = ["run", "seed", "env_step"]


@pytest.fixture
def expected(tmp_path):
    for config in (CONFIG, OTHER):
        with RunWriter(tmp_path / "table", config, metadata={}) as writer:
            for owner, row in ROWS:
                if owner is config:
                    writer.write(**row)
    table = read_table(tmp_path / "table").sort(KEYS)
    return table.with_columns(pl.col("critic_loss").fill_nan(None))  # as importers read it


def send(sink, rows):
    for config, row in rows:
        sink.write(config, **row)


def test_event_files_hold_the_rows_of_the_table(tmp_path, expected):
    pytest.importorskip("tensorboard")
    logdir = tmp_path / "events"
    sink = TensorBoardSink(logdir)
    assert not logdir.exists()
    send(sink, ROWS)
    diagnostics = {"critic_loss": "critic_loss"}
    options = ImportOptions(return_key="return_", fields=FIELDS, diagnostics=diagnostics)
    live = import_tensorboard(logdir, options).table
    assert live.height == len(ROWS)  # a row is in its file before the sink is closed
    sink.close()
    sink.close(error="again")
    again = TensorBoardSink(logdir)  # a restart sends the rows after its checkpoint once more
    send(again, ROWS[3:])
    again.close()
    table, report = import_tensorboard(logdir, options)
    assert table.sort(KEYS).equals(expected, null_equal=True)
    assert report.deduplicated_rows > 0
    folders = sorted(path.parent.relative_to(logdir) for path in logdir.rglob("config.json"))
    names = [(run_id(CONFIG), "seed_0"), (run_id(CONFIG), "seed_1"), (run_id(OTHER), "seed_0")]
    assert sorted(folder.parts for folder in folders) == sorted(names)


class FakeRun:
    """A run as W&B keeps it; steps never go back, as in the real one."""

    def __init__(self, config, id_):
        self.config, self.id, self.state, self.history = config, id_, "running", {}

    def log(self, data, step=None, commit=None):
        assert commit
        assert step is not None
        if step >= max(self.history, default=0):
            self.history.setdefault(step, dict(data))

    def finish(self, exit_code=None):
        assert self.state == "running"
        self.state = "failed" if exit_code else "finished"

    def scan_history(self, keys=None):
        assert keys is not None
        return ({k: r[k] for k in keys} for r in self.history.values() if set(keys) <= set(r))


class FakeWandb:
    """The module, as far as the sink uses it, and what ``wandb.Api()`` would then show."""

    def __init__(self):
        self.held, self.asked = {}, []

    def init(self, *, project, name, id, config, dir, resume, reinit):  # noqa: A002
        self.asked.append((project, name, dir))
        assert resume == "allow"
        assert reinit == "create_new"
        run = self.held.setdefault(id, FakeRun(config, id))
        run.state = "running"
        return run

    def runs(self, path, filters=None):
        return iter(self.held.values())


def test_wandb_holds_the_rows_of_the_table(tmp_path, expected):
    fake = FakeWandb()
    folder = tmp_path / "runs"
    sink = WandbSink("project", folder=folder, wandb=fake)
    assert fake.asked == []
    send(sink, ROWS[:4])
    sink.close(error="SIGTERM")
    assert {run.state for run in fake.held.values()} == {"failed"}
    sink = WandbSink("project", folder=folder, wandb=fake)
    send(sink, ROWS[3:])
    sink.close()
    sink.close()
    name = f"{run_id(CONFIG)}-s0"
    assert fake.asked[0] == ("project", name, str(folder))
    assert fake.held[name].state == "finished"
    assert len(fake.held) == 3
    kept = fake.held[name].history[1000]
    assert kept == {"env_step": 1000, "return_": 1.5, "critic_loss": 0.25}
    diagnostics = {"critic_loss": "critic_loss"}
    for run in fake.held.values():
        run.history = {
            step: {k: "NaN" if math.isnan(v) else v for k, v in row.items()}
            for step, row in run.history.items()
        }
    options = ImportOptions(return_key="return_", fields={"tau": "tau"}, diagnostics=diagnostics)
    table = import_wandb("me/p", options, api=fake).table
    assert table.sort(KEYS).equals(expected, null_equal=True)


def test_a_return_that_was_not_measured_is_left_out():
    fake = FakeWandb()
    sink = WandbSink("p", folder=".", wandb=fake)
    sink.write(CONFIG, seed=0, env_step=1, return_=None, critic_loss=1.0)
    (run,) = fake.held.values()
    assert run.history == {1: {"env_step": 1, "critic_loss": 1.0}}


def test_the_fake_has_the_signatures_of_the_real_one():
    wandb = pytest.importorskip("wandb", reason="W&B is an optional install")
    real = inspect.signature(wandb.init).parameters
    assert set(inspect.signature(FakeWandb().init).parameters) <= set(real)
    for method in ("log", "finish"):
        fake = inspect.signature(getattr(FakeRun, method)).parameters
        assert set(fake) <= set(inspect.signature(getattr(wandb.Run, method)).parameters)


@pytest.mark.parametrize(
    ("extra", "module", "make"),
    [
        ("wandb", "wandb", lambda: WandbSink("project", folder=".")),
        (
            "tensorboard",
            "tensorboard.compat.proto.event_pb2",
            lambda: TensorBoardSink("events"),
        ),
    ],
)
def test_a_missing_install_is_named_with_its_command(monkeypatch, extra, module, make):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"pip install 'vs-logging\[{extra}\]'"):
        make()
