"""Learning curves to monotone fits and threshold crossings, with bootstrap and censoring."""

from vs_isotonic.bootstrap import bootstrap_counts, bootstrap_crossings
from vs_isotonic.cleaning import DistinctSeeds, distinct_seeds, remove_resets
from vs_isotonic.crossing import Crossings, crossings
from vs_isotonic.means import mean_crossings, mean_curve, seeds_in_mean
from vs_isotonic.regression import isotonic_regression

__all__ = [
    "Crossings",
    "DistinctSeeds",
    "bootstrap_counts",
    "bootstrap_crossings",
    "crossings",
    "distinct_seeds",
    "isotonic_regression",
    "mean_crossings",
    "mean_curve",
    "remove_resets",
    "seeds_in_mean",
]
