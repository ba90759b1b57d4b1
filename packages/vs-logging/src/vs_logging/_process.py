"""One process of one seed: settings from its name and its own configuration, metrics as curves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vs_logging._collect import Part, read_parts, tabulate
from vs_logging._configure import (
    check_constants,
    compile_pattern,
    complete_config,
    look_up,
    parse_name,
)
from vs_logging._importer import ImportOptions
from vs_logging._long import Series, align
from vs_logging._mapping import read_mapping
from vs_logging.report import Imported, Problems
from vs_logging.table import IDENTITY_COLUMNS, RunTableError


def import_processes[P](
    source: str,
    processes: Iterable[tuple[str, P]],
    options: ImportOptions,
    *,
    stored: Callable[[P], Mapping[str, Any]],
    metrics: Callable[[P], Mapping[str, Series]],
    return_name: str,
    grammar: str,
    expected: str,
    what: str = "its path",
    notes: Callable[[Sequence[P]], Sequence[str]] = lambda _: (),
) -> Imported:
    """Import a source of which each part is one process.

    Args:
        source: Its name.
        processes: Name and handle of each.
        options: ``pattern``, ``fields``, ``constants`` and ``on_error`` are used.
        stored: Gives a process's own configuration.
        metrics: Gives its metrics, ``return_`` among them; called once the configuration is known.
        return_name: The source's name of the return.
        grammar: Format of the source.
        expected: Contents of such a source, for messages.
        what: The text that the pattern is searched in, for messages.
        notes: Gives the report's notes from the processes that were imported.

    Raises:
        RunTableError: A process is bad (``on_error="raise"``), or none is left.
    """
    problems = Problems(source, options.on_error)
    constants = check_constants(options.constants)
    pattern = compile_pattern(options.pattern)
    mapped = read_mapping(options.mapping)

    def read(name: str, process: P) -> Part:
        own = stored(
            process
        )  # a part that cannot be read is said to be so before its name is judged
        parsed, _ = parse_name(name, pattern, what=what)
        config, seed = mapped_config(own, options.fields, constants, mapped(name) | parsed)
        return one_seed(config, seed, metrics(process), return_name)

    found = read_parts(processes, read, problems)
    return tabulate(
        [part for _, part in found],
        problems,
        grammar=grammar,
        expected=expected,
        notes=notes([process for process, _ in found]),
    )


def mapped_config(
    stored: Mapping[str, Any],
    fields: Mapping[str, str],
    constants: Mapping[str, object],
    parsed: Mapping[str, object],
) -> tuple[dict[str, Any], int]:
    """Return the completed configuration and the seed.

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
    for name in dict.fromkeys((*IDENTITY_COLUMNS, "seed", *fields)):
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
) -> Part:
    """Return the curves of a process; exact repeats of a row are left out and counted.

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
    return Part([align(config, unique, seeds=np.array([seed]))], repeats)
