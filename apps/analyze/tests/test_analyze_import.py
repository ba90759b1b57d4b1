"""`vs-analyze import`, and fitting what it wrote."""

import io
import zipfile

import numpy as np
import polars as pl
import pytest
import vs_logging as vslog
from vs_analyze.cli import main

NAMES = ["utd", "batch_size", "learning_rate"]


@pytest.fixture(scope="module")
def as_zip(tmp_path_factory, small):
    """The small grid in the papers' zip grammar, as a Gym task."""
    path = tmp_path_factory.mktemp("zip") / "mine.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for (utd, batch, rate), rows in small.group_by(NAMES, maintain_order=True):
            wide = rows.pivot("seed", index="env_step", values="return_").to_numpy()
            buffer = io.BytesIO()
            np.save(buffer, wide, allow_pickle=False)
            member = f"mine/utd_{utd:g}/Ant-v4/episode.return/bs_{batch}_lr_{rate}.npy"
            archive.writestr(member, buffer.getvalue())
    return path


@pytest.fixture(scope="module")
def as_csv(tmp_path_factory, small):
    """The same in tidy CSV."""
    path = tmp_path_factory.mktemp("csv") / "mine.csv"
    small.select(
        pl.format("utd_{}_bs_{}_lr_{}", *NAMES).alias("exp_name"),
        pl.col("env").alias("env_name"),
        "seed",
        pl.lit("return").alias("metric"),
        "env_step",
        pl.col("return_").alias("value"),
    ).write_csv(path)
    return path


def numbers(table):
    return table.sort("utd", "batch_size", "learning_rate", "seed", "env_step").select(
        *NAMES, "seed", "env_step", "return_"
    )


def test_zip_to_parquet_to_fit(as_zip, small, tmp_path, capsys):
    table = tmp_path / "runs.parquet"
    main(["import", str(as_zip), "--out", str(table)])
    shown = capsys.readouterr().out
    assert "qscaled" in shown
    assert f"written to {table}" in shown
    back = vslog.read_table(table)
    assert numbers(back).equals(numbers(small))
    assert set(back["env"]) == {"Ant-v4"}
    laws = tmp_path / "laws.json"
    main(
        ["fit", str(table), "--optimal-returns", "Ant-v4", "1000", "--bootstraps", "5",
         "--levels", "400", "800", "--out", str(laws)]
    )  # fmt: skip
    assert "verdict:" in capsys.readouterr().out
    main(["recommend", str(laws), "--level", "800"])
    assert capsys.readouterr().out.startswith("Ant-v4: level 800")


def test_csv_to_parquet_to_fit(as_csv, small, tmp_path, capsys):
    table = tmp_path / "runs.parquet"
    pattern = r"utd_(?P<utd>[0-9.]+)_bs_(?P<batch_size>[0-9]+)_lr_(?P<learning_rate>[0-9.e-]+)"
    main(
        ["import", str(as_csv), "--out", str(table), "--pattern", pattern,
         "--constants", "algo", "sac", "benchmark", "dmc", "critic_params", "1000000"]
    )  # fmt: skip
    assert "the return is the metric return" in capsys.readouterr().out
    assert numbers(vslog.read_table(table)).equals(numbers(small))
    laws = tmp_path / "laws.json"
    main(["fit", str(table), "--bootstraps", "5", "--levels", "400", "800", "--out", str(laws)])
    assert "cartpole-swingup" in capsys.readouterr().out
    assert laws.exists()


def test_a_format_is_recognised_or_named(tmp_path, capsys, refused):
    """evaluations.npz of Stable-Baselines3, in folders that are read as one source."""
    for seed in (0, 1):
        folder = tmp_path / "sb3" / f"utd4_s{seed}"
        folder.mkdir(parents=True)
        np.savez(folder / "evaluations.npz", timesteps=[100, 200], results=[[seed, 2], [3, 5]])
    out = tmp_path / "runs.parquet"
    settings = ["algo", "sac", "env", "Hopper-v4", "batch_size", "256", "learning_rate", "3e-4"]
    command = ["import", str(tmp_path / "sb3"), "--out", str(out), "--constants", *settings,
               "--pattern", "utd(?P<utd>[0-9.]+)_s(?P<seed>[0-9]+)"]  # fmt: skip
    main(command)
    assert "(sb3-evaluations): 1 runs, 2 seeds, 4 rows" in capsys.readouterr().out
    table = vslog.read_table(out).sort("seed", "env_step")
    assert table["return_"].to_list() == [1.0, 4.0, 1.5, 4.0]
    assert table["utd"].unique().to_list() == [4.0]
    message = refused([*command, "--grammar", "jaxrl"])
    assert "nothing to import; expected files called SEED.txt" in message


def test_a_bad_member_is_fatal_or_named_and_skipped(as_zip, tmp_path, refused, capsys):
    broken = tmp_path / "broken.zip"
    bad = "mine/utd_1/Ant-v4/episode.return/bs_999_lr_0.001.npy"
    with zipfile.ZipFile(as_zip) as source, zipfile.ZipFile(broken, "w") as copy:
        for info in source.infolist():
            copy.writestr(info, source.read(info))
        copy.writestr(bad, b"not an array")
    out = tmp_path / "runs.parquet"
    assert bad in refused(["import", str(broken), "--out", str(out)])
    assert not out.exists()
    main(["import", str(broken), "--out", str(out), "--on-error", "skip"])
    assert bad in capsys.readouterr().out
    assert vslog.read_table(out)["run"].n_unique() == 16


@pytest.mark.parametrize(
    ("source", "out", "parts"),
    [
        (
            "curves.txt",
            "a.parquet",
            ["curves.txt", "expected a source of one of the formats zip, "],
        ),
        ("absent.zip", "a.parquet", ["absent.zip", "no such file"]),
        ("absent.csv", "a.parquet", ["absent.csv", "no such file"]),
        (".", "a.parquet", ["--return-key"]),
        ("wandb:me/mine", "a.parquet", ["wandb"]),
    ],
)
def test_unusable_source_or_target(source, out, parts, tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    message = refused(["import", source, "--out", out])
    for part in parts:
        assert part in message
    assert list(tmp_path.iterdir()) == []


def test_the_table_is_a_parquet_file(as_zip, tmp_path, refused):
    message = refused(["import", str(as_zip), "--out", str(tmp_path / "a.csv")])
    assert "a.csv: expected a name that ends in .parquet" in message
