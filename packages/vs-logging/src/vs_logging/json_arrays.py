"""Import JSON objects of lists: ``xs`` (steps) and ``ys`` (returns), at any depth of a file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vs_logging._curves_of_arrays import Keys, array_rows, import_arrays
from vs_logging._importer import Importer, ImportOptions
from vs_logging._rows import Rows
from vs_logging._sources import find_files, is_format
from vs_logging.report import Imported
from vs_logging.table import RunTableError

_NAMES = r"(?i)[^.].*\.json"


def _read(source: str, options: ImportOptions) -> Imported:
    """Import each object with returns; numbers and words in it, or above it, are settings."""
    return import_arrays(
        source,
        _NAMES,
        lambda name, path, keys: _rows(name, path, keys, options),
        options,
        defaults=Keys("xs", "ys"),
        grammar="json",
    )


JSON_ARRAYS = Importer(
    name="json",
    source="a .json of arrays xs and ys",
    example="curves.json --columns step=xs value=ys",
    sniff=lambda source: (
        is_format(source, _NAMES)
        and (Path(source).is_file() or any(_has_xs(path) for _, path in find_files(source, _NAMES)))
    ),
    read=_read,
)


def _rows(name: str, path: Path, keys: Keys, options: ImportOptions) -> Iterator[Rows]:
    step, value = str(keys.step), str(keys.value)
    found = [*_objects(_load(path), name, {}, value)]
    if not found:
        raise RunTableError(f"no object in it has {value}; expected --columns step=… value=…")
    for where, one in found:
        settings = {key: item for key, item in one.items() if not isinstance(item, list | dict)}
        yield Rows(where, array_rows(one.get(step), one[value], options), settings)


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise RunTableError(f"not readable as JSON ({error})") from error


def _has_xs(path: Path) -> bool:
    try:
        return any(_objects(_load(path), "", {}, "xs"))
    except RunTableError:
        return False


def _objects(
    document: Any, name: str, above: dict[str, Any], value: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(document, dict):
        found = above | {k: v for k, v in document.items() if not isinstance(v, list | dict)}
        if isinstance(document.get(value), list):
            yield name, found | document
            return
        for key, inner in document.items():
            yield from _objects(inner, f"{name}, {key}", found, value)
    elif isinstance(document, list):
        for number, inner in enumerate(document):
            if isinstance(inner, dict):
                yield from _objects(inner, f"{name}, {number}", above, value)
