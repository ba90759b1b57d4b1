"""Read a run's settings out of a nested configuration, as TensorBoard and W&B users keep them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vs_logging._assemble import Curves
from vs_logging._configure import complete_config, look_up
from vs_logging._long import Series, align
from vs_logging.table import CONFIG_COLUMNS, RunTableError


def mapped_config(
    stored: Mapping[str, Any],
    fields: Mapping[str, str],
    constants: Mapping[str, object],
    parsed: Mapping[str, object],
) -> tuple[dict[str, Any], int]:
    """The completed configuration and the seed.

    Args:
        stored: The run's own configuration.
        fields: Column (or any further name that tells runs apart) → key in ``stored``, dots for
            nesting. A column not named here is looked up under its own name.
        constants: Settings of all runs; ``stored`` goes before them.
        parsed: Settings read from the run's name; these go first.

    Raises:
        RunTableError: A setting or the seed is missing or mistyped.
    """
    found = dict(constants)
    for name in dict.fromkeys((*CONFIG_COLUMNS, "seed", *fields)):
        value = look_up(stored, fields.get(name, name))
        if value is None and name in fields and name not in parsed and name not in constants:
            raise RunTableError(f"its configuration has no {fields[name]} (for {name})")
        if value is not None:
            found[name] = value
    found |= parsed
    seed = found.pop("seed", None)
    try:
        number = int(seed)  # ty: ignore[invalid-argument-type]
    except (TypeError, ValueError):
        raise RunTableError(f"its seed is {seed!r}; expected an integer") from None
    return complete_config(found), number


def one_seed(
    config: Mapping[str, Any], seed: int, metrics: Mapping[str, Series], return_name: str
) -> tuple[Curves, int]:
    """One process's curves, and the number of exactly repeated rows that were left out.

    Raises:
        RunTableError: There is no return, or a step holds different values of one metric.
    """
    if "return_" not in metrics or not len(metrics["return_"].steps):
        raise RunTableError(f"it has no values of {return_name}")
    repeats = 0
    unique: dict[str, Series] = {}
    for name, series in metrics.items():
        if np.isinf(series.values).any() and name == "return_":
            raise RunTableError(f"{return_name} is infinite at one step; expected finite numbers")
        steps, first, where = np.unique(series.steps, return_index=True, return_inverse=True)
        values = series.values[first]
        same = (series.values == values[where]) | (
            np.isnan(series.values) & np.isnan(values[where])
        )
        if not same.all():
            step = series.steps[np.argmin(same)]
            raise RunTableError(
                f"{name} has two different values at env_step {step}; expected one per step"
            )
        repeats += len(series.steps) - len(steps)
        unique[name] = Series(steps, values)
    return align(config, unique, seeds=np.array([seed])), repeats


class SeedRegister:
    """Refuses a second process with the configuration and seed of an earlier one."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, int], str] = {}

    def add(self, name: str, run: str, seed: int) -> None:
        """Enter a process.

        Raises:
            RunTableError: Naming the process that holds the place.
        """
        other = self._held.setdefault((run, seed), name)
        if other != name:
            raise RunTableError(
                f"same configuration and seed {seed} as {other}; leave one out, or name in fields "
                "the setting in which they differ"
            )
