"""Arguments are checked once, at the door: after that the drawing code is plain."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]


def floats(owner: str, field: str, values: Any, *, ndim: int = 1) -> FloatArray:
    """Returns ``values`` as a float64 array of ``ndim`` axes, or says what is wrong."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{owner}: {field} must be an array of numbers.") from error
    if array.ndim != ndim:
        raise ValueError(f"{owner}: {field} must have {ndim} axes, not shape {array.shape}.")
    array.setflags(write=False)
    return array


def same_shape(owner: str, field: str, shape: tuple[int, ...], like: str, expected: tuple) -> None:
    """Refuses an array whose shape differs from that of its companion."""
    if shape != expected:
        raise ValueError(f"{owner}: {field} has shape {shape}, expected {expected} as in {like}.")


def positive(owner: str, field: str, values: FloatArray) -> None:
    """Refuses values that have no place on a logarithmic axis of finite length."""
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        raise ValueError(
            f"{owner}: {field} must be positive and finite, found {values[bad].flat[0]:g}."
        )


def not_negative(owner: str, field: str, values: FloatArray) -> None:
    """Refuses zero and negative measurements; NaN (missing) and inf (censored) pass."""
    bad = values <= 0
    if bad.any():
        raise ValueError(
            f"{owner}: {field} must be positive, NaN (missing) or inf (censored), "
            f"found {values[bad].flat[0]:g}."
        )


def some(owner: str, panels: Sequence[Any]) -> None:
    """Refuses an empty list of panels."""
    if len(panels) == 0:
        raise ValueError(f"{owner}: expected at least one panel, got none.")


def store(instance: Any, field: str, value: Any) -> None:
    """Sets a field of a frozen dataclass inside its ``__post_init__``."""
    object.__setattr__(instance, field, value)
