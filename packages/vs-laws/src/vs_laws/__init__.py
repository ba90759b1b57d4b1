"""Scaling laws over named axes: fit, predict, allocate, with uncertainty and verdicts."""

from vs_laws import grid, scoring, sharing, td_error
from vs_laws.allocate import Allocation, Where, allocate, contour
from vs_laws.batch_size import fit_batch_size
from vs_laws.best_level import BestLevel, best_level
from vs_laws.budget import BudgetLaws, fit_budget_laws
from vs_laws.cost import PUBLISHED_BATCH_SIZE, Cost, flops_per_step, non_dominated
from vs_laws.fit import fit_data_law, solve_data_laws
from vs_laws.fit_hyperparameters import fit_hyperparameters
from vs_laws.forms import BatchLaw, DataLaw, LogQuadratic, NearestRun, PowerLaw, ProductLaw
from vs_laws.held_out_returns import HeldOutReturns, hold_out_returns
from vs_laws.hyperparameters import Band, Hyperparameters, Optimum
from vs_laws.law import Law
from vs_laws.level_fit import level_fits
from vs_laws.level_law import LevelLaw, fit_level_law, fit_level_laws
from vs_laws.measured import Measured
from vs_laws.one_axis import OneAxis, median_ratio, one_axis
from vs_laws.power_law import fit_power_law
from vs_laws.prediction import Prediction
from vs_laws.registry import FORMS, Form, Points, register_form
from vs_laws.result import Estimate, Fit
from vs_laws.returns import ReturnFit, ReturnForecast, ReturnLaw, fit_return_law
from vs_laws.standing import Standing, Trend, standing, trend
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
    "HeldOutReturns",
    "Hyperparameters",
    "Law",
    "LevelLaw",
    "LogQuadratic",
    "Measured",
    "NearestRun",
    "OneAxis",
    "Optimum",
    "Points",
    "PowerLaw",
    "Prediction",
    "ProductLaw",
    "ReturnFit",
    "ReturnForecast",
    "ReturnLaw",
    "Standing",
    "Trend",
    "Verdict",
    "Where",
    "allocate",
    "best_level",
    "contour",
    "fit_batch_size",
    "fit_budget_laws",
    "fit_data_law",
    "fit_hyperparameters",
    "fit_level_law",
    "fit_level_laws",
    "fit_power_law",
    "fit_return_law",
    "flops_per_step",
    "grid",
    "hold_out_returns",
    "level_fits",
    "median_ratio",
    "non_dominated",
    "one_axis",
    "register_form",
    "scoring",
    "sharing",
    "solve_data_laws",
    "standing",
    "td_error",
    "trend",
]
