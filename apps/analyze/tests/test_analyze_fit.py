"""`vs-analyze fit` on curves whose laws are known."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import vs_logging as vslog
from vs_analyze.analysis import analyze
from vs_analyze.cli import main
from vs_analyze.laws_file import read_laws
from vs_analyze.runs import load_runs
from vs_analyze.settings import PUBLISHED_LEVELS, Settings


@pytest.fixture(scope="module")
def study(grid, fitted, tasks):
    settings = Settings(levels=tasks[0].levels, bootstraps=20, estimator="each")
    return analyze(
        load_runs(grid, settings, source="grid"),
        settings,
        fitted=load_runs(fitted, settings, source="fitted"),
    )


def test_hyperparameter_laws_are_recovered(study, tasks):
    for name, coefficient in (("batch_size", 256), ("learning_rate", 1e-3)):
        fit = study.shared[name]
        found, exponent = fit.parameters, fit.parameters["sigma_exponent"]
        assert fit.supported
        assert exponent.value == pytest.approx(-0.5, abs=0.01)
        assert exponent.low <= exponent.value + 1e-9
        assert exponent.high >= exponent.value - 1e-9
        for task in tasks:
            assert found[f"coefficient[{task.env}]"].value == pytest.approx(coefficient, rel=0.02)
    # the middle of σ 0.25, 1, 4, 16 is 1, where the best are 256 and 1e-3
    assert [task.batch_size.baseline for task in study.tasks] == [256, 256]
    assert [task.learning_rate.baseline for task in study.tasks] == [1e-3, 1e-3]


@pytest.mark.parametrize("level", [300.0, 600.0, 800.0])
def test_data_law_is_recovered_at_every_level(study, tasks, level):
    for task in tasks:
        fit = study.task(task.env).laws.level(level)
        (shared,) = [entry for entry in study.data_fits if entry.level == level]
        assert shared.envs == tuple(task.env for task in tasks)
        assert fit.supported
        assert fit.parameters["sigma_exponent"].value == pytest.approx(task.alpha, abs=0.06)
        floor = fit.parameters["d_min"]
        assert floor.value == pytest.approx(task.d_min(level), rel=0.05)
        assert floor.low < floor.value < floor.high
        sigma = np.array([0.25, 1.0, 3.0, 16.0])
        predicted = fit.predict(sigma=sigma).value
        assert predicted == pytest.approx(task.data(sigma, level), rel=0.03)


def test_without_fitted_runs_the_nearest_grid_cells_stand_in(grid, tasks):
    settings = Settings(levels=(400.0, 800.0), bootstraps=5)
    study = analyze(load_runs(grid, settings, source="grid"), settings)
    for task in tasks:
        chosen = study.task(task.env).chosen
        assert [cell.run.batch_size for cell in chosen] == [512, 256, 128, 64]
        assert [cell.run.learning_rate for cell in chosen] == [2e-3, 1e-3, 5e-4, 2.5e-4]
        measured = np.array([cell.data[1] for cell in chosen])
        assert measured == pytest.approx(task.data([0.25, 1, 4, 16], 800), rel=0.03)


def test_one_bootstrap_index_is_one_resample_everywhere(study):
    for task in study.tasks:
        fits = [task.batch_size.fit, task.learning_rate.fit, *task.laws.levels.values()]
        assert {np.shape(fit.draws.exponent) for fit in fits} == {(20, 1, 1)}


def test_same_seed_same_numbers_and_another_seed_others(grid, tasks):
    def d_min(seed):
        settings = Settings(levels=(800.0,), bootstraps=5, seed=seed)
        found = analyze(load_runs(grid, settings, source="grid"), settings)
        return np.ravel(found.tasks[0].laws.level(800.0).draws.d_min)

    assert np.array_equal(d_min(0), d_min(0))
    assert not np.array_equal(d_min(0), d_min(1))


def test_laws_json_gives_back_the_same_predictions(laws_path, study):
    back = read_laws(Path(laws_path))
    assert list(back) == [task.env for task in study.tasks]
    for task in study.tasks:
        mine, other = task.laws, back[task.env]
        assert (other.algo, other.benchmark, other.optimal_return) == ("sac", "dmc", 1000)
        assert (other.critic_params, other.delta) == (mine.critic_params, mine.delta)
        assert other.ranges == {"sigma": (0.25, 16)}
        pairs = [
            (mine.batch_size, other.batch_size),
            (mine.learning_rate, other.learning_rate),
            *zip(mine.levels.values(), other.levels.values(), strict=True),
        ]
        for ours, theirs in pairs:
            assert ours is not None
            assert theirs is not None
            for sigma in (0.25, 1.7, 16.0):
                a, b = ours.predict(sigma=sigma), theirs.predict(sigma=sigma)
                assert [b.value, b.low, b.high] == pytest.approx([a.value, a.low, a.high], rel=1e-6)
                assert theirs.draws(sigma=sigma) == pytest.approx(ours.draws(sigma=sigma), rel=1e-6)
            assert (theirs.verdict, theirs.reason) == (ours.verdict, ours.reason)


def test_laws_json_is_the_documented_document(laws_path):
    document = json.loads(Path(laws_path).read_text(encoding="utf-8"))
    assert document["schema"] == "value-scaling/laws"
    assert document["version"] == 4
    assert document["axes"] == ["utd"]
    assert document["sources"] == ["grid.parquet", "fitted.parquet"]
    assert document["settings"]["bootstraps"] == 20
    assert {"vs-laws", "numpy"} <= set(document["versions"])
    assert set(document["fits"]) == {"shared", "data", "budget"}
    assert set(document["fits"]["shared"]) == {"batch_size", "learning_rate"}
    assert not list(Path(laws_path).parent.glob("*.tmp"))


def test_fit_prints_a_report(paths, options, tmp_path, capsys):
    out = tmp_path / "laws.json"
    main(["fit", paths["grid"], *options, "--out", str(out)])
    shown = capsys.readouterr()
    assert "B*(σ), best batch size" in shown.out
    assert "D_J(σ), env steps to level 800" in shown.out
    assert "verdict: supported" in shown.out
    assert f"written to {out}" in shown.out
    assert shown.err.strip() == "measuring and fitting"


def test_presets(small, tmp_path, capsys):
    table, out = tmp_path / "small.parquet", tmp_path / "laws.json"
    vslog.write_table(small, table)
    arguments = ["fit", str(table), "--bootstraps", "5", "--out", str(out)]
    seen = {}
    for preset in ("ours", "published"):
        main([*arguments, "--preset", preset])
        seen[preset] = json.loads(out.read_text(encoding="utf-8"))["settings"]
    capsys.readouterr()
    assert seen["ours"]["mean"] == "geometric"
    assert seen["ours"]["loss"] == "log"
    assert seen["ours"]["unreached"] == "missing"
    assert seen["published"]["mean"] == "arithmetic"
    assert seen["published"]["loss"] == "plain"
    assert seen["published"]["unreached"] == "smallest"
    assert seen["published"]["levels"] == pytest.approx(PUBLISHED_LEVELS)
    assert seen["published"]["bootstraps"] == 5  # an option beats the preset


def test_options_that_describe_the_task(small, tmp_path, capsys):
    table, out = tmp_path / "small.parquet", tmp_path / "laws.json"
    unknown = small.with_columns(
        benchmark=pl.lit("mine"),
        critic_params=pl.lit(None, pl.Int64),
        return_=pl.col("return_") / 100,
    )
    vslog.write_table(unknown, table)
    main(
        ["fit", str(table), "--bootstraps", "5", "--levels", "400", "800", "--delta", "7e9",
         "--critic-params", "cartpole-swingup", "5000", "--optimal-returns", "cartpole-swingup", "10",
         "--out", str(out)]
    )  # fmt: skip
    capsys.readouterr()
    (task,) = read_laws(out).values()
    assert (task.critic_params, task.delta, task.optimal_return) == (5000, 7e9, 10)
    assert task.level(800.0).law(sigma=1.0) == pytest.approx(1e5, rel=0.05)  # d_J + A_J at 800
