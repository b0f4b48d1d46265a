"""The official accuracy of VQAv2 (https://visualqa.org/evaluation.html).

It is an exact match after the official text processing, averaged over the annotators left out one
by one; ``vqa_accuracy_normalised`` is the same with every text processed, as lmms-eval has it.
"""

from collections.abc import Sequence

from ikusi.evaluate.metrics.base import ANNOTATORS, Answer, Metric, score_agreement
from ikusi.evaluate.normalise import Normaliser, to_one_line


def vqa_accuracy(prediction: str, answers: Sequence[str], normaliser: Normaliser) -> float:
    """Return the official VQA accuracy in [0, 1] of one prediction.

    Each annotator is left out in turn and the prediction scores ``min(1, matches / 3)`` against
    the others, so 0, 1, 2, 3, 4 matches of ten give 0, 0.3, 0.6, 0.9, 1. As in the official code,
    text is processed only where the annotators disagree: where all ten gave one answer, it must be
    given letter by letter, capitals included. Annotators are distinguished by position, not by
    comparing records, so ten equal answers count as ten.

    A list shorter than ten is no set of annotators but of acceptable answers: any of them,
    processed, scores 1.
    """
    return _official(Answer(prediction, answers, normaliser))


def vqa_accuracy_normalised(
    prediction: str, answers: Sequence[str], normaliser: Normaliser
) -> float:
    """Return ``vqa_accuracy`` with the text always processed, whether annotators agree or not.

    So does lmms-eval. It differs in texts with several commas between two digits, in lists shorter
    than ten, and where equal answers have no ``answer_id`` to distinguish them.
    """
    return _score_normalised(Answer(prediction, answers, normaliser))


def _official(answer: Answer) -> float:
    agreed = _find_agreed(answer.gold)
    if agreed is None:
        return _score_normalised(answer)
    given = bool(agreed) and agreed == to_one_line(answer.text)
    return score_agreement([given] * len(answer.gold))


def _score_normalised(answer: Answer) -> float:
    answered = answer.reading.official
    same = {
        gold: bool(read.official) and read.official == answered
        for gold, read in answer.readings.items()
    }
    return score_agreement([same[gold] for gold in answer.gold])


def _find_agreed(answers: Sequence[str]) -> str | None:
    """The answer that all annotators gave; None where they differ, or are too few."""
    distinct = {to_one_line(answer) for answer in set(answers)}
    return distinct.pop() if len(answers) >= ANNOTATORS and len(distinct) == 1 else None


METRICS = [
    Metric("vqa_accuracy", "VQA accuracy", _official),
    Metric("vqa_accuracy_normalised", "VQA accuracy, every text normalised", _score_normalised),
]
