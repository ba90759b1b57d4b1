import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vs_isotonic import bootstrap_counts, bootstrap_crossings, crossings, mean_curve


def seeds(n=6, length=80, seed=0):
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.integers(1, 2000, length))
    return steps, np.linspace(0, 10, length)[:, None] + rng.normal(0, 2, (length, n))


def test_counts_are_resamples_with_replacement():
    counts = bootstrap_counts(8, 20_000, np.random.default_rng(0))
    assert counts.shape == (20_000, 8)
    assert (counts.sum(1) == 8).all()
    # A resample of 8 of 8: mean 1, variance 8·(1/8)·(7/8), P(absent) = (7/8)^8.
    np.testing.assert_allclose(counts.mean(0), 1, atol=0.03)
    np.testing.assert_allclose(counts.var(0), 7 / 8, rtol=0.05)
    np.testing.assert_allclose((counts == 0).mean(), (7 / 8) ** 8, rtol=0.02)


def test_equals_resampling_columns_by_hand():
    steps, returns = seeds()
    returns[60:, 0] = np.nan  # stopped early
    returns[10:13, 3] = np.nan  # evaluations not logged
    levels = [2.0, 5.0, 9.0, 30.0]
    result = bootstrap_crossings(
        steps, returns, levels, bootstraps=50, rng=np.random.default_rng(7)
    )
    counts = bootstrap_counts(6, 50, np.random.default_rng(7))
    for k in range(50):
        columns = np.repeat(np.arange(6), counts[k])
        by_hand = np.array([np.nanmean(row) for row in returns[:, columns]])
        np.testing.assert_array_equal(result.step[k], crossings(steps, by_hand, levels).step)
    assert result.step.shape == result.censored.shape == (50, 4)
    assert result.last_step.shape == (50,)
    assert result.censored[:, 3].all()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 400), st.sampled_from([0.0, 0.1, 0.25, 1.0]))
def test_complete_seeds_take_the_same_way_as_any_curve(seed, length, quantum):
    """Against ``crossings`` of the mean curves, on ties (values on a grid) and without."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 1, (length, 5)) + np.linspace(0, rng.uniform(-1, 3), length)[:, None]
    levels = np.linspace(-1, 3, 9)
    if quantum:
        returns = np.round(returns / quantum) * quantum
        levels = np.round(levels / quantum) * quantum
    steps = np.arange(length)
    result = bootstrap_crossings(
        steps, returns, levels, bootstraps=20, rng=np.random.default_rng(seed)
    )
    counts = bootstrap_counts(5, 20, np.random.default_rng(seed))
    for k in range(20):  # row by row: the mean of a row is then the same to the last bit
        expected = crossings(steps, mean_curve(returns, counts=counts[k]), levels)
        np.testing.assert_array_equal(result.step[k], expected.step)
        assert result.last_step[k] == expected.last_step


def test_two_seeds_have_the_three_known_outcomes():
    steps = [1, 2, 3, 4]
    a, b = np.array([0.0, 1, 1, 1]), np.array([0.0, 0, 0, 1])
    result = bootstrap_crossings(
        steps, np.stack([a, b], 1), 1, bootstraps=4000, rng=np.random.default_rng(0)
    )
    share = {step: (result.step == step).mean() for step in (2, 4)}
    assert share[2] == pytest.approx(1 / 4, abs=0.03)  # a, a
    assert share[4] == pytest.approx(3 / 4, abs=0.03)  # b in the sample
    assert sum(share.values()) == 1


def test_mean_over_seeds_still_running():
    returns = np.array([[1.0, 3], [2, np.nan], [np.nan, np.nan], [np.nan, 8]])
    np.testing.assert_array_equal(mean_curve(returns), [2, 2, np.nan, 8])
    np.testing.assert_array_equal(
        mean_curve(returns, counts=[[2, 0], [0, 2], [3, 1]]),
        [[1, 2, np.nan, np.nan], [3, np.nan, np.nan, 8], [1.5, 2, np.nan, 8]],
    )


def test_a_sample_of_short_seeds_ends_early():
    returns = np.array([[1.0, 1.0], [2.0, 2.0], [np.nan, 3.0]])
    result = bootstrap_crossings(
        [10, 20, 30], returns, 2.5, bootstraps=200, rng=np.random.default_rng(0)
    )
    assert set(result.last_step) == {20, 30}
    np.testing.assert_array_equal(result.step, np.where(result.last_step == 20, np.inf, 30))


def test_dead_seeds_are_not_drawn():
    steps, returns = seeds(4)
    with_dead = np.insert(returns, 2, np.nan, axis=1)
    a, b = (
        bootstrap_crossings(steps, r, [5.0], bootstraps=30, rng=np.random.default_rng(0))
        for r in (returns, with_dead)
    )
    np.testing.assert_array_equal(a.step, b.step)


def test_one_seed_has_no_spread():
    steps, returns = seeds(1)
    result = bootstrap_crossings(steps, returns, [5.0], bootstraps=20, rng=np.random.default_rng(0))
    assert len(set(result.step[:, 0])) == 1


def test_same_generator_state_same_result():
    steps, returns = seeds()
    a, b = (
        bootstrap_crossings(steps, returns, [5.0], bootstraps=20, rng=np.random.default_rng(3)).step
        for _ in range(2)
    )
    np.testing.assert_array_equal(a, b)


RNG = np.random.default_rng(0)
BAD = [
    (lambda: bootstrap_counts(0, 10, RNG), "at least one seed"),
    (lambda: bootstrap_counts(3, 0, RNG), "at least one seed and one sample"),
    (lambda: mean_curve([1.0, 2.0]), r"shape \(evaluations, seeds\)"),
    (lambda: mean_curve(np.ones((0, 3))), "at least one of each"),
    (lambda: mean_curve([[1.0, np.inf]]), "row 0 of seed 1 is infinite"),
    (lambda: mean_curve([[1.0, 2.0]], counts=[1, 1, 1]), "one column per seed"),
    (lambda: mean_curve([[1.0, 2.0]], counts=[1, -1]), "not negative"),
    (
        lambda: bootstrap_crossings([1, 2], np.full((2, 3), np.nan), [1], rng=RNG),
        "no seed with an evaluation",
    ),
]


@pytest.mark.parametrize(("call", "sentence"), BAD, ids=itertools.count())
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
