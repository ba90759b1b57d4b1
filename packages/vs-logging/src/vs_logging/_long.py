"""Logged scalars in long form (one value a row) → the curves of a seed, in env steps."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vs_logging._assemble import Curves
from vs_logging._repeats import Curve, Repeats, Resolved, resolve
from vs_logging.table import RunTableError

ROUNDED = "steps that are no whole numbers rounded"


@dataclass(frozen=True)
class Series:
    """One metric of one process, in the order of logging.

    Attributes:
        steps: Shape (n,) steps as logged (`checked_steps`), whole or not.
        values: Shape (n,).
        remarks: What was done to its file → number of lines.
    """

    steps: NDArray[np.floating | np.integer]
    values: NDArray[np.float64]
    remarks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SeedCurves:
    """The curves of one seed, once its metrics are aligned.

    Attributes:
        curves: One entry; several where the log holds seeds without a number.
        copies: Number of exact repeats of a row that were left out.
        remarks: What was done → number of rows.
    """

    curves: Sequence[Curves]
    copies: int
    remarks: Mapping[str, int]


def checked_steps(steps: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Return steps read as floats.

    Raises:
        RunTableError: One is negative or not finite.
    """
    bad = ~np.isfinite(steps) | (steps < 0)
    if bad.any():
        raise RunTableError(
            f"{name} is {steps[np.argmax(bad)]} in a row; expected a number of at least 0"
        )
    return steps


def env_steps(
    steps: NDArray[np.floating | np.integer], scale: float
) -> tuple[NDArray[np.int64], int]:
    """Convert logged steps to env steps, and count those that had to be rounded.

    Raises:
        RunTableError: Different steps become the same.
    """
    scaled = np.asarray(steps, np.float64) * scale
    rounded = np.rint(scaled)
    fractional = np.abs(scaled - rounded) > 1e-9 * np.maximum(scaled, 1.0)
    if fractional.any():
        unique = np.unique(scaled)
        closest = np.flatnonzero(np.diff(np.rint(unique)) == 0)
        if len(closest):
            low, high = unique[closest[0]], unique[closest[0] + 1]
            raise RunTableError(
                f"the steps {low:g} and {high:g} both round to {np.rint(low):g}; if steps count "
                "thousands, millions or epochs, give --steps-scale (env steps in one)"
            )
    return rounded.astype(np.int64), int(fractional.sum())


def seed_curves(
    config: Mapping[str, Any],
    seed: int,
    metrics: Mapping[str, Series],
    *,
    return_name: str,
    repeats: Repeats | None,
    scale: float,
) -> SeedCurves:
    """Return the curves of one seed, one value per env step and metric.

    Only the returns can be bad. A diagnostic's infinite values, and diagnostics whose repeats are
    not clear or do not match those of the returns, are left out and reported.

    Args:
        config: The completed configuration.
        seed: The seed's number.
        metrics: ``return_`` and diagnostics.
        return_name: The source's name of the return.
        repeats: The treatment of steps that repeat.
        scale: Env steps per logged step.

    Raises:
        RunTableError: There is no return, one is infinite, or a step holds several.
    """
    if "return_" not in metrics or not len(metrics["return_"].steps):
        raise RunTableError(f"it has no values of {return_name}")
    returns = metrics["return_"]
    if (infinite := np.isinf(returns.values)).any():
        step = returns.steps[np.argmax(infinite)]
        raise RunTableError(f"{return_name} is infinite at step {step:g}; expected finite numbers")
    remarks: Counter[str] = Counter()
    resolved: dict[str, Resolved] = {}
    try:
        resolved["return_"] = _resolved(returns, repeats, scale, remarks)
    except RunTableError as error:
        raise RunTableError(f"{return_name}: {error}") from None
    count = len(resolved["return_"].curves)
    for name, series in metrics.items():
        if name == "return_" or not len(series.steps):
            continue
        try:
            resolved[name] = _resolved(_finite(name, series, remarks), repeats, scale, remarks)
        except RunTableError as error:
            remarks[f"curves of {name} left out (the first: {error})"] += 1
            continue
        if len(resolved[name].curves) != count:
            other = len(resolved.pop(name).curves)
            remarks[
                f"curves of {name} left out: the returns are of {count} seeds without a number, and "
                f"{name} of {other}"
            ] += 1
    parts = [{name: each.curves[k] for name, each in resolved.items()} for k in range(count)]
    return SeedCurves(
        [_align(config, part, seed) for part in parts],
        sum(each.copies for each in resolved.values()),
        remarks,
    )


def _resolved(
    series: Series, repeats: Repeats | None, scale: float, remarks: Counter[str]
) -> Resolved:
    steps, rounded = env_steps(series.steps, scale)
    found = resolve(steps, series.values, repeats)
    remarks.update(series.remarks)
    remarks.update(found.remarks)
    if rounded:
        remarks[ROUNDED] += rounded
    return found


def _finite(name: str, series: Series, remarks: Counter[str]) -> Series:
    infinite = np.isinf(series.values)
    if not infinite.any():
        return series
    remarks[f"values of {name} that are infinite or no number left out"] += int(infinite.sum())
    return Series(series.steps, np.where(infinite, np.nan, series.values), series.remarks)


def _align(config: Mapping[str, Any], metrics: Mapping[str, Curve], seed: int) -> Curves:
    """Put one seed's metrics on their common steps."""
    steps = np.unique(np.concatenate([curve.steps for curve in metrics.values()]))
    columns: dict[str, NDArray[np.float64]] = {}
    for name, curve in metrics.items():
        column = np.full((len(steps), 1), np.nan)
        column[np.searchsorted(steps, curve.steps), 0] = curve.values
        columns[name] = column
    return Curves(config, steps, columns.pop("return_"), columns, seeds=np.array([seed]))
