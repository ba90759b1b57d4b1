"""Figures of value scaling, from plain arrays.

``plot_*`` makes a Figure of small multiples, ``draw_*`` draws one panel on a given Axes; ``save``,
``to_svg_string`` and ``to_png_bytes`` write a figure so that equal figures are equal bytes.
"""

from vs_plots.budget import BudgetLaw, draw_budget_law, plot_budget_laws
from vs_plots.contours import Contour, ContourPanel, draw_contours, plot_contours
from vs_plots.curves import Curve, CurvePanel, draw_learning_curves, plot_learning_curves
from vs_plots.frontier import Frontier, draw_frontiers, plot_frontiers
from vs_plots.grid import GridPanel, draw_grid, plot_grid
from vs_plots.hyperparameters import (
    HyperparameterPanel,
    draw_hyperparameter,
    plot_hyperparameters,
)
from vs_plots.laws import LawPanel, draw_law, plot_compute_laws, plot_data_laws
from vs_plots.marks import Line, Points
from vs_plots.partition import (
    PartitionPanel,
    StrategyPanel,
    draw_partition,
    draw_strategies,
    plot_partitions,
    plot_strategies,
)
from vs_plots.plane import Measured, Surface
from vs_plots.slices import Slice, SlicePanel, draw_slices, plot_slices
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
from vs_plots.td_errors import TdErrorPanel, draw_td_errors, plot_td_errors
from vs_plots.ticks import COMPUTE, CRITIC_PARAMS, DATA, SIGMA, Quantity, log_axis

__all__ = [
    "COLUMN_WIDTH",
    "COMPUTE",
    "CRITIC_PARAMS",
    "DATA",
    "OKABE_ITO",
    "SIGMA",
    "BudgetLaw",
    "Contour",
    "ContourPanel",
    "Curve",
    "CurvePanel",
    "Frontier",
    "GridPanel",
    "HyperparameterPanel",
    "LawPanel",
    "Line",
    "Measured",
    "PartitionPanel",
    "Points",
    "Quantity",
    "Slice",
    "SlicePanel",
    "StrategyPanel",
    "Surface",
    "TdErrorPanel",
    "draw_budget_law",
    "draw_contours",
    "draw_frontiers",
    "draw_grid",
    "draw_hyperparameter",
    "draw_law",
    "draw_learning_curves",
    "draw_partition",
    "draw_slices",
    "draw_strategies",
    "draw_td_errors",
    "log_axis",
    "plot_budget_laws",
    "plot_compute_laws",
    "plot_contours",
    "plot_data_laws",
    "plot_frontiers",
    "plot_grid",
    "plot_hyperparameters",
    "plot_learning_curves",
    "plot_partitions",
    "plot_slices",
    "plot_strategies",
    "plot_td_errors",
    "save",
    "sequential_colors",
    "style",
    "surface_html",
    "to_png_bytes",
    "to_svg_string",
]
