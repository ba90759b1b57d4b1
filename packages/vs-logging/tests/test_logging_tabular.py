"""The tidy CSV, with the ways in which its rows repeat."""

from dataclasses import replace

import pytest
from vs_logging import ImportOptions, RunTableError, import_csv

HEADER = "exp_name,env_name,seed,metric,env_step,value\n"
SETTINGS = {"algo": "sac", "learning_rate": 3e-4, "batch_size": 64, "utd": 1}


def write(path, rows, header=HEADER):
    path.write_text(header + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def returns(pairs, *, exp="a", env="Ant-v4", seed=0, metric="return"):
    return [(exp, env, seed, metric, step, value) for step, value in pairs]


def test_hyperparameters_from_the_name_and_diagnostics(tmp_path):
    rows = [
        *returns([(2, 20), (1, 10)], exp="sac_utd_0.5_bs_32_seed7", seed=7),
        *returns([(1, 0.5)], exp="sac_utd_0.5_bs_32_seed7", seed=7, metric="critic_loss"),
        *returns([(1, ""), (2, 21)], exp="sac_utd_0.5_bs_32_seed8", seed=8),
        *returns([(1, 5)], exp="sac_utd_4_bs_64_seed7", seed=7),
    ]
    table, report = import_csv(
        write(tmp_path / "t.csv", rows),
        ImportOptions(
            pattern=r"utd_(?P<utd>[0-9.]+)_bs_(?P<batch_size>\d+)_seed(?P<seed>\d+)",
            constants={"algo": "sac", "learning_rate": 3e-4},
        ),
    )
    assert report.runs == 2
    assert report.seeds == 3
    first = table.filter(utd=0.5)
    assert first["run"].n_unique() == 1
    assert first.select("seed", "env_step").rows() == [(7, 1), (7, 2), (8, 1), (8, 2)]
    assert str(first["return_"].to_list()) == "[10.0, 20.0, nan, 21.0]"
    assert first["critic_loss"].to_list() == [0.5, None, None, None]
    assert table.filter(utd=4.0)["batch_size"].to_list() == [64]
    assert table["benchmark"].unique().to_list() == ["gym"]


def test_two_experiments_that_are_one_seed_are_not_woven_into_one_curve(tmp_path):
    rows = [*returns([(1, 1), (3, 3)], exp="a_s1"), *returns([(2, 20), (4, 40)], exp="a_s01")]
    options = ImportOptions(constants=SETTINGS, pattern=r"_s(?P<seed>\d+)")
    path = write(tmp_path / "t.csv", rows)
    message = "a_s01, Ant-v4, seed 0: same configuration and seed 1 as a_s1, Ant-v4, seed 0"
    with pytest.raises(RunTableError, match=message):
        import_csv(path, options)
    table, report = import_csv(path, replace(options, on_error="skip"))
    assert table["env_step"].to_list() == [1, 3]
    assert report.skipped[0].name == "a_s01, Ant-v4, seed 0"


def test_exact_repeats_are_dropped_and_counted(tmp_path):
    path = write(tmp_path / "t.csv", returns([(1, 1), (2, 2), (1, 1)]))
    table, report = import_csv(path, ImportOptions(constants=SETTINGS))
    assert table["return_"].to_list() == [1, 2]
    assert report.deduplicated_rows == 1


def test_blocks_are_unnamed_seeds_even_where_single_values_agree(tmp_path):
    rows = [
        *returns([(1, 0), (2, 5), (3, 6)]),
        *returns([(1, 0), (2, 7), (3, 8)]),
        *returns([(1, 9)], seed=3),
    ]
    table, report = import_csv(write(tmp_path / "t.csv", rows), ImportOptions(constants=SETTINGS))
    assert sorted(table.select("seed", "env_step", "return_").rows()) == [
        (0, 1, 0.0),
        (0, 2, 5.0),
        (0, 3, 6.0),
        (3, 1, 9.0),
        (4, 1, 0.0),
        (4, 2, 7.0),
        (4, 3, 8.0),
    ]
    assert any("1 seeds have no number of their own" in note for note in report.notes)
    assert report.deduplicated_rows == 0


@pytest.mark.parametrize(
    "pairs",
    [
        [(1, 1), (1, 2), (2, 3), (2, 4)],  # interleaved: which 3 or 4 follows 1?
        [(1, 1), (2, 2), (3, 3), (1, 9), (2, 9)],  # a restart, or a shorter second seed?
        [(1, 1), (2, 2), (2, 3), (3, 4), (3, 5)],  # several episodes at a step, no resumed run
    ],
)
def test_repeats_that_cannot_be_told_apart_are_refused(tmp_path, pairs):
    path = write(tmp_path / "t.csv", returns(pairs) + returns([(1, 1)], exp="b"))
    message = (
        r"t.csv: a, Ant-v4, seed 0: return: env_step \d has 2 different .* --repeats (mean|restart)"
    )
    with pytest.raises(RunTableError, match=message):
        import_csv(path, ImportOptions(constants=SETTINGS))
    table, report = import_csv(path, ImportOptions(constants=SETTINGS, on_error="skip"))
    assert table.height == 1
    assert report.skipped[0].name == "a, Ant-v4, seed 0"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a", "E", 0, "return", "1k", 1), "line 3, column env_step is '1k'"),
        (
            ("a", "E", 0, "return", -1, 1),
            "column env_step is '-1'; expected a non-negative number",
        ),
        (("a", "E", "x", "return", 1, 1), "its seed is 'x'; expected an integer"),
        (("a", "E", 0, "return", 1, "high"), "column value is 'high'; expected a finite number"),
        (("a", "E", 0, "return", 1, "inf"), "column value is 'inf'"),
        (
            ("", "E", 0, "return", 1, 1),
            "line 3: column exp_name is empty; expected a non-empty string",
        ),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, message):
    path = write(tmp_path / "t.csv", [*returns([(1, 1)]), row])
    with pytest.raises(RunTableError, match=message):
        import_csv(path, ImportOptions(constants=SETTINGS))


def test_bad_files_and_settings(tmp_path):
    path = tmp_path / "t.csv"
    with pytest.raises(RunTableError, match="no such file"):
        import_csv(path)
    path.write_text("")
    with pytest.raises(RunTableError, match="the file is empty"):
        import_csv(path)
    with pytest.raises(RunTableError, match="no rows below the header"):
        import_csv(write(path, []))
    with pytest.raises(RunTableError, match="missing column metric; expected exp_name"):
        import_csv(write(path, [], header="exp_name,env_name,seed,env_step,value\n"))
    write(path, returns([(1, 1)], metric="score"))
    with pytest.raises(RunTableError, match="the metrics are score; expected --return-key"):
        import_csv(path, ImportOptions(constants=SETTINGS))
    assert import_csv(path, ImportOptions(constants=SETTINGS, return_key="score")).table.height == 1
    write(path, returns([(1, 1)]))
    with pytest.raises(RunTableError, match="a, Ant-v4, seed 0: the configuration lacks algo, utd"):
        import_csv(path)
    with pytest.raises(RunTableError, match="does not match exp_name"):
        import_csv(path, ImportOptions(constants=SETTINGS, pattern=r"utd_(?P<utd>\d+)"))
    with pytest.raises(RunTableError, match="has no named group"):
        import_csv(path, ImportOptions(constants=SETTINGS, pattern="utd"))
    with pytest.raises(RunTableError, match="not a regular expression"):
        import_csv(path, ImportOptions(constants=SETTINGS, pattern="("))
    with pytest.raises(RunTableError, match=r"batch_size is '1.5'; expected an integer"):
        import_csv(path, ImportOptions(constants=SETTINGS | {"batch_size": "1.5"}))
    with pytest.raises(RunTableError, match=r"nothing to import \(first problem"):
        import_csv(path, ImportOptions(on_error="skip"))
