"""Training with environments inside jit: agents, environments and evaluations in compiled calls."""

from functools import partial

import jax
import numpy as np
from jax import numpy as jnp
from vs_agents import (
    COLLECT,
    Agent,
    AgentState,
    Inside,
    Transition,
    evaluate,
    init_lanes,
    reset_lanes,
    run_inside,
    updates_due,
)
from vs_envs.mjx import EnvState, JaxEnv, jax_env

from vs_train.acting import derived_seeds
from vs_train.cell import Evaluation, agent_config, critic_updates, lane_axes, reset_due
from vs_train.config import SEED_LIMIT, TrainConfig
from vs_train.means import Means
from vs_train.snapshot import Arrays, pack, part, restored, under

_PIECE = 1_000  # environment steps of one call at most: so long a stop has to wait


class InsideTrainer:
    """Some lanes of a cell on a task of `vs_envs.mjx`; otherwise as `vs_train.run.Trainer`.

    Attributes:
        env_step: environment steps of each agent so far.
    """

    def __init__(self, config: TrainConfig, *, lanes: slice = slice(None)) -> None:
        """Build agents and environments.

        Args:
            config: the cell, without diagnostics.
            lanes: which of `lane_axes`.
        """
        self.env_step = 0
        self._config, self._choices = config, config.choices
        rates, seeds = lane_axes(config)
        self._seeds = seeds[lanes]
        self._agent = agent_config(config)
        self._env = jax_env(config.env)
        capacity = min(config.replay_capacity, config.steps)
        self._inside = Inside(
            init_lanes(
                self._agent, seeds=self._seeds, learning_rates=rates[lanes], capacity=capacity
            ),
            _reset(_keys(list(self._seeds)), env=self._env),
            jnp.zeros((len(self._seeds), self._agent.action_size)),
        )
        self._environment = _Stepped(self._env)
        utd = self._choices.utd
        self._counts = tuple(range(int(utd), int(np.ceil(utd)) + 1))
        self._metrics = Means()

    def advance(self, until: int) -> Evaluation | None:
        """Do some environment steps with their updates, not beyond ``until``; evaluate if due."""
        if reset_due(self._agent, self._choices, self.env_step + 1):
            lanes = reset_lanes(self._inside.lanes, config=self._agent)
            self._inside = self._inside._replace(lanes=lanes)
        due = self._due(until)
        padded = np.full(_PIECE, COLLECT, np.int32)
        padded[: len(due)] = due
        self._inside, metrics = run_inside(
            self._inside,
            padded,
            jnp.int32(len(due)),
            environment=self._environment,
            config=self._agent,
            batch_size=self._choices.batch_size,
            counts=self._counts,
        )
        self._metrics.add_rows(
            jax.device_get(metrics), first_step=self.env_step + 1, updates=np.array(due)
        )
        self.env_step += len(due)
        if self.env_step % self._choices.eval_every:
            return None
        taken = self._metrics.take()
        return Evaluation(
            env_step=self.env_step,
            updates=critic_updates(self._choices, self.env_step),
            returns=self._evaluate(),
            metrics=taken.means,
            nan_from=taken.nan_from,
        )

    def state(self) -> Arrays:
        """Return everything that `restore` needs to go on with the same numbers."""
        state = pack(self._inside.lanes, "lanes") | pack(self._inside.world, "world")
        state |= under("metrics", self._metrics.state())
        state["action"] = np.asarray(self._inside.action)
        state["env_step"] = np.array(self.env_step)
        return state

    def restore(self, state: Arrays) -> None:
        """Go on from where `state` was taken.

        Raises:
            ValueError: if it is of other lanes, or of another version of the agents.
        """
        self._inside = Inside(
            restored(self._inside.lanes, state, "lanes"),
            restored(self._inside.world, state, "world"),
            jnp.array(state["action"]),
        )
        self.env_step = int(state["env_step"])
        self._metrics = Means(part(state, "metrics"))

    def _due(self, until: int) -> list[int]:
        """Return the schedule of the next steps, up to an evaluation or before a reset."""
        due: list[int] = []
        for step in range(self.env_step, min(until, self.env_step + _PIECE)):
            if due and reset_due(self._agent, self._choices, step + 1):
                break
            decision = step - self._choices.warmup_steps
            due.append(COLLECT if decision < 0 else updates_due(decision, self._choices.utd))
            if (step + 1) % self._choices.eval_every == 0:
                break
        return due

    def _evaluate(self) -> np.ndarray:
        total = np.zeros(len(self._seeds))
        for episode in range(self._choices.eval_episodes):
            seeds = derived_seeds(SEED_LIMIT + self._seeds, self.env_step, episode)
            agent = self._inside.lanes.agent
            total += np.asarray(_judge(agent, _keys(seeds), env=self._env, config=self._agent))
        return total / self._choices.eval_episodes


class _Stepped:
    """All lanes' environments as `vs_agents.Environment`; equal for equal tasks."""

    def __init__(self, env: JaxEnv) -> None:
        self._env = env

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Stepped) and self._env is other._env

    def __hash__(self) -> int:
        return hash(self._env)

    def __call__(
        self, world: EnvState, action: jax.Array
    ) -> tuple[EnvState, Transition, jax.Array]:
        action = jnp.nan_to_num(action, nan=0.0)  # as `acting.finite`
        after = jax.vmap(self._env.step)(world, action)
        transition = Transition(
            observation=world.obs,
            action=action,
            reward=after.reward,
            terminated=after.terminated.astype(jnp.float32),
            truncated=after.truncated.astype(jnp.float32),
            next_observation=after.final_obs,
        )
        return after, transition, after.obs


def _keys(seeds: list[int]) -> jax.Array:
    return jax.vmap(jax.random.key)(jnp.array(seeds, jnp.uint32))


@partial(jax.jit, static_argnames="env")
def _reset(keys: jax.Array, *, env: JaxEnv) -> EnvState:
    return jax.vmap(env.reset)(keys)


@partial(jax.jit, static_argnames=("env", "config"))
def _judge(agent: AgentState, keys: jax.Array, *, env: JaxEnv, config: Agent) -> jax.Array:
    """Return the undiscounted return ``(lanes,)`` of an episode each; NaN for a diverged agent."""
    type Carry = tuple[EnvState, jax.Array, jax.Array]

    def one(_: jax.Array, carry: Carry) -> Carry:
        state, total, running = carry
        action = jnp.nan_to_num(evaluate(agent, state.obs, config=config), nan=0.0)
        state = jax.vmap(env.step)(state, action)
        total += jnp.where(running, state.reward, 0.0)
        return state, total, running & ~(state.terminated | state.truncated)

    state = jax.vmap(env.reset)(keys)
    finite = jnp.isfinite(evaluate(agent, state.obs, config=config)).all(axis=1)
    begin = (state, jnp.zeros(len(keys)), jnp.ones(len(keys), bool))
    _, total, _ = jax.lax.fori_loop(0, env.episode_steps, one, begin)
    return jnp.where(finite, total, jnp.nan)
