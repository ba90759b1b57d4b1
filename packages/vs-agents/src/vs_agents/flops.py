"""Floating-point operations of updates: by the papers' formula, and counted by XLA."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, cast

import jax

from vs_agents import replay as memory
from vs_agents.agent import Agent


class UpdateFlops(NamedTuple):
    """Floating-point operations of one update."""

    critic: float
    actor: float


@cache  # counting builds the networks' shapes, which takes a tenth of a second
def formula_flops(config: Agent, batch_size: int) -> UpdateFlops:
    """Return the papers' counts: 10 N B per critic update, 12 N B per actor update.

    ``N`` is the number of critic parameters, ``B`` the batch size (arXiv:2502.04327, eq. 4.2; there
    the actor's update is neglected).
    """
    size = float(config.critic_params * batch_size)
    return UpdateFlops(10.0 * size, 12.0 * size)


@cache
def measured_flops(config: Agent, batch_size: int) -> UpdateFlops:
    """Return XLA's count of the lowered programs of one lane, passive critics left out.

    The loop over target quantiles is counted once, as XLA does with loops; its arithmetic is
    elementwise and small beside the matrix products.
    """
    sizes = config.observation_size, config.action_size
    key = jax.eval_shape(lambda: jax.random.key(0))
    steps = jax.eval_shape(lambda: memory.empty(batch_size, *sizes, lanes=1).data)
    batch = jax.eval_shape(
        lambda x: memory.as_batch(jax.tree.map(lambda y: y[0], x), discount=1.0), steps
    )
    state = jax.eval_shape(lambda k: config.init(k, 1.0)._replace(passive_critic=None), key)

    def count(update: Callable[..., Any]) -> float:
        cost = jax.jit(update).lower(state, batch, key).cost_analysis()
        return cast("dict[str, float]", cost)["flops"]

    return UpdateFlops(count(config.update_critic), count(config.update_actor))


def measured_total(config: Agent, batch_size: int, *, decisions: int, updates: int) -> float:
    """Return `measured_flops` over all updates of one agent.

    Args:
        config: the algorithm; its ``actor_every`` decides which number counts actor updates.
        batch_size: transitions per update.
        decisions: environment steps after the warm-up.
        updates: critic updates.
    """
    each = measured_flops(config, batch_size)
    actor_updates = {
        "critic_update": updates,
        "second_critic_update": updates // 2,
        "env_step": decisions,
    }[config.actor_every]
    return each.critic * updates + each.actor * actor_updates
