"""Places to run over three axes, against scipy and against the search."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from vs_laws import DataLaw, PowerLaw
from vs_laws.allocate import Where, allocate
from vs_laws.cost import Cost

DELTA = 1e11
THREE = ("sigma", "critic_params", "depth")


def random_costs(rng, m):
    """Random laws over σ, N and a depth, each scaled so that its term matters near the data."""
    alpha = rng.uniform(0.3, 2.0, (m, 3))
    middle = np.array([2.0, 2e6, 4.0])
    amplitude = np.exp(rng.uniform(10.5, 12.5, (m, 3))) * middle**alpha
    law = DataLaw(
        np.exp(rng.uniform(11, 13, m)) * (rng.uniform(size=m) > 0.2), amplitude, alpha, axes=THREE
    )
    return Cost(law, PowerLaw(60.0, [-0.3, 0.1, 0.7], axes=THREE))


def slsqp(cost, goal, box, start):
    """The same problem by scipy, in the logarithms of the places."""

    def at(t):
        return dict(zip(cost.axes, np.exp(t), strict=True))

    def steps(t):
        return float(np.squeeze(np.log(cost.steps(**at(t)))))

    def flops(t):
        return float(np.squeeze(np.log(cost(**at(t)))))

    limits: list[dict[str, Any]] = []
    objective = flops if "max_data" in goal else steps
    if "delta" in goal:

        def objective(t):
            return float(np.squeeze(np.log(cost(**at(t)) + goal["delta"] * cost.steps(**at(t)))))
    else:
        used = steps if "max_data" in goal else flops
        bound = np.log(next(iter(goal.values())))
        limits = [{"type": "ineq", "fun": lambda t: bound - used(t)}]
    found = minimize(
        objective, start, method="SLSQP", bounds=np.log([box[a] for a in cost.axes]),
        constraints=limits, options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    met = all(limit["fun"](found.x) > -1e-10 for limit in limits)
    return found.fun if met else np.inf


@pytest.mark.parametrize("kind", ["delta", "max_data", "max_compute"])
def test_three_axes_against_scipy(kind):
    rng = np.random.default_rng(3)
    box = {"sigma": (0.5, 16.0), "critic_params": (1e5, 1e8), "depth": (1.0, 16.0)}
    middle = np.log([2.0, 2e6, 4.0])
    many = random_costs(rng, 40)
    words = set()
    for k in range(40):
        cost = Cost(many.data.at(k), many.batch_size)
        at = dict(zip(THREE, np.exp(middle), strict=True))
        value = {"delta": 10 ** rng.uniform(9, 13), "max_data": cost.steps(**at) * rng.uniform(0.7, 1.5),
                 "max_compute": cost(**at) * 10 ** rng.uniform(-1.5, 1)}  # fmt: skip
        goal: dict[str, Any] = {kind: float(value[kind])}
        found = allocate(cost, **goal, within=box)
        words.add(found.where.item())
        tried = [slsqp(cost, goal, box, middle + shift) for shift in (0.0, -0.5, 0.5)]
        if found.where == Where.INFEASIBLE:
            corners = np.meshgrid(*(np.geomspace(*box[a], 30) for a in THREE), indexing="ij")
            grid = dict(zip(THREE, corners, strict=True))
            least = (cost.steps if kind == "max_data" else cost)(**grid).min()
            assert least > goal[kind] * (1 - 1e-9)
            continue
        best = min(tried)
        name = {"delta": "budget", "max_data": "compute", "max_compute": "data"}[kind]
        mine = found.compute + goal["delta"] * found.data if kind == "delta" else found[name]
        assert np.log(mine) == pytest.approx(best, abs=2e-8)
        assert np.log(mine) <= best + 1e-9
        used = {"max_data": found.data, "max_compute": found.compute}.get(kind)
        assert used is None or used <= goal[kind]
        for axis in THREE:
            low, high = box[axis]
            assert low * (1 - 1e-12) <= found[axis] <= high * (1 + 1e-12)
    assert Where.EDGE in words
    assert words & {Where.INTERIOR, Where.CONSTRAINT}


def test_three_axes_by_search_equal_the_closed_form():
    cost = random_costs(np.random.default_rng(5), 6)
    box = {"sigma": (0.5, 16.0), "critic_params": (1e5, 1e8), "depth": (1.0, 16.0)}
    search = Cost(cost.data, cost.batch_size, actor_params=1e-300)
    exact, found = (allocate(each, delta=DELTA, within=box) for each in (cost, search))
    for axis in THREE:
        np.testing.assert_allclose(found[axis], exact[axis], rtol=1e-6)
    assert list(found.where) == list(exact.where)
