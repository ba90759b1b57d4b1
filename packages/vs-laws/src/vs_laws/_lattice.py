"""Profiles of the loss over the exponents of a saturating form, the rest solved or searched on a lattice.

For fixed exponents the rest is easy (variable projection, Golub & Pereyra 1973):

- additive form, plain loss: the model is linear in its 1 + K amplitudes, and the non-negative least
  squares are solved exactly by trying every set of non-zero ones;
- otherwise the scale is a weighted mean, and the remaining K shares are searched on a lattice whose
  points do not depend on the data: it costs three matrix products. Shares are geometric, since a floor
  or a term may be seen at few points only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vs_laws.forms import EXPONENT_BOUNDS
from vs_laws.law import Floats

type Shape = Literal["additive", "floorless", "product"]
type Index = NDArray[np.int64]

_GRID = {1: 64, 2: 20, 3: 8, 4: 6}  # exponents per axis
_LEVELS = {  # ratios of a share to the least one
    1: np.exp(np.linspace(0.0, 24.0, 49)),
    2: np.array([1.0, 6.0, 36.0]),
    3: np.array([1.0, 6.0, 36.0]),
    4: np.array([1.0, 10.0]),
}


@dataclass(frozen=True)
class Profile:
    """Loss (B, G, …, G) over the exponents, and the local parameters (R, 1 + K) at some of its cells."""

    loss: Floats
    local: Callable[[Index, tuple[Index, ...]], Floats]


@dataclass(frozen=True)
class Task:
    """The points of one task: logarithms x (n, K) above their least, y and weights (B, n)."""

    x: Floats
    y: Floats
    weights: Floats

    @property
    def pattern(self) -> Floats:
        """Weights, (1, n) where all rows share them."""
        same = bool(np.all(self.weights == self.weights[:1]))
        return self.weights[:1] if same else self.weights

    def powers(self) -> list[Floats]:
        """Return exp(−α·x_k) on the grid of exponents, (G, n) for each axis."""
        grid = exponents(self.x.shape[1])
        return [np.exp(-np.multiply.outer(grid, column)) for column in self.x.T]


def exponents(axes: int) -> Floats:
    """Return the grid (G,) of exponents of each axis."""
    return np.geomspace(*EXPONENT_BOUNDS, _GRID[axes])


def profile(task: Task, shape: Shape, *, log: bool) -> Profile:
    """Return the least loss that the lattice (or the exact solution) finds at every cell."""
    return _lattice(task, shape, log) if log or shape == "product" else _linear(task, shape)


def _along(values: Floats, axis: int, axes: int) -> Floats:
    """Put the grid of one axis, the first dimension of (G, …), beside those of the other axes."""
    return np.expand_dims(values, tuple(k for k in range(axes) if k != axis))


def _shares(shape: Shape, axes: int) -> Floats:
    """Return the lattice: (Z, 1 + K) terms that add up to 1, or (Z, K) floors of factors."""
    if shape == "product":
        return np.array(list(product(_simplex(axes, 2)[:, 0], repeat=axes)))
    if shape == "additive":
        return _simplex(axes, 1 + axes)
    full = _simplex(axes, axes)
    return np.concatenate([np.zeros((len(full), 1)), full], axis=1)


def _simplex(axes: int, terms: int) -> Floats:
    every = product(_LEVELS[axes], repeat=terms)
    found = np.array([ratios for ratios in every if min(ratios) == 1.0])
    return found / found.sum(axis=1, keepdims=True)


def _lattice(task: Task, shape: Shape, log: bool) -> Profile:
    axes = task.x.shape[1]
    powers = task.powers()
    means = [u.mean(axis=1) for u in powers]
    powers = [u / mean[:, None] for u, mean in zip(powers, means, strict=True)]
    shares = _shares(shape, axes)
    lifted = [_along(u, k, axes) for k, u in enumerate(powers)]  # (…, G, …, n)
    column = shares.T.reshape(shares.shape[1], -1, *[1] * (axes + 1))
    if shape == "product":
        f = np.ones(())
        for k, u in enumerate(lifted):
            f = f * (column[k] + (1.0 - column[k]) * u)
    else:
        f = column[0]
        for k, u in enumerate(lifted):
            f = f + column[1 + k] * u
    f = np.moveaxis(f, 0, axes)  # (G, …, G, Z, n)
    cells = f.shape[:-1]
    flat = (np.log(f) if log else f).reshape(-1, task.x.shape[0])
    w, mass = task.pattern, task.pattern.sum(axis=1, keepdims=True)
    if log:
        mean = np.sum(w * task.y, axis=1, keepdims=True) / mass
        spread = w @ (flat**2).T - (w @ flat.T) ** 2 / mass
        centred = w * (task.y - mean)
        rest = np.sum(centred * (task.y - mean), axis=1, keepdims=True)
        value = spread - 2.0 * (centred @ flat.T) + rest
    else:
        value = np.sum(w * task.y**2, axis=1, keepdims=True) - ((w * task.y) @ flat.T) ** 2 / (
            w @ (flat**2).T
        )
    value = value.reshape(-1, *cells)
    choice = value.argmin(axis=-1)

    def local(row: Index, cell: tuple[Index, ...]) -> Floats:
        pick = choice[row, *cell]
        at = flat.reshape(*cells, -1)[*cell, pick]
        weight, y, share = task.weights[row], task.y[row], shares[pick]
        if log:
            top = np.exp(np.sum(weight * (y - at), axis=1) / weight.sum(axis=1))
        else:
            top = np.sum(weight * y * at, axis=1) / np.sum(weight * at**2, axis=1)
        mean = np.stack([m[i] for m, i in zip(means, cell, strict=True)], axis=1)
        if shape != "product":
            return top[:, None] * share / np.column_stack([np.ones(len(mean)), mean])
        rise = share + (1.0 - share) / mean
        return np.column_stack([top * rise.prod(axis=1), share / rise])

    return Profile(np.take_along_axis(value, choice[..., None], axis=-1)[..., 0], local)


def _linear(task: Task, shape: Shape) -> Profile:
    """Return the exact non-negative least squares at every cell of the grid of exponents."""
    axes = task.x.shape[1]
    size = _GRID[axes]
    ones = np.ones((*[1] * axes, task.x.shape[0]))
    terms = [ones, *(_along(u, k, axes) for k, u in enumerate(task.powers()))]
    w, wy = task.pattern, task.weights * task.y
    full = (len(task.y), *[size] * axes)

    def sums(weights: Floats, values: Floats) -> Floats:
        """Return Σ_i weights·values at every cell, (B, …grid)."""
        flat = weights @ values.reshape(-1, values.shape[-1]).T
        return flat.reshape(-1, *values.shape[:-1])

    gram = {
        (i, j): sums(w, terms[i] * terms[j]) for i in range(axes + 1) for j in range(i, axes + 1)
    }
    right = [sums(wy, term) for term in terms]
    value, best = np.full(full, np.inf), np.zeros((1 + axes, *full))
    first = 1 if shape == "floorless" else 0
    for count in range(1, axes + 2 - first):
        for chosen in combinations(range(first, axes + 1), count):
            amplitudes = _subset(gram, right, chosen)
            gain = sum((right[k] * a for k, a in zip(chosen, amplitudes, strict=True)), 0.0)
            allowed = np.all([a > 0 for a in np.broadcast_arrays(*amplitudes)], axis=0)
            take = np.broadcast_to(allowed, full) & (-gain < value)
            value = np.where(take, -gain, value)
            for k in range(1 + axes):
                amplitude = amplitudes[chosen.index(k)] if k in chosen else 0.0
                best[k] = np.where(take, amplitude, best[k])
    rest = np.sum(wy * task.y, axis=1).reshape(-1, *[1] * axes)

    def local(row: Index, cell: tuple[Index, ...]) -> Floats:
        return best[:, row, *cell].T

    return Profile(value + rest, local)


def _subset(
    gram: dict[tuple[int, int], Floats], right: list[Floats], chosen: tuple[int, ...]
) -> list[Floats]:
    """Return least squares with the chosen terms; NaN (never positive) where they are collinear.

    Gaussian elimination without pivoting: a normal matrix needs none, and a vanishing pivot is
    collinearity.
    """
    count = len(chosen)
    a = [[gram[min(i, j), max(i, j)] for j in chosen] for i in chosen]
    b = [right[i] for i in chosen]
    for p in range(count):
        pivot = np.where(a[p][p] > 1e-12 * gram[chosen[p], chosen[p]], a[p][p], np.nan)
        a[p][p] = pivot
        for i in range(p + 1, count):
            ratio = a[i][p] / pivot
            for j in range(p + 1, count):
                a[i][j] = a[i][j] - ratio * a[p][j]
            b[i] = b[i] - ratio * b[p]
    solution: list[Floats] = [np.zeros(())] * count
    for p in reversed(range(count)):
        total = b[p]
        for j in range(p + 1, count):
            total = total - a[p][j] * solution[j]
        solution[p] = total / a[p][p]
    return solution
