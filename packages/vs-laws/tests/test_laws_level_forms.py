"""Shapes of log D over places and levels: derivatives, the place where they vanish, their limits."""

import numpy as np
import pytest
from vs_laws._level_forms import PER_AXIS, shape, terms

FORMS = ("additive", "product")


def case(axes, seed=0, n=30):
    rng = np.random.default_rng(seed)
    theta = rng.normal(0.0, 0.7, PER_AXIS * axes)
    return theta, rng.normal(0.0, 1.5, (n, axes)), rng.uniform(-0.5, 0.7, n)


def by_hand(form, theta, logs, t):
    """The formulas of the module, one number at a time."""
    found = []
    for place, at in zip(logs, t, strict=True):
        total, at_one, product = 1.0, 1.0, 1.0
        for k, log in enumerate(place):
            u, u_slope, log_alpha, alpha_slope = theta[PER_AXIS * k : PER_AXIS * (k + 1)]
            weight = np.exp(u + u_slope * at)
            term = weight * np.exp(log) ** -np.exp(log_alpha + alpha_slope * at)
            total, at_one = total + term, at_one + weight
            product *= (1.0 + term) / (1.0 + weight)
        found.append(np.log(total / at_one) if form == "additive" else np.log(product))
    return np.array(found)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_shape_is_the_formula_written_out(form, axes):
    theta, logs, t = case(axes)
    value, slopes = shape(form, theta, logs, t)
    np.testing.assert_allclose(value, by_hand(form, theta, logs, t), rtol=1e-10, atol=1e-12)
    assert slopes.shape == (30, PER_AXIS * axes)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_derivatives_are_those_of_finite_differences(form, axes):
    theta, logs, t = case(axes, seed=1)
    step = 1e-6
    differences = [
        (shape(form, theta + e, logs, t)[0] - shape(form, theta - e, logs, t)[0]) / (2 * step)
        for e in step * np.eye(theta.size)
    ]
    slopes = shape(form, theta, logs, t)[1]
    np.testing.assert_allclose(slopes, np.transpose(differences), atol=1e-8)
    assert np.all(np.abs(slopes).max(axis=0) > 1e-3)  # each parameter matters somewhere


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_shape_vanishes_where_places_are_in_the_middle(form, axes):
    theta, logs, t = case(axes, seed=2)
    value, slopes = shape(form, theta, 0.0 * logs, t)
    np.testing.assert_allclose(value, 0.0, atol=1e-14)
    np.testing.assert_allclose(slopes, 0.0, atol=1e-14)


def test_both_forms_are_one_over_a_single_axis():
    theta, logs, t = case(1, seed=3)
    for one, other in zip(*(shape(form, theta, logs, t) for form in FORMS), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-13)


def test_forms_differ_over_two_axes():
    theta, logs, t = case(2, seed=4)
    one, other = (shape(form, theta, logs, t)[0] for form in FORMS)
    assert np.abs(one - other).max() > 0.05


@pytest.mark.parametrize("form", FORMS)
def test_order_of_axes_does_not_matter(form):
    theta, logs, t = case(3, seed=5)
    order = [2, 0, 1]
    turned = theta.reshape(3, PER_AXIS)[order].ravel()
    value, slopes = shape(form, theta, logs, t)
    again, moved = shape(form, turned, logs[:, order], t)
    np.testing.assert_allclose(again, value, atol=1e-13)
    np.testing.assert_allclose(
        moved.reshape(-1, 3, PER_AXIS), slopes.reshape(-1, 3, PER_AXIS)[:, order], atol=1e-13
    )


@pytest.mark.parametrize("form", FORMS)
def test_far_places_have_the_power_and_the_floor_as_limits(form):
    theta = np.array([-0.4, 0.0, np.log(0.7), 0.0])
    far = np.array([[-40.0], [-41.0], [60.0]])
    value = shape(form, theta, far, np.zeros(3))[0]
    np.testing.assert_allclose(value[1] - value[0], 0.7, rtol=1e-10)  # D ∝ s^−α
    np.testing.assert_allclose(value[2], -np.log1p(np.exp(-0.4)), rtol=1e-10)  # d_min


def test_terms_are_linear_in_the_position_and_take_leading_dimensions():
    theta, _, t = case(2, seed=6)
    u, alpha = terms(theta, t)
    np.testing.assert_allclose(u[:, 1], theta[4] + theta[5] * t)
    np.testing.assert_allclose(np.log(alpha[:, 0]), theta[2] + theta[3] * t)
    many = np.stack([theta, theta + 0.1])[:, None, :]  # (2, 1, 4K)
    u, alpha = terms(many, t[:1])
    assert u.shape == alpha.shape == (2, 1, 1, 2)
