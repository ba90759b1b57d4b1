"""Grid of small runs → laws → prediction at a utd that was not run → run it → compare."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from vs_analyze import AnalysisError, Run, Settings, Study, analyze, compare, forecast, load_runs
from vs_analyze.checks import Check
from vs_analyze.drawing import second_process
from vs_analyze.forecast import Forecast, configuration, price_of_a_step
from vs_analyze.report import write_report
from vs_logging import scan
from vs_train import TrainConfig
from vs_train.sweep.spec import Spec

type Train = Callable[[Sequence[TrainConfig], Path], None]
"""(cells, folder) → None: trains the unfinished cells into the folder, or raises."""

HELD_OUT_SEEDS = 8
"""Agents per configuration at the held-out σ, so that the measurement is sharper than the laws."""


@dataclass(frozen=True)
class HeldOut:
    """One task at the held-out σ.

    Attributes:
        predicted: by the laws, from the grid alone.
        run: at the predicted hyperparameters.
        baseline: the same σ at the hyperparameters that were best at the grid's middle σ.
        checks: D_J and C_J, predicted and measured, at every level that the run reaches.
        advantage: D_J of the baseline over D_J of the run at the highest level that both reach, and
            that level; None where there is none.
    """

    predicted: Forecast
    run: Run
    baseline: Run
    checks: list[Check]
    advantage: tuple[float, float] | None

    @property
    def unreached(self) -> list[float]:
        """Levels with a prediction that the run does not reach."""
        reached = {check.level for check in self.checks}
        return [e.level for e in self.predicted.levels if e.level not in reached]


@dataclass(frozen=True)
class Outcome:
    """A study, its held-out comparisons and the page of its report."""

    study: Study
    held_out: list[HeldOut]
    page: Path


def run_study(
    spec: Spec, out: Path, *, sigma: float, train: Train, say: Callable[[str], None]
) -> Outcome:
    """Do the whole study in ``out``; after an interruption, the same call resumes it.

    Args:
        spec: the grid; ``sigma`` is not in it.
        out: gets ``grid`` and ``held-out`` (run tables) and ``report``.
        sigma: the held-out σ.
        train: trains cells.
        say: receives a sentence at the start of every step.

    Raises:
        ValueError: if ``sigma`` is in the grid, or the grid has another number of σ than three or more.
        AnalysisError: if the curves carry no analysis at all.
    """
    if sigma in spec.axes.utd or not 0 < sigma < float("inf"):
        raise ValueError(
            f"hold_out = {sigma:g}: expected a positive utd that the grid does not run"
        )
    if len(set(spec.axes.utd)) < 3:
        raise ValueError(f"utd = {spec.axes.utd}: expected at least three values in the grid")
    grid = out / "grid"
    cells = spec.cells()
    say(f"1/4  training the grid: {len(cells)} cells at utd {_words(spec.axes.utd)}")
    train(cells, grid)
    say("2/4  fitting laws")
    runs = load_runs(scan(grid), Settings(), source=str(grid))
    study = analyze(runs, Settings(delta=price_of_a_step(runs)), axes=("sigma",))
    study = replace(study, sources=(str(grid),))
    predictions = [forecast(task.laws, sigma) for task in study.tasks]
    chosen = [held_out_cell(spec, p, study) for p in predictions]
    kept = [baseline_cell(spec, p, study) for p in predictions]
    say(f"3/4  running utd {sigma:g}, which no law has seen: {_choices(chosen)}")
    folder = out / "held-out"
    train(list(dict.fromkeys([*chosen, *kept])), folder)
    measured = load_runs(scan(folder), study.settings, source=str(folder))
    say("4/4  comparing and drawing")
    held_out = [
        _compare(p, _find(measured, one), _find(measured, other), study.settings)
        for p, one, other in zip(predictions, chosen, kept, strict=True)
    ]
    with second_process() as pool:
        page, _ = write_report(study, out / "report", pool=pool)
    return Outcome(study, held_out, page)


def held_out_cell(spec: Spec, predicted: Forecast, study: Study) -> TrainConfig:
    """Return the cell at the predicted hyperparameters, kept near those that the grid has seen."""
    batch, rate = configuration(predicted, [cell.run for cell in study.cells])
    return _cell(spec, predicted, batch, rate)


def baseline_cell(spec: Spec, predicted: Forecast, study: Study) -> TrainConfig:
    """Return the cell at the hyperparameters that were best at the middle σ."""
    task = study.task(predicted.env)
    if task.learning_rate is None:
        raise AnalysisError(
            f"{predicted.env}: no law of the learning rate; expected a study over utd"
        )
    rate = float(f"{task.learning_rate.baseline:.6g}")
    return _cell(spec, predicted, round(task.batch_size.baseline), rate)


def _cell(spec: Spec, predicted: Forecast, batch_size: int, rate: float) -> TrainConfig:
    like = [cell for cell in spec.cells() if cell.env.split("/", 1)[1] == predicted.env]
    nearest = min(like, key=lambda cell: abs(np.log(cell.choices.utd / predicted.utd)))
    return replace(
        nearest,
        utd=predicted.utd,
        batch_size=batch_size,
        learning_rates=(rate,),
        seeds=HELD_OUT_SEEDS,
        first_seed=spec.first_seed + spec.seeds,  # none that the laws have seen
    )


def _find(runs: Sequence[Run], cell: TrainConfig) -> Run:
    wanted = (cell.env.split("/", 1)[1], cell.choices.batch_size, cell.learning_rates[0])
    for run in runs:
        if (run.env, run.batch_size, run.learning_rate) == wanted:
            return run
    raise AnalysisError(f"the run of {wanted} is missing; expected it after its training")


def _compare(predicted: Forecast, run: Run, baseline: Run, settings: Settings) -> HeldOut:
    checks = compare(predicted, run, settings)
    own, other = (
        {check.level: check.measured.value for check in found if check.quantity == "data"}
        for found in (checks, compare(predicted, baseline, settings))
    )
    both = sorted(own.keys() & other.keys())
    advantage = (other[both[-1]] / own[both[-1]], both[-1]) if both else None
    return HeldOut(predicted, run, baseline, checks, advantage)


def _choices(cells: Sequence[TrainConfig]) -> str:
    return "; ".join(
        f"{c.env} at batch size {c.choices.batch_size}, learning rate {c.learning_rates[0]:g}"
        for c in cells
    )


def _words(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
