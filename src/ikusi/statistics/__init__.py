"""Intervals and paired tests for scores of samples that share pictures.

Rows about one picture are not independent, so every resampling draws whole pictures (clusters).
Where models were trained under several seeds, intervals hold over these too.
All functions are pure and deterministic for a seed.
"""

from ikusi.statistics.correction import holm
from ikusi.statistics.intervals import FEWEST, Interval, bootstrap_interval, standard_error
from ikusi.statistics.paired import (
    Difference,
    Equivalence,
    McNemar,
    compute_detectable,
    compute_least_p_value,
    equivalence,
    exceeds,
    mcnemar,
    paired_difference,
)
from ikusi.statistics.seeds import Spread, measure_spread, pool_seeds

__all__ = [
    "FEWEST",
    "Difference",
    "Equivalence",
    "Interval",
    "McNemar",
    "Spread",
    "bootstrap_interval",
    "compute_detectable",
    "compute_least_p_value",
    "equivalence",
    "exceeds",
    "holm",
    "mcnemar",
    "measure_spread",
    "paired_difference",
    "pool_seeds",
    "standard_error",
]
