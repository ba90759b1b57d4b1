"""Assumptions of an analysis: levels, normalisation, bootstrap, loss; ours and the published preset."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Literal

import vs_logging as vslog
from vs_laws import FORMS

DEFAULT_DELTA = 1e10
"""δ in FLOPs per env step where the benchmark has no published value: paper 1's value on DMC."""

LEVELS_PER_TASK = 20
"""Levels of one task in a study of two axes (arXiv:2508.14881, thresholds: 20, evenly spaced)."""

PUBLISHED_LEVELS = (
    300.0, 390.959694, 470.099865, 538.956371, 598.865496,
    650.989884, 696.341103, 735.799275, 770.130156, 800.0,
)  # fmt: skip
"""The ten levels of paper 1's notebook: 300 to 800, spacing shrinking by a constant ratio."""


@dataclass(frozen=True)
class Settings:
    """Choices that change the numbers; every one is written into ``laws.json``.

    Attributes:
        levels: increasing normalised returns (1000 = the task's optimal return); empty for
            `reachable_levels` of the curves at hand.
        hyperparameter_level: level at which B* and η* are fitted; default the highest of ``levels``.
        optimal_returns: raw return that counts as 1000, by env; overrides what the run table says
            of its runs, which overrides the built-in list.
        critic_params: N by env, where the table does not record it.
        delta: δ, the price of one env step in FLOPs; ``None`` takes the benchmark's published value.
        bootstraps: K, seed resamples that drive every interval.
        seed: of the one random generator.
        mean: how B̃ and η̃ are averaged; ``geometric`` as the axes are logarithmic.
        loss: of the data law; ``log`` or ``plain``.
        unreached: what an argmin is where every configuration is censored; ``smallest`` is the
            published code's defect, kept to reproduce its numbers.
        median_over: what each task's normalising median is taken over when tasks share a data law.
        hold_out_budgets: how many of the largest budgets the σ*(F), D*(F), C*(F) fits do not see.
        drop_duplicate_seeds: leave out seed columns that are exact copies of another.
        level_ranges: lowest and highest level by env, for the study of two axes: `LEVELS_PER_TASK`
            levels, evenly spaced.
        last_steps: env step by env after which evaluations are left out; the others are kept whole.
        reset_every: critic updates between two resets of the agents, 0 for none; the dips after
            them are left out (`vs_isotonic.remove_resets`). Overrides what the table says of its runs.
        estimator: of the data laws: ``levels`` fits all levels of a task at once, with what the law
            misses (`vs_laws.fit_level_law`); ``each`` fits every level alone, as the papers do.
        form: form of the data law of each level.
        batch_size: the batch size in FLOPs over two axes: the law B*(σ, N) of the runs, or 256 as in
            C_J(σ, N) of paper 2's code.
        actor_params: parameters of the actor, counted in FLOPs over two axes; 0 leaves it out.
        passive_params: the same for a passive critic.
    """

    levels: tuple[float, ...] = ()
    hyperparameter_level: float | None = None
    optimal_returns: Mapping[str, float] = field(default_factory=dict)
    critic_params: Mapping[str, int] = field(default_factory=dict)
    delta: float | None = None
    bootstraps: int = 100
    seed: int = 0
    mean: Literal["geometric", "arithmetic"] = "geometric"
    loss: Literal["log", "plain"] = "log"
    unreached: Literal["missing", "smallest"] = "missing"
    median_over: Literal["utd", "utd and levels"] = "utd"
    hold_out_budgets: int = 2
    drop_duplicate_seeds: bool = True
    level_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    last_steps: Mapping[str, int] = field(default_factory=dict)
    reset_every: float | None = None
    estimator: Literal["levels", "each"] = "levels"
    form: str = "additive"
    batch_size: Literal["law", "published"] = "law"
    actor_params: int = 0
    passive_params: int = 0

    def __post_init__(self) -> None:
        if not all(0 < level < math.inf for level in self.levels):
            raise ValueError(f"levels must be positive and finite, got {self.levels}")
        for name in ("optimal_returns", "critic_params", "last_steps"):
            for env, value in getattr(self, name).items():
                if not 0 < value < math.inf:
                    raise ValueError(f"{name} of {env} must be positive, got {value:g}")
        if self.delta is not None and not 0 < self.delta < math.inf:
            raise ValueError(f"delta must be positive, got {self.delta:g}")
        if self.reset_every is not None and not 0 <= self.reset_every < math.inf:
            raise ValueError(f"reset_every must not be negative, got {self.reset_every:g}")
        if any(b <= a for a, b in pairwise(self.levels)):
            raise ValueError(f"levels must be increasing, got {self.levels}")
        chosen = self.hyperparameter_level
        if chosen is not None and self.levels and chosen not in self.levels:
            raise ValueError(
                f"hyperparameter_level {chosen:g} is not one of the levels {self.levels}"
            )
        for env, (low, high) in self.level_ranges.items():
            if not 0 < low < high < math.inf:
                raise ValueError(
                    f"level_ranges of {env} must be 0 < low < high, got {low:g} and {high:g}"
                )
        for name in ("actor_params", "passive_params"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.form not in FORMS or not FORMS[self.form].parameters(1):
            known = ", ".join(name for name, form in FORMS.items() if form.parameters(1))
            raise ValueError(f"form must be one of {known}, got {self.form!r}")
        if self.estimator == "levels" and (self.form, self.loss) != ("additive", "log"):
            raise ValueError(
                f"form {self.form!r} with loss {self.loss!r} is for data laws of each level: "
                "give --estimator each"
            )
        if self.bootstraps < 2:
            raise ValueError(f"bootstraps must be at least 2, got {self.bootstraps}")


def published(stage: Literal["grid", "fitted"] = "fitted") -> Settings:
    """Paper 1's choices on OpenAI Gym, as in its notebooks.

    The two stages of the notebook normalise by different returns; ``grid`` is the one behind B* and η*,
    ``fitted`` the one behind D_J, C_J and σ*(F).
    """
    grid = {
        "HalfCheetah-v4": 9125.0,
        "Walker2d-v4": 5000.0,
        "Ant-v4": 6625.0,
        "Humanoid-v4": 6500.0,
    }
    fitted = {
        "HalfCheetah-v4": 9800.0,
        "Walker2d-v4": 4950.0,
        "Ant-v4": 6625.0,
        "Humanoid-v4": 6450.0,
    }
    return Settings(
        levels=PUBLISHED_LEVELS,
        optimal_returns=grid if stage == "grid" else fitted,
        critic_params=dict.fromkeys(grid, 150_000),
        delta=4e9,
        mean="arithmetic",
        loss="plain",
        estimator="each",
        unreached="smallest",
        median_over="utd and levels",
        drop_duplicate_seeds=False,
    )


def published_dmc() -> Settings:
    """Paper 1's choices on DeepMind Control (BRO): levels from 200 to 800, resets, N = 4.92e6, δ = 1e10.

    The levels are those of `published`, stretched to this range; the conventions are the same.
    """
    low, high = PUBLISHED_LEVELS[0], PUBLISHED_LEVELS[-1]
    levels = tuple(round(200 + 600 * (x - low) / (high - low), 6) for x in PUBLISHED_LEVELS)
    tasks = [task.env for task in vslog.tasks() if task.benchmark == "dmc"]
    return replace(
        published(),
        levels=levels,
        optimal_returns={},
        critic_params=dict.fromkeys(tasks, 4_920_000),
        delta=1e10,
        reset_every=2.5e6,
    )


def published2() -> Settings:
    """Paper 2's choices: its levels, last steps and resets, δ = 1e11, FLOPs at a batch size of 256.

    Its levels are raw returns on every task: 1000 counts as optimal on HumanoidBench, too.
    Its forward-filled tails are not followed: seeds that stopped are treated as
    `vs_isotonic.mean_crossings` says.
    """
    rows = _rows("levels.csv")
    robots = (task.env for task in vslog.tasks() if task.benchmark == "humanoid_bench")
    return Settings(
        optimal_returns=dict.fromkeys((*robots, *(row["env"] for row in rows)), 1000.0),
        level_ranges={row["env"]: (float(row["low"]), float(row["high"])) for row in rows},
        last_steps={row["env"]: int(row["last_step"]) for row in rows},
        reset_every=2.5e6,
        delta=1e11,
        estimator="each",
        batch_size="published",
    )


@dataclass(frozen=True)
class TaskFacts:
    """Published facts about one task: the return that counts as 1000, N and δ.

    NaN or ``None`` where one is not known.
    """

    optimal_return: float
    critic_params: int | None
    delta: float | None


def task_facts(benchmark: str, env: str) -> TaskFacts | None:
    """Look a task up in the built-in lists; ``None`` when neither has it.

    Optimal returns are those of `vslog.find_task`, which knows the usual spellings of a task's name; N
    and δ, and the optimal return of dm_control tasks beyond that list, are in ``benchmarks.csv``.
    """
    known = vslog.find_task(env)
    listed = known is not None and known.benchmark == benchmark
    names = ("*", env, known.env) if listed else ("*", env)
    general = [
        row
        for row in _rows("benchmarks.csv")
        if row["benchmark"] == benchmark and row["env"] in names
    ]
    if not listed and not general:
        return None
    facts = general[0] if general else {}
    optimal = known.optimal_return if listed else facts.get("optimal_return")
    return TaskFacts(
        float("nan") if optimal in (None, "") else float(optimal),
        int(facts["critic_params"]) if facts.get("critic_params") else None,
        float(facts["delta"]) if facts.get("delta") else None,
    )


@cache
def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("vs_analyze").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
