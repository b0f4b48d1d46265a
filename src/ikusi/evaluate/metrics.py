"""How a generated answer is compared with the gold answers.

Two families, each named for what it is:

* ``vqa_accuracy``: the official accuracy of VQAv2 (https://visualqa.org/evaluation.html), exact
  match after the official text processing, averaged over the annotators left out one by one.
* ``inclusion``: the rule of arXiv 2511.09396, section 4.2.1: an answer is right when it contains
  a gold answer anywhere. Models that were never taught one-word answers need it.

What is true of one language only (number words, articles, contractions) comes from its language
pack, so the official English processing is one case among many.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from ikusi.language import LanguagePack

Unit = Literal["token_span", "token_prefix", "substring"]
Aggregate = Literal["any", "soft"]

ANNOTATORS = 10
"""Answers per question in VQAv2; the leave-one-out accuracy is defined for that many."""

SHORTEST_STEM = 3
"""Gold words shorter than this never match as the beginning of a longer word."""

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_DIGIT_COMMA_DIGIT = re.compile(r"\d,\d")
_PERIOD_BEFORE_NO_DIGIT = re.compile(r"\.(?!\d)")
_OFFICIAL_PERIOD_LIMIT = 32  # the official code passes re.UNICODE, which is 32, as the count
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'"})
_WORD = re.compile(r"\d+(?:[.,]\d+)+|\w+(?:'\w+)*")


class Normaliser:
    """The text processing of one language, built from its pack.

    ``official`` follows the official VQA evaluation step by step, odd corners included;
    ``tokens`` is the plain word sequence that inclusion looks into.
    """

    def __init__(self, pack: LanguagePack) -> None:
        self._numbers = {word.lower(): str(value) for value, word in enumerate(pack.numbers)}
        self._articles = frozenset(word.lower() for word in pack.articles)
        self._contractions = dict(pack.contractions)

    def official(self, text: str) -> str:
        """Return ``text`` as the official VQA code compares it: punctuation, numbers, articles."""
        return self._words(_strip_punctuation(_one_line(text)))

    def tokens(self, text: str) -> tuple[str, ...]:
        """Return the words of ``text``: lower case, without articles, number words as digits.

        Unlike the official processing it never glues two words together.
        """
        plain = unicodedata.normalize("NFC", text).translate(_APOSTROPHES).lower()
        return tuple(self._words(" ".join(_WORD.findall(plain))).split())

    def _words(self, text: str) -> str:
        words = (self._numbers.get(word, word) for word in text.lower().split())
        kept = (word for word in words if word not in self._articles)
        return " ".join(self._contractions.get(word, word) for word in kept)


def vqa_accuracy(prediction: str, answers: Sequence[str], normaliser: Normaliser) -> float:
    """Return the official VQA accuracy in [0, 1] of one prediction.

    Each annotator is left out in turn and the prediction scores ``min(1, matches / 3)`` against
    the others, so 0, 1, 2, 3, 4 matches of ten give 0, 0.3, 0.6, 0.9, 1. As in the official code,
    text is processed only where the annotators disagree. Annotators are told apart by position,
    not by comparing records, so ten equal answers count as ten.

    A list shorter than ten is no set of annotators but of acceptable answers: any of them,
    processed, scores 1. An answer that the processing leaves empty is never matched.
    """
    gold = [_one_line(answer) for answer in answers]
    said = _one_line(prediction)
    if len(gold) < ANNOTATORS or len(set(gold)) > 1:
        gold = [normaliser.official(answer) for answer in gold]
        said = normaliser.official(said)
    matches = [bool(answer) and answer.lower() == said.lower() for answer in gold]
    return _agreement(matches)


def inclusion(
    prediction: str,
    answers: Sequence[str],
    normaliser: Normaliser,
    unit: Unit = "token_span",
    aggregate: Aggregate = "any",
) -> float:
    """Return how far ``prediction`` contains the gold answers, in [0, 1].

    ``unit`` says what containing means: ``token_span``, the answer's words stand in the prediction
    as whole words, in order and together; ``token_prefix``, the same, but the last of them may
    go on (inflection by suffixes); ``substring``, the characters occur anywhere, which also finds
    "no" in "north". ``aggregate`` is ``any`` (1 if some answer is contained) or ``soft`` (the
    leave-one-out agreement of ``vqa_accuracy``). An empty gold answer is never contained.
    """
    found = [contains(prediction, answer, normaliser, unit) for answer in answers]
    return float(any(found)) if aggregate == "any" else _agreement(found)


def coverage(
    prediction: str, answers: Sequence[str], normaliser: Normaliser, unit: Unit = "token_span"
) -> float:
    """Return the share of the distinct gold answers that ``prediction`` contains, in [0, 1].

    It scores a free description of a picture against the names of what is drawn.
    """
    distinct = {normaliser.tokens(answer): answer for answer in answers}
    found = [contains(prediction, answer, normaliser, unit) for answer in distinct.values()]
    return sum(found) / len(found) if found else 0.0


def contains(prediction: str, answer: str, normaliser: Normaliser, unit: Unit) -> bool:
    """Tell whether one gold answer occurs in ``prediction``; ``unit`` as in ``inclusion``."""
    words, said = normaliser.tokens(answer), normaliser.tokens(prediction)
    if not words:
        return False
    if unit == "substring":
        return " ".join(words) in " ".join(said)
    spans = (said[start : start + len(words)] for start in range(len(said) - len(words) + 1))
    if unit == "token_span":
        return words in spans
    return any(span[:-1] == words[:-1] and _begins(span[-1], words[-1]) for span in spans)


def _begins(word: str, stem: str) -> bool:
    return word == stem or (len(stem) >= SHORTEST_STEM and word.startswith(stem))


def _agreement(matches: Sequence[bool]) -> float:
    if len(matches) < ANNOTATORS:
        return float(any(matches))
    total = sum(matches)
    return sum(min(1.0, (total - match) / 3) for match in matches) / len(matches)


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _strip_punctuation(text: str) -> str:
    """Delete or blank punctuation as the official code does.

    A mark that touches a space anywhere in the text is deleted everywhere, and so is every mark
    once the text has a comma between digits; otherwise the mark becomes a space. This joins the
    first two words of "dog,cat, bird", as it does officially.
    """
    digits = _DIGIT_COMMA_DIGIT.search(text) is not None
    stripped = text
    for mark in _PUNCTUATION:
        deleted = digits or mark + " " in text or " " + mark in text
        stripped = stripped.replace(mark, "" if deleted else " ")
    return _PERIOD_BEFORE_NO_DIGIT.sub("", stripped, count=_OFFICIAL_PERIOD_LIMIT)
