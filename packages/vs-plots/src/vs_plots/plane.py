"""The plane of σ and N: a law's values on a grid, and the runs that were measured."""

from dataclasses import dataclass, field

from vs_plots._check import (
    BoolArray,
    FloatArray,
    floats,
    increasing,
    not_negative,
    nowhere,
    positive,
    same_shape,
    store,
    store_mask,
)


@dataclass(frozen=True, eq=False)
class Surface:
    """D_J(σ, N) of a law on a grid.

    Attributes:
        sigma: shape (s,), increasing, at least two values.
        critic_params: shape (n,), N, increasing, at least two values.
        data: shape (s, n), D_J in env steps; NaN or inf where the law says nothing.
    """

    sigma: FloatArray
    critic_params: FloatArray
    data: FloatArray

    def __post_init__(self) -> None:
        for name in ("sigma", "critic_params"):
            array = floats("Surface", name, getattr(self, name))
            increasing("Surface", name, array, least=2)
            store(self, name, array)
        data = floats("Surface", "data", self.data, ndim=2)
        expected = (len(self.sigma), len(self.critic_params))
        same_shape("Surface", "data", data.shape, "(sigma, critic_params)", expected)
        not_negative("Surface", "data", data)
        store(self, "data", data)


@dataclass(frozen=True, eq=False)
class Measured:
    """D_J of every configuration (σ, N) that was run.

    Attributes:
        sigma: shape (m,).
        critic_params: shape (m,), N.
        data: shape (m,), D_J in env steps; inf = not reached, NaN = missing (not drawn).
        held_out: shape (m,), True where the law did not see the point; left out: nowhere.
    """

    sigma: FloatArray
    critic_params: FloatArray
    data: FloatArray
    held_out: BoolArray = field(default_factory=nowhere)

    def __post_init__(self) -> None:
        for name in ("sigma", "critic_params", "data"):
            array = floats("Measured", name, getattr(self, name))
            if name == "data":
                not_negative("Measured", name, array)
            else:
                positive("Measured", name, array)
            store(self, name, array)
        for name in ("critic_params", "data"):
            same_shape("Measured", name, getattr(self, name).shape, "sigma", self.sigma.shape)
        store_mask(self, "Measured", "held_out", "sigma")
