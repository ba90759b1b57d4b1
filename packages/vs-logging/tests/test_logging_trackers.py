"""TensorBoard event files written by TensorBoard's own writer, and W&B through a fake API."""

import json
from dataclasses import replace

import numpy as np
import pytest
from vs_logging import ImportOptions, RunTableError, import_tensorboard, import_wandb

SETTINGS = {"algo": "sac", "env": "cheetah-run", "batch_size": 64, "learning_rate": 3e-4}


def write_events(folder, scalars, *, tensors=False):
    event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    Summary = pytest.importorskip("tensorboard.compat.proto.summary_pb2").Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util.tensor_util import make_tensor_proto

    writer = EventFileWriter(str(folder))
    for tag, pairs in scalars.items():
        for step, value in pairs:
            entry = Summary.Value(tag=tag, simple_value=value)
            if tensors:
                tensor = make_tensor_proto(np.float32(value))
                entry = Summary.Value(tag=tag, tensor=tensor)
            summary = Summary(value=[entry])
            writer.add_event(event_pb2.Event(step=step, summary=summary, wall_time=1.0))
    writer.close()


@pytest.mark.parametrize("tensors", [False, True])
def test_event_files(tmp_path, tensors):
    for seed in (0, 1):
        folder = tmp_path / "utd_2" / f"s{seed}"
        scalars = {"eval/return": [(1000, seed + 0.5), (2000, 3.0)], "loss": [(1000, 0.25)]}
        write_events(folder, scalars, tensors=tensors)
        (folder / "config.json").write_text(json.dumps({"agent": {"bs": 32}, "seed": seed}))
    table, report = import_tensorboard(
        tmp_path,
        ImportOptions(
            return_key="eval/return",
            fields={"batch_size": "agent.bs"},
            pattern=r"utd_(?P<utd>[0-9.]+)/",
            constants=SETTINGS,
            diagnostics={"critic_loss": "loss"},
        ),
    )
    assert report.runs == 1
    assert report.seeds == 2
    columns = table.select("utd", "batch_size", "seed", "env_step", "return_", "critic_loss")
    assert columns.rows() == [
        (2.0, 32, 0, 1000, 0.5, 0.25),
        (2.0, 32, 0, 2000, 3.0, None),
        (2.0, 32, 1, 1000, 1.5, 0.25),
        (2.0, 32, 1, 2000, 3.0, None),
    ]
    assert table["benchmark"][0] == "dmc"


def test_the_step_and_the_configuration_of_event_files_have_other_names(tmp_path):
    scalars = {"ret": [(1, 5.0), (2, 6.0)], "env_steps": [(1, 1000.0), (2, 2000.0), (3, 3000.0)]}
    write_events(tmp_path / "a", scalars)
    (tmp_path / "a" / "params.json").write_text(json.dumps(SETTINGS | {"utd": 2, "seed": 7}))
    options = ImportOptions(return_key="ret", step_key="env_steps", config_file="params.json")
    table, _ = import_tensorboard(tmp_path, options)
    assert table.select("seed", "env_step", "return_").rows() == [(7, 1000, 5.0), (7, 2000, 6.0)]
    with pytest.raises(RunTableError, match="it has no scalar frames; it has env_steps, ret"):
        import_tensorboard(tmp_path, replace(options, step_key="frames"))
    write_events(tmp_path / "a", {"ret": [(4, 7.0)]})
    with pytest.raises(RunTableError, match=r"step 4 has a value but no env_steps \(--step-key\)"):
        import_tensorboard(tmp_path, options)


def test_bad_event_folders_are_named(tmp_path):
    def run(**options):
        return import_tensorboard(
            tmp_path,
            ImportOptions(return_key="ret", constants=SETTINGS | {"utd": 1}, **options),
        )

    with pytest.raises(RunTableError, match="nothing to import; expected folders of event files"):
        run()
    write_events(tmp_path / "a_1", {"ret": [(1, 1.0), (1, 1.0), (2, 2.0)]})
    with pytest.raises(RunTableError, match="a_1: its seed is None; expected an integer"):
        run()
    pattern = r"_(?P<seed>\d+)"
    table, report = run(pattern=pattern)
    assert table["return_"].to_list() == [1.0, 2.0]
    assert report.deduplicated_rows == 1
    write_events(tmp_path / "b_1", {"ret": [(1, 1.0)]})
    with pytest.raises(RunTableError, match="b_1: same configuration and seed 1 as a_1"):
        run(pattern=pattern)
    write_events(tmp_path / "c_2", {"ret": [(1, 1.0), (1, 5.0)]})
    write_events(tmp_path / "d_3", {"other": [(1, 1.0)]})
    write_events(tmp_path / "e", {"ret": [(1, 1.0)]})
    write_events(tmp_path / "f_4", {"ret": [(1, 1.0)]})
    (tmp_path / "f_4" / "config.json").write_text("[]")
    table, report = run(pattern=pattern, on_error="skip")
    assert table.height == 2
    reasons = dict(report.skipped)
    assert "same configuration" in reasons["b_1"]
    assert "ret: env_step 1 has 2 different values (1, 5)" in reasons["c_2"]
    assert "no scalar ret; it has other" in reasons["d_3"]
    assert "does not match the folder's name" in reasons["e"]
    assert "holds no JSON object" in reasons["f_4"]
    with pytest.raises(RunTableError, match="no such folder"):
        import_tensorboard(tmp_path / "none", ImportOptions(return_key="ret"))


class FakeRun:
    def __init__(self, name, config, rows, state="finished"):
        self.id, self.config, self.rows, self.state = name, config, rows, state

    def scan_history(self, keys=None):
        assert keys is not None
        return ({k: row[k] for k in keys} for row in self.rows if all(k in row for k in keys))


class FakeApi:
    def __init__(self, *runs):
        self.held = runs
        self.asked = []

    def runs(self, path, filters=None):
        self.asked.append((path, filters))
        return iter(self.held)


def config(**changes):
    return SETTINGS | {"agent": {"utd": 2}, "seed": 0, "tau": 0.005} | changes


ROWS = [
    {"env_step": 1000, "loss": 0.5},
    {"env_step": 2000, "ret": 7.0, "loss": "NaN"},
    {"env_step": 3000, "ret": 8.0},
]
OPTIONS = ImportOptions(
    return_key="ret",
    fields={"utd": "agent.utd", "tau": "tau"},
    diagnostics={"critic_loss": "loss"},
)


def import_runs(api, path, options=OPTIONS, **more):
    return import_wandb(path, replace(options, **more), api=api)


def test_wandb_runs():
    api = FakeApi(
        FakeRun("x1", config(), ROWS),
        FakeRun("x2", config(seed=1), ROWS[:2], state="crashed"),
        FakeRun("x3", config(tau=0.01), ROWS),
    )
    table, report = import_runs(api, "me/project", filters={"tags": "a"})
    assert api.asked == [("me/project", {"tags": "a"})]
    import_runs(api, "me/project", filters={"state": "finished"}, tags=["a", "b"])
    query = {"state": "finished", "tags": {"$in": ["a", "b"]}}
    assert api.asked[1:] == [("me/project", query)]
    assert (report.runs, report.seeds, report.rows) == (2, 3, 8)
    assert report.notes == ("states of the runs: 1 crashed, 2 finished",)
    first = table.head(3)
    assert first["env_step"].to_list() == [1000, 2000, 3000]
    assert str(first["return_"].to_list()) == "[nan, 7.0, 8.0]"
    assert first["critic_loss"].to_list() == [0.5, None, None]
    assert first["utd"].to_list() == [2.0] * 3
    assert table["run"].to_list()[0:5] == [table["run"][0]] * 5


def test_wandb_runs_with_another_step_key():
    rows = [{"global_step": 1000, "ret": 10.0}, {"global_step": 2000, "ret": 20.0}]
    api = FakeApi(FakeRun("x1", config(), rows))
    table, _ = import_runs(api, "me/p", step_key="global_step")
    assert table.select("env_step", "return_").rows() == [(1000, 10.0), (2000, 20.0)]
    with pytest.raises(RunTableError, match="it has no values of ret"):
        import_runs(api, "me/p")
    with pytest.raises(
        RunTableError, match=r"logged env_step \(--step-key\) and ret \(--return-key"
    ):
        import_runs(FakeApi(), "me/p")


def test_bad_wandb_runs_are_named():
    api = FakeApi(
        FakeRun("ok", config(), ROWS),
        FakeRun("again", config(), ROWS),
        FakeRun("empty", config(seed=2), ROWS[:1]),
        FakeRun("words", config(seed=3), [{"env_step": 1, "ret": "high"}]),
        FakeRun("half", config(seed=4), [{"env_step": -1.5, "ret": 1.0}]),
        FakeRun("noutd", config(agent={}), ROWS),
        FakeRun("nolr", config(learning_rate=None, seed=5), ROWS),
    )
    with pytest.raises(
        RunTableError, match="me/p: run again: same configuration and seed 0 as run ok"
    ):
        import_runs(api, "me/p")
    table, report = import_runs(api, "me/p", replace(OPTIONS, on_error="skip"))
    assert table.height == 3
    assert [(entry.name, entry.reason[:32]) for entry in report.skipped[1:]] == [
        ("run empty", "it has no values of ret"),
        ("run words", "run words logged 'high' where a "),
        ("run half", "env_step is -1.5 in a row; expec"),
        ("run noutd", "its configuration has no agent.u"),
        ("run nolr", "the configuration lacks learning"),
    ]
    with pytest.raises(RunTableError, match="nothing to import; expected runs that logged"):
        import_runs(FakeApi(), "me/p")
