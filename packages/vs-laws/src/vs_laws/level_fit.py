"""One level of a `LevelLaw` as a `Fit`, for what takes one: costs, allocations, laws along a budget."""

from collections.abc import Sequence

import numpy as np

from vs_laws._epilogue import estimates_of, r2_within
from vs_laws._points import points
from vs_laws.law import Floats
from vs_laws.level_law import LevelLaw
from vs_laws.registry import form_named
from vs_laws.result import Fit
from vs_laws.standing import standing, trend

SOURCE = "fitted to all levels of the task at once; draws are of the posterior"


def level_fits(law: LevelLaw, levels: Sequence[float], draws: Floats | None) -> dict[float, Fit]:
    """Return the smooth additive part at each level, with verdicts about predictions.

    Args:
        law: of a task.
        levels: any, fitted or not.
        draws: (S, P) from `LevelLaw.sample`: index s is the same world at every level; None for no
            intervals.

    Returns:
        Fits by level; the verdict is that of `vs_laws.standing`, the judgements say what each axis does.
    """
    overall = standing(law).judgement
    where = points(dict(law.measured.places), None)
    found = {}
    for level in levels:
        here = np.flatnonzero(np.isclose(law.measured.levels, level))
        y = law.measured.data[:, here[0]] if here.size else np.full(len(where.x), np.nan)
        one, several = law.law(level), None if draws is None else law.law(level, draws)
        used = np.isfinite(y)
        log_y = np.log(np.where(used, y, 1.0))
        residuals = np.where(used, log_y - np.log(one(**where.places)), np.nan)
        gaps = np.where(used, residuals, 0.0)
        found[float(level)] = Fit(
            form="additive",
            formula=form_named("additive").formula(law.axes),
            law=one,
            draws=several,
            parameters=estimates_of(one, several, {}, None, 0.0, ()),
            loss=float(np.mean(residuals[used] ** 2)) if used.any() else float("nan"),
            loss_name="log MSE",
            n=int(used.sum()),
            r2_log=r2_within(where, log_y, gaps, used.astype(float)),
            residuals=residuals,
            verdict=overall.verdict,
            reason=overall.reason,
            judgements={axis: trend(law, axis, level).judgement for axis in law.axes},
            ranges={a: (float(v.min()), float(v.max())) for a, v in where.places.items()},
            notes=(SOURCE,),
        )
    return found
