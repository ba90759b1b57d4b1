"""The last half of learning curves predicted from the first: the law of returns beside simple rivals.

Curves are means over seeds, returns are normalised (1000 = optimal), errors are root mean squares over
the evaluations of a run's last half. ``last value``: the mean over the last tenth of the first half
stays. ``log line``: a line in log C through the first half; ``late log line``: through its later half.
Inside: evaluations within the law's 90 % interval of the run.

    uv run python benchmarks/returns_holdout.py
"""

import sys
from pathlib import Path

import numpy as np
import vs_logging as vslog
from vs_analyze import Run, Settings, load_runs
from vs_analyze.importing import import_curves
from vs_analyze.returns import RunReturns, returns_of
from vs_laws.held_out_returns import RIVALS

ROOT = Path(__file__).resolve().parents[1]
GYM = ROOT / "../shared/curves/gym_ours.zip"
OWN = ROOT / "data/sac-mjx-cartpole"
RESULT = ROOT / "benchmarks/results/returns_holdout.txt"


def gym_runs() -> list[Run]:
    """Return the published runs at the fitted hyperparameters, exact copies of seeds left out."""
    imported = import_curves([str(GYM)], vslog.ImportOptions())
    return load_runs(imported.table, Settings(), source=GYM.name)


def own_runs() -> list[Run]:
    """Return the runs of this repository's two cartpole grids."""
    paths = sorted(OWN.glob("*-grid.parquet"))
    return [
        run for path in paths for run in load_runs(vslog.scan([path]), Settings(), source=path.name)
    ]


def rows(name: str, found: list[RunReturns]) -> list[str]:
    """Return one line per group of runs: all of them, and those whose beginning identifies the asymptote."""
    lines = []
    for group, kept in (
        ("all", found),
        ("supported", [f for f in found if f.held_out and f.held_out.fit.supported]),
        ("not", [f for f in found if f.held_out and not f.held_out.fit.supported]),
    ):
        held = [f.held_out for f in kept if f.held_out is not None]
        if not held:
            lines.append(f"{name:<22} {group:<10} {0:>4}")
            continue
        errors = np.array([[h.rms(), *(h.rms(rival) for rival in RIVALS)] for h in held])
        shown = "".join(
            f"{np.median(e):>7.0f} /{np.sqrt(np.mean(e**2)):>4.0f}   " for e in errors.T
        )
        wins = " ".join(f"{np.mean(errors[:, 0] < e):>5.0%}" for e in errors[:, 1:].T)
        inside, width, bias = np.mean([[h.coverage(), h.width(), h.bias] for h in held], axis=0)
        lines.append(
            f"{name:<22} {group:<10} {len(held):>4}{shown} {wins}   {bias:>+5.0f} {inside:>7.0%} "
            f"{width:>6.0f}"
        )
    return lines


def main() -> None:
    """Print the table and write the result."""
    sets = {"cartpole grids (ours)": own_runs()}
    if GYM.exists():
        sets = {"gym_ours (paper 1)": gym_runs(), **sets}
    names = "".join(f"{name:>12}   " for name in ("law", *RIVALS))
    lines = [
        "rms error of the last half in normalised return, median / rms over runs; law better than each",
        "rival in this share of runs; mean bias of the law; evaluations inside its 90 % interval; its width;",
        "'supported': the verdict on the first half's own law, which has not seen the rest",
        f"{'set':<22} {'first half':<10} runs{names}   better than each    bias  inside  width",
    ]
    for name, runs in sets.items():
        lines += rows(name, list(returns_of(runs).runs))
    report = "\n".join(lines)
    print(report)
    if GYM.exists():
        RESULT.write_text(report + "\n")
    else:
        sys.exit(f"{GYM} is not there: its rows are left out, and {RESULT.name} is not written")


if __name__ == "__main__":
    main()
