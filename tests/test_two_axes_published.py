"""D_J(σ, N) on the published curves of arXiv:2508.14881: held-out error, levels, passive critics."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import vs_logging as vslog
from vs_analyze.analysis import analyze
from vs_analyze.left_out import held_out_runs
from vs_analyze.runs import load_runs
from vs_analyze.settings import published2
from vs_analyze.td_errors import td_errors

CURVES = Path(__file__).resolve().parents[1] / "../shared/curves"
SETTINGS = replace(published2(), bootstraps=2)


def imported(name):
    path = CURVES / f"{name}.zip"
    if not path.exists():
        pytest.skip(f"shared/curves/{name}.zip is not next to this checkout")
    return vslog.import_zip(path).table


@pytest.fixture(scope="module")
def study():
    return analyze(load_runs(imported("fitted_bs"), SETTINGS, source="fitted"), SETTINGS)


def test_every_task_is_fitted_at_every_published_level(study):
    assert {task.env: len(task.chosen) for task in study.tasks} == {
        "humanoid-stand": 19, "h1-crawl-v0": 20, "h1-pole-v0": 16, "h1-stand-v0": 16,
    }  # fmt: skip
    for task in study.tasks:
        assert len(task.laws.levels) == 20
        low, high = SETTINGS.level_ranges[task.env]
        assert (task.levels[0], task.levels[-1]) == (low, high)
        assert task.laws.delta == 1e11


def test_the_dip_after_a_reset_does_not_hold_a_level_back():
    """At UTD 4 the reset at 625k falls on an evaluation; the mean passed the level before it."""
    table = imported("fitted_bs").filter(env="humanoid-stand", utd=4.0, critic_width=512)
    (run,) = load_runs(table, SETTINGS, source="fitted")
    (whole,) = load_runs(table, replace(SETTINGS, reset_every=0), source="fitted")
    assert run.resets.tolist() == [625_000.0]
    assert whole.resets.size == 0
    found = run.crossings([858.69])
    assert (found.step[0], found.spacing[0]) == (600_000.0, 25_000.0)
    assert whole.crossings([858.69]).step[0] == 725_000.0


def test_held_out_error(study):
    """Held-out errors of this version, beside those of the nearest run."""
    held = load_runs(imported("interpolated_bs"), SETTINGS, source="interpolated")
    found = held_out_runs(study, held)
    assert len(held) == 42
    assert (len(found.checks), found.censored) == (838, 2)
    expected = {
        ("additive", "top"): (0.084, 0.231, 0.158),
        ("additive", "all"): (0.099, 0.233, 0.148),
        ("floorless", "top"): (0.095, 0.225, 0.163),
        ("product", "top"): (0.079, 0.268, 0.163),
        ("nearest", "top"): (0.162, 0.402, 0.258),
        ("nearest", "all"): (0.133, 0.368, 0.222),
    }
    scores = {(s.predictor, str(s.levels)): s for s in found.scores()}
    for key, (median, p90, rms) in expected.items():
        score = scores[key]
        assert (score.median, score.p90, score.rms_log) == pytest.approx(
            (median, p90, rms), abs=2e-3
        )


def test_no_seed_that_stopped_counts_as_failed(study):
    stopped = [cell for task in study.tasks for cell in task.chosen if cell.run.stopped.any()]
    assert len(stopped) > 20
    for cell in stopped:
        ends = [column[np.isfinite(column)][-1] for column in cell.run.returns.T]
        best = np.array(ends)[cell.run.stopped]
        levels = next(t.levels for t in study.tasks if t.env == cell.run.env)
        # all seeds stopped above the lowest level: it must count as reached
        if cell.run.stopped.all() and best.min() > levels[0]:
            assert np.isfinite(cell.data[0])


def test_passive_critics():
    """Slopes of the passive critic's validation error in log width; the published run's numbers."""
    found = {errors.env: errors.slopes for errors in td_errors(imported("side_critic"))}
    assert found["h1-crawl-v0"] == pytest.approx({"main": -0.553, "passive": -0.330}, abs=1e-3)
    assert found["h1-pole-v0"] == pytest.approx({"main": -0.270, "passive": -0.107}, abs=1e-3)
    assert found["h1-stand-v0"] == pytest.approx({"main": -0.389, "passive": -0.106}, abs=1e-3)
