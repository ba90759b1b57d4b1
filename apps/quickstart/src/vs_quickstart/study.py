"""Grid of small runs → laws → prediction at a σ that was not run → run it → compare."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import vs_laws as laws
from vs_analyze import AnalysisError, Run, Settings, Study, analyze, load_runs
from vs_analyze.drawing import second_process
from vs_analyze.evaluate import Check
from vs_analyze.forecast import Forecast, compare, forecast
from vs_analyze.report import write_report
from vs_logging import scan
from vs_train import TrainConfig
from vs_train.sweep.spec import Spec

type Train = Callable[[Sequence[TrainConfig], Path], None]
"""Trains what is not finished yet of some cells in a folder, or raises."""

HELD_OUT_SEEDS = 8
"""Agents per configuration at the held-out σ: the measurement is to be sharper than the laws."""

_REACH = 2.0  # hyperparameters that are run lie at most this factor outside the grid's
_MULTIPLE = 8  # of which batch sizes that are run are multiples


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
    """What a study found."""

    study: Study
    held_out: list[HeldOut]
    page: Path


def run_study(
    spec: Spec, out: Path, *, sigma: float, train: Train, say: Callable[[str], None]
) -> Outcome:
    """Do the whole study in ``out``, going on where an earlier call was stopped.

    Args:
        spec: the grid; ``sigma`` is not in it.
        out: gets ``grid`` and ``held-out`` (run tables) and ``report``.
        sigma: the held-out σ.
        train: trains cells.
        say: told in a sentence what begins.

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
    settings = Settings(delta=price_of_a_step(runs))
    study = analyze(runs, [], settings)
    predictions = [forecast(task, sigma) for task in study.tasks]
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
        page = write_report(study, [str(grid)], out / "report", pool=pool)
    return Outcome(study, held_out, page)


def price_of_a_step(runs: Sequence[Run]) -> float:
    """Return δ: what an update at the grid's middle batch size costs, in FLOPs.

    So at σ = 1 data and compute weigh alike. The papers' δ would make the data of so small a network
    all that counts.
    """
    params = [run.critic_params for run in runs if run.critic_params is not None]
    if not params:
        raise AnalysisError("the runs do not record critic_params; expected those of vs-train")
    batch = float(np.exp(np.mean(np.log(sorted({run.batch_size for run in runs})))))
    return float(laws.update_flops(float(np.median(params)), batch))


def held_out_cell(spec: Spec, predicted: Forecast, study: Study) -> TrainConfig:
    """Return the cell at the predicted hyperparameters, kept near those that the grid has seen."""
    batch = _near(predicted.batch_size.value, [cell.run.batch_size for cell in study.cells])
    rate = _near(predicted.learning_rate.value, [cell.run.learning_rate for cell in study.cells])
    size = int(laws.round_batch_size(batch, to=_MULTIPLE))
    return _cell(spec, predicted, max(_MULTIPLE, size), float(f"{rate:.3g}"))


def baseline_cell(spec: Spec, predicted: Forecast, study: Study) -> TrainConfig:
    """Return the cell at the hyperparameters that were best at the middle σ."""
    batch = study.batch_size.baseline[predicted.env]
    rate = study.learning_rate.baseline[predicted.env]
    return _cell(spec, predicted, round(batch), float(f"{rate:.6g}"))


def _cell(spec: Spec, predicted: Forecast, batch_size: int, rate: float) -> TrainConfig:
    like = [cell for cell in spec.cells() if cell.env.split("/", 1)[1] == predicted.env]
    nearest = min(like, key=lambda cell: abs(np.log(cell.choices.utd / predicted.sigma)))
    return replace(
        nearest,
        utd=predicted.sigma,
        batch_size=batch_size,
        learning_rates=(rate,),
        seeds=HELD_OUT_SEEDS,
        first_seed=spec.first_seed + spec.seeds,  # none that the laws have seen
    )


def _near(value: float, seen: Sequence[float]) -> float:
    if not np.isfinite(value):
        return float(np.exp(np.mean(np.log(sorted(set(seen))))))
    return float(np.clip(value, min(seen) / _REACH, max(seen) * _REACH))


def _find(runs: Sequence[Run], cell: TrainConfig) -> Run:
    wanted = (cell.env.split("/", 1)[1], cell.choices.batch_size, cell.learning_rates[0])
    for run in runs:
        if (run.env, run.batch_size, run.learning_rate) == wanted:
            return run
    raise AnalysisError(f"the run of {wanted} is missing; expected it after its training")


def _compare(predicted: Forecast, run: Run, baseline: Run, settings: Settings) -> HeldOut:
    checks = compare(predicted, run, settings)
    own = {c.level: c.measured.value for c in checks if c.quantity == "data"}
    other = {
        c.level: c.measured.value
        for c in compare(predicted, baseline, settings)
        if c.quantity == "data"
    }
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
