"""Best batch size and learning rate from a grid, B̃ and η̃ (arXiv:2502.04327 §4.2, App. D).

For bootstrap k, ``B̃_k(η_i)`` is the batch size of least D at learning rate η_i, and likewise
``η̃_k(B_j)``. They are averaged over the other hyperparameter (D.4), of which they are nearly
independent, and over the bootstraps (D.1, "uncertainty adjustment": a bagged argmin, which moves
smoothly between grid values where a single argmin jumps).

Uncertainty. The value of one bootstrap, averaged over the other hyperparameter, is a draw from the
sampling distribution of the plain (not bagged) estimate; those draws are ``draws``, and carrying
them through the law fits gives intervals that are honest about the choice of seeds. They are
somewhat wide for the bagged estimate itself, whose variance is smaller; the spread of the bagged
mean over *bootstraps* (∝ 1/√K) is Monte-Carlo error and says nothing about seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws.law import Floats
from vs_laws.power_law import fit_power_law
from vs_laws.result import Estimate, Fit

type Mean = Literal["geometric", "arithmetic"]
type Unreached = Literal["missing", "smallest"]


class Edge(StrEnum):
    """The optimum's place in its grid in most bootstraps."""

    INSIDE = "inside the grid"
    SMALLEST = "at the smallest grid value"
    LARGEST = "at the largest grid value"
    SINGLE = "the grid has one value"


@dataclass(frozen=True)
class Optimum:
    """The best value of one hyperparameter at one task and σ.

    Attributes:
        name: ``batch_size`` or ``learning_rate``.
        value: mean over bootstraps of ``draws``; NaN if no run ever reached the level.
        draws: (K,) value of each bootstrap, averaged over the other hyperparameter; NaN where no
            configuration reached the level in it.
        by_other: (m,) mean over bootstraps at each value of the other hyperparameter, the check
            of their near-independence; NaN where the level was never reached.
        grid: (n,) the values tried.
        shares: (n,) share of the argmins (over bootstraps and other values) at each grid value.
        edge: whether the grid brackets the optimum.
        mean: ``geometric`` or ``arithmetic``, used in all averages.
        unreached: share of the argmins that do not exist because every configuration is censored.
    """

    name: str
    value: float
    draws: Floats
    by_other: Floats
    grid: Floats
    shares: Floats
    edge: Edge
    mean: Mean
    unreached: float

    @property
    def estimate(self) -> Estimate:
        """The value with its 95 % percentile interval over the bootstraps."""
        return Estimate.from_draws(self.value, self.draws)

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for a reader: the mean that was used, a grid that is too small, censoring."""
        notes = [f"{self.mean} mean over {self.draws.size} bootstraps"]
        if self.edge is not Edge.INSIDE:
            share = (
                f" in {self.shares.max():.0%} of argmins" if self.edge is not Edge.SINGLE else ""
            )
            notes.append(f"the grid does not bracket the optimum: {self.edge}{share}")
        if self.unreached > 0:
            notes.append(f"{100 * self.unreached:.2g}% of argmins had only censored configurations")
        return tuple(notes)


@dataclass(frozen=True)
class GridOptimum:
    """B̃ and η̃ of one task at one σ."""

    batch_size: Optimum
    learning_rate: Optimum


def grid_optimum(
    steps: ArrayLike,
    *,
    learning_rates: ArrayLike,
    batch_sizes: ArrayLike,
    mean: Mean = "geometric",
    unreached: Unreached = "missing",
) -> GridOptimum:
    """B̃ and η̃ with uncertainty adjustment (D.1), averaged over the other hyperparameter (D.4).

    Ties go to the smaller value. A configuration in which no run reached the level (``inf``) or
    that was not run (NaN) never wins an argmin.

    Args:
        steps: (K, n_eta, n_B) env steps to the level, or (n_eta, n_B) without bootstraps.
        learning_rates: (n_eta,) ascending.
        batch_sizes: (n_B,) ascending.
        mean: of bootstraps and of the other hyperparameter. Both axes are logarithmic, hence
            geometric; the papers use the arithmetic one.
        unreached: what an argmin is where every configuration is censored. ``missing`` leaves it
            out; ``smallest`` is the published code's behaviour (the first grid value), a defect
            kept only to reproduce its numbers.

    Raises:
        ValueError: on shapes that do not match, grids not ascending and positive, or steps ≤ 0.
    """
    rates, batches = _grid("learning_rates", learning_rates), _grid("batch_sizes", batch_sizes)
    table = _table(steps, rates, batches)
    if mean not in ("geometric", "arithmetic"):
        raise ValueError(f"mean must be 'geometric' or 'arithmetic', got {mean!r}")
    if unreached not in ("missing", "smallest"):
        raise ValueError(f"unreached must be 'missing' or 'smallest', got {unreached!r}")
    return GridOptimum(
        _optimum("batch_size", table, batches, mean, unreached),
        _optimum("learning_rate", table.swapaxes(1, 2), rates, mean, unreached),
    )


def _optimum(name: str, table: Floats, grid: Floats, mean: Mean, unreached: Unreached) -> Optimum:
    """``table`` (K, m, n), the hyperparameter ``grid`` (n,) on the last axis."""
    run = ~np.isnan(table)
    cost = np.where(run, table, np.inf)
    winner = cost.argmin(axis=2)  # first of ties: the smallest
    reached = np.isfinite(cost.min(axis=2))
    known = reached | run.any(axis=2) if unreached == "smallest" else reached
    if unreached == "smallest":
        winner = np.where(reached, winner, run.argmax(axis=2))
    value = np.where(known, grid[winner], np.nan)  # (K, m)
    draws = _average(value, mean, axis=1)
    shares = np.bincount(winner[known], minlength=grid.size) / max(int(known.sum()), 1)
    if grid.size == 1:
        edge = Edge.SINGLE
    elif shares[0] > 0.5:
        edge = Edge.SMALLEST
    else:
        edge = Edge.LARGEST if shares[-1] > 0.5 else Edge.INSIDE
    expected = run.any(axis=2)
    lost = float((expected & ~reached).sum() / max(int(expected.sum()), 1))
    bagged = float(_average(draws, mean, axis=0))
    by_other = _average(value, mean, axis=0)
    return Optimum(name, bagged, draws, by_other, grid, shares, edge, mean, lost)


def _average(values: Floats, mean: Mean, *, axis: int) -> Floats:
    """Mean of the entries that are not NaN; NaN where there are none."""
    here = ~np.isnan(values)
    terms = np.where(here, np.log(values) if mean == "geometric" else values, 0.0)
    count = here.sum(axis=axis)
    average = terms.sum(axis=axis) / np.maximum(count, 1)
    return np.where(count > 0, np.exp(average) if mean == "geometric" else average, np.nan)


def fit_hyperparameter_law(
    sigma: ArrayLike,
    optima: Sequence[Optimum],
    *,
    tasks: Sequence[str] | None = None,
    shared_exponent: bool = True,
) -> Fit:
    """B*(σ) or η*(σ): a power law with one exponent per benchmark and an intercept per task.

    Args:
        sigma: (n,) σ of each optimum.
        optima: n optima of one hyperparameter, with bootstraps drawn alike (same K).
        tasks: (n,) task of each optimum; None for one task.
        shared_exponent: one exponent for all tasks (published), or one for each.

    Returns:
        Fit of ``value = coefficient[task]·σ**exponent`` with percentile intervals over the
        bootstraps; its notes name the mean used and every optimum that its grid does not bracket.

    Raises:
        ValueError: if the optima are of different hyperparameters, means or bootstrap counts, or
            the law cannot be fitted (see `fit_power_law`).
    """
    levels = np.asarray(sigma, float)
    if len(optima) == 0 or levels.shape != (len(optima),):
        raise ValueError(f"sigma has shape {levels.shape}, expected one per optimum: {len(optima)}")
    kinds = {(o.name, o.mean, o.draws.size) for o in optima}
    if len(kinds) > 1:
        raise ValueError(
            f"optima must share hyperparameter, mean and number of bootstraps, got {sorted(kinds)}"
        )
    draws = np.stack([o.draws for o in optima], axis=1)
    fit = fit_power_law(
        [o.value for o in optima],
        sigma=levels,
        tasks=tasks,
        shared_exponent=shared_exponent,
        draws=draws if draws.shape[0] > 1 else None,
    )
    names = [""] * len(optima) if tasks is None else [f"{task}, " for task in tasks]
    notes = tuple(
        f"{names[i]}sigma {levels[i]:g}: {note}"
        for i, optimum in enumerate(optima)
        for note in optimum.notes[1:]
    )
    return replace(
        fit,
        formula=f"{optima[0].name} = coefficient * sigma^sigma_exponent",
        notes=(f"{optima[0].mean} mean over bootstraps and grid", *notes, *fit.notes),
    )


@dataclass(frozen=True)
class Configuration:
    """A batch size and a learning rate, and how the grid judged them."""

    batch_size: float
    learning_rate: float
    steps: float
    """Mean env steps to the level over the bootstraps that reached it."""
    censored: float
    """Share of the bootstraps that did not reach it."""


def best_configuration(
    steps: ArrayLike,
    *,
    learning_rates: ArrayLike,
    batch_sizes: ArrayLike,
    mean: Mean = "geometric",
) -> Configuration:
    """The configuration of least bootstrap-averaged D: at a middle σ, the papers' baseline.

    A configuration censored in a bootstrap has an infinite average; when all do, the one censored
    least often wins, then the least mean over the bootstraps that reached the level. Ties go to
    the smaller batch size, then the smaller learning rate.

    Args:
        steps: (K, n_eta, n_B) or (n_eta, n_B); ``inf`` censored, NaN not run.
        learning_rates: (n_eta,) ascending.
        batch_sizes: (n_B,) ascending.
        mean: of D over bootstraps.

    Raises:
        ValueError: as `grid_optimum`, or if no configuration ever reached the level.
    """
    rates, batches = _grid("learning_rates", learning_rates), _grid("batch_sizes", batch_sizes)
    table = _table(steps, rates, batches)
    reached = np.isfinite(table)
    if not reached.any():
        raise ValueError("no configuration of the grid reached the level; choose a lower threshold")
    average = _average(np.where(reached, table, np.nan), mean, axis=0)
    censored = np.isinf(table).mean(axis=0)
    row, column = np.indices(average.shape)
    order = np.lexsort(
        [v.ravel() for v in (row, column, np.nan_to_num(average, nan=np.inf), censored)]
        + [np.isnan(average).ravel()]
    )
    i, j = np.unravel_index(order[0], average.shape)
    return Configuration(
        float(batches[j]), float(rates[i]), float(average[i, j]), float(censored[i, j])
    )


def middle_level(sigma: ArrayLike) -> float:
    """The (lower) middle of the distinct levels: 2 for σ ∈ {1, 2, 4, 8}, as in paper 1.

    Raises:
        ValueError: if there is no level.
    """
    levels = np.unique(np.asarray(sigma, float))
    if levels.size == 0:
        raise ValueError("sigma is empty; a baseline needs at least one level")
    return float(levels[(levels.size - 1) // 2])


def round_batch_size(
    batch_size: ArrayLike, *, to: int | Literal["power of two"] = 16
) -> NDArray[np.int64]:
    """Return the nearest positive multiple (published: 16), or the nearest power of two in log.

    Raises:
        ValueError: if a batch size is not positive and below 2⁵³, or ``to`` is not a positive integer.
    """
    size = np.asarray(batch_size, float)
    if not np.all((size > 0) & (size < 2.0**53)):
        raise ValueError("batch_size must be positive and below 2**53 to be rounded")
    if to == "power of two":
        return (2 ** np.maximum(np.rint(np.log2(size)), 0)).astype(np.int64)
    if not isinstance(to, int) or to < 1:
        raise ValueError(f"to must be a positive integer or 'power of two', got {to!r}")
    return (to * np.maximum(np.rint(size / to), 1)).astype(np.int64)


def nearest(places: Mapping[str, ArrayLike], target: Mapping[str, ArrayLike]) -> NDArray[np.int64]:
    """Return the index of the place nearest to each target, Euclidean in the logarithms.

    The choice looks at the places only, never at what was measured there: taking the best run instead
    would make D_J too small by its noise.

    Args:
        places: (n,) positive coordinates by name.
        target: scalars or (m,) by the same names; a NaN coordinate is passed over.

    Raises:
        ValueError: if the names differ, or there is no place.
    """
    if places.keys() != target.keys():
        raise ValueError(f"places have {', '.join(places)}, the target {', '.join(target)}")
    distance = np.zeros(())
    for name, values in places.items():
        at = np.asarray(target[name], float)
        gap = np.log(np.asarray(values, float) / at[..., None])
        distance = distance + np.where(np.isnan(gap), 0.0, gap**2)
    if distance.shape[-1:] in ((), (0,)):
        raise ValueError("there is no place to choose from")
    return distance.argmin(axis=-1)


def width_of(params: float, known: Sequence[tuple[float, float]]) -> float | None:
    """Return the network width of a parameter count, from (parameters, width) pairs that were run.

    log width is linear in log N between the pairs, and in proportion to √N beyond them. None without
    pairs.
    """
    if not known:
        return None
    counts, widths = np.log(np.array(sorted(known), float)).T
    inside = np.interp(np.log(params), counts, widths)
    beyond = np.log(params) - np.clip(np.log(params), counts[0], counts[-1])
    return float(np.exp(inside + beyond / 2))


def _grid(name: str, values: ArrayLike) -> Floats:
    grid = np.asarray(values, float)
    if grid.ndim != 1 or grid.size == 0 or not np.all(np.isfinite(grid) & (grid > 0)):
        raise ValueError(f"{name} must be a non-empty 1-D array of positive finite values")
    if np.any(np.diff(grid) <= 0):
        raise ValueError(f"{name} must be strictly ascending, got {grid.tolist()}")
    return grid


def _table(steps: ArrayLike, rates: Floats, batches: Floats) -> Floats:
    table = np.asarray(steps, float)
    if table.ndim == 2:
        table = table[None]
    expected = (rates.size, batches.size)
    if table.ndim != 3 or table.shape[1:] != expected or table.shape[0] == 0:
        raise ValueError(
            f"steps has shape {np.shape(steps)}, expected (bootstraps, {expected[0]} learning "
            f"rates, {expected[1]} batch sizes)"
        )
    if np.any(table <= 0):
        raise ValueError("steps must be positive (inf where censored, NaN where not run)")
    return table
