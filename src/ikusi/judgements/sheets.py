"""Judgements laid out for counting: which rater said what of which item, a sheet per question."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ikusi.judgements.judgement import VERDICTS, Judgement
from ikusi.statistics.agreement import MISSING, Ratings

Codes = npt.NDArray[np.int8]

SKIPPED, INVALID, REFUSED, INCONSISTENT, INCONCLUSIVE = -2, -3, -4, -5, -6
APART = {"skipped": SKIPPED, "invalid": INVALID, "refused": REFUSED, "inconsistent": INCONSISTENT}
"""What is no verdict, by name. A rater is inconsistent who was shown the same two answers in both
orders and did not prefer the same one, or called only one of them a tie."""

TIE = 1  # the middle one of what may be said of two models


class Vote(NamedTuple):
    """The part of a judgement that figures are computed from."""

    task: str
    benchmark: str
    language: str
    kind: str
    id: str
    rater: str
    left: str
    right: str


@dataclass(frozen=True)
class Latest:
    """The judgements that count: each rater's last one on an item, in each order of two answers.

    ``rows`` were read; each that is not in ``verdicts`` was replaced by a later one. ``weights``
    has those of the items that do not have a weight of 1.
    """

    verdicts: Mapping[Vote, str]
    rows: int
    weights: Mapping[Vote, float]

    @property
    def replaced(self) -> int:
        """Rows that a later one replaced: changed minds."""
        return self.rows - len(self.verdicts)


def keep_latest(judgements: Iterable[Judgement]) -> Latest:
    """Keep what each rater said last; of two at the same time, the one further down the table."""
    kept: dict[Vote, tuple[str, str, float]] = {}
    rows = 0
    with _without_collector():
        for one in judgements:
            rows += 1
            vote = _vote(one)
            before = kept.get(vote)
            if before is None or before[0] <= one.made:
                kept[vote] = (one.made, one.verdict, one.weight)
    verdicts = {vote: verdict for vote, (_, verdict, _) in kept.items()}
    weights = {vote: weight for vote, (_, _, weight) in kept.items() if weight != 1}
    return Latest(verdicts, rows, weights)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Spare Python's collector, which would go through all that is kept again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def list_latest(judgements: Iterable[Judgement]) -> list[Judgement]:
    """The judgements that `keep_latest` counts, in the order of the table."""
    kept: dict[Vote, tuple[str, int, Judgement]] = {}
    for place, one in enumerate(judgements):
        vote = _vote(one)
        if vote not in kept or kept[vote][0] <= one.made:
            kept[vote] = (one.made, place, one)
    return [one for _, _, one in sorted(kept.values(), key=lambda held: held[1])]


def _vote(one: Judgement) -> Vote:
    about = (one.task, one.benchmark, one.language, one.kind)
    return Vote._make((*about, one.id, one.rater, one.left, one.right))


@dataclass(frozen=True)
class Sheet:
    """All that raters of one kind said in one task of one benchmark in one language.

    ``codes``: [items, raters], the place of a verdict in ``classes``, or ``MISSING``, or one of
    ``APART``. ``models`` are the two that are compared, by name; none where nothing is compared.
    ``weighted`` has the weights of items that are not 1.
    """

    task: str
    benchmark: str
    language: str
    kind: str
    models: tuple[str, ...]
    items: list[str]
    raters: list[str]
    codes: Codes
    weighted: Mapping[str, float] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The verdicts; of two models, the names of these, with `tie` between."""
        return (self.models[0], "tie", self.models[1]) if self.models else VERDICTS[self.task]

    @property
    def place(self) -> tuple[str, str, str, tuple[str, ...]]:
        """The question of the sheet, without its raters: task, benchmark, language, models."""
        return self.task, self.benchmark, self.language, self.models

    @cached_property
    def ratings(self) -> Ratings:
        """The verdicts alone."""
        return Ratings(np.where(self.codes >= 0, self.codes, MISSING), len(self.classes))

    @cached_property
    def votes(self) -> Codes:
        """Verdicts of each item, [items]."""
        return np.asarray((self.codes >= 0).sum(axis=1))

    @cached_property
    def decided(self) -> Codes:
        """The verdict that more than half of an item's verdicts are, as its number, [items].

        ``INCONCLUSIVE`` where none has more than half. Where an item has no verdict at all, why:
        the first of ``APART`` that a rater gave.
        """
        counts = [(self.codes == code).sum(axis=1) for code in range(len(self.classes))]
        by_class = np.stack(counts, axis=1)
        best = by_class.argmax(axis=1)
        decided = np.where(by_class.max(axis=1) * 2 > self.votes, best, INCONCLUSIVE)
        for code in reversed(APART.values()):
            there = (self.codes == code).any(axis=1)
            decided = np.where((self.votes == 0) & there, code, decided)
        return decided.astype(np.int8)

    @cached_property
    def weights(self) -> npt.NDArray[np.float64]:
        """The weight of each item, [items]."""
        return np.array([self.weighted.get(item, 1.0) for item in self.items])

    def apart(self) -> dict[str, int]:
        """Counts of answers that are no verdict, such as skipped ones, by kind."""
        counts = {name: int((self.codes == code).sum()) for name, code in APART.items()}
        return {name: count for name, count in counts.items() if count}

    def of(self, rater: str) -> Sheet:
        """The sheet of one rater alone, with the items that they were asked about."""
        column = self.codes[:, [self.raters.index(rater)]]
        there = np.flatnonzero(column[:, 0] != MISSING)
        items = [self.items[place] for place in there]
        return Sheet(*self.place[:3], self.kind, self.models, items, [rater], column[there])


def lay_out_sheets(counted: Latest) -> list[Sheet]:
    """Lay out what counts: one sheet for each task, benchmark, language, kind and two models."""
    groups: dict[tuple[str, str, str, str, tuple[str, ...]], dict[tuple[str, str], int]] = {}
    for vote, verdict in counted.verdicts.items():
        models = tuple(sorted((vote.left, vote.right))) if vote.task == "compare" else ()
        group = groups.setdefault((*vote[:4], models), {})
        key, code = (vote.id, vote.rater), _code(vote, verdict, models)
        group[key] = code if key not in group else _both_orders(group[key], code)
    weights: dict[tuple[str, str, str, str], dict[str, float]] = {}
    for vote, weight in counted.weights.items():
        weights.setdefault(vote[:4], {})[vote.id] = weight
    return [
        _sheet(*about, group, weights.get(about[:4], {})) for about, group in sorted(groups.items())
    ]


def _code(vote: Vote, verdict: str, models: tuple[str, ...]) -> int:
    """The place of a verdict among those of a sheet; of two models, by which of them won."""
    if verdict in APART:
        return APART[verdict]
    place = VERDICTS[vote.task].index(verdict)
    return 2 - place if models and vote.left != models[0] else place


def _both_orders(one: int, other: int) -> int:
    """The verdict of a rater who saw both orders: the one given both times, else `INCONSISTENT`.

    Where one is no verdict, such as `SKIPPED`, so is the result: of two such codes the lower one.
    """
    if one == other:
        return one
    return min(one, other) if min(one, other) < 0 else INCONSISTENT


def _sheet(
    task: str,
    benchmark: str,
    language: str,
    kind: str,
    models: tuple[str, ...],
    group: Mapping[tuple[str, str], int],
    weights: Mapping[str, float],
) -> Sheet:
    items = {item: place for place, item in enumerate(dict.fromkeys(item for item, _ in group))}
    raters = {rater: n for n, rater in enumerate(sorted({rater for _, rater in group}))}
    codes = np.full((len(items), len(raters)), MISSING, np.int8)
    for (item, rater), code in group.items():
        codes[items[item], raters[rater]] = code
    return Sheet(task, benchmark, language, kind, models, list(items), list(raters), codes, weights)
