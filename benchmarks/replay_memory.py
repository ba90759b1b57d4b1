"""Peak memory of five agents on dog-run with a million transitions each, against arithmetic.

The replay memory is donated to every step, so it must never exist twice. Prints and writes what the
process held at its peak while inserting, sampling and updating, above what it held before the
memory was made, beside the memory's arithmetic size.

    uv run python benchmarks/replay_memory.py
"""

import json
import resource
from pathlib import Path

import jax
import numpy as np
import tyro
from vs_agents import BRO, Transition, init_lanes, step

OBSERVATION, ACTION = 223, 38  # dmc/dog-run
GIB = 2**30


def main(*, capacity: int = 1_000_000, seeds: int = 5, steps: int = 6, width: int = 64) -> None:
    """Measure.

    Args:
        capacity: transitions kept per agent.
        seeds: agents.
        steps: environment steps, each with one update.
        width: of the critics; small, since the memory is what is measured.
    """
    rng = np.random.default_rng(0)
    config = BRO(
        observation_size=OBSERVATION, action_size=ACTION, critic_width=width, actor_width=width
    )

    def peaks(capacity: int) -> tuple[int, bool]:
        lanes = init_lanes(
            config,
            seeds=np.arange(seeds),
            learning_rates=np.full(seeds, 3e-4),
            capacity=capacity,
        )
        before = _place(lanes.replay.data.observation)
        for _ in range(steps):
            observation = rng.normal(size=(seeds, OBSERVATION)).astype(np.float32)
            action = np.tanh(rng.normal(size=(seeds, ACTION))).astype(np.float32)
            zero = np.zeros(seeds, np.float32)
            moved = Transition(observation, action, zero, zero, zero, observation)
            lanes, _, _ = step(lanes, moved, observation, config=config, batch_size=256, updates=1)
        jax.block_until_ready(lanes)
        same = before == _place(lanes.replay.data.observation)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, same

    small, _ = peaks(10)  # everything but the memory: libraries, compilation, networks
    large, in_place = peaks(capacity)
    arithmetic = 4 * seeds * capacity * (2 * OBSERVATION + ACTION + 2)
    found = {
        "capacity": capacity,
        "seeds": seeds,
        "arithmetic_gib": arithmetic / GIB,
        "peak_above_the_rest_gib": (large - small) / GIB,
        "peak_gib": large / GIB,
        "same_buffer_after_all_steps": in_place,
    }
    print(json.dumps(found, indent=1))
    path = Path(__file__).parent / "results" / "replay_memory.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _place(array: object) -> int:
    assert isinstance(array, jax.Array)
    return array.unsafe_buffer_pointer()


if __name__ == "__main__":
    tyro.cli(main)
