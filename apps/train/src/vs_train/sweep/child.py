"""Input of a sweep's processes: their environment, and their cell as JSON."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vs_train.config import TrainConfig
from vs_train.processes import process_settings


def child_environment(
    *, cache: Path | None = None, threads: int = 1, gpus: float = 0, device: str | None = None
) -> dict[str, str]:
    """Return the environment of a process that computes on ``threads`` threads.

    Args:
        cache: folder of compiled programs that the processes share.
        threads: for XLA.
        gpus: below 1, the share of one's memory that it takes, as others have the rest.
        device: the only GPU that it sees, as ``CUDA_VISIBLE_DEVICES`` names it.
    """
    added = process_settings(threads)
    if cache is not None:
        added["JAX_COMPILATION_CACHE_DIR"] = str(cache.absolute())
        added["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    if 0 < gpus < 1:
        added["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 * gpus:.3f}"
    if device is not None:
        added["CUDA_VISIBLE_DEVICES"] = device
    return os.environ | added


def encoded(config: TrainConfig) -> str:
    """Return a cell as one line of JSON."""
    return json.dumps(asdict(config))


def decoded(text: str) -> TrainConfig:
    """Return the cell that `encoded` was given."""
    values: Any = json.loads(text)
    for name in ("learning_rates", "reset_steps"):  # JSON has no tuples
        values[name] = values[name] and tuple(values[name])
    return TrainConfig(**values)
