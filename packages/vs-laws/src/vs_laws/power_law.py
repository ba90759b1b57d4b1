"""Power laws in log-log space: one slope with an intercept per group, or a slope per group.

B*(σ) and η*(σ) of arXiv:2502.04327 §4.2 have one slope per benchmark and one intercept per task
(fixed effects). The least-squares solution is written with sums within groups, so every bootstrap
(with its own missing points) is fitted by the same few matrix products.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from vs_laws import verdict as rules
from vs_laws._inputs import labels, levels, positive, sample_rows, weights_like
from vs_laws.forms import Floats, PowerLaw
from vs_laws.result import Estimate, Fit
from vs_laws.verdict import Judgement, Verdict


def fit_power_law(
    x: ArrayLike,
    y: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    shared_exponent: bool = True,
    weights: ArrayLike | None = None,
    samples_y: ArrayLike | None = None,
) -> Fit[PowerLaw]:
    """Fit ``y = coefficient[group] · x**exponent`` by weighted least squares of the logarithms.

    Args:
        x: (n,) positive levels.
        y: (n,) positive values; NaN or inf (censored) points are left out, with a note.
        groups: (n,) label of each point's group (task); None for one law.
        shared_exponent: one exponent for all groups, or one for each.
        weights: (n,) non-negative.
        samples_y: (K, n) bootstraps of y; a non-finite entry is left out of its bootstrap only.
            Intervals are then percentiles over the bootstraps, otherwise Student's t.

    Returns:
        Parameters ``exponent`` and ``coefficient`` (``name[group]`` where they differ by group);
        law fields (G, 1) when there are groups.

    Raises:
        ValueError: on mismatched lengths, non-positive x or y, or fewer than two distinct x (in
            every group, for separate exponents).
    """
    x = levels("x", x)
    y, notes = positive("y", y, x.size)
    weights = np.where(np.isfinite(y), weights_like(weights, x.size), 0.0)
    names, member = labels(groups, x.size)
    draws = None if samples_y is None else sample_rows("samples_y", samples_y, x.size)
    one_hot = np.equal.outer(member, np.arange(max(len(names), 1))).astype(float)  # (n, G)
    log_x = np.log(x)
    origin = log_x.mean()

    centred = log_x - origin
    intercept, slope, spread, mean_x = _regress(centred, y[None], weights, one_hot, shared_exponent)
    lacking = np.isnan(slope[0]) | np.isnan(intercept[0])
    if lacking.any():
        where = f" for group {names[int(lacking.argmax())]!r}" if names else ""
        raise ValueError(f"fit_power_law: too few known values of y{where}; two distinct x needed")
    used = weights > 0
    fitted = intercept[0, member] + slope[0, member] * centred
    residual = np.where(used, np.log(np.where(used, y, 1.0)) - fitted, np.nan)
    squares = np.where(used, weights * np.nan_to_num(residual) ** 2, 0.0)
    total = weights.sum()
    group_weight = weights @ one_hot
    count = (used @ one_hot).astype(int)
    slopes = 1 if shared_exponent else one_hot.shape[1]
    dof = float(used.sum() - one_hot.shape[1] - slopes)
    noise = squares.sum() / dof if dof > 0 else np.nan
    known_y = np.where(used, np.log(np.where(used, y, 1.0)), 0.0)
    group_mean = (weights * known_y) @ one_hot / group_weight
    variation = weights @ (known_y - group_mean[member]) ** 2

    # covariance of (log coefficient at x = 1, exponent), group by group
    shift = mean_x[0] + origin
    v_slope = np.full(one_hot.shape[1], noise) / spread[0]
    v_top = noise / group_weight + shift**2 * v_slope
    cross = -shift * v_slope
    with np.errstate(over="ignore"):  # levels that hardly differ, far from 1
        coefficient = np.exp(intercept[0] - slope[0] * origin)
        covariance = np.empty((one_hot.shape[1], 2, 2))
        covariance[:, 0, 0] = v_top * coefficient**2
        covariance[:, 1, 1] = v_slope
        covariance[:, 0, 1] = covariance[:, 1, 0] = cross * coefficient

    sample_law, top_draws, slope_draws = None, None, None
    if draws is not None:
        log_top, slope_draws, _, _ = _regress(centred, draws, weights, one_hot, shared_exponent)
        with np.errstate(over="ignore"):
            top_draws = np.exp(log_top - slope_draws * origin)
        lost = int((np.isnan(slope_draws) | np.isnan(top_draws)).any(axis=1).sum())
        notes += _sample_notes(draws[:, used], lost)
        shape = (len(draws), -1, 1) if names else (len(draws), 1)
        sample_law = PowerLaw(top_draws.reshape(shape), slope_draws.reshape(shape))

    quantile = rules.t_quantile(dof)
    parameters: dict[str, Estimate] = {}
    for g in range(1 if shared_exponent else one_hot.shape[1]):
        key = "exponent" if shared_exponent or not names else f"exponent[{names[g]}]"
        error = float(np.sqrt(v_slope[g]))
        value = float(slope[0, g])
        parameters[key] = (
            _t_estimate(value, error, quantile)
            if slope_draws is None
            else Estimate.from_samples(value, slope_draws[:, g])
        )
    for g in range(one_hot.shape[1]):
        key = f"coefficient[{names[g]}]" if names else "coefficient"
        value = float(coefficient[g])
        if top_draws is None:
            error = float(np.sqrt(v_top[g]))
            with np.errstate(over="ignore"):
                factor = float(np.exp(quantile * error)) if dof > 0 else np.nan
            parameters[key] = Estimate(value, value / factor, value * factor, value * error)
        else:
            parameters[key] = Estimate.from_samples(value, top_draws[:, g])

    judgement = _judge(x, y, draws, one_hot, used, parameters, shared_exponent, names)
    fields = (coefficient[:, None], slope[0][:, None]) if names else (coefficient[0], slope[0, 0])
    if names and shared_exponent:
        notes += (f"one exponent for {len(names)} groups ({', '.join(map(str, count))} points)",)
    return Fit(
        form="y = coefficient * x^exponent",
        parameters=parameters,
        loss=float(squares.sum() / total),
        loss_name="log MSE",
        n=int(used.sum()),
        r2_log=float(1.0 - squares.sum() / variation) if variation > 0 else float("nan"),
        residuals=residual,
        verdict=judgement.verdict,
        reason=judgement.reason,
        law=PowerLaw(*fields),
        samples=sample_law,
        covariance=covariance if names else covariance[0],
        dof=max(dof, 0.0),
        groups=names,
        notes=notes,
    )


def log_slopes(log_x: Floats, y: Floats, weights: Floats) -> Floats:
    """Log-log slope of every row of y (B, n); non-finite entries left out; NaN below two levels."""
    return _regress(log_x, y, weights, np.ones((log_x.size, 1)), True)[1][:, 0]


def _regress(
    x: Floats, y: Floats, weights: Floats, one_hot: Floats, shared: bool
) -> tuple[Floats, Floats, Floats, Floats]:
    """Fixed-effects regression of log y (B, n) on x (n,).

    Returns intercept (at x = 0), slope, spread Σw(x − x̄)² behind that slope, and x̄, all (B, G);
    NaN where a group has no data or a slope fewer than two distinct x.
    """
    known = np.isfinite(y) & (weights > 0)
    w = np.where(known, weights, 0.0)
    log_y = np.log(np.where(known, y, 1.0))
    mass = w @ one_hot
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_x = (w * x) @ one_hot / mass
        mean_y = (w * log_y) @ one_hot / mass
    # per point: its group's mean (0 where the group is empty, its weight is 0 there anyway)
    offset_x = x - np.nan_to_num(mean_x) @ one_hot.T
    offset_y = log_y - np.nan_to_num(mean_y) @ one_hot.T
    spread = (w * offset_x**2) @ one_hot
    product = (w * offset_x * offset_y) @ one_hot
    if shared:
        spread = np.broadcast_to(spread.sum(axis=1, keepdims=True), spread.shape)
        product = np.broadcast_to(product.sum(axis=1, keepdims=True), product.shape)
    tiny = 1e-20 * (weights @ (x - x.mean()) ** 2 + 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(spread > tiny, product / spread, np.nan)
    return mean_y - slope * mean_x, slope, spread, mean_x


def _t_estimate(value: float, error: float, quantile: float) -> Estimate:
    if not np.isfinite(quantile):
        return Estimate(value)
    return Estimate(value, value - quantile * error, value + quantile * error, error)


def _sample_notes(draws: Floats, lost: int) -> tuple[str, ...]:
    """What was left out of the bootstraps."""
    holes = int((~np.isfinite(draws)).any(axis=1).sum())
    if holes == 0:
        return ()
    note = f"{holes} of {len(draws)} bootstraps have censored points, left out of that bootstrap"
    return (note + (f"; {lost} could not be fitted" if lost else ""),)


def _judge(
    x: Floats,
    y: Floats,
    draws: Floats | None,
    one_hot: Floats,
    used: np.ndarray,
    parameters: dict[str, Estimate],
    shared: bool,
    names: tuple[str, ...],
) -> Judgement:
    """The rules of `vs_laws.verdict` for a power law; the first group that fails a rule decides."""
    memberships = [(used & (column > 0)) for column in one_hot.T]
    pools = [used] if shared else memberships
    keys = [key for key in parameters if key.startswith("exponent")]

    def tell(judgement: Judgement, group: int) -> Judgement:
        prefix = f"{names[group]}: " if names and len(memberships) > 1 else ""
        return Judgement(judgement.verdict, prefix + judgement.reason)

    for g, pool in enumerate(pools):
        if few := rules.too_few_levels(np.unique(x[pool]).size, 2):
            return few if shared else tell(few, g)
    for g, pool in enumerate(memberships):
        log_y = np.log(y[pool])
        with np.errstate(invalid="ignore"):
            spread = None if draws is None else np.log(np.where(draws > 0, draws, np.nan))[:, pool]
        if spread is not None:
            spread = np.where(np.isfinite(spread), spread, np.nan)
        up = rules.worst_reversal(x[pool], log_y, spread)
        down = rules.worst_reversal(x[pool], -log_y, None if spread is None else -spread)
        if up and down:
            a, b = x[pool][list(up)], x[pool][list(down)]
            return tell(
                Judgement(
                    Verdict.NON_MONOTONE,
                    f"beyond noise, y rises from x = {a[0]:.4g} to {a[1]:.4g} and falls from "
                    f"{b[0]:.4g} to {b[1]:.4g}",
                ),
                g,
            )
    for g, key in enumerate(keys):
        if level := rules.flat(parameters[key].low, parameters[key].high):
            return level if shared else tell(level, g)
    for g, (key, pool) in enumerate(zip(keys, pools, strict=True)):
        reach = float(np.log10(x[pool].max() / x[pool].min()))
        span = (parameters[key].high - parameters[key].low) * reach
        if not span <= rules.MAX_DECADES:
            wide = Judgement(
                Verdict.UNIDENTIFIED,
                f"the 95% interval of {key} lets y(x_max)/y(x_min) span {span:.1f} decades",
            )
            return wide if shared else tell(wide, g)
    each = "; ".join(f"{k} [{parameters[k].low:.3g}, {parameters[k].high:.3g}]" for k in keys)
    return rules.supported(f"the 95% interval excludes 0: {each}")
