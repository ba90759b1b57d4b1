"""SAC and BRO against numbers that the published code computed.

The random numbers are given: `standard_normal` is replaced by the draws the published code made.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from vs_agents import BRO, SAC, FullBRO, Transition, actor_critic, bro

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "reference" / "goldens"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the published code's numbers (../shared) are not on this machine"
)
RATE = 3e-4


class Golden:
    """One file: parameters, batches, noise and results by name."""

    def __init__(self, name: str) -> None:
        with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
            self.arrays = dict(file)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def tree(self, prefix: str) -> dict:
        """Arrays under ``prefix/`` as flax parameters."""
        found: dict = {}
        for name, array in self.arrays.items():
            if name.startswith(f"{prefix}/"):
                *path, last = name.removeprefix(f"{prefix}/").split("/")
                place = found
                for step in path:
                    place = place.setdefault(step, {})
                place[last] = jnp.asarray(array)
        return {"params": found}

    def critics(self, prefix: str) -> dict:
        """The same of two critics, stacked under the name that ours have."""
        ones = self.tree(prefix)["params"]
        if "VmapCritic_0" in ones:
            inner = ones["VmapCritic_0"]
            head = inner["MLP_0"].pop("Dense_2")  # jaxrl's MLP includes the last layer
            return {"params": {"Vmap_Critic_0": {**inner, "Dense_0": head}}}
        pair = ones["Critic_0"], ones["Critic_1"]
        stacked = jax.tree.map(lambda *xs: jnp.stack(xs), *pair)
        head = stacked["BroNet_0"].pop("Dense_5")
        return {"params": {"Vmap_Critic_0": {**stacked, "Dense_0": head}}}

    def batch(self, i: int) -> Transition:
        return Transition(*(jnp.asarray(self[f"batch/{name}"][i]) for name in Transition._fields))


def start(config, initial: Golden) -> actor_critic.AgentState:
    state = actor_critic.init(config, jax.random.key(0), RATE)
    assert state.log_temperature is not None
    given = state._replace(
        actor=state.actor._replace(params=initial.tree("p0/actor")),
        critic=state.critic._replace(params=initial.critics("p0/critic")),
        target_critic=initial.critics("p0/target"),
        log_temperature=state.log_temperature._replace(
            params=jnp.asarray(initial["p0/temp/log_temp"])
        ),
    )
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a.shape, b.shape), given, state)
    return given


@pytest.fixture
def draws(monkeypatch):
    """Return a list: the next standard normal draws, in order."""
    waiting: list[jax.Array] = []

    def standard_normal(key, shape):
        noise = waiting.pop(0)
        assert noise.shape == shape
        return noise

    monkeypatch.setattr(actor_critic, "standard_normal", standard_normal)
    monkeypatch.setattr(bro, "standard_normal", standard_normal)
    return waiting


def assert_same(ours, theirs, tolerance=1e-6):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


SMALL: Any = {"observation_size": 5, "action_size": 2, "critic_width": 16, "actor_width": 16}
FULL = FullBRO(**SMALL, quantiles=16)
CASES = {
    "sac_jaxrl": (SAC(**SMALL), "sac_jaxrl", ("critic", "actor")),
    "bro_minimal": (BRO(**SMALL, quantiles=16), "bro_full", ("critic", "actor")),
    "bro_full": (FULL, "bro_full", ("critic", "actor", "optimistic")),
}


@pytest.mark.parametrize("name", CASES)
def test_three_updates(name, draws):
    config, initial_name, noises = CASES[name]
    golden, initial = Golden(name), Golden(initial_name)
    state = start(config, initial)
    full = name == "bro_full"
    if full:
        extra = state.extra
        for part in ("optimism", "regularizer"):
            given = initial[f"p0/{part}/log_value"]
            np.testing.assert_allclose(getattr(extra, part).params, given, rtol=0, atol=1e-6)
        actor = extra.actor._replace(params=initial.tree("p0/actor_o"))
        assert_same(
            jax.tree.map(jnp.shape, actor.params), jax.tree.map(jnp.shape, extra.actor.params)
        )
        state = state._replace(extra=extra._replace(actor=actor))

    @jax.jit
    def update(state, batch, noise):
        draws.extend(noise)
        state, found = config.update_critic(state, batch, jax.random.key(0))
        state, more = config.update_actor(state, batch, jax.random.key(0))
        return state, found | more

    for i in range(3):
        noise = [golden[f"noise/{noise}{i}"] for noise in noises]
        state, found = update(state, initial.batch(i), noise)
        assert not draws
        for metric, value in found.items():
            expected = float(golden[f"info{i}/{metric}"])
            assert float(value) == pytest.approx(expected, rel=1e-5), metric
        if i in (0, 2):
            after = f"p{i + 1}"
            assert_same(state.actor.params, golden.tree(f"{after}/actor"))
            assert_same(state.critic.params, golden.critics(f"{after}/critic"))
            assert_same(state.target_critic, golden.critics(f"{after}/target"))
            temperature = golden[f"{after}/temp/log_temp"]
            np.testing.assert_allclose(state.log_temperature.params, temperature, rtol=0, atol=1e-6)
    if full:
        assert_same(state.extra.actor.params, golden.tree("p3/actor_o"))
        for part in ("optimism", "regularizer"):
            value = float(bro.weight(getattr(state.extra, part).params))
            assert value == pytest.approx(float(golden[f"{part}3"]), rel=1e-6)


def test_the_optimistic_loss():
    golden = Golden("bro_full")
    state = start(FULL, golden)
    after = state._replace(
        actor=state.actor._replace(params=golden.tree("p1/actor")),
        critic=state.critic._replace(params=golden.critics("p1/critic")),
    )
    loss, kl = FULL.optimistic_loss(
        golden.tree("p0/actor_o"), after, golden.batch(0), jnp.asarray(golden["noise/optimistic0"])
    )
    assert float(loss) == pytest.approx(float(golden["info0/actor_o_loss"]), rel=1e-5)
    assert float(kl) == pytest.approx(float(golden["info0/kl"]), rel=1e-5)
