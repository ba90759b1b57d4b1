"""Scaling laws over named axes: fit, predict, allocate, with uncertainty and verdicts."""

from vs_laws import grid, sharing, td_error
from vs_laws.batch_size import fit_batch_size
from vs_laws.fit import fit_data_law, solve_data_laws
from vs_laws.forms import BatchLaw, DataLaw, LogQuadratic, NearestRun, PowerLaw, ProductLaw
from vs_laws.law import Law
from vs_laws.power_law import fit_power_law
from vs_laws.registry import FORMS, Form, register_form
from vs_laws.result import Estimate, Fit
from vs_laws.verdict import Verdict

__all__ = [
    "FORMS",
    "BatchLaw",
    "DataLaw",
    "Estimate",
    "Fit",
    "Form",
    "Law",
    "LogQuadratic",
    "NearestRun",
    "PowerLaw",
    "ProductLaw",
    "Verdict",
    "fit_batch_size",
    "fit_data_law",
    "fit_power_law",
    "grid",
    "register_form",
    "sharing",
    "solve_data_laws",
    "td_error",
]
