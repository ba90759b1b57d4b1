"""The door in Python: from a DataFrame to a decision."""

import sys
from typing import Any

import numpy as np
import polars as pl
import pytest
import vs_analyze
from vs_analyze import AnalysisError, Study
from vs_analyze.cli import main

LEVELS = (300.0, 400.0, 500.0, 600.0, 700.0, 800.0)


class Pandas:
    """A stand-in with what is used of a pandas DataFrame: columns, items as lists, to_dict."""

    def __init__(self, frame):
        self._frame = frame
        self.columns = frame.columns

    def __getitem__(self, name):
        return self._frame[name]

    def to_dict(self):
        raise AssertionError("a table of a million rows is not turned into dictionaries")


@pytest.fixture(scope="module")
def study(grid, fitted):
    few = pl.exclude("run", "algo", "critic_width")  # as a user's own DataFrame
    return Study.from_table(
        grid.select(few), fitted=fitted.select(few), levels=LEVELS, bootstraps=10
    )


def test_ten_lines_to_a_decision(study, tasks, tmp_path):
    known = tasks[0]
    steps = study.predict(env=known.env, utd=8)
    assert steps.value == pytest.approx(known.data(8, 800), rel=0.03)
    assert steps.low < steps.value < steps.high
    lower = study.predict(env=known.env, utd=8, level=400)
    assert lower.value == pytest.approx(known.data(8, 400), rel=0.03)
    answer = study.recommend(env=known.env, budget=1e18)
    assert answer.level.value == 800
    assert answer.batch_size.value == pytest.approx(known.batch_size(answer.utd.value), rel=0.05)
    page = study.report(tmp_path / "out")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "cartpole-swingup, walker-run" in repr(study)
    shown = study._repr_html_()
    assert (
        shown.count("<tr>") == 1 + 2 + 2 * 6 + 2
    )  # header, B* and η*, a data law per level and task, two budgets
    assert "supported" in shown


def test_the_same_numbers_as_on_the_command_line(study, paths, options, tmp_path):
    arguments = ["fit", paths["grid"], "--fitted", paths["fitted"], *options]
    main([*arguments, "--bootstraps", "10", "--out", str(tmp_path / "laws.json")])
    back = vs_analyze.read_laws(tmp_path / "laws.json")
    for env, task in back.items():
        for level in LEVELS:
            a, b = task.steps(level, {"sigma": 8.0}), study.predict(env=env, utd=8, level=level)
            assert [a.value, a.low, a.high] == pytest.approx([b.value, b.low, b.high], rel=1e-6)


def test_pandas_and_paths(grid, paths, study):
    other = Study.from_table(Pandas(grid), levels=LEVELS, bootstraps=4)
    path = Study.from_table(paths["grid"], levels=LEVELS, bootstraps=4)
    for task in other.tasks:
        ours, theirs = (s.predict(env=task.env, utd=3.0) for s in (other, path))
        assert [ours.value, ours.low] == [theirs.value, theirs.low]
    assert path.sources == ("grid.parquet",)
    assert "pandas" not in sys.modules


def test_a_task_must_be_named_where_there_are_several(study):
    with pytest.raises(AnalysisError, match="several tasks"):
        study.predict(utd=8)
    with pytest.raises(AnalysisError, match="no task ant"):
        study.recommend(env="ant")
    with pytest.raises(AnalysisError, match="utd -1: expected a positive number"):
        study.predict(env="walker-run", utd=-1)
    with pytest.raises(AnalysisError, match="polars or pandas DataFrame, got list"):
        Study.from_table([1, 2])


def test_action_repeat_divides_the_flops(grid, tasks):
    options: dict[str, Any] = {"levels": LEVELS, "bootstraps": 4}
    plain = Study.from_table(grid, **options)
    twice = Study.from_table(grid.with_columns(action_repeat=pl.lit(2)), **options)
    for task in tasks:
        a, b = (s.recommend(env=task.env, max_compute=1e18).data for s in (plain, twice))
        assert b.value <= a.value
        one, two = (s.task(task.env).laws.cost()(sigma=2.0) for s in (plain, twice))
        assert two == pytest.approx(one / 2)
        data = plain.task(task.env).laws.cost().steps(sigma=2.0)
        batch = float(plain.task(task.env).batch_size.fit.law(sigma=2.0))
        expected = 10 * task.critic_params * batch * 2.0 * np.asarray(data) / 2
        assert two == pytest.approx(expected)
