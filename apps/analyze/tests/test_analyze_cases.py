"""The shared cases of other people's curves, each by one command; right values are their READMEs'."""

import csv
import json
import runpy
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import tyro
import vs_logging as vslog
from vs_analyze import Settings, load_runs
from vs_analyze.cli import main
from vs_analyze.importing import Import

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"
CONSTANTS = ("--constants", "algo", "sac", "batch_size", "256", "learning_rate", "3e-4",
             "critic_params", "100000")  # fmt: skip
UTD = ("--pattern", "utd(?P<utd>[0-9.]+)")
GRID = ("--pattern", "utd(?P<utd>[0-9]+)_bs(?P<batch_size>[0-9]+)", "--constants", "algo", "sac",
        "learning_rate", "3e-4", "critic_params", "100000")  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One input: its folder, file and flags, the right curves, a sentence of the report.

    Attributes:
        curves: (env, seed) → number of rows, first and last step, last return.
    """

    folder: str
    curves: dict[tuple[str, int], tuple[int, int, int, float]]
    flags: tuple[str, ...] = ()
    says: str = ""
    file: str = "curves.csv"
    settings: tuple[str, ...] = (*UTD, *CONSTANTS)


def seeds(*ends, env="walker-walk"):
    return {(env, seed): end for seed, end in enumerate(ends)}


ALL = [
    Case(
        "03-step0-logged-twice",
        seeds(*((11, 0, 50000, 730.012 + seed) for seed in range(3))),
        ("--repeats", "last"),
        "3 rows left out",
    ),
    Case(
        "04-restarted-run-appended",
        seeds((10, 5000, 50000, 737.012)),
        ("--repeats", "restart"),
        "3 rows of earlier attempts left out",
    ),
    Case(
        "05-resumed-with-overlap",
        seeds((10, 5000, 50000, 737.012)),
        says="2 rows of resumed runs that were logged again later left out",
    ),
    Case(
        "31-seed-in-the-name-only",
        seeds((10, 5000, 50000, 730.012), (9, 5100, 45100, 700.851), (9, 5200, 45200, 702.517)),
        says="1 runs, 3 seeds, 28 rows",
        settings=("--pattern", "utd(?P<utd>[0-9.]+)_s(?P<seed>[0-9]+)", *CONSTANTS),
    ),
    Case(
        "06-diagnostic-blocks-returns",
        seeds((10, 5000, 50000, 730.012), (10, 5000, 50000, 731.012), (10, 5000, 50000, 739.012)),
        says="1 curves of avg_success left out",
    ),
    Case(
        "15-inf-in-a-diagnostic",
        seeds((10, 5000, 50000, 730.012), (10, 5000, 50000, 731.012)),
        says="1 values of critic_loss that are infinite or no number left out",
    ),
    Case(
        "16-fractional-steps",
        seeds((7, 7143, 50000, 730.012), (7, 7143, 50000, 731.012))
        | seeds((10, 5000, 50000, 730.012), (10, 5000, 50000, 731.012), env="cheetah-run"),
        says="12 steps that are no whole numbers rounded",
    ),
    *(
        Case(
            "18-cut-last-line",
            seeds((10, 5000, 50000, 730.012), (9, 5000, 45000, 700.183)),
            says="1 last line left out",
            file=f"cut_in_{where}.csv",
        )
        for where in ("step", "value")
    ),
    Case(
        "18-cut-last-line",
        seeds((10, 5000, 50000, 730.012), (10, 5000, 50000, 731.012)),
        says="1 blank lines passed over",
        file="blank_line.csv",
    ),
    Case(
        "19-macos-files-in-zip",
        seeds(*[(4, 25000, 100000, 40.0)] * 3, env="push-v2-goal-observable")
        | seeds(*[(4, 25000, 100000, 40.0)] * 3, env="reach-v2-goal-observable"),
        says="2 runs, 6 seeds, 24 rows",
        file="ablations.zip",
        settings=(),
    ),
]


@pytest.fixture
def read(tmp_path, capsys):
    """Import a file by the command, and return the table and what was printed."""

    def imported(source, *flags):
        out = tmp_path / "runs.parquet"
        main(["import", str(source), "--out", str(out), *flags])
        return vslog.read_table(out), capsys.readouterr().out

    return imported


def case(folder):
    if not (CASES / folder).exists():
        pytest.skip(f"the case {folder} is not beside the checkout")
    return CASES / folder


@pytest.mark.parametrize("one", ALL, ids=[f"{one.folder}-{one.file}" for one in ALL])
def test_curves(one, read):
    table, printed = read(case(one.folder) / one.file, *one.settings, *one.flags)
    assert one.says in printed
    found = table.group_by("env", "seed", maintain_order=True).agg(
        pl.len(),
        first=pl.col("env_step").min(),
        last=pl.col("env_step").max(),
        end=pl.col("return_").sort_by("env_step").last(),
    )
    assert {row[:2]: row[2:] for row in found.rows()} == one.curves


@pytest.mark.parametrize("name", ["03-step0-logged-twice", "04-restarted-run-appended"])
def test_the_ambiguous_is_refused_by_default(name, tmp_path, refused):
    source = str(case(name) / "curves.csv")
    message = refused(["import", source, "--out", str(tmp_path / "a.parquet"), *UTD, *CONSTANTS])
    step = {"03": 0, "04": 5000}[name[:2]]
    assert f"walker-walk, seed 0: return: env_step {step} has 2 different values" in message
    assert "--repeats" in message


def test_case_05_keeps_what_came_last_within_the_curve(read):
    table, _ = read(case("05-resumed-with-overlap") / "curves.csv", *UTD, *CONSTANTS)
    at = dict(table.select("env_step", "return_").rows())
    assert (at[20000], at[25000]) == (437.925, pytest.approx(515.862))


def test_case_13_action_repeat_halves_the_compute(tmp_path, read, capsys):
    source = case("13-action-repeat-compute") / "curves.csv"
    compute = []
    for flags in ((), ("--action-repeat", "2")):
        table, _ = read(source, *GRID, *flags)
        vslog.write_table(table, tmp_path / "t.parquet")
        laws = str(tmp_path / "laws.json")
        main(["fit", str(tmp_path / "t.parquet"), "--levels", "400", "600", "800",
              "--bootstraps", "3", "--out", laws])  # fmt: skip
        capsys.readouterr()
        main(["recommend", laws, "--level", "800", "--json"])
        answer = json.loads(capsys.readouterr().out)
        compute.append(answer["compute"]["value"] / answer["data"]["value"])
    assert compute[1] == pytest.approx(compute[0] / 2, rel=1e-6)


def test_case_08_tasks_of_other_benchmarks(read):
    table, _ = read(case("08-guessed-dmc") / "curves.csv", *UTD, *CONSTANTS)
    assert table["benchmark"].unique().to_list() == ["unknown"]


def test_case_09_reach_counts_in_twelve_thousands(read):
    table, _ = read(case("09-h1-reach-over-1000") / "curves.csv", *GRID)
    runs = load_runs(table, Settings(), source="table")
    assert {run.optimal_return for run in runs} == {12000.0}
    (run,) = (run for run in runs if (run.utd, run.batch_size) == (1, 256))
    steps = [step for step, value in zip(run.steps, run.mean(), strict=True) if value >= 800]
    assert steps[0] == 110000


def test_case_10_spellings(read):
    path = case("10-spellings-of-one-task") / "curves.csv"
    with path.open() as file:
        written = dict.fromkeys(row["env_name"] for row in csv.DictReader(file))
    table, _ = read(path, *UTD, *CONSTANTS)
    found = dict(table.select("env", "benchmark").rows())
    assert list(found) == list(written)
    assert found == {
        "dmc/walker-walk": "dmc",
        "gym/HalfCheetah-v4": "gym",
        "hbench/h1-walk-v0": "humanoid_bench",
        "walker_walk": "dmc",
        "HalfCheetah_v4": "gym",
        "h1_walk_v0": "humanoid_bench",
        "dmc_walker_walk": "dmc",
        "Dmc-walker-walk": "dmc",
        "Gym-HalfCheetah-v4": "gym",
        "dm_control/walker-walk-v0": "dmc",
        "cup_catch": "dmc",
        "finger-turn-easy": "dmc",
    }
    scales = {run.env: run.optimal_return for run in load_runs(table, Settings(), source="table")}
    assert {env: scales[env] for env in ("Gym-HalfCheetah-v4", "h1_walk_v0", "cup_catch")} == {
        "Gym-HalfCheetah-v4": 8500,
        "h1_walk_v0": 700,
        "cup_catch": 1000,
    }


def test_case_12_tables_of_our_own_trainer(tmp_path, monkeypatch):
    script = case("12-own-tables-do-not-meet") / "make.py"
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script))
    found = {
        run.env: (run.benchmark, run.optimal_return)
        for name in ("hbench", "hopper", "cheetah5")
        for run in load_runs(vslog.scan(f"{name}.parquet"), Settings(), source=name)
    }
    assert found == {
        "h1-walk-v0": ("humanoid_bench", 700),
        "Hopper-v4": ("gym", 3800),
        "HalfCheetah-v5": ("gym", 8500),
    }


def test_flags_of_the_trackers_reach_the_importer():
    flags = ["wandb:me/p", "--out", "a.parquet", "--return-key", "charts/episodic_return",
             "--step-key", "global_step", "--config-file", "params.json",
             "--filters", '{"state": "finished"}', "--tags", "a", "b",
             "--diagnostics", "critic_loss", "losses/qf"]  # fmt: skip
    options = tyro.cli(Import, args=flags).options()
    assert (options.step_key, options.config_file) == ("global_step", "params.json")
    assert (options.filters, options.tags) == ({"state": "finished"}, ("a", "b"))
    assert options.diagnostics == {"critic_loss": "losses/qf"}


@pytest.mark.parametrize(("text", "reason"), [("{", "is not JSON"), ("[]", "is no JSON object")])
def test_filters_that_are_no_query(text, reason, refused):
    message = refused(["import", "wandb:me/p", "--out", "a.parquet", "--filters", text])
    assert f"--filters {text!r} {reason}" in message
