"""Effect of each choice of the ``published`` preset on the numbers, on the published Gym curves.

Starts from the published choices and changes one at a time to the default's. Prints the table of
docs/published.md. Needs ../shared/curves and ../shared/reference next to the checkout.

    uv run python benchmarks/published_differences.py
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import vs_laws as laws
import vs_logging as vslog
from vs_analyze.analysis import analyze
from vs_analyze.data_laws import each_level
from vs_analyze.hyperparameters import Hyperparameters, optimum, over_utd
from vs_analyze.measure import Cell, measure, only_cells
from vs_analyze.runs import load_runs
from vs_analyze.settings import Settings, published
from vs_analyze.study import ONE

SHARED = Path(__file__).resolve().parents[1] / "../shared"
BOOTSTRAPS = 1000
TOP = 800.0
type Tables = dict[str, pl.DataFrame]
type Rows = list[tuple[str, str, str, str, str]]


def measured(tables: Tables, name: str, settings: Settings) -> list[Cell]:
    """Return the runs of a table at the levels of the settings."""
    runs = load_runs(tables[name], settings, source=f"gym_{name}")
    levels = dict.fromkeys([run.env for run in runs], settings.levels)
    rng = np.random.default_rng(0)
    return measure(runs, levels, bootstraps=settings.bootstraps, rng=rng)


def exponents(tables: Tables, settings: Settings) -> Hyperparameters:
    """Return B* and η* at 800."""
    settings = replace(settings, levels=(TOP,), bootstraps=BOOTSTRAPS)
    cells = measured(tables, "sweep", settings)
    levels = dict.fromkeys([cell.run.env for cell in cells], settings.levels)
    return over_utd(cells, levels, settings)


def fitted(tables: Tables, settings: Settings) -> dict[str, list[Cell]]:
    """The runs at the fitted hyperparameters, measured."""
    return only_cells(measured(tables, "ours", settings), ONE)


def data_fits(chosen: dict[str, list[Cell]], settings: Settings) -> list[laws.Fit]:
    """The shared data law of every level."""
    found = each_level(chosen, dict.fromkeys(chosen, settings.levels), settings, ONE, [])
    return [entry.fit for entry in found]


def show(entry: laws.Estimate, digits: str = ".3f") -> str:
    """Value with interval."""
    return f"{entry.value:{digits}} [{entry.low:{digits}}, {entry.high:{digits}}]"


def slopes(found: Mapping[Any, laws.Fit]) -> str:
    """Return both exponents."""
    batch, rate = (fit.parameters["sigma_exponent"] for fit in found.values())
    return f"B* {show(batch)}, η* {show(rate)}"


def data_text(fits: Sequence[laws.Fit]) -> str:
    """α and D_min of the shared curve at 800."""
    top = fits[-1].parameters
    return f"α {show(top['sigma_exponent'])}, D_min {show(top['d_min'], '.3g')}"


def separate(found: Hyperparameters, name: str, settings: Settings, largest: float) -> str:
    """Return the slope of each task over σ up to ``largest``."""
    kept = [grid for grid in found.grids if grid.utd <= largest]
    fit = laws.grid.fit_hyperparameter_law(
        [grid.utd for grid in kept],
        [getattr(optimum(grid, settings), name) for grid in kept],
        tasks=[grid.env for grid in kept],
        shared_exponent=False,
    )
    values = zip(fit.tasks, np.ravel(fit.law.exponent), strict=True)
    return name + ": " + ", ".join(f"{env[:-3]} {value:.2f}" for env, value in values)


def grid_rows(tables: Tables) -> Rows:
    """Differences that act on B* and η*."""
    base = published("grid")
    theirs = exponents(tables, base)
    names = {
        "mean over bootstraps and the other hyperparameter": (
            "arithmetic", "geometric", replace(base, mean="geometric")),
        "an argmin in which every configuration is censored": (
            "the smallest grid value", "left out, and counted", replace(base, unreached="missing")),
        "seed columns that are copies of another": (
            "counted as seeds", "dropped, and reported", replace(base, drop_duplicate_seeds=True)),
        "return that counts as 1000, grid runs": (
            "9125, 5000, 6625, 6500", "8500, 4500, 6625, 6125 (paper's Table 1)",
            replace(base, optimal_returns=Settings().optimal_returns)),
    }  # fmt: skip
    rows = []
    for what, (old, new, settings) in names.items():
        rows.append(
            (what, old, new, slopes(theirs.shared), slopes(exponents(tables, settings).shared))
        )
    other = replace(base, optimal_returns=published("fitted").optimal_returns)
    moved = slopes(exponents(tables, other).shared)
    rows.append(("the same, with the published returns of the fitted runs", "9125, 5000, 6625, 6500",
                 "9800, 4950, 6625, 6450", slopes(theirs.shared), moved))  # fmt: skip
    rows += [
        ("separate slope per task", "σ 8 silently dropped", "every σ",
         separate(theirs, name, base, 4.0), separate(theirs, name, base, 8.0))
        for name in theirs.shared
    ]  # fmt: skip
    return rows


def data_rows(tables: Tables) -> Rows:
    """Differences that act on D_J(σ)."""
    base = replace(published("fitted"), bootstraps=BOOTSTRAPS)
    chosen = fitted(tables, base)
    theirs = data_text(data_fits(chosen, base))
    rows = []
    for what, old, new, settings in (
        ("loss of the data law", "plain MSE", "log MSE", replace(base, loss="log")),
        ("normalising median of a task", "over σ and levels", "over σ, each level alone",
         replace(base, median_over="utd")),
        ("seed columns that are copies of another", "counted as seeds", "dropped, and reported",
         replace(base, drop_duplicate_seeds=True)),
        ("return that counts as 1000, fitted runs", "9800, 4950, 6625, 6450",
         "8500, 4500, 6625, 6125 (paper's Table 1)",
         replace(base, optimal_returns=Settings().optimal_returns)),
    ):  # fmt: skip
        own = fitted(tables, settings)
        rows.append((what, old, new, theirs, data_text(data_fits(own, settings))))
    fit = data_fits(chosen, base)[-1].parameters
    scale = laws.sharing.task_medians(
        np.stack([np.stack([c.data for c in cells]) for cells in chosen.values()]).reshape(4, -1)
    )
    c = fit["d_min"].value / np.median(scale)
    b = (fit["sigma_amplitude"].value / np.median(scale)) ** (1 / fit["sigma_exponent"].value)
    sigma = np.array([0.25, 1.0, 16.0])
    power = (sigma / b) ** -fit["sigma_exponent"].value
    right, misread = c + power, c * (1 + power)
    rows.append((
        "printed formula of D_J at 800", f"c·(1 + (σ/b)^−a) with b = {b:.3f}",
        "c + (σ/b)^−a, the one that was fitted",
        "D/median at σ 0.25, 1, 16: " + ", ".join(f"{v:.3f}" for v in misread),
        ", ".join(f"{v:.3f}" for v in right),
    ))  # fmt: skip
    return rows


def censoring_rows(tables: Tables) -> Rows:
    """Censored crossings: how many, and what leaving them out does to a mean."""
    base = replace(published("grid"), levels=(TOP,), bootstraps=BOOTSTRAPS)
    samples = np.stack([cell.draws[:, 0] for cell in measured(tables, "sweep", base)])
    share = np.isinf(samples).mean(axis=1)
    some = (share > 0) & (share < 1)
    median = np.median(samples[some], axis=1)
    kept = np.nanmean(np.where(np.isinf(samples[some]), np.nan, samples[some]), axis=1)
    ratio = (kept / median)[np.isfinite(median)]
    return [(
        "bootstraps in which a run never reaches 800 (grid)", "turned into NaN, dropped from means",
        "kept as censored (inf)",
        f"{int(some.sum())} of 144 configurations are censored in some bootstraps, "
        f"{int((share == 1).sum())} in all; mean of what is left / median of all: "
        f"{ratio.min():.2f} to {ratio.max():.2f}",
        f"{int(np.isinf(median).sum())} of the {int(some.sum())} have a censored median; "
        "the mean of what is left calls them reached",
    )]  # fmt: skip


def budget_rows(tables: Tables, csv: dict[str, float]) -> Rows:
    """Differences that act on σ*(F)."""
    base = replace(published("fitted"), bootstraps=100)
    fits = data_fits(fitted(tables, base), base)
    d_min, amplitude, alpha = (
        np.array([fit.parameters[name].value for fit in fits])[:, None]
        for name in ("d_min", "sigma_amplitude", "sigma_exponent")
    )
    tops = [value for name, value in csv.items() if name.startswith("shared|bs_int|")]
    batch = laws.PowerLaw(np.mean(tops), csv["shared|bs_slope|Ant-v4"], axes=("sigma",))
    data = laws.DataLaw(d_min, amplitude[..., None], alpha[..., None], axes=("sigma",))
    cost = laws.Cost(data, batch, critic_params=150_000)

    def text(delta: float, grid: np.ndarray) -> str:
        total = cost(sigma=grid) + delta * cost.steps(sigma=grid)  # (levels, σ)
        spent, sigma = total.min(axis=1), grid[total.argmin(axis=1)]
        kept = np.argsort(spent)[:-2]  # the two largest budgets are held out
        fit = laws.fit_power_law(sigma[kept], budget=spent[kept]).parameters
        top = np.log10(fit["coefficient"].value)
        return f"log10 σ* = {fit['budget_exponent'].value:.4f} log10 F − {-top:.3f}"

    coarse, fine = np.geomspace(0.25, 16, 100), np.geomspace(0.25, 16, 200_001)
    theirs = text(4e9, coarse)
    rows = [
        ("σ*_J of each level", "best of geomspace(0.25, 16, 100)", "continuous minimum", theirs,
         text(4e9, fine)),
        ("δ on Gym", "4e9 (notebook)", "5e9 (paper)", theirs, text(5e9, coarse)),
    ]  # fmt: skip
    ours = replace(published("fitted"), bootstraps=BOOTSTRAPS)
    grid, own = (load_runs(tables[name], s, source=name)
                 for name, s in (("sweep", published("grid")), ("ours", ours)))  # fmt: skip
    each = ", ".join(
        f"{task.env[:-3]} {show(task.budget.fits['sigma'].parameters['budget_exponent'], '.2f')}"
        for task in analyze(grid, ours, fitted=own).tasks
        if task.budget is not None
    )
    rows.append(("C_J along the budget", "one curve for all tasks, mean of the tasks' B*",
                 "each task's own D_min and B*", theirs, f"exponents {each}"))  # fmt: skip
    return rows


def overall_rows(tables: Tables) -> Rows:
    """All of it at once, with the papers' way to estimate and with the default's."""
    each = Settings(estimator="each")
    texts = []
    for grid, own in (
        (published("grid"), published("fitted")),
        (each, each),
        (Settings(), Settings()),
    ):
        settings = replace(own, bootstraps=BOOTSTRAPS)
        study = analyze(
            load_runs(tables["sweep"], grid, source="gym_sweep"),
            settings,
            fitted=load_runs(tables["ours"], settings, source="gym_ours"),
        )
        fits = [entry.fit for entry in study.data_fits]
        top = f"; at {study.data_fits[-1].level:g}, {study.data_fits[-1].envs[-1]}, "
        if len(study.data_fits[-1].envs) > 1:
            top = f"; at {study.data_fits[-1].level:g} "
        texts.append(slopes(study.shared) + top + data_text(fits))
    return [
        (
            "everything at once but the estimator",
            "`published`",
            "`ours --estimator each`",
            texts[0],
            texts[1],
        ),
        ("everything at once (`--preset`)", "`published`", "`ours`", texts[0], texts[2]),
    ]


def main() -> None:
    """Print the table."""
    golden = SHARED / "reference" / "golden_gym.json"
    if not golden.exists():
        sys.exit(f"{golden} is not there: this script needs the shared curves and reference data")
    csv = json.loads(golden.read_text(encoding="utf-8"))["grid_stage"]["published_csv"]
    tables = {
        name: vslog.import_zip(SHARED / "curves" / f"gym_{name}.zip").table
        for name in ("sweep", "ours")
    }
    rows = [
        *grid_rows(tables),
        *data_rows(tables),
        *censoring_rows(tables),
        *budget_rows(tables, csv),
        *overall_rows(tables),
    ]
    print("| choice | published | default | numbers, published | numbers, default |")
    print("|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
