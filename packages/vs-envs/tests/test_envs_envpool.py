"""EnvPool behind the interface. It is optional: these tests skip where it is not installed."""

import re
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from dm_control import suite
from vs_envs import choose_backend, facts, make, task, task_names
from vs_envs.envpool import pool_name

envpool = pytest.importorskip("envpool", reason="EnvPool is not installed (extra envpool)")

needs_memory = pytest.mark.skipif(
    sys.platform != "linux", reason="reads EnvPool's state through /proc/self"
)

# EnvPool has no way to tell or take a simulator's state. So that one step from the *same* state can
# be compared, its positions, velocities and activations are looked up in this process's memory:
# MuJoCo keeps them one after the other, each at a multiple of 64 bytes, and part of the velocities
# is in the observation. The observation of the simulator put there must equal EnvPool's before any
# step is compared, or the test fails.


MAPS, MEMORY = Path("/proc/self/maps"), Path("/proc/self/mem")


def addresses(pattern):
    """Every address of writable memory that holds these bytes, those still readable."""
    found = []
    with MAPS.open() as maps, MEMORY.open("rb", buffering=0) as memory:
        spans = [re.match(r"(\w+)-(\w+) rw", line) for line in maps if "[v" not in line]
        for span in filter(None, spans):
            start, end = int(span[1], 16), int(span[2], 16)
            memory.seek(start)
            try:
                chunk = memory.read(end - start)
            except OSError:
                continue
            at = chunk.find(pattern)
            while at >= 0:
                found.append(start + at)
                at = chunk.find(pattern, at + 8)
    return found


def padded(count):
    return (8 * count + 63) // 64 * 64


def states(pattern, offset, model):
    """Candidate (qpos, qvel, act): the velocities hold the pattern from an index on."""
    with MEMORY.open("rb", buffering=0) as memory:
        for address in addresses(pattern.tobytes()):
            velocity = address - 8 * offset
            parts = []
            for at, count in (
                (velocity - padded(model.nq), model.nq),
                (velocity, model.nv),
                (velocity + padded(model.nv), model.na),
            ):
                memory.seek(at)
                parts.append(np.frombuffer(memory.read(8 * count), np.float64))
            if all(np.isfinite(part).all() and (abs(part) < 1e4).all() for part in parts):
                yield parts


def flat(observation):
    return np.concatenate([np.ravel(part) for part in observation.values()])


def split(name, observation):
    parts = facts.DMC[name][1]
    ends = np.cumsum(list(parts.values()))[:-1]
    return dict(zip(parts, np.split(observation, ends), strict=True))


def place_target(name, physics, parts):
    """Put the target, drawn into the model at reset, where the observation says it is."""
    data, model = physics.named.data, physics.named.model
    if name == "fish-swim":
        frame = data.geom_xmat["mouth"].reshape(3, 3)
        model.geom_pos["target"] = data.geom_xpos["mouth"] + frame @ parts["target"]
    if name.startswith("finger-turn"):
        hinge = data.xanchor["hinge", ["x", "z"]]
        model.site_pos["target", ["x", "z"]] = hinge + parts["target_position"]
    physics.forward()


VELOCITIES = {  # task: observation part, where in it are velocities, index of the first of them
    "acrobot-swingup": ("velocity", slice(None), 0),
    "cartpole-swingup": ("velocity", slice(None), 0),
    "cheetah-run": ("velocity", slice(None), 0),
    "dog-run": ("joint_velocites", slice(None), 6),
    "finger-spin": ("velocity", slice(None), 0),
    "finger-turn_hard": ("velocity", slice(None), 0),
    "fish-swim": ("velocity", slice(None), 0),
    "hopper-hop": ("velocity", slice(None), 0),
    "humanoid-walk": ("velocity", slice(None), 0),
    "quadruped-walk": ("egocentric_state", slice(16, 32), 6),
    "walker-run": ("velocity", slice(None), 0),
}


# sensors of acceleration and force: of the last physics step, not of the state
_OF_THE_STEP = {"imu", "force_torque", "inertial_sensors", "foot_forces", "touch_sensors", "touch"}


def state_parts(parts):
    return np.concatenate([np.ravel(parts[name]) for name in parts if name not in _OF_THE_STEP])


@needs_memory
@pytest.mark.parametrize("name", VELOCITIES)
def test_a_step_from_the_same_state_is_dm_controls(name):
    ours = make(f"dmc/{name}", seeds=[3], backend="envpool")
    theirs = suite.load(*name.split("-"), task_kwargs={"random": 0})
    theirs.reset()
    physics, spec = theirs.physics, theirs.action_spec()
    middle, half = (spec.maximum + spec.minimum) / 2, (spec.maximum - spec.minimum) / 2
    rng = np.random.default_rng(0)
    ours.reset()
    for _ in range(7):
        action = rng.uniform(-1, 1, spec.shape)
        observation = ours.step(action[None])[0][0]
    part, where, offset = VELOCITIES[name]
    parts = split(name, observation)

    for qpos, qvel, act in states(parts[part][where], offset, physics.model):
        physics.data.qpos[:], physics.data.qvel[:], physics.data.act[:] = qpos, qvel, act
        physics.forward()
        place_target(name, physics, parts)
        known = state_parts(theirs.task.get_observation(physics))
        if np.abs(known - state_parts(parts)).max() < 1e-9:
            break
    else:
        pytest.fail("EnvPool's state was not found, or its observation is not dm_control's")

    for _ in range(3):
        action = rng.uniform(-1, 1, spec.shape)
        expected = theirs.step(middle + half * action)
        observation, reward, *_ = ours.step(action[None])
        np.testing.assert_allclose(observation[0], flat(expected.observation), rtol=1e-9, atol=1e-9)
        assert reward[0] == pytest.approx(expected.reward, rel=1e-7, abs=1e-7)  # a float32
        assert reward.dtype == np.float64


@needs_memory
@pytest.mark.parametrize(
    ("name", "where", "offset"),
    [
        ("HalfCheetah-v4", slice(8, 17), 0),
        ("Walker2d-v4", slice(8, 17), 0),
        ("Ant-v4", slice(13, 27), 0),
        ("Ant-v5", slice(13, 27), 0),
        ("Humanoid-v4", slice(22, 45), 0),
        ("Humanoid-v5", slice(22, 45), 0),
        ("InvertedPendulum-v5", slice(2, 4), 0),
    ],
)
def test_a_step_from_the_same_state_is_gymnasiums(name, where, offset):
    ours = make(f"gym/{name}", seeds=[3], backend="envpool")
    theirs: Any = gymnasium.make(gymnasium.spec(name), disable_env_checker=True).unwrapped
    theirs.reset(seed=0)
    high = theirs.action_space.high.astype(np.float64)
    rng = np.random.default_rng(0)
    ours.reset()
    for _ in range(4):
        action = rng.uniform(-0.5, 0.5, high.shape)
        observation = ours.step(action[None])[0][0]
    for qpos, qvel, _ in states(observation[where], offset, theirs.model):
        theirs.set_state(qpos, qvel)
        n = where.stop  # positions and velocities; the rest is of the last step, not of the state
        if np.abs(theirs._get_obs()[:n] - observation[:n]).max() < 1e-12:
            break
    else:
        pytest.fail("EnvPool's state was not found, or its observation is not gymnasium's")
    for t in range(3):
        action = rng.uniform(-0.5, 0.5, high.shape)
        expected, r, terminates, _, _ = theirs.step(high * action)
        _, reward, terminated, _, info = ours.step(action[None])
        np.testing.assert_allclose(info["final_obs"][0], expected, rtol=1e-9, atol=1e-9)
        if t:  # the reward also uses the positions of bodies at the last step
            assert reward[0] == pytest.approx(r, rel=1e-6, abs=1e-6)  # a float32
        assert terminated[0] == terminates
        if terminates:
            break


def raw_pool(name, seeds, **options):
    return envpool.make(name, env_type="gymnasium", num_envs=len(seeds), seed=seeds, **options)


def test_falls_reset_in_the_same_step():
    """The same pool used raw resets a step later: its frames must appear here, one step earlier."""
    seeds = [3, 4, 5]
    ours = make("gym/Walker2d-v4", seeds=seeds, backend="envpool")
    raws = [raw_pool("Walker2d-v4", [seed]) for seed in seeds]
    first = np.concatenate([raw.reset()[0] for raw in raws])
    np.testing.assert_array_equal(ours.reset()[0], first)
    rng = np.random.default_rng(0)
    falls = np.zeros(3, int)
    for _ in range(120):
        actions = rng.uniform(-1, 1, (3, 6))
        observation, reward, terminated, truncated, info = ours.step(actions)
        assert not truncated.any()
        for i, raw in enumerate(raws):
            final, r, fallen, _, _ = raw.step(actions[i : i + 1])
            np.testing.assert_array_equal(info["final_obs"][i], final[0])
            assert reward[i] == np.float64(r[0]) != 0
            assert terminated[i] == fallen[0]
            if fallen[0]:
                falls[i] += 1
                final, r, *_ = raw.step(np.ones((1, 6)))  # ignored, and rewarded with 0
                assert r[0] == 0
            np.testing.assert_array_equal(observation[i], final[0])
    assert (falls > 2).all()


def test_the_time_limit_truncates():
    ours = make("dmc/pendulum-swingup", seeds=[0, 1], backend="envpool")
    raw = raw_pool("PendulumSwingup-v1", [0, 1])
    ours.reset()
    raw.reset()
    for t in range(1, 2001):
        observation, _, terminated, truncated, info = ours.step(np.zeros((2, 1)))
        parts, _, _, ended, _ = raw.step(np.zeros((2, 1)))
        final = np.c_[parts["orientation"], parts["velocity"]]
        np.testing.assert_array_equal(info["final_obs"], final)
        assert not terminated.any()
        assert truncated.all() == truncated.any() == ended.all() == (t % 1000 == 0)
        if ended.all():
            parts = raw.step(np.zeros((2, 1)))[0]
            final = np.c_[parts["orientation"], parts["velocity"]]
            assert np.abs(final - info["final_obs"]).max() > 0.01
        np.testing.assert_array_equal(observation, final)


def test_a_fall_at_the_time_limit_is_a_termination_too(monkeypatch):
    """EnvPool itself calls it a truncation only; the target would then bootstrap past a fall."""
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (100, 1, 6))

    def until_the_end(env):
        env.reset()
        for t, action in enumerate(actions, 1):
            terminated, truncated = env.step(action)[2:4]
            if terminated[0] or truncated[0]:
                return t, bool(terminated[0]), bool(truncated[0])
        return None

    length, *ends = until_the_end(make("gym/Walker2d-v4", seeds=[0], backend="envpool"))
    assert ends == [True, False]
    short = facts.GYM["Walker2d-v4"]._replace(episode_steps=length)
    monkeypatch.setitem(
        sys.modules["vs_envs.registry"]._TASKS,
        "gym/Walker2d-v4",
        sys.modules["vs_envs.registry"]._other("gym", "Walker2d-v4", short),
    )
    env = make("gym/Walker2d-v4", seeds=[0], backend="envpool")
    assert until_the_end(env) == (length, True, True)


def test_seeds_reproduce_and_a_lane_depends_on_its_own_alone():
    def rollout(env, steps=40):
        rng = np.random.default_rng(9)
        frames = [env.reset()[0]]
        for _ in range(steps):
            action = rng.uniform(-1, 1, env.single_action_space.shape)
            frames.append(env.step(np.tile(action, (env.num_envs, 1)))[0])
        return np.array(frames)

    several = make("gym/Walker2d-v4", seeds=[7, 3, 7, 8, 9], backend="envpool")
    frames = rollout(several)
    np.testing.assert_array_equal(frames[:, 0], frames[:, 2])
    assert not np.array_equal(frames[0, 0], frames[0, 1])
    alone = make("gym/Walker2d-v4", seeds=[3], backend="envpool")
    np.testing.assert_array_equal(rollout(alone)[:, 0], frames[:, 1])
    assert not np.array_equal(several.reset()[0], frames[0])  # the streams go on
    np.testing.assert_array_equal(several.reset(seed=[7, 3, 7, 8, 9])[0], frames[0])


def test_it_has_the_simulators_tasks_in_their_sizes():
    known = envpool.list_all_envs()
    names = [name for name in task_names() if not name.startswith("hbench")]
    assert [name for name in names if pool_name(task(name)) not in known] == []
    for name in ("dmc/fish-swim", "dmc/stacker-stack_4", "dmc/humanoid-run_pure_state"):
        env = make(name, seeds=[0, 1], backend="envpool")
        assert env.reset()[0].shape == (2, task(name).observation_size)
    with pytest.raises(ValueError, match="EnvPool has no hbench/h1-walk-v0"):
        make("hbench/h1-walk-v0", seeds=[0], backend="envpool")


def test_it_has_no_state():
    env = make("dmc/pendulum-swingup", seeds=[0], backend="envpool")
    env.reset()
    assert env.state() is None
    with pytest.raises(ValueError, match="envpool backend cannot restore a state"):
        env.restore({})


def test_auto_takes_it_for_many_environments_of_a_fast_task():
    env = make("dmc/cartpole-swingup", seeds=range(4), backend="auto")
    assert env.backend == "envpool"
    assert env.why == choose_backend("dmc/cartpole-swingup", environments=4)[1]
    assert "EnvPool is faster than Python with 10 environments of cartpole" in env.why
