"""Zips: generated ones with known contents, then the published ones when they are there."""

import io
import time
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from vs_logging import Imported, ImportOptions, RunTableError, import_zip

CURVES = Path(__file__).resolve().parents[4] / "shared" / "curves"
NAN = float("nan")
GYM = "gym_sweep/utd_2/Ant-v4/episode.return/bs_128_lr_5e-05.npy"
VARIANT = "hard_False_1000_sep_{}_nstep_1"


def published(name: str) -> Path:
    if not (CURVES / name).exists():
        pytest.skip(f"{name} is not beside the checkout")
    return CURVES / name


def npy(values, **options) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(values), **options)
    return stream.getvalue()


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_qscaled_grammar_keeps_gaps_and_counts_copies(tmp_path):
    values = [[1000, 1.0, 1.0, 5.0], [2001, NAN, NAN, 6.0], [3000, 3.0, 3.0, NAN]]
    path = make_zip(tmp_path / "g.zip", {"gym_sweep/": b"", GYM: npy(values)})
    table, report = import_zip(path)
    row = table.row(0, named=True)
    assert (row["algo"], row["benchmark"], row["env"]) == ("sac", "gym", "Ant-v4")
    assert (row["utd"], row["batch_size"], row["learning_rate"]) == (2.0, 128, 5e-05)
    assert row["critic_params"] is None
    assert table["seed"].to_list() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert table["env_step"].to_list() == [1000, 2001, 3000] * 3
    expected = np.array([1, NAN, 3, 1, NAN, 3, 5, 6, NAN])
    np.testing.assert_array_equal(table["return_"].to_numpy(), expected)
    assert (report.grammar, report.runs, report.seeds, report.rows) == ("qscaled", 1, 3, 9)
    assert report.duplicate_seeds == 1
    assert "1 seeds are exact copies" in str(report)
    assert report.to_dict()["rows"] == 9
    assert import_zip(path, ImportOptions(grammar="zip")).table.equals(table, null_equal=True)
    other, _ = import_zip(path, ImportOptions(constants={"algo": "td3"}))
    assert other["algo"].unique().to_list() == ["td3"]
    assert other["run"][0] != table["run"][0]


def bro(metric: str, sep: str = "False_w512p1") -> str:
    return f"f/w256p600000/utd_4/h1-run-v0/{metric}/bs_32_lr_0.0003_{VARIANT.format(sep)}.npy"


def test_bro_grammar_joins_metrics_and_ends_each_seed_where_its_loss_ends(tmp_path):
    steps = [25000, 50000, 75000, 100000]
    returns = np.c_[steps, [1, 2, 2, 2], [1, 2, 3, 4], [1, 2, 2, 9]]
    loss = np.c_[steps, [0.1, 0.2, NAN, NAN], [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, NAN, NAN]]
    blank = np.c_[steps, np.full((4, 3), NAN)]
    path = make_zip(
        tmp_path / "b.zip",
        {
            bro("return"): npy(returns),
            bro("critic_loss"): npy(loss),
            bro("separate_critic_loss"): npy(blank),
            bro("return", "True_w64p99"): npy(returns),
        },
    )
    table, report = import_zip(path)
    assert report.grammar == "bro"
    main = table.filter(pl.col("passive_critic_width").is_null())
    assert main["seed"].to_list() == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert main["return_"].to_list() == [1, 2, 1, 2, 3, 4, 1, 2, 2, 9]
    assert main["stopped_on_success"].to_list() == [True] * 2 + [False] * 8
    assert main["critic_loss"].to_list()[-3:] == [0.2, None, None]
    assert "passive_critic_loss" not in table.columns
    assert main.select("critic_width", "critic_params", "benchmark", "algo").row(0) == (
        256,
        600000,
        "humanoid_bench",
        "bro",
    )
    passive = table.filter(pl.col("passive_critic_width") == 64)
    assert passive["passive_critic_params"].unique().to_list() == [99]
    assert passive.height == 12
    assert passive["run"][0] != main["run"][0]
    assert report.after_end_rows == 2
    assert any("1 seeds' returns change after" in note for note in report.notes)
    assert any("1 runs have no critic_loss" in note for note in report.notes)
    whole, kept = import_zip(path, drop_after_end=False)
    assert whole.height == 24
    assert kept.after_end_rows == 0


def test_simbav2_and_older_bro_grammars(tmp_path):
    path = make_zip(
        tmp_path / "s.zip", {"r/w256/utd_1/h1-stand-v0/avg_return/bs_64.npy": npy([[0.0, 7.0]])}
    )
    row = import_zip(path).table.row(0, named=True)
    assert (row["algo"], row["critic_params"], row["learning_rate"]) == ("simbav2", 2322634, 1e-4)
    path = make_zip(
        tmp_path / "a.zip",
        {"a/rr15_sm/push-v2-goal-observable.npy": npy([[0.0, 0.2], [1.0, 0.4]])},
    )
    table, report = import_zip(path, ImportOptions(constants={"batch_size": 64}))
    assert report.grammar == "bro-ablations"
    assert table["env_step"].to_list() == [25000, 50000] * 2
    assert table["return_"].to_list() == [0.0, 1.0, 0.2, 0.4]
    row = table.row(0, named=True)
    assert (row["utd"], row["critic_params"], row["batch_size"]) == (15.0, 2_830_000, 64)
    assert row["benchmark"] == "metaworld"


GOOD = npy([[1.0, 2.0]])


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a/utd_1/E-v1/return/bs_1_lr_1.npy", npy([[{}]], allow_pickle=True), "holds a pickle"),
        ("../utd_1/E-v1/return/bs_1_lr_1.npy", GOOD, "path leaves the folder"),
        ("/etc/utd_1/E-v1/return/bs_1_lr_1.npy", GOOD, "path leaves the folder"),
        ("C:\\utd_1/E-v1/return/bs_1_lr_1.npy", GOOD, "path leaves the folder"),
        ("a/utd_1/E-v1/return/bs_1_lr_1.npy", npy([1.0, 2.0]), r"shape is \(2,\); expected two"),
        ("a/utd_1/E-v1/return/bs_1_lr_1.npy", npy([[1.0]]), "expected a step column and seed"),
        ("a/utd_1/E-v1/return/bs_1_lr_1.npy", npy(np.ones((0, 3))), "the array is empty"),
        ("a/utd_1/E-v1/return/bs_1_lr_1.npy", npy([["a", "b"]]), "expected real numbers"),
        ("a/utd_1/E-v1/return/bs_1_lr_1.npy", GOOD[:-4], "header promises 16 bytes of numbers, 12"),
        ("a/utd_1/E-v1/return/bs_1_lr_1.npy", b"text", "not a NumPy array file"),
        ("a/utd_1/E-v1/return/bs_1_lr_1.npy", npy([[2.0, 1], [1.0, 1]]), "row 2, env step .* is 1"),
        ("a/utd_1/E-v1/return/bs_1_lr_1.npy", npy([[1.0, np.inf]]), "row 1, seed column 1 is inf"),
        ("a/utd_0/E-v1/return/x.npy", GOOD, "not of the grammar qscaled; expected ROOT/utd_1"),
        ("a/utd_1/E-v1/critic_loss/bs_1_lr_1.npy", GOOD, "no array of returns"),
        ("other/" + GYM.split("/", 1)[1], GOOD, "same configuration and metric as gym_sweep"),
    ],
)
def test_a_bad_member_is_named_and_fatal_or_skipped(tmp_path, name, data, message):
    path = make_zip(tmp_path / "z.zip", {GYM: GOOD, name: data})
    with pytest.raises(RunTableError, match=message) as caught:
        import_zip(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    table, report = import_zip(path, ImportOptions(on_error="skip"))
    assert table.height == 1
    assert [entry.name for entry in report.skipped] == [name]


def test_bad_archives(tmp_path):
    path = make_zip(tmp_path / "z.zip", {GYM: npy(np.random.default_rng(0).random((99, 9)))})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunTableError, match=r"z.zip: not a whole zip archive"):
        import_zip(path)
    flipped = bytearray(whole)
    flipped[400] ^= 255
    path.write_bytes(flipped)
    with pytest.raises(RunTableError, match=r"bs_128_lr_5e-05.npy: the member is damaged"):
        import_zip(path)
    with pytest.raises(RunTableError, match=r"nothing to import \(first problem: gym_sweep/"):
        import_zip(path, ImportOptions(on_error="skip"))
    with pytest.raises(RunTableError, match="no such file"):
        import_zip(tmp_path / "none.zip")
    with pytest.raises(RunTableError, match="no member follows a known grammar"):
        import_zip(make_zip(tmp_path / "o.zip", {"readme.txt": b"hello"}))
    good = make_zip(tmp_path / "g.zip", {GYM: GOOD})
    with pytest.raises(RunTableError, match="grammar is 'x'; expected auto, bro"):
        import_zip(good, ImportOptions(grammar="x"))
    with pytest.raises(RunTableError, match="constants: seed varies"):
        import_zip(good, ImportOptions(constants={"seed": 1}))
    with pytest.raises(ValueError, match="on_error is 'ignore'"):
        import_zip(good, ImportOptions(on_error="ignore"))  # ty: ignore[invalid-argument-type]


def files_with_copies(result: Imported) -> int:
    count = 0
    for _, run in result.table.group_by("run"):
        curves = [s["return_"].to_numpy().tobytes() for _, s in run.group_by("seed")]
        count += len(set(curves)) < len(curves)
    return count


@pytest.mark.parametrize(
    ("name", "runs", "copies"),
    [("gym_sweep", 144, 29), ("gym_ours", 28, 21), ("gym_baseline_utd2", 28, 11)],
)
def test_published_gym_zips(name, runs, copies):
    path = published(f"{name}.zip")
    start = time.perf_counter()
    result = import_zip(path)
    assert time.perf_counter() - start < 5  # 0.2 s on a free core
    assert result.report.runs == runs
    assert not result.report.skipped
    assert files_with_copies(result) == copies


def test_published_gym_zip_holds_the_arrays_values():
    path = published("gym_sweep.zip")
    table = import_zip(path).table
    assert sorted(table["utd"].unique()) == [1, 2, 4, 8]
    with zipfile.ZipFile(path) as archive:
        array = np.load(io.BytesIO(archive.read(GYM.replace("utd_2", "utd_4"))))
    one = table.filter(
        pl.col("utd") == 4, pl.col("env") == "Ant-v4", batch_size=128, learning_rate=5e-05
    )
    for seed in range(array.shape[1] - 1):
        rows = one.filter(seed=seed)
        column = array[: rows.height, seed + 1]
        np.testing.assert_array_equal(rows["return_"].to_numpy(), column)
        np.testing.assert_array_equal(rows["env_step"].to_numpy(), array[: rows.height, 0])
        assert np.isnan(array[rows.height :, seed + 1]).all()


@pytest.mark.parametrize(
    ("name", "grammar", "runs"),
    [
        ("fitted_bs", "bro", 71),
        ("interpolated_bs", "bro", 42),
        ("side_critic", "bro", 31),
        ("simbav2_h1_stand", "simbav2", 80),
        ("bro_ablations_small", "bro-ablations", 50),
    ],
)
def test_published_model_scaling_zips(name, grammar, runs):
    table, report = import_zip(published(f"{name}.zip"))
    assert (report.grammar, report.runs) == (grammar, runs)
    assert not report.skipped
    assert table["critic_params"].null_count() == 0
    if name == "fitted_bs":  # every seed's last row is one whose loss was logged
        last = table.group_by("run", "seed").agg(pl.col("critic_loss").last())
        assert last["critic_loss"].null_count() == 0
        stopped = table.filter("stopped_on_success").select("run", "seed").n_unique()
        assert stopped == 1086
    if name == "side_critic":
        assert sorted(table["passive_critic_params"].drop_nulls().unique()) == [
            2286792,
            8767688,
            34312392,
        ]
