"""Global search for saturating forms over K axes: variable projection over the exponents.

Variable projection (Golub & Pereyra 1973): for fixed exponents the rest is easy, so only they are
searched, on a grid over their whole box. For a cell of that grid:

- additive form, plain loss: the model is linear in its 1 + K amplitudes, and the non-negative least
  squares are solved exactly by trying every set of non-zero ones;
- otherwise the scale is a weighted mean, and the remaining K shares are searched on a lattice, faces
  included, whose points do not depend on the data: it costs three matrix products.

Losses add up over tasks that share their exponents. The local minima of the profile over the grid
are polished by `vs_laws._newton`, and the lowest wins. Under a Huber loss the squares are reweighted
from there: the objective never rises, but the optimum is not proven to be the global one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vs_laws._newton import Problem, polish, residuals
from vs_laws.forms import EXPONENT_BOUNDS
from vs_laws.law import Floats

type Shape = Literal["additive", "floorless", "product"]
type Index = NDArray[np.int64]

MAX_AXES = 4
_GRID = {1: 64, 2: 16, 3: 8, 4: 5}  # exponents per axis
_DIVISIONS = {2: 10, 3: 6, 4: 4}  # of the lattice of shares
_LOGITS = np.linspace(-24.0, 12.0, 73)  # one axis: a floor or a term may be seen at one point alone
_STARTS = {1: 10}  # local minima of a profile that are polished, per data set; else 4
_TRACE = 0.01  # share at which an absent term is tried again
_FIRST, _LAST = 60, 300  # Newton steps from every start, and from the best of each data set
_CHUNK = {1: 512}  # data sets per pass; bounds memory to about 100 MB
_REWEIGHTED = 200  # rounds of reweighting under a Huber loss


@dataclass(frozen=True)
class Optimum:
    """Best local parameters (B, T, 1 + K) and exponents (B, K) with the loss (B,); see `Problem`."""

    local: Floats
    exponents: Floats
    loss: Floats


def solve(
    x: Floats,
    member: Index,
    y: Floats,
    weights: Floats,
    *,
    shape: Shape,
    log: bool,
    huber: float | None = None,
) -> Optimum:
    """Minimise the weighted mean squared (or Huber) residual of every row.

    Args:
        x: (n, K) logarithms of the axes above their task's least.
        member: (n,) task of each point, 0 … T−1.
        y: (B, n) positive values; ignored where the weight is 0.
        weights: (B, n) non-negative, every task of every row with a positive one.
        shape: of the form.
        log: residuals of log y, or of y.
        huber: residuals r beyond this size (log units, or the units of y) count as
            ``2·huber·|r| − huber²``.

    Raises:
        ValueError: beyond `MAX_AXES` axes.
    """
    axes = x.shape[1]
    if axes > MAX_AXES:
        raise ValueError(f"{axes} axes; a law is searched over at most {MAX_AXES}")
    weights = weights / weights.sum(axis=1, keepdims=True)
    y = np.where(weights > 0, y, 1.0)
    scale = np.exp(np.sum(weights * np.log(y), axis=1, keepdims=True))
    tasks = int(member.max()) + 1
    top = np.ones(axes) if shape == "product" else np.full(axes, np.inf)
    ends = np.array([0.0 if shape == "floorless" else np.inf, *top])
    low = np.concatenate([np.zeros((1 + axes) * tasks), np.full(axes, EXPONENT_BOUNDS[0])])
    high = np.concatenate([np.tile(ends, tasks), np.full(axes, EXPONENT_BOUNDS[1])])
    values = np.log(y / scale) if log else y / scale
    whole = Problem(x, member, tasks, values, weights, log, shape == "product", low, high)
    theta, loss = np.empty((len(y), low.size)), np.empty(len(y))
    chunk = _CHUNK.get(axes, 128)
    for start in range(0, len(y), chunk):
        rows = np.arange(start, min(start + chunk, len(y)))
        part = whole.rows(rows)
        theta[rows], loss[rows] = _solve_chunk(part, shape)
        if huber is not None:
            delta = np.full(len(rows), huber) if log else huber / scale[rows, 0]
            theta[rows], loss[rows] = _reweighted(part, theta[rows], delta)
    local = theta[:, :-axes].reshape(len(y), tasks, 1 + axes)
    if shape == "product":
        local[..., 0] *= scale
    else:
        local *= scale[..., None]
    return Optimum(local, theta[:, -axes:], loss if log else loss * scale[:, 0] ** 2)


def _solve_chunk(problem: Problem, shape: Shape) -> tuple[Floats, Floats]:
    parts = []
    for task in range(problem.tasks):
        at = problem.member == task
        part = _Task(problem.x[at], problem.y[:, at], problem.weights[:, at])
        exact = not problem.log and not problem.product
        parts.append([_linear(part, shape)] if exact else _lattice(part, shape, problem.log))
    grid = _exponents(problem.axes)
    rows, starts = [], []
    for searches in zip(*parts, strict=True):  # one search of every task
        row, cell = _minima(sum((search.profile for search in searches), np.zeros(())))
        local = np.concatenate([search.local(row, cell) for search in searches], axis=1)
        rows.append(row)
        starts.append(np.column_stack([local, *(grid[i] for i in cell)]))
    theta = _best(problem, np.concatenate(rows), np.concatenate(starts))
    return polish(problem, _best(problem, *_revived(problem, theta)), iterations=_LAST)


def _best(problem: Problem, row: Index, starts: Floats) -> Floats:
    """Return the lowest (B, P) after a first polish of the starts (R, P) of each row."""
    theta, value = polish(problem.rows(row), starts, iterations=_FIRST, caution=1.0)
    order = np.lexsort((value, row))
    return theta[order[np.unique(row[order], return_index=True)[1]]]


def _revived(problem: Problem, theta: Floats) -> tuple[Index, Floats]:
    """Return the optima, and where a term is absent, the same with a trace of it at every exponent.

    Without its term an exponent means nothing, so a minimum with an absent term is one only if no
    exponent lets the term back in.
    """
    grid = _exponents(problem.axes)
    rows, starts = [np.arange(len(theta))], [theta]
    for task in range(problem.tasks):
        for k in range(problem.axes):
            column = (1 + problem.axes) * task + 1 + k
            gone = np.flatnonzero(theta[:, column] == float(problem.product))
            again = np.repeat(theta[gone], grid.size, axis=0)
            again[:, column] = 1.0 - _TRACE if problem.product else _TRACE
            again[:, k - problem.axes] = np.tile(grid, gone.size)
            rows.append(np.repeat(gone, grid.size))
            starts.append(again)
    return np.concatenate(rows), np.concatenate(starts)


def _reweighted(problem: Problem, theta: Floats, delta: Floats) -> tuple[Floats, Floats]:
    """Lower the Huber loss from least-squares optima: each round minimises squares that bound it."""

    def loss(values: Floats) -> tuple[Floats, Floats]:
        size = np.abs(np.where(problem.weights > 0, residuals(problem, values), 0.0))
        inside = np.minimum(size, delta[:, None])
        with np.errstate(divide="ignore"):
            pull = np.where(size > delta[:, None], delta[:, None] / size, 1.0)
        return np.sum(problem.weights * inside * (2.0 * size - inside), axis=1), pull

    value, pull = loss(theta)
    active = np.arange(len(theta))
    for _ in range(_REWEIGHTED):
        softened = replace(problem, weights=problem.weights * pull).rows(active)
        moved = theta.copy()
        moved[active] = polish(softened, theta[active], iterations=_FIRST)[0]
        reached, pull = loss(moved)
        gain = value - reached
        theta = np.where((gain > 0)[:, None], moved, theta)
        value = np.minimum(value, reached)
        active = np.flatnonzero(gain > 1e-13 * value)
        if active.size == 0:
            break
    return theta, value


def _exponents(axes: int) -> Floats:
    return np.geomspace(*EXPONENT_BOUNDS, _GRID[axes])


@dataclass(frozen=True)
class _Search:
    """Profile (B, G, …, G) over the exponents, and the local parameters (R, 1 + K) at its cells."""

    profile: Floats
    local: Callable[[Index, tuple[Index, ...]], Floats]


@dataclass(frozen=True)
class _Task:
    """The points of one task: x (n, K), y and weights (B, n)."""

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
        grid = _exponents(self.x.shape[1])
        return [np.exp(-np.multiply.outer(grid, column)) for column in self.x.T]


def _along(values: Floats, axis: int, axes: int) -> Floats:
    """Put the grid of one axis, the first dimension of (G, …), beside those of the other axes."""
    return np.expand_dims(values, tuple(k for k in range(axes) if k != axis))


def _minima(profile: Floats) -> tuple[Index, tuple[Index, ...]]:
    """Return (row, cell) of the lowest local minima of each (B, G, …, G) profile, edges included."""
    rows, grid = profile.shape[0], profile.shape[1:]
    padded = np.pad(profile, ((0, 0), *((1, 1) for _ in grid)), constant_values=np.inf)
    around = np.full(profile.shape, np.inf)
    for shift in product(range(3), repeat=len(grid)):
        if any(s != 1 for s in shift):
            window = tuple(slice(s, s + size) for s, size in zip(shift, grid, strict=True))
            np.minimum(around, padded[:, *window], out=around)
    flat, lowest = profile.reshape(rows, -1), (profile <= around).reshape(rows, -1)
    lowest[np.arange(rows), flat.argmin(axis=1)] = True
    ranked = np.argsort(np.where(lowest, flat, np.inf), axis=1)[:, : _STARTS.get(len(grid), 4)]
    keep = np.take_along_axis(lowest, ranked, axis=1)
    return np.nonzero(keep)[0], np.unravel_index(ranked[keep], grid)


def _lattice(task: _Task, shape: Shape, log: bool) -> list[_Search]:
    """Return searches over a lattice of shares: all of it, and without the faces.

    On a face a term is absent and its exponent means nothing: such a plateau can hide the local
    minima beside it, which the second search then finds.
    """
    axes = task.x.shape[1]
    powers = task.powers()
    means = [u.mean(axis=1) for u in powers]
    powers = [u / mean[:, None] for u, mean in zip(powers, means, strict=True)]
    shares = _shares(shape, axes)  # (Z, 1 + K) on the simplex, or (Z, K) in the cube
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

    def local(choice: Index, row: Index, cell: tuple[Index, ...]) -> Floats:
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

    free = slice(1, None) if shape == "floorless" else slice(None)
    inside = np.all((shares[:, free] > 0) & (shares[:, free] < 1), axis=1)
    searches = []
    for allowed in (np.ones_like(inside), inside):
        if not allowed.any():  # floorless over one axis: its only share is a face
            continue
        choice = np.where(allowed, value, np.inf).argmin(axis=-1)
        profile = np.take_along_axis(value, choice[..., None], axis=-1)[..., 0]
        searches.append(_Search(profile, partial(local, choice)))
    return searches


def _shares(shape: Shape, axes: int) -> Floats:
    if axes == 1:
        steps = np.concatenate([[0.0], 1.0 / (1.0 + np.exp(-_LOGITS)), [1.0]])
    else:
        steps = np.arange(_DIVISIONS[axes] + 1) / _DIVISIONS[axes]
    if shape == "product":
        return np.array(list(product(steps, repeat=axes)))
    terms = axes if shape == "floorless" else 1 + axes
    found = np.array([s for s in product(steps, repeat=terms - 1) if sum(s) < 1.0 + 1e-9])
    found = found.reshape(len(found), terms - 1)
    rest = np.maximum(1.0 - found.sum(axis=1, keepdims=True), 0.0)
    full = np.concatenate([found, rest], axis=1)
    return np.concatenate([np.zeros_like(rest), full], axis=1) if shape == "floorless" else full


def _linear(task: _Task, shape: Shape) -> _Search:
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

    return _Search(value + rest, local)


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
