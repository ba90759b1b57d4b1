"""Writing, killing, resuming and reading back."""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import polars as pl
import pytest
from vs_logging import (
    SCHEMA,
    RunTableError,
    RunWriter,
    benchmark_name,
    consolidate,
    read_metadata,
    read_table,
    run_id,
    scan,
    write_table,
)

CONFIG = {
    "algo": "sac",
    "benchmark": "dmc",
    "env": "cheetah-run",
    "utd": 2,
    "batch_size": 128,
    "learning_rate": 3e-4,
    "critic_params": 1000,
    "critic_width": 64,
    "tau": 0.005,
}


def test_round_trip_while_running_and_after(tmp_path):
    with RunWriter(tmp_path, CONFIG, metadata={"versions": {"x": "1"}, "seeds": [0, 1]}) as writer:
        assert writer.run == run_id(CONFIG)
        assert writer.folder == tmp_path / writer.run
        writer.write(seed=0, env_step=1000, return_=1.5, critic_loss=float("inf"))
        writer.write(seed=1, env_step=1000, return_=float("nan"))
        live = scan(tmp_path).collect()
        assert read_metadata(tmp_path)["state"].to_list() == ["running"]
        writer.write(seed=0, env_step=2000, return_=None, grad_norm=2.0)
    table = read_table(tmp_path)
    assert table.columns == [*SCHEMA, "critic_loss", "grad_norm"]
    assert live.equals(table.head(2).drop("grad_norm"), null_equal=True)
    assert table["run"].unique().to_list() == [run_id(CONFIG)]
    assert table["utd"].to_list() == [2.0] * 3
    assert table["return_"].is_nan().to_list() == [False, True, None]
    assert table["critic_loss"].to_list() == [float("inf"), None, None]
    assert sorted(p.name for p in writer.folder.iterdir()) == ["rows.parquet", "run.json"]
    row = read_metadata(tmp_path).row(0, named=True)
    assert row["state"] == "finished"
    assert row["error"] is None
    assert row["wall_seconds"] >= 0
    assert (row["versions.x"], row["tau"], row["seeds"]) == ("1", 0.005, "[0, 1]")


def test_an_exception_marks_the_run_failed_and_keeps_its_rows(tmp_path):
    writer = RunWriter(tmp_path, CONFIG, metadata={})
    writer.write(seed=0, env_step=1, return_=1.0)
    with pytest.raises(KeyError), writer:
        raise KeyError("boom")
    assert read_metadata(tmp_path).select("state", "error").row(0) == ("failed", "KeyError: 'boom'")
    assert read_table(tmp_path).height == 1
    with pytest.raises(RunTableError, match="the writer is closed"):
        writer.write(seed=0, env_step=2, return_=1.0)


def test_kill_9_loses_no_written_row_and_the_run_resumes(tmp_path):
    code = (
        "import sys, time\nfrom vs_logging import RunWriter\n"
        f"w = RunWriter(sys.argv[1], {CONFIG!r}, metadata={{}})\n"
        "for i in range(10_000):\n"
        "    w.write(seed=0, env_step=i, return_=float(i)); print(i, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(200):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read()
    process.stdout.close()
    process.wait()
    printed = 200 + rest.count(b"\n")

    table = read_table(tmp_path)
    assert printed <= table.height <= printed + 1
    assert table["return_"].to_list() == [float(i) for i in range(table.height)]
    assert read_metadata(tmp_path)["state"].item() == "running"

    with pytest.raises(RunTableError, match=r"already holds .* rows; give resume_at"):
        RunWriter(tmp_path, CONFIG, metadata={})
    with RunWriter(tmp_path, CONFIG, metadata={}, resume_at=99) as writer:
        assert read_table(tmp_path).height == 100
        writer.write(seed=0, env_step=100, return_=-1.0)
    assert read_table(tmp_path)["return_"].to_list() == [*map(float, range(100)), -1.0]


def test_resuming_a_finished_run_keeps_its_diagnostics_and_time(tmp_path):
    with RunWriter(tmp_path, CONFIG, metadata={}) as writer:
        writer.write(seed=0, env_step=1, return_=None, critic_loss=0.5)
        writer.write(seed=1, env_step=1, return_=2.0)
        time.sleep(0.05)
    with RunWriter(tmp_path, CONFIG, metadata={}, resume_at=5) as writer:
        assert not (writer.folder / "rows.parquet").exists()
        with pytest.raises(RunTableError, match="seed 1, env_step 1: this evaluation is already"):
            writer.write(seed=1, env_step=1, return_=2.0)
        writer.write(seed=0, env_step=6, return_=3.0)
    table = read_table(tmp_path)
    assert table["critic_loss"].to_list() == [0.5, None, None]
    assert table["return_"].to_list() == [None, 2.0, 3.0]
    assert read_metadata(tmp_path)["wall_seconds"].item() >= 0.05


def test_a_row_in_flight_is_not_seen_and_a_crash_in_close_loses_nothing(tmp_path):
    writer = RunWriter(tmp_path, CONFIG, metadata={})
    writer.write(seed=0, env_step=1, return_=1.0)
    with (writer.folder / "rows.jsonl").open("a") as file:
        file.write('{"seed": 0, "env_st')
    assert read_table(tmp_path).height == 1
    (writer.folder / "rows.parquet").write_bytes(b"half")  # not whole: rows.jsonl outranks it
    assert read_table(tmp_path).height == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"utd": 0.0}, "column utd is 0.0; expected a finite number above 0"),
        ({"batch_size": 0}, "column batch_size is 0"),
        ({"learning_rate": "fast"}, "config: a value has the wrong type"),
        ({"env": None}, "column env is null"),
    ],
)
def test_a_bad_configuration_leaves_nothing_behind(tmp_path, change, message):
    with pytest.raises(RunTableError, match=message):
        RunWriter(tmp_path / "root", CONFIG | change, metadata={})
    assert not (tmp_path / "root").exists()


def test_missing_configuration_and_bad_rows(tmp_path):
    with pytest.raises(RunTableError, match="config: missing algo, env"):
        RunWriter(
            tmp_path, {k: v for k, v in CONFIG.items() if k not in ("env", "algo")}, metadata={}
        )
    with RunWriter(tmp_path, CONFIG, metadata={}) as writer:
        with pytest.raises(RunTableError, match="env_step must be at least 0"):
            writer.write(seed=0, env_step=-1, return_=0.0)
        with pytest.raises(RunTableError, match="return_ is inf"):
            writer.write(seed=0, env_step=1, return_=float("inf"))
        with pytest.raises(RunTableError, match="diagnostic utd has the name of a table column"):
            writer.write(seed=0, env_step=1, return_=0.0, utd=3.0)
    with pytest.raises(RunTableError, match="no run table found"):
        scan(tmp_path)  # the run ended without a row


def sweep(root, n):
    for i in range(n):
        with RunWriter(root, CONFIG | {"batch_size": i + 1}, metadata={"cell": i}) as writer:
            extra: Any = {"critic_loss": 1.0} if i % 2 else {}
            for step in range(5):
                writer.write(seed=0, env_step=step, return_=float(i), **extra)


def test_consolidated_file_reads_as_the_folder_does(tmp_path):
    sweep(tmp_path / "sweep", 6)
    sidecar = consolidate(tmp_path / "sweep", tmp_path / "out" / "runs.parquet")
    assert sorted(p.name for p in sidecar.parent.iterdir()) == [
        "runs.metadata.json",
        "runs.parquet",
    ]
    whole = read_table(tmp_path / "out" / "runs.parquet")
    keys = ["run", "seed", "env_step"]
    assert whole.sort(keys).equals(read_table(tmp_path / "sweep").sort(keys), null_equal=True)
    for place in ("sweep", "out", "out/runs.parquet"):
        metadata = read_metadata(tmp_path / place)
        assert sorted(metadata["cell"]) == list(range(6))
    few = scan([tmp_path / "out"]).filter(pl.col("batch_size") == 2).select("return_").collect()
    assert few["return_"].to_list() == [1.0] * 5
    with pytest.raises(RunTableError, match=r"is in .*runs.parquet and in .*sweep"):
        read_table([tmp_path / "sweep", tmp_path / "out"])
    (tmp_path / "out" / "runs.metadata.json").unlink()
    assert read_metadata(tmp_path / "out" / "runs.parquet").is_empty()


def test_a_bad_table_leaves_no_file(tmp_path):
    sweep(tmp_path / "sweep", 2)
    table = read_table(tmp_path / "sweep")
    write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").equals(table, null_equal=True)
    with pytest.raises(RunTableError, match=r"bad.parquet: row 1, column utd is -1.0"):
        write_table(table.with_columns(utd=pl.lit(-1.0)), tmp_path / "bad.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep", "t.parquet"]


def test_bad_files_are_named(tmp_path):
    with pytest.raises(RunTableError, match=r"nowhere: no such file"):
        scan(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunTableError, match=r"empty: no run table found"):
        scan(tmp_path / "empty")
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1 not really")
    with pytest.raises(RunTableError, match=r"bad.parquet: not a readable Parquet file"):
        scan(bad)
    pl.DataFrame({"run": ["a"], "utd": ["1"]}).write_parquet(bad)
    with pytest.raises(RunTableError, match=r"bad.parquet: missing columns algo"):
        scan(bad)
    sweep(tmp_path / "sweep", 1)
    next((tmp_path / "sweep").rglob("run.json")).write_text("{")
    with pytest.raises(RunTableError, match=r"run.json: not readable as JSON"):
        read_metadata(tmp_path / "sweep")
    with pytest.raises(RunTableError, match=r"expected a name that ends in .parquet"):
        consolidate(tmp_path / "sweep", tmp_path / "x.csv")


def test_two_thousand_runs_open_in_seconds(tmp_path):
    sweep(tmp_path, 1)
    folder = next(tmp_path.iterdir())
    document = json.loads((folder / "run.json").read_text())
    table = pl.read_parquet(folder / "rows.parquet")
    for i in range(2000):
        copy = tmp_path / f"{i:04d}"
        copy.mkdir()
        (copy / "run.json").write_text(json.dumps(document | {"run": f"r{i}"}))
        table.with_columns(run=pl.lit(f"r{i}")).write_parquet(copy / "rows.parquet")
    start = time.perf_counter()
    lazy = scan(tmp_path)
    opened = time.perf_counter()
    assert lazy.select(pl.col("run").n_unique()).collect().item() == 2001
    read = time.perf_counter()
    assert read_metadata(tmp_path).height == 2001
    print(f"open {opened - start:.2f} s, read {read - opened:.2f} s")
    assert read - start < 10


def test_the_optimal_return_of_the_metadata_is_a_column_and_no_part_of_the_id(tmp_path):
    facts = {"optimal_return": 700.0}
    with RunWriter(tmp_path, CONFIG, metadata=facts) as writer:
        assert writer.run == run_id(CONFIG)
        writer.write(seed=0, env_step=1, return_=1.0)
        live = read_table(tmp_path)
        assert live["optimal_return"].to_list() == [700.0]
    assert read_table(tmp_path).equals(live)
    assert read_metadata(tmp_path)["optimal_return"].item() == 700.0
    with RunWriter(tmp_path, CONFIG, metadata=facts, resume_at=1) as writer:
        writer.write(seed=0, env_step=2, return_=1.0)
    assert read_table(tmp_path)["optimal_return"].to_list() == [700.0, 700.0]
    consolidate(tmp_path, tmp_path / "all.parquet")
    assert read_table(tmp_path / "all.parquet")["optimal_return"].to_list() == [700.0, 700.0]
    with pytest.raises(RunTableError, match="column optimal_return is inf; expected a finite"):
        RunWriter(tmp_path / "x", CONFIG, metadata={"optimal_return": float("inf")})
    with pytest.raises(RunTableError, match="config: a value has the wrong type"):
        RunWriter(tmp_path / "x", CONFIG, metadata={"optimal_return": "high"})


def test_facts_of_the_metadata_are_columns(tmp_path):
    facts = {"optimal_return": 700.0, "action_repeat": 2, "reset_every": 2_500_000}
    with RunWriter(tmp_path, CONFIG, metadata=facts | {"device": "cpu"}) as writer:
        writer.write(seed=0, env_step=1, return_=1.0)
    (row,) = read_table(tmp_path).to_dicts()
    assert {name: row[name] for name in facts} == facts
    assert "device" not in row
    with pytest.raises(RunTableError, match="column reset_every is 0; expected a positive integer"):
        RunWriter(tmp_path / "x", CONFIG, metadata={"reset_every": 0})


def test_folders_that_do_not_know_the_optimal_return_are_read_beside_those_that_do(tmp_path):
    for seed, facts in enumerate(({}, {"optimal_return": 5.0}, {"optimal_return": 6.0})):
        with RunWriter(tmp_path / str(seed), CONFIG, metadata=facts) as writer:
            writer.write(seed=seed, env_step=1, return_=1.0)
    table = read_table([tmp_path / "0", tmp_path / "1"])
    assert sorted(table["optimal_return"], key=str) == [5.0, None]
    with pytest.raises(
        RunTableError, match=r"has optimal_return 5.0 in one row and 6.0 in another"
    ):
        read_table(tmp_path)


def test_hbench_is_humanoid_bench_in_every_table(tmp_path):
    old = CONFIG | {"benchmark": "hbench", "env": "h1-walk-v0"}
    with RunWriter(tmp_path / "sweep", old, metadata={}) as writer:
        assert writer.run == run_id(old)  # as it was before the name changed
        writer.write(seed=0, env_step=1, return_=1.0)
        live = scan(tmp_path / "sweep").collect()
    finished = pl.read_parquet(writer.folder / "rows.parquet")
    earlier = tmp_path / "earlier.parquet"
    finished.with_columns(benchmark=pl.lit("hbench")).write_parquet(earlier)
    tables = (live, finished, read_table(tmp_path / "sweep"), read_table(earlier))
    assert [table["benchmark"].to_list() for table in tables] == [["humanoid_bench"]] * 4
    assert read_metadata(tmp_path / "sweep")["benchmark"].item() == "humanoid_bench"
    assert benchmark_name("hbench") == "humanoid_bench"
    assert benchmark_name("dmc") == "dmc"


def test_facts_and_success_become_columns(tmp_path):
    with RunWriter(tmp_path, CONFIG, metadata={"action_repeat": 2}) as writer:
        writer.write(seed=0, env_step=2, return_=1.0)
        writer.write(seed=0, env_step=4, return_=9.0, stopped_on_success=True)
    table = scan(tmp_path).collect()
    assert table["action_repeat"].to_list() == [2, 2]
    assert table["stopped_on_success"].to_list() == [None, True]
