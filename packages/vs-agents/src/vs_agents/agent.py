"""The protocol of an agent: what loops, checkpoints and diagnostics need of an algorithm.

An algorithm is one file: a frozen dataclass of constants whose methods are pure functions of one
agent's state; `vs_agents.lanes` maps them over lanes. Actor-critics with a temperature share
`vs_agents.actor_critic`; others, such as `vs_agents.simbav2`, follow the protocol by themselves.
"""

from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import jax
import optax
from jax import Array

from vs_agents.replay import Batch, Values

type Params = Any  # a pytree of arrays
type Every = Literal["critic_update", "second_critic_update", "env_step"]
"""When the actor is updated: after every critic update, on its batch; after every second one, on a
batch of its own; or once per environment step, after that step's critic updates."""
type Metrics = dict[str, Array]


class Learner(NamedTuple):
    """Parameters and the state of their optimiser."""

    params: Params
    optimizer: Any  # an optax.OptState


class AgentState(NamedTuple):
    """Everything that one agent learns; a pytree."""

    actor: Learner
    critic: Learner
    target_critic: Params
    log_temperature: Learner | None  # params: (); None without a temperature
    passive_critic: Learner | None  # see ActorCriticConfig.passive_width
    extra: Any  # the algorithm's own part, such as running statistics of observations
    learning_rate: Array  # ()


class Agent(Protocol):
    """An algorithm and its constants: a frozen dataclass, as it is compiled in."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __hash__(self) -> int: ...

    @property
    def observation_size(self) -> int:
        """Length of one observation."""
        ...

    @property
    def action_size(self) -> int:
        """Length of one action, each component in [-1, 1]."""
        ...

    @property
    def discount(self) -> float:
        """Gamma, of one step."""
        ...

    @property
    def n_step(self) -> int:
        """Rewards in a target before it bootstraps, see `vs_agents.replay.sample`."""
        ...

    @property
    def actor_every(self) -> Every:
        """When the actor is updated."""
        ...

    @property
    def actor_first(self) -> bool:
        """True if an update goes actor before critic; else the other way round."""
        ...

    @property
    def critic_params(self) -> int:
        """Number of parameters of all critics that learn from the return, together."""
        ...

    def init(self, key: Array, learning_rate: Array | float) -> AgentState:
        """Return a fresh agent, with ``learning_rate`` as its step size."""
        ...

    def observe(
        self, state: AgentState, observation: Values, reward: Values, ended: Values
    ) -> AgentState:
        """Take note of a step, before `explore` acts on ``observation``.

        Args:
            state: the agent before.
            observation: ``(observation,)`` to act on next, a new episode's first where one ended.
            reward: () of the step just done.
            ended: () 1 if that step ended its episode, by termination or a time limit.
        """
        ...

    def explore(self, state: AgentState, observation: Values, key: Array) -> Array:
        """Return the action to take while training, ``(..., action)``."""
        ...

    def act_deterministic(self, state: AgentState, observation: Values) -> Array:
        """Return the action of evaluations, ``(..., action)``."""
        ...

    def update_critic(
        self, state: AgentState, batch: Batch, key: Array
    ) -> tuple[AgentState, Metrics]:
        """Update critics and target critics; return the agent after and scalars by name."""
        ...

    def update_actor(
        self, state: AgentState, batch: Batch, key: Array
    ) -> tuple[AgentState, Metrics]:
        """Update the actor, and what goes with it; return the agent after and scalars by name."""
        ...

    def td_losses(self, state: AgentState, batch: Batch, key: Array) -> Metrics:
        """Return ``critic_loss`` () on a batch, with a target as in training; changes nothing."""
        ...

    def reset_due(self, *, env_step: int, updates_before: int, updates: int) -> bool:
        """Return True if the agent starts afresh before a step's updates; its memory stays.

        Args:
            env_step: the environment step, counted from 1.
            updates_before: critic updates before the previous step.
            updates: critic updates before this step.
        """
        ...

    @property
    def reset_period(self) -> int | None:
        """Critic updates between two resets; None where resets do not follow their count."""
        ...


class WithoutResets:
    """The part of `Agent` that agents without resets share."""

    def reset_due(self, *, env_step: int, updates_before: int, updates: int) -> bool:
        """Return False."""
        del env_step, updates_before, updates
        return False

    @property
    def reset_period(self) -> None:
        """None: there are no resets."""
        return None


def descend(
    learner: Learner, gradient: Params, optimizer: optax.GradientTransformation, rate: Array
) -> Learner:
    """Take one step of ``rate`` against the optimiser's direction."""
    direction, optimizer_state = optimizer.update(gradient, learner.optimizer, learner.params)
    params = jax.tree.map(lambda p, d: p - rate * d, learner.params, direction)
    return Learner(params, optimizer_state)


def count_params(shapes: Params) -> int:
    """Return the number of parameters in a pytree of arrays or shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))
