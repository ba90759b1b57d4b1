"""Shapes of log D over places and levels: a term per axis, added to a floor or multiplied.

With s a place relative to the geometric mean of the fitted ones and t the position of the level,

    additive:  f = log(1 + Σ_k e^{u_k} s_k^{−α_k}) − log(1 + Σ_k e^{u_k})
    product:   f = Σ_k [log(1 + e^{u_k} s_k^{−α_k}) − log(1 + e^{u_k})]

with u_k and ln α_k linear in t. f is 0 at s = 1, so that the level's own height stands apart.
"""

from typing import Literal

import numpy as np

from vs_laws.law import Floats

type Shape = Literal["additive", "product"]

PER_AXIS = 4
"""Parameters of an axis: u and ln α at the middle level, and their slopes over levels."""


def shape(form: Shape, theta: Floats, logs: Floats, t: Floats) -> tuple[Floats, Floats]:
    """Return f (n,) and its derivatives (n, 4K).

    Args:
        form: how terms combine.
        theta: (4K,), per axis u, its slope, ln α, its slope.
        logs: (n, K) ln s.
        t: (n,) positions of levels.
    """
    own = theta.reshape(-1, PER_AXIS)  # (K, 4)
    u, alpha = terms(theta, t)
    z = u - alpha * logs
    value = _combined(form, z) - _combined(form, u)
    at_z, at_one = _shares(form, z), _shares(form, u)
    by_u = at_z - at_one
    by_log_alpha = -at_z * alpha * logs
    slopes = np.stack([by_u, by_u * t[:, None], by_log_alpha, by_log_alpha * t[:, None]], axis=2)
    return value, slopes.reshape(len(t), own.size)


def terms(theta: Floats, t: Floats) -> tuple[Floats, Floats]:
    """Return u and α, each (n, K), at positions t (n,); ``theta`` may have leading dimensions."""
    own = theta.reshape(*theta.shape[:-1], 1, -1, PER_AXIS)
    at = t[:, None]
    return own[..., 0] + own[..., 1] * at, np.exp(own[..., 2] + own[..., 3] * at)


def _combined(form: Shape, z: Floats) -> Floats:
    if form == "product":
        return np.logaddexp(0.0, z).sum(axis=1)
    return np.logaddexp.reduce(np.column_stack([np.zeros(len(z)), z]), axis=1)


def _shares(form: Shape, z: Floats) -> Floats:
    """Return the derivative of `_combined` by z: each term's share of the whole."""
    if form == "product":
        return np.exp(-np.logaddexp(0.0, -z))
    return np.exp(z - _combined(form, z)[:, None])
