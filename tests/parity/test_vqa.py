"""The VQA accuracy that lmms-eval computes, on the same answers."""

import random

import pytest

from ikusi import language
from ikusi.evaluate.metrics import vqa_accuracy, vqa_accuracy_normalised
from ikusi.evaluate.normalise import Normaliser

utils = pytest.importorskip(
    "lmms_eval.tasks.vqav2.utils", reason="lmms-eval is not installed: make parity"
)

ENGLISH = Normaliser(language.load("en"))
WORDS = [
    *("yes", "no", "none", "two", "ten", "The", "a", "an", "red", "blue", "dog", "dogs", "dont"),
    *("isnt", "1,000", "2", "3.5", "10am", "it's", "t-shirt", "hot/cold", "(left)", "up-side"),
    *("end.", "U.S.", "what?", "#1", "50%", "\tred", "blue\n"),
]


def theirs(said: str, answers: list[str]) -> float:
    """Their score; each answer has an id, without which ten equal ones score nothing."""
    listed = [{"answer": answer, "answer_id": n} for n, answer in enumerate(answers, 1)]
    doc = {"question_id": 1, "answers": listed}
    return float(utils.vqav2_process_results_val(doc, [said])["exact_match"])


def test_ten_thousand_answers_score_the_same() -> None:
    lot = random.Random(0)
    scores = set()
    for _ in range(10_000):
        pool = [" ".join(lot.choices(WORDS, k=lot.randint(1, 3))) for _ in range(lot.randint(1, 4))]
        answers, said = lot.choices(pool, k=10), lot.choice(pool)
        expected = theirs(said, answers)
        if ENGLISH.official(said):  # an empty answer matches empty ones there, and never here
            ours = vqa_accuracy_normalised(said, answers, ENGLISH)
            assert ours == pytest.approx(expected), (said, answers)
            scores.add(round(expected, 2))
            if len({answer.strip() for answer in answers}) > 1:
                assert vqa_accuracy(said, answers, ENGLISH) == pytest.approx(expected)
    assert {0.3, 0.6, 0.9, 1.0} <= scores, "every step of the scale is among them"


def test_ten_equal_answers_without_ids_score_nothing_there() -> None:
    doc = {"question_id": 1, "answers": [{"answer": "yes"} for _ in range(10)]}
    assert utils.vqav2_process_results_val(doc, ["yes"])["exact_match"] == 0.0
    assert vqa_accuracy("yes", ["yes"] * 10, ENGLISH) == 1.0
