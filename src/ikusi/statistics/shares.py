"""Shares of ratings with their intervals, and which of two sides won more often."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, binomtest, norm, t

from ikusi.statistics.intervals import Interval
from ikusi.statistics.resampling import Clusters, Values, sum_clusters

Array = npt.NDArray[np.float64]


class Estimate(NamedTuple):
    """A share, the bounds of its interval, and of how many independent ratings these would be."""

    share: Array
    low: Array
    high: Array
    rows: Array


def wilson_interval(
    values: Values, clusters: Clusters = None, confidence: float = 0.95
) -> Interval:
    """Return the share of ones among ``values`` and its Wilson interval (Wilson 1927).

    ``values``: 0 or 1 for each rating. ``clusters``: the item of each rating, or None where every
    item has one. An empty sequence raises ``ValueError``. See ``estimate_share``.

    >>> [round(bound, 3) for bound in wilson_interval([1] * 67 + [0] * 13)]
    [0.838, 0.742, 0.903]
    """
    sums, sizes = sum_clusters(np.asarray(values, dtype=np.float64), clusters)
    estimate = estimate_share(sums, sizes, confidence=confidence)
    return Interval(float(estimate.share), float(estimate.low), float(estimate.high))


def estimate_share(
    sums: Array, sizes: Array, weights: Array | float = 1.0, confidence: float = 0.95
) -> Estimate:
    """Estimate a share of all items from those that were drawn, with its Wilson interval.

    Items that were drawn more often than others count less: the share is Hajek's, the interval
    that of as many independent ratings as would be as sure (Korn and Graubard 1998). Ratings of
    one item say less than as many of different items, which it allows for.

    Args:
        sums: ratings that are ones, [..., items].
        sizes: ratings, at least one an item, [..., items].
        weights: one over the probability with which an item was drawn, to scale, [..., items].
        confidence: of the interval.

    Returns:
        Arrays [...].
    """
    weights = np.broadcast_to(np.asarray(weights, dtype=np.float64), sums.shape)
    share = (weights * sums).sum(-1) / (weights * sizes).sum(-1)
    rows = _effective_rows(sums, sizes, weights, share, (1 - confidence) / 2)
    return Estimate(share, *bound_share(share, rows, confidence), rows)


def _effective_rows(sums: Array, sizes: Array, weights: Array, share: Array, tail: float) -> Array:
    """Number of independent ratings that would give a share with the precision of these items."""
    # Where nothing varies, how alike an item's ratings are is unknown: they count as one.
    alike = np.ptp(sums / sizes, axis=-1) < 1e-9
    rows, items = sizes.sum(-1), max(sums.shape[-1], 2)  # a single item is alike in itself
    left = weights * (sums - share[..., None] * sizes)
    spread = np.where(alike, 1.0, np.square(left).sum(-1))
    # What is known of how much items vary is known from fewer of them than there are ratings.
    surer = np.square(t.ppf(tail, rows - 1) / t.ppf(tail, items - 1))
    surer *= (1 - 1 / items) / (1 - 1 / np.maximum(rows, 2))
    effective = surer * share * (1 - share) * np.square((weights * sizes).sum(-1)) / spread
    return np.where(alike, count_effective_items(weights), np.minimum(rows, effective))


def count_effective_items(weights: Array) -> Array:
    """Effective number of items, [...], by their weights, [..., items] (Kish 1965).

    As many items of equal weight would be as precise.

    >>> float(count_effective_items(np.array([1.0, 1.0, 1.0, 3.0])))
    3.0
    """
    return np.asarray(np.square(weights.sum(-1)) / np.square(weights).sum(-1))


def bound_share(
    share: Array | float, rows: Array | float, confidence: float
) -> tuple[Array, Array]:
    """Return Wilson's bounds, low and high, of shares [...] of ``rows`` [...] independent rows.

    The number of rows need not be whole.
    """
    z = float(norm.ppf((1 + confidence) / 2))
    centre, spread = share + z * z / (2 * rows), share * (1 - share) / rows
    half = z * np.sqrt(spread + z * z / (4 * rows * rows))
    scale = 1 + z * z / rows
    return np.maximum(0.0, (centre - half) / scale), np.minimum(1.0, (centre + half) / scale)


class SignTest(NamedTuple):
    """A sign test of which side won more often: counts without ties, exact two-sided p-value.

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
    return SignTest(wins, losses, p_value, _count_needed(total, alpha))


def _count_needed(total: int, alpha: float) -> int | None:
    if 2 * 0.5**total > alpha:
        return None
    # With equal chances, both tails are twice the upper one.
    return int(binom.isf(alpha / 2, total, 0.5)) + 1
