"""Arrays of returns → rows: which axis counts evaluations, and at which steps they were."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from vs_logging._importer import ImportOptions
from vs_logging._rows import Rows, import_rows
from vs_logging._sources import find_files
from vs_logging.report import Imported
from vs_logging.table import RunTableError


@dataclass(frozen=True)
class Keys:
    """Names of the arrays of a file; None where nothing names them.

    Attributes:
        step: The steps' array.
        value: The returns' array.
    """

    step: str | None
    value: str | None


def import_arrays(
    source: str,
    names: str,
    load: Callable[[str, Path, Keys], Iterable[Rows]],
    options: ImportOptions,
    *,
    defaults: Keys,
    grammar: str,
) -> Imported:
    """Import each array as the curves of one configuration, its seeds numbered from 0.

    An array has the axis of evaluations, and one of seeds if it has two. Steps are the array that
    ``columns`` calls ``step``, else the multiples of ``step_every``.

    Args:
        source: Its name.
        names: Regular expression of its files' names.
        load: From name, path and keys to rows made by `array_rows`.
        options: ``columns``, ``return_key``, ``axis`` and ``step_every`` are used, and the settings.
        defaults: Names of the arrays that the options do not name.
        grammar: Format of the source.

    Raises:
        RunTableError: An array is bad (``on_error="raise"``), or none is left.
    """
    columns = dict(options.columns)
    step = columns.pop("step", columns.pop("env_step", defaults.step))
    value = columns.pop("value", columns.pop("return_", defaults.value))
    keys = Keys(step, options.return_key or value)
    notes = []
    if options.step_every is not None:
        notes = [
            f"evaluations without a step are {options.step_every} env steps apart, the first at "
            f"{options.step_every}"
        ]
    return import_rows(
        source,
        find_files(source, names),
        lambda name, path: load(name, path, keys),
        replace(options, columns={}, return_key=None, fields={**columns, **options.fields}),
        grammar=grammar,
        expected="arrays of returns, evaluations × seeds",
        notes=notes,
    )


def array_rows(steps: ArrayLike | None, values: ArrayLike, options: ImportOptions) -> pl.DataFrame:
    """Return rows of ``env_step`` and ``return_``, with a ``seed`` if there are two axes.

    Args:
        steps: Shape (T,), or None where ``options.step_every`` says them.
        values: Shape (T,), (T, S) or (S, T), by ``options.axis``.
        options: ``axis`` and ``step_every`` are used.

    Raises:
        RunTableError: The arrays are irregular, or their shapes do not fit.
    """
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
