"""Scaling laws for value-based RL: fit, predict, allocate, with uncertainty and verdicts."""

from vs_laws.allocate import Allocation, Where, least_budget, least_compute, least_data
from vs_laws.batch_law import fit_batch_surface
from vs_laws.batch_surface import BatchPower, BatchSurface
from vs_laws.budget import BestLevel, BudgetLaws, HeldOut, best_level, fit_budget_laws
from vs_laws.compute import ComputeLaw, compute_to_level, update_flops
from vs_laws.data_law import fit_data_law, fit_data_laws, fit_offset_power_law
from vs_laws.forms import DataLaw, OffsetPowerLaw, PowerLaw
from vs_laws.frontier import Frontier, frontier, non_dominated
from vs_laws.hyperparameters import (
    Configuration,
    Edge,
    GridOptimum,
    Optimum,
    best_configuration,
    fit_hyperparameter_law,
    grid_optimum,
    middle_level,
    round_batch_size,
)
from vs_laws.normalise import fit_data_law_tasks, median_normalise, task_scales
from vs_laws.overfitting import ErrorFit, fit_td_error, largest_batch, width_slopes
from vs_laws.power_law import fit_power_law
from vs_laws.result import Estimate, Fit, Prediction
from vs_laws.single_axis import SingleAxis, single_axis
from vs_laws.surface_allocate import (
    SurfaceAllocation,
    contour,
    contour_optimum,
    least_surface_budget,
)
from vs_laws.surface_budget import Growth, SurfaceBudgetLaws, fit_surface_budget_laws
from vs_laws.surface_compute import PUBLISHED_BATCH_SIZE, SurfaceCompute, flops_per_step
from vs_laws.surface_fit import fit_surface, fit_surfaces
from vs_laws.surface_limits import least_surface_compute, least_surface_data
from vs_laws.surface_result import SurfaceFit
from vs_laws.surfaces import (
    FORMULAS,
    LogPolynomial,
    NearestRun,
    ProductSurface,
    SurfaceForm,
    SurfaceLaw,
)
from vs_laws.verdict import Judgement, Verdict

__all__ = [
    "FORMULAS",
    "PUBLISHED_BATCH_SIZE",
    "Allocation",
    "BatchPower",
    "BatchSurface",
    "BestLevel",
    "BudgetLaws",
    "ComputeLaw",
    "Configuration",
    "DataLaw",
    "Edge",
    "ErrorFit",
    "Estimate",
    "Fit",
    "Frontier",
    "GridOptimum",
    "Growth",
    "HeldOut",
    "Judgement",
    "LogPolynomial",
    "NearestRun",
    "OffsetPowerLaw",
    "Optimum",
    "PowerLaw",
    "Prediction",
    "ProductSurface",
    "SingleAxis",
    "SurfaceAllocation",
    "SurfaceBudgetLaws",
    "SurfaceCompute",
    "SurfaceFit",
    "SurfaceForm",
    "SurfaceLaw",
    "Verdict",
    "Where",
    "best_configuration",
    "best_level",
    "compute_to_level",
    "contour",
    "contour_optimum",
    "fit_batch_surface",
    "fit_budget_laws",
    "fit_data_law",
    "fit_data_law_tasks",
    "fit_data_laws",
    "fit_hyperparameter_law",
    "fit_offset_power_law",
    "fit_power_law",
    "fit_surface",
    "fit_surface_budget_laws",
    "fit_surfaces",
    "fit_td_error",
    "flops_per_step",
    "frontier",
    "grid_optimum",
    "largest_batch",
    "least_budget",
    "least_compute",
    "least_data",
    "least_surface_budget",
    "least_surface_compute",
    "least_surface_data",
    "median_normalise",
    "middle_level",
    "non_dominated",
    "round_batch_size",
    "single_axis",
    "task_scales",
    "update_flops",
    "width_slopes",
]
