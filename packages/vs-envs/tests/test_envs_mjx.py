import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dm_control import suite
from dm_control.utils import rewards
from vs_envs import VectorEnv, make, task, task_names

pytest.importorskip("mujoco_playground", reason='needs the extra: pip install "vs-envs[mjx]"')

import jax
import jax.numpy as jnp
from mujoco_playground import State, dm_control_suite
from vs_envs.mjx import PLAYGROUND, JaxEnv, MJXVectorEnv, jax_env

NAME = "dmc/cartpole-swingup"
EPISODE = 7  # of the toy


class Toy:
    """Playground's interface around a sum of controls; diverges where it exceeds 100."""

    mj_model = SimpleNamespace(actuator_ctrlrange=np.array([[-1.0, 3.0], [-0.5, 0.5]]))

    def __init__(self, starts=None):
        self.starts = starts

    def reset(self, key):
        if self.starts is not None:
            jax.debug.callback(self.starts.append, 0)
        data: Any = jax.random.uniform(key, (2,))
        return State(data, data, jnp.zeros(()), jnp.zeros(()), {}, {})

    def step(self, state, control):
        moved = state.data + control
        data: Any = jnp.where(moved > 100, jnp.nan, moved)
        done = jnp.isnan(data).any().astype(float)
        return State(data, data, data.sum(), done, state.metrics, state.info)


def toy(starts=None):
    return JaxEnv(
        name="toy", observation_size=2, action_size=2, episode_steps=EPISODE, _task=Toy(starts)
    )


def starts_of(seed, episodes):
    """Restated by hand: each episode's start from a key of its own."""
    key, starts = jax.random.key(seed), []
    for _ in range(episodes):
        key, own = jax.random.split(key)
        starts.append(jax.random.uniform(own, (2,)))
    return np.array(starts)


def test_toy_episodes_in_closed_form():
    """Rescaled and clipped actions, the time limit, and a new start in the same step."""
    env = toy()
    actions = np.random.default_rng(0).uniform(-1.5, 1.5, (3 * EPISODE, 2)).astype(np.float32)
    controls = np.clip(actions, -1, 1) * [2.0, 0.5] + [1.0, 0.0]
    state = env.reset(jax.random.key(5))
    starts = starts_of(5, 4)
    assert len(np.unique(starts)) == starts.size
    np.testing.assert_array_equal(state.obs, starts[0])
    np.testing.assert_array_equal(state.final_obs, starts[0])
    step = jax.jit(env.step)
    for t, action in enumerate(actions):
        episode, since = divmod(t, EPISODE)
        state = step(state, action)
        led = starts[episode] + controls[episode * EPISODE : t + 1].sum(axis=0)
        last = since == EPISODE - 1
        np.testing.assert_allclose(state.final_obs, led, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(state.reward, led.sum(), rtol=1e-5, atol=1e-5)
        assert bool(state.truncated) == last
        assert not state.terminated
        assert state.steps == (0 if last else since + 1)
        expected = starts[episode + 1] if last else state.final_obs
        np.testing.assert_array_equal(state.obs, expected)


def test_divergence_is_cut_off():
    env = toy()
    state = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 2))
    state = state._replace(data=state.data.at[0].set(99.0))
    after = jax.vmap(env.step)(state, jnp.ones((2, 2)))
    assert after.truncated.tolist() == [True, False]
    assert after.terminated.tolist() == [False, False]
    np.testing.assert_array_equal(after.final_obs[0], state.obs[0])
    assert after.reward[0] == 0
    assert after.reward[1] > 0
    assert np.isfinite(after.data).all()
    assert after.steps.tolist() == [0, 1]


def test_any_nesting_of_vmap_and_scan_gives_the_same():
    """Lanes out of step, so that some end in nearly every step."""
    env = toy()
    keys = jax.random.split(jax.random.key(1), 6)
    phases = jnp.arange(6, dtype=jnp.int32)
    actions = jax.random.uniform(jax.random.key(2), (2 * EPISODE, 6, 2), minval=-1.0, maxval=1.0)

    def body(state, action):
        state = env.step(state, action)
        return state, state[:5]

    def one(key, phase, actions):
        return jax.lax.scan(body, env.reset(key)._replace(steps=phase), actions)[1]

    batched = jax.vmap(one, in_axes=(0, 0, 1))
    singly = [jax.jit(one)(keys[i], phases[i], actions[:, i]) for i in range(6)]
    flat = jax.jit(batched)(keys, phases, actions)
    nested = jax.jit(jax.vmap(batched, in_axes=(0, 0, 1)))(
        keys.reshape(2, 3), phases.reshape(2, 3), actions.reshape(-1, 2, 3, 2)
    )
    assert flat[3].sum(axis=1).tolist() == [2] * 6
    for i, (a, b) in enumerate(zip(flat, nested, strict=True)):
        np.testing.assert_array_equal(a, b.reshape(a.shape))
        np.testing.assert_array_equal(a, np.stack([single[i] for single in singly]))


def test_starts_are_computed_only_when_an_episode_ends():
    starts = []
    env = toy(starts)
    state = jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.key(0), 3))
    step = jax.jit(jax.vmap(env.step))
    counts = []
    for _ in range(EPISODE):
        state = jax.block_until_ready(step(state, jnp.zeros((3, 2))))
        jax.effects_barrier()
        counts.append(len(starts))
    assert counts == [1] * (EPISODE - 1) + [2]  # once for the whole batch


@pytest.fixture(scope="module")
def cartpole():
    return MJXVectorEnv(NAME, seeds=[7, 8, 7])


@pytest.fixture(scope="module")
def rollout(cartpole):
    """One episode and five steps of the next, step by step; lanes 0 and 2 alike."""
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (1005, 3, 1)).astype(np.float32)
    actions[:, 2] = actions[:, 0]
    first, info = cartpole.reset()
    assert info == {}
    frames = []
    for t, action in enumerate(actions):
        if t == 998:
            saved = cartpole.state()
        obs, reward, terminated, truncated, info = cartpole.step(action)
        frames.append((obs, reward, terminated, truncated, info["final_obs"]))
    return actions, first, tuple(map(np.array, zip(*frames, strict=True))), saved


def test_time_limit_and_next_episode(rollout):
    _, first, (obs, reward, terminated, truncated, final), _ = rollout
    assert obs.dtype == reward.dtype == final.dtype == np.float64
    assert not terminated.any()
    assert np.flatnonzero(truncated.any(axis=1)).tolist() == [999]
    assert truncated[999].all()
    np.testing.assert_array_equal(np.delete(final, 999, 0), np.delete(obs, 999, 0))
    assert (np.abs(final[999] - obs[999]).max(axis=1) > 0.1).all()
    assert (np.abs(obs[999, :, 1] + 1) < 1e-2).all()  # the pole hangs at the start
    assert (np.abs(obs[999, :2] - first[:2]) > 1e-6).any(axis=1).all()  # a new start
    assert np.isfinite(obs).all()
    assert ((reward >= 0) & (reward <= 1)).all()


def test_a_lane_follows_its_own_seed(rollout):
    _, first, frames, _ = rollout
    for part in (first[None], *frames):
        np.testing.assert_array_equal(part[:, 0], part[:, 2])
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(frames[0][999, 0], frames[0][999, 1])


def test_seeds_restart_and_streams_go_on(cartpole, rollout):
    _, first, _, _ = rollout
    again, _ = cartpole.reset(seed=[8, 1, 7])
    np.testing.assert_array_equal(again[[0, 2]], first[[1, 0]])
    onward, _ = cartpole.reset()
    assert (onward != again).any(axis=1).all()
    np.testing.assert_array_equal(cartpole.reset(seed=6)[0][1:], first[:2])


def test_restore_continues_bit_for_bit(cartpole, rollout, tmp_path):
    """Across the end of an episode, from a file, into an object with other seeds."""
    actions, _, frames, saved = rollout
    np.savez(tmp_path / "state.npz", **saved)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as file:
        stored = dict(file)
    cartpole.reset(seed=100)
    np.testing.assert_array_equal(cartpole.restore(stored), frames[0][997])
    for t in range(998, 1005):
        obs, reward, terminated, truncated, info = cartpole.step(actions[t])
        for one, part in zip(
            (obs, reward, terminated, truncated, info["final_obs"]), frames, strict=True
        ):
            np.testing.assert_array_equal(one, part[t])


def test_a_foreign_state_is_refused(cartpole, rollout):
    saved = rollout[3]
    with pytest.raises(ValueError, match=r"not a state of dmc/cartpole-swingup on mjx: \.obs"):
        cartpole.restore({name: part for name, part in saved.items() if name != ".obs"})
    with pytest.raises(ValueError, match=r"3 environments .*: \.obs is float64 \(3, 5\), expected"):
        cartpole.restore(saved | {".obs": saved[".obs"].astype(np.float64)})
    with pytest.raises(ValueError, match=r"\.steps is int32 \(2,\), expected int32 \(3,\)"):
        cartpole.restore(saved | {".steps": saved[".steps"][:2]})


def test_scan_of_the_pure_functions_gives_the_same(cartpole, rollout):
    actions, first, frames, _ = rollout
    env = jax_env(NAME)

    def step(state, action):
        state = jax.vmap(env.step)(state, action)
        return state, state[:5]

    keys = jax.vmap(jax.random.key)(jnp.array([7, 8, 7]))
    start = cartpole._compiled_reset(keys)  # jax_env's reset, vmapped; compiled already
    scanned = jax.jit(lambda state: jax.lax.scan(step, state, actions)[1])(start)
    np.testing.assert_array_equal(start.obs, first)
    for one, part in zip(scanned, frames, strict=True):
        np.testing.assert_allclose(one[:50], part[:50], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(one[999:], part[999:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("euler", "position"), [(True, 2e-6), (False, 5e-4)])
def test_one_step_from_the_same_state_as_dm_control(cartpole, rollout, euler, position):
    """Playground's cartpole is dm_control's with Euler instead of RK4, seen with mixed times.

    What follows from positions (the pole's angle, and the reward's use of it) is one step old.
    """
    environment = suite.load("cartpole", "swingup")
    physics = environment.physics
    if euler:
        physics.model.opt.integrator = 0  # mjINT_EULER
        physics.model.opt.disableflags |= 1 << 15  # mjDSBL_EULERDAMP
    cartpole.restore(rollout[3])
    rng = np.random.default_rng(1)
    qpos = np.stack([rng.uniform(-1.5, 1.5, 3), rng.uniform(-np.pi, np.pi, 3)], axis=1)
    qvel = rng.uniform(-2, 2, (3, 2))
    changed = {".data.qpos": qpos.astype(np.float32), ".data.qvel": qvel.astype(np.float32)}
    cartpole.restore(rollout[3] | changed | {".steps": np.zeros(3, np.int32)})
    actions = np.array([[-1.0], [0.3], [1.0]])
    _, reward, _, _, info = cartpole.step(actions)
    stale = []
    for i in range(3):
        environment.reset()
        with physics.reset_context():
            physics.data.qpos[:], physics.data.qvel[:] = qpos[i], qvel[i]
        before = physics.bounded_position()  # cart, cosine, sine
        time_step = environment.step(actions[i])
        after = np.concatenate(list(time_step.observation.values()))
        mixed = np.concatenate([after[:1], before[1:], after[3:]])
        np.testing.assert_allclose(info["final_obs"][i], mixed, atol=position)
        stale.append(np.abs(info["final_obs"][i] - after).max())
        tolerance = rewards.tolerance
        expected = (
            (before[1] + 1)
            / 2
            * (1 + tolerance(after[0], margin=2))
            / 2
            * (4 + tolerance(actions[i, 0], margin=1, value_at_margin=0, sigmoid="quadratic"))
            / 5
            * (1 + tolerance(after[4], margin=5))
            / 2
        )
        assert reward[i] == pytest.approx(expected, abs=position)
        assert reward[i] == pytest.approx(time_step.reward, abs=2e-2)
    assert max(stale) > 2e-3


def test_one_compilation_serves_all_steps(cartpole, rollout):
    cartpole.restore(rollout[3])
    cartpole.step(np.zeros((3, 1)))
    assert cartpole._compiled_step._cache_size() == 1


def test_the_interface_is_the_common_one(cartpole):
    assert isinstance(cartpole, VectorEnv)
    assert (cartpole.backend, cartpole.task, cartpole.num_envs) == ("mjx", task(NAME), 3)
    assert isinstance(make(NAME, seeds=[0], backend="mjx"), MJXVectorEnv)
    assert jax_env(NAME) is jax_env(NAME)
    assert hash(jax_env(NAME)) == hash(cartpole.env)
    fresh = MJXVectorEnv(NAME, seeds=[0, 1])
    with pytest.raises(ValueError, match="call reset first"):
        fresh.step(np.zeros((2, 1)))
    with pytest.raises(ValueError, match="call reset first"):
        fresh.state()
    with pytest.raises(ValueError, match=r"shape \(1, 1\): expected \(2, 1\)"):
        fresh.step(np.zeros((1, 1)))


def test_every_task_of_playground_is_mapped():
    reacher = {"ReacherEasy", "ReacherHard"}
    assert sorted(PLAYGROUND.values()) == sorted(set(dm_control_suite.ALL_ENVS) - reacher)
    assert {f"dmc/{one}" for one in PLAYGROUND} <= set(task_names())
    for one, theirs in PLAYGROUND.items():  # the names agree but for capitals and separators
        domain, _, rest = one.replace("_", "").partition("-")
        assert theirs.lower() in (domain, domain + rest)
    for theirs in reacher:  # when this fails, map them
        with pytest.raises(AttributeError, match="find_body"):
            dm_control_suite.load(theirs, config_overrides={"impl": "jax"})
    for name in ("dmc/reacher-easy", "dmc/dog-run", "gym/cartpole-swingup", "CartpoleSwingup"):
        with pytest.raises(ValueError, match=f"no MJX task '{name}': expected dmc/ and one of"):
            jax_env(name)


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_jax_is_imported_only_on_demand():
    done = python("import sys, vs_envs; print({'jax', 'mujoco_playground'} & set(sys.modules))")
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize("missing", ["jax", "mujoco_playground"])
def test_a_missing_extra_is_one_sentence(missing):
    done = python(f"import sys; sys.modules[{missing!r}] = None; import vs_envs.mjx")
    assert done.stderr.splitlines()[-1] == (
        'ImportError: vs_envs.mjx needs JAX, MJX and MuJoCo Playground: pip install "vs-envs[mjx]"'
    )


@pytest.mark.slow  # 23 compilations, up to two minutes each
@pytest.mark.parametrize("one", PLAYGROUND)
def test_every_task_loads_and_steps(one, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)  # Playground would clone with it
    facts = task(f"dmc/{one}")
    environments = MJXVectorEnv(facts.name, seeds=[0, 1])
    env = environments.env
    assert (env.observation_size, env.action_size) == (facts.observation_size, facts.action_size)
    assert env.episode_steps == facts.episode_steps
    first, _ = environments.reset()
    obs, reward, terminated, truncated, info = environments.step(np.ones((2, env.action_size)))
    assert first.shape == obs.shape == (2, facts.observation_size)
    assert np.isfinite(obs).all()
    np.testing.assert_array_equal(obs, info["final_obs"])
    assert ((reward >= 0) & (reward <= 1)).all()
    assert not (terminated | truncated).any()
    assert not np.array_equal(obs, first)
    # humanoid and ball_in_cup always start alike
    assert (np.abs(first[0] - first[1]).max() > 0) == (not one.startswith(("humanoid", "ball")))
