"""Whether raters agree with each other more than with somebody else, on the same items."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ikusi.statistics.agreement import MISSING
from ikusi.statistics.resampling import draw_weights

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]


class KappaGap(NamedTuple):
    """Cohen's kappa of raters with each other minus that with somebody else, with its 95 %
    interval.

    ``among`` and ``with_other`` are means over pairs of raters, each with its interval as (value,
    low, high). ``p_value`` is two-sided, that the gap is above zero, and ``p_among`` the same of
    ``among``; ``items`` are those that two raters or more and the other have decided.
    """

    value: float
    low: float
    high: float
    p_value: float
    p_among: float
    among: tuple[float, float, float]
    with_other: tuple[float, float, float]
    items: int


def compare_kappas(
    codes: Codes, other: Codes, classes: int, resamples: int, seed: int
) -> KappaGap | None:
    """Compare raters' agreement with each other with their agreement with somebody else.

    Items are resampled, all verdicts on one together, so what is hard for all cancels.

    Args:
        codes: verdicts of raters, [items, raters], ``MISSING`` where there is none.
        other: verdicts of somebody else, [items].
        classes: how many verdicts were offered.
        resamples: of items.
        seed: of the resamples.

    Returns:
        None where kappa has no value: no shared item, or a single verdict throughout.
    """
    shared = ((codes != MISSING).sum(axis=1) >= 2) & (other != MISSING)
    codes, other = codes[shared], other[shared]
    items, raters = codes.shape
    columns = [codes[:, rater] for rater in range(raters)]
    inner = [_cells(a, b, classes) for i, a in enumerate(columns) for b in columns[i + 1 :]]
    outer = [_cells(column, other, classes) for column in columns]
    if not items:
        return None
    whole = np.ones((1, items))
    among, beside = (float(_mean_kappa(whole, some, classes)[0]) for some in (inner, outer))
    if np.isnan(among) or np.isnan(beside):
        return None
    drawn = [
        np.stack([_mean_kappa(weights, some, classes) for some in (inner, outer)])
        for weights in draw_weights(items, resamples, seed)
    ]
    first, second = np.concatenate(drawn, axis=1)
    gaps = first - second
    return KappaGap(
        among - beside,
        *_bounds(gaps),
        _p_value(gaps),
        _p_value(first),
        (among, *_bounds(first)),
        (beside, *_bounds(second)),
        items,
    )


def _cells(first: Codes, second: Codes, classes: int) -> Array:
    """Ones at each item's cell in the table of two raters, [items, classes * classes]."""
    made = np.zeros((len(first), classes * classes))
    both = np.flatnonzero((first != MISSING) & (second != MISSING))
    made[both, first[both].astype(int) * classes + second[both]] = 1
    return made


def _mean_kappa(weights: Array, pairs: list[Array], classes: int) -> Array:
    """Cohen's kappa, its mean over pairs that have one, [weights]; NaN where none has."""
    values = np.stack([_kappa(weights @ cells, classes) for cells in pairs])
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, values, 0).sum(axis=0) / there.sum(axis=0))


def _kappa(sums: Array, classes: int) -> Array:
    tables = sums.reshape(-1, classes, classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        joint = tables / tables.sum(axis=(1, 2), keepdims=True)
        observed = np.einsum("bii->b", joint)
        expected = (joint.sum(axis=2) * joint.sum(axis=1)).sum(axis=1)
        return np.where(expected < 1 - 1e-12, (observed - expected) / (1 - expected), np.nan)


def _bounds(samples: Array) -> tuple[float, float]:
    low, high = np.nanquantile(samples, [0.025, 0.975])
    return float(low), float(high)


def _p_value(gaps: Array) -> float:
    """Twice the share of resamples at or below zero; one without a value speaks against it."""
    against = int((~(gaps > 0)).sum())
    return min(1.0, 2 * (1 + against) / (len(gaps) + 1))
