"""Parts of the hyperparameter surface, each against its closed form or another way to the same number."""

import numpy as np
from scipy.linalg import block_diag
from vs_laws._about_optimum import Cells, Layout, height, prior, skewed, surface
from vs_laws._levenberg import minimise
from vs_laws._noise import cell_variance, level_correlation, seed_variance, spacing_variance
from vs_laws._refits import posterior
from vs_laws._responses import Responses, pool_levels

BOTH = ("batch_size", "learning_rate")


def test_the_seeds_variance_is_that_of_a_mean_of_s_seeds():
    rng = np.random.default_rng(0)
    seeds = 5
    logs = rng.normal(size=(seeds, 3, 2))
    picks = rng.integers(seeds, size=(40_000, seeds))
    draws = np.exp(logs[picks].mean(axis=1))
    expected = logs.var(axis=0, ddof=1) / seeds
    np.testing.assert_allclose(seed_variance(draws, seeds), expected, rtol=0.02)


def test_no_variance_with_one_seed_or_where_bootstraps_do_not_reach():
    draws = np.exp(np.random.default_rng(0).normal(size=(100, 3, 1)))
    draws[:21, 1] = np.inf
    found = seed_variance(draws, np.array([[1], [4], [4]]))[:, 0]
    np.testing.assert_array_equal(np.isnan(found), [True, True, False])


def test_the_spacings_variance_is_that_of_a_uniform_place():
    found = spacing_variance(np.array([[1e5, np.inf]]), 1e4)
    np.testing.assert_allclose(found[0, 0], 0.1**2 / 12)
    assert found[0, 1] == 0.0


def test_a_cells_variance_goes_from_its_own_to_its_tasks():
    seeds = np.array([5.0, 5.0, 1.0, 4.0])
    own = np.array([[0.01], [0.03], [np.nan], [np.nan]])
    none = np.zeros((4, 1))
    found = cell_variance(own, none, seeds, np.array([0, 0, 0, 1])) - 1e-6
    single = 5 * 0.02  # of one seed, the mean of both cells
    np.testing.assert_allclose(found[0], (4 * 0.01 + 12 * single / 5) / 16)
    np.testing.assert_allclose(found[2:], [single, single / 4])  # one seed; another task


def test_levels_correlate_as_neighbours_do():
    rng = np.random.default_rng(0)
    places = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    true = np.exp(-np.abs(places[:, None] - places) / 0.4)
    draws = np.exp(0.1 * rng.normal(size=(5000, 4, 5)) @ np.linalg.cholesky(true).T)
    found = level_correlation(draws, seed_variance(draws, 8), places)
    np.testing.assert_allclose(found, true, atol=0.02)


def test_skewed_offsets_square_to_the_published_asymmetry():
    v = np.array([-6.0, -0.5, 1e-3, 0.0, 0.9, 1.1, 5.0])
    for skew in (-0.7, -1e-7, 0.0, 1e-4, 0.28, 0.31, 1.2):
        expected = v**2 if skew == 0 else 2 * (np.expm1(skew * v) - skew * v) / skew**2
        w, by_v, by_skew = skewed(v, np.full(1, skew))
        # the published form loses digits where γv is small
        np.testing.assert_allclose(w**2, expected, atol=1e-2 if 0 < abs(skew) < 1e-6 else 1e-6)
        np.testing.assert_array_equal(np.sign(w), np.sign(v))
        step = 1e-6
        up, down = skewed(v + step, np.full(1, skew))[0], skewed(v - step, np.full(1, skew))[0]
        np.testing.assert_allclose(by_v, (up - down) / (2 * step), atol=1e-6)
        up, down = skewed(v, np.full(1, skew + step))[0], skewed(v, np.full(1, skew - step))[0]
        np.testing.assert_allclose(by_skew, (up - down) / (2 * step), atol=1e-6)


def test_the_surface_has_its_least_value_at_the_optimum_only():
    u, v = np.meshgrid(np.linspace(-12, 12, 97), np.linspace(-12, 12, 97))
    above = height(
        [u, v], [np.full(1, 0.06), np.full(1, 0.1)], np.ones(1), np.full(1, 0.9), BOTH
    ).value
    assert above[48, 48] == 0.0
    assert np.sort(above.ravel())[1] > 0.001


def problem(rng, groups=3, tasks=2):
    """A layout, cells, responses (some missing, some bounded) and their noise."""
    layout, n = Layout(groups, tasks, BOTH), 24
    group = np.arange(n) % groups
    cells = Cells(rng.normal(size=(2, n)), rng.normal(size=n), group % tasks, group)
    shift, bound = rng.normal(size=n), np.where(np.arange(n) < 8, rng.normal(size=n), np.nan)
    shift[:4] = np.nan  # bounds alone
    tie, shrink = np.full(n, 0.3), np.where(np.isnan(shift), np.nan, 0.6)
    pooled = Responses(
        shift, shrink, np.zeros((groups, 1)), bound, tie, shift[None], np.zeros((1, groups, 1)),
        bound[None],
    )  # fmt: skip
    believed = prior(layout, rng.normal(size=(2, tasks)), np.full((2, tasks), 3.0))
    return layout, cells, believed, pooled, rng.uniform(0.1, 0.3, n)


def test_derivatives():
    rng = np.random.default_rng(0)
    layout, cells, believed, pooled, noise = problem(rng)
    known = posterior(layout, cells, believed, pooled, noise, 0.2)
    theta = 0.5 * rng.normal(size=layout.size)
    _, gradient, hessian = known(theta[None], np.arange(1))
    rows, slopes = known.rows(theta[None], np.arange(1))
    assert rows.shape == (1, 20 + 8)
    step = 1e-6
    for p in range(layout.size):
        move = step * (np.arange(layout.size) == p)
        ends = [known.rows((theta + s * move)[None], np.arange(1))[0] for s in (1, -1)]
        np.testing.assert_allclose(slopes[..., p], (ends[0] - ends[1]) / (2 * step), atol=1e-7)
        costs = [known((theta + s * move)[None], np.arange(1))[0][0] for s in (1, -1)]
        np.testing.assert_allclose(gradient[0, p], (costs[0] - costs[1]) / (4 * step), atol=1e-6)
    assert np.linalg.eigvalsh(hessian[0]).min() > 0


def test_only_missing_groups_and_axes_leave_the_layout():
    one = Layout(3, 2, ("learning_rate",))
    assert one.size == 3 + 4 + 2 + 1  # levels, centres and curvatures, exponent and common, γ
    assert Layout(3, 2, ("batch_size",)).size == 3 + 4 + 2
    cells = Cells(np.ones((1, 1)), np.zeros(1), np.array([1]), np.array([2]))
    theta = np.zeros((1, one.size))
    theta[0, 2], theta[0, one.centre(0)], theta[0, one.curvature(0)] = 7.0, 0.5, np.log(0.04)
    np.testing.assert_allclose(surface(theta, one, cells)[0], [[7.0 + 0.04 * 0.5**2]])


def test_pooled_shifts_are_generalised_least_squares():
    """Against the dense regression on cells and levels of one group, with a level not reached."""
    rng = np.random.default_rng(0)
    levels, n = np.array([0.0, 0.3, 1.0]), 4
    correlation = np.exp(-np.abs(levels[:, None] - levels) / 0.5)
    noise = np.array([0.02, 0.05, 0.01, 0.03])
    data = np.exp(rng.normal(size=(n, 3)))
    data[1, 2] = np.inf
    last = np.full((n, 3), 9.0)
    pooled = pool_levels(data, data[None], last, noise, correlation, np.zeros(n, int))

    cell, level = np.nonzero(np.isfinite(data))
    columns = np.hstack([np.eye(n)[cell], np.eye(3)[level]])
    parts = [noise[c] * correlation[np.ix_(*[level[cell == c]] * 2)] for c in range(n)]
    root = np.linalg.inv(np.linalg.cholesky(block_diag(*parts)))
    found = np.linalg.lstsq(root @ columns, root @ np.log(data[cell, level]))[0]
    shift, profile = found[:n] + found[n:].mean(), found[n:] - found[n:].mean()
    np.testing.assert_allclose(pooled.shift, shift)
    np.testing.assert_allclose(pooled.profile[0], profile)
    np.testing.assert_allclose(pooled.shift_draws[0], shift)
    alone = 1 / np.linalg.inv(correlation).sum()
    np.testing.assert_allclose(pooled.shrink[[0, 2, 3]], alone)
    # the level not reached: a bound on the shift, its noise tied to the pooled one's
    np.testing.assert_array_equal(np.isfinite(pooled.bound), [False, True, False, False])
    np.testing.assert_allclose(pooled.bound[1], np.log(9.0) - profile[2])
    inverse = np.linalg.inv(correlation[:2, :2])
    weights = inverse.sum(axis=1) / inverse.sum()
    np.testing.assert_allclose(pooled.tie[1], weights @ correlation[:2, 2])


def test_a_cell_that_reaches_nothing_has_a_bound_at_the_lowest_level():
    data = np.array([[2.0, 4.0], [np.inf, np.inf]])
    pooled = pool_levels(
        data, data[None], np.full((2, 2), 3.0), np.ones(2), np.eye(2), np.zeros(2, int)
    )
    assert np.isnan(pooled.shift[1])
    np.testing.assert_allclose(pooled.bound[1], np.log(3.0) - pooled.profile[0, 0])


def test_bootstraps_that_do_not_reach_are_taken_at_the_last_step():
    data = np.array([[2.0], [3.0]])
    draws = np.array([[[2.0], [np.inf]], [[2.0], [3.0]]])
    pooled = pool_levels(data, draws, np.full((2, 1), 5.0), np.ones(2), np.eye(1), np.zeros(2, int))
    np.testing.assert_allclose(np.exp(pooled.shift_draws), [[2.0, 5.0], [2.0, 3.0]])


def test_many_problems_end_where_each_alone_does():
    """Rosenbrock's valley, each problem with its own minimum."""
    target = np.array([1.0, 0.4, -0.7])

    def evaluate(theta, which):
        x, y = theta.T
        rows = np.stack([10 * (y - x**2), target[which] - x], axis=1)
        slopes = np.stack(
            [np.stack([-20 * x, 10 + 0 * x], axis=1), np.stack([-1 + 0 * x, 0 * x], axis=1)], axis=1
        )
        transposed = slopes.swapaxes(1, 2)
        return (rows**2).sum(axis=1), (transposed @ rows[..., None])[..., 0], transposed @ slopes

    found, cost, _ = minimise(evaluate, np.full((3, 2), [-1.2, 1.0]))
    np.testing.assert_allclose(found, np.stack([target, target**2], axis=1), atol=1e-6)
    np.testing.assert_allclose(cost, 0, atol=1e-12)


def test_minimise_ends_at_a_stationary_point():
    rng = np.random.default_rng(1)
    layout, cells, believed, pooled, noise = problem(rng)
    known = posterior(layout, cells, believed, pooled, noise, 0.2)
    found, _, _ = minimise(known, 0.1 * rng.normal(size=(1, layout.size)))
    np.testing.assert_allclose(known(found, np.arange(1))[1], 0, atol=1e-4)
