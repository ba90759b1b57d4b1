"""Formats of other libraries: small generated inputs, then the shared cases when they are there.

A case's right values are those of its README, or read here in another way (numpy, csv).
"""

import csv
import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vs_logging import IMPORTERS, ImportOptions, RunTableError, find_importer

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"
SETTINGS = {"algo": "sac", "env": "Hopper-v4", "utd": 1, "batch_size": 256, "learning_rate": 3e-4}


def case(name: str) -> Path:
    if not (CASES / name).exists():
        pytest.skip(f"the case {name} is not beside the checkout")
    return CASES / name


def read(source, **given):
    options = replace(ImportOptions(constants=SETTINGS), **given)
    return find_importer(str(source), options.grammar).read(str(source), options)


def rows(table, *columns):
    return table.sort("utd", "seed", "env_step").select(*columns, "env_step", "return_").rows()


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def npz(path, arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{name: np.array(values) for name, values in arrays.items()})  # ty: ignore[invalid-argument-type]
    return path


def evaluations(path, steps, results):
    lengths = np.ones_like(results, int)
    return npz(path, {"timesteps": steps, "results": results, "ep_lengths": lengths})


def sqlite(path, *statements):
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(*([statement] if isinstance(statement, str) else statement))
        database.commit()
    return path


def monitor(path, episodes, header='{"t_start": 100.0, "env_id": "Walker2d-v4"}'):
    lines = "".join(f"{r},{length},{t}\n" for r, length, t in episodes)
    return write(path, f"#{header}\nr,l,t\n{lines}")


def scalar(path, pairs):
    lines = "".join(f"1700000000.5,{step},{value}\n" for step, value in pairs)
    return write(path, f"Wall time,Step,Value\n{lines}")


# Stable-Baselines3: evaluations.npz


def test_sb3_evaluations_are_means_over_episodes(tmp_path):
    path = evaluations(tmp_path / "evaluations.npz", [1000, 2000], [[1.0, 2.0, 6.0], [4.0, 4, 10]])
    table, report = read(path)
    assert rows(table, "seed") == [(0, 1000, 3.0), (0, 2000, 6.0)]
    assert report.grammar == "sb3-evaluations"
    assert report.notes == ("return_ is the mean over the episodes of an evaluation",)


def test_a_folder_of_sb3_runs_with_settings_from_the_path(tmp_path):
    for utd in (1, 4):
        for seed in (0, 1):
            folder = tmp_path / f"utd{utd}_s{seed}"
            evaluations(folder / "evaluations.npz", [10], [[utd + seed]])
    pattern = r"utd(?P<utd>\d+)_s(?P<seed>\d+)/"
    table, report = read(tmp_path, pattern=pattern)
    expected = [(1.0, 0, 10, 1), (1.0, 1, 10, 2), (4.0, 0, 10, 4), (4.0, 1, 10, 5)]
    assert rows(table, "utd", "seed") == expected
    assert (report.runs, report.seeds) == (2, 4)
    with pytest.raises(RunTableError, match=r"utd1_s1/evaluations.npz: same configuration and se"):
        read(tmp_path, pattern=r"utd(?P<utd>\d+)_s")  # nothing tells the seeds apart


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"timesteps": [1, 2], "results": [[1.0]]}, "2 timesteps but 1 rows of results"),
        ({"timesteps": [1], "results": [1.0]}, r"shape is \(1,\); expected two axes"),
        ({"timesteps": [[1]], "results": [[1.0]]}, r"shape is \(1, 1\); expected one axis"),
        ({"timesteps": [-1], "results": [[1.0]]}, "timesteps is -1.0 in a row; expected a num"),
        ({"timesteps": [0.6, 1], "results": [[1.0], [2]]}, "0.6 and 1 both .* --steps-scale"),
        ({"timesteps": [1], "results": [[np.inf]]}, "results is infinite"),
        ({"timesteps": [1], "results": np.array([[None]])}, "pickle .* never loaded"),
        ({"timesteps": [1]}, "no item named 'results.npy' .*; expected timesteps and results"),
    ],
)
def test_bad_sb3_evaluations_are_refused(tmp_path, arrays, message):
    path = npz(tmp_path / "evaluations.npz", arrays)
    with pytest.raises(RunTableError, match=f"^{path}: .*{message}"):
        read(path)
    good = evaluations(tmp_path / "good" / "evaluations.npz", [1], [[1.0]])
    table, report = read(tmp_path, on_error="skip")
    assert table.height == 1
    assert [entry.name for entry in report.skipped] == ["evaluations.npz"]
    good.write_bytes(good.read_bytes()[:50])
    with pytest.raises(RunTableError, match="nothing to import"):
        read(tmp_path, on_error="skip")


def test_case_21_sb3_evaluations():
    table, _ = read(case("21-sb3-evaluations-npz") / "evaluations.npz")
    expected = list(zip(range(10000, 50001, 10000), [11.0, 21, 31, 41, 51], strict=True))
    assert rows(table) == expected


# Stable-Baselines3: monitor.csv


def test_sb3_monitor_counts_env_steps_over_the_episodes(tmp_path):
    path = monitor(tmp_path / "s3" / "monitor.csv", [(1.5, 10, 0.1), (2.5, 7, 0.3)])
    table, report = read(path, pattern=r"s(?P<seed>\d+)/")
    assert rows(table, "env", "seed") == [("Walker2d-v4", 3, 10, 1.5), ("Walker2d-v4", 3, 17, 2.5)]
    assert report.grammar == "sb3-monitor"
    assert "training episodes" in report.notes[0]


def test_numbered_monitors_are_the_environments_of_one_run(tmp_path):
    monitor(tmp_path / "run" / "0.monitor.csv", [(1, 10, 1.0), (3, 10, 5.0)])
    later = '{"t_start": 102.0, "env_id": null}'
    monitor(tmp_path / "run" / "1.monitor.csv", [(2, 20, 1.0), (4, 20, 9.0)], header=later)
    for source in (tmp_path, tmp_path / "run" / "1.monitor.csv"):
        table, report = read(source)
        assert rows(table, "env") == [
            ("Walker2d-v4", 10, 1),
            ("Walker2d-v4", 30, 2),
            ("Walker2d-v4", 40, 3),
            ("Walker2d-v4", 60, 4),
        ]
        assert report.seeds == 1
        assert any("1 runs have a numbered file for each" in note for note in report.notes)


def test_named_monitors_are_runs_of_their_own(tmp_path):
    monitor(tmp_path / "s0.monitor.csv", [(1, 10, 1.0)], header='{"t_start": 1.0}')
    monitor(tmp_path / "s1.monitor.csv", [(2, 20, 1.0)], header='{"t_start": 1.0}')
    table, _ = read(tmp_path, pattern=r"s(?P<seed>\d)")
    assert rows(table, "env", "seed") == [("Hopper-v4", 0, 10, 1.0), ("Hopper-v4", 1, 20, 2.0)]
    with pytest.raises(RunTableError, match=r"same configuration and seed 0 as s0.monitor.csv"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#{'t_start': 1}\nr,l,t\n1,2,3\n", "line 1 of m.csv is not # and JSON"),
        ("#{}\nl,r,t\n1,2,3\n", "line 2 of m.csv is 'l,r,t'; expected r,l,t"),
        ("#{}\nr,l,t\n1,2,3\n1,2\n", "line 4 of m.csv is '1,2'; expected numbers in columns 1, 2"),
        ("#{}\nr,l,t\n1,2,3\n#{}\nr,l,t\n1,2,3\n", "line 4 of m.csv is '#{}'"),
        ("#{}\nr,l,t\n1,-2,3\n", "the sum of l is -2.0"),
        ("#{}\nr,l,t\n", "m.csv has no rows"),
    ],
)
def test_bad_monitors_are_refused(tmp_path, text, message):
    with pytest.raises(RunTableError, match=message):
        read(write(tmp_path / "m.csv", text))


def test_case_20_sb3_monitor():
    path = case("20-sb3-monitor") / "sac_utd1_s0" / "0.monitor.csv"
    settings = {name: value for name, value in SETTINGS.items() if name != "env"}
    table, report = read(path, constants=settings)
    with path.open() as file:
        file.readline()
        returns = [float(row["r"]) for row in csv.DictReader(file)]
    assert rows(table) == list(zip(range(1000, 12001, 1000), returns, strict=True))
    assert returns == list(range(-100, 341, 40))
    assert table["env"].unique().to_list() == ["HalfCheetah-v4"]
    assert any("training" in note for note in report.notes)


# TensorBoard's CSV of one scalar


def test_tensorboards_csv_of_a_scalar(tmp_path):
    scalar(tmp_path / "run-s0-tag-eval.csv", [(10, "NaN"), (20, 1.5)])
    scalar(tmp_path / "run-s1-tag-eval.csv", [(10, 3.5)])
    table, report = read(tmp_path, pattern=r"run-s(?P<seed>\d+)-")
    assert str(rows(table, "seed")) == "[(0, 10, nan), (0, 20, 1.5), (1, 10, 3.5)]"
    assert report.grammar == "tensorboard-csv"
    one, _ = read(tmp_path / "run-s1-tag-eval.csv", pattern=r"run-s(?P<seed>\d+)-")
    assert rows(one, "seed") == [(1, 10, 3.5)]


def test_bad_tensorboard_csvs_are_refused(tmp_path):
    path = scalar(tmp_path / "a.csv", [(10, 1.0), (10, 2.0)])
    with pytest.raises(RunTableError, match=r"Value: env_step 10 has 2 different values \(1, 2\)"):
        read(path)
    with pytest.raises(RunTableError, match=r"line 3 of a.csv is '1700000000.5,20,low'; expected"):
        read(scalar(path, [(10, 1.0), (20, "low")]))


def test_case_23_tensorboard_csv():
    path = case("23-tensorboard-csv") / "sac_utd1_s0_eval_return.csv"
    table, _ = read(path, pattern=r"utd(?P<utd>[0-9.]+)_s(?P<seed>[0-9]+)")
    with path.open() as file:
        values = [float(row["Value"]) for row in csv.DictReader(file)]
    assert rows(table) == list(zip(range(5000, 40001, 5000), values, strict=True))
    assert table["seed"].unique().to_list() == [0]
    assert values[0] == 138.166


# jaxrl's text files


def test_text_files_of_jaxrl(tmp_path):
    for utd, seed in ((8, 0), (8, 11), (32, 0)):
        lines = f"5000 {utd}.5\n10000 {seed}.0\n"
        write(tmp_path / f"run_updates_{utd}" / f"{seed}.txt", lines)
    write(tmp_path / "run_updates_8" / "notes.txt", "not a curve")
    table, report = read(tmp_path, pattern=r"updates_(?P<utd>\d+)")
    assert rows(table, "utd", "seed") == [
        (8.0, 0, 5000, 8.5),
        (8.0, 0, 10000, 0.0),
        (8.0, 11, 5000, 8.5),
        (8.0, 11, 10000, 11.0),
        (32.0, 0, 5000, 32.5),
        (32.0, 0, 10000, 0.0),
    ]
    assert (report.grammar, report.runs, report.seeds) == ("jaxrl", 2, 3)
    write(tmp_path / "run_updates_8" / "2.txt", "5000 1.0\n10000\n")
    with pytest.raises(RunTableError, match=r"run_updates_8/2.txt: line 2 of 2.txt is '10000'"):
        read(tmp_path, pattern=r"updates_(?P<utd>\d+)")
    _, report = read(tmp_path, pattern=r"updates_(?P<utd>\d+)", on_error="skip")
    assert [entry.name for entry in report.skipped] == ["run_updates_8/2.txt"]


def test_case_24_jaxrl():
    results = case("24-jaxrl-txt-folder") / "results"
    pattern = r"env_name_(?P<env>.+)_max_steps_.*updates_per_step_(?P<utd>[0-9]+)"
    table, report = read(results, pattern=pattern)
    assert (report.runs, report.seeds, report.rows) == (2, 4, 32)
    assert table["env"].unique().to_list() == ["walker-run"]
    for utd in (8, 32):
        for seed in (0, 1):
            (path,) = results.glob(f"*_per_step_{utd}/{seed}.txt")
            curve = table.filter(utd=float(utd), seed=seed).select("env_step", "return_")
            np.testing.assert_array_equal(curve.to_numpy(), np.loadtxt(path))


# A TensorBoard folder that is itself one run


def write_events(folder, tag, pairs):
    event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    Summary = pytest.importorskip("tensorboard.compat.proto.summary_pb2").Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for step, value in pairs:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        writer.add_event(event_pb2.Event(step=step, summary=summary, wall_time=1.0))
    writer.close()


def test_case_27_a_tensorboard_folder_that_is_one_run(tmp_path, monkeypatch):
    pairs = [(1000 * k, 10.0 * k) for k in range(1, 6)]
    write_events(tmp_path / "PPO_1", "eval/mean_reward", pairs)
    options = {"return_key": "eval/mean_reward", "pattern": r"^PPO_(?P<seed>[0-9]+)$"}
    table, _ = read(tmp_path / "PPO_1", **options)
    assert rows(table, "seed") == [(1, *pair) for pair in pairs]
    assert read(tmp_path, **options).table.equals(table)
    monkeypatch.chdir(tmp_path / "PPO_1")
    assert read(".", **options).table.equals(table)
    with pytest.raises(RunTableError, match="PPO_1: its seed is None; expected an integer"):
        read(tmp_path / "PPO_1", return_key="eval/mean_reward")


# The registry


def example(name, folder):
    """Write a source of each format."""
    path = folder / name
    match name:
        case "zip":
            return write(path.with_suffix(".zip"), "")
        case "csv":
            return write(path.with_suffix(".csv"), "exp_name,env_name,seed,metric,env_step,value\n")
        case "table":
            return write(path / "MINE.TSV", "task\tframe\treward\n")
        case "parquet":
            return write(path / "mine.parquet", "")
        case "json":
            return write(path / "mine.json", '{"xs": [1], "ys": [1.0]}')
        case "arrays":
            return npz(path / "mine.npz", {"returns": [1.0]})
        case "wandb-chart":
            return write(path / "chart.csv", '"Step","a - r","a - r__MIN","a - r__MAX"\n')
        case "wandb-history":
            return write(path / "history.csv", "_step,_runtime,global_step,r\n")
        case "mlflow":
            write(path / "0" / "run" / "metrics" / "r", "1 1.0 1\n")
            return write(path / "0" / "run" / "meta.yaml", "").parent
        case "trackio":
            return sqlite(path / "p.db", "CREATE TABLE metrics (a)", "CREATE TABLE configs (a)")
        case "optuna":
            return sqlite(path / "s.db", "CREATE TABLE trial_intermediate_values (a)")
        case "rllib":
            return write(path / "progress.csv", "training_iteration,timesteps_total\n")
        case "sb3-progress":
            return write(path / "progress.csv", "time/total_timesteps,eval/mean_reward\n")
        case "tensorboard":
            return write(path / "a" / "events.out.tfevents.1.host", "").parent
        case "wandb":
            return "wandb:me/project"
        case "sb3-evaluations":
            return evaluations(path / "evaluations.npz", [1], [[1.0]])
        case "sb3-monitor":
            return monitor(path / "monitor.csv", [(1, 1, 1)])
        case "tensorboard-csv":
            return scalar(path / "run-tag.csv", [(1, 1.0)])
        case "jaxrl":
            return write(path / "0.txt", "1 1.0\n")
    pytest.fail(f"the format {name} has no example")


@pytest.mark.parametrize("importer", IMPORTERS, ids=lambda importer: importer.name)
def test_every_format_is_recognised_and_can_be_named(importer, tmp_path):
    source = example(importer.name, tmp_path)
    assert find_importer(str(source)) is importer
    if not isinstance(source, str) and source.is_file() and importer.name not in ("zip", "csv"):
        assert find_importer(str(source.parent)) is importer  # a folder of them, too
    assert find_importer("anything", importer.name) is importer


def test_a_folder_with_event_files_is_tensorboards_unless_another_format_is_named(tmp_path):
    write_events(tmp_path / "s1", "ret", [(1, 5.0)])
    evaluations(tmp_path / "s1" / "evaluations.npz", [2], [[7.0]])
    write(tmp_path / "s1" / "config.json", json.dumps({"seed": 1}))
    assert rows(read(tmp_path, return_key="ret").table) == [(1, 5.0)]
    assert rows(read(tmp_path, grammar="sb3-evaluations").table) == [(2, 7.0)]
    with pytest.raises(RunTableError, match="give --return-key, the name of the evaluation retur"):
        read(tmp_path)


def test_a_grammar_that_does_not_exist_is_refused():
    with pytest.raises(RunTableError, match=r"grammar is 'bro2'; expected auto, zip, .*, qscaled"):
        find_importer("curves.csv", "bro2")
    assert find_importer("curves.zip", "bro").name == "zip"


def test_an_unknown_source_is_refused_with_what_is_known(tmp_path):
    known = "expected a source of one of the formats zip, tensorboard, parquet, table, .*, jaxrl"
    with pytest.raises(RunTableError, match=f"curves.xlsx: no such file; {known}"):
        find_importer("curves.xlsx")
    with pytest.raises(RunTableError, match=f"curves.xlsx: {known}"):
        find_importer(str(write(tmp_path / "curves.xlsx", "")))
    with pytest.raises(RunTableError, match="absent: no such file or folder"):
        read(tmp_path / "absent", grammar="jaxrl")
    with pytest.raises(RunTableError, match=r"nothing to import; expected files called SEED.txt"):
        read(tmp_path, grammar="jaxrl")


def test_wandb_without_its_install_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match=r"needs wandb.*pip install 'vs-logging\[wandb\]'"):
        read("wandb:me/project", return_key="ret")
    with pytest.raises(RunTableError, match="wandb:me/project: give --return-key"):
        read("wandb:me/project")
