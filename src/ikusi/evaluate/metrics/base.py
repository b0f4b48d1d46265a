"""The base of metrics of free answers, and their inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ikusi.evaluate.normalise import Normaliser, Reading

ANNOTATORS = 10
"""Answers per question in VQAv2; the leave-one-out accuracy is defined for that many."""


class Answer:
    """A free answer beside the gold ones; each text is read once for all metrics.

    Attributes:
        text: as it was generated.
        gold: the gold answers, duplicates kept: one for each annotator.
        reading: the text as it is compared.
        readings: each distinct gold answer as it is compared.
        kept: what one metric has worked out and others need too.
    """

    def __init__(self, text: str, gold: Sequence[str], normaliser: Normaliser) -> None:
        self.text, self.gold = text, gold
        self.reading: Reading = normaliser.read(text)
        self.readings = {answer: normaliser.read(answer) for answer in gold}
        self.kept: dict[str, Any] = {}


@dataclass(frozen=True)
class Metric:
    """A metric: a way to compare a free answer with the gold ones.

    Attributes:
        name: of its column, and of what a benchmark asks for.
        words: what people call it, in tables.
        score: how good an answer is, in [0, 1].
        family: what a benchmark asks for, where a metric has several forms.
        describes: it scores a description of a picture, not the answer to a question.
    """

    name: str
    words: str
    score: Callable[[Answer], float]
    family: str = ""
    describes: bool = False


def score_agreement(matches: Sequence[bool]) -> float:
    """The leave-one-out agreement with annotators; one match is enough where they are too few."""
    total = sum(matches)
    if len(matches) < ANNOTATORS:
        return float(total > 0)
    return _score_left_out(total, len(matches))


@cache
def _score_left_out(matching: int, annotators: int) -> float:
    matches = [True] * matching + [False] * (annotators - matching)
    return sum(min(1.0, (matching - match) / 3) for match in matches) / annotators
