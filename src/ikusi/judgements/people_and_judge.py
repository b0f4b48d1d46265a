"""Agreement of a judge model with people, on the items that both have decided."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ikusi.judgements.acceptance import describe_skew
from ikusi.judgements.sheets import INCONCLUSIVE, TIE, Sheet
from ikusi.statistics import McNemar, mcnemar
from ikusi.statistics.agreement import Figure, measure_agreement


@dataclass(frozen=True)
class Compared:
    """A judge beside people, or beside simulated raters (``kind``), who decide by majority.

    ``table``: [their verdict, the judge's], in the order of the sheet's classes. ``left_out``:
    items that only one side was asked about, that people left inconclusive, or without a verdict.
    ``ties`` are McNemar's, of theirs alone and of the judge alone; None where nothing is compared.
    """

    sheet: Sheet
    kind: str
    judge: str
    table: npt.NDArray[np.int64]
    left_out: dict[str, int]
    ties: McNemar | None
    agreement: Sequence[Figure]
    note: str


def compare_with_judges(sheets: Sequence[Sheet], resamples: int, seed: int) -> list[Compared]:
    """Lay every judge model beside the people, and the simulated raters, of the same question."""
    judges = {sheet.place: sheet for sheet in sheets if sheet.kind == "model"}
    return [
        _compare(sheet, judges[sheet.place].of(judge), judge, resamples, seed)
        for sheet in sheets
        if sheet.kind != "model" and sheet.place in judges
        for judge in judges[sheet.place].raters
    ]


def _compare(people: Sheet, own: Sheet, judge: str, resamples: int, seed: int) -> Compared:
    theirs = dict(zip(people.items, people.decided.tolist(), strict=True))
    judged = dict(zip(own.items, own.decided.tolist(), strict=True))
    both = [(theirs[item], judged[item]) for item in theirs if item in judged]
    pairs = np.array(both, dtype=np.int8).reshape(-1, 2)
    left_out = {
        "only asked of the others": len(theirs.keys() - judged.keys()),
        "only asked of the judge": len(judged.keys() - theirs.keys()),
        "inconclusive among the others": int((pairs[:, 0] == INCONCLUSIVE).sum()),
        "no verdict of the judge": int(((pairs[:, 0] >= 0) & (pairs[:, 1] < 0)).sum()),
        "no verdict of the others": int(((pairs[:, 0] < 0) & (pairs[:, 0] != INCONCLUSIVE)).sum()),
    }
    pairs = pairs[(pairs >= 0).all(axis=1)]
    size = len(people.classes)
    counted = np.bincount(pairs[:, 0] * size + pairs[:, 1], minlength=size * size)
    beside = Sheet(*people.place[:3], people.kind, people.models, [], [people.kind, judge], pairs)
    figures = measure_agreement(
        beside.ratings, ordered=bool(people.models), resamples=resamples, seed=seed
    )
    return Compared(
        people,
        people.kind,
        judge,
        counted.reshape(size, size),
        {why: count for why, count in left_out.items() if count},
        mcnemar(pairs[:, 0] == TIE, pairs[:, 1] == TIE) if people.models else None,
        figures,
        describe_skew(beside),
    )
