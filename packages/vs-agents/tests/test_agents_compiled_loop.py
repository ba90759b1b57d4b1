from dataclasses import replace

import jax
import numpy as np
import pytest
from jax import numpy as jnp
from vs_agents import (
    COLLECT,
    SAC,
    Inside,
    Transition,
    init_lanes,
    run_inside,
    step,
    updates_due,
)

CONFIG = SAC(observation_size=3, action_size=1, critic_width=8, actor_width=8)
LANES, WARMUP, STEPS, BATCH = 2, 5, 20, 4


def environment(world, action):
    """A linear system whose reward is its first component."""
    after = 0.9 * world + 0.1 * action * jnp.array([1.0, -1.0, 0.5])
    terminated = jnp.zeros(len(world))
    return after, Transition(world, action, after[:, 0], terminated, terminated, after), after


def fresh(config=CONFIG):
    lanes = init_lanes(
        config, seeds=np.arange(LANES), learning_rates=np.array([1e-3, 3e-3]), capacity=STEPS
    )
    world = jnp.arange(6.0).reshape(LANES, 3)
    return Inside(lanes, world, jnp.zeros((LANES, 1)))


def schedule(utd):
    due = [COLLECT] * WARMUP + [updates_due(t, utd) for t in range(STEPS - WARMUP)]
    return np.array(due, np.int32), (int(utd), int(utd) + 1)


def outside(utd, config=CONFIG):
    """The same training by one call per step; metrics as (step, name) -> (lanes,)."""
    lanes, world, action = fresh(config)
    seen = []
    for due in schedule(utd)[0]:
        if due == COLLECT:
            keys = jax.vmap(lambda key: jax.random.fold_in(key, 0))(lanes.key)
            action = jax.vmap(lambda key: jax.random.uniform(key, (1,), minval=-1, maxval=1))(keys)
        world, transition, observation = environment(world, action)
        lanes, action, metrics = step(
            lanes,
            transition,
            observation,
            config=config,
            batch_size=BATCH,
            updates=None if due == COLLECT else int(due),
        )
        seen.append({name: np.asarray(value) for name, value in metrics.items()})
    return Inside(lanes, world, action), seen


def inside(utd, *, lengths=(STEPS,), config=CONFIG):
    due, counts = schedule(utd)
    state, history, at = fresh(config), [], 0
    for length in lengths:
        part = np.full(STEPS, 99, np.int32)
        part[:length] = due[at : at + length]
        state, metrics = run_inside(
            state,
            jnp.array(part),
            jnp.int32(length),
            environment=environment,
            config=config,
            batch_size=BATCH,
            counts=counts,
        )
        history.append({name: np.asarray(rows)[:length] for name, rows in metrics.items()})
        at += length
    return state, {name: np.concatenate([h[name] for h in history]) for name in history[0]}


def assert_close(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("utd", "actor_every"), [(0.5, "critic_update"), (1.5, "critic_update"), (0.5, "env_step")]
)
def test_inside_is_what_one_call_per_step_does(utd, actor_every):
    config = replace(CONFIG, actor_every=actor_every)
    expected, seen = outside(utd, config)
    found, metrics = inside(utd, config=config)
    assert_close(found, expected)
    assert int(found.lanes.agent.critic.optimizer.count[0]) == int((STEPS - WARMUP) * utd)
    for name, rows in metrics.items():
        outer = [one.get(name, np.full(LANES, np.nan)) for one in seen]
        np.testing.assert_allclose(rows, outer, rtol=1e-4)


def test_pieces_of_any_length_give_the_whole():
    whole, metrics = inside(0.5)
    pieces, parts = inside(0.5, lengths=(3, 1, 9, 7))
    assert_close(pieces, whole)
    for name, rows in metrics.items():
        np.testing.assert_array_equal(parts[name], rows)


def test_collecting_learns_nothing_and_is_random():
    before = jax.tree.map(np.asarray, fresh().lanes.agent)
    state, _ = inside(1.0, lengths=(WARMUP,))
    assert_close(state.lanes.agent, before)
    actions = np.asarray(state.lanes.replay.data.action)[:, :WARMUP, 0]
    assert len(np.unique(actions)) == LANES * WARMUP
    assert (np.abs(actions) <= 1).all()
