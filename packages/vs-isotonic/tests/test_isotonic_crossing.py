from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from vs_isotonic import bootstrap_crossings, crossings, isotonic_regression


def rival(steps, curve, thresholds, weights=None):
    """Step of the first scikit-learn fit ≥ J among the observations; inf if there is none."""
    w = np.ones(len(curve)) if weights is None else np.asarray(weights, float)
    seen = ~np.isnan(curve) & (w > 0)
    x, y = np.asarray(steps, float)[seen], np.asarray(curve)[seen]
    fit = IsotonicRegression().fit_transform(x, y, sample_weight=w[seen])
    return [x[np.argmax(fit >= J)] if (fit >= J).any() else np.inf for J in thresholds]


def exact(curve, level):
    """First 1-based position with an isotonic value ≥ J in rational arithmetic; inf if none."""
    total, lowest, where = Fraction(0), Fraction(0), 0
    for t, value in enumerate(curve, start=1):
        total += Fraction(value) - Fraction(level)
        if total < lowest:
            lowest, where = total, t
    return where + 1 if where < len(curve) else np.inf


@st.composite
def tied_problems(draw):
    """Values on a coarse grid, so that plateaus, equal means and hits of J really occur."""
    quantum = draw(st.sampled_from([1.0, 0.25, 0.1, 1 / 3, 125.0]))
    size = draw(st.integers(1, 60))
    value = st.integers(-3, 3).map(lambda i: i * quantum)
    holes = draw(st.booleans())
    values = draw(
        st.lists(value | st.just(np.nan) if holes else value, min_size=size, max_size=size)
    )
    weights = draw(st.none() | st.lists(st.integers(0, 3), min_size=size, max_size=size))
    steps = np.cumsum(draw(st.lists(st.integers(1, 2000), min_size=size, max_size=size)))
    levels = draw(st.lists(st.integers(-8, 8).map(lambda i: i * quantum / 2), min_size=1))
    return steps, np.array(values), levels, weights


@settings(max_examples=300, deadline=None)
@given(tied_problems())
def test_ties_plateaus_and_holes_equal_scikit_learn(problem):
    steps, curve, levels, weights = problem
    observed = ~np.isnan(curve) & (np.array(1 if weights is None else weights) > 0)
    if not observed.any():
        with pytest.raises(ValueError, match="no evaluation"):
            crossings(steps, curve, levels, weights=weights)
        return
    result = crossings(steps, curve, levels, weights=weights)
    if weights is None or all(value.is_integer() for value in 4 * curve[observed]):
        np.testing.assert_array_equal(result.step, rival(steps, curve, levels, weights))
    else:  # scikit-learn's (w y) / w may not be y: it decides exact hits of J by its own rounding
        early, late = (
            rival(steps, curve, [J + slack for J in levels], weights) for slack in (-1e-12, 1e-12)
        )
        assert (early <= result.step).all()
        assert (result.step <= late).all()
    assert result.last_step == steps[np.flatnonzero(observed)[-1]]


def test_a_level_hit_exactly_is_reached_whatever_the_weight():
    """Here scikit-learn's weighted mean of the one value falls short of it."""
    assert -0.1 * 3 / 3 < -0.1
    found = crossings([1, 2, 3], np.array([0.0, 0.0, -0.1]), [-0.1], weights=[0, 0, 3])
    np.testing.assert_array_equal(found.step, [3])
    assert rival([1, 2, 3], np.array([0.0, 0.0, -0.1]), [-0.1], [0, 0, 3]) == [np.inf]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(-2, 2), min_size=1, max_size=12),
    st.integers(-4, 4).map(lambda i: i / 2),
)
def test_equals_rational_arithmetic(curve, level):
    # Blocks of at most 12 small integers: rounding cannot move a block's mean across a half.
    step = crossings(np.arange(1, len(curve) + 1), curve, level).step
    assert step == exact(curve, level)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.floats(1e-3, 1e8), st.floats(-1e8, 1e8))
def test_scale_and_offset_of_returns_do_not_matter(seed, scale, offset):
    rng = np.random.default_rng(seed)
    curve = offset + scale * (np.linspace(0, 3, 80) + rng.normal(size=(4, 80)))
    levels = np.append(offset + scale * np.linspace(-1, 5, 9), curve[0, :5])
    result = crossings(np.arange(80), curve, levels)
    for row, step in zip(curve, result.step, strict=True):
        np.testing.assert_array_equal(step, rival(np.arange(80), row, levels))


def test_agrees_with_the_own_fit_on_batches():
    rng = np.random.default_rng(1)
    steps = np.array([1, 1000, 1999, *range(3000, 60_000, 1000)])
    curve = rng.normal(size=(2, 3, steps.size)) + np.linspace(0, 4, steps.size)
    curve[rng.random(curve.shape) < 0.2] = np.nan
    levels = [3.0, -9.0, 1.0, 99.0]
    result = crossings(steps, curve, levels)
    assert result.step.shape == result.censored.shape == (2, 3, 4)
    assert result.last_step.shape == (2, 3)
    fit = np.where(np.isnan(curve), -np.inf, isotonic_regression(curve))
    for j, level in enumerate(levels):
        reached = fit >= level
        expected = np.where(reached.any(-1), steps[reached.argmax(-1)], np.inf)
        np.testing.assert_array_equal(result.step[..., j], expected)


def test_censoring_is_explicit():
    result = crossings([10, 20, 30, 40], [1.0, 2.0, 3.0, np.nan], [2.5, 3.0, 3.5])
    np.testing.assert_array_equal(result.step, [30, 30, np.inf])
    np.testing.assert_array_equal(result.censored, [False, False, True])
    assert result.last_step == 30


def test_scalar_threshold_drops_the_axis():
    result = crossings([1, 2], [[0.0, 1.0], [2.0, 3.0], [0.0, 0.0]], 1)
    np.testing.assert_array_equal(result.step, [2, 1, np.inf])


def test_never_crosses_at_a_missing_evaluation():
    result = crossings([1, 2, 3, 4], [np.nan, 5.0, np.nan, 6.0], [0.0, 5.5, 7.0])
    np.testing.assert_array_equal(result.step, [2, 4, np.inf])


def test_plateau_exactly_at_the_level():
    # 0.7 added ten times is 6.999…: the cumulative sum alone would miss or misplace these.
    for value in (0.1, 0.3, 0.7, 1.1):
        curve = np.concatenate([np.zeros(5), np.full(40, value)])
        step = crossings(np.arange(45), curve, [value]).step
        np.testing.assert_array_equal(step, rival(np.arange(45), curve, [value]))


@pytest.mark.parametrize(
    ("steps", "curve", "thresholds", "sentence"),
    [
        ([1, 2], [1.0, 2.0, 3.0], [1], r"shape \(3,\), not \(2,\)"),
        ([2, 1], [1.0, 2.0], [1], "strictly increasing"),
        ([1, 1], [1.0, 2.0], [1], "strictly increasing"),
        ([1, np.nan], [1.0, 2.0], [1], "finite"),
        ([1, 2], [1.0, 2.0], [], "non-empty"),
        ([1, 2], [1.0, 2.0], [np.nan], "finite"),
        ([1, 2], [1.0, 2.0], [[1.0]], "one finite number or a non-empty list"),
        ([1, 2], [np.nan, np.nan], [1], "curve has no evaluation that is not NaN"),
        ([1, 2], [1.0, -np.inf], [1], "infinite"),
        ([], [], [1], "at least one evaluation"),
    ],
)
def test_bad_input_is_one_sentence(steps, curve, thresholds, sentence):
    with pytest.raises(ValueError, match=sentence):
        crossings(steps, curve, thresholds)


def test_spacing_is_the_distance_to_the_observation_before():
    steps = [10, 30, 60, 100, 150]
    curves = [[1, 2, 3, 4, 5], [1, np.nan, np.nan, 4, 5], [np.nan, 2, np.nan, np.nan, 3]]
    found = crossings(steps, curves, [0.5, 1.5, 2.5, 4.5, 9])
    nan = np.nan
    expected = [[10, 20, 30, 50, nan], [10, 90, 90, 50, nan], [30, 30, 120, nan, nan]]
    np.testing.assert_array_equal(found.spacing, expected)
    np.testing.assert_array_equal(crossings(steps, curves[0], [0.5, 2.5, 9]).spacing, [10, 30, nan])


def test_spacing_of_bootstraps_is_that_of_their_crossings():
    steps = np.array([10.0, 30, 60, 100, 150])
    returns = np.arange(5.0)[:, None] + np.array([0.0, 0.5, 1.0])
    levels = [0.7, 2.2, 9.0]
    rng = np.random.default_rng
    full = bootstrap_crossings(steps, returns, levels, bootstraps=20, rng=rng(0))
    gap = dict(zip([*steps, np.inf], [*np.diff(steps, prepend=0), np.nan], strict=True))
    expected = [[gap[step] for step in row] for row in full.step.tolist()]
    np.testing.assert_array_equal(full.spacing, expected)
