"""Two runs on the same rows: their difference, what it would take to see one, and equivalence."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from ikusi.statistics import borders
from ikusi.statistics.resampling import Clusters, Values, resample_means, sum_clusters
from ikusi.statistics.seeds import Spread, add_seeds, measure_spread, pool_seeds


class Difference(NamedTuple):
    """The mean of ``a - b``, its interval, and the two-sided bootstrap p-value against zero."""

    mean: float
    low: float
    high: float
    p_value: float


class Equivalence(NamedTuple):
    """Whether ``a - b`` lies within the margin, judged by its ``1 - 2 alpha`` interval.

    ``p_value`` is the larger of the two one-sided tests'.
    """

    mean: float
    low: float
    high: float
    p_value: float
    equivalent: bool


class McNemar(NamedTuple):
    """Rows that only ``a`` and rows that only ``b`` got right, and the exact p-value of those."""

    only_a: int
    only_b: int
    p_value: float


def paired_difference(
    a: Values,
    b: Values,
    clusters: Clusters = None,
    n: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Difference:
    """Return the mean of ``a - b`` over the same rows, with interval and p-value.

    Both runs are resampled together, so what is hard for both cancels. The p-value is twice the
    smaller share of resampled differences on either side of zero, with one added to both counts,
    so it is never 0 and at least ``2 / (n + 1)``. Where all pictures differ alike (not at all, as
    a rule) interval and p-value are those of ``borders.Alike``.

    Both may be [seeds, rows], of trainings that differ by their seed: the same seed is paired too,
    the interval holds over seeds (`seeds.add_seeds`), and the p-value is one minus the
    confidence of the widest interval that leaves out zero.
    """
    return _test_gap(_pair(a, b), 0.0, clusters, n, seed, confidence)


def exceeds(
    a: Values,
    b: Values,
    bound: float,
    clusters: Clusters = None,
    n: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Difference:
    """Test that the mean of ``a - b`` is above a bound; otherwise like ``paired_difference``.

    The p-value is two-sided; where the mean is not above the bound it is 1.
    """
    gap = _pair(a, b)
    tested = _test_gap(gap, bound, clusters, n, seed, confidence)
    return tested if (gap - bound).mean() > 0 else tested._replace(p_value=1.0)


def equivalence(
    a: Values,
    b: Values,
    margin: float,
    clusters: Clusters = None,
    n: int = 1000,
    seed: int = 0,
    alpha: float = 0.05,
) -> Equivalence:
    """Test that two runs differ by less than ``margin`` (two one-sided tests by bootstrap).

    They are equivalent at level ``alpha`` when the whole ``1 - 2 alpha`` interval of ``a - b``
    lies strictly between ``-margin`` and ``margin``. A wide interval proves nothing either way.
    A margin that is not positive raises ``ValueError``; else see ``paired_difference``.
    """
    if margin <= 0:
        raise ValueError(f"margin: expected a positive number, found {margin}")
    confidence = 1 - 2 * alpha
    not_less = exceeds(a, b, -margin, clusters, n, seed, confidence)
    not_more = exceeds(b, a, -margin, clusters, n, seed, confidence)
    worse = max(not_less.p_value, not_more.p_value)
    p_value = worse / 2 if worse < 1 else 1.0
    mean, low, high, _ = not_less
    return Equivalence(mean, low, high, p_value, -margin < low and high < margin)


def compute_least_p_value(values: Values, clusters: Clusters = None) -> float:
    """Return the smallest two-sided p-value that the signs of the clusters' sums allow.

    That is ``2 ** (1 - d)`` where ``d`` sums are not zero: the sign test's when all agree. A
    bootstrap of few such clusters gives less, which is more than they can show.
    """
    sums, _ = sum_clusters(np.asarray(values, dtype=np.float64), clusters)
    return min(1.0, 2.0 ** (1 - int((~np.isclose(sums, 0)).sum())))


def compute_detectable(error: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest true difference that a test finds with probability ``power``.

    ``error``: the standard error of the difference. The test is two-sided at level ``alpha`` and
    the estimate taken as normal (Bloom 1995, "Minimum detectable effects").

    >>> round(compute_detectable(0.01), 4)
    0.028
    """
    return float((norm.ppf(1 - alpha / 2) + norm.ppf(power)) * error)


def mcnemar(a: Values, b: Values) -> McNemar:
    """Return the discordant counts of two runs' right/wrong answers, and the exact two-sided p.

    A row is right where its score is at least one half. Without discordant rows p is 1. Rows count
    as independent, also where they share a picture. Runs of different lengths raise ``ValueError``.
    """
    right_a, right_b = (np.asarray(side, dtype=np.float64) >= 0.5 for side in (a, b))
    if right_a.shape != right_b.shape:
        raise ValueError(f"expected runs of equal length, found {len(a)} and {len(b)} rows")
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    discordant = only_a + only_b
    p_value = float(binomtest(only_a, discordant, 0.5).pvalue) if discordant else 1.0
    return McNemar(only_a, only_b, p_value)


def _test_gap(
    gap: npt.NDArray[np.float64],
    bound: float,
    clusters: Clusters,
    n: int,
    seed: int,
    confidence: float,
) -> Difference:
    """The mean of ``gap``, its interval, and the two-sided p-value against ``bound``."""
    pooled, least, spread = pool_seeds(gap), 2 / (n + 1), measure_spread(gap, clusters)
    shifted = pooled - bound
    mean = float(shifted.mean()) + bound
    find_bounds: Callable[[float], tuple[float, float]]
    if alike := borders.find_alike(*sum_clusters(pooled, clusters)):
        p_value, find_bounds = alike.p_value(bound), alike.interval
    else:
        means = resample_means(shifted, clusters, n, seed)
        tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
        p_value = min(1.0, 2 * (tail + 1) / (n + 1))

        def find_bounds(confidence: float) -> tuple[float, float]:
            low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
            return float(low) + bound, float(high) + bound

    if spread:
        p_value = _invert(mean, bound, find_bounds, spread, least)
    low, high = add_seeds(mean, find_bounds(confidence), spread, confidence)
    return Difference(mean, low, high, max(least, p_value))


def _invert(
    mean: float,
    bound: float,
    find_bounds: Callable[[float], tuple[float, float]],
    spread: Spread,
    least: float,
) -> float:
    """One minus the confidence at which an interval over seeds ends at ``bound``."""

    def room(alpha: float) -> float:
        low, high = add_seeds(mean, find_bounds(1 - alpha), spread, 1 - alpha)
        return min(bound - low, high - bound)

    if room(least) <= 0:
        return least
    return 1.0 if room(1 - least) >= 0 else float(brentq(room, least, 1 - least, xtol=1e-4))


def _pair(a: Values, b: Values) -> npt.NDArray[np.float64]:
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.shape != right.shape:
        raise ValueError(f"expected runs of equal length, found {left.size} and {right.size} rows")
    return left - right
