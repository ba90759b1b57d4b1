"""The curves published with arXiv:2502.04327 (P1); skipped where they are not at hand."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from vs_isotonic import (
    bootstrap_counts,
    bootstrap_crossings,
    crossings,
    distinct_seeds,
    mean_curve,
)

SHARED = Path(__file__).resolve().parents[3] / "../shared"
ZIPS = {
    name: SHARED / f"curves/{name}.zip" for name in ("gym_sweep", "gym_ours", "gym_baseline_utd2")
}
GOLDEN = SHARED / "reference/golden_gym.json"
OPTIMUM = {"HalfCheetah-v4": 9125, "Walker2d-v4": 5000, "Ant-v4": 6625, "Humanoid-v4": 6500}
LEVELS = np.arange(100, 900, 100.0)

pytestmark = pytest.mark.skipif(
    not all(path.is_file() for path in (GOLDEN, *ZIPS.values())),
    reason="the published Gym curves (../shared) are not on this machine",
)


def read(name):
    """Yield (path parts, steps, returns (T, S)) of every member."""
    with zipfile.ZipFile(ZIPS[name]) as archive:
        for member in sorted(archive.namelist()):
            if member.endswith(".npy"):
                table = np.load(io.BytesIO(archive.read(member)), allow_pickle=False)
                yield member.split("/"), table[:, 0], table[:, 1:]


@pytest.mark.parametrize(("key", "name"), [("ours", "gym_ours"), ("baseline", "gym_baseline_utd2")])
def test_published_data_efficiency_to_the_step(key, name):
    """All 28 × 10 values, with the papers' choices: every column counts, copies included."""
    stage = json.loads(GOLDEN.read_text())["fitted_stage"]
    published = stage["D_J_env_steps_by_task_then_utd_then_threshold"][key]
    runs = {(parts[1], parts[2]): (steps, returns) for parts, steps, returns in read(name)}
    assert len(runs) == 28
    for task, rows in published.items():
        for utd, row in zip(stage["utds"], rows, strict=True):
            steps, returns = runs[f"utd_{utd:g}", task]
            curve = mean_curve(returns) * 1000 / stage["max_returns"][task]
            result = crossings(steps, curve, stage["thresholds"])
            np.testing.assert_array_equal(result.step, row, err_msg=f"{task} at σ = {utd}")


def test_copied_seeds_as_counted_by_the_authors_of_the_golden_file():
    copies = {
        name: sum(distinct_seeds(returns).dropped > 0 for *_, returns in read(name))
        for name in ZIPS
    }
    assert copies == {"gym_sweep": 29, "gym_ours": 21, "gym_baseline_utd2": 11}


def assert_equal_to_scikit_learn(bootstraps):
    runs = 0
    for name in ZIPS:
        for parts, steps, returns in read(name):
            seeds = returns[:, distinct_seeds(returns).kept] * 1000 / OPTIMUM[parts[2]]
            counts = bootstrap_counts(seeds.shape[1], bootstraps, np.random.default_rng(runs))
            result = bootstrap_crossings(
                steps, seeds, LEVELS, bootstraps=bootstraps, rng=np.random.default_rng(runs)
            ).step
            curves = mean_curve(seeds, counts=counts)
            np.testing.assert_array_equal(result, crossings(steps, curves, LEVELS).step)
            for k in range(bootstraps):
                curve = seeds[:, np.repeat(np.arange(seeds.shape[1]), counts[k])].mean(axis=1)
                fit = IsotonicRegression().fit_transform(steps, curve)
                reached = fit[:, None] >= LEVELS
                expected = np.where(reached.any(0), steps[reached.argmax(0)], np.inf)
                np.testing.assert_array_equal(result[k], expected, err_msg="/".join(parts))
            runs += 1
    assert runs == 144 + 28 + 28


def test_every_run_and_level_equals_scikit_learn():
    assert_equal_to_scikit_learn(bootstraps=20)


@pytest.mark.slow
def test_every_run_bootstrap_and_level_equals_scikit_learn():
    assert_equal_to_scikit_learn(bootstraps=100)
