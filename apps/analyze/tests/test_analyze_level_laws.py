"""Data laws of all levels at once, from the table to decisions and scores."""

import json

import numpy as np
import pytest
from vs_analyze.analysis import analyze
from vs_analyze.cli import main
from vs_analyze.evaluate import evaluate
from vs_analyze.laws_file import read_laws
from vs_analyze.left_out import LEVELS
from vs_analyze.recommend import Question, recommend
from vs_analyze.runs import load_runs
from vs_analyze.settings import Settings


@pytest.fixture(scope="module")
def study(grid, fitted, tasks):
    settings = Settings(levels=tasks[0].levels, bootstraps=20)
    return analyze(
        load_runs(grid, settings, source="grid"), settings,
        fitted=load_runs(fitted, settings, source="fitted"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def plane_study(two_axes, plane):
    settings = Settings(levels=plane.levels, bootstraps=4, delta=2e10)
    return analyze(load_runs(two_axes, settings, source="two_axes"), settings)


def test_runs_are_predicted_at_every_level_and_between(study, tasks):
    for task in tasks:
        found = study.task(task.env).laws
        for level in (300.0, 450.0, 600.0, 800.0):
            for sigma in (0.5, 3.0, 16.0):
                entry = found.steps(level, {"sigma": sigma})
                assert entry.value == pytest.approx(task.data(sigma, level), rel=0.06)
                assert entry.low < task.data(sigma, level) < entry.high


def test_verdicts_speak_of_predictions(study):
    for task in study.tasks:
        for fit in task.laws.levels.values():
            assert (fit.verdict, fit.supported) == ("checked", True)
            assert fit.judgements["sigma"].verdict == "falls"
            assert "nearest run" in fit.reason


def test_laws_json_predicts_runs_as_the_study_does(study, paths, options, tmp_path):
    out = tmp_path / "laws.json"
    main(["fit", paths["grid"], "--fitted", paths["fitted"], *options, "--out", str(out)])
    for env, task in read_laws(out).items():
        assert task.interval.startswith("90 % interval of a new run of ")
        for level in (300.0, 555.0, 800.0):
            a = task.steps(level, {"sigma": 5.0})
            b = study.task(env).laws.steps(level, {"sigma": 5.0})
            assert [a.value, a.low, a.high] == pytest.approx([b.value, b.low, b.high], rel=1e-5)


def test_any_level_is_answered_and_one_beyond_is_called_an_extrapolation(study):
    task = study.tasks[0].laws
    between = recommend(task, Question(level=650.0))
    assert recommend(task, Question(level=600.0)).data.value < between.data.value
    assert not any("extrapolation, and" in warning for warning in between.warnings)
    beyond = recommend(task, Question(level=900.0))
    assert any("no run has shown" in warning for warning in beyond.warnings)
    assert beyond.data.high / beyond.data.low > 1.2 * between.data.high / between.data.low
    assert beyond.budget.value == pytest.approx(
        beyond.compute.value + task.delta * beyond.data.value
    )


def test_a_place_that_the_runs_say_little_of_is_called_so(study):
    task = study.tasks[0].laws
    law = task.level_law
    assert law is not None
    inside = recommend(task, Question(level=600.0))
    assert not any("(vague)" in w or "(extrapolated)" in w for w in inside.warnings)
    far = recommend(task, Question(level=1600.0))
    place = {"sigma": far.utd.value}
    assert law.predict(level=1600.0, kind="law", **place).word == "vague"
    assert any("(vague): run more there" in warning for warning in far.warnings)


def test_more_seeds_narrow_the_interval(study):
    task = study.tasks[0].laws
    one, many = (task.steps(600.0, {"sigma": 3.0}, seeds=n) for n in (1, 50))
    assert one.value == pytest.approx(many.value, rel=1e-12)
    assert one.high / one.low > many.high / many.low


def test_each_run_is_predicted_from_the_others(plane_study):
    found = evaluate(plane_study, hold_out="each")
    (ours,) = [s for s in found.scores() if s.predictor == LEVELS and s.levels == "all"]
    assert ours.intervals is not None
    assert set(ours.intervals.coverage) == {50, 80, 90, 95}
    assert ours.intervals.coverage[90] >= 0.85
    assert ours.rms_log < 0.1
    assert ours.skill > 0.5
    assert ours.ranked is not None
    assert ours.ranked > 0.95
    assert ours.regret is not None
    assert 0 <= ours.regret < 0.05
    others = [s for s in found.scores() if s.predictor == "additive"]
    assert all(s.intervals is None for s in others)


def test_largest_and_cheapest_are_held_out(plane_study):
    task = plane_study.tasks[0]
    top = max(cell.utd for cell in task.chosen)
    found = evaluate(plane_study, hold_out="largest")
    assert {check.place["sigma"] for check in found.checks} == {top}
    widest = evaluate(plane_study, hold_out="largest-params")
    sizes = {check.place["critic_params"] for check in widest.checks}
    assert sizes == {max(cell.params for cell in task.chosen)}
    cheap = evaluate(plane_study, hold_out="compute", share=0.3)
    assert "fitted on 30% of it" in cheap.hold_out
    held = {(check.place["sigma"], check.place["critic_params"]) for check in cheap.checks}
    assert max(sizes) in {n for _, n in held}
    assert 3 <= len(task.chosen) - len(held) < len(task.chosen)
    (ours,) = [s for s in cheap.scores() if s.predictor == LEVELS and s.levels == "all"]
    assert ours.median < 0.2


def test_a_form_or_loss_asks_for_laws_of_each_level(paths, options, tmp_path):
    out = tmp_path / "laws.json"
    main(["fit", paths["grid"], *options, "--loss", "plain", "--out", str(out)])
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["settings"]["estimator"] == "each"
    assert all(entry["level_law"] is None for entry in document["tasks"].values())
    with pytest.raises(ValueError, match="--estimator each"):
        Settings(form="product")


def test_the_decision_table_is_the_same_in_json(study):
    answer = recommend(study.tasks[0].laws, Question(level=800.0))
    assert answer.interval in str(answer)
    assert answer.to_dict()["interval"] == answer.interval
    assert np.isfinite(answer.data.low)
