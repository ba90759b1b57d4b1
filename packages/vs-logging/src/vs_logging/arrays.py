"""Import arrays of returns: ``.npy``, ``.npz``, and JSON objects of lists."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from vs_logging._importer import Importer, ImportOptions
from vs_logging._rows import Rows, import_rows
from vs_logging._sources import find_files, is_format
from vs_logging._zipfile import load_npy, open_zip, read_numbers
from vs_logging.report import Imported
from vs_logging.table import RunTableError

_ARRAYS, _JSON = r"(?i)[^.].*\.np[yz]", r"(?i)[^.].*\.json"


def _read(source: str, options: ImportOptions, names: str, grammar: str) -> Imported:
    """Import each array as the curves of one configuration, its seeds numbered from 0.

    An array has the axis of evaluations, and one of seeds if it has two. Steps are the array that
    ``columns`` calls ``step`` (JSON: ``xs`` by default), else the multiples of ``step_every``.
    """
    keys = dict(options.columns)
    load = _json_curves if names == _JSON else _numpy_curves
    step = keys.pop("step", keys.pop("env_step", "xs" if names == _JSON else None))
    value = options.return_key or keys.pop("value", keys.pop("return_", None))
    value = value or ("ys" if names == _JSON else None)
    settings = replace(options, columns={}, return_key=None, fields={**keys, **options.fields})
    return import_rows(
        source,
        find_files(source, names),
        lambda name, path: load(name, path, step, value, options),
        settings,
        grammar=grammar,
        expected="arrays of returns, evaluations × seeds",
        notes=[] if options.step_every is None else [
            f"evaluations without a step are {options.step_every} env steps apart, the first at "
            f"{options.step_every}"
        ],
    )  # fmt: skip


ARRAYS = Importer(
    name="arrays",
    source="a .npy or .npz of returns",
    example="returns.npy --axis 0 --step-every 5000",
    sniff=lambda source: is_format(source, _ARRAYS),
    read=lambda source, options: _read(source, options, _ARRAYS, "arrays"),
)

JSON_ARRAYS = Importer(
    name="json",
    source="a .json of arrays xs and ys",
    example="curves.json --columns step=xs value=ys",
    sniff=lambda source: (
        is_format(source, _JSON)
        and (Path(source).is_file() or any(_has_xs(path) for _, path in find_files(source, _JSON)))
    ),
    read=lambda source, options: _read(source, options, _JSON, "json"),
)


def _numpy_curves(
    name: str, path: Path, step: str | None, value: str | None, options: ImportOptions
) -> list[Rows]:
    if path.suffix.lower() == ".npy":
        return [Rows(name, _frame(None, load_npy(path.read_bytes()), options))]
    with open_zip(path) as archive:
        arrays = {n.filename.removesuffix(".npy"): n for n in archive.infolist()}
        values = [n for n in arrays if n != step] if value is None else [value]
        if len(values) != 1 or {*values, step} - {None, *arrays}:
            raise RunTableError(
                f"its arrays are {', '.join(arrays)}; expected --return-key with the name of the "
                "returns (and --columns step=NAME for that of the steps)"
            )
        steps = None if step is None else read_numbers(archive, arrays[step])
        return [Rows(name, _frame(steps, read_numbers(archive, arrays[values[0]]), options))]


def _json_curves(
    name: str, path: Path, step: str | None, value: str | None, options: ImportOptions
) -> Iterator[Rows]:
    """Yield the curves of each object that has the returns, at any depth; scalars are settings."""
    found = [*_objects(_json(path), name, {}, str(value))]
    if not found:
        raise RunTableError(f"no object in it has {value}; expected --columns step=… value=…")
    for where, one in found:
        stored = {key: item for key, item in one.items() if not isinstance(item, list | dict)}
        yield Rows(where, _frame(one.get(str(step)), one[str(value)], options), stored)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise RunTableError(f"not readable as JSON ({error})") from error


def _has_xs(path: Path) -> bool:
    try:
        return any(_objects(_json(path), "", {}, "xs"))
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


def _frame(steps: ArrayLike | None, values: ArrayLike, options: ImportOptions) -> pl.DataFrame:
    """Return rows of ``env_step`` and ``return_``, with a ``seed`` if there are two axes."""
    returns = _numbers(values, "the returns")
    at = None if steps is None else _numbers(steps, "the steps")
    if returns.ndim == 2:
        returns = np.moveaxis(returns, _axis(returns.shape, at, options.axis), 0)
    if returns.ndim not in (1, 2) or returns.size == 0:
        raise RunTableError(f"its shape is {returns.shape}; expected one or two axes, not empty")
    if at is None:
        if options.step_every is None:
            raise RunTableError("it has no steps; give --step-every, the env steps between values")
        at = np.arange(1, len(returns) + 1) * float(options.step_every)
    if at.shape != returns.shape[:1]:
        raise RunTableError(f"it has {len(at)} steps but {len(returns)} evaluations; see --axis")
    if returns.ndim == 1:
        return pl.DataFrame({"env_step": at, "return_": returns})
    seeds = returns.shape[1]
    return pl.DataFrame({
        "env_step": np.tile(at, seeds),
        "return_": returns.T.ravel(),
        "seed": np.repeat(np.arange(seeds), len(at)),
    })  # fmt: skip


def _numbers(values: ArrayLike, what: str) -> NDArray[np.float64]:
    try:
        return np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise RunTableError(f"{what} are no regular array of numbers ({error})") from error


def _axis(shape: tuple[int, ...], steps: NDArray[np.float64] | None, given: int | None) -> int:
    """Return the axis of evaluations: the given one, or the only one as long as the steps."""
    fits = [axis for axis in (0, 1) if steps is not None and shape[axis] == len(steps)]
    if given is None and len(fits) != 1:
        raise RunTableError(f"its shape is {shape}; give --axis, 0 or 1, that of the evaluations")
    axis = fits[0] if given is None else given
    if axis not in (0, 1):
        raise RunTableError(f"--axis is {axis}; expected 0 or 1")
    return axis
