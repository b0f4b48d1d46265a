"""Metrics that look for gold answers anywhere in an answer.

* ``inclusion_<aggregate>_<unit>``: the rule of arXiv 2511.09396, section 4.2.1: an answer is right
  when it contains a gold answer anywhere. Models that were never trained on one-word answers need
  it.
* ``coverage``: the share of the gold answers that a description contains.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal, get_args

from ikusi import writing
from ikusi.evaluate.metrics.base import Answer, Metric, score_agreement
from ikusi.evaluate.normalise import Normaliser, Reading

Unit = Literal["token_span", "substring", "token_prefix", "stem"]
Aggregate = Literal["any", "soft"]
UNITS: tuple[Unit, ...] = get_args(Unit)
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)

SHORTEST_PREFIX = 3
"""Gold words shorter than this never match as the beginning of a longer word."""

WORDS = {
    "any": "any gold answer contained",
    "soft": "gold answers contained, weighed by annotators",
    "token_span": "as whole words",
    "substring": "as characters",
    "token_prefix": "as whole words, the last may go on",
    "stem": "as forms of its words",
}


def name_inclusion(unit: Unit, aggregate: Aggregate) -> str:
    """Return the name of an inclusion metric.

    >>> name_inclusion("token_span", "any")
    'inclusion_any_token_span'
    """
    return f"inclusion_{aggregate}_{unit}"


def inclusion(
    prediction: str,
    answers: Sequence[str],
    normaliser: Normaliser,
    unit: Unit = "token_span",
    aggregate: Aggregate = "any",
) -> float:
    """Return how far ``prediction`` contains the gold answers, in [0, 1].

    ``unit`` says what containing means:

    * ``token_span``: the answer's words stand in the prediction whole, in order, together;
    * ``substring``: the letters occur anywhere, which also finds "no" in "north"; here and below
      no letter is cut from its marks;
    * ``token_prefix``: as ``token_span``, but the last word may go on (inflection by suffixes);
    * ``stem``: as ``token_span``, but words are compared by ``Normaliser.stems``; for a language
      whose pack says nothing about inflection it is ``token_prefix``.

    ``aggregate`` is ``any`` (1 if some answer is contained) or ``soft`` (the leave-one-out
    agreement of ``vqa_accuracy``).
    """
    return _inclusion(Answer(prediction, answers, normaliser), unit, aggregate)


def coverage(
    prediction: str, answers: Sequence[str], normaliser: Normaliser, unit: Unit = "token_span"
) -> float:
    """Return the share of the distinct gold answers that ``prediction`` contains, in [0, 1].

    It scores a free description of a picture against the names of what is drawn.
    """
    return _cover(normaliser.read(prediction), map(normaliser.read, answers), unit)


def contains(prediction: str, answer: str, normaliser: Normaliser, unit: Unit) -> bool:
    """Return whether one gold answer occurs in ``prediction``; ``unit`` as in ``inclusion``."""
    return _holds(normaliser.read(prediction), normaliser.read(answer), unit)


def _inclusion(answer: Answer, unit: Unit, aggregate: Aggregate) -> float:
    if unit not in answer.kept:
        held = {
            gold for gold, read in answer.readings.items() if _holds(answer.reading, read, unit)
        }
        answer.kept[unit] = [gold in held for gold in answer.gold]
    contained: list[bool] = answer.kept[unit]
    return _aggregate(contained, aggregate)


def _coverage(answer: Answer) -> float:
    return _cover(answer.reading, answer.readings.values(), "token_span")


def _cover(answer: Reading, gold: Iterable[Reading], unit: Unit) -> float:
    distinct = {reading.words: reading for reading in gold}
    contained = [_holds(answer, reading, unit) for reading in distinct.values()]
    return sum(contained) / len(contained) if contained else 0.0


def _holds(answer: Reading, gold: Reading, unit: Unit) -> bool:
    if not gold.words:
        return False
    if unit == "stem" and gold.stems is not None and answer.stems is not None:
        return _holds_stems(answer.stems, gold.stems)
    if gold.words not in answer.words:
        return False
    if unit == "substring":
        return writing.occurs(gold.words, answer.words)
    if unit == "token_span":
        return f" {gold.words} " in f" {answer.words} "
    last = gold.words.rpartition(" ")[2]
    end = "" if len(last) >= SHORTEST_PREFIX else " "
    return writing.occurs(f" {gold.words}{end}", f" {answer.words} ")


def _holds_stems(answer: Sequence[frozenset[str]], gold: Sequence[frozenset[str]]) -> bool:
    first, rest = gold[0], gold[1:]
    for start in range(len(answer) - len(rest)):
        if not first.isdisjoint(answer[start]):
            span = answer[start + 1 : start + len(gold)]
            if not any(ours.isdisjoint(theirs) for ours, theirs in zip(rest, span, strict=True)):
                return True
    return False


def _aggregate(contained: Sequence[bool], aggregate: Aggregate) -> float:
    return float(any(contained)) if aggregate == "any" else score_agreement(contained)


METRICS = [
    *(
        Metric(
            name_inclusion(unit, rule),
            f"{WORDS[rule]}, {WORDS[unit]}",
            partial(_inclusion, unit=unit, aggregate=rule),
            family="inclusion",
        )
        for unit in UNITS
        for rule in AGGREGATES
    ),
    Metric("coverage", "coverage", _coverage, describes=True),
]
