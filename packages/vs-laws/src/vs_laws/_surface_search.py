"""Global search for the two-axis forms: variable projection over both exponents.

The exponents are searched on a grid over their whole box. For a pair of exponents:

- additive form, plain loss: the model is linear in its three amplitudes, and the non-negative least
  squares of three variables are solved exactly by trying every set of non-zero ones;
- otherwise the scale is a weighted mean, and the remaining two shares are searched on a lattice,
  faces included, whose points do not depend on the data: it costs three matrix products.

Losses add up over tasks that share their exponents. The local minima of the profile over the grid
are polished by `vs_laws._surface_polish`, and the lowest wins.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Literal

import numpy as np

from vs_laws._surface_polish import BOUNDS, EXPONENT_BOUNDS, Problem, polish
from vs_laws.forms import Floats

type Form = Literal["additive", "floorless", "product"]

_GRID = 16  # exponents per axis
_DIVISIONS = 10  # of the lattice of shares
_STARTS = 3  # local minima of a profile that are polished, per data set
_TRACE = 0.01  # share at which an absent term is tried again
_FIRST, _LAST = 30, 300  # Newton steps from every start, and from the best of each data set
_CHUNK = 128  # data sets per pass; bounds memory to about 100 MB
_EXPONENTS = np.geomspace(*EXPONENT_BOUNDS, _GRID)


@dataclass(frozen=True)
class Optimum:
    """Best parameters (B, T, 3) and exponents (B, 2) with the loss (B,), see `Problem`."""

    local: Floats
    exponents: Floats
    loss: Floats


def solve(
    x: Floats,
    z: Floats,
    member: np.ndarray,
    y: Floats,
    weights: Floats,
    *,
    form: Form,
    log: bool,
) -> Optimum:
    """Minimise the weighted mean squared residual of every row.

    Args:
        x: (n,) log σ above its task's least.
        z: (n,) log N above its task's least.
        member: (n,) task of each point, 0 … T−1.
        y: (B, n) positive values; ignored where the weight is 0.
        weights: (B, n) non-negative, every task of every row with a positive one.
        form: which form.
        log: residuals of log y, or of y.
    """
    weights = weights / weights.sum(axis=1, keepdims=True)
    y = np.where(weights > 0, y, 1.0)
    scale = np.exp(np.sum(weights * np.log(y), axis=1, keepdims=True))
    tasks = int(member.max()) + 1
    whole = Problem(
        x,
        z,
        member,
        tasks,
        np.log(y / scale) if log else y / scale,
        weights,
        log,
        form == "product",
        BOUNDS[form],
    )
    theta = np.empty((len(y), 3 * tasks + 2))
    loss = np.empty(len(y))
    for start in range(0, len(y), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(y)))
        theta[rows], loss[rows] = _solve_chunk(whole.rows(rows), form)
    local = theta[:, :-2].reshape(len(y), tasks, 3)
    if form == "product":
        local[..., 0] *= scale
    else:
        local *= scale[..., None]
    return Optimum(local, theta[:, -2:], loss if log else loss * scale[:, 0] ** 2)


def _solve_chunk(problem: Problem, form: Form) -> tuple[Floats, Floats]:
    parts = []
    for task in range(problem.tasks):
        at = problem.member == task
        part = _Task(problem.x[at], problem.z[at], problem.y[:, at], problem.weights[:, at])
        exact = not problem.log and not problem.product
        parts.append([_linear(part, form)] if exact else _lattice(part, form, problem.log))
    rows, starts = [], []
    for searches in zip(*parts, strict=True):  # one search of every task
        row, i, j = _minima(sum((search.profile for search in searches), np.zeros(())))
        local = np.concatenate([search.local(row, i, j) for search in searches], axis=1)
        rows.append(row)
        starts.append(np.column_stack([local, _EXPONENTS[i], _EXPONENTS[j]]))
    theta = _best(problem, np.concatenate(rows), np.concatenate(starts))
    return polish(problem, _best(problem, *_revived(problem, theta)), iterations=_LAST)


def _best(problem: Problem, row: np.ndarray, starts: Floats) -> Floats:
    """The lowest (B, 3T + 2) after a first polish of the starts (R, 3T + 2) of each row."""
    theta, value = polish(problem.rows(row), starts, iterations=_FIRST)
    order = np.lexsort((value, row))
    return theta[order[np.unique(row[order], return_index=True)[1]]]


def _revived(problem: Problem, theta: Floats) -> tuple[np.ndarray, Floats]:
    """The optima, and where a term is absent, the same with a trace of it at every exponent.

    Without its term an exponent means nothing, so a minimum with an absent term is one only if no
    exponent lets the term back in.
    """
    rows, starts = [np.arange(len(theta))], [theta]
    for task in range(problem.tasks):
        for term in (1, 2):
            column = 3 * task + term
            gone = np.flatnonzero(theta[:, column] == float(problem.product))
            again = np.repeat(theta[gone], _GRID, axis=0)
            again[:, column] = 1.0 - _TRACE if problem.product else _TRACE
            again[:, theta.shape[1] - 3 + term] = np.tile(_EXPONENTS, gone.size)
            rows.append(np.repeat(gone, _GRID))
            starts.append(again)
    return np.concatenate(rows), np.concatenate(starts)


@dataclass(frozen=True)
class _Search:
    """Profile (B, G, G) over the exponents, and the local parameters (R, 3) at its cells."""

    profile: Floats
    local: Callable[[np.ndarray, np.ndarray, np.ndarray], Floats]


@dataclass(frozen=True)
class _Task:
    """The points of one task: x, z (n,), y and weights (B, n)."""

    x: Floats
    z: Floats
    y: Floats
    weights: Floats

    @property
    def pattern(self) -> Floats:
        """Weights, (1, n) where all rows share them."""
        same = bool(np.all(self.weights == self.weights[:1]))
        return self.weights[:1] if same else self.weights


def _minima(profile: Floats) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices (row, i, j) of the lowest local minima of each (B, G, G) profile, edges included."""
    rows, size, _ = profile.shape
    padded = np.pad(profile, ((0, 0), (1, 1), (1, 1)), constant_values=np.inf)
    around = np.full(profile.shape, np.inf)
    for di in range(3):
        for dj in range(3):
            if (di, dj) != (1, 1):
                np.minimum(around, padded[:, di : di + size, dj : dj + size], out=around)
    flat, lowest = profile.reshape(rows, -1), (profile <= around).reshape(rows, -1)
    lowest[np.arange(rows), flat.argmin(axis=1)] = True
    ranked = np.argsort(np.where(lowest, flat, np.inf), axis=1)[:, :_STARTS]
    keep = np.take_along_axis(lowest, ranked, axis=1)
    row, cell = np.nonzero(keep)[0], ranked[keep]
    return row, cell // size, cell % size


def _lattice(task: _Task, form: Form, log: bool) -> list[_Search]:
    """Searches over a lattice of shares: all of it, and without the faces.

    On a face a term is absent and its exponent means nothing: such a plateau can hide the local
    minima beside it, which the second search then finds.
    """
    u, v = (np.exp(-np.multiply.outer(_EXPONENTS, t)) for t in (task.x, task.z))
    u_mean, v_mean = u.mean(axis=1), v.mean(axis=1)
    u, v = u / u_mean[:, None], v / v_mean[:, None]
    shares = _shares(form)  # (Z, 3) on the simplex, or (Z, 2) in the square
    if form == "product":
        split = shares[:, :, None, None]
        g = split[:, 0] + (1.0 - split[:, 0]) * u  # (Z, G, n)
        h = split[:, 1] + (1.0 - split[:, 1]) * v
        shape = g.transpose(1, 0, 2)[:, None] * h.transpose(1, 0, 2)[None]
    else:
        shape = shares[:, :1] + shares[:, 1:2] * u[:, None, None, :] + shares[:, 2:] * v[:, None, :]
    cells = shape.shape[:3]
    flat = (np.log(shape) if log else shape).reshape(-1, task.x.size)
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

    def local(choice: np.ndarray, row: np.ndarray, i: np.ndarray, j: np.ndarray) -> Floats:
        pick = choice[row, i, j]
        at = flat.reshape(*cells, -1)[i, j, pick]
        weight, y, share = task.weights[row], task.y[row], shares[pick]
        if log:
            top = np.exp(np.sum(weight * (y - at), axis=1) / weight.sum(axis=1))
        else:
            top = np.sum(weight * y * at, axis=1) / np.sum(weight * at**2, axis=1)
        if form != "product":
            means = np.stack([np.ones(i.size), u_mean[i], v_mean[j]], axis=1)
            return top[:, None] * share / means
        rise = share + (1.0 - share) / np.stack([u_mean[i], v_mean[j]], axis=1)
        return np.column_stack([top * rise.prod(axis=1), share / rise])

    free = slice(1, None) if form == "floorless" else slice(None)
    inside = np.all((shares[:, free] > 0) & (shares[:, free] < 1), axis=1)
    searches = []
    for allowed in (np.ones_like(inside), inside):
        choice = np.where(allowed, value, np.inf).argmin(axis=3)
        profile = np.take_along_axis(value, choice[..., None], axis=3)[..., 0]
        searches.append(_Search(profile, partial(local, choice)))
    return searches


def _shares(form: Form) -> Floats:
    steps = np.arange(_DIVISIONS + 1) / _DIVISIONS
    if form == "product":
        return np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    if form == "floorless":
        return np.stack([np.zeros_like(steps), steps, 1.0 - steps], axis=1)
    first, second = np.meshgrid(steps, steps, indexing="ij")
    inside = first + second < 1.0 + 1e-9
    a, b = first[inside], second[inside]
    return np.stack([a, b, np.maximum(1.0 - a - b, 0.0)], axis=1)


def _linear(task: _Task, form: Form) -> _Search:
    """The exact non-negative least squares at every pair of exponents."""
    u, v = (np.exp(-np.multiply.outer(_EXPONENTS, t)) for t in (task.x, task.z))
    w, size = task.pattern, _EXPONENTS.size
    wy = task.weights * task.y
    full = (len(task.y), size, size)
    gram = {
        (0, 0): w.sum(axis=1)[:, None, None],
        (0, 1): (w @ u.T)[:, :, None],
        (0, 2): (w @ v.T)[:, None, :],
        (1, 1): (w @ (u**2).T)[:, :, None],
        (2, 2): (w @ (v**2).T)[:, None, :],
        (1, 2): (w @ (u[:, None] * v[None]).reshape(-1, task.x.size).T).reshape(-1, size, size),
    }
    right = (wy.sum(axis=1)[:, None, None], (wy @ u.T)[:, :, None], (wy @ v.T)[:, None, :])
    value, best = np.full(full, np.inf), np.zeros((3, *full))
    first = 1 if form == "floorless" else 0
    for count in (1, 2, 3 - first):
        for chosen in combinations(range(first, 3), count):
            amplitudes = _solve_subset(gram, right, chosen)
            gain = sum((right[k] * a for k, a in zip(chosen, amplitudes, strict=True)), 0.0)
            allowed = np.all([a > 0 for a in np.broadcast_arrays(*amplitudes)], axis=0)
            take = np.broadcast_to(allowed, full) & (-gain < value)
            value = np.where(take, -gain, value)
            for k in range(3):
                amplitude = amplitudes[chosen.index(k)] if k in chosen else 0.0
                best[k] = np.where(take, amplitude, best[k])
    rest = np.sum(wy * task.y, axis=1)[:, None, None]

    def local(row: np.ndarray, i: np.ndarray, j: np.ndarray) -> Floats:
        return best[:, row, i, j].T

    return _Search(value + rest, local)


def _solve_subset(
    gram: dict[tuple[int, int], Floats], right: tuple[Floats, ...], chosen: tuple[int, ...]
) -> list[Floats]:
    """Least squares with the chosen variables; NaN (never positive) where they are collinear."""
    if len(chosen) == 1:
        (i,) = chosen
        return [right[i] / gram[i, i]]
    if len(chosen) == 2:
        i, j = chosen
        a, b, d = gram[i, i], gram[i, j], gram[j, j]
        det = a * d - b * b
        det = np.where(det > 1e-12 * a * d, det, np.nan)
        return [(d * right[i] - b * right[j]) / det, (a * right[j] - b * right[i]) / det]
    a, b, c = gram[0, 0], gram[0, 1], gram[0, 2]
    d, e, f = gram[1, 1], gram[1, 2], gram[2, 2]
    ca, cb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    det = a * ca + b * cb + c * cc
    det = np.where(det > 1e-12 * a * d * f, det, np.nan)
    p, q, r = right
    return [
        (ca * p + cb * q + cc * r) / det,
        (cb * p + (a * f - c * c) * q + (b * c - a * e) * r) / det,
        (cc * p + (b * c - a * e) * q + (a * d - b * b) * r) / det,
    ]
