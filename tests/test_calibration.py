"""The data law at all levels, calibrated: a short version of benchmarks/calibration.py."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).resolve().parents[1] / "benchmarks/calibration.py"


@pytest.fixture(scope="module")
def calibration():
    spec = importlib.util.spec_from_file_location("calibration", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["calibration"]


@pytest.fixture(scope="module")
def scores(calibration):
    return {misfit: calibration.simulation(20, misfit) for misfit in (0.0, 0.05, 0.1)}


def test_nominal_90_percent_of_new_runs_are_inside(scores):
    """1500 new runs and levels at places inside and outside the grid, with and without lack of fit."""
    inside = [score["all"].coverage(0.9) for score in scores.values()]
    assert 0.85 <= np.mean(inside) <= 0.95, inside
    half = [score["all"].coverage(0.5) for score in scores.values()]
    assert 0.42 <= np.mean(half) <= 0.60, half


def test_predictions_are_not_biased(scores):
    errors = np.concatenate([score["all"].errors for score in scores.values()])
    assert abs(errors.mean()) < 0.02
    assert np.sqrt(np.mean(errors**2)) < 0.11


def test_score_counts_what_it_says(calibration):
    score = calibration.Score()
    measured = np.exp(0.1 * np.array([0.0, 1.0, 1.7, -3.0])) * 1e5
    score.add(np.full(4, 1e5), measured, 0.1)
    score.add(np.array([1e5]), np.array([np.inf]), 0.1)  # not reached: not scored
    assert [score.coverage(level) for level in (0.5, 0.9, 0.95)] == [0.25, 0.5, 0.75]
    assert len(score.errors) == 4
    np.testing.assert_allclose(score.errors, [0.0, -0.1, -0.17, 0.3])


def test_left_out_runs_are_those_at_the_end(calibration):
    _, new = calibration.simulated(np.random.default_rng(0), 0.0)
    (mask,) = calibration.end("sigma", np.max)(new)
    assert mask[new.places["sigma"].argmax()]
    assert not mask[new.places["sigma"].argmin()]
    np.testing.assert_array_equal(list(calibration.each(new)), np.eye(5, dtype=bool))


def test_every_predictor_is_scored_on_what_was_left_out(calibration):
    runs, _ = calibration.simulated(np.random.default_rng(1), 0.0)
    found = calibration.held_out({"one": runs}, calibration.end("sigma", np.max), np.array([0, 4]))
    assert {len(score.errors) for score in found.values()} == {4 * 2}
    near = [np.log(runs.data[8 + k, j] / runs.data[12 + k, j]) for k in range(4) for j in (0, 4)]
    np.testing.assert_allclose(found["nearest run"].errors, near)
    assert np.array(found["all levels"].errors).std() < np.array(near).std()
