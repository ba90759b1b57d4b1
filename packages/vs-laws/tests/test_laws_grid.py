from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vs_laws.grid import (
    Edge,
    best_configuration,
    fit_hyperparameter_law,
    grid_optimum,
    middle_level,
    nearest,
    round_batch_size,
    width_of,
)

RATES = np.array([1e-4, 2e-4, 4e-4, 8e-4, 1.6e-3])
BATCHES = np.array([32.0, 64, 128, 256, 512])


def bowl(batch, rate, *, noise=0.0, bootstraps=1, seed=0):
    """D with a separable quadratic optimum at (batch, rate) in log-log."""
    d = 1e5 * np.exp(np.log(RATES / rate)[:, None] ** 2 + np.log(BATCHES / batch)[None, :] ** 2)
    rng = np.random.default_rng(seed)
    return d * np.exp(noise * rng.standard_normal((bootstraps, *d.shape)))


def optimum(steps, **options):
    return grid_optimum(steps, learning_rates=RATES, batch_sizes=BATCHES, **options)


def test_known_optimum_is_found_with_and_without_a_bootstrap_axis():
    for steps in (bowl(128, 4e-4), bowl(128, 4e-4)[0]):
        found = optimum(steps)
        assert found.batch_size.value == pytest.approx(128)
        assert found.learning_rate.value == pytest.approx(4e-4)
        assert found.batch_size.by_other == pytest.approx(np.full(5, 128.0))
        assert found.batch_size.edge is Edge.INSIDE
        assert found.batch_size.unreached == 0


def test_means_are_the_stated_ones():
    steps = np.stack([bowl(64, 4e-4)[0], bowl(256, 4e-4)[0]])
    assert optimum(steps).batch_size.value == pytest.approx(128)
    assert optimum(steps, mean="arithmetic").batch_size.value == pytest.approx(160)
    assert optimum(steps).batch_size.draws == pytest.approx([64, 256])
    assert "geometric" in optimum(steps).batch_size.notes[0]


def test_bagging_lands_between_grid_values():
    found = optimum(bowl(np.sqrt(128 * 256), 4e-4, noise=0.3, bootstraps=400)).batch_size
    assert 128 < found.value < 256
    assert found.estimate.low < found.value < found.estimate.high


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_censored_and_absent_configurations_never_win(seed, share):
    rng = np.random.default_rng(seed)
    steps = bowl(128, 4e-4, noise=0.5, bootstraps=7, seed=seed)
    hole = rng.random(steps.shape)
    steps = np.where(hole < share / 2, np.inf, np.where(hole < share, np.nan, steps))
    found = optimum(steps)
    for k in range(7):
        best = []
        for row in steps[k]:
            finite = [(d, b) for d, b in zip(row, BATCHES, strict=True) if np.isfinite(d)]
            best += [min(finite)[1]] if finite else []
        expected = np.exp(np.mean(np.log(best))) if best else np.nan
        assert found.batch_size.draws[k] == pytest.approx(expected, nan_ok=True)


def test_a_row_without_any_run_that_reached_the_level_is_missing():
    steps = bowl(256, 4e-4)
    steps[:, 0, :] = np.inf
    found = optimum(steps).batch_size
    assert found.value == pytest.approx(256)
    assert np.isnan(found.by_other[0])
    assert found.unreached == pytest.approx(0.2)
    assert any("censored" in note for note in found.notes)
    published = optimum(steps, mean="arithmetic", unreached="smallest").batch_size
    assert published.value == pytest.approx((4 * 256 + 32) / 5)


def test_nothing_reached_is_nan_and_explicit():
    found = optimum(np.full((3, 5, 5), np.inf)).batch_size
    assert np.isnan(found.value)
    assert np.isnan(found.draws).all()
    assert found.unreached == 1
    with pytest.raises(ValueError, match="lower threshold"):
        best_configuration(np.full((3, 5, 5), np.inf), learning_rates=RATES, batch_sizes=BATCHES)


@pytest.mark.parametrize(("batch", "edge"), [(8, Edge.SMALLEST), (4096, Edge.LARGEST)])
def test_unbracketed_optimum_is_flagged(batch, edge):
    found = optimum(bowl(batch, 4e-4, noise=0.1, bootstraps=20)).batch_size
    assert found.edge is edge
    assert "does not bracket" in found.notes[1]


def test_grid_of_one_value_is_flagged():
    found = grid_optimum(bowl(128, 4e-4)[:, :, :1], learning_rates=RATES, batch_sizes=[32])
    assert found.batch_size.edge is Edge.SINGLE
    assert found.learning_rate.value == pytest.approx(4e-4)


def test_ties_go_to_the_smaller_value():
    found = optimum(np.full((5, 5), 1e5))
    assert found.batch_size.value == pytest.approx(32)
    assert found.learning_rate.value == pytest.approx(1e-4)
    best = best_configuration(np.full((5, 5), 1e5), learning_rates=RATES, batch_sizes=BATCHES)
    assert (best.batch_size, best.learning_rate) == (32, 1e-4)


def test_baseline_prefers_what_always_reaches_the_level():
    steps = bowl(128, 4e-4, noise=0.05, bootstraps=10)
    best = best_configuration(steps, learning_rates=RATES, batch_sizes=BATCHES)
    assert (best.batch_size, best.learning_rate, best.censored) == (128, 4e-4, 0)
    steps[3, 2, 2] = np.inf  # the winner fails once
    steps[:, 2, 1] = np.nan  # a neighbour was never run
    best = best_configuration(steps, learning_rates=RATES, batch_sizes=BATCHES)
    assert (best.batch_size, best.learning_rate) != (128, 4e-4)
    assert best.censored == 0
    steps[0] = np.inf  # now every configuration fails at least once
    best = best_configuration(steps, learning_rates=RATES, batch_sizes=BATCHES)
    assert best.censored == pytest.approx(0.1)


def test_middle_level():
    assert middle_level([1, 2, 4, 8]) == 2
    assert middle_level([8, 0.5, 1, 2, 4, 4]) == 2


def test_law_over_tasks_recovers_the_exponent_and_carries_the_bootstraps():
    sigma, tasks, optima = [], [], []
    for task, top in (("a", 256.0), ("b", 128.0)):
        for s in (1.0, 2.0, 4.0, 8.0):
            steps = bowl(top * s**-0.5, 4e-4, noise=0.4, bootstraps=300, seed=int(top + s))
            sigma.append(s)
            tasks.append(task)
            optima.append(optimum(steps).batch_size)
    fit = fit_hyperparameter_law(sigma, optima, tasks=tasks)
    exponent = fit.parameters["sigma_exponent"]
    assert exponent.value == pytest.approx(-0.5, abs=0.1)
    assert exponent.low < -0.5 < exponent.high
    assert fit.parameters["coefficient[a]"].value == pytest.approx(256, rel=0.2)
    assert fit.bootstraps == 300
    assert "geometric" in fit.notes[0]


def test_law_names_edges_and_refuses_a_mixture():
    edge, inside = (optimum(bowl(b, 4e-4)).batch_size for b in (4, 128))
    fit = fit_hyperparameter_law([1, 2, 4], [inside, edge, edge])
    assert sum("does not bracket" in note for note in fit.notes) == 2
    with pytest.raises(ValueError, match="must share"):
        fit_hyperparameter_law([1, 2], [inside, optimum(bowl(4, 4e-4)).learning_rate])
    with pytest.raises(ValueError, match="one per optimum"):
        fit_hyperparameter_law([1, 2, 3], [inside, edge])


def test_rounding():
    assert round_batch_size([706.4, 355.6, 282.9, 3.0]).tolist() == [704, 352, 288, 16]
    assert round_batch_size([90, 91, 0.3], to="power of two").tolist() == [64, 128, 1]
    for bad in (0.0, np.nan, np.inf, 1e300):
        with pytest.raises(ValueError, match="positive and below"):
            round_batch_size(bad)
    with pytest.raises(ValueError, match="positive integer"):
        round_batch_size(3.0, to=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": np.ones((5, 4))}, "expected \\(bootstraps, 5 learning rates, 5 batch sizes\\)"),
        ({"steps": np.zeros((5, 5))}, "steps must be positive"),
        ({"learning_rates": RATES[::-1]}, "learning_rates must be strictly ascending"),
        ({"batch_sizes": [0, 1, 2, 3, 4]}, "batch_sizes must be a non-empty"),
        ({"mean": "median"}, "mean must be"),
        ({"unreached": "zero"}, "unreached must be"),
    ],
)
def test_bad_input(change, message):
    good: dict[str, Any] = {
        "steps": bowl(64, 4e-4),
        "learning_rates": RATES,
        "batch_sizes": BATCHES,
    }
    with pytest.raises(ValueError, match=message):
        grid_optimum(**{**good, **change})


def test_the_nearest_place_is_that_in_log_distance():
    places = {"batch_size": [64, 256, 64], "learning_rate": [1e-3, 1e-3, 1e-4]}
    assert nearest(places, {"batch_size": 120, "learning_rate": 9e-4}) == 0
    assert nearest(places, {"batch_size": [129, 64], "learning_rate": [1e-3, 2e-4]}).tolist() == [
        1,
        2,
    ]
    assert nearest(places, {"batch_size": 1e4, "learning_rate": np.nan}) == 1
    with pytest.raises(ValueError, match="the target batch_size"):
        nearest(places, {"batch_size": 64})


def test_width_of_a_parameter_count():
    known = [(2e5, 128.0), (8e5, 256.0)]
    assert width_of(4e5, known) == pytest.approx(128 * 2**0.5)
    assert width_of(3.2e6, known) == pytest.approx(512)
    assert width_of(5e4, known) == pytest.approx(64)
    assert width_of(1e6, []) is None
