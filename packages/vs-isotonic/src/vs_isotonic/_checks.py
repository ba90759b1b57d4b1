"""Arguments are checked once, here; what lies behind is plain arithmetic."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]
type Booleans = NDArray[np.bool_]


def as_floats(values: ArrayLike, name: str) -> Floats:
    """Return ``values`` as float64, or say which argument is not numeric."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of real numbers ({error})") from error


def as_steps(steps: ArrayLike, length: int, name: str) -> Floats:
    """Return the ``(T,)`` step axis that belongs to ``length`` evaluations of ``name``."""
    axis = as_floats(steps, "steps")
    if axis.ndim != 1 or axis.size != length:
        raise ValueError(
            f"steps must have one entry per evaluation of {name}, i.e. shape ({length},), "
            f"not {axis.shape}"
        )
    rising = np.diff(axis) > 0
    if not np.isfinite(axis).all() or not rising.all():
        raise ValueError("steps must be finite and strictly increasing")
    return axis


def as_levels(thresholds: ArrayLike) -> Floats:
    """Return the thresholds as a scalar or ``(J,)`` array."""
    levels = as_floats(thresholds, "thresholds")
    if levels.ndim > 1 or levels.size == 0 or not np.isfinite(levels).all():
        raise ValueError("thresholds must be one finite number or a non-empty list of them")
    return levels


def as_returns(returns: ArrayLike) -> Floats:
    """Return the ``(T, S)`` evaluations × seeds array; NaN is allowed, ±inf is not."""
    values = as_floats(returns, "returns")
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(
            "returns must have shape (evaluations, seeds) with at least one of each, "
            f"not {values.shape}"
        )
    if np.isinf(values).any():
        row, seed = np.argwhere(np.isinf(values))[0]
        raise ValueError(f"returns must be finite or NaN, but row {row} of seed {seed} is infinite")
    return values


def as_counts(counts: ArrayLike | None, n_seeds: int) -> Floats:
    """Return the multiplicity of every seed, ``(S,)`` or ``(K, S)``; by default once each."""
    if counts is None:
        return np.ones(n_seeds)
    times = as_floats(counts, "counts")
    if times.ndim not in (1, 2) or times.shape[-1] != n_seeds:
        raise ValueError(
            f"counts must have one column per seed, i.e. end in {n_seeds}, "
            f"but have shape {times.shape}"
        )
    if not (np.isfinite(times) & (times >= 0)).all():
        raise ValueError("counts must be finite and not negative")
    return times


def as_flags(values: ArrayLike, n_seeds: int, name: str) -> Booleans:
    """Return ``stopped`` or ``failed`` as ``(S,)`` booleans."""
    flags = np.asarray(values)
    if flags.shape != (n_seeds,) or flags.dtype != np.bool_:
        raise ValueError(
            f"{name} must have one boolean per seed, i.e. shape ({n_seeds},), "
            f"not {flags.dtype} of shape {flags.shape}"
        )
    return flags


def as_weighted_rows(
    curve: ArrayLike, weights: ArrayLike | None, name: str
) -> tuple[Floats, Floats | None]:
    """Flatten leading axes: ``(rows, T)`` values and their weights, 0 where a value is NaN.

    Weights are ``None`` when every evaluation counts the same. Values are 0 where the weight is 0,
    so that sums never meet a NaN.
    """
    values = as_floats(curve, name)
    if values.ndim == 0 or values.shape[-1] == 0:
        raise ValueError(f"{name} must have at least one evaluation on its last axis")
    if np.isinf(values).any():
        where = tuple(int(i) for i in np.argwhere(np.isinf(values))[0])
        raise ValueError(f"{name} must be finite or NaN, but entry {where} is infinite")
    rows = values.reshape(-1, values.shape[-1])
    missing = np.isnan(rows)
    if weights is None and not missing.any():
        return rows, None
    weighted = np.where(missing, 0.0, _weight_rows(weights, values.shape, name))
    empty = ~weighted.any(axis=-1)
    if empty.any():
        where = tuple(int(i) for i in np.unravel_index(empty.argmax(), (*values.shape[:-1], 1)))
        which = f"{name}[{', '.join(map(str, where[:-1]))}]" if values.ndim > 1 else name
        raise ValueError(f"{which} has no evaluation that is not NaN (and has a positive weight)")
    return np.where(weighted > 0, rows, 0.0), weighted


def _weight_rows(weights: ArrayLike | None, shape: tuple[int, ...], name: str) -> Floats:
    array = as_floats(1.0 if weights is None else weights, "weights")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError("weights must be finite and not negative")
    try:
        return np.broadcast_to(array, shape).reshape(-1, shape[-1])
    except ValueError as error:
        raise ValueError(
            f"weights of shape {array.shape} do not broadcast to {name} of shape {shape}"
        ) from error
