"""The cases of docs/peers.md, computed: what others' rules give, and what ours give."""

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import pytest

from ikusi import language
from ikusi.answer.engine import pick
from ikusi.answer.score import summarise
from ikusi.evaluate.harness.task import read_losses
from ikusi.evaluate.metrics import inclusion, vqa_accuracy, vqa_accuracy_normalised
from ikusi.evaluate.normalise import Normaliser

PAGE = (Path(__file__).parents[3] / "docs" / "peers.md").read_text(encoding="utf-8")
ENGLISH, BASQUE = (Normaliser(language.load(code)) for code in ("en", "eu"))


def test_the_lowest_mean_loss_is_not_the_most_probable_option() -> None:
    options = {"dog": [0.5, 0.5], "a hot dog": [0.2, 0.9, 0.9, 0.9]}
    scores = [summarise([math.log(p) for p in ps], text) for text, ps in options.items()]
    for (text, probabilities), score in zip(options.items(), scores, strict=True):
        share, loss = math.prod(probabilities), -score.per_token
        assert f"| {text} | {share:.4g} | {score.total:.3f} | {loss:.3f} |" in PAGE
    assert pick([score.total for score in scores]) == (0, False)
    assert pick([score.per_token for score in scores]) == (1, False)
    assert pick([-score.total for score in scores]) == (1, False), "true scores, lowest taken"


def test_a_mask_short_by_the_picture_lets_the_longer_option_win() -> None:
    common = [8.0] * (576 - 1)
    right, wrong = [0.5, 0.5], [3.0] * 4
    stock = [mean([*common, *right]), mean([*common, *wrong])]
    assert [f"= {loss:.4f} |" in PAGE for loss in stock] == [True, True]
    assert pick([-loss for loss in stock]) == (1, False)
    for wins in (sum, mean):
        assert pick([-wins(right), -wins(wrong)]) == (0, False)


@pytest.mark.parametrize(
    "results", [[(7.37, True)], ["(7.37, False)"], [7.37], [[(7.37, False)]], [[7.37, False]]]
)
def test_every_form_of_a_score_is_read(results: Sequence[object]) -> None:
    assert read_losses(results) == [7.37]


@pytest.mark.parametrize("result", ["", "7.37", "(7.37,)", "error", None, True, (1, 2, 3)])
def test_what_is_no_score_is_never_scored(result: object) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        read_losses([1.0, result])


def test_an_answer_that_failed_never_equals_an_empty_gold_answer() -> None:
    assert ENGLISH.official("a") == "", "so an empty answer would equal it"
    assert vqa_accuracy("", ["a"] * 10, ENGLISH) == 0.0
    assert vqa_accuracy_normalised("", ["a"] * 10, ENGLISH) == 0.0


def test_english_rules_do_not_know_the_numbers_of_another_language() -> None:
    answers = ["2"] * 10
    assert vqa_accuracy_normalised("two", answers, ENGLISH) == 1.0
    assert vqa_accuracy_normalised("bi", answers, ENGLISH) == 0.0
    assert vqa_accuracy_normalised("bi", answers, BASQUE) == 1.0


def test_yes_is_not_found_in_but() -> None:
    said, gold = "Baina ez dakit.", ["bai"]
    assert inclusion(said, gold, BASQUE, "substring") == 1.0
    assert inclusion(said, gold, BASQUE, "token_span") == 0.0


@pytest.mark.parametrize(
    ("answers", "said", "theirs"),
    [(["yes"] * 10, "yes", 0.0), (["red"] * 4 + ["blue"] * 6, "red", 0.6)],
)
def test_annotators_are_told_apart_by_position(
    answers: list[str], said: str, theirs: float
) -> None:
    def matches(left_out: str) -> int:
        return sum(answer == said for answer in answers if answer != left_out)

    assert mean(min(1, matches(answer) / 3) for answer in answers) == pytest.approx(theirs)
    assert vqa_accuracy(said, answers, ENGLISH) == 1.0


def test_the_hash_of_a_row_that_is_gone_is_that_of_null() -> None:
    digest = hashlib.sha256(json.dumps(None).encode()).hexdigest()
    assert f"`{digest[:12]}...`" in PAGE
