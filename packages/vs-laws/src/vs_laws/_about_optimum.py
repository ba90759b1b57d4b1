"""The surface log D(σ, B, η) about its optimum: parameters, priors, residuals and derivatives.

With places in octaves, u = log2 B − centre_B[task] − e_B·s and v = log2 η − centre_η[task] − e_η·s,
where s is log2 σ about its middle,

    log D = level[group] + κ_B·u² + κ_η·w² + 2·r·√(κ_B·κ_η)·u·w,   w = v·√(2(e^(γv) − 1 − γv)/(γv)²).

w is v at γ = 0; with γ > 0 too large a rate costs more than one too small. Written in w, the surface has
its one minimum at the centre, whatever r and γ are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

from vs_laws.law import Floats

CURVATURE = (np.log(0.06), 0.8, 0.5)
"""Prior of ln κ: mean and sd of the tasks' common one, sd of a task about it."""

EXPONENT = (-0.3, 0.7)
"""Prior of an exponent."""

TWIST = (0.0, 0.35)
"""Prior of artanh r."""

SKEW = (0.2, 0.3)
"""Prior of γ."""

_CENTRE = 2.0  # least sd of the prior of a centre, octaves; else the range of the grid
_MOST = 40.0  # γv is cut here, before its exponential overflows
_SERIES = np.array([2.0 / factorial(n + 2) for n in range(11, -1, -1)])  # of 2(e^x − 1 − x)/x²
_SLOPE = np.polyder(_SERIES)


def skewed(v: Floats, skew: Floats) -> tuple[Floats, Floats, Floats]:
    """Return w, and its derivatives by v and by γ."""
    x = np.clip(skew * v, -_MOST, _MOST)
    small = np.abs(x) < 0.3
    safe = np.where(small, 1.0, x)
    power = np.exp(safe)
    square = np.where(small, np.polyval(_SERIES, x), 2.0 * (power - 1.0 - safe) / safe**2)
    slope = np.where(
        small, np.polyval(_SLOPE, x), 2.0 * (power * (safe - 2.0) + safe + 2.0) / safe**3
    )
    root = np.sqrt(square)
    return v * root, root + 0.5 * x * slope / root, 0.5 * v**2 * slope / root


@dataclass(frozen=True)
class Layout:
    """Places of the parameters in a vector: groups' levels, then by axis, then what is shared.

    Attributes:
        groups: G.
        tasks: T.
        axes: one or both of ``batch_size`` and ``learning_rate``.
    """

    groups: int
    tasks: int
    axes: tuple[str, ...]

    @property
    def size(self) -> int:
        """P, the number of parameters."""
        return self._shared + 2 * len(self.axes) + self.skewed + self.twisted

    @property
    def skewed(self) -> bool:
        """True with a learning rate, whose direction has a γ."""
        return "learning_rate" in self.axes

    @property
    def twisted(self) -> bool:
        """True with both axes, whose directions have a correlation r."""
        return len(self.axes) == 2

    @property
    def _shared(self) -> int:
        return self.groups + 2 * self.tasks * len(self.axes)

    def centre(self, k: int) -> slice:
        """Return where the T centres of axis k are."""
        at = self.groups + 2 * self.tasks * k
        return slice(at, at + self.tasks)

    def curvature(self, k: int) -> slice:
        """Return where the T values of ln κ of axis k are."""
        at = self.groups + 2 * self.tasks * k + self.tasks
        return slice(at, at + self.tasks)

    def exponent(self, k: int) -> int:
        """Return the place of the exponent of axis k."""
        return self._shared + 2 * k

    def common(self, k: int) -> int:
        """Return the place of the tasks' common ln κ of axis k."""
        return self._shared + 2 * k + 1

    @property
    def skew(self) -> int:
        """The place of γ."""
        return self._shared + 2 * len(self.axes)

    @property
    def twist(self) -> int:
        """The place of artanh r."""
        return self.size - 1

    def shape_of(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return γ and r, (B, 1) each; 0 where there is none."""
        none = np.zeros((len(theta), 1))
        return (
            theta[:, [self.skew]] if self.skewed else none,
            np.tanh(theta[:, [self.twist]]) if self.twisted else none,
        )


@dataclass(frozen=True)
class Prior:
    """Independent normal rows ``row · θ ~ N(mean, 1)``.

    Attributes:
        rows: (Q, P), divided by their standard deviations.
        mean: (Q,) likewise.
    """

    rows: Floats
    mean: Floats


def prior(layout: Layout, middles: Floats, ranges: Floats) -> Prior:
    """Return the priors of all parameters but the groups' levels, which are free.

    Args:
        layout: of the parameters.
        middles: (A, T) middle of each task's grid, octaves.
        ranges: (A, T) range of each task's grid, octaves.
    """
    rows, means = [], []

    def add(places: list[tuple[int, float]], mean: float, sd: float) -> None:
        row = np.zeros(layout.size)
        for place, factor in places:
            row[place] = factor / sd
        rows.append(row)
        means.append(mean / sd)

    for k in range(len(layout.axes)):
        centres, curvatures = layout.centre(k), layout.curvature(k)
        for t in range(layout.tasks):
            add([(centres.start + t, 1.0)], middles[k, t], max(_CENTRE, ranges[k, t]))
            add([(curvatures.start + t, 1.0), (layout.common(k), -1.0)], 0.0, CURVATURE[2])
        add([(layout.exponent(k), 1.0)], *EXPONENT)
        add([(layout.common(k), 1.0)], CURVATURE[0], CURVATURE[1])
    if layout.skewed:
        add([(layout.skew, 1.0)], *SKEW)
    if layout.twisted:
        add([(layout.twist, 1.0)], *TWIST)
    return Prior(np.array(rows), np.array(means))


@dataclass(frozen=True)
class Cells:
    """Places of n cells.

    Attributes:
        x: (A, n) log2 of the hyperparameters.
        s: (n,) log2 σ about its middle.
        task: (n,) index of the task.
        group: (n,) index of the group.
    """

    x: Floats
    s: Floats
    task: NDArray[np.int64]
    group: NDArray[np.int64]


@dataclass(frozen=True)
class Height:
    """log D above the optimum and its derivatives, with an entry for each axis where there is a tuple."""

    value: Floats
    by_offset: tuple[Floats, ...]
    by_log_curvature: tuple[Floats, ...]
    by_skew: Floats
    by_twist: Floats


def height(
    offsets: Sequence[Floats],
    curvature: Sequence[Floats],
    skew: Floats,
    twist: Floats,
    axes: Sequence[str],
) -> Height:
    """Return log D above the optimum at offsets in octaves, all arguments broadcast.

    Args:
        offsets: of each axis.
        curvature: κ of each axis.
        skew: γ.
        twist: r.
        axes: names, of which ``learning_rate`` is skewed.
    """
    root = [np.sqrt(kappa) for kappa in curvature]
    warped = [
        skewed(x, skew) if name == "learning_rate" else (x, np.ones_like(x), np.zeros_like(x))
        for name, x in zip(axes, offsets, strict=True)
    ]
    legs = [r * w for r, (w, _, _) in zip(root, warped, strict=True)]
    cross = legs[0] * legs[1] if len(axes) == 2 else np.zeros_like(legs[0])
    pull = [2.0 * leg for leg in legs]  # derivative by each leg
    if len(axes) == 2:
        pull = [2.0 * (leg + twist * other) for leg, other in zip(legs, legs[::-1], strict=True)]
    parts = list(zip(pull, root, legs, warped, strict=True))
    return Height(
        value=np.sum([leg**2 for leg in legs], axis=0) + 2.0 * twist * cross,
        by_offset=tuple(p * r * w[1] for p, r, _, w in parts),
        by_log_curvature=tuple(0.5 * p * leg for p, _, leg, _ in parts),
        by_skew=np.sum([p * r * w[2] for p, r, _, w in parts], axis=0),
        by_twist=2.0 * cross,
    )


def surface(theta: Floats, layout: Layout, cells: Cells) -> tuple[Floats, Floats]:
    """Return the model (B, n) and its derivatives (B, n, P) of parameters (B, P)."""
    axes = range(len(layout.axes))
    offsets = [
        cells.x[k]
        - theta[:, layout.centre(k)][:, cells.task]
        - theta[:, [layout.exponent(k)]] * cells.s
        for k in axes
    ]
    curvature = [np.exp(theta[:, layout.curvature(k)])[:, cells.task] for k in axes]
    above = height(offsets, curvature, *layout.shape_of(theta), layout.axes)

    here = np.arange(len(cells.s))
    jacobian = np.zeros((len(theta), len(here), layout.size))
    jacobian[:, here, cells.group] = 1.0
    for k in axes:
        jacobian[:, here, layout.centre(k).start + cells.task] = -above.by_offset[k]
        jacobian[:, here, layout.curvature(k).start + cells.task] = above.by_log_curvature[k]
        jacobian[:, :, layout.exponent(k)] = -above.by_offset[k] * cells.s
    if layout.skewed:
        jacobian[:, :, layout.skew] = above.by_skew
    if layout.twisted:
        jacobian[:, :, layout.twist] = above.by_twist / np.cosh(theta[:, [layout.twist]]) ** 2
    return theta[:, cells.group] + above.value, jacobian
