"""Means of diagnostics over a window of env steps, for the TD-overfitting analysis."""

from collections.abc import Sequence
from typing import Literal

import polars as pl

from vs_logging.table import IDENTITY_COLUMNS, RunTableError


def window_means(
    table: pl.DataFrame | pl.LazyFrame,
    metrics: Sequence[str],
    *,
    first_step: int,
    last_step: int,
    by: Literal["seed", "run"] = "seed",
) -> pl.DataFrame:
    """Average metrics over the rows with ``first_step ≤ env_step ≤ last_step``.

    NaN and null are "not logged here" and do not enter. The paper's end of training is 720 000 to
    800 000 steps (arXiv:2508.14881, section 4).

    Args:
        table: A run table.
        metrics: Columns to average, e.g. ``["critic_loss", "validation_critic_loss"]``.
        first_step: First env step of the window.
        last_step: Last env step of the window, included.
        by: One row per seed, or one per run with all logged values of its seeds pooled.

    Returns:
        ``run``, the columns of ``IDENTITY_COLUMNS`` that the table has, then ``seed`` or ``seeds``
        (the number of seeds with a row in the window), then the metrics; null where a metric was
        never logged in the window. Sorted by run (and seed). Runs and seeds without a row in the
        window are absent.

    Raises:
        RunTableError: A metric is no numeric column of the table, or the window holds no row.
    """
    if by not in ("seed", "run"):
        raise ValueError(f"by is {by!r}; expected 'seed' or 'run'")
    rows = table.lazy()
    schema = rows.collect_schema()
    for name in metrics:
        if name not in schema or not schema[name].is_numeric():
            raise RunTableError(f"{name} is no numeric column of the table; expected a metric")
    identity = [name for name in IDENTITY_COLUMNS if name in schema]
    inside = rows.filter(pl.col("env_step").is_between(first_step, last_step))
    groups = inside.group_by("run", *identity, *(["seed"] if by == "seed" else []))
    means = [pl.col(name).fill_nan(None).mean() for name in metrics]
    if by == "run":
        means = [pl.col("seed").n_unique().alias("seeds"), *means]
    found = groups.agg(means).sort("run", *(["seed"] if by == "seed" else [])).collect()
    if found.is_empty():
        raise RunTableError(f"no row with env_step from {first_step} to {last_step}")
    return found
