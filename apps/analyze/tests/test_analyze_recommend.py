"""`vs-analyze recommend` against direct numerical optimisation of the laws."""

import json
from pathlib import Path

import numpy as np
import pytest
from vs_analyze.cli import main
from vs_analyze.laws_file import read_laws
from vs_analyze.recommend import Question, recommend
from vs_analyze.runs import AnalysisError

SIGMA = np.geomspace(0.25, 16, 200_001)
NAMES = ("level", "utd", "batch_size", "learning_rate", "data", "compute", "budget")


@pytest.fixture(scope="module")
def task(laws_path):
    return read_laws(Path(laws_path))["cartpole-swingup"]


@pytest.fixture(scope="module")
def known(tasks):
    return tasks[0]


def curves(task, level):
    """D and C on the σ axis from the point estimates of a laws.json, by the formulas."""
    law, batch = task.level(level).law, task.batch_size.law
    data = law.d_min + law.amplitude[0] * SIGMA ** -law.exponent[0]
    updates = SIGMA * batch.coefficient * SIGMA ** batch.exponent[0] * data
    return data, 10 * task.critic_params * updates


def check(answer, sigma, data, compute, *, rel):
    assert answer.utd.value == pytest.approx(sigma, rel=rel)
    assert answer.data.value == pytest.approx(data, rel=rel)
    assert answer.compute.value == pytest.approx(compute, rel=rel)
    assert answer.budget.value == pytest.approx(compute + answer.delta * data, rel=rel)


def test_a_level_at_the_least_budget(task, known):
    data, compute = curves(task, 800)
    best = np.argmin(compute + task.delta * data)
    answer = recommend(task, Question(level=800.0))
    check(answer, SIGMA[best], data[best], compute[best], rel=1e-4)
    truth = known.compute(SIGMA, 800) + known.delta * known.data(SIGMA, 800)
    best = np.argmin(truth)
    assert 0.25 < SIGMA[best] < 16
    assert answer.budget.value == pytest.approx(truth[best], rel=0.02)
    assert answer.utd.value == pytest.approx(SIGMA[best], rel=0.25)  # the minimum is flat
    assert answer.learning_rate is not None
    assert answer.learning_rate.value == pytest.approx(
        known.learning_rate(answer.utd.value), rel=0.03
    )
    assert answer.batch_size.value == pytest.approx(known.batch_size(answer.utd.value), rel=0.03)
    assert answer.warnings == ()


def test_another_delta_moves_the_optimum(task):
    data, compute = curves(task, 600)
    for delta in (2e9, 2e10):
        best = np.argmin(compute + delta * data)
        answer = recommend(task, Question(level=600.0), delta=delta)
        check(answer, SIGMA[best], data[best], compute[best], rel=1e-4)


def test_least_compute_within_a_limit_on_data(task, known):
    data, compute = curves(task, 800)
    # a tight limit binds; a loose one leaves the minimum of C, which has one inside the range
    for limit in (8e4, 3e5):
        allowed = np.flatnonzero(data <= limit)
        best = allowed[np.argmin(compute[allowed])]
        answer = recommend(task, Question(level=800.0, max_data=limit))
        check(answer, SIGMA[best], data[best], compute[best], rel=1e-3)
        assert answer.data.value <= limit * (1 + 1e-9)
    truth = known.data(SIGMA, 800)
    exact = SIGMA[np.argmax(truth <= 8e4)]
    answer = recommend(task, Question(level=800.0, max_data=8e4))
    assert answer.utd.value == pytest.approx(exact, rel=0.1)


def test_least_data_within_a_limit_on_compute(task, known):
    data, compute = curves(task, 800)
    limit = 5e14
    allowed = np.flatnonzero(compute <= limit)
    best = allowed[np.argmin(data[allowed])]
    assert 0 < best < len(SIGMA) - 1
    answer = recommend(task, Question(level=800.0, max_compute=limit))
    check(answer, SIGMA[best], data[best], compute[best], rel=1e-3)
    truth = np.flatnonzero(known.compute(SIGMA, 800) <= limit)
    assert answer.data.value == pytest.approx(known.data(SIGMA[truth[-1]], 800), rel=0.03)


def test_a_limit_without_a_level_takes_the_highest_within_reach(task):
    limit = 4.9e4
    reached = [level for level in task.levels if curves(task, level)[0].min() <= limit]
    assert reached[-1] == 700
    assert task.level(800.0).law.d_min > limit  # no σ at all would do for 800
    answer = recommend(task, Question(max_data=limit))
    assert answer.level.value == 700
    assert answer.data.value <= limit * (1 + 1e-9)


def test_a_limit_that_only_an_extrapolation_far_beyond_the_runs_meets_is_refused(task):
    law = task.level(800.0).law
    with pytest.raises(AnalysisError, match="800"):  # D_min is reached at σ = ∞
        recommend(task, Question(level=800.0, max_data=float(law.d_min) * 1.0001))
    beyond = float(law(sigma=24.0))  # the runs end at σ 16
    answer = recommend(task, Question(level=800.0, max_data=beyond))
    assert answer.utd.value == pytest.approx(24, rel=1e-3)
    assert any("extrapolation" in warning for warning in answer.warnings)


def test_the_best_level_within_a_budget(task):
    least = {}
    for level in task.levels:
        data, compute = curves(task, level)
        least[level] = (compute + task.delta * data).min()
    answer = recommend(task, Question(budget=least[600.0]))
    assert answer.level.value == pytest.approx(600, abs=1e-3)
    assert answer.level.low <= 600 <= answer.level.high
    between = recommend(task, Question(budget=(least[600.0] * least[700.0]) ** 0.5))
    assert 600 < between.level.value < 700
    assert any("upper bound" in warning for warning in between.warnings)
    plenty = recommend(task, Question(budget=100 * least[800.0]))
    assert plenty.level.value == 800
    assert any("exceeds" in warning for warning in plenty.warnings)


def test_intervals_hold_the_values(task):
    for question in (
        Question(level=800.0),
        Question(level=800.0, max_data=8e4),
        Question(level=800.0, max_compute=5e14),
    ):
        answer = recommend(task, question)
        for name in NAMES:
            entry = getattr(answer, name)
            assert np.isfinite([entry.low, entry.high]).all(), name
            assert entry.low <= entry.value * (1 + 1e-9), name
            assert entry.high >= entry.value * (1 - 1e-9), name


def test_batch_size_rounding(task):
    for multiple in (1, 16, 64):
        answer = recommend(task, Question(level=800.0), batch_size_multiple=multiple)
        assert answer.batch_size_rounded % multiple == 0
        assert abs(answer.batch_size_rounded - answer.batch_size.value) <= multiple / 2


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"level": 800.0, "max_data": 1e3}, "no utd .*meets the limit"),
        ({"level": 800.0, "max_compute": 1e9}, "no utd .*meets the limit"),
        ({"max_data": 1e3}, "not even level 300 is within that limit"),
        ({"budget": 1e9}, "does not reach level 300"),
        ({"level": 950.0}, "no law at level 950; the fitted levels are 300, 400"),
    ],
)
def test_questions_without_an_answer(task, question, message):
    with pytest.raises(AnalysisError, match=message):
        recommend(task, Question(**question))


def test_command_prints_text_and_json(laws_path, capsys):
    arguments = ["recommend", laws_path, "--env", "walker-run", "--level", "800"]
    main(arguments)
    text = capsys.readouterr().out
    assert text.startswith("walker-run: level 800")
    assert "-> run " in text
    main([*arguments, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["env"] == "walker-run"
    assert document["level"]["value"] == 800
    assert set(NAMES) <= set(document)
    assert document["batch_size_rounded"] % 16 == 0


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--level", "800"], ["several tasks", "--env", "cartpole-swingup, walker-run"]),
        (["--env", "ant", "--level", "800"], ["no task ant", "cartpole-swingup"]),
        (["--env", "walker-run"], ["give one of"]),
        (["--env", "walker-run", "--budget", "1e15", "--data", "1e5"], ["give one of"]),
        (["--env", "walker-run", "--level", "555"], ["no law at level 555", "300, 400"]),
        (["--env", "walker-run", "--data", "-5"], ["must be positive"]),
    ],
)
def test_command_refuses(laws_path, refused, arguments, parts):
    message = refused(["recommend", laws_path, *arguments])
    for part in parts:
        assert part in message
