"""Logged scalars in long form (one value a row) → curves; repeats are separated or refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vs_logging._assemble import Curves
from vs_logging.table import RunTableError


@dataclass(frozen=True)
class Series:
    """One metric of one process, in the order of logging.

    Attributes:
        steps: Shape (n,) env steps.
        values: Shape (n,).
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]


def whole_steps(steps: NDArray[np.float64], name: str) -> NDArray[np.int64]:
    """Convert steps read as floats.

    Raises:
        RunTableError: One is negative, fractional or not finite.
    """
    bad = ~np.isfinite(steps) | (steps < 0) | (steps != np.round(steps))
    if bad.any():
        raise RunTableError(
            f"{name} is {steps[np.argmax(bad)]} in a row; expected a non-negative integer"
        )
    return steps.astype(np.int64)


def split_repeats(series: Series) -> tuple[list[Series], int]:
    """Separate a series in which steps repeat into one series per unnamed seed.

    An exact repeat of the whole series counts as copied rows. Otherwise the rows must come as one
    seed after another: each a block of increasing steps, every block starting at the same step.

    Returns:
        The seeds' series (sorted by step), and the number of copied rows left out.

    Raises:
        RunTableError: The order does not show which value belongs to which seed.
    """
    steps, values = series.steps, series.values
    order = np.argsort(steps, kind="stable")
    unique, first, counts = np.unique(steps, return_index=True, return_counts=True)
    if (counts == 1).all():
        return [Series(steps[order], values[order])], 0
    reference = values[first][np.searchsorted(unique, steps)]
    if ((values == reference) | (np.isnan(values) & np.isnan(reference))).all():
        return [Series(unique, values[first])], int(counts.sum() - len(unique))
    starts = np.flatnonzero(np.r_[True, steps[1:] <= steps[:-1]])
    blocks = [Series(*pair) for pair in zip(
        np.split(steps, starts[1:]), np.split(values, starts[1:]), strict=True
    )]  # fmt: skip
    if len(blocks) == counts.max() and (steps[starts] == unique[0]).all():
        return blocks, 0
    step = unique[np.argmax(counts > 1)]
    several = values[steps == step]
    raise RunTableError(
        f"env_step {step} has {len(several)} different values ({several[0]:g}, {several[1]:g}, …) "
        "for one seed, and their order does not tell which seed each belongs to; expected the rows "
        "of one seed after those of another, or a seed number for each"
    )


def align(
    config: Mapping[str, Any], metrics: Mapping[str, Series], *, seeds: NDArray[np.int64]
) -> Curves:
    """One process's metrics (steps unique within each) on their common steps, as curves."""
    steps = np.unique(np.concatenate([series.steps for series in metrics.values()]))
    columns: dict[str, NDArray[np.float64]] = {}
    for name, series in metrics.items():
        column = np.full((len(steps), 1), np.nan)
        column[np.searchsorted(steps, series.steps), 0] = series.values
        columns[name] = column
    return Curves(config, steps, columns.pop("return_"), columns, seeds=seeds)
