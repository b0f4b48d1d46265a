"""Intervals where a bootstrap sees nothing vary: scores at or near 0 and 1, runs that agree.

If none of 20 pictures is answered rightly, every resample scores 0, and the percentile interval has
no width. What has not been seen in so many independent pictures may still happen in a share of
them; the exact binomial interval says in how many (Clopper and Pearson 1934).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, t

Array = npt.NDArray[np.float64]

FEWEST_EITHER = 5
"""Effective rights, and wrongs, below which a share's interval is the exact one."""


class Alike(NamedTuple):
    """Clusters that all have the same mean, of values that lie between two bounds.

    The next cluster may be another: with a probability of up to ``unseen`` without surprise, and
    then by no more than the bounds allow.
    """

    mean: float
    clusters: int
    least: float
    most: float

    def interval(self, confidence: float) -> tuple[float, float]:
        """Bounds of the mean; at 0 and 1 of a share they are Clopper and Pearson's."""
        unseen = 1 - ((1 - confidence) / 2) ** (1 / self.clusters)
        low = self.mean - unseen * (self.mean - self.least)
        return low, self.mean + unseen * (self.most - self.mean)

    def p_value(self, bound: float) -> float:
        """Two-sided chance of so many clusters alike if the true mean were ``bound``."""
        room = self.mean - self.least if bound < self.mean else self.most - self.mean
        if room == 0:
            return 1.0
        other = min(1.0, abs(self.mean - bound) / room)
        return float(min(1.0, 2 * (1 - other) ** self.clusters))


def find_alike(sums: Array, sizes: Array, least: float = -1.0, most: float = 1.0) -> Alike | None:
    """The clusters, if all have the same mean; None if means vary.

    Args:
        sums: of each cluster's values, [clusters].
        sizes: how many values each has, [clusters].
        least: bound of the values; a lower mean widens it.
        most: bound of the values; a higher mean widens it.
    """
    means = sums / sizes
    if np.ptp(means) > 1e-9:
        return None
    mean = float(means[0])
    return Alike(mean, len(means), min(least, mean), max(most, mean))


def bound_share(sums: Array, sizes: Array, confidence: float) -> tuple[float, float] | None:
    """Bounds of a share near 0 or 1; None where it is far enough from both.

    By Clopper and Pearson, with the number of independent rows that would be as sure (Korn and
    Graubard 1998, "Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data"). That number is unknown where all clusters have the same
    share: then it is the number of clusters.

    Args:
        sums: ones in each cluster, [clusters].
        sizes: rows of each cluster, [clusters].
        confidence: of the interval.
    """
    if same := find_alike(sums, sizes, 0.0, 1.0):
        return same.interval(confidence)
    rows, share = float(sizes.sum()), float(sums.sum() / sizes.sum())
    spread = float(np.square(sums - share * sizes).sum())
    tail, groups = (1 - confidence) / 2, len(sums)
    known = (t.ppf(tail, rows - 1) / t.ppf(tail, groups - 1)) ** 2
    number = min(rows, known * share * (1 - share) * rows**2 / spread)
    if number * min(share, 1 - share) >= FEWEST_EITHER:
        return None
    right = number * share
    low = beta.ppf(tail, right, number - right + 1)
    return float(low), float(beta.ppf(1 - tail, right + 1, number - right))
