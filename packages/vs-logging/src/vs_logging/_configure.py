"""Settings found in a source → a run's configuration, or a sentence on what is missing."""

import re
from collections.abc import Mapping
from typing import Any

from vs_logging._importer import ImportOptions
from vs_logging.table import (
    CONFIG_COLUMNS,
    FACTS,
    IDENTITY_COLUMNS,
    NULLABLE,
    RunTableError,
)
from vs_logging.tasks import guess_benchmark

_INTEGERS = (
    "batch_size",
    "critic_params",
    "critic_width",
    "critic_depth",
    "passive_critic_width",
    "passive_critic_params",
    "action_repeat",
    "reset_every",
)
_FLOATS = ("utd", "learning_rate", "optimal_return")


def complete_config(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give a configuration every column and the table's types; guess only the benchmark.

    Entries beyond the table's columns stay: they distinguish runs, too.

    Raises:
        RunTableError: A column is missing or its value is not of the column's type.
    """
    config = {key: value for key, value in found.items() if key != "seed"}
    if "env" in config and config.get("benchmark") is None:
        config["benchmark"] = guess_benchmark(str(config["env"]))
    missing = [n for n in CONFIG_COLUMNS if config.get(n) is None and n not in NULLABLE]
    if missing:
        raise RunTableError(
            f"the configuration lacks {', '.join(missing)}; give --constants {missing[0]} VALUE, or "
            f"a group (?P<{missing[0]}>…) in --pattern"
        )
    for name in (*IDENTITY_COLUMNS, *FACTS):
        if config.get(name) is not None:
            config[name] = _typed(name, config[name])
        elif name in CONFIG_COLUMNS:
            config[name] = None
    return config


def _typed(name: str, value: Any) -> object:
    if name in _FLOATS or name in _INTEGERS:
        if isinstance(value, str) and re.fullmatch(r"0\d+", value):
            value = f"0.{value[1:]}"  # names write 05 for 0.5, and no whole number so
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise RunTableError(f"{name} is {value!r}; expected a number") from None
        if name in _FLOATS:
            return number
        if not number.is_integer():
            raise RunTableError(f"{name} is {value!r}; expected an integer")
        return int(number)
    if not isinstance(value, str):
        raise RunTableError(f"{name} is {value!r}; expected a string")
    return value


def look_up(config: Mapping[str, Any], key: str) -> Any:
    """Return ``config["a.b"]`` or ``config["a"]["b"]``, None if neither exists."""
    if key in config:
        return config[key]
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def given_constants(options: ImportOptions) -> dict[str, object]:
    """Return the settings that the caller gives for all runs.

    Raises:
        RunTableError: A name varies row by row.
    """
    for name in ("run", "seed", "env_step", "return_"):
        if name in options.constants:
            raise RunTableError(
                f"--constants: {name} varies within a table; expected a run's setting"
            )
    repeat = {} if options.action_repeat is None else {"action_repeat": options.action_repeat}
    return {**repeat, **options.constants}


def compile_pattern(pattern: str | None) -> re.Pattern[str] | None:
    """Compile a user's regular expression with named groups, if there is one.

    Raises:
        RunTableError: It does not compile or has no named group.
    """
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise RunTableError(
            f"--pattern {pattern!r} is not a regular expression: {error}"
        ) from error
    if not compiled.groupindex:
        raise RunTableError(
            f"--pattern {pattern!r} has no named group; expected e.g. (?P<utd>[0-9.]+)"
        )
    return compiled


def parse_name(
    name: str, pattern: re.Pattern[str] | None, *, what: str
) -> tuple[dict[str, str], str]:
    """Read settings out of a name by a pattern's named groups.

    Returns:
        The settings, and the name without what the group ``seed`` matched.

    Raises:
        RunTableError: The pattern is not found; ``what`` says where it was searched.
    """
    if pattern is None:
        return {}, name
    match = pattern.search(name)
    if match is None:
        raise RunTableError(f"--pattern {pattern.pattern!r} does not match {what}: {name!r}")
    found = {group: text for group, text in match.groupdict().items() if text is not None}
    if "seed" in found:
        start, end = match.span("seed")
        name = name[:start] + name[end:]
    return found, name
