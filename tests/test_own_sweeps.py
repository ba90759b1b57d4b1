"""The sweeps under data/: complete as their specs say, and saying what their READMEs say."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import vs_isotonic as iso
import vs_laws as laws
from sklearn.isotonic import IsotonicRegression
from vs_analyze import Settings, analyze, load_runs
from vs_logging import scan
from vs_train.sweep.spec import load_spec

DATA = Path(__file__).parents[1] / "data"
CARTPOLE = DATA / "sac-mjx-cartpole"
TASKS = ("cartpole-balance", "cartpole-swingup")


def configurations(table: pl.DataFrame) -> set[tuple[object, ...]]:
    """The runs, each with its seeds and its last env step."""
    grouped = table.group_by(
        "env", "utd", "batch_size", "learning_rate", "critic_width", maintain_order=True
    ).agg(pl.col("seed").unique().sort().implode().first(), pl.col("env_step").max())
    return {(*row[:5], tuple(row[5]), row[6]) for row in grouped.rows()}


@pytest.mark.parametrize(
    ("spec", "tables"),
    [
        (CARTPOLE / "sweep.toml", [CARTPOLE / f"{task}-grid.parquet" for task in TASKS]),
        (DATA / "sac-mjx-two-axes/sweep.toml", [DATA / "sac-mjx-two-axes/runs.parquet"]),
    ],
)
def test_every_configuration_of_the_spec_ran_to_its_end(spec, tables):
    wanted = {
        (
            cell.env.removeprefix("dmc/"),
            cell.choices.utd,
            cell.choices.batch_size,
            rate,
            cell.choices.critic_width,
            tuple(range(8)),
            cell.steps,
        )
        for cell in load_spec(spec).cells()
        for rate in cell.learning_rates
    }
    found = [configurations(scan(table).collect()) for table in tables]
    assert set.union(*found) == wanted
    assert sum(len(part) for part in found) == len(wanted) in (48, 120)


@pytest.mark.parametrize("form", ["floorless", "product", "log_linear", "log_quadratic"])
def test_a_study_over_utd_takes_every_form(form):
    settings = Settings(estimator="each", form=form, levels=(345.0, 460.0), bootstraps=20)
    runs = load_runs(scan(CARTPOLE / "cartpole-balance-grid.parquet"), settings, source="balance")
    study = analyze(runs, settings)
    assert [entry.level for entry in study.data_fits] == [345.0, 460.0]
    places = study.tasks[0].places["sigma"]
    for index, entry in enumerate(study.data_fits):
        law, loss = laws.solve_data_laws(study.tasks[0].data[:, index], form=form, sigma=places)
        assert entry.fit.form == form
        assert entry.fit.loss == pytest.approx(float(loss), rel=1e-9, abs=1e-20)
        found = entry.fit.predict(sigma=3.0, task="cartpole-balance").value
        assert found == pytest.approx(law(sigma=3.0).item(), rel=1e-6)


@pytest.mark.parametrize("name", ["fitted", "baseline"])
@pytest.mark.parametrize("task", TASKS)
def test_one_run_at_every_utd(task, name):
    runs = configurations(scan(CARTPOLE / f"{task}-{name}.parquet").collect())
    assert len(runs) == 5
    assert {run[1] for run in runs} == {0.5, 1, 2, 4, 8}
    assert {run[5] for run in runs} == {tuple(range(8, 16))}  # none of the grid's
    if name == "baseline":
        assert {run[2:4] for run in runs} == {(128, 1.5e-3)}


@pytest.mark.parametrize(
    ("task", "level", "batch_size", "learning_rate"),
    [
        ("cartpole-balance", 460, (-0.306, -0.6, 0.033), (-0.067, -0.357, 0.219)),
        ("cartpole-swingup", 270, (-0.108, -0.417, 0.217), (-0.107, -0.298, 0.119)),
    ],
)
def test_the_exponents_are_those_of_the_readme(task, level, batch_size, learning_rate):
    runs = load_runs(scan(CARTPOLE / f"{task}-grid.parquet"), Settings(), source=task)
    study = analyze(runs, Settings(estimator="each"))
    assert study.settings.levels[-1] == level
    for name, expected in (("batch_size", batch_size), ("learning_rate", learning_rate)):
        fit = study.shared[name]
        assert str(fit.verdict) == "flat"
        exponent = fit.parameters["sigma_exponent"]
        assert (exponent.value, exponent.low, exponent.high) == pytest.approx(expected, abs=1e-3)


def test_env_steps_to_a_level_equal_scikit_learns_isotonic_fit():
    runs = load_runs(scan(CARTPOLE / "cartpole-balance-fitted.parquet"), Settings(), source="x")
    found = {}
    for run in runs:
        fit = IsotonicRegression().fit_transform(run.steps, run.returns.mean(axis=1))
        by_hand = run.steps[np.argmax(fit >= 460)]
        found[run.utd] = float(by_hand)
        assert iso.mean_crossings(run.steps, run.returns, [460.0]).step[0] == by_hand
    assert found == {0.5: 12_500, 1: 9_000, 2: 7_000, 4: 3_500, 8: 3_500}  # the README's


def test_data_fall_with_utd_at_every_width_but_the_smallest():
    runs = load_runs(scan(DATA / "sac-mjx-two-axes/runs.parquet"), Settings(), source="x")
    (task,) = analyze(runs, Settings(bootstraps=20)).tasks
    assert task.laws.depth == 2
    assert task.laws.widths[0] == (106, 4)
    top, sigma = task.data[:, -1], task.places["sigma"]
    widths = np.array([cell.run.critic_width for cell in task.chosen])
    assert np.isinf(top[(widths == 4) & (sigma > 1)]).all()
    for width in (8, 16, 32, 64, 96):
        assert (np.diff(np.log(top[widths == width])) < 0.3).all()
        assert top[widths == width][-1] < 0.6 * top[widths == width][0]
    assert {str(fit.verdict) for fit in task.laws.levels.values()} == {"checked"}
    each = analyze(runs, Settings(bootstraps=20, estimator="each")).tasks[0].laws.levels.values()
    assert {str(fit.verdict) for fit in each} <= {"flat", "unidentified"}
