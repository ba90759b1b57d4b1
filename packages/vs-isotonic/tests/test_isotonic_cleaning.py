import numpy as np
import pytest
from vs_isotonic import (
    bootstrap_counts,
    bootstrap_crossings,
    crossings,
    distinct_seeds,
    mean_crossings,
    mean_curve,
    remove_resets,
)

NAN = np.nan


def test_exact_copies_are_found_reported_and_dropped():
    a, b, c = np.random.default_rng(0).normal(size=(3, 20))
    a[5] = NAN
    seeds = distinct_seeds(np.stack([a, b, a, c, b, a], axis=1))
    np.testing.assert_array_equal(seeds.kept, [0, 1, 3])
    assert seeds.copies == ((0, 2, 5), (1, 4))
    assert seeds.dropped == 3
    assert str(seeds) == "3 distinct seeds of 6: identical columns 0 = 2 = 5; 1 = 4"


def test_nearly_equal_seeds_are_distinct():
    a = np.linspace(0, 1, 9)
    b = a.copy()
    b[4] = np.nextafter(b[4], 2)
    shorter = np.where(np.arange(9) < 8, a, NAN)
    seeds = distinct_seeds(np.stack([a, b, shorter], axis=1))
    np.testing.assert_array_equal(seeds.kept, [0, 1, 2])
    assert seeds.copies == ()
    assert str(seeds) == "3 distinct seeds"


def test_constant_and_empty_seeds_are_not_copies():
    columns = np.array([[0.0, 0.0, NAN, NAN], [0.0, 0.0, NAN, NAN]])
    np.testing.assert_array_equal(distinct_seeds(columns).kept, [0, 1, 2, 3])


def test_negative_zero_equals_zero():
    assert distinct_seeds([[0.0, -0.0], [1.0, 1.0]]).dropped == 1


def test_input_is_left_alone():
    returns = np.array([[1.0, NAN], [2.0, 3.0]])
    before = returns.copy()
    distinct_seeds(returns)
    remove_resets([1, 2], returns[:, 1], [2])
    np.testing.assert_array_equal(returns, before)


def test_dip_after_a_reset_is_removed():
    steps = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    #          reset before 4          reset before 8: never back at 6
    curve = [1, 3, 5, 0, 2, 5, 6, 1, 4]
    kept = remove_resets(steps, curve, [3.5, 7.5])
    np.testing.assert_array_equal(kept, [1, 3, 5, NAN, NAN, 5, 6, NAN, NAN])
    # With the dips, pooling brings the fit down from step 3 on and 5 is never reached.
    assert crossings(steps, curve, 5).censored
    assert crossings(steps, kept, 5).step == 3


def test_level_is_that_of_the_last_observation_and_later_dips_stay():
    curve = [2.0, NAN, 1.0, 2.0, 1.0]
    np.testing.assert_array_equal(
        remove_resets([1, 2, 3, 4, 5], curve, [3]), [2.0, NAN, NAN, 2.0, 1.0]
    )


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ([1, 4, 0, 3, 4], [1, 4, NAN, NAN, 4]),  # evaluated after the reset: the drop leads to it
        ([1, 4, 5, 0, 6], [1, 4, 5, NAN, 6]),  # evaluated before it: the drop comes next
        ([1, 4, 3, 0, 3], [1, 4, 3, NAN, 3]),  # the bigger drop of two
        ([1, 5, 2, 0, 5], [1, 5, NAN, NAN, 5]),
        ([1, 5, NAN, 0, 5], [1, 5, NAN, NAN, 5]),  # the evaluation at the reset does not exist
        ([1, 4, 0, NAN, NAN], [1, 4, NAN, NAN, NAN]),  # nothing comes next
        ([NAN, NAN, 5, 0, 6], [NAN, NAN, 5, 0, 6]),  # nothing came before
    ],
)
def test_an_evaluation_at_the_reset_is_on_the_side_of_the_bigger_drop(curve, expected):
    np.testing.assert_array_equal(remove_resets([1, 2, 3, 4, 5], curve, [3]), expected)


def test_means_and_bootstraps_lose_their_own_dips():
    rng = np.random.default_rng(5)
    steps = np.arange(1, 41) * 10.0
    climb = np.minimum(steps * 3, 900)[:, None] + rng.normal(0, 25, (40, 6))
    returns = np.where((steps % 100 < 25)[:, None] & (steps[:, None] > 90), climb - 400, climb)
    returns[30:, 1] = NAN
    resets, levels = [100.0, 200.0, 300.0], [200.0, 265.0, 560.0, 820.0, 2000.0]
    for stopped in (None, np.array([False, True, False, False, False, False])):
        found = mean_crossings(steps, returns, levels, stopped=stopped, resets=resets)
        for j, level in enumerate(levels):
            curve = mean_curve(returns, stopped=stopped, threshold=level)
            kept = remove_resets(steps, curve, resets)
            assert found.step[j] == crossings(steps, kept, level).step
            previous = steps[(steps < found.step[j]) & ~np.isnan(kept)]
            if np.isfinite(found.step[j]):
                assert found.spacing[j] == found.step[j] - previous[-1]
        assert np.all(found.last_step == 400)
        plain = mean_crossings(steps, returns, levels, stopped=stopped)
        assert np.all(found.step <= plain.step)
        assert np.all(found.step[1:3] < plain.step[1:3])

        boot = bootstrap_crossings(
            steps, returns, levels, bootstraps=30, rng=np.random.default_rng(1), stopped=stopped,
            resets=resets,
        )  # fmt: skip
        counts = bootstrap_counts(6, 30, np.random.default_rng(1))
        for row, sample in zip(boot.step, counts, strict=True):
            alone = mean_crossings(
                steps, returns, levels, counts=sample, stopped=stopped, resets=resets
            )
            np.testing.assert_array_equal(row, alone.step)


def test_resets_outside_the_curve_and_batches():
    curve = np.array([[1.0, 2, 0, 3], [3.0, 2, 4, 1]])
    np.testing.assert_array_equal(remove_resets([1, 2, 3, 4], curve, []), curve)
    np.testing.assert_array_equal(remove_resets([1, 2, 3, 4], curve, [0, 0.5, 9]), curve)
    np.testing.assert_array_equal(
        remove_resets([1, 2, 3, 4], curve, [2.1, 2.2]), [[1, 2, NAN, 3], [3, 2, 4, 1]]
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([1, 2], [1, 2, 3], [1]), "one entry per evaluation"),
        (([1, 2], [1, 2], [2, 1]), "resets must be"),
        (([1, 2], [1, 2], [NAN]), "resets must be"),
        (([1, 2], [1, 2], 3), "resets must be"),
        (([], [], [1]), "at least one evaluation"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        remove_resets(*arguments)
