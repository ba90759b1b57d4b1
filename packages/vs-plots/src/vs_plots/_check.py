"""Checks of arguments, made once at the door so that the drawing code is plain."""

from collections.abc import Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]


def no_numbers() -> FloatArray:
    """Return the default of an optional array field: no values."""
    return np.empty(0)


def nowhere() -> BoolArray:
    """Return the default of an optional mask, which `store_mask` fills with False."""
    return np.empty(0, dtype=np.bool_)


def floats(owner: str, field: str, values: Any, *, ndim: int = 1) -> FloatArray:
    """Return ``values`` as a float64 array of ``ndim`` axes; refuse anything else in a sentence."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{owner}: {field} must be an array of numbers.") from error
    if array.ndim != ndim:
        raise ValueError(f"{owner}: {field} must have {ndim} axes, not shape {array.shape}.")
    array.setflags(write=False)
    return array


def same_shape(owner: str, field: str, shape: tuple[int, ...], like: str, expected: tuple) -> None:
    """Refuse an array whose shape differs from that of its companion."""
    if shape != expected:
        raise ValueError(f"{owner}: {field} has shape {shape}, expected {expected} as in {like}.")


def positive(owner: str, field: str, values: FloatArray) -> None:
    """Refuse values that have no place on a logarithmic axis of finite length."""
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        raise ValueError(
            f"{owner}: {field} must be positive and finite, found {values[bad].flat[0]:g}."
        )


def not_negative(owner: str, field: str, values: FloatArray) -> None:
    """Refuse zero and negative measurements; NaN (missing) and inf (censored) pass."""
    bad = values <= 0
    if bad.any():
        raise ValueError(
            f"{owner}: {field} must be positive, NaN (missing) or inf (censored), "
            f"found {values[bad].flat[0]:g}."
        )


def increasing(owner: str, field: str, values: FloatArray, *, least: int = 1) -> None:
    """Refuse values that are not positive and increasing, or fewer than ``least``."""
    positive(owner, field, values)
    if len(values) < least or np.any(np.diff(values) <= 0):
        raise ValueError(f"{owner}: {field} must be increasing, with at least {least} value(s).")


def some(owner: str, items: Sized, *, kind: str = "panel") -> None:
    """Refuse an empty list of panels, or of another kind of item."""
    if len(items) == 0:
        raise ValueError(f"{owner}: expected at least one {kind}, got none.")


def store(instance: Any, field: str, value: Any) -> None:
    """Set a field of a frozen dataclass inside its ``__post_init__``."""
    object.__setattr__(instance, field, value)


def store_mask(instance: Any, owner: str, field: str, like: str) -> None:
    """Set a boolean field to an array of the shape of ``like``, False where nothing is given."""
    given, shape = np.array(getattr(instance, field)), getattr(instance, like).shape
    mask = np.zeros(shape, dtype=np.bool_) if given.size == 0 else given
    if mask.dtype != np.bool_:
        raise ValueError(f"{owner}: {field} must be an array of booleans.")
    same_shape(owner, field, mask.shape, like, shape)
    store(instance, field, mask)
