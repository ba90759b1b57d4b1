"""Which configuration stands for each task and σ when the data law is fitted."""

from collections.abc import Callable, Sequence

import numpy as np

from vs_analyze.measure import Cell
from vs_analyze.runs import AnalysisError

type Target = Callable[[str, float], tuple[float, float]]
"""(env, σ) → (batch size, learning rate)."""


def fitted_cells(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Cells by env, sorted by σ; every (env, σ) must have been run at one configuration only.

    Raises:
        AnalysisError: an (env, σ) has several configurations.
    """
    found: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.run.env, cell.utd)):
        row = found.setdefault(cell.run.env, [])
        if row and row[-1].utd == cell.utd:
            raise AnalysisError(
                f"fitted runs: {cell.run.env} has several configurations at utd {cell.utd:g}; "
                "expected one per task and utd (give a grid as the table itself)"
            )
        row.append(cell)
    return found


def nearest_cells(cells: Sequence[Cell], target: Target) -> dict[str, list[Cell]]:
    """At each (env, σ) the cell nearest to the target hyperparameters, in log distance.

    The choice looks at the hyperparameters only, never at the returns: picking the best cell instead
    would make D_J too small by its noise.
    """
    found: dict[str, list[Cell]] = {}
    for env, utd in sorted({(cell.run.env, cell.utd) for cell in cells}):
        batch_size, learning_rate = target(env, utd)
        here = [cell for cell in cells if (cell.run.env, cell.utd) == (env, utd)]
        found.setdefault(env, []).append(
            min(
                here,
                key=lambda cell: (
                    np.log(cell.run.batch_size / batch_size) ** 2
                    + np.log(cell.run.learning_rate / learning_rate) ** 2
                ),
            )
        )
    return found
