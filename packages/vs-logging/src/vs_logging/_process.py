"""One process of one seed: settings from its name and its own configuration, metrics as curves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from vs_logging._collect import Part, read_parts, tabulate
from vs_logging._configure import (
    compile_pattern,
    complete_config,
    given_constants,
    look_up,
    parse_name,
)
from vs_logging._importer import ImportOptions
from vs_logging._long import Series, seed_curves
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
        options: Where settings are found; the treatment of steps and of bad parts.
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
    constants = given_constants(options)
    pattern = compile_pattern(options.pattern)
    mapped = read_mapping(options.mapping)

    def read(name: str, process: P) -> Part:
        own = stored(
            process
        )  # a part that cannot be read is said to be so before its name is judged
        parsed, _ = parse_name(name, pattern, what=what)
        config, seed = mapped_config(own, options.fields, constants, mapped(name) | parsed)
        if not options.selects(config):
            return Part([])
        return one_seed(config, seed, metrics(process), return_name, options)

    found = read_parts(processes, read, problems)
    return tabulate(
        [part for _, part in found],
        problems,
        options,
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
    known = (*IDENTITY_COLUMNS, "action_repeat", "optimal_return", "seed")
    for name in dict.fromkeys((*known, *fields)):
        value = look_up(stored, fields.get(name, name))
        if value is None and name in fields and name not in parsed and name not in constants:
            raise RunTableError(f"its configuration has no {fields[name]} (--fields {name})")
        if value is not None:
            found[name] = value
    found |= parsed
    seed = seed_number(found.pop("seed", None))
    return complete_config(found), seed


def seed_number(seed: object) -> int:
    """Return a seed as an integer.

    Raises:
        RunTableError: It is not one.
    """
    try:
        number = float(seed)  # ty: ignore[invalid-argument-type]
        if number.is_integer():
            return int(number)
    except (TypeError, ValueError):
        pass
    raise RunTableError(
        f"its seed is {seed!r}; expected an integer (a group (?P<seed>[0-9]+) in --pattern finds it "
        "in a name)"
    )


def one_seed(
    config: Mapping[str, Any],
    seed: int,
    metrics: Mapping[str, Series],
    return_name: str,
    options: ImportOptions,
) -> Part:
    """Return the curves of a process, which is one seed.

    Raises:
        RunTableError: There is no return, or a step holds different values of it.
    """
    found = seed_curves(
        config, seed, metrics,
        return_name=return_name, repeats=options.repeats, scale=options.scale(config),
    )  # fmt: skip
    if len(found.curves) > 1:
        raise RunTableError(
            f"{return_name}: it holds {len(found.curves)} whole curves over the same steps; expected "
            "one seed (--repeats restart keeps the last)"
        )
    return Part(found.curves, repeats=found.copies, remarks=found.remarks)
