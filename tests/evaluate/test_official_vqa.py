"""The English processing and the accuracy against a second account of the official evaluation.

The account is written from what the official code does, in other words than the package's: mark
by mark over characters, annotators by hand. Only the table of contractions is the pack's own.
"""

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ikusi import language
from ikusi.evaluate.metrics import Normaliser, vqa_accuracy, vqa_accuracy_normalised

PACK = language.load("en")
EN = Normaliser(PACK)
MARKS = [*";/[]{}()=+_-><@,?!", '"', "\\", "`"]
NUMBERS = {"none": 0, "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
NUMBERS |= {"seven": 7, "eight": 8, "nine": 9, "ten": 10}
PIECES = [
    *["a", "an", "the", "The", "None", "one", "Two", "ten", "10", "1,000", "1,,0", "3.5", "5.a"],
    *[".", "..", ",", ", ", " -", "- ", "'", "!", '"', "\n", "\t", " ", "red", "dog", "t-shirt"],
    *["u.s.a.", "é", "İ", "ß", "٣", "²", "im", "Im", "dont", "Lets", "somebody'd", "twas", *MARKS],
]
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8).map("".join)
"""Strings in which the odd corners of the official code are common."""


def flat(text: str) -> str:
    return "".join(" " if letter in "\n\t" else letter for letter in text).strip()


def without_marks(text: str) -> str:
    gone = {mark for mark in MARKS if f" {mark}" in text or f"{mark} " in text}
    triples = zip(text, text[1:], text[2:], strict=False)
    if any(a.isdecimal() and b == "," and c.isdecimal() for a, b, c in triples):
        gone = set(MARKS)
    kept = "".join("" if c in gone else " " if c in MARKS else c for c in text)
    left, stops = "", 0
    for here, after in zip(kept, kept[1:] + " ", strict=False):
        if here == "." and not after.isdecimal() and stops < 32:
            stops += 1
        else:
            left += here
    return left


def processed(text: str) -> str:
    words = []
    for word in without_marks(flat(text)).lower().split():
        word = str(NUMBERS.get(word, word))
        if word not in ("a", "an", "the"):
            words.append(PACK.contractions.get(word, word))
    return " ".join(words)


def agreement(prediction: str, answers: list[str]) -> Fraction:
    scores = []
    for place in range(len(answers)):
        others = answers[:place] + answers[place + 1 :]
        scores.append(min(Fraction(1), Fraction(others.count(prediction), 3)))
    return sum(scores, Fraction()) / len(answers)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(texts, min_size=10, max_size=10))
@example(["." * 40, "1,000/2", "dog,cat, bird", "red- t-shirt", "1,,0-x", "'ow's'at", *"abcd"])
def test_english_is_processed_as_the_official_code_does(some: list[str]) -> None:
    assert [EN.official(text) for text in some] == [processed(text) for text in some]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    st.lists(texts, min_size=1, max_size=3), st.lists(st.integers(0, 2), min_size=10, max_size=10)
)
def test_accuracy_is_the_official_one(some: list[str], chosen: list[int]) -> None:
    answers = [flat(some[place % len(some)]) for place in chosen]
    prediction = flat(some[0])
    always = agreement(processed(prediction), [processed(answer) for answer in answers])
    raw = agreement(prediction, answers)
    if processed(prediction):  # an answer that processing empties is never right, unlike officially
        assert vqa_accuracy_normalised(prediction, answers, EN) == pytest.approx(float(always))
        expected = always if len(set(answers)) > 1 else raw
        assert vqa_accuracy(prediction, answers, EN) == pytest.approx(float(expected))


def test_the_table_of_contractions_is_the_official_one() -> None:
    table = PACK.contractions
    assert len(table) == 120
    for key, value in table.items():
        assert key.replace("'", "") == value.replace("'", "")
    assert [key for key in table if key != key.lower()] == ["Id've", "I'dve", "Im", "Ive"]
    assert table["somebody'd"] == "somebodyd"
    assert {key for key, value in table.items() if key == value} == {"let's", "she's"}
    assert not {"shes", "lets", "im", "ive", "id", "well", "were"} & set(table)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("None", "0"),
        ("none of the two", "0 of 2"),
        ("Im here", "im here"),
        ("hed've", "he'd've"),
        ("somebody'd", "somebodyd"),
        ("'ow'sat", "'ow's'at"),
        ("yeah", "yeah"),
        ("nope", "nope"),
    ],
)
def test_nothing_but_the_official_words_is_changed(text: str, expected: str) -> None:
    assert EN.official(text) == expected


def test_annotators_who_agree_are_compared_letter_by_letter() -> None:
    assert vqa_accuracy("Yes", ["yes"] * 10, EN) == 0
    assert vqa_accuracy("yes\n", ["yes"] * 10, EN) == 1
    assert vqa_accuracy_normalised("Yes.", ["yes"] * 10, EN) == 1
    assert vqa_accuracy("Yes.", ["yes"] * 9 + ["no"], EN) == 1
    assert vqa_accuracy("", [""] * 10, EN) == 0
