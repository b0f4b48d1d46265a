"""The paper's table 1: how many rows people accept, and how far these people agree.

Its acceptance is a share of 80 ratings, of the two kinds of which there were 80: of items that one
person saw, and of items that all four saw (here each is given, with all ratings and all items). Its
agreement is the mean, over the shared items, of the share of raters who hold the majority verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ikusi.judgements.sheets import Sheet
from ikusi.statistics import Interval
from ikusi.statistics.agreement import Figure, agreement
from ikusi.statistics.shares import wilson_interval

SKEWED = 0.8
"""Share of the most frequent verdict from which on kappa and alpha say little."""


class Share(NamedTuple):
    """How many of so many were accepted, with the Wilson interval of the share.

    ``of``: `ratings`, `own` (items with one rater), `shared` (ratings of items with several) or
    `items` (what more than half of an item's raters said; ``n`` leaves out the inconclusive).
    """

    of: str
    accepted: int
    n: int
    interval: Interval


@dataclass(frozen=True)
class Acceptance:
    """What raters of one kind accepted of one benchmark in one language."""

    sheet: Sheet
    shares: Sequence[Share]
    inconclusive: int
    agreement: Sequence[Figure]
    note: str


def acceptance(sheet: Sheet, resamples: int, seed: int) -> Acceptance:
    """Count what was accepted, by every denominator, and how far raters agree."""
    accept = sheet.classes.index("accept")
    place, _ = np.nonzero(sheet.said >= 0)
    ratings = sheet.said[sheet.said >= 0] == accept
    several = sheet.votes[place] > 1
    decided = sheet.decided[sheet.decided >= 0] == accept
    found = [
        _share("ratings", ratings, place),
        _share("own", ratings[~several], place[~several]),
        _share("shared", ratings[several], place[several]),
        _share("items", decided, np.arange(len(decided))),
    ]
    figures = agreement(sheet.ratings, resamples=resamples, seed=seed)
    inconclusive = int((sheet.votes > 0).sum()) - len(decided)
    shares = [share for share in found if share is not None]
    return Acceptance(sheet, shares, inconclusive, figures, skewed(sheet))


def _share(
    of: str, accepted: "np.typing.NDArray[np.bool_]", items: "np.typing.NDArray[np.intp]"
) -> Share | None:
    if not len(accepted):
        return None
    interval = wilson_interval(accepted.astype(np.float64), items)
    return Share(of, int(accepted.sum()), len(accepted), interval)


def skewed(sheet: Sheet) -> str:
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
