"""TD-overfitting of the runs in a table: training and validation error over batch × width × σ."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import vs_laws as laws
import vs_logging as vslog
from numpy.typing import NDArray

from vs_analyze.runs import AnalysisError

type Floats = NDArray[np.float64]

TRAIN, VALIDATION = "critic_loss", "validation_critic_loss"
PASSIVE = "passive_validation_critic_loss"
WINDOW_END = 800_000
"""Last env step of the published window at the end of training (arXiv:2508.14881 §4); it starts at 9/10."""


@dataclass(frozen=True)
class TdErrors:
    """One task's errors at the end of training, one entry per run.

    Attributes:
        window: first and last env step that are averaged.
        sigma: σ, shape (n,); as ``batch_size``, ``params`` (N) and ``width``.
        errors: ``train`` and ``validation``, shape (n,); NaN where not logged.
        fits: log-linear regressions of both, with the interaction of batch size and N.
        largest_batch: by N, the largest batch size whose predicted validation error is within 5 % of
            the best.
        slopes: of the log validation error of a passive critic against the log width of the ``main``
            critic (whose policy made the data) and its own (``passive``), each averaged over the other.
        notes: what is missing, and why.
    """

    env: str
    window: tuple[int, int]
    sigma: Floats
    batch_size: Floats
    params: Floats
    width: Floats
    errors: Mapping[str, Floats]
    fits: Mapping[str, laws.td_error.ErrorFit]
    largest_batch: Mapping[float, float]
    slopes: Mapping[str, float]
    notes: tuple[str, ...]

    def has_grid(self) -> bool:
        """Return whether some σ and width were run at two batch sizes or more."""
        places = list(zip(self.sigma, self.width, strict=True))
        return len(set(places)) < len(places)


def td_errors(table: pl.DataFrame | pl.LazyFrame) -> list[TdErrors]:
    """Return the analysis of every task that has a training and a validation error; empty without them."""
    frame = table.lazy().collect()
    if not {TRAIN, VALIDATION} <= set(frame.columns):
        return []
    found = []
    for env in sorted(frame["env"].unique()):
        own = frame.filter(pl.col("env") == env)
        logged = own.filter(pl.col(VALIDATION).is_finite())
        if logged.is_empty():
            continue
        last = min(WINDOW_END, int(logged["env_step"].to_numpy().max()))
        found.append(_task(env, own, (last * 9 // 10, last)))
    return found


def td_errors_of(table: pl.DataFrame | pl.LazyFrame, *, source: str) -> list[TdErrors]:
    """Return `td_errors`; an AnalysisError where there is nothing to analyse."""
    found = td_errors(table)
    if not found:
        raise AnalysisError(
            f"{source}: no task has both {TRAIN} and {VALIDATION}; expected these columns with numbers"
        )
    return found


def _task(env: str, rows: pl.DataFrame, window: tuple[int, int]) -> TdErrors:
    metrics = [name for name in (TRAIN, VALIDATION, PASSIVE) if name in rows.columns]
    means = vslog.window_means(
        rows, metrics, first_step=window[0], last_step=window[1], by="run"
    ).filter(pl.col("critic_params").is_not_null(), pl.col(VALIDATION).is_not_null())
    notes = []
    runs = rows["run"].n_unique()
    if means.height < runs:
        notes.append(
            f"{runs - means.height} of {runs} runs are left out: they ended before env step "
            f"{window[0]:,}, or did not log {VALIDATION}"
        )

    def column(name: str) -> Floats:
        values = means[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return np.where(values > 0, values, np.nan)

    sigma, batch, params = column("utd"), column("batch_size"), column("critic_params")
    errors = {"train": column(TRAIN), "validation": column(VALIDATION)}
    fits = {}
    for name, error in errors.items():
        try:
            fits[name] = laws.td_error.fit_td_error(batch, params, sigma, error)
        except ValueError as problem:
            notes.append(f"no regression of the {name} error: {problem}")
    largest = {}
    if "validation" in fits:
        sizes = np.unique(params)
        allowed = laws.td_error.largest_batch(fits["validation"], sizes, np.unique(batch))
        largest = dict(zip(sizes.tolist(), allowed.tolist(), strict=True))
    slopes = {}
    if PASSIVE in metrics and "passive_critic_width" in means.columns:
        widths = {"main": column("critic_width"), "passive": column("passive_critic_width")}
        slopes = laws.td_error.mean_slopes(widths, column(PASSIVE))
    return TdErrors(
        env, window, sigma, batch, params, column("critic_width"), errors, fits, largest, slopes,
        tuple(notes),
    )  # fmt: skip


def sentences(found: TdErrors) -> list[str]:
    """Return the findings in words."""
    first, last = found.window
    said = [f"{found.env}, mean over env steps {first:,} to {last:,}, {found.sigma.size} runs:"]
    for name, fit in found.fits.items():
        terms = ", ".join(
            f"{label} {e.value:+.3f} [{e.low:+.3f}, {e.high:+.3f}]"
            for label, e in fit.coefficients.items()
            if label != "constant"
        )
        said.append(f"log {name} error per unit of log: {terms} (R² {fit.r2:.3f})")
    if "validation" in found.fits:
        ends = np.array([found.params.min(), found.params.max()])
        slope = found.fits["validation"].batch_slope(ends)
        words = [
            f"{'raise' if low > 0 else 'lower' if high < 0 else 'do not clearly change'} it at "
            f"N = {n:,.0f} ({value:+.3f} [{low:+.3f}, {high:+.3f}])"
            for n, value, low, high in zip(ends, slope.value, slope.low, slope.high, strict=True)
        ]
        said.append(f"validation error: bigger batches {' and '.join(words)}")
        said.append(
            "largest batch within 5 % of the best validation error: "
            + ", ".join(f"{b:.0f} at N = {n:,.0f}" for n, b in found.largest_batch.items())
        )
    if found.slopes:
        said.append(
            "passive critic: slope of its validation error "
            + ", ".join(
                f"{value:+.3f} in the {n} critic's width" for n, value in found.slopes.items()
            )
        )
    return [*said, *found.notes]
