"""Write a cell's evaluations into the run table, one run per learning rate."""

from collections.abc import Generator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import jax
from vs_envs import task
from vs_logging import RunWriter, read_metadata, run_id

from vs_train.config import TrainConfig
from vs_train.run import Evaluation, agent_config, lane_axes, train

_RECORDED = ("mujoco", "dm-control", "gymnasium", "jax", "flax", "optax", "numpy")


def columns(config: TrainConfig, learning_rate: float) -> dict[str, object]:
    """Return everything but the seed that shapes one run; its hash is the run's id."""
    facts = task(config.env)
    return config.settings(learning_rate) | {
        "algo": "sac",
        "benchmark": facts.benchmark,
        "env": facts.env,
        "critic_params": agent_config(config).critic_params,
    }


def metadata(config: TrainConfig) -> dict[str, object]:
    """Return the facts about a cell that are not settings: versions, device, cost per update."""
    return {
        "action_repeat": task(config.env).action_repeat,
        "versions": {name: version(name) for name in _RECORDED},
        "device": jax.devices()[0].device_kind,
        "lanes": len(lane_axes(config)[0]),
        "flops_per_update": flops_per_update(config),
    }


def flops_per_update(config: TrainConfig) -> float:
    """Return ``10 N B``, the papers' count for one critic update with its share of the actor's.

    ``N`` is the number of critic parameters, ``B`` the batch size.
    """
    return 10.0 * agent_config(config).critic_params * config.batch_size


def is_finished(config: TrainConfig, out: Path) -> bool:
    """Tell whether every run of a cell is in ``out`` with state finished."""
    runs = (out / run_id(columns(config, rate)) for rate in config.learning_rates)
    return all(run.exists() and read_metadata(run)["state"][0] == "finished" for run in runs)


def train_and_record(config: TrainConfig, out: Path) -> Generator[Evaluation]:
    """Train a cell and append every evaluation to its runs' folders before yielding it.

    Closing the iterator, or an exception in it, leaves complete tables marked as failed. A cell
    that was cut off starts again from its beginning; one that is finished is refused.

    Args:
        config: the cell.
        out: folder of run folders; created if needed.

    Raises:
        ValueError: if every run of the cell is finished in ``out``.
    """
    if is_finished(config, out):
        raise ValueError(f"{out}: this cell is already finished there; expected another folder")
    facts = metadata(config)
    rates, seeds = lane_axes(config)
    cost = flops_per_update(config)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(RunWriter(out, columns(config, rate), metadata=facts, resume_at=0))
            for rate in config.learning_rates
        ]
        for evaluation in train(config):
            for lane in range(len(rates)):
                writers[lane // config.seeds].write(
                    seed=int(seeds[lane]),
                    env_step=evaluation.env_step,
                    return_=float(evaluation.returns[lane]),
                    updates=evaluation.updates,
                    flops=cost * evaluation.updates,
                    **{name: float(v[lane]) for name, v in evaluation.metrics.items()},
                )
            yield evaluation
