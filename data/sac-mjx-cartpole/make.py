"""What follows the grid of sweep.toml: runs at the fitted hyperparameters, baseline, tables, check.

vs-sweep run sweep.toml --out runs/grid
python make.py fitted --out runs        # at B*(σ), η*(σ), and at the middle σ's best (B, η)
python make.py consolidate --out runs   # grid, fitted and baseline .parquet beside this file
python make.py check                    # exponents, and whether the fitted beat the baseline
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import vs_isotonic as iso
from vs_analyze import Settings, Study, analyze, load_runs
from vs_analyze.forecast import forecast
from vs_analyze.report import interval
from vs_logging import consolidate, scan
from vs_quickstart.study import baseline_cell, held_out_cell, price_of_a_step
from vs_train import StopRequest
from vs_train.sweep.cells import survey
from vs_train.sweep.pool import cores, run_sweep
from vs_train.sweep.spec import Spec, load_spec
from vs_train.sweep.watch import SweepWatch

HERE = Path(__file__).parent
PAPERS = {"batch_size": "DMC -0.47, Gym -0.33", "learning_rate": "DMC -0.26, Gym -0.30"}


def study_of(table: Path) -> Study:
    """Return the analysis of a grid."""
    runs = load_runs(scan(table), Settings(), source=str(table))
    return analyze(runs, [], Settings(delta=price_of_a_step(runs)))


def train(spec: Spec, out: Path, *, workers: int) -> None:
    """Train at the fitted and at the baseline's hyperparameters, with seeds of their own."""
    study = study_of(out / "grid")
    stop = StopRequest()
    stop.listen()
    forecasts = [forecast(task, sigma) for task in study.tasks for sigma in spec.axes.utd]
    for name, choose in (("fitted", held_out_cell), ("baseline", baseline_cell)):
        cells = [choose(spec, one, study) for one in forecasts]
        with SweepWatch(survey(cells, out / name), sys.stderr) as watch:
            run_sweep(
                cells, out / name, workers=workers, checkpoint_every=0, stop=stop, watcher=watch
            )


def check() -> None:
    """Print what came out, as it is."""
    study = study_of(HERE / "grid.parquet")
    for law in (study.batch_size, study.learning_rate):
        fit = law.fit
        print(
            f"{law.name}: exponent {interval(fit.parameters['exponent'])}, {fit.verdict} "
            f"({fit.reason}); papers: {PAPERS[law.name]}"
        )
    runs = {
        name: load_runs(scan(HERE / f"{name}.parquet"), study.settings, source=name)
        for name in ("fitted", "baseline")
    }
    level = study.settings.levels[study.settings.hyperparameter_level_index]
    rng = np.random.default_rng(0)
    print(f"env steps to level {level:g}:")
    for env in sorted({run.env for run in runs["fitted"]}):
        for sigma in sorted({run.utd for run in runs["fitted"]}):
            text = f"  {env} utd {sigma:g}:"
            for name, found in runs.items():
                (run,) = [r for r in found if (r.env, r.utd) == (env, sigma)]
                point = iso.mean_crossings(run.steps, run.returns, [level]).step[0]
                draws = iso.bootstrap_crossings(
                    run.steps, run.returns, [level], bootstraps=100, rng=rng
                ).step[:, 0]
                low, high = np.quantile(draws, [0.025, 0.975], method="nearest")
                text += (
                    f"  {name} (B {run.batch_size}, lr {run.learning_rate:g}) "
                    f"{point:.0f} [{low:.0f}, {high:.0f}]"
                )
            print(text)


def main() -> None:
    """Do one of the steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=["fitted", "consolidate", "check"])
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of the run tables")
    parser.add_argument("--workers", type=int, default=cores(), help="processes at a time")
    options = parser.parse_args()
    match options.what:
        case "fitted":
            train(load_spec(HERE / "sweep.toml"), options.out, workers=options.workers)
        case "consolidate":
            for name in ("grid", "fitted", "baseline"):
                consolidate(options.out / name, HERE / f"{name}.parquet")
        case _:
            check()


if __name__ == "__main__":
    main()
