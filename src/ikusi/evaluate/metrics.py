"""How a generated answer is compared with the gold answers.

Every metric is named for what it is:

* ``vqa_accuracy``: the official accuracy of VQAv2 (https://visualqa.org/evaluation.html), exact
  match after the official text processing, averaged over the annotators left out one by one;
  ``vqa_accuracy_normalised``: the same with every text processed, as lmms-eval has it.
* ``inclusion_<aggregate>_<unit>``: the rule of arXiv 2511.09396, section 4.2.1: an answer is right
  when it contains a gold answer anywhere. Models that were never taught one-word answers need it.
* ``coverage``: the share of the gold answers that a description contains.

A gold answer that the text processing leaves empty is never matched, by any of them.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal, get_args

from ikusi import writing
from ikusi.evaluate.normalise import Normaliser, Reading, one_line

Unit = Literal["token_span", "substring", "token_prefix", "stem"]
Aggregate = Literal["any", "soft"]
UNITS: tuple[Unit, ...] = get_args(Unit)
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)

ANNOTATORS = 10
"""Answers per question in VQAv2; the leave-one-out accuracy is defined for that many."""

SHORTEST_PREFIX = 3
"""Gold words shorter than this never match as the beginning of a longer word."""


def inclusion_name(unit: Unit, aggregate: Aggregate) -> str:
    """Return the name of an inclusion metric.

    >>> inclusion_name("token_span", "any")
    'inclusion_any_token_span'
    """
    return f"inclusion_{aggregate}_{unit}"


TEXT_METRICS = (
    "vqa_accuracy",
    "vqa_accuracy_normalised",
    *(inclusion_name(unit, aggregate) for unit in UNITS for aggregate in AGGREGATES),
    "coverage",
)
"""The names that ``text_metrics`` gives, in its order."""


_INCLUSIONS = {inclusion_name(unit, rule): (unit, rule) for unit in UNITS for rule in AGGREGATES}


_WORDS = {
    "vqa_accuracy": "VQA accuracy",
    "vqa_accuracy_normalised": "VQA accuracy, every text normalised",
    "accuracy_without_end": "accuracy, end of turn not counted",
    "any": "any gold answer contained",
    "soft": "gold answers contained, weighed by annotators",
    "token_span": "as whole words",
    "substring": "as characters",
    "token_prefix": "as whole words, the last may go on",
    "stem": "as forms of its words",
}


def describe_metric(name: str) -> str:
    """Name a metric as people read it in tables.

    >>> describe_metric("inclusion_any_token_span")
    'any gold answer contained, as whole words'
    >>> describe_metric("accuracy_per_token")
    'accuracy per token'
    """
    if name in _INCLUSIONS:
        unit, aggregate = _INCLUSIONS[name]
        return f"{_WORDS[aggregate]}, {_WORDS[unit]}"
    return _WORDS.get(name, name.replace("_", " "))


def text_metrics(text: str, gold: Sequence[str], normaliser: Normaliser) -> dict[str, float]:
    """Return every metric of one free answer, by name; each in [0, 1]."""
    said = normaliser.read(text)
    readings = {answer: normaliser.read(answer) for answer in gold}
    same = {answer: _same(said, reading) for answer, reading in readings.items()}
    normalised = _agreement([same[answer] for answer in gold])
    agreed = _agreed(gold)
    exact = normalised if agreed is None else _given(text, agreed, len(gold))
    metrics = {"vqa_accuracy": exact, "vqa_accuracy_normalised": normalised}
    for unit in UNITS:
        held = {answer for answer, reading in readings.items() if _holds(said, reading, unit)}
        found = [answer in held for answer in gold] if held else [False] * len(gold)
        for aggregate in AGGREGATES:
            metrics[inclusion_name(unit, aggregate)] = _aggregated(found, aggregate)
    return metrics | {"coverage": _covered(said, readings.values(), "token_span")}


def text_metric(name: str, text: str, gold: Sequence[str], normaliser: Normaliser) -> float:
    """Return one of ``TEXT_METRICS``."""
    if name == "coverage":
        return coverage(text, gold, normaliser)
    if name == "vqa_accuracy":
        return vqa_accuracy(text, gold, normaliser)
    if name == "vqa_accuracy_normalised":
        return vqa_accuracy_normalised(text, gold, normaliser)
    return inclusion(text, gold, normaliser, *_INCLUSIONS[name])


def vqa_accuracy(prediction: str, answers: Sequence[str], normaliser: Normaliser) -> float:
    """Return the official VQA accuracy in [0, 1] of one prediction.

    Each annotator is left out in turn and the prediction scores ``min(1, matches / 3)`` against
    the others, so 0, 1, 2, 3, 4 matches of ten give 0, 0.3, 0.6, 0.9, 1. As in the official code,
    text is processed only where the annotators disagree: where all ten gave one answer, it must be
    given letter by letter, capitals included. Annotators are told apart by position, not by
    comparing records, so ten equal answers count as ten.

    A list shorter than ten is no set of annotators but of acceptable answers: any of them,
    processed, scores 1.
    """
    agreed = _agreed(answers)
    if agreed is None:
        return vqa_accuracy_normalised(prediction, answers, normaliser)
    return _given(prediction, agreed, len(answers))


def vqa_accuracy_normalised(
    prediction: str, answers: Sequence[str], normaliser: Normaliser
) -> float:
    """Return ``vqa_accuracy`` with the text always processed, whether annotators agree or not.

    So does lmms-eval. It differs in texts with several commas between two digits, in lists shorter
    than ten, and where equal answers have no ``answer_id`` to tell them apart.
    """
    said = normaliser.read(prediction)
    return _agreement([_same(said, normaliser.read(answer)) for answer in answers])


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
    found = [contains(prediction, answer, normaliser, unit) for answer in answers]
    return _aggregated(found, aggregate)


def coverage(
    prediction: str, answers: Sequence[str], normaliser: Normaliser, unit: Unit = "token_span"
) -> float:
    """Return the share of the distinct gold answers that ``prediction`` contains, in [0, 1].

    It scores a free description of a picture against the names of what is drawn.
    """
    return _covered(normaliser.read(prediction), map(normaliser.read, answers), unit)


def contains(prediction: str, answer: str, normaliser: Normaliser, unit: Unit) -> bool:
    """Tell whether one gold answer occurs in ``prediction``; ``unit`` as in ``inclusion``."""
    return _holds(normaliser.read(prediction), normaliser.read(answer), unit)


def _agreed(answers: Sequence[str]) -> str | None:
    """What all annotators answered; None where they differ, or are too few to be annotators."""
    distinct = {one_line(answer) for answer in set(answers)}
    return distinct.pop() if len(answers) >= ANNOTATORS and len(distinct) == 1 else None


def _given(prediction: str, agreed: str, annotators: int) -> float:
    return _agreement([bool(agreed) and agreed == one_line(prediction)] * annotators)


def _same(said: Reading, gold: Reading) -> bool:
    return bool(gold.official) and gold.official == said.official


def _covered(said: Reading, gold: Iterable[Reading], unit: Unit) -> float:
    distinct = {reading.words: reading for reading in gold}
    found = [_holds(said, reading, unit) for reading in distinct.values()]
    return sum(found) / len(found) if found else 0.0


def _holds(said: Reading, gold: Reading, unit: Unit) -> bool:
    if not gold.words:
        return False
    if unit == "stem" and gold.stems is not None and said.stems is not None:
        return _holds_stems(said.stems, gold.stems)
    if gold.words not in said.words:
        return False
    if unit == "substring":
        return writing.occurs(gold.words, said.words)
    if unit == "token_span":
        return f" {gold.words} " in f" {said.words} "
    last = gold.words.rpartition(" ")[2]
    end = "" if len(last) >= SHORTEST_PREFIX else " "
    return writing.occurs(f" {gold.words}{end}", f" {said.words} ")


def _holds_stems(said: Sequence[frozenset[str]], gold: Sequence[frozenset[str]]) -> bool:
    first, rest = gold[0], gold[1:]
    for start in range(len(said) - len(rest)):
        if not first.isdisjoint(said[start]):
            span = said[start + 1 : start + len(gold)]
            if not any(ours.isdisjoint(theirs) for ours, theirs in zip(rest, span, strict=True)):
                return True
    return False


def _aggregated(found: Sequence[bool], aggregate: Aggregate) -> float:
    return float(any(found)) if aggregate == "any" else _agreement(found)


def _agreement(matches: Sequence[bool]) -> float:
    total = sum(matches)
    if len(matches) < ANNOTATORS:
        return float(total > 0)
    return _left_out_one_by_one(total, len(matches))


@cache
def _left_out_one_by_one(matching: int, annotators: int) -> float:
    matches = [True] * matching + [False] * (annotators - matching)
    return sum(min(1.0, (matching - match) / 3) for match in matches) / annotators
