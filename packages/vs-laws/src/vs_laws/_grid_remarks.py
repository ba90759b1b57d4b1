"""Remarks on a surface of hyperparameters: what its grid could not show."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vs_laws._about_optimum import EXPONENT
from vs_laws.hyperparameters import Hyperparameters, Name
from vs_laws.law import Floats

_TENTH = float(np.log(1.1))
_UNINFORMED = 0.8  # share of the prior's sd above which an exponent is the prior's


def remarks(found: Hyperparameters, steps: Mapping[str, float]) -> tuple[str, ...]:
    """Return remarks on shared exponents, coarse grids, optima at an edge, and σ that say too little.

    Args:
        found: the fitted surface.
        steps: median ratio between neighbouring values of each hyperparameter, octaves.
    """
    notes: list[str] = []
    values = np.unique([sigma for _, sigma in found.places])
    if len(found.tasks) > 1:
        notes.append(f"one exponent for {len(found.tasks)} tasks")
    if values.size == 1:
        notes.append(f"all cells have sigma {values[0]:g}: the exponents are the prior's")
    for k, (name, fit) in enumerate(found.fits.items()):
        exponent = fit.parameters["sigma_exponent"]
        if values.size > 1 and exponent.std_error > _UNINFORMED * EXPONENT[1]:
            notes.append(
                f"the data say little about the exponent of {name}: sd {exponent.std_error:.2f}, "
                f"{EXPONENT[1]:g} before them"
            )
        notes += _coarse(found, name, k, steps[name])
        notes += _edges(found, name)
    return tuple(notes)


def _coarse(found: Hyperparameters, name: Name, k: int, step: float) -> list[str]:
    """Return a remark on tasks where the values within 10 % of the best fit between two of the grid."""
    width = 2.0 * np.sqrt(_TENTH / found.curvature[:, k])
    tasks = [task for task, octaves in zip(found.tasks, width, strict=True) if octaves < step]
    if not tasks:
        return []
    return [
        f"the grid of {name} is too coarse for {', '.join(tasks)}: its values are "
        f"{2.0**step:.2g} times apart, and those within 10% of the best span a factor of "
        f"{2.0 ** width.min():.2g}"
    ]


def _edges(found: Hyperparameters, name: Name) -> list[str]:
    """Return a remark on the tasks and σ whose optimum lies beyond what was tried there."""
    beyond, fit = [], found.fits[name]
    for place, (task, sigma) in enumerate(found.places):
        low, high = found.tried[name][place]
        best = fit.predict(task=task, sigma=sigma).value
        if not low <= best <= high:
            end = f"tried up to {high:.3g}" if best > high else f"tried down to {low:.3g}"
            beyond.append(f"{task} at sigma {sigma:g} ({best:.3g}, {end})")
    return [f"the best {name} lies beyond those tried: {', '.join(beyond)}"] if beyond else []


def step_of(x: Floats, group: NDArray[np.int64]) -> float:
    """Return the median ratio between neighbouring values of a group, in octaves."""
    gaps = [np.diff(np.log2(np.unique(x[group == g]))) for g in np.unique(group)]
    return float(np.median(np.concatenate(gaps)))
