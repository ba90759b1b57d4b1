"""Global search for saturating forms over K axes: variable projection over the exponents.

Only the exponents are searched, on a grid over their whole box, the rest as `vs_laws._lattice` says.
Losses add up over tasks that share their exponents. The grid is cut into blocks; the best cell of
every block is polished by `vs_laws._newton`, and the lowest wins. Under a Huber loss the profile is
that of least squares.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vs_laws._lattice import Index, Shape, Task, exponents, profile
from vs_laws._newton import Problem, polish
from vs_laws.forms import EXPONENT_BOUNDS
from vs_laws.law import Floats

MAX_AXES = 4
_BLOCKS = {1: 8, 2: 5, 3: 2, 4: 2}  # per axis; each gives one start
_TRACE = 0.01  # share at which an absent term is tried again
_HEATS = ((16, 1.0, 3), (300, 1e-3, 1))  # Newton steps, caution, and how many starts are kept
_CHUNK = {1: 512, 2: 128, 3: 64, 4: 16}  # data sets per pass; bounds memory to about 100 MB
_SOFT = 0.1  # Huber threshold, of log y or of y over its mean, that a smaller one is reached from


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
    delta = None
    if huber is not None:
        delta = np.full(len(y), huber) if log else huber / scale[:, 0]
    least = np.stack([_least(x, (weights > 0) & (member == task)) for task in range(tasks)], axis=1)
    above = np.maximum(x - least[:, member], 0.0) if least.any() else x[None]
    product = shape == "product"
    whole = Problem(above, member, tasks, values, weights, log, product, low, high, delta)
    theta, loss = np.empty((len(y), low.size)), np.empty(len(y))
    for start in range(0, len(y), _CHUNK[axes]):
        rows = np.arange(start, min(start + _CHUNK[axes], len(y)))
        theta[rows], loss[rows] = _solve_chunk(whole.rows(rows), x, least[rows], shape)
    local = theta[:, :-axes].reshape(len(y), tasks, 1 + axes)
    local = _moved(local, theta[:, -axes:], -least, product)
    if product:
        local[..., 0] *= scale
    else:
        local *= scale[..., None]
    return Optimum(local, theta[:, -axes:], loss if log else loss * scale[:, 0] ** 2)


def _least(x: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return the least x (B, K) of the known points (B, n) of each row."""
    return np.where(known[..., None], x, np.inf).min(axis=1)


def _moved(local: Floats, exponent: Floats, by: Floats, product: bool) -> Floats:
    """Return the local parameters (B, T, 1 + K) of the same curve when x counts from ``by`` (B, T, K)."""
    fall = np.exp(-exponent[:, None] * by)
    top, rest = local[..., :1], local[..., 1:]
    if not product:
        return np.concatenate([top, rest * fall], axis=-1)
    rise = rest + (1.0 - rest) * fall
    return np.concatenate([top * rise.prod(axis=-1, keepdims=True), rest / rise], axis=-1)


def _solve_chunk(problem: Problem, x: Floats, least: Floats, shape: Shape) -> tuple[Floats, Floats]:
    row, starts = _starts(problem, x, least, shape)
    if problem.delta is not None:  # a small one is all kinks: also start from a softer loss
        soft = replace(problem, delta=np.maximum(problem.delta, _SOFT)).rows(row)
        relaxed = polish(soft, starts, iterations=_HEATS[0][0], caution=1.0)[0]
        row, starts = np.concatenate([row, row]), np.concatenate([starts, relaxed])
    theta, loss = _best(problem, row, starts)
    row, starts = _revived(problem, theta)
    if row.size:
        some = np.unique(row)
        starts = np.concatenate([theta[some], starts])
        theta[some], loss[some] = _best(problem, np.concatenate([some, row]), starts)
    return theta, loss


def _starts(problem: Problem, x: Floats, least: Floats, shape: Shape) -> tuple[Index, Floats]:
    """Return rows (R,) and their starts (R, P): the best cell of every block of exponents.

    The profile has x (n, K) above the least of all rows, the problem that above each row's ``least``.
    """
    tasks = []
    for task in range(problem.tasks):
        at = problem.member == task
        part = Task(x[at], problem.y[:, at], problem.weights[:, at])
        tasks.append(profile(part, shape, log=problem.log))
    trusted = not (problem.log or problem.product) and problem.delta is None
    row, cell = _cells(sum((task.loss for task in tasks), np.zeros(())), trusted)
    local = np.stack([task.local(row, cell) for task in tasks], axis=1)
    exponent = np.stack([exponents(problem.axes)[i] for i in cell], axis=1)
    local = _moved(local, exponent, least[row], problem.product)
    return row, np.concatenate([local.reshape(len(row), -1), exponent], axis=1)


def _cells(loss: Floats, trusted: bool) -> tuple[Index, tuple[Index, ...]]:
    """Return (row, cell) of the least of every block of a (B, G, …, G) profile.

    Of a profile that can be trusted, the solution of each cell being exact, the lower quarter of the
    blocks will do.
    """
    rows, axes, count = len(loss), loss.ndim - 1, _BLOCKS[loss.ndim - 1]
    side = loss.shape[1] // count
    blocks = loss.reshape(rows, *(count, side) * axes)
    blocks = np.moveaxis(blocks, range(1, 2 * axes, 2), range(1, 1 + axes))
    blocks = blocks.reshape(rows, count**axes, side**axes)
    keep = count**axes // 4 if trusted else count**axes
    chosen = np.argsort(blocks.min(axis=2), axis=1)[:, :keep]  # (B, keep)
    row = np.repeat(np.arange(rows), keep)
    inside = blocks[row, chosen.ravel()].argmin(axis=1)
    corner = np.unravel_index(chosen.ravel(), (count,) * axes)
    offset = np.unravel_index(inside, (side,) * axes)
    return row, tuple(c * side + o for c, o in zip(corner, offset, strict=True))


def _best(problem: Problem, row: Index, starts: Floats) -> tuple[Floats, Floats]:
    """Return the lowest minimum of each row, in their order, and its loss, from starts (R, P)."""
    value = np.empty(0)
    for steps, caution, keep in _HEATS:
        starts, value = polish(problem.rows(row), starts, iterations=steps, caution=caution)
        order = np.lexsort((value, row))
        place = np.arange(order.size) - np.searchsorted(row[order], row[order])
        order = order[place < keep]
        row, starts, value = row[order], starts[order], value[order]
    return starts, value


def _revived(problem: Problem, theta: Floats) -> tuple[Index, Floats]:
    """Return rows and starts: where a term is absent, the same with a trace of it at every exponent.

    Without its term an exponent means nothing, so a minimum with an absent term is one only if no
    exponent lets the term back in.
    """
    grid = exponents(problem.axes)
    rows, starts = [], []
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
