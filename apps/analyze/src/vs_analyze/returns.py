"""The law of returns of each run of a table, and a check on the end of its curve."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import vs_isotonic as iso
import vs_laws as laws
from numpy.typing import NDArray

from vs_analyze.runs import AnalysisError, Run
from vs_analyze.tables import interval, number

type Floats = NDArray[np.float64]

BOOTSTRAPS = 100
"""Resamples of the seeds, or of one seed's noise, behind every interval."""


@dataclass(frozen=True)
class RunReturns:
    """The law of returns of one run, over env steps; returns are normalised, 1000 = optimal.

    Attributes:
        fit: to the whole curve, the mean over seeds.
        held_out: the end of the curve predicted from its beginning; None where that is too short.
        note: why ``held_out`` is None; empty otherwise.
    """

    run: Run
    fit: laws.ReturnFit
    held_out: laws.HeldOutReturns | None
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values, without the bootstraps."""
        names = ("env", "utd", "batch_size", "learning_rate", "critic_params", "optimal_return")
        held = self.held_out
        return {
            **{name: getattr(self.run, name) for name in names},
            "seeds": self.run.returns.shape[1],
            "verdict": self.fit.verdict.value,
            "reason": self.fit.reason,
            "parameters": {name: e.to_dict() for name, e in self.fit.parameters.items()},
            "noise": self.fit.noise,
            "r2": self.fit.r2,
            "held_out": None if held is None else {
                "from_env_step": float(held.x[0]), "evaluations": len(held.x), "rms": held.rms(),
                "bias": held.bias, "coverage_90": held.coverage(), "width_90": held.width(),
                "verdict": held.fit.verdict.value,
                "rivals": {name: held.rms(name) for name in held.rivals},
            },
            "notes": [*self.fit.notes, *([self.note] if self.note else [])],
        }  # fmt: skip

    def __str__(self) -> str:
        e, held = self.fit.parameters, self.held_out
        lines = [
            f"{self.run.label}: asymptote {interval(e['asymptote'])}, midpoint "
            f"{interval(e['midpoint'])} env steps, exponent {interval(e['exponent'])}",
            f"  {self.fit.verdict} -- {self.fit.reason}",
        ]
        if held is None:
            return "\n".join([*lines, f"  {self.note}"])
        rivals = ", ".join(f"{name} {number(held.rms(name))}" for name in held.rivals)
        return "\n".join([
            *lines,
            f"  beyond env step {held.fit.ranges['env_step'][1]:.0f}: error {number(held.rms())} rms "
            f"({rivals}), bias {held.bias:+.3g}; {100 * held.coverage():.0f}% of {len(held.x)} "
            f"evaluations inside their 90% intervals, {number(held.width())} wide",
        ])  # fmt: skip


@dataclass(frozen=True)
class Returns:
    """The laws of returns of a table's runs.

    Attributes:
        share: of the env steps, held out at the end of each curve.
        notes: runs that could not be fitted, and why.
    """

    runs: tuple[RunReturns, ...]
    share: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "hold_out": self.share,
            "runs": [found.to_dict() for found in self.runs],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        held = [found.held_out for found in self.runs if found.held_out is not None]
        parts = [str(found) for found in self.runs]
        if len(held) > 1:
            errors = {"the law": [h.rms() for h in held]}
            for name in held[0].rivals:
                errors[name] = [h.rms(name) for h in held]
            shown = ", ".join(f"{name} {number(float(np.median(e)))}" for name, e in errors.items())
            covered = 100 * float(np.mean([h.coverage() for h in held]))
            parts.append(
                f"last {100 * self.share:.0f}% of {len(held)} runs, median rms error: {shown}; "
                f"{covered:.0f}% of evaluations inside their 90% intervals"
            )
        return "\n".join([*parts, *(f"note: {note}" for note in self.notes)])


def returns_of(
    runs: Sequence[Run], *, env: str | None = None, share: float = 0.5, seed: int = 0
) -> Returns:
    """Fit the law of returns to every run, and predict the last ``share`` of its env steps.

    Args:
        runs: as `vs_analyze.load_runs` returns them; dips after resets are left out.
        env: the task; by default all.
        share: to hold out, between 0 and 1.
        seed: of the bootstrap.

    Raises:
        AnalysisError: no such task, a share out of range, or not one run that can be fitted.
    """
    known = sorted({run.env for run in runs})
    if env is not None and env not in known:
        raise AnalysisError(f"no runs of {env!r}; the table holds {', '.join(known)} (--env)")
    if not 0.0 < share < 1.0:
        raise AnalysisError(f"--hold-out must be between 0 and 1, got {share:g}")
    wanted = [run for run in runs if env is None or run.env == env]
    streams = np.random.default_rng(seed).spawn(len(wanted))
    found, notes = [], []
    for run, stream in zip(wanted, streams, strict=True):
        try:
            found.append(_run(run, share, seed, stream))
        except ValueError as problem:
            notes.append(f"{run.label}: {problem}")
    if not found:
        raise AnalysisError(notes[0] if notes else "the table has no runs")
    return Returns(tuple(found), share, tuple(notes))


def _run(run: Run, share: float, seed: int, stream: np.random.Generator) -> RunReturns:
    mean, draws = iso.remove_resets(run.steps, run.mean(), run.resets), None
    if run.returns.shape[1] > 1:
        draws = iso.remove_resets(run.steps, _bootstraps(run, stream), run.resets)
    options: dict[str, Any] = {
        "draws": draws, "bootstraps": BOOTSTRAPS, "seed": seed, "env_step": run.steps,
    }  # fmt: skip
    fit = laws.fit_return_law(mean, **options)
    try:
        return RunReturns(run, fit, laws.hold_out_returns(mean, share=share, **options), "")
    except ValueError as problem:
        return RunReturns(run, fit, None, f"the end is not predicted: {problem}")


def _bootstraps(run: Run, rng: np.random.Generator) -> Floats:
    """Return (S, T) means of resampled seeds, as `Run.mean` has it."""
    counts = iso.bootstrap_counts(run.returns.shape[1], BOOTSTRAPS, rng)
    low = float(np.nanmin(run.returns))
    return iso.mean_curve(
        run.returns, counts=counts, stopped=run.stopped, failed=run.failed, threshold=low
    )
