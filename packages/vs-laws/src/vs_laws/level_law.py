"""The data law at all levels of a task at once, with its residual: what predictions are made from.

    log D_ik = a_k + f_k(x_i) + g(x_i, t_k) + b_ik + ε_ik

for run i at place x_i and level k at position t_k: a free height a_k per level, a law f with one term per
axis whose parameters drift linearly over levels (`vs_laws._level_forms`), lack of fit g that neighbouring
runs share and b of each run (`vs_laws._residual`), and seed noise ε. Weak priors keep small designs
from exploding. Both ways to combine terms, added to a floor and multiplied, are fitted and averaged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vs_laws._level_forms import Shape, terms
from vs_laws._noise import spacing_variance
from vs_laws._posterior import Data, Posterior, Prior, posterior
from vs_laws._residual import OWN, Entries
from vs_laws.forms import DataLaw
from vs_laws.law import Floats, from_json_numbers, json_numbers
from vs_laws.measured import Measured
from vs_laws.prediction import Kind, Prediction

FORMS: tuple[Shape, ...] = ("additive", "product")

_MOST_ENTRIES = 1500
_INFLATE_WEIGHT = 5.0  # runs that predicted as promised, beside those at hand


@dataclass(frozen=True)
class LevelLaw:
    """A task's data law over all its levels, fitted in both forms.

    Attributes:
        measured: what it was fitted to.
        prior: of the axes' parameters.
        centre: (K,) geometric mean of the fitted places.
        fitted: levels that entered, (L,); every second one and fewer where there are very many.
        posteriors: one per form of `FORMS`; over one axis they are the same, and there is one.
        inflate: by form, ≥ 1: what leaving runs out says the variances must be multiplied by.
    """

    measured: Measured
    prior: Prior
    centre: Floats
    fitted: Floats
    posteriors: tuple[Posterior, ...]
    inflate: tuple[float, ...]

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes."""
        return self.measured.axes

    def predict(
        self,
        *,
        level: ArrayLike,
        kind: Kind = "run",
        seeds: ArrayLike | None = None,
        octaves: ArrayLike = 0.0,
        spacing: ArrayLike | None = None,
        **places: ArrayLike,
    ) -> Prediction:
        """Predict the env steps to a level at a place that may or may not have been run.

        Args:
            level: normalised return; between the fitted levels and below the highest it is interpolated.
            kind: ``"run"`` for what a new run would measure, ``"law"`` for the surface itself.
            seeds: of the new run; by default the median of the fitted ones.
            octaves: log2 of the new run's batch size over the best one.
            spacing: env steps between the new run's evaluations; by default the fitted runs' median.
            **places: by axis, positive; all arguments broadcast against each other.

        Raises:
            ValueError: if a place or ``seeds`` is not positive, a place or a level is not finite, or the
                law was fitted at one level and another is asked for.
            TypeError: if an axis is missing or unknown.
        """
        if places.keys() != set(self.axes):
            raise TypeError(
                f"the law is over {', '.join(self.axes)}, got {', '.join(places) or 'nothing'}"
            )
        if seeds is None:
            seeds = np.median(self.measured.seeds)
        if spacing is None:
            spacing = np.median(self.measured.spacing)
        if not np.all(np.asarray(seeds, float) > 0):
            raise ValueError(
                f"predict: seeds must be positive, got {np.asarray(seeds, float).min():g}"
            )
        given = (level, octaves, seeds, spacing, *(places[axis] for axis in self.axes))
        parts = np.broadcast_arrays(*given)
        form = parts[0].shape
        wanted, away, count, apart, *where = (np.ravel(part).astype(float) for part in parts)
        for name, values in zip(self.axes, where, strict=True):
            good = np.isfinite(values) & (values > 0)
            if not good.all():
                raise ValueError(
                    f"predict: {name} must be positive and finite, got {values[~good][0]:g}"
                )
        if not np.isfinite(wanted).all():
            raise ValueError("predict: level must be a finite number")
        if len(self.fitted) == 1 and np.any(wanted != self.fitted[0]):
            raise ValueError(
                f"predict: the law was fitted at level {self.fitted[0]:g} only, got "
                f"{wanted[wanted != self.fitted[0]][0]:g}"
            )
        logs = np.log(np.stack(where, axis=1) / self.centre)
        t, heights = _positions(self.fitted, wanted), _heights(self.fitted, wanted)
        middle, covariance, left = self._surface(logs, t, heights)
        surface = np.diag(covariance) + _beyond(self.fitted, wanted)
        total = surface
        shift = 0.0
        if kind == "run":
            shift = 0.02 * away**2
            with np.errstate(over="ignore"):
                total = (
                    surface + np.mean(self.inflate) * OWN + self.measured.one_seed / count
                    + spacing_variance(np.exp(middle), apart) + shift**2
                )  # fmt: skip
        with np.errstate(over="ignore"):
            value = np.exp(middle + shift)
        shaped = [
            np.reshape(part, form)[()]
            for part in (
                value,
                np.sqrt(total),
                np.sqrt(surface),
                (left > 0.5) | (wanted > self.fitted[-1]),
            )
        ]
        return Prediction(*shaped, kind=kind, seeds=np.reshape(count, form)[()])

    def contrast(
        self, weights: ArrayLike, *, level: ArrayLike, **places: ArrayLike
    ) -> tuple[float, float]:
        """Return a weighted sum of the surface's log D at m places, and its standard deviation.

        Args:
            weights: (m,), e.g. (1, −1) for the ratio of two places.
            level: one or (m,).
            **places: (m,) by axis.
        """
        share = np.asarray(weights, float)
        where = [
            np.broadcast_to(np.asarray(places[axis], float), share.shape) for axis in self.axes
        ]
        wanted = np.broadcast_to(np.asarray(level, float), share.shape)
        logs = np.log(np.stack(where, axis=1) / self.centre)
        mean, covariance, _ = self._surface(
            logs, _positions(self.fitted, wanted), _heights(self.fitted, wanted)
        )
        return float(share @ mean), float(np.sqrt(max(share @ covariance @ share, 0.0)))

    def _surface(self, logs: Floats, t: Floats, heights: Floats) -> tuple[Floats, Floats, Floats]:
        """Return mean and covariance of the surface, both forms averaged, and what is left to know."""
        parts = [p.joint(logs, t, heights) for p in self.posteriors]
        apart = parts[0][0] - parts[-1][0]  # the forms' difference is an error that places share
        covariance = np.mean(
            [f * part for f, (_, part, _) in zip(self.inflate, parts, strict=True)], axis=0
        )
        mean, left = (np.mean([part[k] for part in parts], axis=0) for k in (0, 2))
        return mean, covariance + np.outer(apart, apart), left

    def sample(self, count: int, rng: np.random.Generator) -> Floats:
        """Return draws (count, P) of the additive form's parameters from their Laplace approximation."""
        found = self.posteriors[0]
        both = np.concatenate([found.height, found.theta])
        spread = self.inflate[0] * found.covariance
        return rng.multivariate_normal(both, spread, size=count, method="cholesky")

    def law(self, level: float, draws: Floats | None = None) -> DataLaw:
        """Return the smooth part of the additive form at a level, in the papers' parameters.

        D = d_min·(1 + Σ_k e^{u_k} s_k^{−α_k}) with d_min = e^a/(1 + Σ_k e^{u_k}). Allocations use it.

        Args:
            level: as `predict`.
            draws: (S, P) of `sample`, for a law with fields (S, 1) and (S, 1, K); by default the law at
                the maximum of the posterior.
        """
        found = self.posteriors[0]
        both = np.concatenate([found.height, found.theta]) if draws is None else draws[:, None, :]
        wanted = np.array([level], float)
        height, theta = both[..., : len(self.fitted)], both[..., len(self.fitted) :]
        u, alpha = (part[..., 0, :] for part in terms(theta, _positions(self.fitted, wanted)))
        with np.errstate(over="ignore", under="ignore"):
            total = np.logaddexp.reduce(
                np.concatenate([np.zeros((*u.shape[:-1], 1)), u], axis=-1), axis=-1
            )
            floor = height @ _heights(self.fitted, wanted)[0] - total
            amplitude = np.exp(floor[..., None] + u + alpha * np.log(self.centre))
            return DataLaw(np.exp(floor), amplitude, alpha, axes=self.axes)

    def to_dict(self) -> dict[str, Any]:
        """Return what the fit was made from; `from_dict` fits again, with the same result."""
        prior = {"mean": json_numbers(self.prior.mean), "sd": json_numbers(self.prior.sd)}
        return {"measured": self.measured.to_dict(), "prior": prior}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "LevelLaw":
        """Bring back a law from its `to_dict`."""
        prior = Prior(*(from_json_numbers(entry["prior"][name]) for name in ("mean", "sd")))
        return fit_level_law(Measured.from_dict(entry["measured"]), prior=prior)


def fit_level_law(measured: Measured, *, prior: Prior | None = None) -> LevelLaw:
    """Fit a task's data law at all its levels, with its residual.

    Raises:
        ValueError: if an axis has fewer than two distinct places among the runs that reach a level.
    """
    reached = np.isfinite(measured.data).any(axis=1)
    for name, values in measured.places.items():
        if np.unique(values[reached]).size < 2:
            raise ValueError(
                f"{name} has one distinct place among runs that reach a level; a law needs two"
            )
    known = np.isfinite(measured.data).any(axis=0)
    columns = np.flatnonzero(known)
    while np.isfinite(measured.data[:, columns]).sum() > _MOST_ENTRIES and columns.size > 2:
        columns = np.unique([*columns[::-1][::2], columns[0]])
    levels = measured.levels[columns]
    table = measured.data[:, columns]
    places = np.stack(list(measured.places.values()), axis=1)
    centre = np.exp(np.log(places[reached]).mean(axis=0))
    data = _entries(measured, table, levels, np.log(places / centre))
    chosen = prior or Prior.standard(len(centre))
    forms = FORMS if len(centre) > 1 else FORMS[:1]  # over one axis they are the same
    found = tuple(posterior(form, data, chosen) for form in forms)
    inflate = tuple(_inflation(p) for p in found)
    return LevelLaw(measured, chosen, centre, levels, found, inflate)


def fit_level_laws(measured: Mapping[str, Measured]) -> dict[str, LevelLaw]:
    """Fit several tasks. Over one axis, what the tasks have in common narrows each one's prior.

    The prior of (u, ln α) of a task is N(c, (0.5², 0.2²) + var c), c by expectation maximisation.
    Over several axes every task is fitted alone: pooling brought nothing there.

    Raises:
        ValueError: as `fit_level_law`.
    """
    if len(measured) < 2 or any(len(one.axes) > 1 for one in measured.values()):
        return {name: fit_level_law(one) for name, one in measured.items()}
    base = Prior.standard(1)
    weight = len(measured) / _APART**2
    total = base.sd[_POOLED] ** -2.0 + weight
    centre, apart = base.mean[_POOLED], _APART
    for _ in range(_POOLING + 1):
        mean, sd = base.mean.copy(), base.sd.copy()
        mean[_POOLED], sd[_POOLED] = centre, apart
        found = {name: fit_level_law(one, prior=Prior(mean, sd)) for name, one in measured.items()}
        theta = [p.theta[_POOLED] for law in found.values() for p in law.posteriors]
        pull = base.mean[_POOLED] * base.sd[_POOLED] ** -2.0
        centre = (pull + weight * np.mean(theta, axis=0)) / total
        apart = np.sqrt(_APART**2 + 1.0 / total)
    return found


_POOLED = [0, 2]  # u and ln α
_APART = np.array([0.5, 0.2])  # deviation of tasks about what they have in common
_POOLING = 8  # steps


def _entries(measured: Measured, table: Floats, levels: Floats, logs: Floats) -> Data:
    """Return the fitted entries: what was reached, and of each run the lowest level that was not."""
    run, level = np.nonzero(np.isfinite(table))
    value = table[run, level]
    missed = np.isinf(table)
    lost = np.flatnonzero(missed.any(axis=1) & np.isfinite(measured.last_step))
    first = missed[lost].argmax(axis=1)
    run, level = np.append(run, lost), np.append(level, first)
    wanted = levels[level]
    return Data(
        Entries(run, logs[run], _positions(levels, wanted), measured.shrunk[run]),
        _heights(levels, wanted),
        np.log(np.append(value, measured.last_step[lost])),
        np.arange(len(run)) >= len(value),
    )


def _positions(levels: Floats, wanted: Floats) -> Floats:
    """Return positions of levels between the lowest, −½, and the highest, ½."""
    width = levels[-1] - levels[0]
    return (wanted - levels[0]) / width - 0.5 if width > 0 else np.zeros(len(wanted))


def _heights(levels: Floats, wanted: Floats) -> Floats:
    """Return weights (m, L) of the levels' heights: linear between, by the end's slope outside."""
    count = len(levels)
    weights = np.zeros((len(wanted), count))
    if count == 1:
        weights[:, 0] = 1.0
        return weights
    left = np.clip(np.searchsorted(levels, wanted, side="right") - 1, 0, count - 2)
    share = (wanted - levels[left]) / (levels[left + 1] - levels[left])
    rows = np.arange(len(wanted))
    weights[rows, left] = 1.0 - share
    weights[rows, left + 1] += share
    return weights


def _beyond(levels: Floats, wanted: Floats) -> Floats:
    """Return extra variance of log D at levels outside those fitted, by the distance in their range.

    On the published runs the heights of levels left out at the top err by a quarter of that distance;
    a plateau that no run has shown cannot be foreseen, so it grows faster than that.
    """
    width = max(levels[-1] - levels[0], 1e-300)
    away = np.maximum(wanted - levels[-1], levels[0] - wanted).clip(0.0) / width
    return (0.35 * away * (1.0 + away)) ** 2


def _inflation(found: Posterior) -> float:
    squares = [
        float(np.nanmean(found.left_out[found.entries.run == run] ** 2))
        for run in np.unique(found.entries.run)
        if np.isfinite(found.left_out[found.entries.run == run]).any()
    ]
    return max(1.0, (_INFLATE_WEIGHT + sum(squares)) / (_INFLATE_WEIGHT + len(squares)))
