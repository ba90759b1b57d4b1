import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import isotonic_regression as reference
from vs_isotonic import isotonic_regression


def max_min(y, w):
    """The textbook formula: fit_t = max over starts s ≤ t of min over ends e ≥ t of the mean."""
    n = len(y)

    def mean(s, e):
        return np.average(y[s : e + 1], weights=w[s : e + 1])

    return [max(min(mean(s, e) for e in range(t, n)) for s in range(t + 1)) for t in range(n)]


def test_known_fit():
    np.testing.assert_array_equal(
        isotonic_regression([1, 3, 2, 4, 3.5, 6]), [1, 2.5, 2.5, 3.75, 3.75, 6]
    )
    np.testing.assert_array_equal(isotonic_regression([3, 1], weights=[3, 1]), [2.5, 2.5])
    np.testing.assert_array_equal(isotonic_regression([5.0]), [5.0])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(1, 3)), min_size=1, max_size=8))
def test_equals_max_min_formula(points):
    y, w = np.array(points, float).T
    np.testing.assert_allclose(isotonic_regression(y, weights=w), max_min(y, w), atol=1e-12)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6) | st.integers(-3, 3).map(lambda i: i / 10), min_size=1),
    st.integers(0, 2**32),
)
def test_is_bit_identical_to_scikit_learn(values, seed):
    y = np.array(values)
    w = np.random.default_rng(seed).uniform(0.1, 3, y.size)
    np.testing.assert_array_equal(isotonic_regression(y), reference(y))
    np.testing.assert_array_equal(isotonic_regression(y, weights=w), reference(y, sample_weight=w))


def test_batch_axes_are_independent_rows():
    rng = np.random.default_rng(0)
    y, w = rng.normal(size=(3, 4, 50)), rng.uniform(0.5, 2, size=(4, 50))
    fit = isotonic_regression(y, weights=w)
    assert fit.shape == y.shape
    for i, j in np.ndindex(3, 4):
        np.testing.assert_array_equal(fit[i, j], reference(y[i, j], sample_weight=w[j]))


def test_nan_and_zero_weight_are_no_observation():
    y = [np.nan, 3, np.nan, 1, 5, 99, np.nan]
    w = [1, 1, 1, 1, 1, 0, 1]
    np.testing.assert_array_equal(isotonic_regression(y, weights=w), [2, 2, 2, 2, 5, 5, 5])


@pytest.mark.parametrize(
    ("y", "weights", "sentence"),
    [
        ([], None, "at least one evaluation"),
        (1.0, None, "at least one evaluation"),
        (["a"], None, "y must be an array of real numbers"),
        ([1, np.inf], None, r"entry \(1,\) is infinite"),
        ([np.nan, np.nan], None, "y has no evaluation that is not NaN"),
        ([[1.0, 2.0], [np.nan, np.nan]], None, r"y\[1\] has no evaluation"),
        ([1.0, np.nan], [0, 1], "y has no evaluation"),
        ([1.0, 2.0], [1, -1], "weights must be finite and not negative"),
        ([1.0, 2.0], [1, np.nan], "weights must be finite and not negative"),
        ([1.0, 2.0], [1, 1, 1], "do not broadcast"),
    ],
)
def test_bad_input_is_one_sentence(y, weights, sentence):
    with pytest.raises(ValueError, match=sentence):
        isotonic_regression(y, weights=weights)
