"""SAC, BRO, SimbaV2 and PQL against numbers that the published code computed.

The random numbers are given: `standard_normal` is replaced by the draws the published code made.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from vs_agents import BRO, SAC, AgentState, Batch, FullBRO, actor_critic, bro, pql, simbav2
from vs_agents.distributions import project
from vs_agents.moments import Moments
from vs_agents.replay import Replay, Transition, sample

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

    def batch(self, i: int) -> Batch:
        names = ("observation", "action", "reward", "terminated", "next_observation")
        *before, terminated, after = (jnp.asarray(self[f"batch/{name}"][i]) for name in names)
        return Batch(*before, 0.99 * (1 - terminated), after)


def start(config, initial: Golden) -> AgentState:
    state = config.init(jax.random.key(0), RATE)
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

    for module in (actor_critic, bro, simbav2, pql):
        monkeypatch.setattr(module, "standard_normal", standard_normal)
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


def simbav2_params(tree: dict, *, double: bool = False) -> dict:
    """Published SimbaV2 parameters of one network under our names."""
    net = tree["params"]
    critic = "actor" if "mean_bias" in net.get("predictor", {}) else "critic"
    if critic == "critic":
        net = net["VmapSimbaV2Critic_0"] if double else jax.tree.map(lambda x: x[None], net)

    def linear(part):
        return part["hyper_dense"]

    torso = {"_Linear_0": linear(net["embedder"]["w"]), "_Scaler_0": net["embedder"]["scaler"]}
    for i in range(len(net["encoder"])):
        block = net["encoder"][f"layers_{i}"]
        torso[f"_Linear_{2 * i + 1}"] = linear(block["mlp"]["w1"])
        torso[f"_Linear_{2 * i + 2}"] = linear(block["mlp"]["w2"])
        torso[f"_Scaler_{2 * i + 1}"] = block["mlp"]["scaler"]
        torso[f"_Scaler_{2 * i + 2}"] = block["alpha_scaler"]

    def head(prefix, bias):
        part = net["predictor"]
        return {
            "_Linear_0": linear(part[f"{prefix}w1"]),
            "_Linear_1": linear(part[f"{prefix}w2"]),
            "_Scaler_0": part[f"{prefix}scaler"],
            "bias": part[bias],
        }

    if critic == "critic":
        inner = {"_Torso_0": torso, "_Head_0": head("", "value_bias")}
        return {"params": {"Vmap_Critic_0": inner}}
    heads = {"_Head_0": head("mean_", "mean_bias"), "_Head_1": head("std_", "std_bias")}
    return {"params": {"_Torso_0": torso, **heads}}


SIMBAV2 = simbav2.SimbaV2(**SMALL, bins=21, decay_updates=4)


@pytest.mark.parametrize("double", [False, True])
def test_three_updates_of_simbav2(double, draws):
    golden = Golden("simbav2_double" if double else "simbav2_single")
    config = replace(SIMBAV2, critics=1 + double)

    def params(net, at):
        return simbav2_params(golden.tree(f"{at}/{net}"), double=double)

    state = config.init(jax.random.key(0), 1e-4)
    assert state.log_temperature is not None
    same = jnp.zeros(5), jnp.full(5, 1.0 - 1e-8), jnp.ones(())  # observations as they are
    statistics = state.extra._replace(observation=Moments(*same))
    returns = statistics.returns._replace(variance=jnp.asarray(1.0 - 1e-8))  # and rewards
    given = state._replace(
        actor=state.actor._replace(params=params("actor", "p0")),
        critic=state.critic._replace(params=params("critic", "p0")),
        target_critic=params("target", "p0"),
        log_temperature=state.log_temperature._replace(
            params=jnp.asarray(golden["p0/temp/log_temp"])
        ),
        extra=statistics._replace(returns=returns),
    )
    assert_same(jax.tree.map(jnp.shape, given), jax.tree.map(jnp.shape, state))

    @jax.jit
    def update(state, batch, noise):
        draws.extend(noise)
        state, found = config.update_actor(state, batch, jax.random.key(0))
        state, more = config.update_critic(state, batch, jax.random.key(0))
        return state, found | more

    state = given
    for i in range(3):
        noise = [golden[f"noise/actor{i}"], golden[f"noise/critic{i}"]]
        state, found = update(state, golden.batch(i), noise)
        names = {
            "entropy": "actor/entropy",
            "temperature": "temperature/value",
            "critic_loss": "critic/loss",
        }
        assert set(found) == set(names)
        for metric, name in names.items():
            assert float(found[metric]) == pytest.approx(float(golden[f"info{i}/{name}"]), rel=1e-5)
        if i in (0, 2):
            after = f"p{i + 1}"
            assert_same(state.actor.params, params("actor", after), 2e-6)
            assert_same(state.critic.params, params("critic", after), 2e-6)
            assert_same(state.target_critic, params("target", after), 2e-6)
            temperature = golden[f"{after}/temp/log_temp"]
            np.testing.assert_allclose(state.log_temperature.params, temperature, rtol=0, atol=1e-6)


def test_parts_of_simbav2():
    golden = Golden("simbav2_parts")
    config = simbav2.SimbaV2(observation_size=5, action_size=2, critic_width=8, actor_width=8)
    for gamma, end in ((0.99, ""), (1.0, "_gamma1")):
        soft = config.support - golden["proj/temperature_times_log_prob"][:, None]
        discount = gamma * (1 - golden["proj/terminated"])
        places = golden["proj/reward"][:, None] + discount[:, None] * soft
        weight = jnp.exp(golden["proj/target_log_prob"])
        found = project(jnp.clip(places, -5, 5), weight, config.support)
        np.testing.assert_allclose(found, golden[f"proj/target_probs{end}"], atol=1e-5)
        loss = -(found * golden["proj/pred_log_prob"]).sum(-1).mean()
        assert float(loss) == pytest.approx(float(golden[f"proj/loss{end}"]), rel=1e-5)

    for kernel in ("2", "3"):
        found = simbav2.on_sphere({"kernel": golden[f"l2/kernel{kernel}_in"]})["kernel"]
        np.testing.assert_allclose(found, golden[f"l2/kernel{kernel}_out"], atol=1e-6)
    for steps, repeat, gamma in golden["gamma_table"]:
        assert simbav2.published_discount(int(steps), int(repeat)) == pytest.approx(gamma)

    state, observe = config.init(jax.random.key(0), 1e-4), jax.jit(config.observe)
    ends = golden["norm/terminated"] | golden["norm/truncated"]
    for t in range(40):
        observation, reward = golden["norm/observation"][t, 0], golden["norm/reward"][t, 0]
        state = observe(state, observation, reward, ends[t, 0].astype(np.float32))
        found = {
            "mean": state.extra.observation.mean,
            "var": state.extra.observation.variance,
            "G": state.extra.return_,
            "G_mean": state.extra.returns.mean,
            "G_var": state.extra.returns.variance,
            "G_max": state.extra.highest,
            "denominator": 1.0 / config.scaled(state, jnp.ones(())),
            "normalized_seen": config.normalised(state, observation),
        }
        for name, value in found.items():
            expected = np.reshape(golden[f"norm/{name}"][t], np.shape(value))
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=5e-6, err_msg=name)
    for name in ("observation", "next_observation"):
        found = config.normalised(state, golden[f"norm/batch_in/{name}"])
        np.testing.assert_allclose(found, golden[f"norm/batch_out/{name}"], rtol=1e-5, atol=5e-6)
    found = config.scaled(state, golden["norm/batch_in/reward"])
    np.testing.assert_allclose(found, golden["norm/batch_out/reward"], rtol=1e-5, atol=5e-6)


def torch_params(tree: dict) -> dict:
    """Published PQL parameters of one network under our names; kernels are (out, in) there."""
    found = {}
    for name, value in tree["params"].items():
        _, layer, kind = name.rsplit(".", 2)
        part = found.setdefault(f"_Linear_{int(layer) // 2}", {})
        part["kernel" if kind == "weight" else "bias"] = value.T if kind == "weight" else value
    return found


def pql_critics(golden: Golden, at: str) -> dict:
    both = golden.tree(at)["params"]
    pair = [
        torch_params({"params": {k: v for k, v in both.items() if k.startswith(f"net_q{i}")}})
        for i in (1, 2)
    ]
    return {"params": {"Vmap_MLP_0": jax.tree.map(lambda *xs: jnp.stack(xs), *pair)}}


class Small(pql.PQL):
    def hidden(self, width):
        return (16, 12, 8)


class SmallD(pql.PQLD):
    def hidden(self, width):
        return (16, 12, 8)


@pytest.mark.parametrize(("name", "kind"), [("pql", Small), ("pql_d", SmallD)])
def test_three_updates_of_pql(name, kind, draws):
    golden, config = Golden(name), kind(observation_size=5, action_size=2)

    def actor_params(at):
        return {"params": torch_params(golden.tree(f"{at}/actor"))}

    state = config.init(jax.random.key(0), 5e-4)
    mean, variance = (jnp.asarray(golden[f"normalizer/{x}"]) for x in ("mean", "var"))
    given = state._replace(
        actor=state.actor._replace(params=actor_params("p0")),
        critic=state.critic._replace(params=pql_critics(golden, "p0/critic")),
        target_critic=pql_critics(golden, "p0/target"),
        extra=Moments(mean, variance, jnp.ones(())),
    )
    assert_same(jax.tree.map(jnp.shape, given), jax.tree.map(jnp.shape, state))

    @jax.jit
    def update(state, batch, noise):
        draws.append(noise)
        state, found = config.update_critic(state, batch, jax.random.key(0))
        loss = config.policy_loss(state.actor.params, state, batch)
        return config.update_actor(state, batch, jax.random.key(0))[0], found, loss

    state = given
    for i in range(3):
        discount = 0.99**3 * (1 - golden["batch/terminated"][i, :, 0])
        batch = Batch(
            golden["batch/observation"][i],
            golden["batch/action"][i],
            golden["batch/n_step_reward"][i, :, 0],
            discount,
            golden["batch/next_observation"][i],
        )
        state, found, loss = update(state, batch, golden["noise/target"][i])
        expected = float(golden[f"info{i}/critic_loss"])
        assert float(found["critic_loss"]) == pytest.approx(expected, rel=1e-5)
        assert float(loss) == pytest.approx(float(golden[f"info{i}/actor_loss"]), abs=1e-6)
        if i in (0, 2):
            after = f"p{i + 1}"
            assert_same(state.actor.params, actor_params(after), 2e-6)
            assert_same(state.critic.params, pql_critics(golden, f"{after}/critic"), 2e-6)
            assert_same(state.target_critic, pql_critics(golden, f"{after}/target"), 2e-6)


def test_parts_of_pql(draws):
    golden = Golden("pql_parts")
    config = pql.PQL(observation_size=5, action_size=2, critic_width=8, actor_width=8)
    state, none = config.init(jax.random.key(0), 5e-4), np.zeros(16)
    for i in range(6):
        state = config.observe(state, golden["rms/x"][i], none, none)
        np.testing.assert_allclose(state.extra.mean, golden["rms/mean"][i], rtol=1e-5, atol=2e-6)
        np.testing.assert_allclose(state.extra.variance, golden["rms/var"][i], rtol=1e-5, atol=2e-6)
    learning = config.normalised(state, golden["rms/test_x"])
    np.testing.assert_allclose(learning, golden["rms/learning_normalized"], rtol=1e-5, atol=2e-6)

    policy = golden["exploration/policy_action"]
    bias = {"_Linear_3": {"kernel": jnp.zeros((2, 2)), "bias": jnp.arctanh(policy[0])}}
    actor = jax.tree.map(jnp.zeros_like, state.actor.params)["params"] | bias
    draws.append(golden["exploration/noise"])
    one = state._replace(actor=state.actor._replace(params={"params": actor}))
    acted = config.explore(one, jnp.zeros((6, 5)), jax.random.key(0))
    noise = np.linspace(0.05, 0.8, 6)[:, None] * golden["exploration/noise"]
    np.testing.assert_allclose(acted, np.clip(policy[0] + noise, -1, 1), atol=1e-5)
    np.testing.assert_allclose(
        np.clip(policy + noise, -1, 1), golden["exploration/action"], atol=1e-5
    )

    for env in range(4):
        names = "observation", "action", "reward", "done", "next_observation"
        rows = {name: golden[f"nstep/in/{name}"][env] for name in names}
        ends = rows["done"][:, 0]
        data = Transition(
            *(rows["observation"], rows["action"], rows["reward"][:, 0]),
            *(ends, 0 * ends, rows["next_observation"]),
        )
        memory = Replay(data, jnp.asarray(12))
        batch = sample(memory, jax.random.key(env), (300,), discount=0.99, n_step=3)
        for t in range(10):
            first = rows["observation"][t]
            (found, *_) = np.flatnonzero((np.asarray(batch.observation) == first).all(-1))
            row = 4 * t + env
            done = golden["nstep/out/done"][row, 0]
            reward = float(golden["nstep/out/reward"][row, 0])
            assert float(batch.reward[found]) == pytest.approx(reward, abs=2e-6)
            assert float(batch.discount[found]) == pytest.approx(0.99**3 * (1 - done), abs=1e-6)
            if not done:
                after = golden["nstep/out/next_observation"][row]
                np.testing.assert_array_equal(batch.next_observation[found], after)
