"""Steps that repeat in one metric of one seed: a copy, a resumed run, a restart, several episodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vs_logging.table import RunTableError

type Repeats = Literal["last", "mean", "restart", "refuse"]
"""The choices of ``--repeats``; without one, copies and resumed runs are recognised.

``last`` keeps what came last: a row that goes back to a step replaces everything logged from that
step on. ``restart`` keeps the last attempt of a run that began again before its second evaluation.
``mean`` averages the values at one step. ``refuse`` takes exact copies only.
"""

RESUMED = "rows of resumed runs that were logged again later left out"
SORTED = "rows that were not in the order of their steps sorted"
_LEFT_OUT = {
    "last": "rows left out because later rows went back to their step (--repeats last)",
    "restart": "rows of earlier attempts left out (--repeats restart)",
}
_AVERAGED = "rows at a step that several rows have averaged (--repeats mean)"


@dataclass(frozen=True)
class Curve:
    """One metric with one value per step.

    Attributes:
        steps: Shape (n,), increasing env steps.
        values: Shape (n,).
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Resolved:
    """The curves in a log: one, or several of seeds without a number.

    Attributes:
        curves: In the order of logging.
        copies: Number of exact repeats of a row that were left out.
        remarks: What was done → number of rows.
    """

    curves: tuple[Curve, ...]
    copies: int = 0
    remarks: Mapping[str, int] = field(default_factory=dict)


def resolve(
    steps: NDArray[np.int64], values: NDArray[np.float64], repeats: Repeats | None = None
) -> Resolved:
    """Give one metric of one seed one value per step.

    By default exact copies of rows are left out. A log that goes back, but not before its second
    evaluation, is of a resumed run: what came last is kept. Whole curves over the same steps, one
    after another, are of several seeds. Rows without repeats are put in order.

    Args:
        steps: Shape (n,) env steps, in the order of logging.
        values: Shape (n,).
        repeats: The user's choice.

    Raises:
        RunTableError: A step has several values, and which of them counts is not clear.
    """
    if (np.diff(steps) > 0).all():
        return Resolved((Curve(steps, values),))
    if repeats == "mean":
        return _averaged(steps, values)
    if repeats in ("last", "restart"):
        return _latest(steps, values, restart=repeats == "restart", remark=_LEFT_OUT[repeats])
    unique, first, where = np.unique(steps, return_index=True, return_inverse=True)
    if len(unique) == len(steps):
        moved = int((np.diff(steps) < 0).sum())
        return Resolved((Curve(unique, values[first]),), remarks={SORTED: moved})
    if _same(values, values[first][where]).all():
        return Resolved((Curve(unique, values[first]),), copies=len(steps) - len(unique))
    once = np.r_[True, (np.diff(steps) != 0) | ~_same(values[1:], values[:-1])]
    copies = int((~once).sum())
    steps, values = steps[once], values[once]
    starts = np.flatnonzero(np.r_[True, np.diff(steps) <= 0])
    if repeats != "refuse" and not (np.diff(steps) == 0).any():
        blocks = np.split(steps, starts[1:])
        if len(blocks[0]) > 1 and all(np.array_equal(block, blocks[0]) for block in blocks):
            seeds = map(Curve, blocks, np.split(values, starts[1:]))
            return Resolved(tuple(seeds), copies)
        if len(blocks[0]) > 1 and (steps[starts[1:]] >= steps[1]).all():
            resumed = _latest(steps, values, restart=False, remark=RESUMED)
            return Resolved(resumed.curves, copies, resumed.remarks)
    raise _ambiguous(steps, values, starts)


def _averaged(steps: NDArray[np.int64], values: NDArray[np.float64]) -> Resolved:
    unique, where, counts = np.unique(steps, return_inverse=True, return_counts=True)
    known = ~np.isnan(values)
    number = np.bincount(where, weights=known, minlength=len(unique))
    total = np.bincount(where, weights=np.where(known, values, 0.0), minlength=len(unique))
    means = np.divide(total, number, out=np.full(len(unique), np.nan), where=number > 0)
    several = int(counts[counts > 1].sum())
    return Resolved((Curve(unique, means),), remarks={_AVERAGED: several} if several else {})


def _latest(
    steps: NDArray[np.int64], values: NDArray[np.float64], *, restart: bool, remark: str
) -> Resolved:
    """Keep the rows that no later row goes back to; of the last attempt only, if ``restart``."""
    starts = np.flatnonzero(np.r_[True, np.diff(steps) <= 0])
    second = steps[1] if starts[1] > 1 else steps[0] + 1
    begin = starts[steps[starts] < second][-1] if restart else 0
    later = np.minimum.accumulate(steps[::-1])[::-1]
    kept = np.r_[steps[:-1] < later[1:], True]
    kept[:begin] = False
    return Resolved((Curve(steps[kept], values[kept]),), remarks={remark: int((~kept).sum())})


def _same(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (a == b) | (np.isnan(a) & np.isnan(b))


def _ambiguous(
    steps: NDArray[np.int64], values: NDArray[np.float64], starts: NDArray[np.int64]
) -> RunTableError:
    twice = np.flatnonzero(np.diff(steps) == 0)
    if len(twice):
        step = steps[twice[0]]
        what = "as if of several episodes or a value logged again"
        give = "--repeats mean averages them, --repeats last keeps the last"
    else:
        unique, counts = np.unique(steps, return_counts=True)
        step = unique[np.argmax(counts > 1)]
        again = steps[starts[1:]].min()
        what = f"as if the run started again (a later row goes back to {again})"
        give = "--repeats restart keeps the last attempt"
    several = values[steps == step]
    return RunTableError(
        f"env_step {step} has {len(several)} different values ({several[0]:g}, {several[1]:g}"
        f"{', …' if len(several) > 2 else ''}) for one seed, {what}; {give}; several seeds need a "
        "number each"
    )
