"""Best batch size and learning rate from one surface over (σ, B, η), all tasks and levels at once.

Argmins of a grid, averaged, pull the exponents of B*(σ) and η*(σ) (arXiv:2502.04327 §4.2) to 0: the grid
ends where the optimum moves on. Here every configuration (a cell) says where the optimum is, through the
curvature of log D about it; `vs_laws._about_optimum` has the model and its priors.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws import verdict as rules
from vs_laws._about_optimum import Cells, Layout, prior, surface
from vs_laws._grid_remarks import remarks, step_of
from vs_laws._noise import cell_variance, level_correlation, seed_variance, spacing_variance
from vs_laws._refits import fit_surface, refit_surface
from vs_laws._responses import pool_levels
from vs_laws._sweep import Sweep, sweep
from vs_laws.forms import PowerLaw
from vs_laws.hyperparameters import HYPERPARAMETERS, Hyperparameters
from vs_laws.law import Floats
from vs_laws.result import Estimate, Fit
from vs_laws.verdict import Judgement, Verdict


def fit_hyperparameters(
    data: ArrayLike,
    *,
    tasks: Sequence[str],
    sigma: ArrayLike,
    batch_size: ArrayLike,
    learning_rate: ArrayLike,
    seeds: ArrayLike,
    spacing: ArrayLike,
    draws: ArrayLike | None,
    last_steps: ArrayLike,
    levels: ArrayLike | None = None,
    rng: np.random.Generator,
    count: int = 100,
) -> Hyperparameters:
    """Fit B*(σ), η*(σ) and D at the optimum to any set of cells (task, σ, B, η).

    Grids, searches and single configurations alike: missing and censored cells, one seed each, and a
    hyperparameter that does not vary are normal. Exponents are shared by all tasks and levels (as in
    arXiv:2502.04327 §4.2), optima and curvatures are each task's.

    Args:
        data: (n,) or (n, J) env steps to J increasing levels, ``inf`` where a level was not reached, NaN
            where it was not measured.
        tasks: (n,) label of each cell's task.
        sigma: (n,) updates per env step.
        batch_size: (n,) B.
        learning_rate: (n,) η.
        seeds: distinct seeds in each cell: one number or (n,).
        spacing: env steps between evaluations: one number, (n,) or (n, J).
        draws: (K, n, J) the same as ``data`` for K bootstraps over seeds; None without any.
        last_steps: env step at which a level not reached is censored: one number, (n,) or (n, J).
        levels: (J,) the levels, for the correlation of noise between them; None for equal distances.
        rng: moves priors and lack of fit in the refits.
        count: number of refits without draws; with draws there are K, one to each bootstrap.

    Raises:
        ValueError: on shapes that do not match, places that are not positive, no cell that reaches a
            level, or neither B nor η varying at any task and σ.
    """
    cells, kept, notes = sweep(
        data,
        tasks=tasks,
        sigma=sigma,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seeds=seeds,
        spacing=spacing,
        draws=draws,
        last_steps=last_steps,
        levels=levels,
        count=count,
    )
    counted = np.where(cells.resampled, cells.seeds, 1.0)
    of_seeds = seed_variance(cells.draws, counted[:, None])
    apart = spacing_variance(cells.data, cells.spacing)
    apart = np.where(np.isfinite(cells.data), apart, np.nan)
    noise = cell_variance(of_seeds, apart, cells.seeds, cells.task)
    correlation = level_correlation(cells.draws, of_seeds, cells.levels)
    pooled = pool_levels(cells.data, cells.draws, cells.last_steps, noise, correlation, cells.group)

    axes = cells.varying
    layout = Layout(len(cells.group_task), len(cells.tasks), axes)
    octaves = np.log2([cells.places[name] for name in axes])
    middle = float(np.mean(np.unique(np.log2(cells.sigma))))
    at = Cells(octaves, np.log2(cells.sigma) - middle, cells.task, cells.group)
    ends = np.stack([cells.ends(x, cells.task) for x in octaves])
    believed = prior(layout, ends.mean(axis=2), np.ptp(ends, axis=2))
    theta, lack = fit_surface(layout, at, believed, pooled, noise)
    many = refit_surface(layout, at, believed, pooled, noise, cells.seeds, theta, lack, rng)

    residuals = pooled.shift - surface(theta[None], layout, at)[0][0]
    both = np.concatenate([theta[None], many])
    fits = {}
    for k, name in enumerate(axes):
        slope = both[:, layout.exponent(k)]
        with np.errstate(over="ignore"):
            top = np.exp2(both[:, layout.centre(k)] - slope[:, None] * middle)
        law = _law(name, top, slope, cells, pooled.shift, residuals)
        whole = np.full(len(kept), np.nan)
        whole[kept] = residuals
        fits[name] = replace(law, residuals=whole)
    curvature = np.exp(np.stack([both[:, layout.curvature(k)] for k in range(len(axes))], axis=-1))
    skew, twist = (part[:, 0] for part in layout.shape_of(both))
    profiles = np.concatenate([pooled.profile[None], pooled.profile_draws])
    steps = np.exp(both[:, : layout.groups, None] + profiles)
    found = Hyperparameters(
        tasks=cells.tasks,
        batch_size=fits.get("batch_size"),
        learning_rate=fits.get("learning_rate"),
        curvature=curvature[0],
        curvature_draws=curvature[1:],
        skew=float(skew[0]),
        skew_draws=skew[1:],
        twist=float(twist[0]),
        twist_draws=twist[1:],
        places=tuple(
            (cells.tasks[t], float(s))
            for t, s in zip(cells.group_task, cells.group_sigma, strict=True)
        ),
        steps=steps[0],
        steps_draws=steps[1:],
        tried={name: cells.ends(cells.places[name], cells.group) for name in axes},
        lack_of_fit=lack,
    )
    gaps = {name: step_of(cells.places[name], cells.group) for name in axes}
    return replace(found, notes=(*notes, *remarks(found, gaps), *_limits(cells, of_seeds)))


def _law(
    name: str, top: Floats, slope: Floats, cells: Sweep, shift: Floats, residuals: Floats
) -> Fit:
    """Return the power law of one hyperparameter; the first of (1 + K, T) and (1 + K,) are the mode's."""
    exponent = np.broadcast_to(slope[:, None, None, None], (*top.shape, 1, 1))
    parameters = {
        f"coefficient[{task}]": Estimate.from_draws(top[0, t], top[1:, t])
        for t, task in enumerate(cells.tasks)
    }
    parameters["sigma_exponent"] = Estimate.from_draws(slope[0], slope[1:])
    judged = _judge(parameters["sigma_exponent"], cells.sigma)
    seen = np.isfinite(shift)
    loss, variation = np.mean(residuals[seen] ** 2), _within(shift[seen], cells.group[seen])
    return Fit(
        form="surface",
        formula=f"{name} = coefficient * sigma^sigma_exponent",
        law=PowerLaw(top[0][:, None], exponent[0], axes=("sigma",)),
        draws=PowerLaw(top[1:][:, :, None], exponent[1:], axes=("sigma",)),
        parameters=parameters,
        loss=float(loss),
        loss_name="log MSE of D about the surface",
        n=int(seen.sum()),
        r2_log=float(1.0 - loss / variation) if variation > 0 else float("nan"),
        residuals=residuals,
        verdict=judged.verdict,
        reason=judged.reason,
        judgements={"sigma": judged},
        ranges={"sigma": (float(cells.sigma.min()), float(cells.sigma.max()))},
        tasks=cells.tasks,
    )


def _within(shift: Floats, group: NDArray[np.int64]) -> float:
    """Return the mean square of responses about their group's mean."""
    mean = np.bincount(group, shift) / np.maximum(np.bincount(group), 1)
    return float(np.mean((shift - mean[group]) ** 2))


def _judge(exponent: Estimate, sigma: Floats) -> Judgement:
    """Apply the stated rules to an exponent that tasks share."""
    if few := rules.too_few_levels(np.unique(sigma).size, 2):
        return few
    if flat := rules.flat(exponent.low, exponent.high, "sigma"):
        return flat
    span = (exponent.high - exponent.low) * float(np.log10(sigma.max() / sigma.min()))
    if not span <= rules.MAX_DECADES:
        reason = f"the 95% interval of sigma_exponent lets y span {span:.1f} decades over the data"
        return Judgement(Verdict.UNIDENTIFIED, reason)
    return rules.supported(
        f"the 95% interval of the exponent [{exponent.low:.3g}, {exponent.high:.3g}] excludes 0"
    )


def _limits(cells: Sweep, of_seeds: Floats) -> tuple[str, ...]:
    """Return remarks on what the cells do not say."""
    notes = []
    censored = int(np.isposinf(cells.data).any(axis=1).sum())
    if censored:
        notes.append(
            f"{censored} of {len(cells.data)} cells do not reach every level and are lower bounds there"
        )
    if not np.isfinite(of_seeds).any():
        notes.append("no cell has bootstraps over two seeds: the noise is that of a typical run")
    notes += [
        f"{name} does not vary within a task and sigma: it has no law"
        for name in HYPERPARAMETERS
        if name not in cells.varying
    ]
    return tuple(notes)
