"""Shares that people are counted for: how surely one is known, and which of two sides won more."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, binomtest, norm, t

from ikusi.statistics.intervals import Interval
from ikusi.statistics.resampling import Clusters, Values, cluster_totals

Array = npt.NDArray[np.float64]


def wilson_interval(
    values: Values, clusters: Clusters = None, confidence: float = 0.95
) -> Interval:
    """Return the share of ones among ``values`` and its Wilson interval (Wilson 1927).

    ``values``: 0 or 1 for each rating. ``clusters``: the item of each rating, or None where every
    item has one. Ratings of one item say less than as many of different items: the interval is that
    of as many independent ratings as would be as sure (Korn and Graubard 1998). An empty sequence
    raises ``ValueError``.

    >>> [round(bound, 3) for bound in wilson_interval([1] * 67 + [0] * 13)]
    [0.838, 0.742, 0.903]
    """
    sample = np.asarray(values, dtype=np.float64)
    sums, sizes = cluster_totals(sample, clusters)
    if np.ptp(sums / sizes) < 1e-9:  # nothing varies, so how alike an item's ratings are is unknown
        rows = float(len(sums))
    else:
        rows = _effective_rows(sums, sizes, confidence)
    return Interval(float(sample.mean()), *_wilson(float(sample.mean()), rows, confidence))


def _effective_rows(sums: Array, sizes: Array, confidence: float) -> float:
    """How many independent ratings would be as sure of a share as these items, which vary."""
    rows, share = float(sizes.sum()), float(sums.sum() / sizes.sum())
    spread = float(np.square(sums - share * sizes).sum())
    tail = (1 - confidence) / 2
    known = float(t.ppf(tail, rows - 1) / t.ppf(tail, len(sums) - 1)) ** 2
    return min(rows, known * share * (1 - share) * rows**2 / spread)


def _wilson(share: float, rows: float, confidence: float) -> tuple[float, float]:
    """Bounds for a share of any number of independent rows, whole or not."""
    z = float(norm.ppf((1 + confidence) / 2))
    centre, spread = share + z * z / (2 * rows), share * (1 - share) / rows
    half = z * (spread + z * z / (4 * rows * rows)) ** 0.5
    scale = 1 + z * z / rows
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


class SignTest(NamedTuple):
    """Which of two sides won more often: counts without ties, and the exact two-sided p-value.

    ``needed``: the smallest number of wins of one side, out of as many, that is significant; None
    where not even all of them are.
    """

    wins: int
    losses: int
    p_value: float
    needed: int | None


def sign_test(wins: int, losses: int, alpha: float = 0.05) -> SignTest:
    """Test whether wins and losses are equally likely; ties say nothing and are left out.

    >>> tested = sign_test(61, 54)
    >>> tested._replace(p_value=round(tested.p_value, 3))
    SignTest(wins=61, losses=54, p_value=0.576, needed=69)
    """
    total = wins + losses
    p_value = float(binomtest(wins, total).pvalue) if total else 1.0
    return SignTest(wins, losses, p_value, _needed(total, alpha))


def _needed(total: int, alpha: float) -> int | None:
    if 2 * 0.5**total > alpha:
        return None
    # With equal chances, both tails are twice the upper one.
    return int(binom.isf(alpha / 2, total, 0.5)) + 1
