"""The paper's table 1: how many rows people accept, and how far these people agree.

Its acceptance is a share of 80 ratings, of the two kinds of which there were 80: of items that one
person saw, and of items that all four saw (here each is given, with all ratings and all items). Its
agreement is the mean, over the shared items, of the share of raters who hold the majority verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ikusi.judgements.sheets import Sheet
from ikusi.statistics import Interval
from ikusi.statistics.agreement import Figure, measure_agreement
from ikusi.statistics.shares import estimate_share

Counts = npt.NDArray[np.integer | np.bool_]
Weights = npt.NDArray[np.float64]

SKEWED = 0.8
"""Share of the most frequent verdict from which on kappa and alpha say little."""


class Share(NamedTuple):
    """Accepted ratings or items among ``n``, and the estimated share of all rows.

    ``of``: `ratings`, `own` (items with one rater), `shared` (ratings of items with several) or
    `items` (what more than half of an item's raters said; ``n`` leaves out the inconclusive).
    ``interval``: the share, in which items that were drawn more often count less, and Wilson's
    interval; ``effective``: of how many independent ratings this would be the interval.
    """

    of: str
    accepted: int
    n: int
    effective: float
    interval: Interval


@dataclass(frozen=True)
class Acceptance:
    """The acceptance of one benchmark in one language by raters of one kind."""

    sheet: Sheet
    shares: Sequence[Share]
    inconclusive: int
    agreement: Sequence[Figure]
    note: str


def count_acceptance(sheet: Sheet, resamples: int, seed: int) -> Acceptance:
    """Count what was accepted, by every denominator, and how far raters agree."""
    accept = len(sheet.classes) - 1
    accepted, votes = (sheet.codes == accept).sum(axis=1), sheet.votes
    decided = sheet.decided
    every = [
        _share("ratings", accepted, votes, sheet.weights),
        _share("own", accepted, np.where(votes == 1, 1, 0), sheet.weights),
        _share("shared", accepted, np.where(votes > 1, votes, 0), sheet.weights),
        _share("items", decided == accept, decided >= 0, sheet.weights),
    ]
    figures = measure_agreement(sheet.ratings, resamples=resamples, seed=seed)
    inconclusive = int((votes > 0).sum() - (decided >= 0).sum())
    shares = [share for share in every if share is not None]
    return Acceptance(sheet, shares, inconclusive, figures, describe_skew(sheet))


def _share(of: str, accepted: Counts, ratings: Counts, weights: Weights) -> Share | None:
    """A share of the items that have ratings; `accepted` of these say yes, [items] each."""
    there = ratings > 0
    if not there.any():
        return None
    sums, sizes = (counts[there].astype(np.float64) for counts in (accepted, ratings))
    estimate = estimate_share(sums, sizes, weights[there])
    interval = Interval(float(estimate.share), float(estimate.low), float(estimate.high))
    return Share(of, int(sums.sum()), int(sizes.sum()), float(estimate.rows), interval)


def describe_skew(sheet: Sheet) -> str:
    """A line where one verdict is so frequent that kappa and alpha say little; else empty."""
    counts, sizes = sheet.ratings.counts, sheet.ratings.sizes
    if not len(sizes):
        return ""
    used = counts.sum(axis=0) / sizes.sum()
    if used.max() < SKEWED:
        return ""
    return (
        f"{used.max():.1%} of the ratings of shared items are `{sheet.classes[used.argmax()]}`, so "
        "raters would mostly agree by chance: kappa and alpha are near 0 however careful they "
        "are, and mean nothing here. Read percent, majority share and AC1."
    )
