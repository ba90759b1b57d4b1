"""A form of the data law in one file: log D = constant + Σ slope·log x + cross·log x₁·log x₂."""

from dataclasses import dataclass

import numpy as np
from vs_laws import Form, Law, Points
from vs_laws.law import Floats, Numbers, per_axis


@dataclass(frozen=True)
class LogCross(Law):
    """A log-linear law over two axes whose slopes depend on each other."""

    constant: Numbers
    cross: Numbers
    slope: Numbers = per_axis()

    signed = ("constant", "cross", "slope")

    def value(self, *x: Floats) -> Floats:
        """Return D over two axes."""
        a, b = (np.log(place) for place in x)
        sides = self.slope[..., 0] * a + self.slope[..., 1] * b
        return np.exp(self.constant + sides + self.cross * a * b)


def solve(
    points: Points, y: Floats, weights: Floats, _log: bool, _huber: float | None
) -> tuple[Law, Floats]:
    """Fit every row of y by least squares of log D; rows with fewer than four points are NaN."""
    a, b = np.log(points.x).T
    basis, root = np.stack([np.ones_like(a), a, b, a * b], axis=1), np.sqrt(weights)
    log_y = np.log(np.where(weights > 0, y, 1.0))
    c = (np.linalg.pinv(root[..., None] * basis) @ (root * log_y)[..., None])[..., 0]
    c[(weights > 0).sum(axis=1) < 4] = np.nan
    loss = np.sum(weights * (log_y - c @ basis.T) ** 2, axis=1) / weights.sum(axis=1)
    return LogCross(c[:, :1], c[:, 3:], c[:, None, 1:3], axes=points.axes), loss


FORM = Form(
    name="log_cross",
    formula=lambda axes: f"log D = linear in log {', log '.join(axes)} and their product",
    solve=solve,
    parameters=lambda _axes: 4,
)
