"""From the run table to one array of learning curves per configuration."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import vs_isotonic as iso
import vs_logging as vslog
from numpy.typing import ArrayLike, NDArray

from vs_analyze.settings import Settings, task_facts

type Floats = NDArray[np.float64]


class AnalysisError(ValueError):
    """The curves cannot answer the question; the message says which ones, why, and what is needed."""


@dataclass(frozen=True)
class Run:
    """All seeds of one configuration, normalised so that the task's optimal return is 1000.

    Attributes:
        optimal_return: the raw return that counts as 1000.
        returns: shape (T, S); NaN where a seed has no evaluation.
        steps: shape (T,), increasing env steps.
        begun: number of seeds in the table.
        duplicates: how many of them are exact copies of another; left out by default.
        failed: shape (S,), seeds that ended before the others and not on success (they diverged, or
            their process died), or have no number at all; they go on in the mean at what they had
            reached (`vs_isotonic.mean_crossings`).
        stopped: shape (S,), seeds that were stopped because they succeeded; None where the table
            does not say.
        critic_width, critic_depth: None where the table does not say.
        action_repeat: env steps per decision of the agent; updates happen per decision.
        resets: env steps of the agents' resets, (R,); measuring leaves out the dips after them.
        identity: all that tells the run from others: the columns of `vs_logging.IDENTITY_COLUMNS`
            that the table has.
    """

    algo: str
    benchmark: str
    env: str
    utd: float
    batch_size: int
    learning_rate: float
    critic_params: int | None
    optimal_return: float
    steps: Floats
    returns: Floats
    begun: int
    duplicates: int
    failed: NDArray[np.bool_]
    stopped: NDArray[np.bool_] | None = None
    critic_width: int | None = None
    critic_depth: int | None = None
    action_repeat: int = 1
    resets: Floats = field(default_factory=lambda: np.empty(0))
    identity: tuple[object, ...] = ()

    def mean(self, threshold: float | None = None) -> Floats:
        """The mean over seeds, shape (T,), as level ``threshold`` sees it (default: the lowest)."""
        if not self.evaluated:
            return np.full(len(self.steps), np.nan)
        low = float(np.nanmin(self.returns)) if threshold is None else threshold
        return iso.mean_curve(self.returns, stopped=self.stopped, failed=self.failed, threshold=low)

    def fit(self) -> Floats:
        """The isotonic fit of `mean` without the dips after resets, shape (T,); NaN without a number."""
        mean = self.mean()
        if not self.evaluated:
            return mean
        return iso.isotonic_regression(iso.remove_resets(self.steps, mean, self.resets))

    @property
    def evaluated(self) -> bool:
        """True if any seed has an evaluation with a number."""
        return bool(np.isfinite(self.returns).any())

    def crossings(self, levels: ArrayLike) -> iso.Crossings:
        """Return the crossings of the mean over seeds at each level, ``(J,)``."""
        return iso.mean_crossings(
            self.steps, self.returns, levels, stopped=self.stopped, failed=self.failed,
            resets=self.resets,
        )  # fmt: skip

    @property
    def shape(self) -> str:
        """The critic's width, and its depth where that is known."""
        return shape_of(self.critic_width, self.critic_depth)

    @property
    def label(self) -> str:
        """The configuration in words, for messages."""
        return (
            f"{self.env} at utd {self.utd:g}, batch_size {self.batch_size}, "
            f"learning_rate {self.learning_rate:g}"
        )


def shape_of(width: float | None, depth: int | None) -> str:
    """A network's size in words: ``256 x 2``, or ``256`` where the depth is not known."""
    wide = "" if width is None else f"{width:.0f}"
    return wide if depth is None else f"{wide} x {depth}"


PLACE = ["algo", "benchmark", "env", "utd", "batch_size", "learning_rate", "critic_params"]
"""The columns that a study goes by."""


def load_runs(table: pl.DataFrame | pl.LazyFrame, settings: Settings, *, source: str) -> list[Run]:
    """Validate a run table and split it into configurations, sorted by env, utd, batch size, rate.

    Raises:
        vs_logging.RunTableError: a row breaks the run table's rules.
        AnalysisError: two runs share one configuration, a curve has no number in it, or a task's
            optimal return is not known, not positive, or not the same in all of its runs.
    """
    frame = vslog.validate(
        table.collect() if isinstance(table, pl.LazyFrame) else table, source=source
    )
    for env, last in settings.last_steps.items():
        frame = frame.filter((pl.col("env") != env) | (pl.col("env_step") <= last))
    # rows of a run together; their order within it does not matter
    code = frame["run"].cast(pl.Categorical).to_physical().to_numpy()
    order = np.argsort(code, kind="stable")
    columns = {name: frame[name].to_numpy()[order] for name in ("seed", "env_step")}
    # null and NaN both mean "not logged here": the row keeps its step, the value has no weight
    columns["return_"] = frame["return_"].fill_null(float("nan")).to_numpy()[order]
    if "stopped_on_success" in frame.columns:
        columns["stopped"] = frame["stopped_on_success"].fill_null(False).to_numpy()[order]
    if "updates" in frame.columns:
        columns["updates"] = frame["updates"].cast(pl.Float64).to_numpy()[order]
    starts = np.flatnonzero(np.diff(code[order], prepend=-1.0))
    names = [name for name in vslog.IDENTITY_COLUMNS if name in frame.columns]
    facts = [name for name in ("action_repeat", "reset_every") if name in frame.columns]
    configurations = frame.select("run", *names, *facts)[order[starts]].to_dicts()
    scales = _optimal_returns(frame, settings, source)
    runs = [
        _run(
            key,
            {n: column[start:end] for n, column in columns.items()},
            scales[key["benchmark"], key["env"]],
            settings,
        )
        for key, start, end in zip(configurations, starts, [*starts[1:], frame.height], strict=True)
    ]
    runs.sort(key=lambda run: (*_place(run)[:-1], run.critic_params or 0, str(run.identity)))
    for run, previous in zip(runs[1:], runs, strict=False):
        if run.identity == previous.identity:
            raise AnalysisError(
                f"{source}: two runs have the same configuration ({run.label}); "
                "expected one run id per configuration, with its seeds in the seed column"
            )
    return runs


def check_runs(runs: Sequence[Run], axes: Sequence[str]) -> None:
    """Refuse runs that cannot be one study over the axes.

    Raises:
        AnalysisError: no runs, several algorithms or benchmarks, N not recorded or too few values of an
            axis, several model sizes over utd alone, one seed everywhere.
    """
    if not runs:
        raise AnalysisError("the table has no runs")
    both = "critic_params" in axes
    kinds = sorted({(run.algo, run.benchmark) for run in runs})
    if len(kinds) > 1 and not both:
        raise AnalysisError(
            "the laws have one exponent per benchmark and algorithm, but the tables hold "
            + " and ".join(f"{algo} on {benchmark}" for algo, benchmark in kinds)
            + "; analyse them one at a time"
        )
    values = sorted({run.utd for run in runs})
    if len(values) < 3 and not both:
        shown = " and ".join(f"{value:g}" for value in values)
        raise AnalysisError(
            f"all runs have utd {shown}; a law over utd needs at least three values"
        )
    for env in dict.fromkeys(run.env for run in runs):
        own = [run for run in runs if run.env == env]
        repeats = sorted({run.action_repeat for run in own})
        if len(repeats) > 1:
            raise AnalysisError(
                f"{env}: runs with action_repeat {repeats[0]} and {repeats[-1]}; analyse them one at a "
                "time"
            )
        (_check_two_axes if both else _check_one_size)(env, own)
    if all(run.returns.shape[1] < 2 for run in runs):
        raise AnalysisError(
            "every run has one seed; intervals need at least two distinct seeds per configuration"
        )


def _check_one_size(env: str, runs: Sequence[Run]) -> None:
    sizes = {str(run.critic_params) for run in runs}
    if len(sizes) > 1:
        raise AnalysisError(
            f"{env}: runs have several critic_params ({', '.join(sorted(sizes))}), and a study over "
            "utd alone needs one model size: filter the table, or, with three sizes and more, "
            "study both axes (--axes utd params)"
        )


def _check_two_axes(env: str, runs: Sequence[Run]) -> None:
    kinds = sorted({f"{run.algo} on {run.benchmark}" for run in runs})
    if len(kinds) > 1:
        raise AnalysisError(f"{env}: runs of {' and '.join(kinds)}; analyse them one at a time")
    if any(run.critic_params is None for run in runs):
        raise AnalysisError(
            f"{env}: the table does not record critic_params, which a study of two axes needs"
        )
    for name in ("critic_params", "utd"):
        values = {getattr(run, name) for run in runs}
        if len(values) < 3:
            raise AnalysisError(
                f"{env}: {len(values)} distinct {name}; a law over utd and model size needs at least "
                "three of each"
            )


def curve_notes(runs: Sequence[Run]) -> list[str]:
    """Return remarks on these runs: exact copies of seeds, resets, failures, runs with one seed."""
    notes = []
    copies = sum(run.duplicates for run in runs)
    if copies:
        files = sum(run.duplicates > 0 for run in runs)
        notes.append(
            f"{copies} seed columns in {files} of {len(runs)} runs are exact copies of another seed"
        )
    reset = sum(bool(run.resets.size) for run in runs)
    if reset:
        notes.append(
            f"{reset} of {len(runs)} runs were reset; the dips after their resets are left out"
        )
    failed = [run for run in runs if run.failed.any()]
    if failed:
        count = sum(int(run.failed.sum()) for run in failed)
        shown = "; ".join(
            f"{run.failed.sum()} of {run.failed.size} at {run.label}" for run in failed[:3]
        )
        notes.append(
            f"{count} seeds in {len(failed)} of {len(runs)} runs ended early, and not on success: they "
            f"count as not reaching what they had not reached ({shown})"
        )
    single = [run.label for run in runs if run.returns.shape[1] < 2]
    if single:
        notes.append(
            f"{len(single)} runs have one distinct seed, so their bootstrap has no spread: "
            + "; ".join(single[:3])
        )
    return notes


def one_run_per_place(runs: Sequence[Run]) -> None:
    """Refuse runs that differ only in what a study does not look at (a variant, a passive critic)."""
    seen: dict[tuple[object, ...], Run] = {}
    for run in runs:
        if seen.setdefault(_place(run), run) is not run:
            raise AnalysisError(
                f"two runs are at {run.label}, critic_params {run.critic_params}, and differ in "
                f"{_difference(run, seen[_place(run)])} only; "
                "filter the table first (`vs-analyze overfitting` takes it as it is)"
            )


def _difference(run: Run, other: Run) -> str:
    pairs = zip(run.identity, other.identity, strict=False)
    return " or ".join(f"{a} and {b}" for a, b in pairs if a != b)


def _place(run: Run) -> tuple[object, ...]:
    return tuple(getattr(run, name) for name in PLACE)


def _run(key: dict, columns: dict[str, NDArray], scale: float, settings: Settings) -> Run:
    steps, returns = _columns(
        columns["seed"], columns["env_step"].astype(float), columns["return_"]
    )
    stopped = None
    if "stopped" in columns:
        flags, seeds = columns["stopped"], columns["seed"]
        stopped = np.array([flags[seeds == name].any() for name in np.unique(seeds)])
    repeat, every = key.pop("action_repeat", None) or 1, key.pop("reset_every", None)
    if settings.reset_every is not None:
        every = settings.reset_every
    failed = _failed(columns["seed"], columns["env_step"].astype(float), columns["return_"])
    if stopped is not None:
        stopped &= np.isfinite(returns).any(axis=0)
        failed &= ~stopped
    begun, distinct = len(failed), iso.distinct_seeds(returns)
    if settings.drop_duplicate_seeds:
        returns, failed = returns[:, distinct.kept], failed[distinct.kept]
        stopped = None if stopped is None else stopped[distinct.kept]
    return Run(
        **{name: key[name] for name in PLACE},
        optimal_return=scale,
        steps=steps,
        returns=returns / (scale / 1000),
        begun=begun,
        duplicates=distinct.dropped,
        stopped=stopped,
        failed=failed,
        critic_width=key["critic_width"],
        critic_depth=key.get("critic_depth"),
        action_repeat=repeat,
        resets=_resets(columns, every, key["utd"] / repeat),
        identity=tuple(value for name, value in key.items() if name != "run"),
    )


def _resets(columns: dict[str, NDArray], every: float | None, per_step: float) -> Floats:
    """Env steps at which another ``every`` critic updates were done, shape (R,).

    Updates are counted by the column ``updates`` where the table has it (a run may collect before
    it updates), else ``per_step`` of them follow every env step.
    """
    if not every:
        return np.empty(0)
    steps = np.unique(columns["env_step"]).astype(float)
    done = steps * per_step
    if "updates" in columns and np.isfinite(columns["updates"]).any():
        known = np.flatnonzero(np.isfinite(columns["updates"]))
        latest = known[np.argsort(-columns["env_step"][known], kind="stable")]
        done, first = np.unique(columns["updates"][latest], return_index=True)
        steps = columns["env_step"][latest][first].astype(float)
    due = np.arange(every, done[-1] + 1, every)
    return np.unique(np.rint(np.interp(due, done, steps)))


def _failed(seed: NDArray, env_step: Floats, return_: Floats) -> NDArray[np.bool_]:
    """Seeds (S,) whose numbers end before those of the run by one of their evaluations or more.

    The run ends at its last number, or at its last row if many rows without any follow.
    """
    known = np.isfinite(return_)
    numbers, end = np.unique(env_step[known]), env_step.max()
    if numbers.size and end - numbers[-1] <= np.diff(numbers, prepend=0.0).max():
        end = numbers[-1]
    flags = []
    for name in np.unique(seed):
        own = np.unique(env_step[(seed == name) & known])
        early = not own.size or end - own[-1] >= np.diff(own, prepend=0.0).max() > 0
        flags.append(bool(early))
    return np.array(flags)


def _columns(seed: NDArray, env_step: Floats, return_: Floats) -> tuple[Floats, Floats]:
    """Steps (T,) and returns (T, S); a seed evaluated at other steps is interpolated inside its range."""
    steps, row = np.unique(env_step, return_inverse=True)
    names, column = np.unique(seed, return_inverse=True)
    returns = np.full((len(steps), len(names)), np.nan)
    returns[row, column] = return_
    evaluated = np.zeros(returns.shape, bool)
    evaluated[row, column] = True
    for j in np.flatnonzero(~evaluated.all(axis=0)):
        known = np.isfinite(returns[:, j])
        if known.any():
            gaps = ~evaluated[:, j]
            returns[gaps, j] = np.interp(
                steps[gaps], steps[known], returns[known, j], left=np.nan, right=np.nan
            )
    return steps, returns


def _optimal_returns(
    frame: pl.DataFrame, settings: Settings, source: str
) -> dict[tuple[str, str], float]:
    """The raw return that counts as 1000, by benchmark and env: see `Settings.optimal_returns`."""
    if "optimal_return" not in frame.columns:
        frame = frame.with_columns(optimal_return=pl.lit(None, pl.Float64))
    of_runs = frame.group_by("benchmark", "env", maintain_order=True).agg(
        pl.col("optimal_return").drop_nulls().unique().sort()
    )
    return {
        (benchmark, env): _optimal_return(settings, benchmark, env, values, source)
        for benchmark, env, values in of_runs.iter_rows()
    }


def _optimal_return(
    settings: Settings, benchmark: str, env: str, of_runs: Sequence[float], source: str
) -> float:
    if env in settings.optimal_returns:
        return settings.optimal_returns[env]
    give = f"give it with --optimal-returns {env} VALUE (the return that counts as 1000)"
    if len(of_runs) > 1:
        values = " and ".join(f"{value:g}" for value in of_runs)
        raise AnalysisError(
            f"{source}: runs of {benchmark}/{env} have optimal_return {values}; {give}"
        )
    facts = task_facts(benchmark, env)
    found = of_runs[0] if of_runs else math.nan if facts is None else facts.optimal_return
    if math.isnan(found):
        raise AnalysisError(
            f"{source}: the optimal return of {benchmark}/{env} is not known; {give}"
        )
    if found <= 0:
        raise AnalysisError(
            f"{source}: the optimal return of {benchmark}/{env} is {found:g}, and returns are divided "
            f"by it; add a constant to return_ that makes good returns positive, and {give}"
        )
    return found
