"""Return the levels at which data efficiency is measured, chosen from the curves where none are given."""

from collections.abc import Mapping, Sequence

import numpy as np

from vs_analyze.runs import AnalysisError, Run
from vs_analyze.settings import LEVELS_PER_TASK, Settings

type Levels = tuple[float, ...]

LOWEST = 0.375
"""Share of the highest level at which the lowest one lies."""

_LEAST = 12  # normalised return below which all levels would round to 0
_ONE_AXIS = 11  # levels of a study over utd


def study_levels(
    runs: Sequence[Run], settings: Settings, axes: Sequence[str]
) -> Mapping[str, Levels]:
    """Return increasing normalised returns by env: one set for all tasks over utd alone.

    Over two axes a task has its own: ``level_ranges`` first, then ``levels``, then `automatic_range`.

    Raises:
        AnalysisError: the curves end too low for any level.
    """
    envs = list(dict.fromkeys(run.env for run in runs))
    if len(axes) == 1:
        return dict.fromkeys(envs, settings.levels or reachable_levels(runs))
    return {env: _task_levels(env, [r for r in runs if r.env == env], settings) for env in envs}


def level_index(levels: Levels, settings: Settings) -> int:
    """Return the position of the level at which B* and η* are fitted: the highest by default."""
    chosen = settings.hyperparameter_level
    return levels.index(chosen) if chosen in levels else len(levels) - 1


def reachable_levels(runs: Sequence[Run]) -> Levels:
    """Return eleven levels that the curves can speak about, from a base to what the worst runs reach.

    The highest is nine tenths of what half of the configurations reach at the task and σ where that
    is hardest (at most 800, paper 1's level; rounded down to a multiple of 10). The tenth keeps most
    bootstraps from being censored there.
    """
    finals: dict[tuple[str, float], list[float]] = {}
    for run in runs:
        finals.setdefault((run.env, run.utd), []).append(float(np.nan_to_num(run.fit()[-1])))
    medians = {key: float(np.median(values)) for key, values in finals.items()}
    (env, utd), worst = min(medians.items(), key=lambda item: item[1])
    if worst < _LEAST:
        raise AnalysisError(
            f"{env} at utd {utd:g}: half of the configurations end below a normalised return of "
            f"{_LEAST} ({worst:.3g}; 1000 = optimal), so no level can be compared; run longer or "
            "give --levels"
        )
    top = min(800.0, np.floor(0.09 * worst) * 10)
    return tuple(np.round(np.linspace(LOWEST * top, top, _ONE_AXIS), 6).tolist())


def automatic_range(env: str, runs: Sequence[Run]) -> tuple[float, float]:
    """Return the lowest and highest level of a task: the highest is what the worst run ends at.

    The thresholds of arXiv:2508.14881 end there too: at the final isotonic return of the worst run.
    Runs that end before the longest of the task were cut, often because they did well, and do not
    count as worst; nor do runs without any number.
    """
    known = [run for run in runs if run.evaluated] or runs
    longest = max(run.steps[-1] for run in known)
    whole = [run for run in known if run.steps[-1] == longest]
    ends = [float(np.nan_to_num(run.fit()).max()) for run in whole]
    worst = int(np.argmin(ends))
    if ends[worst] < _LEAST:
        raise AnalysisError(
            f"{whole[worst].label}, critic_params {whole[worst].critic_params}, ends at a normalised "
            f"return of {ends[worst]:.3g} (1000 = optimal), so no level is reached by all runs; leave "
            "it out or give --level-ranges or --levels"
        )
    return LOWEST * ends[worst], ends[worst]


def _task_levels(env: str, runs: Sequence[Run], settings: Settings) -> Levels:
    if env not in settings.level_ranges and settings.levels:
        return settings.levels
    low, high = settings.level_ranges.get(env) or automatic_range(env, runs)
    return tuple(np.round(np.linspace(low, high, LEVELS_PER_TASK), 6).tolist())
