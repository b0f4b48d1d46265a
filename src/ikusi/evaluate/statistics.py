"""Intervals, paired tests and baselines for scores of samples that share pictures.

Rows about one picture are not independent, so every resampling draws whole pictures (clusters).
All functions are pure and deterministic for a seed.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm

from ikusi.evaluate import borders

Guesser = TypeVar("Guesser", bound=Hashable)
Values = Sequence[float] | npt.NDArray[np.float64]
Clusters = Sequence[Hashable] | npt.NDArray[np.generic] | None

FEWEST = 30
"""Bootstrap intervals from fewer pictures than this are too narrow to decide anything."""

_CELLS = 2**18  # drawn cluster numbers held at once: 2 MB


class Interval(NamedTuple):
    """A mean with the bounds of its interval."""

    mean: float
    low: float
    high: float


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


def bootstrap_interval(
    values: Values,
    clusters: Clusters = None,
    n: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Return the mean of ``values`` and its cluster-bootstrap percentile interval.

    ``values``: one score per row. ``clusters``: the picture of each row, or None where every row
    stands alone. ``n`` resamples. An empty sequence raises ``ValueError``. Near 0 and 1, and where
    all pictures score alike, resamples show too little of what could be: see ``borders``.
    """
    sample = np.asarray(values, dtype=np.float64)
    share = bool(sample.min(initial=0) >= 0 and sample.max(initial=1) <= 1)
    if share and (near := borders.share_interval(*_cluster_totals(sample, clusters), confidence)):
        return Interval(float(sample.mean()), *near)
    means = _resampled_means(sample, clusters, n, seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(sample.mean()), float(low), float(high))


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
    """
    return _tested(_paired(a, b), 0.0, clusters, n, seed, confidence)


def _tested(
    gap: npt.NDArray[np.float64],
    bound: float,
    clusters: Clusters,
    n: int,
    seed: int,
    confidence: float,
) -> Difference:
    """The mean of ``gap``, its interval, and the two-sided p-value against ``bound``."""
    shifted, least = gap - bound, 2 / (n + 1)
    mean = float(shifted.mean()) + bound
    if alike := borders.alike(*_cluster_totals(gap, clusters)):
        return Difference(mean, *alike.interval(confidence), max(least, alike.p_value(bound)))
    means = _resampled_means(shifted, clusters, n, seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p_value = min(1.0, 2 * (tail + 1) / (n + 1))
    return Difference(mean, float(low) + bound, float(high) + bound, p_value)


def least_p_value(values: Values, clusters: Clusters = None) -> float:
    """Return the smallest two-sided p-value that the signs of the clusters' sums allow.

    That is ``2 ** (1 - d)`` where ``d`` sums are not zero: the sign test's when all agree. A
    bootstrap of few such clusters gives less, which is more than they can show.
    """
    sums, _ = _cluster_totals(np.asarray(values, dtype=np.float64), clusters)
    return min(1.0, 2.0 ** (1 - int((~np.isclose(sums, 0)).sum())))


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
    gap = _paired(a, b)
    tested = _tested(gap, bound, clusters, n, seed, confidence)
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


def standard_error(values: Values, clusters: Clusters = None) -> float:
    """Return the standard error of the mean of ``values``, robust to how rows of a cluster agree.

    The sandwich estimate with the correction ``G / (G - 1)`` for ``G`` clusters; where every row
    stands alone it is the ordinary ``s / sqrt(n)``. Fewer than two clusters raise ``ValueError``.
    """
    sample = np.asarray(values, dtype=np.float64)
    sums, sizes = _cluster_totals(sample, clusters)
    if len(sums) < 2:
        raise ValueError(f"expected at least two clusters, found {len(sums)}")
    residuals = sums - sample.mean() * sizes
    correction = len(sums) / (len(sums) - 1)
    return float(np.sqrt(correction * np.square(residuals).sum()) / sample.size)


def detectable(error: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest true difference that a test finds with probability ``power``.

    ``error``: the standard error of the difference. The test is two-sided at level ``alpha`` and
    the estimate taken as normal (Bloom 1995, "Minimum detectable effects").

    >>> round(detectable(0.01), 4)
    0.028
    """
    return float((norm.ppf(1 - alpha / 2) + norm.ppf(power)) * error)


def mcnemar(a: Values, b: Values) -> McNemar:
    """Return the discordant counts of two runs' right/wrong answers, and the exact two-sided p.

    A row is right where its score is at least one half. Without discordant rows p is 1. Rows count
    as independent, also where they share a picture.
    """
    right_a, right_b = (np.asarray(side, dtype=np.float64) >= 0.5 for side in (a, b))
    if right_a.shape != right_b.shape:
        raise ValueError(f"expected runs of equal length, found {len(a)} and {len(b)} rows")
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    found = only_a + only_b
    p_value = float(binomtest(only_a, found, 0.5).pvalue) if found else 1.0
    return McNemar(only_a, only_b, p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number by Holm's step-down method, in input order."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def majority_baselines(
    rows: Callable[[], Iterable[tuple[Guesser, Hashable, Sequence[str]]]],
    score: Callable[[str, Sequence[str]], float],
) -> dict[Guesser, float]:
    """Return the mean score of always giving the most frequent gold answer, for each guesser.

    ``rows()``: guesser, kind of question and acceptable answers of each row that the guesser is
    asked, again at each call. A blind guesser has read the question, so the most frequent answer
    is found, and given, for each kind. ``score(answer, gold)``: what an answer would score. Ties
    go to the answer that comes first.
    """
    counts: dict[tuple[Guesser, Hashable], Counter[str]] = {}
    for guesser, kind, answers in rows():
        counts.setdefault((guesser, kind), Counter()).update(dict.fromkeys(answers, 1))
    constant = {asked: own.most_common(1)[0][0] if own else "" for asked, own in counts.items()}
    totals: dict[Guesser, float] = {}
    numbers: Counter[Guesser] = Counter()
    for guesser, kind, answers in rows():
        totals[guesser] = totals.get(guesser, 0.0) + score(constant[guesser, kind], answers)
        numbers[guesser] += 1
    return {guesser: total / numbers[guesser] for guesser, total in totals.items()}


def _paired(a: Values, b: Values) -> npt.NDArray[np.float64]:
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.shape != right.shape:
        raise ValueError(f"expected runs of equal length, found {left.size} and {right.size} rows")
    return left - right


def _resampled_means(
    values: npt.NDArray[np.float64], clusters: Clusters, n: int, seed: int
) -> npt.NDArray[np.float64]:
    """Return ``n`` means of rows whose clusters are drawn with replacement, as an array [n]."""
    sums, sizes = _cluster_totals(values, clusters)
    means = [
        sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1) for drawn in _draws(len(sums), n, seed)
    ]
    return np.concatenate(means)


def _cluster_totals(
    values: npt.NDArray[np.float64], clusters: Clusters
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"expected at least one score in one row, found shape {values.shape}")
    if clusters is None:
        return values, np.ones_like(values)
    if len(clusters) != values.size:
        raise ValueError(f"expected {values.size} clusters, found {len(clusters)}")
    places: dict[Hashable, int] = {}
    index = np.fromiter((places.setdefault(c, len(places)) for c in clusters), dtype=np.intp)
    sums, sizes = np.bincount(index, weights=values), np.bincount(index)
    return np.asarray(sums, dtype=np.float64), np.asarray(sizes, dtype=np.float64)


def _draws(clusters: int, n: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS // clusters)
    for start in range(0, n, step):
        yield generator.integers(clusters, size=(min(step, n - start), clusters))
