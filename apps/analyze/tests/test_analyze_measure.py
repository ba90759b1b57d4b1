"""From curves to env steps: resets, spacing, seeds that ended."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import vs_logging as vslog
from vs_analyze.analysis import analyze
from vs_analyze.cli import main
from vs_analyze.measure import crossing_notes, measure, only_cells
from vs_analyze.runs import AnalysisError, load_runs
from vs_analyze.settings import Settings, published_dmc

RNG = np.random.default_rng
SETTINGS = Settings(optimal_returns={"walker-run": 1000.0})


def curves(returns, steps, **columns) -> pl.DataFrame:
    """One run of walker-run at UTD 2 from an array (T, S); NaN stays in."""
    values = np.asarray(returns, float)
    seeds = values.shape[1]
    return pl.DataFrame(
        {
            "run": "a", "algo": "bro", "benchmark": "dmc", "env": "walker-run", "utd": 2.0,
            "batch_size": 128, "learning_rate": 3e-4, "critic_params": 1_000_000,
            "critic_width": 512, "seed": np.tile(np.arange(seeds), len(values)),
            "env_step": np.repeat(np.asarray(steps, int), seeds), "return_": values.ravel(),
        }
        | columns
    )  # fmt: skip


DIP = np.repeat([[100.0], [500], [700], [10], [400], [720], [800]], 3, axis=1)
STEPS = np.arange(1, 8) * 100


@pytest.mark.parametrize(
    ("columns", "reset_every", "resets"),
    [
        ({}, None, []),
        ({}, 600, [300, 600]),
        ({"reset_every": 600}, None, [300, 600]),
        ({"reset_every": 600}, 0, []),
        ({"reset_every": 100}, 600, [300, 600]),
        ({"reset_every": None}, None, []),
        ({"action_repeat": 2, "reset_every": 300}, None, [300, 600]),  # one update per env step
        # 50 steps of warm-up: 100 updates at the first evaluation, 1300 at the last
        ({"reset_every": 600, "updates": np.repeat(STEPS * 2.0 - 100, 3)}, None, [350, 650]),
        # 250 of warm-up, two evaluations within it
        (
            {"reset_every": 600, "updates": np.repeat(np.maximum(STEPS * 2.0 - 500, 0), 3)},
            None,
            [550],
        ),
        (
            {"reset_every": 150, "updates": np.repeat(np.maximum(STEPS * 2.0 - 500, 0), 3)},
            None,
            [325, 400, 475, 550, 625, 700],
        ),
        (
            {"reset_every": 50, "updates": np.repeat([0.0, 0, 100, 200, 300, 400, 500], 3)},
            None,
            list(range(250, 701, 50)),
        ),
        ({"reset_every": 600, "updates": np.nan}, None, [300, 600]),
    ],
)
def test_env_steps_of_resets(columns, reset_every, resets):
    table = curves(DIP, STEPS, **columns)
    (run,) = load_runs(table, replace(SETTINGS, reset_every=reset_every), source="t")
    assert run.resets.tolist() == resets


def test_the_dip_after_a_reset_is_left_out():
    (whole,) = load_runs(curves(DIP, STEPS), SETTINGS, source="t")
    (run,) = load_runs(curves(DIP, STEPS, reset_every=600), SETTINGS, source="t")
    assert whole.crossings([600.0]).step == 600
    assert run.crossings([600.0]).step == 300
    assert run.fit().tolist() == [100, 500, 700, 700, 700, 720, 800]
    found = run.crossings([710.0])
    assert (found.step, found.spacing) == (600, 300)  # the evaluations of the dip do not count


def test_reset_every_on_the_command_line(small, tmp_path, capsys):
    vslog.write_table(small, tmp_path / "small.parquet")
    out = tmp_path / "laws.json"
    arguments = ["fit", str(tmp_path / "small.parquet"), "--bootstraps", "5", "--out", str(out)]
    main([*arguments, "--reset-every", "150000"])
    assert "12 of 16 runs were reset; the dips after their resets are left out" in (
        capsys.readouterr().out
    )
    assert json.loads(out.read_text(encoding="utf-8"))["settings"]["reset_every"] == 150_000
    main([*arguments, "--preset", "published-dmc"])
    assert json.loads(out.read_text(encoding="utf-8"))["settings"]["delta"] == 1e10
    main([*arguments, "--preset", "published2", "--axes", "utd"])
    assert json.loads(out.read_text(encoding="utf-8"))["settings"]["reset_every"] == 2.5e6
    with pytest.raises(ValueError, match="reset_every must not be negative, got -1"):
        Settings(reset_every=-1)


NAN = float("nan")
CLIMB = np.arange(1, 9) * 100.0


def seeds(*columns):
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(
    ("ends", "failed"),
    [
        ((8, 8, 8), [False, False, False]),
        ((8, 3, 8), [False, True, False]),
        ((8, 7, 8), [False, True, False]),  # one evaluation is enough
        ((8, 0, 8), [False, True, False]),  # no number at all
        ((3, 3, 3), [True, True, True]),  # five rows without a number: they were run
        ((7, 7, 7), [False, False, False]),  # one such row: not evaluated there
        ((0, 0, 0), [True, True, True]),
    ],
)
def test_seeds_that_failed(ends, failed):
    columns = [np.where(np.arange(8) < end, CLIMB + j, NAN) for j, end in enumerate(ends)]
    (run,) = load_runs(curves(seeds(*columns), CLIMB), SETTINGS, source="t")
    assert run.failed.tolist() == failed
    rows = curves(seeds(*columns), CLIMB, stopped_on_success=True)
    (run,) = load_runs(rows, SETTINGS, source="t")
    assert run.failed.tolist() == [end == 0 for end in ends]  # who stopped on success did not fail


def test_a_seed_without_rows_failed_and_one_at_other_steps_did_not():
    table = curves(seeds(CLIMB, CLIMB + 1), CLIMB)
    late = pl.when(pl.col("seed") == 1).then(pl.col("env_step") - 50).otherwise("env_step")
    (run,) = load_runs(table.with_columns(env_step=late), SETTINGS, source="t")
    assert run.failed.tolist() == [False, False]
    short = table.filter((pl.col("seed") == 0) | (pl.col("env_step") <= 500))
    (run,) = load_runs(short, SETTINGS, source="t")
    assert run.failed.tolist() == [False, True]
    (cell,) = measure([run], {"walker-run": (450.0, 700.0)}, bootstraps=200, rng=RNG(0))
    # the mean at 800 is (800 + 501)/2
    np.testing.assert_array_equal(cell.data, [500, np.inf])
    np.testing.assert_array_equal(cell.last_step, [800, 800])
    np.testing.assert_array_equal(cell.seeds, [2, 1])
    assert 0.15 < np.isfinite(cell.draws[:, 1]).mean() < 0.35  # both draws the one that lived


def test_a_cell_knows_its_seeds_and_its_spacing():
    values = seeds(CLIMB, CLIMB, CLIMB - 90, CLIMB + 45)
    (run,) = load_runs(curves(values, CLIMB), SETTINGS, source="t")
    levels = {"walker-run": (50.0, 250.0, 745.0, 900.0)}
    (cell,) = measure([run], levels, bootstraps=50, rng=RNG(0))
    assert (cell.begun, cell.distinct, run.returns.shape[1]) == (4, 3, 3)
    np.testing.assert_array_equal(cell.spacing, [100, 100, 100, NAN])
    whole = replace(SETTINGS, drop_duplicate_seeds=False)
    (run,) = load_runs(curves(values, CLIMB), whole, source="t")
    (cell,) = measure([run], levels, bootstraps=2, rng=RNG(0))
    assert (cell.begun, cell.distinct, run.returns.shape[1]) == (4, 3, 4)


def test_crossings_that_few_seeds_speak_for_are_named():
    columns = [np.where(np.arange(8) < 2, CLIMB, NAN) + j for j in range(3)]
    (run,) = load_runs(curves(seeds(CLIMB * 3, *columns), CLIMB), SETTINGS, source="t")
    levels = {"walker-run": (250.0, 600.0)}
    cells = measure([run], levels, bootstraps=2, rng=RNG(0))
    assert crossing_notes(cells, levels) == [
        "1 crossings rest on fewer than half of their run's seeds, the others having ended below the "
        f"level: on 1 of 4 at {run.label}, level 600"
    ]
    assert crossing_notes(cells, {"walker-run": (250.0,)}) == []


CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"
LEVELS = (400.0, 600.0, 800.0)


def imported(name: str, pattern: str, **constants: str):
    path = CASES / name / "curves.csv"
    if not path.exists():
        pytest.skip(f"shared/cases/{name} is not next to this checkout")
    options = vslog.ImportOptions(
        pattern=pattern, constants={"algo": "sac", "critic_params": "100000", **constants}
    )
    return vslog.import_csv(path, options).table


def studied(table):
    return analyze(load_runs(table, Settings(), source="t"), Settings(levels=LEVELS, bootstraps=20))


def test_survivors_do_not_speak_for_all():
    table = imported(
        "01-survivors-nan", r"utd(?P<utd>[0-9]+)_bs(?P<batch_size>[0-9]+)", learning_rate="3e-4"
    )
    study = studied(table)
    assert table.filter(pl.col("return_").is_nan()).height == 456
    for cell in study.cells:
        assert (cell.begun, cell.distinct) == (5, 5)
        assert np.isfinite(cell.data[2]) == (cell.utd < 8)
        if cell.utd == 8:
            assert (cell.seeds[2], cell.last_step[2], cell.run.failed.sum()) == (1, 400_000, 4)
    assert any("12 seeds in 3 of 12 runs ended early" in note for note in study.notes)
    assert any("fewer than half of their run's seeds" in note for note in study.notes)


def test_a_rate_that_diverged_is_censored_and_the_others_are_fitted():
    table = imported(
        "32-a-rate-that-diverged",
        r"utd(?P<utd>[0-9]+)_bs(?P<batch_size>[0-9]+)_lr(?P<learning_rate>[0-9.e-]+)",
    )
    study = studied(table)
    reached = [cell for cell in study.cells if np.isfinite(cell.data[2])]
    (diverged,) = [cell for cell in study.cells if cell not in reached]
    assert len(reached) == 11
    assert (diverged.utd, diverged.run.learning_rate) == (8, 0.01)
    assert np.isinf(diverged.data).all()
    assert np.isinf(diverged.draws).all()
    assert study.task().learning_rate.values == pytest.approx([1e-3] * 4)
    for utd in (1.0, 2.0, 4.0, 8.0):
        own = [cell for cell in study.cells if cell.utd == utd]
        assert min(own, key=lambda cell: cell.data[2]).run.learning_rate == 1e-3
    assert any(f"3 of 3 at {diverged.run.label}" in note for note in study.notes)


def test_of_configurations_around_the_best_the_middle_one_is_taken():
    around = [(128, 3e-4), (64, 3e-4), (256, 3e-4), (128, 1.5e-4), (128, 6e-4)]
    tables = [curves(DIP, STEPS, run=f"{b} {r}", batch_size=b, learning_rate=r) for b, r in around]
    runs = load_runs(pl.concat(tables), SETTINGS, source="t")
    cells = measure(runs, {"walker-run": (450.0,)}, bootstraps=2, rng=RNG(0))
    (chosen,) = only_cells(cells, ("sigma",))["walker-run"]
    assert (chosen.run.batch_size, chosen.run.learning_rate) == (128, 3e-4)
    with pytest.raises(AnalysisError, match="several configurations at utd 2"):
        only_cells(cells[:2], ("sigma",))
    corners = [cell for cell in cells if cell is not chosen]
    with pytest.raises(AnalysisError, match="median batch size and learning rate"):
        only_cells(corners, ("sigma",))


def test_paper_1_on_dmc():
    settings = published_dmc()
    assert (settings.levels[0], settings.levels[-1], len(settings.levels)) == (200, 800, 10)
    gaps = np.diff(settings.levels)
    np.testing.assert_allclose(gaps[1:] / gaps[:-1], gaps[1] / gaps[0], rtol=1e-5)
    assert (settings.delta, settings.reset_every) == (1e10, 2.5e6)
    for env in ("cartpole-swingup", "dog-stand", "quadruped-walk", "humanoid-stand"):
        assert settings.critic_params[env] == 4_920_000
