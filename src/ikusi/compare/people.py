"""Verdicts of people and judges on a study's open answers, as samples for its findings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ikusi.compare.evidence import Sample
from ikusi.judgements.sheets import INCONCLUSIVE, TIE, Sheet
from ikusi.statistics.agreement import MISSING


def find_sheets(
    sheets: Sequence[Sheet], kind: str, language: str, models: Collection[str]
) -> Iterator[Sheet]:
    """Comparisons by raters of a kind, in a language, of two of these models."""
    for sheet in sheets:
        about = (sheet.task, sheet.kind, sheet.language)
        if about == ("compare", kind, language) and set(sheet.models) <= set(models):
            yield sheet


def measure_preference(sheet: Sheet, first: str) -> Sample:
    """The preferred model by item: 1 the first, -1 the other, 0 ties and no majority.

    Items that were drawn more often than others count less. ``first`` is one of the sheet's models.
    """
    decided = sheet.decided
    counted = (decided >= 0) | (decided == INCONCLUSIVE)
    wins = decided == sheet.models.index(first) * 2 * TIE
    losses = (decided >= 0) & (decided != TIE) & ~wins
    weights = np.asarray(sheet.weights, dtype=np.float64)[counted]
    values = (wins.astype(np.float64) - losses)[counted] * weights / weights.mean()
    return Sample(values, _name_items(sheet, counted))


class Beside(NamedTuple):
    """People's verdicts and a judge's on the items that both were asked about.

    ``people``: [items, raters]; ``majority`` and ``judge``: [items]; all by place among the sheet's
    classes, ``MISSING`` where there is no verdict.
    """

    sheet: Sheet
    rater: str
    items: tuple[str, ...]
    people: npt.NDArray[np.int8]
    majority: npt.NDArray[np.int8]
    judge: npt.NDArray[np.int8]

    def measure_ties(self) -> Sample | None:
        """1 where the judge says tie, minus 1 where people do, by item that both have decided."""
        both = (self.majority != MISSING) & (self.judge != MISSING)
        if not both.any():
            return None
        values = (self.judge == TIE).astype(np.float64) - (self.majority == TIE)
        return Sample(values[both], tuple(np.array(self.items, dtype=object)[both].tolist()))


def lay_beside(people: Sheet, judges: Sequence[Sheet]) -> Iterator[Beside]:
    """People beside each judge that was asked the same."""
    for sheet in judges:
        if sheet.place == people.place:
            for rater in sheet.raters:
                yield _lay(people, sheet.of(rater), rater)


def _lay(people: Sheet, own: Sheet, rater: str) -> Beside:
    judged = dict(zip(own.items, own.decided.tolist(), strict=True))
    both = [place for place, item in enumerate(people.items) if item in judged]
    items = tuple(people.items[place] for place in both)
    codes = [
        people.codes[both],
        people.decided[both],
        np.array([judged[item] for item in items], dtype=np.int8),
    ]
    return Beside(
        people, rater, items, *(np.where(one >= 0, one, MISSING).astype(np.int8) for one in codes)
    )


def _name_items(sheet: Sheet, there: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(
        f"{sheet.benchmark}/{item}" for item, so in zip(sheet.items, there, strict=True) if so
    )
