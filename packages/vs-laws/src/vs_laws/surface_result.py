"""What `fit_surface` and `fit_batch_surface` return: verdicts by axis, predictions."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from vs_laws._surface_rows import FittedSurface
from vs_laws.batch_surface import BatchPower, BatchSurface
from vs_laws.forms import Floats
from vs_laws.result import Prediction, Report, delta_error, log_gradient, percentiles
from vs_laws.verdict import Judgement, t_quantile

type Law2 = FittedSurface | BatchSurface | BatchPower


@dataclass(frozen=True, kw_only=True)
class SurfaceFit[L: Law2](Report):
    """One fitted two-axis law, D_J(σ, N) or B*(σ, N); see `Report` for what is not listed here.

    Attributes:
        name: which of the forms.
        axes: judgement by axis, ``"sigma"`` and ``"critic_params"``; empty for ``"nearest"``.
        law: the fitted law; fields are scalars, or (G, 1) for G tasks with shared exponents.
        samples: the law of every bootstrap, fields (K, 1) or (K, G, 1); NaN where a bootstrap
            could not be fitted; None without bootstraps.
        covariance: (p, p) of the law's fields in their order, when known (one task, no samples).
        sigma_range: least and largest σ of the points that were fitted.
        params_range: the same of N.
    """

    name: str
    axes: Mapping[str, Judgement]
    law: L
    samples: L | None = None
    covariance: Floats | None = None
    sigma_range: tuple[float, float]
    params_range: tuple[float, float]

    @property
    def bootstraps(self) -> int:
        """Number of bootstraps behind the intervals; 0 without any."""
        if self.samples is None:
            return 0
        return int(np.shape(getattr(self.samples, fields(self.samples)[0].name))[0])

    def predict(
        self, sigma: ArrayLike, critic_params: ArrayLike, *, group: str | None = None
    ) -> Prediction:
        """Value and 95 % interval of the law (its mean surface) at points (σ, N).

        The interval is the percentile interval over ``samples``; without them the delta method on
        the log of the prediction with Student's t; NaN when neither is available.

        Args:
            sigma: positive, broadcast against ``critic_params``.
            critic_params: positive.
            group: the task to predict; by default all of them.

        Returns:
            Arrays of the points' shape, or ``(G, *shape)`` for several tasks and ``group=None``.

        Raises:
            ValueError: if a point is not positive, or the group is unknown.
        """
        ratio, params = np.broadcast_arrays(
            np.asarray(sigma, float), np.asarray(critic_params, float)
        )
        for label, values in (("sigma", ratio), ("critic_params", params)):
            if not np.all(values > 0):
                raise ValueError(f"predict: {label} must be positive, got {values.min():.6g}")
        at: slice | int = slice(None)
        if group is not None:
            if group not in self.groups:
                known = ", ".join(self.groups) or "none, the fit has a single law"
                raise ValueError(f"predict: unknown group {group!r}, known groups: {known}")
            at = self.groups.index(group)
        shape = ratio.shape
        leading = (len(self.groups),) if self.groups and group is None else ()
        flat = (ratio.ravel(), params.ravel())

        def values(law: L) -> Floats:
            """(…, G, m) at the chosen group(s); without groups (…, m)."""
            return law(*flat)[..., at, :] if self.groups else law(*flat)

        value = values(self.law)
        if self.samples is not None:
            low, high = percentiles(values(self.samples))
        elif self.covariance is not None and self.dof > 0:
            error = delta_error(log_gradient(self.law, values), self.covariance)
            with np.errstate(over="ignore"):
                factor = np.exp(t_quantile(self.dof) * error)
            low, high = value / factor, value * factor
        else:
            low = high = np.full_like(value, np.nan)
        full = (*leading, *shape)
        return Prediction(value.reshape(full), low.reshape(full), high.reshape(full))

    def to_dict(self) -> dict[str, object]:
        """As `Report.to_dict`, with ``name``, ``axes`` and the fitted ranges."""
        return super().to_dict() | {
            "name": self.name,
            "axes": {
                axis: {"verdict": j.verdict.value, "reason": j.reason}
                for axis, j in self.axes.items()
            },
            "sigma_range": list(self.sigma_range),
            "params_range": list(self.params_range),
        }

    def __str__(self) -> str:
        axes = [f"  {axis}: {j.verdict} -- {j.reason}" for axis, j in self.axes.items()]
        first, second, *rest = super().__str__().splitlines()
        return "\n".join([first, second, *axes, *rest])
