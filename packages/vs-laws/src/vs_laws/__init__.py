"""Scaling laws over named axes: fit, predict, allocate, with uncertainty and verdicts."""

from vs_laws import grid, sharing, td_error
from vs_laws.allocate import Allocation, Where, allocate, contour
from vs_laws.batch_size import fit_batch_size
from vs_laws.best_level import BestLevel, best_level
from vs_laws.budget import BudgetLaws, fit_budget_laws
from vs_laws.cost import PUBLISHED_BATCH_SIZE, Cost, flops_per_step, non_dominated
from vs_laws.fit import fit_data_law, solve_data_laws
from vs_laws.fit_hyperparameters import fit_hyperparameters
from vs_laws.forms import BatchLaw, DataLaw, LogQuadratic, NearestRun, PowerLaw, ProductLaw
from vs_laws.hyperparameters import Band, Hyperparameters, Optimum
from vs_laws.law import Law
from vs_laws.one_axis import OneAxis, median_ratio, one_axis
from vs_laws.power_law import fit_power_law
from vs_laws.registry import FORMS, Form, Points, register_form
from vs_laws.result import Estimate, Fit
from vs_laws.verdict import Verdict

__all__ = [
    "FORMS",
    "PUBLISHED_BATCH_SIZE",
    "Allocation",
    "Band",
    "BatchLaw",
    "BestLevel",
    "BudgetLaws",
    "Cost",
    "DataLaw",
    "Estimate",
    "Fit",
    "Form",
    "Hyperparameters",
    "Law",
    "LogQuadratic",
    "NearestRun",
    "OneAxis",
    "Optimum",
    "Points",
    "PowerLaw",
    "ProductLaw",
    "Verdict",
    "Where",
    "allocate",
    "best_level",
    "contour",
    "fit_batch_size",
    "fit_budget_laws",
    "fit_data_law",
    "fit_hyperparameters",
    "fit_power_law",
    "flops_per_step",
    "grid",
    "median_ratio",
    "non_dominated",
    "one_axis",
    "register_form",
    "sharing",
    "solve_data_laws",
    "td_error",
]
