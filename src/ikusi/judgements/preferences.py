"""The paper's table 2: which of two models is preferred, and how surely.

An item with one verdict has that one; of several, the one that more than half of them are, or it is
inconclusive. The paper's shares are of all 264 judged items, the inconclusive included.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ikusi.judgements.acceptance import describe_skew
from ikusi.judgements.sheets import APART, INCONCLUSIVE, TIE, Sheet
from ikusi.statistics import Interval, holm
from ikusi.statistics.agreement import Figure, measure_agreement
from ikusi.statistics.bradley_terry import Strength, bradley_terry
from ikusi.statistics.shares import SignTest, sign_test, wilson_interval


@dataclass(frozen=True)
class Preference:
    """Wins and ties of two models; ``counts`` adds up to ``items``.

    ``rater`` is empty for all raters of the kind together. ``counts`` has the names of the models,
    `tie`, `inconclusive`, and where an item has no verdict, why; ``shares`` are of ``items``.
    """

    sheet: Sheet
    rater: str
    counts: dict[str, int]
    shares: dict[str, Interval]
    test: SignTest
    adjusted: float
    agreement: Sequence[Figure]
    note: str

    @property
    def items(self) -> int:
        """Items judged."""
        return len(self.sheet.items)


@dataclass(frozen=True)
class Ranking:
    """The strengths of more than two models, the strongest first, from decided comparisons."""

    benchmark: str
    language: str
    kind: str
    comparisons: int
    items: int
    strengths: Sequence[tuple[str, Strength]]


def count_preferences(sheets: Sequence[Sheet], resamples: int, seed: int) -> list[Preference]:
    """Count wins and ties on each sheet; of several judges, also what each says alone."""
    made = []
    for sheet in sheets:
        made.append(_preference(sheet, "", resamples, seed))
        if sheet.kind == "model" and len(sheet.raters) > 1:
            made += [_preference(sheet.of(one), one, 0, seed) for one in sheet.raters]
    return _correct(made)


def _preference(sheet: Sheet, rater: str, resamples: int, seed: int) -> Preference:
    decided = sheet.decided
    names = dict(enumerate(sheet.classes))
    names |= {INCONCLUSIVE: "inconclusive"} | {code: name for name, code in APART.items()}
    counts = {name: int((decided == code).sum()) for code, name in names.items()}
    kept = {name: n for name, n in counts.items() if n or name in (*sheet.classes, "inconclusive")}
    shares = {
        name: wilson_interval((decided == code).astype(np.float64))
        for code, name in enumerate(sheet.classes)
    }
    test = sign_test(kept[sheet.models[0]], kept[sheet.models[1]])
    figures: list[Figure] = []
    if not rater:
        figures = measure_agreement(sheet.ratings, ordered=True, resamples=resamples, seed=seed)
    return Preference(sheet, rater, kept, shares, test, test.p_value, figures, describe_skew(sheet))


def _correct(preferences: Sequence[Preference]) -> list[Preference]:
    """The same with p-values corrected for the pairs of models that the same raters compared."""
    families: dict[tuple[str, str], list[int]] = {}
    for place, one in enumerate(preferences):
        families.setdefault((one.sheet.kind, one.rater), []).append(place)
    made = list(preferences)
    for places in families.values():
        adjusted = holm([preferences[place].test.p_value for place in places])
        for place, p_value in zip(places, adjusted, strict=True):
            made[place] = replace(preferences[place], adjusted=p_value)
    return made


def rank_models(sheets: Sequence[Sheet], resamples: int, seed: int) -> list[Ranking]:
    """Strengths of the models of each benchmark and kind of rater that compares more than two."""
    groups: dict[tuple[str, str, str], list[Sheet]] = {}
    for sheet in sheets:
        groups.setdefault((sheet.benchmark, sheet.language, sheet.kind), []).append(sheet)
    return [
        _ranking(*about, own, resamples, seed)
        for about, own in groups.items()
        if len({model for sheet in own for model in sheet.models}) > 2
    ]


def _ranking(
    benchmark: str, language: str, kind: str, own: Sequence[Sheet], resamples: int, seed: int
) -> Ranking:
    models = sorted({model for sheet in own for model in sheet.models})
    items: dict[str, int] = {}
    rows = [
        (*map(models.index, sheet.models), 1 - code / (2 * TIE), items.setdefault(item, len(items)))
        for sheet in own
        for item, code in zip(sheet.items, sheet.decided.tolist(), strict=True)
        if code >= 0
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    first, second, clusters = (table[:, column].astype(np.int64) for column in (0, 1, 3))
    values = bradley_terry(first, second, table[:, 2], clusters, len(models), resamples, seed)
    order = sorted(zip(models, values, strict=True), key=lambda one: -(one[1].value or 0))
    return Ranking(benchmark, language, kind, len(rows), len(items), order)
