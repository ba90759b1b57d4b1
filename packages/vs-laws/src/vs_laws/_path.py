"""A power law through optima, with intervals from every bootstrap's own optima."""

from dataclasses import replace

import numpy as np

from vs_laws import verdict as rules
from vs_laws.forms import Floats, PowerLaw
from vs_laws.power_law import fit_power_law
from vs_laws.result import Estimate, Fit
from vs_laws.verdict import Judgement, Verdict


def path_law(
    form: str,
    x: Floats,
    y: Floats,
    drawn: tuple[Floats, Floats] | None,
    *,
    outside: int,
    where: str,
) -> Fit[PowerLaw]:
    """``y = coefficient · x^exponent`` through the optima of several levels.

    Args:
        form: the formula, in words.
        x: (m,) budgets (or another quantity of the optima).
        y: (m,) the quantity.
        drawn: x and y of every bootstrap, (K, m) each.
        outside: how many of the optima are extrapolations; the law is then not called supported.
        where: what "outside" means, for the reason.
    """
    fit = replace(fit_power_law(x, y), form=form)
    if drawn is None:
        note = "the interval is that of the scatter over levels only, not of the seeds"
        return replace(fit, notes=(*fit.notes, note))
    law = _regress(*drawn)
    centre = fit.parameters
    parameters = {
        "exponent": Estimate.from_samples(centre["exponent"].value, law.exponent),
        "coefficient": Estimate.from_samples(centre["coefficient"].value, law.coefficient),
    }
    lost = int(np.isnan(law.exponent).sum())
    notes = fit.notes + (
        (f"{lost} of {np.size(law.exponent)} bootstraps had fewer than two optima",) if lost else ()
    )
    judgement = _judge(fit, parameters["exponent"], float(np.ptp(np.log10(x))))
    if judgement.verdict is Verdict.SUPPORTED and outside:
        judgement = Judgement(Verdict.UNIDENTIFIED, f"{outside} of {x.size} optima lie {where}")
    return replace(
        fit,
        parameters=parameters,
        samples=law,
        covariance=None,
        verdict=judgement.verdict,
        reason=judgement.reason,
        notes=notes,
    )


def _judge(fit: Fit, exponent: Estimate, decades: float) -> Judgement:
    """The rules of `vs_laws.verdict`, with the seeds' interval in place of the scatter's."""
    if fit.verdict in (Verdict.TOO_FEW_LEVELS, Verdict.NON_MONOTONE):
        return Judgement(fit.verdict, fit.reason)
    if level := rules.flat(exponent.low, exponent.high):
        return level
    span = (exponent.high - exponent.low) * decades
    if span > rules.MAX_DECADES:
        reason = f"the 95% interval of the exponent leaves {span:.1f} decades over these budgets"
        return Judgement(Verdict.UNIDENTIFIED, reason)
    interval = f"[{exponent.low:.3g}, {exponent.high:.3g}]"
    return rules.supported(f"the 95% interval of the exponent over seeds, {interval}, excludes 0")


def _regress(x: Floats, y: Floats) -> PowerLaw:
    """Least squares in log-log of every row (K, n), each with its own x; fields (K, 1)."""
    known = np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)
    log_x, log_y = (np.log(np.where(known, v, 1.0)) for v in (x, y))
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean_x = log_x.sum(axis=1, keepdims=True) / count
    mean_y = log_y.sum(axis=1, keepdims=True) / count
    offset = np.where(known, log_x - mean_x, 0.0)
    spread = (offset**2).sum(axis=1, keepdims=True)
    usable = spread > 1e-20
    slope = (offset * (log_y - mean_y)).sum(axis=1, keepdims=True) / np.where(usable, spread, 1.0)
    slope = np.where(usable, slope, np.nan)
    return PowerLaw(np.exp(mean_y - slope * mean_x), slope)
