"""Minima of many smooth functions in boxes at once, against scipy."""

import numpy as np
from scipy.optimize import minimize
from vs_laws._minimise import minimise


def test_minimise_many_boxes_at_once():
    rng = np.random.default_rng(0)
    for count in (1, 2, 3):
        centre = rng.uniform(-3, 3, (count, 50))
        root = rng.normal(size=(50, count, count))
        matrix = np.einsum("nij,nkj->nik", root, root) + 0.3 * np.eye(count)

        def f(x, centre=centre, matrix=matrix):
            away = x - centre
            return np.log1p(np.einsum("in,nij,jn->n", away, matrix, away))

        low, high = np.full((count, 50), -2.0), np.full((count, 50), 2.5)
        low[0, :5] = high[0, :5] = 0.7  # held
        found = minimise(f, low, high)
        assert np.all((found >= low) & (found <= high))
        for k in range(50):

            def one(t, middle=centre[:, k], bend=matrix[k]):
                return (t - middle) @ bend @ (t - middle)

            best = minimize(
                one, np.clip(centre[:, k], low[:, k], high[:, k]), method="L-BFGS-B",
                bounds=list(zip(low[:, k], high[:, k], strict=True)),
                options={"ftol": 1e-15, "gtol": 1e-10},
            )  # fmt: skip
            np.testing.assert_allclose(found[:, k], best.x, atol=2e-5)
    nothing = minimise(lambda x: np.full(x.shape[1:], np.nan), np.zeros((2, 3)), np.ones((2, 3)))
    assert np.isnan(nothing).all()
