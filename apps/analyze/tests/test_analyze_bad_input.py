"""Bad input: exit code 2 and one sentence that names the thing and what was expected."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import vs_logging as vslog
from vs_analyze import Settings, load_runs


@pytest.fixture
def fit(tmp_path, refused):
    """Fit a broken table; return the sentence."""

    def run(table: pl.DataFrame, *options: str) -> str:
        path = tmp_path / "broken.parquet"
        table.write_parquet(path)
        out = tmp_path / "laws.json"
        message = refused(["fit", str(path), "--bootstraps", "5", *options, "--out", str(out)])
        assert not out.exists()
        return message

    return run


def says(message: str, *parts: str) -> None:
    for part in parts:
        assert part in message, message


def test_empty_table(fit, small):
    says(fit(small.clear()), "broken.parquet", "empty", "expected at least one evaluation row")


def test_one_seed(fit, small):
    says(
        fit(small.filter(pl.col("seed") == 0)),
        "every run has one seed",
        "at least two distinct seeds",
    )


def test_copies_of_one_seed_are_one_seed(fit, small):
    one = small.filter(pl.col("seed") == 0)
    copy = one.with_columns(seed=pl.lit(1, pl.Int64))
    says(fit(pl.concat([one, copy])), "every run has one seed", "distinct")


def test_one_utd(fit, small):
    says(fit(small.filter(pl.col("utd") == 1)), "all runs have utd 1", "at least three values")


def test_no_run_reaches_the_level(fit, small):
    says(
        fit(small, "--levels", "400", "900"),
        "no run reaches level 900",
        "1000 = optimal",
        "--levels",
    )


def test_no_learning_at_all(fit, small):
    flat = small.with_columns(return_=pl.col("return_") / 1000)
    says(fit(flat), "cartpole-swingup", "below a normalised return of 12", "--levels")


@pytest.mark.parametrize("value", [float("nan"), None])
def test_no_number_in_any_curve(fit, small, value):
    empty = small.with_columns(return_=pl.lit(value, pl.Float64))
    says(fit(empty), "cartpole-swingup", "below a normalised return of 12", "--levels")


def test_duplicate_runs(fit, small):
    again = small.filter(pl.col("run") == small["run"][0]).with_columns(run=pl.lit("other"))
    says(
        fit(pl.concat([small, again])),
        "two runs have the same configuration", "cartpole-swingup at utd", "one run id per",
    )  # fmt: skip


def test_duplicate_rows(fit, small):
    says(
        fit(pl.concat([small, small.head(1)])),
        "broken.parquet: row 32001 repeats row 1",
        "seed 0",
        "one row per evaluation",
    )


@pytest.mark.parametrize("utd", [0.0, -1.0, float("nan"), float("inf")])
def test_utd_that_is_not_positive(fit, small, utd):
    broken = pl.when(pl.col("utd") == 1).then(utd).otherwise("utd")
    says(
        fit(small.with_columns(utd=broken)),
        "broken.parquet", "row ", "column utd", "expected a finite number above 0",
    )  # fmt: skip


def test_parquet_with_a_missing_column(fit, small):
    says(fit(small.drop("utd")), "broken.parquet", "missing column utd", "a run table has")


def test_parquet_with_a_mistyped_column(fit, small):
    says(
        fit(small.with_columns(pl.col("batch_size").cast(pl.String))),
        "broken.parquet", "column batch_size has type String", "expected Int64",
    )  # fmt: skip


def test_not_a_parquet_file(tmp_path, refused):
    path = tmp_path / "text.parquet"
    path.write_text("run,algo\n")
    says(refused(["fit", str(path)]), "text.parquet", "Parquet")


def test_table_that_does_not_exist(tmp_path, refused):
    says(refused(["fit", str(tmp_path / "absent.parquet")]), "absent.parquet", "no such file")


def test_folder_without_tables(tmp_path, refused):
    says(refused(["fit", str(tmp_path)]), str(tmp_path), "no run table found", ".parquet")


def test_task_whose_optimal_return_is_not_known(fit, small):
    says(
        fit(small.with_columns(benchmark=pl.lit("mine"))),
        "the optimal return of mine/cartpole-swingup is not known", "--optimal-returns",
    )  # fmt: skip


def test_a_robot_with_hands_has_the_success_levels_of_its_tasks_and_of_no_others(fit, small):
    hands = small.with_columns(benchmark=pl.lit("humanoid_bench"), env=pl.lit("h1hand-walk-v0"))
    assert {run.optimal_return for run in load_runs(hands, Settings(), source="table")} == {700.0}
    dancing = hands.with_columns(env=pl.lit("h1hand-dance-v0"))
    says(
        fit(dancing), "optimal return of humanoid_bench/h1hand-dance-v0 is not known",
        "--optimal-returns h1hand-dance-v0 VALUE",
    )  # fmt: skip


def test_runs_that_disagree_on_the_optimal_return(fit, small):
    other = pl.when(pl.col("utd") == 16).then(500.0).when(pl.col("utd") == 4).then(2000.0)
    table = small.with_columns(optimal_return=other)
    says(
        fit(table), "runs of dmc/cartpole-swingup have optimal_return 500 and 2000",
        "--optimal-returns cartpole-swingup VALUE",
    )  # fmt: skip
    runs = load_runs(table, Settings(optimal_returns={"cartpole-swingup": 250.0}), source="table")
    assert {run.optimal_return for run in runs} == {250.0}


def test_critic_params_not_recorded(fit, small):
    table = small.with_columns(critic_params=pl.lit(None, pl.Int64))
    says(fit(table), "cartpole-swingup", "critic_params", "--critic-params cartpole-swingup N")


def test_two_model_sizes(fit, small):
    larger = pl.when(pl.col("utd") == 16).then(2_000_000).otherwise("critic_params")
    says(fit(small.with_columns(critic_params=larger)), "several critic_params", "one model size")


def test_two_benchmarks(fit, small):
    other = pl.when(pl.col("utd") == 16).then(pl.lit("bro")).otherwise("algo")
    says(fit(small.with_columns(algo=other)), "bro on dmc and sac on dmc", "one at a time")


def test_fitted_runs_with_two_configurations(tmp_path, small, refused):
    path = tmp_path / "grid.parquet"
    vslog.write_table(small, path)
    says(
        refused(["fit", str(path), "--fitted", str(path), "--bootstraps", "5"]),
        "several configurations at utd", "one per task and utd",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--levels", "800", "400"], ["levels must be increasing"]),
        (["--levels", "0", "400"], ["level", "positive"]),
        (["--levels", "nan"], ["level"]),
        (["--bootstraps", "1"], ["bootstraps must be at least 2, got 1"]),
        (["--levels", "400", "800", "--hyperparameter-level", "500"], ["hyperparameter_level 500"]),
        (["--delta", "-1"], ["delta", "positive"]),
        (["--critic-params", "cartpole-swingup", "0"], ["critic_params", "positive"]),
        (["--optimal-returns", "cartpole-swingup", "0"], ["optimal_return", "0"]),
    ],
)
def test_settings_that_cannot_be(tmp_path, small, refused, options, parts):
    path = tmp_path / "grid.parquet"
    vslog.write_table(small, path)
    out = str(tmp_path / "laws.json")
    says(refused(["fit", str(path), "--bootstraps", "5", *options, "--out", out]), *parts)


def array(values: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=allow_pickle)
    return buffer.getvalue()


CURVE = array(np.column_stack([np.arange(1, 9), *np.random.default_rng(0).random((2, 8))]))
MEMBER = "mine/utd_1/Ant-v4/episode.return/bs_128_lr_0.001.npy"


def written(path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return str(path)


@pytest.fixture
def imported(tmp_path, refused):
    """Import a broken zip; return the sentence."""

    def run(source: str) -> str:
        out = tmp_path / "out.parquet"
        message = refused(["import", source, "--out", str(out)])
        assert not out.exists()
        return message

    return run


def test_truncated_zip(tmp_path, imported):
    path = tmp_path / "cut.zip"
    written(path, {MEMBER: CURVE})
    path.write_bytes(path.read_bytes()[:-60])
    says(imported(str(path)), "cut.zip", "zip")


def test_zip_with_a_truncated_member(tmp_path, imported):
    says(imported(written(tmp_path / "a.zip", {MEMBER: CURVE[:-20]})), "a.zip", MEMBER)


def test_zip_with_a_pickle(tmp_path, imported):
    objects = array(np.array([{"a": 1}], dtype=object), allow_pickle=True)
    says(imported(written(tmp_path / "a.zip", {MEMBER: objects})), "a.zip", MEMBER, "pickle")


@pytest.mark.parametrize("name", ["../" + MEMBER, "/" + MEMBER, "mine/../../" + MEMBER])
def test_zip_with_a_path_that_leaves_the_folder(tmp_path, imported, name):
    source = written(tmp_path / "a.zip", {MEMBER: CURVE, name: CURVE})
    says(imported(source), "a.zip", name, "path")


def test_zip_of_something_else(tmp_path, imported):
    says(imported(written(tmp_path / "a.zip", {"notes.txt": b"hello"})), "a.zip", "expected one of")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["no such file", "vs-analyze fit"]),
        ("not json", ["not a JSON file"]),
        ("[1, 2]", ["not a laws.json", "value-scaling/laws"]),
        ('{"schema": "other"}', ["not a laws.json", "value-scaling/laws"]),
        ('{"schema": "value-scaling/laws", "version": 99}', ["version 99", "reads 1"]),
        ('{"schema": "value-scaling/laws", "version": 1}', ["damaged", "tasks"]),
        ('{"schema": "value-scaling/laws", "version": 1, "tasks": []}', ["damaged"]),
        ('{"schema": "value-scaling/laws", "version": 1, "tasks": {"a": {}}}', ["damaged"]),
        ('{"schema": "value-scaling/laws", "version": 1, "tasks": {}}', ["no task"]),
    ],
)
def test_laws_json_that_cannot_be_read(tmp_path, refused, content, parts):
    path = tmp_path / "laws.json"
    if content is not None:
        path.write_text(content)
    says(refused(["recommend", str(path), "--level", "800"]), "laws.json", *parts)


def test_laws_json_without_a_needed_number(laws_path, tmp_path, refused):
    document = json.loads(Path(laws_path).read_text(encoding="utf-8"))
    del document["tasks"]["walker-run"]["delta"]
    path = tmp_path / "laws.json"
    path.write_text(json.dumps(document))
    says(refused(["recommend", str(path), "--env", "walker-run", "--level", "800"]),
         "laws.json", "damaged", "delta")  # fmt: skip
