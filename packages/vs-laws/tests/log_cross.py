"""A form of the data law in one file: log D = constant + Σ slope·log x + cross·log x₁·log x₂."""

from dataclasses import dataclass

import numpy as np
from vs_laws import Form, Law
from vs_laws._regress import regress
from vs_laws.law import Floats, Numbers, per_axis


@dataclass(frozen=True)
class LogCross(Law):
    """A log-linear law whose slopes depend on each other."""

    constant: Numbers
    slope: Numbers = per_axis()
    cross: Numbers = 0.0

    signed = ("constant", "slope", "cross")

    def value(self, *x: Floats) -> Floats:
        """Return D over two axes."""
        a, b = (np.log(place) for place in x)
        return np.exp(
            self.constant + self.slope[..., 0] * a + self.slope[..., 1] * b + self.cross * a * b
        )


def solve(points, y, weights, _log, _huber):
    """Fit every row of y by least squares of log D."""
    a, b = np.log(points.x).T
    log_y = np.log(np.where(weights > 0, y, 1.0))
    found = regress(np.stack([a, b, a * b], axis=1), log_y, weights, points.one_hot)
    parts = (found.intercept, found.slope[:, None, :2], found.slope[:, 2:])
    law = LogCross(*parts, axes=points.axes)
    residual = log_y - np.log(law(**points.places))
    return law, np.sum(weights * residual**2, axis=1) / weights.sum(axis=1)


FORM = Form(
    name="log_cross",
    formula=lambda axes: f"log D = linear in log {', log '.join(axes)}, and their product",
    solve=solve,
    parameters=lambda _axes: 4,
)
