"""A Playground task as pure functions of one environment; `vs_envs.mjx` says what they are."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

try:
    import jax
    import jax.numpy as jnp

    with warnings.catch_warnings():  # Playground imports Brax, which imports the archived jaxopt
        warnings.simplefilter("ignore", DeprecationWarning)
        from mujoco_playground import State, dm_control_suite
except ImportError as error:
    raise ImportError(
        'vs_envs.mjx needs JAX, MJX and MuJoCo Playground: pip install "vs-envs[mjx]"'
    ) from error

PLAYGROUND = {
    "acrobot-swingup": "AcrobotSwingup",
    "acrobot-swingup_sparse": "AcrobotSwingupSparse",
    "ball_in_cup-catch": "BallInCup",
    "cartpole-balance": "CartpoleBalance",
    "cartpole-balance_sparse": "CartpoleBalanceSparse",
    "cartpole-swingup": "CartpoleSwingup",
    "cartpole-swingup_sparse": "CartpoleSwingupSparse",
    "cheetah-run": "CheetahRun",
    "finger-spin": "FingerSpin",
    "finger-turn_easy": "FingerTurnEasy",
    "finger-turn_hard": "FingerTurnHard",
    "fish-swim": "FishSwim",
    "hopper-hop": "HopperHop",
    "hopper-stand": "HopperStand",
    "humanoid-run": "HumanoidRun",
    "humanoid-stand": "HumanoidStand",
    "humanoid-walk": "HumanoidWalk",
    "pendulum-swingup": "PendulumSwingup",
    "point_mass-easy": "PointMass",
    "swimmer-swimmer6": "SwimmerSwimmer6",
    "walker-run": "WalkerRun",
    "walker-stand": "WalkerStand",
    "walker-walk": "WalkerWalk",
}
"""dm_control's name of a task → Playground's. Its two reacher tasks are left out: Playground 0.2.0
compares version strings ("3.12" < "3.3") and then calls what MuJoCo no longer has."""


class EnvState(NamedTuple):
    """One environment between two steps; under vmap every leaf has the batch in front."""

    obs: jax.Array  # (observation,), to act on next: a new episode's first one where one ended
    reward: jax.Array  # () of the last step; 0 after reset
    terminated: jax.Array  # () bool, the task itself ended
    truncated: jax.Array  # () bool, the time limit was reached, or the simulation diverged
    final_obs: jax.Array  # (observation,), what the last action led to: store, bootstrap from it
    steps: jax.Array  # () int32, taken in the running episode
    key: jax.Array  # () typed key, of the episodes to come
    data: Any  # mjx.Data


@dataclass(frozen=True, kw_only=True, eq=False)  # hashed by identity, so it may be jit-static
class JaxEnv:
    """A task as pure functions of one environment.

    Attributes:
        name: ``dmc/<task>``.
        observation_size: length of an observation.
        action_size: length of an action, each component in [-1, 1].
        episode_steps: steps until the time limit.
    """

    name: str
    observation_size: int
    action_size: int
    episode_steps: int
    _task: Any = field(repr=False)

    def reset(self, key: jax.Array) -> EnvState:
        """Start the first of the episodes that a key stands for.

        Args:
            key: typed PRNG key ``()``; every episode draws its start from a key of its own.

        Returns:
            The state; its ``final_obs`` equals its ``obs``.
        """
        obs, steps, key, data = self._start(key)
        no = jnp.zeros((), bool)
        return EnvState(obs, jnp.zeros((), obs.dtype), no, no, obs, steps, key, data)

    def step(self, state: EnvState, action: jax.Array) -> EnvState:
        """Step, and start the next episode in the step in which one ends.

        No task of the suite ends by itself, so ``terminated`` is always False and the time limit
        gives ``truncated``. A simulation that diverges (not finite) is truncated as well, with
        reward 0 and with the observation before it as ``final_obs``, so that no NaN gets out.

        A start is computed only in steps in which some environment of the batch needs it, then for
        all of them: once an episode while episodes run in step, as those started together do. Where
        they do not, most steps of a large batch pay for a start (cheetah: 200 physics steps);
        benchmarks/mjx_speed.py measures both.

        Args:
            state: of `reset` or `step`.
            action: ``(action,)``, clipped to [-1, 1] and rescaled to the actuators' bounds.

        Returns:
            The next state.
        """
        low, high = self._task.mj_model.actuator_ctrlrange.T
        unit = (jnp.clip(action, -1.0, 1.0) + 1.0) / 2.0
        before = State(state.data, state.obs, state.reward, jnp.zeros(()), {}, {})
        after = self._task.step(before, (low + unit * (high - low)).astype(state.obs.dtype))
        # Playground's `done` means NaN in every task of the suite
        finite = (after.done == 0) & jnp.isfinite(after.reward) & jnp.isfinite(after.obs).all()
        final = jnp.where(finite, after.obs, state.obs)
        steps = state.steps + 1
        truncated = (steps >= self.episode_steps) | ~finite
        running = (final, steps, state.key, after.data)
        obs, steps, key, data = _renewal(self._start)(truncated, state.key, running)
        reward = jnp.where(finite, after.reward, 0.0)
        return EnvState(obs, reward, jnp.zeros((), bool), truncated, final, steps, key, data)

    def _start(self, key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, Any]:
        key, own = jax.random.split(key)
        first = self._task.reset(own)
        return first.obs, jnp.zeros((), jnp.int32), key, first.data


def _renewal(start: Callable[[jax.Array], Any]) -> Callable[[jax.Array, jax.Array, Any], Any]:
    """Return ``(ended, key, running) -> start(key) where ended, else running``.

    Under vmap a `lax.cond` becomes a select that computes both sides in every step; this keeps a
    branch, on whether *any* element of the batch has ended.
    """

    @jax.custom_batching.custom_vmap
    def renew(ended: jax.Array, key: jax.Array, running: Any) -> Any:
        def choose(new: jax.Array, old: jax.Array) -> jax.Array:
            return jnp.where(ended.reshape(ended.shape + (1,) * (old.ndim - ended.ndim)), new, old)

        return jax.lax.cond(
            ended.any(), lambda: jax.tree.map(choose, start(key), running), lambda: running
        )

    @renew.def_vmap
    def _(size: int, batched: Any, *args: Any) -> tuple[Any, Any]:
        full = jax.tree.map(
            lambda x, has: x if has else jnp.broadcast_to(x, (size, *x.shape)), args, tuple(batched)
        )
        renewed = _renewal(jax.vmap(start))(*full)
        return renewed, jax.tree.map(lambda _: True, renewed)

    return renew


@cache
def jax_env(name: str) -> JaxEnv:
    """Load a task.

    Args:
        name: ``dmc/<task>`` with a task of `PLAYGROUND`, e.g. ``dmc/cartpole-swingup``.

    Returns:
        The environment; the same object for the same name.

    Raises:
        ValueError: if Playground has no such task.
    """
    benchmark, _, one = name.partition("/")
    if benchmark != "dmc" or one not in PLAYGROUND:
        raise ValueError(f"no MJX task {name!r}: expected dmc/ and one of {', '.join(PLAYGROUND)}")
    task: Any = dm_control_suite.load(PLAYGROUND[one], config_overrides={"impl": "jax"})
    config = dm_control_suite.get_default_config(PLAYGROUND[one])
    return JaxEnv(
        name=name,
        observation_size=task.observation_size,
        action_size=task.action_size,
        episode_steps=math.ceil(config.episode_length / config.action_repeat),
        _task=task,
    )
