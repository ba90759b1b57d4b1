"""Stated rules on when the data support a law; each returns a word and a sentence.

The rules are tried in this order, and the first that applies names the verdict:

1. *too few levels*: fewer distinct x than parameters + 1 (power law 3, law with an offset 4).
2. *non-monotone*: two levels are ordered the wrong way beyond noise (`worst_reversal`).
3. *flat*: the 95 % interval of the log-log slope includes 0, or the fitted amplitude is 0.
4. *unidentified*: a parameter sits at a bound, its interval reaches a bound, or the interval spans
   more than `MAX_DECADES` decades.
5. *supported* otherwise.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import special

from vs_laws.law import Floats

LEVEL = 0.95
"""Coverage of every interval, and of the tests below (two-sided)."""

MAX_DECADES = 2.0
"""A positive quantity whose interval has high / low above 10**MAX_DECADES is not identified."""

_EXACT = 1e-9  # log units: reversals below this are rounding, whatever the noise estimate says


class Verdict(StrEnum):
    """The data's word on a law, one that a user can act on.

    The first five are of single-level fits; the others, and *flat* and *non-monotone*, of
    `vs_laws.standing`.
    """

    SUPPORTED = "supported"
    FLAT = "flat"
    NON_MONOTONE = "non-monotone"
    UNIDENTIFIED = "unidentified"
    TOO_FEW_LEVELS = "too few levels"
    CHECKED = "checked"
    NOT_BETTER = "not better than the nearest run"
    MISFIT = "misfit"
    FALLS = "falls"
    RISES = "rises"
    NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Judgement:
    """A verdict with the sentence that justifies it."""

    verdict: Verdict
    reason: str


def t_quantile(dof: float, tail: float = (1.0 - LEVEL) / 2.0) -> float:
    """Upper ``tail`` quantile of Student's t; ``inf`` without degrees of freedom."""
    return float(special.stdtrit(dof, 1.0 - tail)) if dof > 0 else float("inf")


def too_few_levels(levels: int, parameters: int) -> Judgement | None:
    """Rule 1: at least one level more than the law has parameters."""
    if levels > parameters:
        return None
    return Judgement(
        Verdict.TOO_FEW_LEVELS,
        f"{levels} distinct level(s) cannot test a law with {parameters} parameters; "
        f"at least {parameters + 1} are needed",
    )


def worst_reversal(
    x: Floats, log_y: Floats, log_samples: Floats | None = None
) -> tuple[int, int] | None:
    """Rule 2: the pair of levels ``x[i] < x[j]`` at which y *rises* most clearly, if beyond noise.

    A pair counts when ``log y_j - log y_i`` exceeds ``q`` standard errors, ``q`` being the quantile
    at 2.5 % divided by the number of pairs (Bonferroni). The standard error is the difference's
    standard deviation over the bootstraps. Without bootstraps (or with degenerate ones) it is
    √2 × the residual standard deviation of a quadratic in log x, which needs five levels. The
    decrease is tested by passing ``-log_y``.

    Args:
        x: (n,) levels.
        log_y: (n,) logarithms of the values; NaN where missing.
        log_samples: (K, n) the same for the bootstraps; NaN where missing.

    Returns:
        Indices (i, j) of the pair, or None if no rise is beyond noise.
    """
    seen = np.flatnonzero(np.isfinite(log_y))
    seen = seen[np.argsort(x[seen], kind="stable")]
    low, high = np.triu_indices(seen.size, 1)
    low, high = seen[low], seen[high]
    keep = x[low] < x[high]
    low, high = low[keep], high[keep]
    if low.size == 0:
        return None
    rise = log_y[high] - log_y[low]
    tail = (1.0 - LEVEL) / 2.0 / low.size
    error = np.zeros(low.size)
    if log_samples is not None and log_samples.shape[0] > 1:
        spread = log_samples[:, high] - log_samples[:, low]
        here = np.isfinite(spread)
        count = here.sum(axis=0)
        mean = np.where(here, spread, 0.0).sum(axis=0) / np.maximum(count, 1)
        squares = (np.where(here, spread - mean, 0.0) ** 2).sum(axis=0)
        error = np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.inf)
    if np.any(error > 0):
        quantile = float(special.ndtri(1.0 - tail))
    else:
        dof = np.unique(x[seen]).size - 3
        if dof < 2:
            return None
        basis = np.vander(np.log(x[seen]) - np.log(x[seen]).mean(), 3)
        fitted = basis @ np.linalg.lstsq(basis, log_y[seen], rcond=None)[0]
        error = np.full(low.size, np.sqrt(2.0 * np.sum((log_y[seen] - fitted) ** 2) / dof))
        quantile = t_quantile(dof, tail)
    beyond = rise - quantile * error
    worst = int(np.argmax(beyond))
    return (int(low[worst]), int(high[worst])) if beyond[worst] > _EXACT else None


def non_monotone(x: Floats, pair: tuple[int, int] | None, *, name: str) -> Judgement | None:
    """Rule 2 as a judgement: ``pair`` is what `worst_reversal` found."""
    if pair is None:
        return None
    i, j = pair
    return Judgement(
        Verdict.NON_MONOTONE,
        f"{name} is larger at {x[j]:.4g} than at {x[i]:.4g}, beyond noise; the law only decreases",
    )


def flat(low: float, high: float, axis: str) -> Judgement | None:
    """Rule 3: the interval [low, high] of the log-log slope on an axis includes 0 (or is unknown)."""
    if low > 0 or high < 0:
        return None
    return Judgement(
        Verdict.FLAT,
        f"no dependence on {axis} beyond noise: the 95% interval of the log-log slope, "
        f"[{low:.3g}, {high:.3g}], includes 0",
    )


def decades(low: float, high: float) -> float:
    """log10(high / low); ``inf`` when the interval reaches 0 or is unknown."""
    if not (np.isfinite(low) and np.isfinite(high)) or low <= 0:
        return float("inf")
    return float(np.log10(high / low))


def wide(name: str, low: float, high: float) -> Judgement | None:
    """Rule 4 for a positive quantity: its interval spans more than `MAX_DECADES` decades."""
    span = decades(low, high)
    if span <= MAX_DECADES:
        return None
    how = "reaches 0 or is unbounded" if np.isinf(span) else f"spans {span:.1f} decades"
    return Judgement(
        Verdict.UNIDENTIFIED, f"the 95% interval of {name}, [{low:.3g}, {high:.3g}], {how}"
    )


def at_bound(name: str, value: float, bound: float) -> Judgement:
    """Rule 4 for a parameter at a bound of its search."""
    return Judgement(
        Verdict.UNIDENTIFIED, f"{name} = {value:.4g} is at the bound {bound:.4g} of its search"
    )


def touches(
    name: str, low: float, high: float, bounds: tuple[float, float], *, rtol: float = 1e-6
) -> Judgement | None:
    """Rule 4: the interval reaches (within ``rtol``) a bound of the parameter's search."""
    if low > bounds[0] * (1.0 + rtol) and high < bounds[1] * (1.0 - rtol):
        return None
    return Judgement(
        Verdict.UNIDENTIFIED,
        f"the 95% interval of {name}, [{low:.3g}, {high:.3g}], reaches a bound of its search "
        f"[{bounds[0]:g}, {bounds[1]:g}]",
    )


def supported(what: str) -> Judgement:
    """Rule 5."""
    return Judgement(Verdict.SUPPORTED, what)
