"""Quantities by name, and log axes with few, plain labels that never touch."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from matplotlib.axis import Axis, XAxis
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullLocator

from vs_plots.style import TICK_SIZE


def plain_label(value: float) -> str:
    """Format σ or a batch size: 0.25, 0.5, 1, 256; a power of two below 1/32 as 2⁻¹⁰."""
    if 0 < value < 1 / 32:
        exponent = math.log2(value)
        if abs(exponent - round(exponent)) < 1e-9:
            return "2" + _superscript(round(exponent))
    return f"{value:.10g}" if value >= 1 else f"{value:.4g}"


def count_label(value: float) -> str:
    """Format a number of steps compactly: 0, 500, 200k, 1.5M, 2B."""
    for scale, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale * (1 - 1e-9):
            return f"{value / scale:.4g}{letter}"
    return f"{value:.4g}"


def rounded_count_label(value: float) -> str:
    """Format a count to two digits, for legends: 2.3M critic parameters."""
    return count_label(float(f"{value:.2g}"))


def flops_label(value: float) -> str:
    """Format FLOPs as a power of ten, with a factor of two digits where it is not one."""
    if value <= 0:
        return "0"
    exponent = math.floor(math.log10(value) + 1e-9)
    factor = f"{value / 10**exponent:.2g}"
    if factor == "10":
        factor, exponent = "1", exponent + 1
    power = "10" + _superscript(exponent)
    return power if factor == "1" else f"{factor}×{power}"


def _superscript(exponent: int) -> str:
    """Write an exponent in plain characters: a formula would be parsed at every drawing."""
    return "".join(_RAISED[character] for character in str(exponent))


_RAISED = dict(zip("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True))


def rate_label(value: float) -> str:
    """Format a learning rate as people write it: 3e-4."""
    if value <= 0:
        return "0"
    exponent = math.floor(math.log10(value) + 1e-9)
    return f"{value / 10**exponent:.3g}e{exponent}"


@dataclass(frozen=True)
class Quantity:
    """A quantity on a logarithmic axis.

    Attributes:
        label: label of the axis, with its unit.
        base: 2 or 10: ticks are powers of it where there is room.
        format: writes a tick, e.g. 200k.
        symbol: short name in legends and titles.
    """

    label: str
    base: int
    format: Callable[[float], str]
    symbol: str = ""

    def at(self, value: float) -> str:
        """Return a legend entry such as "σ = 2" or, two digits for base 10, "$N$ = 2.3M"."""
        shown = float(f"{value:.2g}") if self.base == 10 else value
        return f"{self.symbol} = {self.format(shown)}"


SIGMA = Quantity("Updates-to-data ratio σ", 2, plain_label, "σ")
CRITIC_PARAMS = Quantity("Critic parameters $N$", 10, count_label, "$N$")
BATCH_SIZE = Quantity("Batch size $B$", 2, plain_label, "$B$")
LEARNING_RATE = Quantity("Learning rate η", 10, rate_label, "η")
DATA = Quantity("$D_J$ (env steps)", 10, count_label, "$D_J$")
COMPUTE = Quantity("$C_J$ (FLOPs)", 10, flops_label, "$C_J$")
BUDGET = Quantity("Budget $F$ (FLOPs)", 10, flops_label, "$F$")

QUANTITIES = MappingProxyType(
    {
        "sigma": SIGMA,
        "critic_params": CRITIC_PARAMS,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        "data": DATA,
        "compute": COMPUTE,
        "budget": BUDGET,
        "optimal_sigma": Quantity("σ*", 2, plain_label, "σ*"),
        "optimal_critic_params": Quantity("$N$* (parameters)", 10, count_label, "$N$*"),
        "optimal_data": Quantity("$D$* (env steps)", 10, count_label, "$D$*"),
        "optimal_compute": Quantity("$C$* (FLOPs)", 10, flops_label, "$C$*"),
    }
)
"""Quantities by name. ``optimal_*``: at the least C + δ·D, over the budget."""


def quantity(name: str | Quantity, *, owner: str = "quantity") -> Quantity:
    """Return the quantity of that name, or the one given.

    Raises:
        ValueError: on an unknown name.
    """
    if isinstance(name, Quantity):
        return name
    if name not in QUANTITIES:
        raise ValueError(
            f"{owner}: unknown quantity {name!r}, expected a Quantity or one of "
            f"{', '.join(QUANTITIES)}."
        )
    return QUANTITIES[name]


class LogTicks(Locator):
    """Ticks at powers of the base; finer in a narrow range, sparser where labels would touch."""

    def __init__(self, quantity: Quantity) -> None:
        self.quantity = quantity

    def __call__(self) -> list[float]:
        """Return the tick positions for the axis as it is shown."""
        return self.tick_values(*_real(self.axis).get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """Return the tick positions for the view from ``vmin`` to ``vmax``."""
        low, high = sorted((vmin, vmax))
        if not (0 < low < high < math.inf):
            return []
        best = np.array([])
        for ticks in _candidates(self.quantity.base, low, high):
            if not self._fits(ticks, low, high):
                continue
            if len(ticks) >= 3:
                return ticks.tolist()
            if len(ticks) > len(best):
                best = ticks
        return best.tolist()

    def _fits(self, ticks: np.ndarray, low: float, high: float) -> bool:
        if len(ticks) < 2:
            return True
        axis = _real(self.axis)
        axes, horizontal = axis.axes, isinstance(axis, XAxis)
        pixels = axes.bbox.width if horizontal else axes.bbox.height
        points = pixels * 72 / axes.figure.dpi
        gaps = np.diff(np.log(ticks)) / math.log(high / low) * points
        if not horizontal:
            return bool(np.all(gaps >= 1.5 * TICK_SIZE))
        widths = np.array([_width(self.quantity.format(tick)) for tick in ticks])
        return bool(np.all(gaps >= (widths[1:] + widths[:-1]) / 2 + 0.7 * TICK_SIZE))


def _real(axis: object) -> Axis:
    if not isinstance(axis, Axis):
        raise TypeError("LogTicks must be set on an axis before it is asked for ticks.")
    return axis


def log_axis(axis: Axis, shown: str | Quantity) -> None:
    """Make an axis logarithmic with the ticks and the label of a quantity, e.g. "sigma"."""
    what = quantity(shown, owner="log_axis")
    if isinstance(axis, XAxis):
        axis.axes.set_xscale("log", base=what.base)
    else:
        axis.axes.set_yscale("log", base=what.base)
    axis.set_major_locator(LogTicks(what))
    axis.set_major_formatter(FuncFormatter(lambda value, _: what.format(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_label_text(what.label)


def _candidates(base: int, low: float, high: float) -> Iterable[np.ndarray]:
    """Yield tick sets, the preferred first: powers, sparser powers, then finer sets."""
    first = math.ceil(math.log(low, base) - 1e-9)
    last = math.floor(math.log(high, base) + 1e-9)
    for stride in (1, 2, 3, 4, 5, 6, 8, 10):
        exponents = [k for k in range(first, last + 1) if k % stride == 0]
        yield np.array([float(base) ** k for k in exponents])
    finer = ((1, 1.5), (1, 1.25, 1.5, 1.75)) if base == 2 else ((1, 3), (1, 2, 5))
    for factors in finer:
        yield _inside(
            [f * float(base) ** k for k in range(first - 1, last + 1) for f in factors], low, high
        )
    for count in (5, 4, 3, 2):
        yield _inside(
            MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high), low, high
        )
    # one tick gives no scale: two numbers of one or two digits, far apart
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in (range(1, 10), np.arange(10, 100) / 10):
        numbers = _inside([digit * 10.0**k for k in decades for digit in digits], low, high)
        yield numbers[:: max(len(numbers) - 1, 1)]


def _inside(values: Iterable[float], low: float, high: float) -> np.ndarray:
    array = np.array(list(values))
    return array[(array >= low * (1 - 1e-9)) & (array <= high * (1 + 1e-9)) & (array > 0)]


def _width(label: str) -> float:
    """Estimate a label's width in points, without a renderer (layout has not happened yet)."""
    raised = sum(character in _RAISED.values() for character in label)
    return TICK_SIZE * (0.64 * (len(label) - raised) + 0.46 * raised)
