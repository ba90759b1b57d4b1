"""`vs-analyze import` of any format: many files, the preview, the list, and frames in Python."""

import json

import numpy as np
import polars as pl
import pytest
import vs_logging as vslog
from vs_analyze import AnalysisError, Settings, load_runs, read_curves
from vs_analyze.cli import main

CONSTANTS = ["--constants", "algo", "sac", "batch_size", "256", "learning_rate", "3e-4"]
MAP = ["--columns", "env=task", "step=frame", "value=score"]
TEXT = "task,frame,score,fps\nwalker-run,1000,{0}.5,9\nwalker-run,2000,{0}.75,9\ndog-run,500,-3,9\n"


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """Two utds with two seeds each, in a file each."""
    monkeypatch.chdir(tmp_path)
    for utd in ("05", "2"):
        for seed in (0, 1):
            path = tmp_path / f"utd{utd}_s{seed}.csv"
            path.write_text(TEXT.format(seed))
    return tmp_path


PATTERN = ["--pattern", r"utd(?P<utd>[0-9.]+)_s(?P<seed>[0-9]+)"]


@pytest.mark.parametrize(
    "sources", [["."], ["*.csv"], ["utd05_*.csv", "utd2_s0.csv", "utd2_s1.csv"]], ids=str
)
def test_a_folder_a_glob_or_several_files_are_one_call(logs, sources, capsys):
    main(["import", *sources, *MAP, *PATTERN, *CONSTANTS, "--out", "t.parquet"])
    table = vslog.read_table("t.parquet")
    rows = table.filter(env="walker-run").select("utd", "seed", "env_step", "return_").sort("*")
    assert rows.rows() == [
        (utd, seed, step, seed + part)
        for utd in (0.5, 2.0)
        for seed in (0, 1)
        for step, part in ((1000, 0.5), (2000, 0.75))
    ]
    shown = capsys.readouterr().out.splitlines()
    assert "4 runs, 8 seeds, 12 rows" in shown[0]
    assert shown[-1] == "written to t.parquet"


def test_the_preview_says_what_was_read_and_dry_run_writes_nothing(logs, capsys):
    main(["import", "*.csv", *MAP, *PATTERN, *CONSTANTS, "--dry-run"])
    assert capsys.readouterr().out == (
        "*.csv (table): 4 runs, 8 seeds, 12 rows\n"
        "  note: the return is score, the env step is frame\n"
        "  note: columns not used: fps (--columns NAME=fps takes one)\n"
        "\n"
        "task        benchmark  runs  seeds  first step  last step  returns\n"
        "dog-run     dmc           2      4         500        500  -3 to -3\n"
        "walker-run  dmc           2      4       1,000      2,000  0.5 to 1.75\n"
        "\n"
        "algo: sac\n"
        "utd: 0.5, 2\n"
        "batch_size: 256\n"
        "learning_rate: 0.0003\n"
        "critic_params: unknown\n"
        "critic_width: unknown\n"
        "further columns: none\n"
    )
    main(["import", ".", *MAP, *PATTERN, *CONSTANTS, "--dry-run", "--out", "t.parquet"])
    assert sorted(path.suffix for path in logs.iterdir()) == [".csv"] * 4


def test_a_seed_that_two_sources_hold_is_refused_or_left_out(logs, refused, capsys):
    pattern = ["--pattern", r"utd(?P<utd>[0-9.]+)"]
    command = ["import", "*.csv", *MAP, *pattern, *CONSTANTS, "--out", "t.parquet"]
    message = refused(command)
    assert "utd05_s1.csv: same configuration and seed 0 as utd05_s0.csv; leave one out" in message
    main([*command, "--on-error", "skip"])
    assert "2 parts of the source skipped" in capsys.readouterr().out
    assert vslog.read_table("t.parquet").filter(env="walker-run")["return_"].to_list() == [
        *(0.5, 0.75),
        *(0.5, 0.75),
    ]


def test_several_sources_may_be_of_several_formats(logs, capsys):
    np.save("utd8_s0.npy", [1.0, 2.0])
    (logs / "utd8_s1.json").write_text(json.dumps({"xs": [5, 10], "ys": [3, 4]}))
    (logs / "bad.npy").write_bytes(b"")
    command = ["import", "*.npy", "*.json", *PATTERN, *CONSTANTS, "env", "dog-run"]
    main([*command, "--step-every", "5", "--on-error", "skip", "--out", "t.parquet"])
    assert vslog.read_table("t.parquet").select("seed", "env_step", "return_").rows() == [
        (0, 5, 1.0),
        (0, 10, 2.0),
        (1, 5, 3.0),
        (1, 10, 4.0),
    ]
    shown = capsys.readouterr().out
    assert "(arrays, json): 1 runs, 2 seeds, 4 rows" in shown
    assert "bad.npy: nothing to import" in shown


def test_a_mapping_file_on_the_command_line(logs, capsys):
    (logs / "names.tsv").write_text("name\tutd\tseed\nred\t4\t7\n")
    (logs / "red.csv").write_text(TEXT.format(0))
    main(["import", "red.csv", *MAP, *CONSTANTS, "--mapping", "names.tsv", "--out", "t.parquet"])
    assert vslog.read_table("t.parquet").select("utd", "seed").unique().rows() == [(4.0, 7)]


def test_the_list_has_an_example_of_every_format(capsys):
    main(["import", "--list"])
    shown = capsys.readouterr().out
    for importer in vslog.IMPORTERS:
        assert f"{importer.name:16} {importer.source}\n{'':16} vs-analyze import " in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dry-run"], "no source is given; vs-analyze import --list shows the formats"),
        (["a.csv"], "give --out FILE.parquet, or --dry-run to look only"),
        (["*.h5", "--dry-run"], "*.h5: no file matches this pattern"),
        (["a.csv", "--dry-run", "--columns", "step"], "--columns step: expected NAME=COLUMN"),
        (["a.csv", "--dry-run", "--columns", "=x"], "--columns =x: expected NAME=COLUMN"),
        (["a.h5", "b.h5", "--dry-run", "--on-error", "skip"], "a.h5 b.h5: nothing to import"),
    ],
)
def test_bad_commands_are_refused(arguments, message, tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    assert message in refused(["import", *arguments])


# Frames


class Pandas:
    """A stand-in with what is used of a pandas DataFrame: columns, items as lists, to_dict."""

    def __init__(self, frame):
        self._frame, self.columns = frame, frame.columns

    def __getitem__(self, name):
        return self._frame[name]

    def to_dict(self):
        raise AssertionError("a table of a million rows is not turned into dictionaries")


@pytest.mark.parametrize("kind", [pl.DataFrame, pl.DataFrame.lazy, Pandas])
def test_a_frame_is_read_by_a_column_map(kind):
    frame = pl.DataFrame({
        "task": ["walker-run"] * 4,
        "frame": [1000, 2000, 1000, 2000],
        "score": [100.5, 200.5, 300.5, float("nan")],
        "seed": ["seed_0", "seed_0", "seed_1", "seed_1"],
        "ratio": [2] * 4,
    })  # fmt: skip
    table, report = read_curves(
        kind(frame),
        columns={"env": "task", "step": "frame", "value": "score", "utd": "ratio"},
        constants={"algo": "sac", "batch_size": 256, "learning_rate": 3e-4, "critic_params": 10},
    )
    assert table.select("utd", "seed", "env_step", "return_").rows()[:3] == [
        (2.0, 0, 1000, 100.5),
        (2.0, 0, 2000, 200.5),
        (2.0, 1, 1000, 300.5),
    ]
    assert (report.grammar, report.runs, report.seeds) == ("frame", 1, 2)
    (run,) = load_runs(table, Settings(), source="frame")
    assert run.env == "walker-run"


def test_a_frame_that_is_none_or_lacks_a_column_is_refused():
    with pytest.raises(
        AnalysisError, match="frame: expected a polars or pandas DataFrame, got list"
    ):
        read_curves([1, 2])
    with pytest.raises(vslog.RunTableError, match="frame: no column is known to be the step"):
        read_curves(pl.DataFrame({"x": [1]}))
