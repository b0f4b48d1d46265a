"""The score of always giving the most frequent answer."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

Guesser = TypeVar("Guesser", bound=Hashable)


def score_majority(
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
