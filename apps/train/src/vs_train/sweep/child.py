"""What a process of the sweep is told: its environment and its cell, as JSON."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from vs_train.config import TrainConfig
from vs_train.workers import _ONE_THREAD


def child_environment(*, cache: Path | None = None) -> dict[str, str]:
    """Return the environment of a process that computes on one thread.

    Processes that each take all cores are slower than one alone.

    Args:
        cache: folder of compiled programs that the processes share.
    """
    flags = f"{os.environ.get('XLA_FLAGS', '')} {_ONE_THREAD}".strip()
    shared = {}
    if cache is not None:
        shared["JAX_COMPILATION_CACHE_DIR"] = str(cache.absolute())
        shared["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    return os.environ | {"XLA_FLAGS": flags} | shared


def encoded(config: TrainConfig) -> str:
    """Return a cell as one line of JSON."""
    return json.dumps(asdict(config))


def decoded(text: str) -> TrainConfig:
    """Return the cell that `encoded` was given."""
    values = json.loads(text)
    return TrainConfig(**values | {"learning_rates": tuple(values["learning_rates"])})
