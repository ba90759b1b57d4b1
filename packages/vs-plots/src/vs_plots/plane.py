"""What lies on the plane of σ and N: a law's values on a grid, and the runs that were measured."""

from dataclasses import dataclass, field

import numpy as np

from vs_plots._check import BoolArray, FloatArray, floats, not_negative, positive, same_shape, store


def _nowhere() -> BoolArray:
    return np.empty(0, dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Surface:
    """D_J(σ, N) of a law on a grid.

    Attributes:
        sigma: shape (s,), increasing, at least two values.
        params: shape (n,), critic parameters N, increasing, at least two values.
        data: shape (s, n), D_J in env steps; NaN or inf where the law says nothing.
    """

    sigma: FloatArray
    params: FloatArray
    data: FloatArray

    def __post_init__(self) -> None:
        for name in ("sigma", "params"):
            array = floats("Surface", name, getattr(self, name))
            positive("Surface", name, array)
            if len(array) < 2 or np.any(np.diff(array) <= 0):
                raise ValueError(f"Surface: {name} must be increasing, with two values or more.")
            store(self, name, array)
        data = floats("Surface", "data", self.data, ndim=2)
        same_shape(
            "Surface", "data", data.shape, "(sigma, params)", (len(self.sigma), len(self.params))
        )
        not_negative("Surface", "data", data)
        store(self, "data", data)


@dataclass(frozen=True, eq=False)
class Measured:
    """D_J of every configuration (σ, N) that was run.

    Attributes:
        sigma: shape (m,).
        params: shape (m,), critic parameters N.
        data: shape (m,), D_J in env steps; inf = not reached, NaN = missing (not drawn).
        held_out: shape (m,), True where the law did not see the point; left out: nowhere.
    """

    sigma: FloatArray
    params: FloatArray
    data: FloatArray
    held_out: BoolArray = field(default_factory=_nowhere)

    def __post_init__(self) -> None:
        for name in ("sigma", "params", "data"):
            array = floats("Measured", name, getattr(self, name))
            if name == "data":
                not_negative("Measured", name, array)
            else:
                positive("Measured", name, array)
            store(self, name, array)
        shape = self.sigma.shape
        given = np.array(self.held_out)
        mask = np.zeros(shape, dtype=np.bool_) if given.size == 0 else given
        if mask.dtype != np.bool_:
            raise ValueError("Measured: held_out must be an array of booleans.")
        store(self, "held_out", mask)
        for name in ("params", "data", "held_out"):
            same_shape("Measured", name, getattr(self, name).shape, "sigma", shape)
