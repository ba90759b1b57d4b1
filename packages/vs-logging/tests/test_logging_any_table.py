"""Tables of any columns: text, Parquet, frames; column map, mapping file, names as people write them."""

import gzip
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vs_logging import ImportOptions, RunTableError, find_importer, import_frame

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"
SETTINGS = {"algo": "sac", "utd": 1, "batch_size": 256, "learning_rate": 3e-4}
MAP = {"env": "task", "step": "frame", "value": "episode_reward", "seed": "run_seed"}
MINE = """task;frame;episode_reward;run_seed;fps
walker-run;1000;1.5;seed_0;9
walker-run;2000;2.5;seed_0;9
walker-run;1000;3.5;seed_1;9
dog-run;1000;4.5;seed_0;9
"""
ROWS = [
    ("dog-run", 0, 1000, 4.5),
    ("walker-run", 0, 1000, 1.5),
    ("walker-run", 0, 2000, 2.5),
    ("walker-run", 1, 1000, 3.5),
]


def read(source, **given):
    options = replace(ImportOptions(constants=SETTINGS), **given)
    return find_importer(str(source), options.grammar).read(str(source), options)


def rows(table, *columns):
    columns = (*columns, "seed", "env_step", "return_")
    return table.select(columns).sort(columns[:-1]).rows()


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt") as file:
        file.write(text)
    return path


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "a.tsv", "a.csv.gz", "A.TSV.GZ"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_column_map_reads_any_table(tmp_path, name, separator):
    path = write(tmp_path / name.lower(), MINE.replace(";", separator)).rename(tmp_path / name)
    table, report = read(path, columns=MAP)
    assert rows(table, "env") == ROWS
    assert (report.grammar, report.runs, report.seeds) == ("table", 2, 3)
    assert report.notes == (
        "the return is episode_reward, the env step is frame",
        "columns not used: fps (--columns NAME=fps takes one)",
    )


def test_parquet_and_a_frame_are_read_by_the_same_map(tmp_path):
    frame = pl.read_csv(MINE.encode(), separator=";")
    frame.write_parquet(tmp_path / "mine.parquet")
    table, report = read(tmp_path / "mine.parquet", columns=MAP)
    assert rows(table, "env") == ROWS
    assert report.grammar == "parquet"
    options = ImportOptions(columns=MAP, constants=SETTINGS)
    assert import_frame(frame, options).table.equals(table)
    (tmp_path / "mine.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunTableError, match=r"mine.parquet: .*not readable as Parquet"):
        read(tmp_path / "mine.parquet", columns=MAP)


def test_hyperparameters_from_columns_and_columns_that_tell_runs_apart(tmp_path):
    text = "env,agent,lr,reset,step,return\n"
    text += "".join(
        f"Ant-v4,sac,{lr},{reset},10,{reset}\n" for lr in (1e-3, 1e-4) for reset in (0, 1)
    )
    path = write(tmp_path / "t.csv", text)
    columns = {"algo": "agent", "learning_rate": "lr", "reset": "reset"}
    settings = {"utd": 1, "batch_size": 256}
    table, report = read(path, columns=columns, constants=settings)
    assert report.runs == 4
    assert sorted(table["learning_rate"].to_list()) == [1e-4, 1e-4, 1e-3, 1e-3]
    del columns["reset"]
    with pytest.raises(RunTableError, match="env_step 10 has 2 different values"):
        read(path, columns=columns, constants=settings)


def test_every_column_of_the_run_table_is_read_under_its_name(tmp_path):
    text = "algo,env,utd,batch_size,learning_rate,critic_params,critic_width,critic_depth,variant,"
    text += "seed,env_step,return_,action_repeat\n"
    text += "".join(f"sac,Ant-v4,2,64,1e-3,900,32,{d},new,4,10,5,2\n" for d in (1, 2))
    table, report = read(write(tmp_path / "t.csv", text), constants={})
    columns = ("utd", "batch_size", "critic_params", "critic_width", "variant", "seed")
    assert table.select(columns).unique().rows() == [(2.0, 64, 900, 32, "new", 4)]
    assert table["critic_depth"].to_list() == [1, 2]
    assert "columns not used: action_repeat" in report.notes[-1]
    with pytest.raises(
        RunTableError, match="--columns action_repeat: it is not read from a column"
    ):
        read(tmp_path / "t.csv", constants={}, columns={"action_repeat": "action_repeat"})


def test_diagnostics_are_taken_under_their_names_or_by_the_map(tmp_path):
    path = write(tmp_path / "t.csv", "env,step,return,critic_loss,val\nAnt-v4,1,5,0.5,0.7\n")
    table, _ = read(path, columns={"validation_critic_loss": "val"})
    assert table["critic_loss"].to_list() == [0.5]
    assert table["validation_critic_loss"].to_list() == [0.7]


def test_empty_cells_are_rows_without_that_metric(tmp_path):
    text = "env,step,return,critic_loss\nAnt-v4,1,5,\nAnt-v4,2,,0.5\nAnt-v4,,9,\nAnt-v4,3,NaN,0.1\n"
    table, _ = read(write(tmp_path / "t.csv", text))
    assert table["env_step"].to_list() == [1, 2, 3]
    assert str(table["return_"].to_list()) == "[5.0, nan, nan]"
    assert table["critic_loss"].to_list() == [None, 0.5, 0.1]


def test_a_folder_of_tidy_files_in_one_call_with_utd_in_the_files_names(tmp_path):
    """The layout of FlashSAC's ablations: ``utd05.csv`` is an update every second step."""
    for name, level in (("utd05", 1.0), ("utd1", 2.0), ("utd2", 3.0)):
        lines = "".join(
            f"{name},dog_run,{seed},{metric},{step},{level + seed}\n"
            for seed in (0, 1)
            for metric in ("avg_return", "fps")
            for step in (1000, 2000)
        )
        write(
            tmp_path / "ablation" / f"{name}.csv",
            f"exp_name,env_name,seed,metric,env_step,value\n{lines}",
        )
    table, report = read(tmp_path, pattern=r"utd(?P<utd>[0-9.]+)\.csv", constants=SETTINGS)
    assert (report.runs, report.seeds, report.rows) == (3, 6, 12)
    assert table["fps"].to_list() == table["return_"].to_list()  # as in a file on its own
    assert table.group_by("utd").agg(pl.col("return_").mean()).sort("utd").rows() == [
        (0.5, 1.5),
        (1.0, 2.5),
        (2.0, 3.5),
    ]


@pytest.mark.parametrize(
    ("text", "utd"), [("05", 0.5), ("025", 0.25), ("0.5", 0.5), ("0", None), ("8", 8.0), ("10", 10)]
)
def test_a_leading_zero_is_never_a_whole_number(tmp_path, text, utd):
    path = write(tmp_path / f"utd{text}_s0.csv", "env,step,return\nAnt-v4,1,5\n")
    settings = {name: value for name, value in SETTINGS.items() if name != "utd"}
    options = {"pattern": r"utd(?P<utd>[0-9.]+)_s(?P<seed>\d)", "constants": settings}
    if utd is None:
        with pytest.raises(RunTableError, match=r"utd is 0.0; expected a finite number above 0"):
            read(path, **options)
    else:
        assert read(path, **options).table["utd"].to_list() == [utd]
    with pytest.raises(RunTableError, match=r"batch_size is '0.64'; expected an integer"):
        read(path, constants=SETTINGS | {"batch_size": "064"})


def test_the_index_of_pandas_and_blanks_around_names_are_no_hindrance(tmp_path):
    path = write(tmp_path / "t.csv", ",env, step , return\n0,Ant-v4 , 10, 5\n")
    table, report = read(path)
    assert table.select("env", "env_step", "return_").rows() == [("Ant-v4", 10, 5.0)]
    assert not any("not used" in note for note in report.notes)


@given(
    curves=st.dictionaries(
        st.tuples(st.sampled_from([1.0, 2.0]), st.integers(0, 3)),
        st.dictionaries(st.integers(0, 50), st.floats(-1e6, 1e6), min_size=1, max_size=6),
        min_size=1,
    ),
    order=st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=40)
def test_the_order_of_rows_and_exact_repeats_do_not_matter(curves, order):
    expected = [
        (utd, seed, step, value)
        for (utd, seed), points in curves.items()
        for step, value in points.items()
    ]
    mixed = expected + expected[:2]
    order.shuffle(mixed)
    frame = pl.DataFrame(mixed, schema=["ratio", "who", "t", "score"], orient="row")
    columns = {"utd": "ratio", "seed": "who", "step": "t", "value": "score"}
    options = ImportOptions(columns=columns, constants=SETTINGS | {"env": "Ant-v4"})
    table, report = import_frame(frame, options)
    assert rows(table, "utd") == sorted(expected)
    assert report.deduplicated_rows == len(mixed) - len(expected)
    assert report.seeds == len(curves)


# A mapping file


def test_a_mapping_file_gives_the_settings_of_an_experiment(tmp_path):
    mapping = str(
        write(tmp_path / "map.tsv", "exp_name\tutd\tbatch_size\nred\t2\t64\nblue\t05\t\n")
    )
    text = "exp_name,env,step,return\nred,Ant-v4,1,5\nblue,Ant-v4,1,6\n"
    table, _ = read(write(tmp_path / "t.csv", text), mapping=mapping)
    assert table.select("utd", "batch_size", "return_").sort("utd").rows() == [
        (0.5, 256, 6.0),
        (2.0, 64, 5.0),
    ]
    text = "exp_name,env_name,seed,metric,env_step,value\nred,Ant-v4,0,return,1,5\n"
    assert read(write(tmp_path / "t.csv", text), mapping=mapping).table["utd"].to_list() == [2.0]


def test_a_mapping_file_names_folders_and_files_of_every_format(tmp_path):
    mapping = str(write(tmp_path / "map.csv", "folder,utd\nred,2\nblue,8\n"))
    for folder in ("red", "blue"):
        write(tmp_path / "logs" / folder / "1.txt", "5000 1.0\n")
    table, _ = read(tmp_path / "logs", mapping=mapping, constants=SETTINGS | {"env": "Ant-v4"})
    assert sorted(table["utd"].to_list()) == [2.0, 8.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exp_name,utd\nblue,1\n", r"t.csv, exp_name=red: it has no row in --mapping .*map.csv"),
        ("exp_name,utd\nred,1\nred,2\n", "map.csv: exp_name red has two rows; expected one"),
        ("exp_name,utd\nred,1\nt,2\n", "it matches red and t of --mapping"),
        ("exp_name\nred\n", "map.csv: expected a column of names, then columns of settings"),
        ("", "map.csv: the file is empty"),
    ],
)
def test_a_mapping_file_that_does_not_fit_is_refused(tmp_path, text, message):
    path = write(tmp_path / "t.csv", "exp_name,env,step,return\nred,Ant-v4,1,5\n")
    with pytest.raises(RunTableError, match=message):
        read(path, mapping=str(write(tmp_path / "map.csv", text)))


# Refusals


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (
            "task,frame,r\na,1,2\n",
            {},
            "no column is known to be the step; give --columns step=COLUMN",
        ),
        (
            "task,step,r\na,1,2\n",
            {},
            "no column is known to be the value; give --columns value=COLUMN",
        ),
        (
            "task,step,r\na,1,2\n",
            {"value": "q"},
            r"no column q \(for return_\); its columns are task, ",
        ),
        (
            "env,step,return\nAnt-v4,1,x\n",
            {},
            "row 1 below the header, column return is 'x'; expected",
        ),
        ("env,step,return\nAnt-v4,-1.5,2\n", {}, "step is -1.5 in a row; expected a number"),
        ("env,step,return\n", {}, "no rows below the header"),
        ("", {}, "the file is empty"),
        ("env,step,return,seed\nAnt-v4,1,2,x\n", {}, "its seed is 'x'; expected an integer"),
    ],
)
def test_a_bad_table_is_refused_and_a_good_one_beside_it_kept(tmp_path, text, columns, message):
    bad = write(tmp_path / "bad.csv", text)
    with pytest.raises(RunTableError, match=f"^{bad}: .*{message}"):
        read(bad, columns=columns)
    write(tmp_path / "good.csv", "env,step,return,q\nAnt-v4,1,2,2\n")
    table, report = read(tmp_path, columns=columns, on_error="skip")
    assert table["return_"].to_list() == [2.0]
    assert [entry.name.partition(",")[0] for entry in report.skipped] == ["bad.csv"]


def test_one_bad_seed_of_a_table_is_skipped_alone(tmp_path):
    path = write(tmp_path / "t.csv", "env,seed,step,return\nAnt-v4,1,1,3\nAnt-v4,0,1,x\n")
    with pytest.raises(
        RunTableError, match=r"seed=0: row 2 below the header, column return is 'x'"
    ):
        read(path)
    table, report = read(path, on_error="skip")
    assert rows(table) == [(1, 1, 3.0)]
    assert [entry.name for entry in report.skipped] == [f"{path}, seed=0"]


def test_the_same_seed_in_two_files_is_refused(tmp_path):
    for name in ("a.csv", "b.csv"):
        write(tmp_path / name, "env,step,return\nAnt-v4,1,2\n")
    with pytest.raises(RunTableError, match=r"b.csv: same configuration and seed 0 as a.csv"):
        read(tmp_path)


# The shared case


@pytest.mark.parametrize(
    "name", ["curves.csv", "CURVES.CSV", "curves_semicolon.csv", "curves_tab.tsv", "curves.csv.gz"]
)
def test_case_30_seeds_as_text_separators_and_endings(tmp_path, name):
    case = CASES / "30-seed-as-text"
    if not case.exists():
        pytest.skip("the case 30-seed-as-text is not beside the checkout")
    path = case / name
    if name.endswith(".gz"):
        path = write(tmp_path / name, (case / "curves.csv").read_text())
    pattern = r"utd(?P<utd>[0-9.]+)"
    settings = {"algo": "sac", "batch_size": 256, "learning_rate": 3e-4, "critic_params": 100000}
    table, report = read(path, pattern=pattern, constants=settings)
    assert (report.runs, report.seeds, report.rows) == (1, 2, 20)
    assert table["seed"].unique().sort().to_list() == [0, 1]
    values = [
        float(line.split(",")[-1]) for line in (case / "curves.csv").read_text().splitlines()[1:]
    ]
    assert table.sort("seed", "env_step")["return_"].to_list() == values
