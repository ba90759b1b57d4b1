"""Hold data out, fit on the rest, predict what was held out, compare with what was measured.

Three baselines stand beside the laws. *Nearest run*: the value at the nearest σ that was seen.
*Power law*: no offset, per task, for D_J and C_J; for B and η (whose law already is a power law) one
slope per task instead of a shared one. *Constant hyperparameters*: B and η of the middle σ; for D_J
and C_J the data law of runs that keep them at every σ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import vs_isotonic as iso
import vs_laws as laws
from numpy.typing import NDArray

from vs_analyze.choose import fitted_cells, nearest_cells
from vs_analyze.runs import AnalysisError, Run
from vs_analyze.study import Study, fit_cells

type Floats = NDArray[np.float64]

PREDICTORS = ("law", "nearest run", "power law", "constant")


@dataclass(frozen=True)
class Check:
    """One held-out number.

    Attributes:
        quantity: ``batch_size``, ``learning_rate``, ``data`` or ``compute``; along the budget also
            ``sigma``.
        at: what was held out, in words (``utd 8``, ``level 800``).
        measured: with the interval over seeds.
        predicted: by predictor; ``law`` carries an interval, NaN where a baseline does not apply.
    """

    env: str
    quantity: str
    at: str
    level: float
    measured: laws.Estimate
    predicted: dict[str, laws.Estimate]

    @property
    def covered(self) -> bool:
        """Whether the law's interval and the measurement's overlap."""
        law = self.predicted["law"]
        return bool(law.low <= self.measured.high and self.measured.low <= law.high)

    def relative_error(self, predictor: str) -> float:
        """Predicted / measured − 1."""
        return self.predicted[predictor].value / self.measured.value - 1

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "env": self.env, "quantity": self.quantity, "at": self.at, "level": self.level,
            "measured": self.measured.to_dict(), "covered": self.covered,
            "predicted": {name: e.to_dict() for name, e in self.predicted.items()},
        }  # fmt: skip


@dataclass(frozen=True)
class Score:
    """How well one predictor did on one quantity: |relative error| and rms of log(predicted/measured)."""

    quantity: str
    predictor: str
    n: int
    median: float
    p90: float
    rms_log: float


@dataclass(frozen=True)
class Evaluation:
    """All checks of one hold-out, and their scores."""

    hold_out: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...]

    def scores(self) -> list[Score]:
        """One row per quantity and predictor."""
        found = []
        for quantity in dict.fromkeys(check.quantity for check in self.checks):
            here = [check for check in self.checks if check.quantity == quantity]
            for predictor in PREDICTORS:
                error = np.array(
                    [c.relative_error(predictor) for c in here if predictor in c.predicted]
                )
                error = error[np.isfinite(error)]
                if error.size:
                    found.append(
                        Score(quantity, predictor, error.size, float(np.median(np.abs(error))),
                              float(np.quantile(np.abs(error), 0.9)),
                              float(np.sqrt(np.mean(np.log1p(error) ** 2))))
                    )  # fmt: skip
        return found


def evaluate(
    study: Study,
    *,
    hold_out: Literal["largest", "smallest", "budgets"],
    baseline: Sequence[Run] = (),
) -> Evaluation:
    """Hold out the largest or smallest σ, or the largest budgets.

    Levels that were chosen from the curves (none given) were chosen with the held-out σ in sight.

    Args:
        study: the analysis of all data; its measured curves are fitted again without the held-out.
        hold_out: what the fits do not see.
        baseline: runs at constant hyperparameters; by default the grid's cells there.

    Raises:
        AnalysisError: too little is left to fit.
    """
    if hold_out == "budgets":
        return _budgets(study)
    values = sorted({cell.utd for cell in (study.fitted or study.cells)})
    if len(values) < 3:
        raise AnalysisError(f"{len(values)} values of utd; holding one out needs at least three")
    held = values[-1] if hold_out == "largest" else values[0]
    rest = fit_cells(
        [cell for cell in study.cells if cell.utd != held],
        [cell for cell in study.fitted if cell.utd != held],
        study.settings,
    )
    checks = [
        *_hyperparameter_checks(rest, study, held),
        *_data_checks(rest, study, baseline, held),
    ]
    if not checks:
        raise AnalysisError(f"no task reaches a level at the held-out utd {held:g}")
    return Evaluation(f"utd {held:g} ({hold_out})", tuple(checks), rest.notes)


def _hyperparameter_checks(rest: Study, study: Study, held: float) -> list[Check]:
    """B* and η* at the held-out σ against the grid's own B̃ and η̃ there."""
    settings = study.settings
    level = settings.hyperparameter_level_index
    checks = []
    for table in study.grids:
        if table.utd != held:
            continue
        best = laws.grid_optimum(
            table.samples, learning_rates=table.learning_rates, batch_sizes=table.batch_sizes,
            mean=settings.mean, unreached=settings.unreached,
        )  # fmt: skip
        for law in (rest.batch_size, rest.learning_rate):
            optimum = getattr(best, law.name)
            if table.env not in law.fit.groups or not np.isfinite(optimum.value):
                continue
            if optimum.grid.size < 2:
                continue
            own = [i for i, env in enumerate(law.env) if env == table.env]
            sigma = law.sigma[own]
            value = np.array([law.optima[i].value for i in own])
            nearest = value[_nearest(sigma, held)]
            slope = _power_law_at(sigma, value, held)
            predicted = law.fit.predict(held, group=table.env)
            checks.append(
                Check(
                    table.env, law.name, f"utd {held:g}", settings.levels[level], optimum.estimate,
                    {
                        "law": _estimate(predicted),
                        "nearest run": laws.Estimate(float(nearest)),
                        "power law": laws.Estimate(slope),
                        "constant": laws.Estimate(law.baseline[table.env]),
                    },
                )
            )  # fmt: skip
    return checks


def _data_checks(rest: Study, study: Study, baseline: Sequence[Run], held: float) -> list[Check]:
    """D_J and C_J at the held-out σ, at every level that was reached there."""
    settings = study.settings
    tasks = {task.env: task for task in rest.tasks}
    targets = {
        env: (float(t.batch_size.law(held)), float(t.learning_rate.law(held)))
        for env, t in tasks.items()
    }
    source = study.fitted or study.cells
    cells = [cell for cell in source if cell.utd == held and cell.run.env in tasks]
    truth = (
        fitted_cells(cells) if study.fitted else nearest_cells(cells, lambda env, _: targets[env])
    )
    constant = _constant_data(rest, baseline, held)
    checks = []
    for env, (cell,) in truth.items():
        for index, level in enumerate(settings.levels):
            fit = rest.data_fits[level].get(env)
            if fit is None or not np.isfinite(cell.data[index]):
                continue
            seen = rest.chosen[env]
            sigma = np.array([c.utd for c in seen])
            value = np.array([c.data[index] for c in seen])
            known = np.isfinite(value)
            per_step = laws.update_flops(tasks[env].critic_params, cell.run.batch_size) * held
            predictions = {
                "law": _estimate(fit.predict(held, group=env)),
                "nearest run": laws.Estimate(float(value[known][_nearest(sigma[known], held)])),
                "power law": laws.Estimate(_power_law_at(sigma[known], value[known], held)),
            }
            if env in constant and np.isfinite(constant[env][index]):
                predictions["constant"] = laws.Estimate(float(constant[env][index]))
            measured = laws.Estimate.from_samples(cell.data[index], cell.samples[:, index])
            checks.append(Check(env, "data", f"utd {held:g}", level, measured, predictions))
            checks.append(
                Check(
                    env, "compute", f"utd {held:g}", level, _scaled(measured, float(per_step)),
                    _compute_predictions(tasks[env], level, predictions, rest, held),
                )
            )  # fmt: skip
    return checks


def _compute_predictions(
    task: Any, level: float, data: dict[str, laws.Estimate], rest: Study, held: float
) -> dict[str, laws.Estimate]:
    """10·N·B·σ·D with each predictor's own batch size."""
    law = task.level(level).data
    sampled = laws.ComputeLaw(law.samples, task.batch_size.samples, task.critic_params)
    point = laws.ComputeLaw(law.law, task.batch_size.law, task.critic_params)
    own = [i for i, env in enumerate(rest.batch_size.env) if env == task.env]
    sigma = rest.batch_size.sigma[own]
    batch = np.array([rest.batch_size.optima[i].value for i in own])
    sizes = {
        "nearest run": float(batch[_nearest(sigma, held)]),
        "power law": _power_law_at(sigma, batch, held),
        "constant": rest.batch_size.baseline[task.env],
    }
    found = {"law": laws.Estimate.from_samples(float(point(held)), sampled(held))}
    for name, size in sizes.items():
        if name in data:
            per_step = float(laws.update_flops(task.critic_params, size)) * held
            found[name] = laws.Estimate(data[name].value * per_step)
    return found


def _constant_data(rest: Study, baseline: Sequence[Run], held: float) -> dict[str, Floats]:
    """D at the held-out σ by env, shape (J,), from the runs that keep the middle σ's B and η.

    NaN at levels that they reach at fewer than three σ.
    """
    settings = rest.settings
    levels = np.asarray(settings.levels, float)
    best = {env: (rest.batch_size.baseline[env], rest.learning_rate.baseline[env])
            for env in rest.chosen}  # fmt: skip
    kept = [
        run
        for run in (baseline or [cell.run for cell in rest.cells])
        if run.utd != held
        and run.env in best
        and (baseline or (run.batch_size, run.learning_rate) == best[run.env])
    ]
    found = {}
    for env in {run.env for run in kept}:
        own = [run for run in kept if run.env == env]
        sigma = np.array([run.utd for run in own])
        if np.unique(sigma).size < 3:
            continue
        data = np.stack(
            [iso.mean_crossings(r.steps, r.returns, levels, stopped=r.stopped).step for r in own],
            axis=1,
        )
        law, _ = laws.fit_data_laws(sigma, data, loss=settings.loss)
        found[env] = law(held)[:, 0]
    return found


def _budgets(study: Study) -> Evaluation:
    """σ*, D*, C* at the largest budgets against the laws fitted on the smaller ones."""
    checks = []
    for env, budget in study.budgets.items():
        for name, check in budget.checks.items():
            quantity = {"sigma": "utd"}.get(name, name)
            used = ~budget.held_out
            F, y = budget.optimum.budget[used], getattr(budget.optimum, name)[used]
            draws = budget.optimum.samples
            for k, column in enumerate(np.flatnonzero(budget.held_out)):
                actual = float(check.actual[k])
                samples = getattr(draws, name)[:, column] if draws else [actual]
                predicted = {
                    "law": laws.Estimate(
                        float(check.predicted.value[k]),
                        float(check.predicted.low[k]),
                        float(check.predicted.high[k]),
                    ),
                    "nearest run": laws.Estimate(
                        float(y[_nearest(F, float(budget.optimum.budget[column]))])
                    ),
                }
                level = float(budget.levels[column])
                checks.append(
                    Check(env, quantity, f"level {level:g}", level,
                          laws.Estimate.from_samples(actual, samples), predicted)
                )  # fmt: skip
    if not checks:
        raise AnalysisError("no task has a law along the budget: " + "; ".join(study.notes))
    held = study.settings.hold_out_budgets
    return Evaluation(f"the {held} largest budgets of each task", tuple(checks), study.notes)


def _estimate(prediction: laws.Prediction) -> laws.Estimate:
    return laws.Estimate(
        float(np.squeeze(prediction.value)),
        float(np.squeeze(prediction.low)),
        float(np.squeeze(prediction.high)),
    )


def _scaled(estimate: laws.Estimate, factor: float) -> laws.Estimate:
    return replace(
        estimate,
        value=estimate.value * factor,
        low=estimate.low * factor,
        high=estimate.high * factor,
        std_error=estimate.std_error * factor,
    )


def _power_law_at(sigma: Floats, value: Floats, at: float) -> float:
    known = np.isfinite(value)
    if np.unique(sigma[known]).size < 2:
        return float("nan")
    return float(laws.fit_power_law(sigma[known], value[known]).predict(at).value)


def _nearest(sigma: Floats, at: float) -> int:
    return int(np.argmin(np.abs(np.log(sigma / at))))
