"""The uncertainty of a mean: its interval and its standard error."""

from typing import NamedTuple

import numpy as np

from ikusi.statistics import borders
from ikusi.statistics.resampling import Clusters, Values, resample_means, sum_clusters
from ikusi.statistics.seeds import add_seeds, measure_spread, pool_seeds

FEWEST = 30
"""Bootstrap intervals from fewer pictures than this are too narrow to decide anything."""


class Interval(NamedTuple):
    """A mean with the bounds of its interval."""

    mean: float
    low: float
    high: float


def bootstrap_interval(
    values: Values,
    clusters: Clusters = None,
    n: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Return the mean of ``values`` and its cluster-bootstrap percentile interval.

    ``values``: one score per row, [rows], or of several trainings that differ by their seed,
    [seeds, rows]: then the interval holds over seeds too (`seeds.add_seeds`). ``clusters``:
    the picture of each row, or None where every row stands alone. ``n`` resamples. An empty
    sequence raises ``ValueError``. Near 0 and 1, and where all pictures score alike, resamples show
    too little of what could be: see ``borders``.
    """
    sample, spread = pool_seeds(values), measure_spread(values, clusters)
    share = bool(sample.min(initial=0) >= 0 and sample.max(initial=1) <= 1)
    bounds = borders.bound_share(*sum_clusters(sample, clusters), confidence) if share else None
    if bounds is None:
        means = resample_means(sample, clusters, n, seed)
        low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
        bounds = float(low), float(high)
    mean = float(sample.mean())
    low, high = add_seeds(mean, bounds, spread, confidence)
    return Interval(mean, max(0.0, low), min(1.0, high)) if share else Interval(mean, low, high)


def standard_error(values: Values, clusters: Clusters = None) -> float:
    """Return the standard error of the mean of ``values``, robust to how rows of a cluster agree.

    The sandwich estimate with the correction ``G / (G - 1)`` for ``G`` clusters; where every row
    stands alone it is the ordinary ``s / sqrt(n)``. Fewer than two clusters raise ``ValueError``.
    """
    sample = np.asarray(values, dtype=np.float64)
    sums, sizes = sum_clusters(sample, clusters)
    if len(sums) < 2:
        raise ValueError(f"expected at least two clusters, found {len(sums)}")
    residuals = sums - sample.mean() * sizes
    correction = len(sums) / (len(sums) - 1)
    return float(np.sqrt(correction * np.square(residuals).sum()) / sample.size)
