"""Seeds that stop on success: by hand, against loops, and on the published curves."""

import io
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from vs_isotonic import (
    bootstrap_counts,
    bootstrap_crossings,
    crossings,
    mean_crossings,
    mean_curve,
    seeds_in_mean,
)

NAN = np.nan
CURVES = Path(__file__).resolve().parents[4] / "shared" / "curves"
STEPS = np.arange(1, 7) * 10
# Seed 0 stopped at 30 with a final level of (4 + 6)/2 = 5; seed 1 stopped at 40 at 2; 2, 3 ran on.
RETURNS = np.array([
    [0.0, 0.0, 0.0, 0.0],
    [6.0, 1.0, 1.0, 0.0],
    [4.0, 1.0, 2.0, 1.0],
    [NAN, 2.0, 3.0, 1.0],
    [NAN, NAN, 6.0, 2.0],
    [NAN, NAN, 7.0, 6.0],
])  # fmt: skip
STOPPED = np.array([True, True, False, False])


def entered(found):
    assert found.seeds is not None
    return found.seeds


def test_a_seed_stopped_above_the_level_goes_on_at_its_final_level():
    curve = mean_curve(RETURNS, stopped=STOPPED, threshold=5)
    np.testing.assert_allclose(
        curve, [0, 2, 2, (5 + 2 + 3 + 1) / 4, (5 + 6 + 2) / 3, (5 + 7 + 6) / 3]
    )
    seeds = seeds_in_mean(RETURNS, stopped=STOPPED, threshold=5)
    np.testing.assert_array_equal(seeds, [4, 4, 4, 4, 3, 3])


def test_a_seed_stopped_below_the_level_leaves():
    curve = mean_curve(RETURNS, stopped=STOPPED, threshold=5.01)
    np.testing.assert_allclose(curve, [0, 2, 2, 2, 4, 6.5])
    both = mean_curve(RETURNS, stopped=STOPPED, threshold=2)
    np.testing.assert_allclose(both, [0, 2, 2, 11 / 4, 15 / 4, 20 / 4])
    assert seeds_in_mean(RETURNS, stopped=STOPPED, threshold=2).tolist() == [4] * 6


def test_crossings_know_their_level_and_their_seeds():
    found = mean_crossings(STEPS, RETURNS, [2, 5, 5.01, 9], stopped=STOPPED)
    np.testing.assert_array_equal(found.step, [20, 60, 60, np.inf])
    np.testing.assert_array_equal(entered(found), [4, 3, 2, 2])
    np.testing.assert_array_equal(found.last_step, [60] * 4)
    one = mean_crossings(STEPS, RETURNS, 5, stopped=STOPPED)
    assert (one.step, one.last_step, entered(one)) == (60, 60, 3)


def test_the_mean_ends_where_more_seeds_are_missing_than_present():
    """Three stopped at 30 above 4, below 8; one ran on: alone it must not decide about 8."""
    returns = np.array([[1.0] * 4, [3.0] * 4, [5.0, 5.0, 5.0, 0.0], [NAN, NAN, NAN, 9.0]])
    stopped = np.array([True, True, True, False])
    found = mean_crossings([10, 20, 30, 40], returns, [4, 8], stopped=stopped)
    np.testing.assert_array_equal(found.step, [40, np.inf])
    np.testing.assert_array_equal(found.last_step, [40, 30])
    np.testing.assert_array_equal(entered(found), [4, 4])
    # As many missing as present is still a mean; and seeds that were not stopped are not missed.
    two = mean_crossings([10, 20, 30, 40], returns[:, 2:], [8], stopped=stopped[2:])
    np.testing.assert_array_equal([two.step, two.last_step, entered(two)], [[40], [40], [1]])
    ended = mean_crossings([10, 20, 30, 40], returns, [8])
    np.testing.assert_array_equal([ended.step, entered(ended)], [[40], [1]])
    assert ended.last_step == 40


def test_all_stopped_above_is_reached_not_censored():
    """Each fit alone ends ≥ 4; their mean's does not before the stop, and does right after it."""
    returns = np.array([[0.0, 6, 0], [6.0, 2, 0], [2.0, 1, 0], [NAN, NAN, 1], [NAN, NAN, 1]])
    stopped = np.array([True, False, False])
    counts = np.array([[3, 0, 0], [0, 1, 1]])
    found = mean_crossings([1, 2, 3, 4, 5], returns, [4.0], counts=counts, stopped=stopped)
    np.testing.assert_array_equal(found.step, [[2], [np.inf]])
    found = mean_crossings([1, 2, 3, 4], PAIR, [4.0], counts=[1, 1, 0], stopped=[True, True, False])
    assert crossings([1, 2, 3], [0.0, 4, 3], [4.0]).censored.all()  # the mean of the two until 3
    np.testing.assert_array_equal([found.step, entered(found)], [[4], [2]])


# Final levels 5 = (8 + 2)/2 and 4; the third seed is only there to have a fourth evaluation.
PAIR = np.array([[0.0, 0.0, 0.0], [8.0, 0.0, 0.0], [2.0, 4.0, 0.0], [NAN, NAN, 0.0]])


def test_a_carried_seed_does_not_speak_alone_where_the_running_ones_were_not_evaluated():
    returns = np.array([[9.0, 0.0], [NAN, 0.0], [NAN, NAN], [NAN, 2.0]])
    curve = mean_curve(returns, stopped=[True, False], threshold=5)
    np.testing.assert_array_equal(curve, [4.5, 4.5, NAN, 5.5])


def test_the_bootstrap_with_two_seeds_has_its_three_outcomes():
    returns = np.array([[0.0, 0], [8.0, 0], [NAN, 0], [NAN, 2]])
    result = bootstrap_crossings(
        [1, 2, 3, 4], returns, [5.0], bootstraps=2000, rng=np.random.default_rng(0),
        stopped=np.array([True, False]),
    )  # fmt: skip
    share = {step: float((result.step == step).mean()) for step in (2, 4, np.inf)}
    assert share == pytest.approx({2: 0.25, 4: 0.5, np.inf: 0.25}, abs=0.03)
    assert result.last_step.shape == entered(result).shape == (2000, 1)
    assert set(entered(result).ravel()) == {2}


def slow(steps, returns, level, times, stopped, failed):
    """The rules of ``mean_crossings``, a seed and a row at a time."""
    length, n = len(returns), len(returns[0])
    ends, finals = [], []
    lowest = min(value for row in returns for value in row if value == value)
    for s in range(n):
        seen = [t for t in range(length) if returns[t][s] == returns[t][s]]
        ends.append(seen[-1] if seen else -1)
        final = -np.inf
        if failed[s] and not seen:
            final = lowest
        elif (
            stopped[s] or failed[s]
        ) and seen:  # last value of the fit: the largest mean of any suffix
            column = [returns[t][s] for t in seen]
            final = max(sum(column[i:]) / len(column[i:]) for i in range(len(column)))
        finals.append(final)
    axis, means, numbers, known = [], [], [], []
    for t in range(length):
        drawn = [s for s in range(n) for _ in range(times[s])]
        running = [s for s in drawn if t <= ends[s]]
        values = [returns[t][s] for s in running if returns[t][s] == returns[t][s]]
        over = [s for s in drawn if t > ends[s] >= 0 and stopped[s]]
        carried = [finals[s] for s in over if finals[s] >= level]
        fallen = [finals[s] for s in drawn if t > ends[s] and failed[s]]
        if len(running) + len(carried) + len(fallen) < len(over) - len(carried):
            break
        if fallen:
            known.append((steps[t], 0))
        alone = not values and not carried
        speak = len(values)
        if values or not running:
            speak += len(carried) + sum(v >= level for v in fallen)
            values = values + carried + fallen
        if values and not alone:
            axis.append(steps[t])
            means.append(sum(values) / len(values))
            numbers.append(speak)
            known.append((steps[t], speak))
    # fit ≥ J first where the largest mean over starts of the smallest mean over ends is ≥ J
    for t in range(len(means)):
        best = max(
            min(sum(means[a:b]) / (b - a) for b in range(t + 1, len(means) + 1))
            for a in range(t + 1)
        )
        if best >= level - 1e-9:
            return axis[t], known[-1][0], numbers[t]
    return np.inf, *known[-1]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32))
def test_equals_a_slow_reference(seed):
    rng = np.random.default_rng(seed)
    length, n = int(rng.integers(2, 14)), int(rng.integers(1, 6))
    returns = np.linspace(0, 6, length)[:, None] * rng.uniform(0, 2, n) + rng.normal(
        0, rng.uniform(0, 2), (length, n)
    )
    returns[rng.random(returns.shape) < 0.1] = NAN
    for s in range(n):
        returns[rng.integers(1, length + 3) :, s] = NAN
    returns[0] = 0.5
    stopped = rng.random(n) < 0.6
    failed = ~stopped & (rng.random(n) < rng.choice([0, 0.7]))
    returns[:, failed & (rng.random(n) < 0.2)] = NAN
    steps = np.cumsum(rng.integers(1, 9, length)).astype(float)
    counts = bootstrap_counts(n, 4, rng)
    levels = np.sort(rng.uniform(-1, 9, 5))
    if np.isnan(returns).all():
        returns[0] = 0.5
    found = mean_crossings(steps, returns, levels, counts=counts, stopped=stopped, failed=failed)
    for k, times in enumerate(counts):
        for j, level in enumerate(levels):
            case = steps.tolist(), returns.tolist(), level, times.tolist(), stopped, failed
            expected = slow(*case)
            assert (found.step[k, j], found.last_step[k, j], entered(found)[k, j]) == expected


def test_failed_seeds_do_not_leave_the_mean_to_the_survivor():
    """Three diverge after 20 at 4, 2 and 1; the fourth goes on to 9."""
    returns = np.array([[0.0, 0, 0, 0], [4, 2, 1, 3], [NAN, NAN, NAN, 9], [NAN, NAN, NAN, 9]])
    failed = np.array([True, True, True, False])
    steps = [10, 20, 30, 40]
    curve = mean_curve(returns, failed=failed, threshold=3)
    np.testing.assert_array_equal(curve, [0, 2.5, 4, 4])
    found = mean_crossings(steps, returns, [2, 4, 5, 8], failed=failed)
    np.testing.assert_array_equal(found.step, [20, 30, np.inf, np.inf])
    np.testing.assert_array_equal(found.last_step, [40] * 4)
    np.testing.assert_array_equal(entered(found), [4, 2, 1, 1])
    assert mean_crossings(steps, returns, [8]).step == 30  # without a word, the survivor speaks
    with pytest.raises(ValueError, match="threshold too"):
        mean_curve(returns, failed=failed)
    with pytest.raises(ValueError, match="seed 0 is in both stopped and failed"):
        mean_crossings(steps, returns, [8], stopped=[True, False, False, False], failed=failed)
    with pytest.raises(ValueError, match="failed must have one boolean per seed"):
        bootstrap_crossings(steps, returns, [8], rng=np.random.default_rng(0), failed=[True])


def test_seeds_that_failed_together_reach_no_more():
    """Each fit alone ends at 4; the mean's does not, and nothing was measured afterwards."""
    returns = np.array([[6.0, 0], [2, 4], [NAN, NAN], [NAN, NAN]])
    found = mean_crossings([1, 2, 3, 4], returns, [3.0, 3.5], failed=[True, True])
    np.testing.assert_array_equal(found.step, [1, np.inf])
    np.testing.assert_array_equal(found.last_step, [4, 4])
    np.testing.assert_array_equal(entered(found), [2, 0])


def test_a_configuration_without_any_number_reaches_nothing():
    nothing, failed = np.full((3, 2), NAN), np.array([True, True])
    found = mean_crossings([1, 2, 3], nothing, [-1.0, 5.0], failed=failed)
    np.testing.assert_array_equal(found.step, [np.inf, np.inf])
    np.testing.assert_array_equal(found.last_step, [3, 3])
    np.testing.assert_array_equal(entered(found), [0, 0])
    boot = bootstrap_crossings(
        [1, 2, 3], nothing, [5.0], bootstraps=4, rng=np.random.default_rng(0), failed=failed
    )
    assert np.isinf(boot.step).all()
    assert boot.step.shape == boot.last_step.shape == (4, 1)
    with pytest.raises(ValueError, match="no evaluation"):
        mean_crossings([1, 2, 3], nothing, [5.0], failed=[False, False])


def test_seeds_that_failed_before_their_first_number_take_part_in_the_draw():
    returns = np.array([[1.0, NAN, NAN], [9.0, NAN, NAN]])
    result = bootstrap_crossings(
        [1, 2], returns, [4.0], bootstraps=2000, rng=np.random.default_rng(0),
        failed=np.array([False, True, False]),
    )  # fmt: skip
    # of the two that take part: both draws the first, one (9 + 1)/2, none
    assert float(np.isinf(result.step).mean()) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("holes", [False, True])
def test_nothing_stopped_changes_no_bit(holes):
    rng = np.random.default_rng(3)
    returns = np.linspace(0, 9, 50)[:, None] + rng.normal(0, 2, (50, 7))
    if holes:
        returns[20:, 0] = NAN
        returns[rng.random(returns.shape) < 0.1] = NAN
    steps, levels, none = np.arange(50), np.linspace(0, 9, 20), np.zeros(7, dtype=bool)
    before = crossings(steps, mean_curve(returns), levels)
    a, b = (
        bootstrap_crossings(
            steps, returns, levels, bootstraps=30, rng=np.random.default_rng(1), stopped=stopped
        )
        for stopped in (None, none)
    )
    for after in (
        mean_crossings(steps, returns, levels),
        mean_crossings(steps, returns, levels, stopped=none),
    ):
        np.testing.assert_array_equal(after.step, before.step)
        assert (after.last_step == before.last_step).all()
        assert (entered(after) <= 7).all()
    np.testing.assert_array_equal(a.step, b.step)
    np.testing.assert_array_equal(np.broadcast_to(a.last_step[:, None], b.step.shape), b.last_step)
    assert a.seeds is None
    np.testing.assert_array_equal(
        mean_curve(returns, stopped=none, threshold=4.0), mean_curve(returns)
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"stopped": [True], "threshold": 1.0}, r"one boolean per seed, i.e. shape \(4,\)"),
        ({"stopped": [1, 0, 0, 0], "threshold": 1.0}, "not int64 of shape"),
        ({"stopped": STOPPED}, "give threshold too"),
        ({"stopped": STOPPED, "threshold": NAN}, "thresholds must be one finite number"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        mean_curve(RETURNS, **arguments)


def fitted():
    """(path, steps, returns cut at each seed's end, ended before the array) of ``fitted_bs``."""
    if not (CURVES / "fitted_bs.zip").is_file():
        pytest.skip("the published curves (../shared) are not on this machine")
    with zipfile.ZipFile(CURVES / "fitted_bs.zip") as archive:
        for name in sorted(archive.namelist()):
            if "/return/" in name and name.endswith(".npy"):
                table, loss = (
                    np.load(io.BytesIO(archive.read(member)), allow_pickle=False)
                    for member in (name, name.replace("/return/", "/critic_loss/"))
                )
                returns = table[:, 1:].copy()
                over = np.cumsum(~np.isnan(loss[::-1, 1:]), axis=0)[::-1] == 0
                returns[over] = NAN
                yield name, table[:, 0], returns, over[-1]


BASE_TOP = {
    "h1-crawl-v0": (450, 788.887),
    "h1-pole-v0": (300, 811.278),
    "h1-stand-v0": (200, 657.0),
    "humanoid-stand": (300, 858.69),
}


def by_loops(steps, returns, stopped, level):
    """Step or inf, last step and seeds of a run without holes, through scikit-learn's fit."""
    ends = [int(np.flatnonzero(~np.isnan(column))[-1]) for column in returns.T]
    finals = [
        max(float(column[i : end + 1].mean()) for i in range(end + 1))
        for column, end in zip(returns.T, ends, strict=True)
    ]
    means, numbers = [], []
    for t in range(len(steps)):
        values = [returns[t, s] for s, end in enumerate(ends) if t <= end]
        over = [s for s, end in enumerate(ends) if t > end and stopped[s]]
        values += [finals[s] for s in over if finals[s] >= level]
        if len(values) < sum(finals[s] < level for s in over):
            break
        means.append(np.mean(values))
        numbers.append(len(values))
    fit = IsotonicRegression().fit_transform(steps[: len(means)], means)
    at = int((fit >= level).argmax()) if (fit >= level).any() else len(means) - 1
    step = steps[at] if (fit >= level).any() else np.inf
    return step, steps[len(means) - 1], numbers[at]


def test_published_runs_follow_the_rules():
    stops = censored = 0
    for name, steps, returns, stopped in fitted():
        levels = np.linspace(*BASE_TOP[name.split("/")[3]], 20)
        found = mean_crossings(steps, returns, levels, stopped=stopped)
        rows = zip(found.step, found.last_step, entered(found), strict=True)
        for level, row in list(zip(levels, rows, strict=True))[3::4]:
            assert row == by_loops(steps, returns, stopped, level), (name, level)
        stops += int(stopped.sum())
        censored += int(found.censored.sum())
        if "w2048" in name and "utd_8/h1-pole" in name:  # cut at 10 rows: not a failure
            assert found.censored.all()
            assert set(found.last_step) == {250_000}
    assert (stops, censored) == (1086, 91)


def test_published_bootstraps_are_fast():
    runs = list(fitted())
    start = time.perf_counter()
    for name, steps, returns, stopped in runs:
        bootstrap_crossings(
            steps, returns, np.linspace(*BASE_TOP[name.split("/")[3]], 20), bootstraps=100,
            rng=np.random.default_rng(0), stopped=stopped,
        )  # fmt: skip
    assert time.perf_counter() - start < 20
