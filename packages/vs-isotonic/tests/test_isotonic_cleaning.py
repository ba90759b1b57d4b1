import numpy as np
import pytest
from vs_isotonic import crossings, distinct_seeds, remove_resets

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


def test_evaluation_at_the_reset_counts_as_after_it():
    np.testing.assert_array_equal(remove_resets([1, 2, 3], [4, 0, 4], [2]), [4, NAN, 4])


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
