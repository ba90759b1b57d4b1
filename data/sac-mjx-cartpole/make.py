"""Steps after the grid of sweep.toml: runs at the fitted hyperparameters, baseline, tables, check.

Each task is analysed alone, at levels of its own: what the slower one reaches says little about the
other.

vs-sweep run sweep.toml --out runs/grid
python make.py fitted --out runs        # at B*(σ), η*(σ), and at the middle σ's best (B, η)
python make.py consolidate --out runs   # TASK-grid, -fitted and -baseline.parquet here
python make.py check                    # exponents, and whether the fitted beat the baseline
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import vs_isotonic as iso
from vs_analyze import Settings, Study, analyze, forecast, load_runs
from vs_analyze.forecast import price_of_a_step
from vs_analyze.tables import interval
from vs_logging import consolidate, scan
from vs_quickstart.study import baseline_cell, held_out_cell
from vs_train import StopRequest
from vs_train.sweep.cells import survey
from vs_train.sweep.pool import cores, run_sweep
from vs_train.sweep.spec import Spec, load_spec
from vs_train.sweep.watch import SweepWatch

HERE = Path(__file__).parent
PAPERS = {"batch_size": "DMC -0.47, Gym -0.33", "learning_rate": "DMC -0.26, Gym -0.30"}


def studies_of(table: Path | list[Path]) -> list[Study]:
    """Return the analysis of every task of a grid."""
    rows = scan(table).collect()
    studies = []
    for (_,), mine in rows.group_by("env", maintain_order=True):
        runs = load_runs(mine, Settings(), source=str(table))
        studies.append(analyze(runs, Settings(estimator="each", delta=price_of_a_step(runs))))
    return studies


def train(spec: Spec, out: Path, *, workers: int) -> None:
    """Train at the fitted and at the baseline's hyperparameters, with seeds of their own."""
    studies = studies_of(out / "grid")
    stop = StopRequest()
    stop.listen()
    for name, choose in (("fitted", held_out_cell), ("baseline", baseline_cell)):
        cells = [
            choose(spec, forecast(task.laws, sigma), study)
            for study in studies
            for task in study.tasks
            for sigma in spec.axes.utd
        ]
        with SweepWatch(survey(cells, out / name), sys.stderr) as watch:
            run_sweep(
                cells, out / name, workers=workers, checkpoint_every=0, stop=stop, watcher=watch
            )


def check() -> None:
    """Print what came out, as it is."""
    for study in studies_of(sorted(HERE.glob("*-grid.parquet"))):
        env = study.tasks[0].env
        print(env)
        for name, fit in study.shared.items():
            exponent = interval(fit.parameters["sigma_exponent"])
            print(f"  {name}: exponent {exponent}, {fit.verdict}; papers: {PAPERS[name]}")
        level = study.settings.levels[-1]
        print(f"  env steps to level {level:g}")
        both = [_steps(name, env, level, study.settings) for name in ("fitted", "baseline")]
        for sigma in sorted(both[0].keys() & both[1].keys()):
            print(f"    utd {sigma:g}: fitted {both[0][sigma]}, baseline {both[1][sigma]}")


def _by_task(out: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(out.glob("*/run.json")):
        env = json.loads(path.read_text(encoding="utf-8"))["config"]["env"]
        found.setdefault(env, []).append(path.parent)
    return found


def _steps(name: str, env: str, level: float, settings: Settings) -> dict[float, str]:
    """Return hyperparameters and env steps to the level by σ, in words."""
    table = HERE / f"{env}-{name}.parquet"
    found = {}
    for run in load_runs(scan(table), settings, source=str(table)):
        point = iso.mean_crossings(run.steps, run.returns, [level]).step[0]
        rng = np.random.default_rng(0)
        draws = iso.bootstrap_crossings(
            run.steps, run.returns, [level], bootstraps=1000, rng=rng
        ).step[:, 0]
        low, high = np.quantile(draws, [0.025, 0.975], method="nearest")
        found[run.utd] = (
            f"{point:.0f} [{low:.0f}, {high:.0f}] (B {run.batch_size}, lr {run.learning_rate:g})"
        )
    return found


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
                for env, folders in _by_task(options.out / name).items():
                    consolidate(folders, HERE / f"{env}-{name}.parquet")
        case _:
            check()


if __name__ == "__main__":
    main()
