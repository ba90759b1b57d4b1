"""All levels of a configuration pooled into one response: its shift against the others of its group.

A cell is a configuration (task, σ, B, η); a group holds the cells of one task and σ. Within a group
log D_cj = profile_j + shift_c + noise, with noise correlated over levels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vs_laws.law import Floats


@dataclass(frozen=True)
class Responses:
    """Pooled responses of n cells in G groups.

    Attributes:
        shift: (n,) generalised least-squares shift of each cell; NaN where it reached no level.
        shrink: (n,) variance of the shift, in units of the variance at one level.
        profile: (G, J) log D of a shift of 0, of mean 0 over the levels some cell reached; NaN at others.
        bound: (n,) the shift lies above it before noise (the first level not reached, with a known
            profile); NaN without one.
        tie: (n,) correlation of the noise at that level with that of the shift, in the same units.
        shift_draws: (K, n).
        profile_draws: (K, G, J).
        bound_draws: (K, n).
    """

    shift: Floats
    shrink: Floats
    profile: Floats
    bound: Floats
    tie: Floats
    shift_draws: Floats
    profile_draws: Floats
    bound_draws: Floats


def pool_levels(
    data: Floats,
    draws: Floats,
    last_steps: Floats,
    variance: Floats,
    correlation: Floats,
    group: NDArray[np.int64],
) -> Responses:
    """Pool the levels of every cell.

    Args:
        data: (n, J) env steps; ``inf`` censored, NaN missing.
        draws: (K, n, J); an entry that is not finite where the data are is taken at the last step.
        last_steps: (n, J) env step at which a level not reached is censored.
        variance: (n,) of log D at one level.
        correlation: (J, J) of the noise over levels.
        group: (n,) index of each cell's group, 0 … G−1.
    """
    reached = np.isfinite(data)
    y = np.log(np.where(reached, data, 1.0))
    many = np.log(
        np.where(reached, np.where(np.isfinite(draws), draws, np.fmax(last_steps, data)), 1.0)
    )
    both = reached[:, :, None] & reached[:, None, :]
    inverse = np.linalg.inv(np.where(both, correlation, np.eye(len(correlation))))
    inverse = np.where(both, inverse, 0.0)
    heavy = inverse.sum(axis=2)
    mass = heavy.sum(axis=1)
    weights = heavy / np.maximum(mass, 1e-300)[:, None]
    contrast = (inverse - heavy[:, :, None] * weights[:, None, :]) / variance[:, None, None]

    hot = np.equal.outer(np.arange(group.max() + 1), group).astype(float)
    normal = np.linalg.pinv(np.einsum("gn,nij->gij", hot, contrast), rcond=1e-10, hermitian=True)
    known = hot @ reached > 0

    def two_way(rows: Floats) -> tuple[Floats, Floats, Floats]:
        """Return shifts, profiles and bounds of rows (B, n, J)."""
        pooled = np.einsum("nij,bnj->bni", contrast, rows)
        profile = np.einsum("gij,gn,bnj->bgi", normal, hot, pooled, optimize=True)
        shift = np.einsum("nj,bnj->bn", weights, rows - profile[:, group])
        bound = np.log(last_steps[cell, level]) - profile[:, group[cell], level]
        return (
            np.where(mass > 0, shift, np.nan),
            np.where(known, profile, np.nan),
            np.where(censored, bound, np.nan),
        )

    cell, unreached = np.arange(len(data)), np.isposinf(data) & known[group]
    censored, level = unreached.any(axis=1), unreached.argmax(axis=1)
    shift, profile, bound = (part[0] for part in two_way(y[None]))
    return Responses(
        shift,
        np.where(mass > 0, 1.0 / np.maximum(mass, 1e-300), np.nan),
        profile,
        bound,
        np.einsum("nj,nj->n", weights, correlation[:, level].T),
        *two_way(many),
    )
