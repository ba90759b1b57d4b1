"""Scaling laws for value-based RL: fit, predict, allocate, with uncertainty and verdicts."""

from vs_laws.allocate import Allocation, Where, least_budget, least_compute, least_data
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
from vs_laws.power_law import fit_power_law
from vs_laws.result import Estimate, Fit, Prediction
from vs_laws.verdict import Verdict

__all__ = [
    "Allocation",
    "BestLevel",
    "BudgetLaws",
    "ComputeLaw",
    "Configuration",
    "DataLaw",
    "Edge",
    "Estimate",
    "Fit",
    "Frontier",
    "GridOptimum",
    "HeldOut",
    "OffsetPowerLaw",
    "Optimum",
    "PowerLaw",
    "Prediction",
    "Verdict",
    "Where",
    "best_configuration",
    "best_level",
    "compute_to_level",
    "fit_budget_laws",
    "fit_data_law",
    "fit_data_law_tasks",
    "fit_data_laws",
    "fit_hyperparameter_law",
    "fit_offset_power_law",
    "fit_power_law",
    "frontier",
    "grid_optimum",
    "least_budget",
    "least_compute",
    "least_data",
    "median_normalise",
    "middle_level",
    "non_dominated",
    "round_batch_size",
    "task_scales",
    "update_flops",
]
