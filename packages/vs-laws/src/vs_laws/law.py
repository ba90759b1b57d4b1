"""Laws as values over named axes: what fits return, and what costs and allocations ask.

A law is called by the names of its axes, ``law(sigma=4, critic_params=1e6)``. Fields and arguments
broadcast by NumPy's rules, so one object can hold a whole bootstrap: a law whose fields have shape
``(S, 1)`` maps ``(n,)`` places to ``(S, n)`` values. Fields with one entry per axis keep the axes on
their last dimension, ``(S, 1, K)``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

type Floats = NDArray[np.float64]
type Numbers = Any
"""A field of a law: given as anything array-like, a float array once the law is made."""


def per_axis(*, fitted: bool = True) -> Any:
    """Declare a field of a `Law` with one entry per axis, on its last dimension."""
    return field(metadata={"shape": "axis", "fitted": fitted})


def per_pair() -> Any:
    """Declare a field of a `Law` with one entry per pair of axes, (1, 1), (1, 2), …, (K, K)."""
    return field(metadata={"shape": "pair", "fitted": True})


def constant() -> Any:
    """Declare a field of a `Law` that is known rather than fitted, of any shape."""
    return field(metadata={"shape": "constant"})


@dataclass(frozen=True)
class Law:
    """Base of all laws: a positive function of named axes, whose fields are its parameters.

    A new law is a frozen dataclass that adds fields (plain ones, `per_axis` ones, `constant` ones)
    and `value`. Fields become float arrays. Every subclass is known to `Fit.from_dict` by its name.

    Raises:
        ValueError: if a `per_axis` field does not end in one entry per axis.
    """

    axes: tuple[str, ...] = field(kw_only=True)

    kinds: ClassVar[dict[str, type["Law"]]] = {}
    signed: ClassVar[tuple[str, ...]] = ()
    """Fields of either sign; the interval of any other parameter is symmetric on its logarithm."""
    scaling: ClassVar[tuple[str, ...]] = ()
    """Fields in proportion to the law's values; with them, tasks can share its shape."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Law.kinds[cls.__name__] = cls

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", tuple(self.axes))
        for entry in self.entries():
            array = np.asarray(getattr(self, entry.name), float)
            labels = self._labels(entry)
            if labels is not None:
                array = array[None] if array.ndim == 0 else array
                if array.shape[-1] != len(labels):
                    raise ValueError(
                        f"{type(self).__name__}.{entry.name} has shape {array.shape}; its last "
                        f"dimension must hold {len(labels)} entries for {', '.join(labels)}"
                    )
            object.__setattr__(self, entry.name, array)

    @classmethod
    def entries(cls) -> tuple[Any, ...]:
        """Return the dataclass fields that hold numbers, in their order."""
        return tuple(f for f in fields(cls) if f.name != "axes")

    def value(self, *x: Floats) -> Floats:
        """Return the law at x, one array per axis in the order of ``axes``."""
        raise NotImplementedError

    def __call__(self, **axes: ArrayLike) -> Floats:
        """Return the law at places named by axis, all positive, broadcast against the fields.

        Raises:
            TypeError: if an axis is missing or unknown.
        """
        if axes.keys() != set(self.axes):
            raise TypeError(
                f"{type(self).__name__} is a law over {', '.join(self.axes)}, "
                f"got {', '.join(axes) or 'nothing'}"
            )
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # wild bootstraps
            places = (np.asarray(axes[name], float) for name in self.axes)
            return np.asarray(self.value(*places), float)

    def hold(self, **fixed: ArrayLike) -> "Law":
        """Return the law over the other axes, with some axes held at a value."""
        return Held(self, fixed, axes=tuple(a for a in self.axes if a not in fixed))

    def _labels(self, entry: Any) -> list[str] | None:
        """Return the labels of a field's last dimension; None for a field without one."""
        match entry.metadata.get("shape"):
            case "axis":
                return list(self.axes)
            case "pair":
                count = range(len(self.axes))
                return [f"{self.axes[j]}_{self.axes[k]}" for j in count for k in count if j <= k]
        return None

    def parameters(self) -> dict[str, Floats]:
        """Return the fitted numbers by name, ``axis_field`` for those with one entry per axis."""
        found: dict[str, Floats] = {}
        for entry in self.entries():
            array, labels = getattr(self, entry.name), self._labels(entry)
            if labels is not None and entry.metadata["fitted"]:
                found |= {f"{name}_{entry.name}": array[..., k] for k, name in enumerate(labels)}
            elif "shape" not in entry.metadata:
                found[entry.name] = array
        return found

    def with_parameters(self, given: Mapping[str, ArrayLike]) -> Self:
        """Return the law with some of its `parameters` replaced, all broadcast together."""
        every = {**self.parameters(), **given}
        full = dict(zip(every, np.broadcast_arrays(*every.values()), strict=True))
        changed = {}
        for entry in self.entries():
            labels = self._labels(entry)
            if labels is not None and entry.metadata["fitted"]:
                parts = [full[f"{name}_{entry.name}"] for name in labels]
                changed[entry.name] = np.stack(parts, axis=-1)
            elif "shape" not in entry.metadata:
                changed[entry.name] = full[entry.name]
        return replace(self, **changed)

    def derived(self) -> dict[str, Floats]:
        """Return positive numbers that follow from the parameters and deserve a report."""
        return {}

    def at_bounds(self, low: float) -> dict[str, NDArray[np.bool_]]:
        """Return which parameters are at a bound of their search, given the smallest fitted value."""
        return {}

    def at(self, index: Any) -> Self:
        """Return the law with the leading dimensions of its fields indexed, as ``array[index]``."""
        return replace(
            self,
            **{
                entry.name: getattr(self, entry.name)[index]
                for entry in self.entries()
                if entry.metadata.get("shape") != "constant"
            },
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description; `from_dict` brings the law back."""
        return {
            "law": type(self).__name__,
            "axes": list(self.axes),
            **{e.name: json_numbers(getattr(self, e.name)) for e in self.entries()},
        }

    @staticmethod
    def from_dict(entry: Mapping[str, Any]) -> "Law":
        """Bring back a law from its `to_dict`.

        Raises:
            ValueError: if no law has that name, or a field is missing.
        """
        kind = Law.kinds.get(str(entry.get("law")))
        if kind is None:
            raise ValueError(f"no law is called {entry.get('law')!r}; known: {sorted(Law.kinds)}")
        missing = [e.name for e in kind.entries() if e.name not in entry]
        if missing or "axes" not in entry:
            raise ValueError(f"{kind.__name__} lacks {', '.join(missing) or 'axes'}")
        numbers = {e.name: from_json_numbers(entry[e.name]) for e in kind.entries()}
        return kind(**numbers, axes=tuple(entry["axes"]))


def stack(laws: Sequence[Law], *, join: int) -> Any:
    """Join laws of one form.

    ``join=0`` stacks scalar laws into fields (m,), ``join=1`` puts bootstraps with fields (S, 1) beside
    each other into (S, m).
    """
    first = laws[0]
    joined = {}
    for entry in first.entries():
        arrays = [getattr(law, entry.name) for law in laws]
        if entry.metadata.get("shape") != "constant":
            joined[entry.name] = np.stack(arrays) if join == 0 else np.concatenate(arrays, axis=1)
    return replace(first, **joined)


def json_numbers(values: ArrayLike) -> Any:
    """Return nested lists of finite floats, with NaN as None and infinities as text."""
    array = np.asarray(values, float)
    if array.ndim:
        return [json_numbers(row) for row in array]
    number = float(array)
    if np.isnan(number):
        return None
    return number if np.isfinite(number) else ("inf" if number > 0 else "-inf")


def from_json_numbers(values: Any) -> Floats:
    """Return the array behind `json_numbers`."""
    if isinstance(values, list):
        return np.array([from_json_numbers(v) for v in values], float)
    return np.asarray(np.nan if values is None else values, float)


@dataclass(frozen=True)
class Held(Law):
    """A law with some of its axes held at a value; see `Law.hold`."""

    law: Any = field(metadata={"shape": "constant"})
    fixed: Mapping[str, ArrayLike] = field(metadata={"shape": "constant"})

    def __post_init__(self) -> None:
        unknown = set(self.fixed) - set(self.law.axes)
        if unknown or not self.axes:
            raise ValueError(
                f"cannot hold {', '.join(sorted(unknown or self.fixed))}: the law is over "
                f"{', '.join(self.law.axes)}, of which at least one must stay free"
            )

    def at(self, index: Any) -> "Held":
        """Return the inner law's fields indexed, held as before."""
        return replace(self, law=self.law.at(index))

    def value(self, *x: Floats) -> Floats:
        """Return the inner law at the free axes' places."""
        return self.law(**self.fixed, **dict(zip(self.axes, x, strict=True)))
