"""Statistical power before people are asked: what a number of items can show, and how many it
takes.

Tests are two-sided. "Found" means significant at level ``alpha`` with probability ``power``.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom, norm

from ikusi.statistics.shares import bound_share

POWER = 0.8
MOST = 10_000_000  # items that anybody might ask about


def count_rows_for_margin(share: float, margin: float, confidence: float = 0.95) -> int:
    """Return the fewest independent rows whose Wilson interval of a share is within ``margin``.

    ``margin``: half of the interval's width.

    >>> count_rows_for_margin(0.85, 0.05)
    196
    """

    def narrow(rows: int) -> bool:
        low, high = bound_share(share, rows, confidence)
        return bool(high - low <= 2 * margin)

    return _fewest(narrow)


def compute_sign_power(items: int, ties: float, difference: float, alpha: float = 0.05) -> float:
    """Return the probability that an exact sign test of two models finds their difference.

    Args:
        items: compared, ties included.
        ties: their share.
        difference: between the shares of items that the one and the other wins.
        alpha: level of the test.
    """
    low, high = binom.ppf([1e-10, 1 - 1e-10], items, 1 - ties)
    decided = np.arange(low, high + 1)
    needed = binom.isf(alpha / 2, decided, 0.5) + 1  # more than all where these are too few
    better = (1 + difference / (1 - ties)) / 2
    significant = binom.sf(needed - 1, decided, better) + binom.cdf(
        decided - needed, decided, better
    )
    return float((binom.pmf(decided, items, 1 - ties) * significant).sum())


def find_least_difference(
    items: int, ties: float, power: float = POWER, alpha: float = 0.05
) -> float | None:
    """Return the smallest difference between two models' shares of wins that is found.

    None where not even a model that wins whatever is no tie would be.
    """

    def lacking(difference: float) -> float:
        return compute_sign_power(items, ties, difference, alpha) - power

    most = 1 - ties
    return None if lacking(most) < 0 else float(brentq(lacking, 0.0, most, xtol=1e-6))


def count_items_for_difference(
    difference: float, ties: float, power: float = POWER, alpha: float = 0.05
) -> int:
    """Return how many items, ties included, it takes to find a difference between two models."""
    return _fewest(lambda items: compute_sign_power(items, ties, difference, alpha) >= power)


def find_least_drop(share: float, rows: float, power: float = POWER, alpha: float = 0.05) -> float:
    """Return the smallest drop from a share that is found between two sets of ``rows`` rows each.

    By the normal approximation for ``asin(sqrt(share))`` (Cohen 1988); at most the share itself.
    """
    effect = float(norm.ppf(1 - alpha / 2) + norm.ppf(power)) * (2 / rows) ** 0.5
    angle = max(0.0, float(np.arcsin(share**0.5)) - effect / 2)
    return share - float(np.sin(angle)) ** 2


def estimate_kappa_error(shares: Sequence[float], kappa: float, items: float) -> float:
    """Return the standard error of Cohen's kappa of two raters (Fleiss, Cohen and Everitt 1969).

    Both use the verdicts in these ``shares``; a disagreement is as likely as chance makes it.
    """
    used = np.asarray(shares, dtype=np.float64)
    table = (1 - kappa) * np.outer(used, used) + kappa * np.diag(used)
    chance = float(np.square(used).sum())
    same = float((np.diag(table) * np.square(1 - 2 * used * (1 - kappa))).sum())
    others = table * np.square(used[:, None] + used[None, :])
    other = (1 - kappa) ** 2 * float(others.sum() - np.trace(others))
    variance = same + other - (kappa - chance * (1 - kappa)) ** 2
    return float(np.sqrt(variance / items)) / (1 - chance)


def _fewest(enough: Callable[[int], bool]) -> int:
    """The fewest that are enough, as far as more are always better.

    Raises:
        ValueError: not even ``MOST`` are.
    """
    high = 1
    while not enough(high):
        if high > MOST:
            raise ValueError(f"expected {MOST} items to be enough")
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
