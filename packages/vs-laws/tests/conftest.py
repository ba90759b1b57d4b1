"""Measured env steps simulated from known laws."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from vs_laws import Measured

SEEDS = 4


def study(
    truth: Callable[..., Any],
    rng: np.random.Generator,
    *,
    levels: int = 5,
    noise: float = 0.05,
    own: float = 0.035,
    **places: NDArray[np.float64],
) -> Measured:
    """Return runs of 4 seeds, log D = truth(places) + level + own lack of fit + seed noise.

    Args:
        truth: (n,) log D of the places by axis.
        rng: of everything that is drawn.
        levels: J.
        noise: deviation of log D over seeds of a run's mean.
        own: deviation of a run's own lack of fit.
        **places: (n,) by axis.
    """
    t = np.linspace(-0.5, 0.5, levels)
    n = len(next(iter(places.values())))
    root = noise * np.linalg.cholesky(np.exp(-np.abs(np.subtract.outer(t, t)) / 0.2))
    log = np.asarray(truth(**places))[:, None] + 0.8 * t + own * rng.normal(size=(n, 1))
    log = log + rng.normal(size=(n, levels)) @ root.T
    spread = np.sqrt((SEEDS - 1) / SEEDS)
    draws = np.exp(log + spread * rng.normal(size=(50, n, levels)) @ root.T)
    return Measured.of(
        np.exp(log), 300 + 500 * (t + 0.5), draws=draws, seeds=SEEDS, spacing=1e3, **places
    )


@pytest.fixture(name="study", scope="session")
def _study() -> Callable[..., Measured]:
    return study


@pytest.fixture(scope="session")
def grid() -> dict[str, NDArray[np.float64]]:
    """4 × 4 places: σ and N."""
    sigma, width = np.meshgrid([1.0, 2, 4, 8], [2e5, 6e5, 2e6, 8e6], indexing="ij")
    return {"sigma": sigma.ravel(), "critic_params": width.ravel()}


@pytest.fixture(scope="session")
def plain() -> Callable[..., Any]:
    """A law of the papers' form over σ and N, in log D."""

    def truth(sigma: Any, critic_params: Any) -> Any:
        return np.log(1e5 + 1e5 * sigma**-0.7 + 1e5 * (critic_params / 1e6) ** -0.4)

    return truth
