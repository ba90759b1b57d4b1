"""Figures of value scaling, from plain arrays.

``plot_*`` makes a Figure of small multiples; ``save``, ``to_svg_string`` and ``to_png_bytes`` write a
figure so that equal figures are equal bytes. Paper 1 is arXiv:2502.04327, paper 2 arXiv:2508.14881.
"""

from vs_plots.contours import Contour, ContourPanel, plot_contours
from vs_plots.curves import Curve, CurvePanel, plot_learning_curves
from vs_plots.frontier import Frontier, plot_frontiers
from vs_plots.grid import GridPanel, plot_grid
from vs_plots.laws import LawPanel, Series, plot_laws
from vs_plots.marks import Line, Points
from vs_plots.partition import PartitionPanel, StrategyPanel, plot_partitions, plot_strategies
from vs_plots.plane import Measured, Surface
from vs_plots.style import (
    COLUMN_WIDTH,
    OKABE_ITO,
    save,
    sequential_colors,
    style,
    to_png_bytes,
    to_svg_string,
)
from vs_plots.surface import surface_html
from vs_plots.td_errors import TdErrorPanel, plot_td_errors
from vs_plots.ticks import QUANTITIES, Quantity, log_axis

__all__ = [
    "COLUMN_WIDTH",
    "OKABE_ITO",
    "QUANTITIES",
    "Contour",
    "ContourPanel",
    "Curve",
    "CurvePanel",
    "Frontier",
    "GridPanel",
    "LawPanel",
    "Line",
    "Measured",
    "PartitionPanel",
    "Points",
    "Quantity",
    "Series",
    "StrategyPanel",
    "Surface",
    "TdErrorPanel",
    "log_axis",
    "plot_contours",
    "plot_frontiers",
    "plot_grid",
    "plot_laws",
    "plot_learning_curves",
    "plot_partitions",
    "plot_strategies",
    "plot_td_errors",
    "save",
    "sequential_colors",
    "style",
    "surface_html",
    "to_png_bytes",
    "to_svg_string",
]
