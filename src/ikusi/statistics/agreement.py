"""Agreement of several raters on the same items, by every usual figure, each named.

A figure that corrects for chance is ``(observed - expected) / (1 - expected)``; the figures differ
in what they take each of the two for. All of them are read off sums over items, so that a resample
of items is a vector of weights and thousands of resamples are one product of matrices; libraries
give one figure of one table. Where a figure has no value, it says why.

Sources: Cohen 1960 and 1968, Fleiss 1971, Krippendorff 2004, Gwet 2008.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ikusi.statistics import borders
from ikusi.statistics.intervals import bootstrap_interval
from ikusi.statistics.resampling import draw_weights

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]

MISSING = -1
"""The code of an item that a rater has not rated."""

MOST_RATERS = 12
"""Raters whose pairs are all compared by Cohen's kappa: 66 of them."""

TITLES = {
    "majority_share": "share of an item's raters who hold its majority verdict (the paper's rule)",
    "percent": "percent agreement of pairs",
    "cohen_kappa": "Cohen's kappa, mean over pairs of raters",
    "cohen_kappa_linear": "Cohen's kappa with linear weights, mean over pairs of raters",
    "fleiss_kappa": "Fleiss' kappa",
    "krippendorff_alpha": "Krippendorff's alpha, nominal",
    "gwet_ac1": "Gwet's AC1",
}


class Figure(NamedTuple):
    """A figure of agreement with its 95 % interval; without a value, ``why`` says why.

    ``items`` and ``ratings`` are those it is about; ``undefined`` is the share of resamples in
    which it has no value; ``note`` says what else a reader must know.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    items: int
    ratings: int
    undefined: float
    why: str = ""
    note: str = ""


@dataclass(frozen=True)
class Ratings:
    """Verdicts as numbers, [items, raters], and how many different ones were offered.

    Only items with two ratings or more count: an item with one says nothing of agreement.
    """

    codes: Codes
    classes: int

    @cached_property
    def shared(self) -> Codes:
        """The items with two ratings or more, [items, raters]."""
        return self.codes[(self.codes != MISSING).sum(axis=1) >= 2]

    @cached_property
    def counts(self) -> Array:
        """Number of raters who gave each verdict, [items, classes]."""
        counted = [(self.shared == code).sum(axis=1) for code in range(self.classes)]
        return np.stack(counted, axis=1).astype(np.float64)

    @cached_property
    def sizes(self) -> Array:
        """Ratings of each item, [items]."""
        return np.asarray(self.counts.sum(axis=1))

    @cached_property
    def alike(self) -> Array:
        """Share of an item's pairs of ratings that are the same, [items]."""
        same = (self.counts * (self.counts - 1)).sum(axis=1)
        return np.asarray(same / (self.sizes * (self.sizes - 1)))

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """Pairs of raters who have rated an item together."""
        there = (self.shared != MISSING).astype(np.int64)
        together = there.T @ there
        raters = range(self.shared.shape[1])
        return [pair for pair in combinations(raters, 2) if together[pair]]

    @cached_property
    def cells(self) -> sparse.csr_array:
        """Ones at each item's cell in the table of each pair of raters, [items, pairs * q * q]."""
        q, rows, columns = self.classes, [np.empty(0, int)], [np.empty(0, int)]
        for place, (one, other) in enumerate(self.pairs):
            first, second = self.shared[:, one], self.shared[:, other]
            both = np.flatnonzero((first != MISSING) & (second != MISSING))
            rows.append(both)
            columns.append(place * q * q + first[both].astype(int) * q + second[both])
        row, column = np.concatenate(rows), np.concatenate(columns)
        shape = (len(self.shared), len(self.pairs) * q * q)
        return sparse.csr_array((np.ones(len(row)), (row, column)), shape=shape)


Parts = tuple[Array, Array]  # observed and expected agreement, [resamples, pairs or 1]


def measure_agreement(
    ratings: Ratings, *, ordered: bool = False, resamples: int = 1000, seed: int = 0
) -> list[Figure]:
    """Return every figure of agreement, with 95 % intervals by a bootstrap over items.

    Args:
        ratings: who gave which verdict.
        ordered: whether the verdicts stand in an order, such as A, tie, B; then Cohen's kappa with
            linear weights is returned as well.
        resamples: of items, all raters of one together.
        seed: of the resamples.
    """
    held = ratings.counts.max(axis=1, initial=0) / ratings.sizes
    least = np.ceil(ratings.sizes / ratings.classes) / ratings.sizes  # the verdicts spread evenly
    figures = [
        _mean("majority_share", ratings, held, least, resamples, seed),
        _mean("percent", ratings, ratings.alike, np.zeros_like(held), resamples, seed),
    ]
    corrected = {"cohen_kappa": _cohen(ratings)}
    if ordered:
        corrected["cohen_kappa_linear"] = _cohen(ratings, linear=True)
    corrected["fleiss_kappa"] = _fleiss(ratings)
    corrected["krippendorff_alpha"] = _alpha(ratings)
    corrected["gwet_ac1"] = _ac1(ratings)
    return [*figures, *_correct(ratings, corrected, resamples, seed)]


def _mean(
    name: str, ratings: Ratings, values: Array, least: Array, resamples: int, seed: int
) -> Figure:
    """A figure that is a mean over items of what cannot be below ``least``."""
    items, number = len(values), int(ratings.sizes.sum())
    if not items:
        return Figure(name, None, None, None, 0, 0, 1.0, NOT_SHARED)
    mean, low, high = bootstrap_interval(values, n=resamples, seed=seed)
    return Figure(name, mean, max(low, float(least.mean())), high, items, number, 0.0)


NOT_SHARED = "no item has two ratings"


class _Coefficient(NamedTuple):
    """A figure's two parts, read off sums over items: ``parts(weights @ terms)``.

    ``terms``: [items, any]. Where it cannot be computed, ``why`` says why.
    """

    terms: Array | sparse.csr_array
    parts: Callable[[Array], Parts]
    why: str = ""


def _cohen(ratings: Ratings, linear: bool = False) -> _Coefficient:
    """Cohen's kappa of each pair of raters, on the items that both have rated."""
    q, raters = ratings.classes, ratings.shared.shape[1]
    if raters > MOST_RATERS and len(ratings.pairs) > MOST_RATERS * (MOST_RATERS - 1) // 2:
        why = f"it compares two raters, and {len(ratings.pairs):,} pairs have shared items"
        return _impossible(f"{why}; read the figures of all raters together")
    distance = np.abs(np.subtract.outer(np.arange(q), np.arange(q))) / max(1, q - 1)
    weight = 1 - distance if linear else np.eye(q)

    def parts(sums: Array) -> Parts:
        tables = sums.reshape(len(sums), -1, q, q)
        total = tables.sum(axis=(2, 3))
        with np.errstate(invalid="ignore"):
            joint = tables / total[..., None, None]
        rows, columns = joint.sum(axis=3), joint.sum(axis=2)
        expected = np.einsum("bpi,ij,bpj->bp", rows, weight, columns)
        return np.einsum("bpij,ij->bp", joint, weight), expected

    return _Coefficient(ratings.cells, parts)


def _impossible(why: str) -> _Coefficient:
    return _Coefficient(np.empty((0, 0)), lambda sums: (sums, sums), why)


def _fleiss(ratings: Ratings) -> _Coefficient:
    fewest, most = ratings.sizes.min(initial=np.inf), ratings.sizes.max(initial=0)
    if fewest < most:
        why = f"items have {fewest:.0f} to {most:.0f} ratings, and it needs the same number of each"
        return _impossible(f"{why}; Krippendorff's alpha does not")

    def parts(sums: Array) -> Parts:
        items, alike, ratings, counts = sums[:, :1], sums[:, 1:2], sums[:, 2:3], sums[:, 3:]
        return alike / items, np.square(counts / ratings).sum(axis=1, keepdims=True)

    terms = (np.ones_like(ratings.alike), ratings.alike, ratings.sizes, ratings.counts)
    return _Coefficient(np.column_stack(terms), parts)


def _alpha(ratings: Ratings) -> _Coefficient:
    """Items count by their ratings, and a rating is never paired with itself by chance."""

    def parts(sums: Array) -> Parts:
        alike, counts = sums[:, :1], sums[:, 1:]
        total = counts.sum(axis=1, keepdims=True)
        expected = (counts * (counts - 1)).sum(axis=1, keepdims=True) / (total * (total - 1))
        return alike / total, expected

    return _Coefficient(np.column_stack([ratings.alike * ratings.sizes, ratings.counts]), parts)


def _ac1(ratings: Ratings) -> _Coefficient:
    """Chance is what raters add where an item is hard, which is most with evenly used verdicts."""

    def parts(sums: Array) -> Parts:
        items, alike, used = sums[:, :1], sums[:, 1:2], sums[:, 2:] / sums[:, :1]
        expected = (used * (1 - used)).sum(axis=1, keepdims=True) / max(1, ratings.classes - 1)
        return alike / items, expected

    shares = ratings.counts / ratings.sizes[:, None]
    return _Coefficient(np.column_stack([np.ones(len(shares)), ratings.alike, shares]), parts)


def _correct(
    ratings: Ratings, coefficients: dict[str, _Coefficient], resamples: int, seed: int
) -> list[Figure]:
    """The figures that correct for chance, all from the same resamples."""
    items, number = len(ratings.shared), int(ratings.sizes.sum())
    if not items:
        return [Figure(name, None, None, None, 0, 0, 1.0, NOT_SHARED) for name in coefficients]
    possible = {name: one for name, one in coefficients.items() if not one.why}
    drawn: dict[str, list[Array]] = {name: [np.empty(0)] for name in possible}
    sums = _Sums(possible)
    for weights in draw_weights(items, resamples, seed):
        for name, parts in sums.parts(weights).items():
            drawn[name].append(_mean_of_pairs(*parts))
    whole = sums.parts(np.ones((1, items)))
    return [
        _figure(name, ratings, whole[name], np.concatenate(drawn[name]), number)
        if name in possible
        else Figure(name, None, None, None, items, number, 1.0, one.why)
        for name, one in coefficients.items()
    ]


class _Sums:
    """The terms of several figures, each matrix of them multiplied once with a set of weights."""

    def __init__(self, coefficients: dict[str, _Coefficient]) -> None:
        self.coefficients = coefficients
        dense = [one.terms for one in coefficients.values() if isinstance(one.terms, np.ndarray)]
        self.dense = np.hstack(dense)
        self.sparse = {
            id(one.terms): one.terms.T.tocsr()
            for one in coefficients.values()
            if not isinstance(one.terms, np.ndarray)
        }

    def parts(self, weights: Array) -> dict[str, Parts]:
        """The two parts of each figure under some weights of items, [weights, items]."""
        dense = weights @ self.dense
        cells = {key: (terms @ weights.T).T for key, terms in self.sparse.items()}
        at, sums = 0, {}
        for name, one in self.coefficients.items():
            if id(one.terms) in cells:
                sums[name] = one.parts(cells[id(one.terms)])
            else:
                width = one.terms.shape[1]
                sums[name], at = one.parts(dense[:, at : at + width]), at + width
        return sums


def _mean_of_pairs(observed: Array, expected: Array) -> Array:
    """The mean over pairs that have a value, [resamples]; NaN where none has."""
    values = _ratio(observed, expected)
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, values, 0).sum(axis=1) / there.sum(axis=1))


def _ratio(observed: Array, expected: Array) -> Array:
    """Agreement beyond chance; NaN where chance alone makes all agree."""
    room = 1 - expected
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(room > 1e-12, (observed - expected) / room, np.nan)


def _figure(name: str, ratings: Ratings, parts: Parts, samples: Array, number: int) -> Figure:
    items = len(ratings.shared)
    values = _ratio(*parts)
    value, missing = float(_mean_of_pairs(*parts)[0]), int(np.isnan(values).sum())
    if np.isnan(value):
        why = "all ratings are the same verdict, so chance alone would make all agree"
        if name.startswith("cohen"):
            why = "no pair of raters has used two verdicts on the items they share"
        return Figure(name, None, None, None, items, number, 1.0, why)
    note = f"over {values.size - missing} of {values.size} pairs" if missing else ""
    undefined = float(np.isnan(samples).mean())
    low, high = _bounds(ratings, parts, samples)
    return Figure(name, value, low, high, items, number, undefined, note=note)


def _bounds(ratings: Ratings, parts: Parts, samples: Array) -> tuple[float, float]:
    """The interval of a figure that has a value; at least 63 % of the resamples then have one.

    Where raters agree on every item, no resample shows otherwise: then the exact interval of the
    share of items that they agree on takes the place of what was observed.
    """
    if same := borders.find_alike(ratings.alike, np.ones(len(ratings.alike)), 0.0, 1.0):
        observed = [np.full_like(parts[0], bound) for bound in same.interval(0.95)]
        low, high = (float(_mean_of_pairs(one, parts[1])[0]) for one in observed)
        return low, high
    low, high = map(float, np.nanquantile(samples, [0.025, 0.975]))
    return low, high
