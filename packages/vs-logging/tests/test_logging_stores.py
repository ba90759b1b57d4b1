"""Formats of other loggers and stores: small inputs in each one's layout, read back as written."""

import json
import math
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from vs_logging import ImportOptions, RunTableError, find_importer

SETTINGS = {"algo": "sac", "env": "Hopper-v4", "utd": 1, "batch_size": 256, "learning_rate": 3e-4}


def read(source, **given):
    options = replace(ImportOptions(constants=SETTINGS), **given)
    return find_importer(str(source), options.grammar).read(str(source), options)


def rows(table, *columns):
    columns = (*columns, "seed", "env_step", "return_")
    return table.select(columns).sort(columns[:-1]).rows()


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def sqlite(path, *statements):
    with closing(sqlite3.connect(path)) as database:
        for statement, *values in statements:
            database.execute(statement, values)
        database.commit()
    return path


# Stable-Baselines3: progress.csv

PROGRESS = """time/total_timesteps,eval/mean_reward,rollout/ep_rew_mean,train/n_updates
400,,10.5,300
500,20.5,,400
1000,30.5,,900
1200,,40.5,1100
"""


def test_sb3_progress_has_evaluations_or_else_training_episodes(tmp_path):
    for seed in (0, 1):
        write(tmp_path / f"s{seed}" / "progress.csv", PROGRESS)
    table, report = read(tmp_path, pattern=r"s(?P<seed>\d)/")
    assert rows(table) == [(s, t, r) for s in (0, 1) for t, r in ((500, 20.5), (1000, 30.5))]
    assert report.grammar == "sb3-progress"
    assert report.notes[0] == "the return is eval/mean_reward, the env step is time/total_timesteps"
    training = {"return_key": "rollout/ep_rew_mean"}
    table, _ = read(tmp_path / "s0" / "progress.csv", **training)
    assert rows(table) == [(0, 400, 10.5), (0, 1200, 40.5)]
    path = write(tmp_path / "progress.csv", PROGRESS.replace("eval/mean_reward", "fps"))
    table, report = read(path)
    assert rows(table) == [(0, 400, 10.5), (0, 1200, 40.5)]
    assert "the return is rollout/ep_rew_mean, the env step is time/total_timesteps" in report.notes


# RLlib


def result(step, value, **more):
    return json.dumps({
        "training_iteration": step // 1000,
        "timesteps_total": step,
        "episode_reward_mean": value,
        "evaluation": {"episode_reward_mean": value + 100},
        "config": {"env": "Walker2d-v4", "lr": 1e-3, "train_batch_size": 512, "seed": 3},
        "hostname": "here",
        **more,
    })  # fmt: skip


def test_rllib_results_with_settings_from_their_config(tmp_path):
    lines = f"{result(1000, 1.5)}\n{result(2000, 2.5)}\n"
    write(tmp_path / "SAC_1" / "result.json", lines)
    write(tmp_path / "SAC_1" / "progress.csv", "training_iteration,timesteps_total\n1,1000\n")
    fields = {"learning_rate": "lr", "batch_size": "train_batch_size"}
    settings = {"algo": "sac", "utd": 1}
    for source in (tmp_path, tmp_path / "SAC_1" / "result.json"):
        table, report = read(source, fields=fields, constants=settings)
        assert rows(table, "env", "learning_rate", "batch_size") == [
            ("Walker2d-v4", 1e-3, 512, 3, 1000, 1.5),
            ("Walker2d-v4", 1e-3, 512, 3, 2000, 2.5),
        ]
        assert report.grammar == "rllib"
        assert any("training episodes" in note for note in report.notes)
    table, _ = read(
        tmp_path, columns=fields, constants=settings, return_key="evaluation/episode_reward_mean"
    )
    assert rows(table) == [(3, 1000, 101.5), (3, 2000, 102.5)]
    path = write(tmp_path / "SAC_1" / "result.json", lines + '{"training')
    with pytest.raises(RunTableError, match=r"result.json: line 3 is not JSON"):
        read(path, fields=fields, constants=settings)


def test_rllib_progress_with_params_beside_it(tmp_path):
    text = "training_iteration,num_env_steps_sampled_lifetime,env_runners/episode_return_mean\n"
    path = write(tmp_path / "progress.csv", text + "1,1000,5.5\n2,2000,6.5\n")
    write(tmp_path / "params.json", json.dumps({"seed": 4, "config": {"utd": 8}}))
    settings = {name: value for name, value in SETTINGS.items() if name != "utd"}
    table, _ = read(path, fields={"utd": "config.utd"}, constants=settings)
    assert rows(table, "utd") == [(8.0, 4, 1000, 5.5), (8.0, 4, 2000, 6.5)]


# Weights & Biases: exports of a chart and of a history


def test_a_wandb_chart_has_a_column_per_run_beside_its_bounds(tmp_path):
    path = write(
        tmp_path / "wandb_export.csv",
        '"global_step","utd2-s0 - eval/return","utd2-s0 - eval/return__MIN",'
        '"utd2-s0 - eval/return__MAX","utd2-s1 - eval/return","utd2-s1 - eval/return__MIN",'
        '"utd2-s1 - eval/return__MAX","utd2-s1 - _step"\n'
        '"1000","1.5","1.5","1.5","","","",""\n"2000","2.5","2.5","2.5","4.5","4.5","4.5","7"\n',
    )
    table, report = read(path, pattern=r"utd(?P<utd>\d)-s(?P<seed>\d)")
    assert rows(table, "utd") == [(2.0, 0, 1000, 1.5), (2.0, 0, 2000, 2.5), (2.0, 1, 2000, 4.5)]
    assert report.grammar == "wandb-chart"
    assert not any("means over" in note for note in report.notes)
    assert "the x axis, global_step, is taken as the env step" in report.notes
    with pytest.raises(RunTableError, match=r"utd2-s1: same configuration and seed 0 as .*utd2-s0"):
        read(path)


def test_a_wandb_chart_of_two_metrics_needs_the_name_of_the_return(tmp_path):
    path = write(tmp_path / "chart.csv", '"Step","a - r","a - r__MIN","a - q"\n1,2.0,2.0,9.0\n')
    assert rows(read(path, return_key="r").table) == [(0, 1, 2.0)]
    with pytest.raises(RunTableError, match=r"a: same configuration and seed 0"):
        read(path)
    with pytest.raises(RunTableError, match=r"its columns are Step, a - r, .*; expected RUN - t"):
        read(path, return_key="t")


def test_a_grouped_wandb_chart_is_said_to_be_means(tmp_path):
    text = '"Step","Group: a - r","Group: a - r__MIN","Group: a - r__MAX"\n1,2.0,1.0,3.0\n'
    _, report = read(write(tmp_path / "chart.csv", text))
    assert any("values of Group: a - r differ from their __MIN: means" in n for n in report.notes)
    write(tmp_path / "bad.csv", '"Step","b - r","b - r__MIN"\n1,x,x\n')
    with pytest.raises(
        RunTableError, match=r"bad.csv, b: row 1 below the header, column return_ is"
    ):
        read(tmp_path)
    table, report = read(tmp_path, on_error="skip")
    assert rows(table) == [(0, 1, 2.0)]
    assert [entry.name for entry in report.skipped] == ["bad.csv, b"]


def test_a_wandb_history_needs_its_step_and_return_named(tmp_path):
    text = "_step,_runtime,global_step,charts/episodic_return,losses/q\n"
    text += "0,1.5,100,,0.5\n1,2.5,200,10.5,\n2,3.5,400,NaN,\n3,4.5,600,30.5,\n"
    path = write(tmp_path / "s2.csv", text)
    options = {"return_key": "charts/episodic_return", "pattern": r"s(?P<seed>\d)\.csv"}
    table, report = read(path, **options)
    assert str(rows(table)) == "[(2, 200, 10.5), (2, 400, nan), (2, 600, 30.5)]"
    assert report.grammar == "wandb-history"
    assert "columns not used: _step, _runtime, losses/q" in report.notes[1]
    with pytest.raises(
        RunTableError, match="no column is known to be the value; give --columns va"
    ):
        read(path)
    path = write(tmp_path / "s2.csv", text.replace("global_step", "steps"))
    with pytest.raises(
        RunTableError, match="no column is known to be the step; give --columns ste"
    ):
        read(path, **options)
    assert read(path, **options, columns={"step": "_step"}).table["env_step"].to_list() == [1, 2, 3]


# Arrays

WIDE = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
SEEDS = [(0, 50, 1.0), (0, 100, 3.0), (0, 150, 5.0), (1, 50, 2.0), (1, 100, 4.0), (1, 150, 6.0)]


def test_npy_arrays_with_a_stated_axis_and_step(tmp_path):
    np.save(tmp_path / "a.npy", np.array(WIDE))
    np.save(tmp_path / "b.npy", np.array(WIDE).T)
    table, report = read(tmp_path / "a.npy", axis=0, step_every=50)
    assert rows(table) == SEEDS
    assert report.grammar == "arrays"
    assert any("50 env steps apart, the first at 50" in note for note in report.notes)
    assert rows(read(tmp_path / "b.npy", axis=1, step_every=50).table) == SEEDS
    with pytest.raises(RunTableError, match=r"a.npy: its shape is \(3, 2\); give --axis, 0 or 1"):
        read(tmp_path / "a.npy", step_every=50)
    with pytest.raises(RunTableError, match=r"--axis is 2; expected 0 or 1"):
        read(tmp_path / "a.npy", axis=2, step_every=50)
    with pytest.raises(RunTableError, match=r"a.npy: it has no steps; give --step-every"):
        read(tmp_path / "a.npy", axis=0)
    np.save(tmp_path / "a.npy", np.array(WIDE, object), allow_pickle=True)
    with pytest.raises(RunTableError, match=r"a.npy: .*pickle .* never loaded"):
        read(tmp_path / "a.npy", axis=0, step_every=50)


def test_npz_arrays_with_their_own_steps(tmp_path):
    path = tmp_path / "utd4_s3.npz"
    np.savez(path, t=[50, 100, 150], returns=WIDE)
    assert rows(read(path, columns={"step": "t", "value": "returns"}).table) == SEEDS
    with pytest.raises(RunTableError, match=r"its arrays are t, returns; expected --return-key"):
        read(path)
    with pytest.raises(RunTableError, match=r"its arrays are t, returns; expected --return-key"):
        read(path, return_key="absent")
    np.savez(path, t=[50, 100], returns=[1.0, 3.0])
    pattern = r"utd(?P<utd>\d)_s(?P<seed>\d)"
    table, _ = read(path, columns={"step": "t"}, pattern=pattern)
    assert rows(table, "utd") == [(4.0, 3, 50, 1.0), (4.0, 3, 100, 3.0)]
    np.savez(path, t=[50], returns=[1.0, 3.0])
    with pytest.raises(RunTableError, match="it has 1 steps but 2 evaluations"):
        read(path, columns={"step": "t"})


def test_json_objects_of_lists_at_any_depth(tmp_path):
    document = {
        "walker-run": {
            "env": "walker-run",
            "utd2": {"utd": 2, "xs": [50, 100, 150], "ys": np.array(WIDE).T.tolist()},
        },
        "dog": [{"env": "dog-run", "seed": 7, "xs": [1, 2], "ys": [0.5, None]}],
    }
    path = write(tmp_path / "curves.json", json.dumps(document))
    table, report = read(path, constants={k: v for k, v in SETTINGS.items() if k != "env"})
    assert str(rows(table.filter(env="dog-run"), "utd")) == "[(1.0, 7, 1, 0.5), (1.0, 7, 2, nan)]"
    assert rows(table.filter(env="walker-run", utd=2.0)) == SEEDS
    assert (report.grammar, report.runs, report.seeds) == ("json", 2, 3)
    other = write(tmp_path / "b" / "curves.json", json.dumps({"steps": [5], "eval": [1.5]}))
    table, _ = read(other, columns={"step": "steps", "value": "eval"})
    assert rows(table) == [(0, 5, 1.5)]
    with pytest.raises(
        RunTableError, match=r"no object in it has ys; expected --columns step=… val"
    ):
        read(other)
    with pytest.raises(RunTableError, match=r"the returns are no regular array of numbers"):
        read(write(tmp_path / "c.json", '{"xs": [1, 2], "ys": [[1], [1, 2]]}'))


# Optuna

OPTUNA = (
    "CREATE TABLE studies (study_id INTEGER, study_name TEXT)",
    "CREATE TABLE trials (trial_id INTEGER, number INTEGER, study_id INTEGER, state TEXT)",
    "CREATE TABLE trial_params (trial_id INTEGER, param_name TEXT, param_value FLOAT, "
    "distribution_json TEXT)",
    "CREATE TABLE trial_user_attributes (trial_id INTEGER, key TEXT, value_json TEXT)",
    "CREATE TABLE trial_intermediate_values (trial_id INTEGER, step INTEGER, "
    "intermediate_value FLOAT, intermediate_value_type TEXT)",
)
FLOAT = json.dumps({"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}})
CHOICE = json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": [128, 256]}})


def study(path):
    trials = [(10, 0, "COMPLETE"), (11, 1, "PRUNED"), (12, 2, "FAIL")]
    values = [
        (10, 1000, 1.5, "FINITE"),
        (10, 2000, None, "NAN"),
        (10, 3000, 3.5, "FINITE"),
        (11, 1000, 4.5, "FINITE"),
    ]
    return sqlite(
        path,
        *([statement] for statement in OPTUNA),
        ("INSERT INTO studies VALUES (1, 'sac-hopper')",),
        *(("INSERT INTO trials VALUES (?, ?, 1, ?)", *trial) for trial in trials),
        *(
            ("INSERT INTO trial_params VALUES (?, ?, ?, ?)", trial, *one)
            for trial, index in ((10, 0), (11, 1))
            for one in (("lr", 0.5, FLOAT), ("batch_size", index, CHOICE), ("utd", 4, FLOAT))
        ),
        ("INSERT INTO trial_user_attributes VALUES (11, 'seed', '5')",),
        *(("INSERT INTO trial_intermediate_values VALUES (?, ?, ?, ?)", *one) for one in values),
    )


def test_optuna_trials_with_intermediate_values_are_curves(tmp_path):
    path = study(tmp_path / "study.db")
    settings = {"algo": "sac", "env": "Hopper-v4"}
    for given in ({"fields": {"learning_rate": "lr"}}, {"columns": {"learning_rate": "lr"}}):
        table, report = read(path, constants=settings, **given)
        found = rows(table, "utd", "learning_rate", "batch_size")
        assert str(found) == str([
            (4.0, 0.5, 128, 0, 1000, 1.5),
            (4.0, 0.5, 128, 0, 2000, math.nan),
            (4.0, 0.5, 128, 0, 3000, 3.5),
            (4.0, 0.5, 256, 5, 1000, 4.5),
        ])  # fmt: skip
        assert (report.grammar, report.runs) == ("optuna", 2)
    pattern = r"(?P<algo>sac|td3)-hopper/"
    table, _ = read(
        path, pattern=pattern, constants={"env": "Hopper-v4"}, fields={"learning_rate": "lr"}
    )
    assert table["algo"].unique().to_list() == ["sac"]


def test_an_optuna_file_that_is_damaged_or_has_no_curve_is_refused(tmp_path):
    path = study(tmp_path / "study.db")
    sqlite(path, ["DROP TABLE trial_params"])
    with pytest.raises(RunTableError, match=r"study.db: not readable as SQLite of a known layout"):
        read(path)
    sqlite(path, ["DELETE FROM trial_intermediate_values"])
    with pytest.raises(RunTableError, match="nothing to import; expected trials with intermediate"):
        read(path)


# Trackio


@pytest.mark.parametrize("key", ["run_id", "run_name"])
def test_trackio_projects(tmp_path, key):
    """Older files know a run by its name alone; newer ones give it an id."""
    ids = "run_id TEXT, " if key == "run_id" else ""
    path = sqlite(
        tmp_path / "project.db",
        [
            f"CREATE TABLE metrics (id INTEGER PRIMARY KEY, {ids}run_name TEXT, step INTEGER, metrics)"
        ],
        [f"CREATE TABLE configs (id INTEGER PRIMARY KEY, {ids}run_name TEXT, config TEXT)"],
    )
    names = ("run_id", "run_name") if ids else ("run_name",)
    for run, utd in (("red", 2), ("blue", 8)):
        who = [run] * len(names)
        marks = ", ".join("?" * len(names))
        config = json.dumps({"utd": utd, "seed": 3, "_Username": "me"})
        sqlite(
            path,
            [f"INSERT INTO configs ({', '.join(names)}, config) VALUES ({marks}, ?)", *who, config],
        )
        for step, value in ((0, 1.5), (1, "NaN"), (2, utd)):
            metrics = json.dumps(
                {"env_step": step * 100, "eval/return": value, "note": "x"}
            ).encode()
            sqlite(
                path,
                [
                    f"INSERT INTO metrics ({', '.join(names)}, step, metrics) VALUES ({marks}, ?, ?)",
                    *who,
                    step,
                    metrics,
                ],
            )
    settings = {name: value for name, value in SETTINGS.items() if name != "utd"}
    table, report = read(path, return_key="eval/return", constants=settings)
    assert str(rows(table.filter(utd=2.0))) == "[(3, 0, 1.5), (3, 100, nan), (3, 200, 2.0)]"
    assert (report.grammar, report.runs, report.seeds) == ("trackio", 2, 2)
    with pytest.raises(
        RunTableError, match="give --columns value=COLUMN, one of step, env_step, eva"
    ):
        read(path, constants=settings)


# MLflow


def mlflow_run(root, run, name, utd, lines, metric="eval/return"):
    write(root / "7" / run / "meta.yaml", "lifecycle_stage: active\n")
    write(root / "7" / run / "tags" / "mlflow.runName", name)
    write(root / "7" / run / "params" / "utd", str(utd))
    write(root / "7" / run / "params" / "seed", "2")
    write(root / "7" / run / "metrics" / metric, lines)


def test_mlflow_runs_with_settings_from_their_parameters(tmp_path):
    write(tmp_path / "mlruns" / "7" / "meta.yaml", "name: mine\n")
    mlflow_run(tmp_path / "mlruns", "aa", "sac_1", 2, "1700000 1.5 1000\n1700001 2.5 2000\n")
    mlflow_run(tmp_path / "mlruns", "bb", "td3_1", 8, "1700000 3.5 1000\n")
    mlflow_run(tmp_path / "mlruns", "cc", "sac_2", 2, "1700000 9.5 1000\n")
    write(tmp_path / "mlruns" / "7" / "cc" / "meta.yaml", "lifecycle_stage: deleted\n")
    settings = {"env": "Hopper-v4", "batch_size": 256, "learning_rate": 3e-4}
    options = {"pattern": r", (?P<algo>\w+)_", "constants": settings}
    for given in ({"return_key": "eval/return"}, {"columns": {"value": "eval/return"}}):
        table, report = read(tmp_path / "mlruns", **options, **given)
        assert rows(table, "algo", "utd") == [
            ("sac", 2.0, 2, 1000, 1.5),
            ("sac", 2.0, 2, 2000, 2.5),
            ("td3", 8.0, 2, 1000, 3.5),
        ]
        assert report.grammar == "mlflow"
    with pytest.raises(
        RunTableError, match=r"7/aa/meta.yaml: it has no metric r; it has eval/return"
    ):
        read(tmp_path / "mlruns", **options, return_key="r")
    with pytest.raises(RunTableError, match="mlruns: give --return-key"):
        read(tmp_path / "mlruns", **options)
