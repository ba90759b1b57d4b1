"""The findings of an analysis: of each task, and of all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import vs_laws as laws
from numpy.typing import NDArray

from vs_analyze.hyperparameters import Hyperparameter, Name
from vs_analyze.laws_file import TaskLaws
from vs_analyze.levels import Levels
from vs_analyze.measure import Cell, Grid
from vs_analyze.runs import AnalysisError
from vs_analyze.settings import Settings
from vs_analyze.td_errors import TdErrors

if TYPE_CHECKING:
    from vs_analyze.recommend import Recommendation

type Floats = NDArray[np.float64]
type Axis = Literal["sigma", "critic_params"]

ONE: tuple[Axis, ...] = ("sigma",)
BOTH: tuple[Axis, ...] = ("sigma", "critic_params")


@dataclass(frozen=True)
class DataFit:
    """A data law and the tasks that share it, at one level of theirs."""

    level: float
    envs: tuple[str, ...]
    fit: laws.Fit


@dataclass(frozen=True)
class TaskStudy:
    """Findings about one task.

    Attributes:
        laws: what predicts: the part that ``laws.json`` holds.
        cells: all configurations, measured at ``levels``.
        chosen: the one that stands for each place in the data laws, sorted by place.
        levels: all of them; ``laws`` lacks those that could not be fitted.
        batch_size: B* and where it comes from.
        learning_rate: the same of η*; None over two axes.
        budget: the laws along the budget; None where they could not be fitted.
        alone: by axis, the cost of scaling it alone; empty over one axis or without ``budget``.
    """

    laws: TaskLaws
    cells: tuple[Cell, ...]
    chosen: tuple[Cell, ...]
    levels: Levels
    batch_size: Hyperparameter
    learning_rate: Hyperparameter | None
    budget: laws.BudgetLaws | None = None
    alone: Mapping[str, laws.OneAxis] = field(default_factory=dict)

    @property
    def env(self) -> str:
        """Name of the task."""
        return self.laws.env

    @property
    def places(self) -> dict[str, Any]:
        """Places of ``chosen`` by axis, each (n,)."""
        rows = np.array([cell.place(self.laws.axes) for cell in self.chosen])
        return {axis: rows[:, k] for k, axis in enumerate(self.laws.axes)}

    @property
    def data(self) -> Floats:
        """Env steps of ``chosen``, shape (n, J); ``inf`` where censored."""
        return np.stack([cell.data for cell in self.chosen])

    def shown_levels(self) -> list[float]:
        """Return the lowest, middle and highest level with a law."""
        known = list(self.laws.levels)
        return [known[i] for i in sorted({0, len(known) // 2, len(known) - 1})] if known else []


@dataclass(frozen=True)
class Study:
    """Everything an analysis found.

    Attributes:
        axes: of the laws.
        tasks: sorted by env.
        grids: D_J over batch size and learning rate at the hyperparameter level, per place.
        shared: by hyperparameter, the fit that tasks share; empty over two axes.
        data_fits: the data laws, each once.
        notes: what a reader must know about the data.
        td_errors: TD-overfitting by task, where the table has the errors.
        sources: names of the tables that were read.
    """

    settings: Settings
    axes: tuple[Axis, ...]
    tasks: tuple[TaskStudy, ...]
    fitted: tuple[Cell, ...]
    grids: tuple[Grid, ...]
    shared: Mapping[Name, laws.Fit]
    data_fits: tuple[DataFit, ...]
    notes: tuple[str, ...]
    td_errors: tuple[TdErrors, ...] = ()
    sources: tuple[str, ...] = ()

    def task(self, env: str | None = None) -> TaskStudy:
        """Return one task's findings; ``env`` may be left out where there is one task.

        Raises:
            AnalysisError: the task is unknown, or none is named and there are several.
        """
        return pick({task.env: task for task in self.tasks}, env)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All configurations of all tasks, the fitted runs left out."""
        return tuple(cell for task in self.tasks for cell in task.cells)

    @staticmethod
    def from_table(
        table: Any,
        *,
        fitted: Any = None,
        axes: tuple[Axis, ...] | None = None,
        settings: Settings | None = None,
        **choices: Any,
    ) -> "Study":
        """Analyse a run table.

        Args:
            table: a path, or a polars or pandas DataFrame: one row per evaluation of one seed, with
                ``env, utd, batch_size, learning_rate, seed, env_step, return_`` and, where known,
                ``algo, benchmark, critic_params``.
            fitted: the same of runs at fitted hyperparameters, over utd alone.
            axes: of the laws; by default those that vary.
            settings: of the analysis.
            **choices: fields of `Settings` that differ from it, e.g. ``delta=5e9``.

        Raises:
            AnalysisError: the curves cannot carry an analysis.
            vs_logging.RunTableError: a row breaks the run table's rules.
        """
        from vs_analyze.notebook import from_table

        return from_table(table, fitted=fitted, axes=axes, settings=settings, **choices)

    def predict(
        self,
        *,
        utd: float,
        critic_params: float | None = None,
        level: float | None = None,
        env: str | None = None,
    ) -> laws.Estimate:
        """Return the env steps to a level (by default the highest) at a place, with an interval.

        Raises:
            AnalysisError: an unknown task or level, or a coordinate that is missing.
        """
        from vs_analyze.notebook import predict

        return predict(self.task(env), utd, critic_params, level)

    def recommend(
        self, *, env: str | None = None, delta: float | None = None, **question: float | None
    ) -> "Recommendation":
        """Return what to run: for a ``level``, ``budget``, ``max_data`` or ``max_compute``.

        Raises:
            AnalysisError: an unknown task, or a question without an answer.
        """
        from vs_analyze.notebook import ask

        return ask(self.task(env), delta, **question)

    def report(self, folder: str | Path) -> Path:
        """Write the page, ``laws.json`` and the figures into a folder; return the page's path."""
        from vs_analyze.drawing import second_process
        from vs_analyze.report import write_report

        with second_process() as pool:
            return write_report(self, Path(folder), pool=pool)[0]

    def __repr__(self) -> str:
        names = ", ".join(task.env for task in self.tasks)
        return f"Study({names}; over {', '.join(self.axes)}; {len(self.cells)} configurations)"

    def _repr_html_(self) -> str:
        """Return the verdicts as a table, for notebooks."""
        from vs_analyze.notebook import html
        from vs_analyze.tables import verdicts

        return html(verdicts(self))


def pick[T](tasks: Mapping[str, T], env: str | None, source: str = "the study") -> T:
    """Return the task of a name; the only one where no name is given."""
    known = ", ".join(tasks)
    if env is None and len(tasks) > 1:
        raise AnalysisError(f"{source} holds several tasks; choose with --env: {known}")
    if env is not None and env not in tasks:
        raise AnalysisError(f"{source} has no task {env}; it has {known}")
    return tasks[env] if env else next(iter(tasks.values()))
