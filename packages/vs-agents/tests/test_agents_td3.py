"""An algorithm is one file: `td3.py` beside this one has 71 lines and needs no other change."""

from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from jax import Array
from jax import numpy as jnp
from vs_agents import (
    COLLECT,
    Batch,
    Inside,
    Transition,
    diagnose,
    evaluate,
    fresh_loss,
    init_lanes,
    init_stream,
    measured_flops,
    reset_lanes,
    run_inside,
    step,
    step_stream,
)
from vs_agents.replay import as_batch

FILE = Path(__file__).with_name("td3.py")
LANES, EPISODE, BATCH = 2, 8, 64


def load() -> Any:
    """Import the file; the folder is no package."""
    spec = util.spec_from_file_location("td3", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TD3


CONFIG = load()(
    observation_size=1,
    action_size=1,
    critic_width=32,
    actor_width=32,
    discount=0.9,
    target_rate=0.05,
)


class Points(NamedTuple):
    """A point per lane on a line, with a new start every `EPISODE` steps; both ``(lanes,)``."""

    place: Array
    time: Array


def environment(world: Points, action: Array) -> tuple[Points, Transition, Array]:
    """Push the points; each step costs the squared distance from 0."""
    after = pushed(world.place, action[:, 0])
    never = jnp.zeros(len(after))
    happened = Transition(world.place[:, None], action, -(after**2), never, never, after[:, None])
    time = world.time + 1
    start = 2 * ((time // EPISODE + 0.5 * jnp.arange(len(after))) * 0.618034 % 1) - 1
    place = jnp.where(time % EPISODE == 0, start, after)
    return Points(place, time), happened, place[:, None]


def pushed(place, action):
    return place + 0.5 * action


def best(place):
    """Go to 0 at once, or towards it as fast as one can."""
    return np.clip(-2 * place, -1, 1)


def returns(policy) -> float:
    """Return the mean return of one episode, over many starts."""
    place, total = np.linspace(-1, 1, 21), 0.0
    for _ in range(EPISODE):
        place = pushed(place, policy(place))
        total -= (place**2).mean()
    return total


def fresh() -> Inside:
    lanes = init_lanes(
        CONFIG, seeds=np.arange(LANES), learning_rates=np.full(LANES, 3e-3), capacity=600
    )
    world = Points(jnp.linspace(-1, 1, LANES), jnp.zeros(LANES, jnp.int32))
    return Inside(lanes, world, jnp.zeros((LANES, 1)))


def trained(due: list[int]) -> tuple[Inside, dict[str, Array]]:
    return run_inside(
        fresh(),
        jnp.array(due, jnp.int32),
        jnp.int32(len(due)),
        environment=environment,
        config=CONFIG,
        batch_size=BATCH,
        counts=(1, 2),
    )


def make_batch(n: int = 16) -> Batch:
    x = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    return Batch(x[:, :1], np.tanh(x[:, 1:2]), x[:, 2], (x[:, 2] < 1) * 0.9, x[:, 3:])


def forward(params, x):
    """Two hidden layers and a head, for flax parameters of one network."""
    for dense in (params["MLP_0"]["Dense_0"], params["MLP_0"]["Dense_1"]):
        x = np.maximum(x @ dense["kernel"] + dense["bias"], 0)
    return x @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"]


def disturbed(params):
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda x: x + 0.3 * rng.normal(size=x.shape).astype(np.float32), params)


def test_it_learns_the_policy_known_in_closed_form():
    state, metrics = trained([COLLECT] * 100 + [1] * 500)
    rng = np.random.default_rng(0)
    highest, random = returns(best), returns(lambda x: rng.uniform(-1, 1, len(x)))
    assert highest > -0.1
    assert random < -4
    for lane in range(LANES):

        def learnt(place, lane=lane):
            agent = jax.tree.map(lambda x: x[lane], state.lanes.agent)
            return np.asarray(CONFIG.act_deterministic(agent, place[:, None]))[:, 0]

        assert returns(learnt) > highest - 0.03 * (highest - random)
        starts = np.linspace(-1, 1, 21)
        assert np.abs(learnt(starts) - best(starts)).mean() < 0.25
    assert set(metrics) == {"critic_loss"}
    assert np.isfinite(np.asarray(metrics["critic_loss"])[100:]).all()
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(state.lanes.agent))


def test_one_call_per_step_trains_it_alike():
    due = [1, 2] * 10
    expected, _ = trained(due)
    lanes, world, action = fresh()
    for updates in due:
        world, happened, observation = environment(world, jnp.asarray(action))
        lanes, action, metrics = step(
            lanes, happened, observation, config=CONFIG, batch_size=BATCH, updates=updates
        )
        assert set(metrics) == {"critic_loss"}
    pairs = zip(jax.tree.leaves(lanes.agent), jax.tree.leaves(expected.lanes.agent), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert lanes.agent.log_temperature is None
    assert reset_lanes(lanes, config=CONFIG).agent.log_temperature is None


def test_the_target_is_smoothed_by_noise_that_is_cut_off_and_takes_the_smaller_value():
    state = CONFIG.init(jax.random.key(0), 1e-3)
    state = state._replace(
        extra=disturbed(state.extra), target_critic=disturbed(state.target_critic)
    )
    batch = make_batch()
    noise = np.linspace(-6, 6, 16, dtype=np.float32)[:, None]  # cut off beyond 2.5
    slow = np.tanh(forward(state.extra["params"], batch.next_observation))
    action = np.clip(slow + np.clip(0.2 * noise, -0.5, 0.5), -1, 1)
    (critics,) = state.target_critic["params"].values()
    x = np.concatenate([batch.next_observation, action], -1)
    values = [forward(jax.tree.map(lambda w, i=i: w[i], critics), x) for i in range(2)]
    expected = batch.reward[:, None] + batch.discount[:, None] * np.minimum(*values)
    np.testing.assert_allclose(CONFIG.target(state, batch, noise), expected, rtol=1e-4, atol=1e-5)


def test_policy_and_target_policy_wait_for_every_second_critic_update():
    state, batch = CONFIG.init(jax.random.key(0), 1e-2), make_batch()
    update_critic, update_actor = jax.jit(CONFIG.update_critic), jax.jit(CONFIG.update_actor)
    for i in range(4):
        before = state
        state, _ = update_critic(state, batch, jax.random.key(i))
        state, _ = update_actor(state, batch, jax.random.key(i))
        moved = [
            not np.array_equal(a, b)
            for a, b in zip(
                jax.tree.leaves((state.actor, state.extra)),
                jax.tree.leaves((before.actor, before.extra)),
                strict=True,
            )
        ]
        assert all(moved) if i % 2 else not any(moved)
    assert int(state.actor.optimizer.count) == 2
    assert int(state.critic.optimizer.count) == 4


def test_exploration_is_around_the_action_of_evaluations():
    state = CONFIG.init(jax.random.key(0), 1e-3)
    observation = np.full((20_000, 1), 0.1, np.float32)
    noise = CONFIG.explore(state, observation, jax.random.key(1)) - CONFIG.act_deterministic(
        state, observation
    )
    assert float(noise.mean()) == pytest.approx(0, abs=0.005)
    assert float(noise.std()) == pytest.approx(0.1, rel=0.05)


def test_everything_else_works_with_it():
    lanes, world, action = fresh()
    stream = init_stream(CONFIG, seeds=np.arange(LANES), capacity=20)
    for _ in range(5):
        world, happened, observation = environment(world, jnp.asarray(action))
        stream, _ = step_stream(stream, lanes.agent, happened, observation, config=CONFIG)
        fresh_td = fresh_loss(lanes, happened, config=CONFIG)["fresh_critic_loss"]
        for lane in range(LANES):
            agent = jax.tree.map(lambda x, i=lane: x[i], lanes.agent)
            one = jax.tree.map(lambda x, i=lane: x[i][None], happened)
            noise = jax.random.normal(jax.random.fold_in(lanes.key[lane], 3), (1, 1))
            values = CONFIG.critic.apply(agent.critic.params, one.observation, one.action)
            error = np.asarray(values) - np.asarray(
                CONFIG.target(agent, as_batch(one, discount=0.9), noise)
            )
            assert float(fresh_td[lane]) == pytest.approx((error**2).sum(), rel=1e-4)
        lanes, action, _ = step(
            lanes, happened, observation, config=CONFIG, batch_size=BATCH, updates=1
        )
    found = diagnose(lanes, stream, config=CONFIG, batch_size=8)
    assert all(np.isfinite(value).all() for value in found.values())
    chosen = evaluate(lanes.agent, observation, config=CONFIG)
    assert chosen.shape == (LANES, 1)
    each = measured_flops(CONFIG, BATCH)
    assert 0 < each.actor < each.critic
