"""Metrics against hand-computed cases, the corners of the official VQA code among them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikusi import language
from ikusi.evaluate.metrics import (
    AGGREGATES,
    REGISTRY,
    UNITS,
    Normaliser,
    contains,
    coverage,
    inclusion,
    name_inclusion,
    score_text,
    vqa_accuracy,
    vqa_accuracy_normalised,
)
from ikusi.language import LanguagePack

ENGLISH = LanguagePack.model_construct(
    numbers=["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
    articles=["a", "an", "the"],
    contractions={"dont": "don't", "isnt": "isn't"},
    yes="yes",
    no="no",
)
WELSH = LanguagePack.model_construct(
    numbers=["dim", "un", "dau", "tri", "pedwar", "pump", "chwech", "saith", "wyth", "naw", "deg"],
    articles=["y", "yr"],
    contractions={},
    yes="ie",
    no="na",
)
EN, CY = Normaliser(ENGLISH), Normaliser(WELSH)
PACKAGED = {code: Normaliser(language.load(code)) for code in ("en", "eu", "gl")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  The Dog\n", "dog"),
        ("an apple\tpie", "apple pie"),
        ("Three", "3"),
        ("dont", "don't"),
        ("t-shirt", "t shirt"),
        ("red/blue", "red blue"),
        ("what? no", "what no"),
        # A mark that touches a space anywhere goes without a trace everywhere.
        ("red- t-shirt", "red tshirt"),
        ("dog,cat, bird", "dogcat bird"),
        # A comma between digits deletes every mark of the text.
        ("1,000 t-shirts", "1000 tshirts"),
        ("1,000/2", "10002"),
        ("3.5", "3.5"),
        ("3.", "3"),
        ("u.s.a.", "usa"),
        ("5.a", "5a"),
        ("it's", "it's"),
        # Processed once: an article is dropped only as a word.
        ("a", ""),
        ("anthem", "anthem"),
        # The official code passes a flag as a count, so it deletes 32 full stops and no more.
        ("." * 40, "." * 8),
    ],
)
def test_official_processing_of_english(text: str, expected: str) -> None:
    assert EN.official(text) == expected


@pytest.mark.parametrize(
    ("matches", "expected"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (9, 1), (10, 1)]
)
def test_ten_annotators_are_left_out_one_by_one(matches: int, expected: float) -> None:
    answers = ["red"] * matches + ["blue"] * (10 - matches)
    assert vqa_accuracy("red", answers, EN) == pytest.approx(expected)


def test_text_is_processed_only_where_annotators_disagree() -> None:
    assert vqa_accuracy("the dog", ["dog"] * 9 + ["cat"], EN) == 1
    assert vqa_accuracy("the dog", ["dog"] * 10, EN) == 0
    assert vqa_accuracy("DOG ", ["dog"] * 10, EN) == 0
    assert vqa_accuracy("dog ", ["dog"] * 10, EN) == 1
    assert vqa_accuracy_normalised("The DOG ", ["dog"] * 10, EN) == 1


def test_number_words_match_digits() -> None:
    assert vqa_accuracy("two", ["2"] * 8 + ["3"] * 2, EN) == 1
    assert vqa_accuracy("dau", ["2"] * 8 + ["3"] * 2, CY) == 1
    assert vqa_accuracy("two", ["2"] * 8 + ["3"] * 2, CY) == 0


def test_a_short_list_is_a_set_of_acceptable_answers() -> None:
    assert vqa_accuracy("The dog.", ["dog"], EN) == 1
    assert vqa_accuracy("puppy", ["dog", "dog face", "puppy"], EN) == 1
    assert vqa_accuracy("cat", ["dog", "puppy"], EN) == 0
    assert vqa_accuracy("cat", [], EN) == 0


def test_an_answer_that_processing_empties_is_never_right() -> None:
    assert vqa_accuracy("the", ["a"], EN) == 0
    for unit in UNITS:
        assert inclusion("a plane", ["A", "", " ? "], EN, unit) == 0
    assert set(score_text("a plane", ["A", "", " ? "], EN).values()) == {0}
    assert set(score_text("", [""] * 10, EN).values()) == {0}
    assert set(score_text("a plane", [], EN).values()) == {0}
    assert coverage("a plane", ["A"], EN) == 0
    assert coverage("a plane", [], EN) == 0


@pytest.mark.parametrize(
    ("prediction", "answer", "span", "prefix", "substring"),
    [
        ("There is a dog here.", "dog", 1, 1, 1),
        ("It faces north", "no", 0, 0, 1),
        ("10 of them", "1", 0, 0, 1),
        ("one of them", "1", 1, 1, 1),
        ("the hot dog stand", "hot dog", 1, 1, 1),
        ("hot, then a dog", "hot dog", 0, 0, 0),
        ("a hot the dog", "hot dog", 1, 1, 1),
        ("many houses", "house", 0, 1, 1),
        ("doghouse", "house", 0, 0, 1),
        ("t-shirt", "t shirt", 1, 1, 1),
        ("Dog,cat, bird", "cat", 1, 1, 1),
        ("It\u2019s o\u2019clock", "o'clock", 1, 1, 1),
        ("", "dog", 0, 0, 0),
    ],
)
def test_inclusion_by_unit(
    prediction: str, answer: str, span: int, prefix: int, substring: int
) -> None:
    assert inclusion(prediction, [answer], EN, "token_span") == span
    assert inclusion(prediction, [answer], EN, "token_prefix") == prefix
    assert inclusion(prediction, [answer], EN, "substring") == substring


def test_composed_and_decomposed_letters_are_one() -> None:
    assert inclusion("i\u0302", ["\u00ee"], CY) == 1


def test_soft_inclusion_counts_annotators() -> None:
    answers = ["dog"] * 2 + ["puppy"] * 8
    assert inclusion("it is a dog", answers, EN, aggregate="soft") == pytest.approx(0.6)
    assert inclusion("it is a dog", answers, EN, aggregate="any") == 1


def test_coverage_is_the_share_of_distinct_names() -> None:
    names = ["dog", "red car", "Dog"]
    assert coverage("A dog beside a tree", names, EN) == pytest.approx(1 / 2)
    assert coverage("A dog beside the red car", names, EN) == 1


@given(st.text(max_size=30), st.text(max_size=30))
def test_whole_words_imply_prefixes_and_substrings(prediction: str, answer: str) -> None:
    if contains(prediction, answer, EN, "token_span"):
        assert contains(prediction, answer, EN, "token_prefix")
        assert contains(prediction, answer, EN, "substring")


@given(st.lists(st.text(max_size=8), min_size=1, max_size=12), st.integers(0, 11))
def test_scores_are_shares_and_saying_a_gold_answer_includes_it(
    answers: list[str], place: int
) -> None:
    said = answers[place % len(answers)]
    assert 0 <= vqa_accuracy(said, answers, EN) <= 1
    assert inclusion(said, answers, EN) == float(bool(EN.tokens(said))) or any(
        contains(said, answer, EN, "token_span") for answer in answers
    )


@given(st.text(max_size=30), st.lists(st.text(max_size=6), max_size=12))
def test_all_metrics_at_once_are_each_metric_by_itself(said: str, gold: list[str]) -> None:
    found = score_text(said, gold, PACKAGED["eu"])
    single = {
        "vqa_accuracy": vqa_accuracy(said, gold, PACKAGED["eu"]),
        "vqa_accuracy_normalised": vqa_accuracy_normalised(said, gold, PACKAGED["eu"]),
        "coverage": coverage(said, gold, PACKAGED["eu"]),
    }
    for unit in UNITS:
        for aggregate in AGGREGATES:
            name = name_inclusion(unit, aggregate)
            single[name] = inclusion(said, gold, PACKAGED["eu"], unit, aggregate)
    assert found == single
    assert list(found) == list(REGISTRY.every)


@pytest.mark.parametrize(
    ("code", "said", "gold"),
    [
        ("en", "There are none.", "0"),
        ("en", "yeah, it is", "yes"),
        ("en", "Nope", "no"),
        ("eu", "Biak dira", "2"),
        ("eu", "Bat ere ez", "zero"),
        ("eu", "Ez dago batere ez", "0"),
        ("eu", "Baietz uste dut", "bai"),
        ("eu", "Ezetz dio", "Ez"),
        ("gl", "Hai dúas mesas", "2"),
        ("gl", "unha", "un"),
        ("gl", "Ningunha", "cero"),
    ],
)
def test_words_for_numbers_yes_and_no_are_read_in_every_form(
    code: str, said: str, gold: str
) -> None:
    assert inclusion(said, [gold], PACKAGED[code]) == 1


def test_a_phrase_for_a_number_is_not_read_word_by_word() -> None:
    assert PACKAGED["eu"].tokens("Bat ere ez dago") == ("0", "dago")
    assert PACKAGED["eu"].tokens("bat ere") == ("1", "ere")
    assert PACKAGED["eu"].official("Bat ere ez.") == "0"


def test_words_for_yes_and_no_leave_the_accuracy_as_it_is() -> None:
    assert vqa_accuracy("yeah", ["yes"] * 9 + ["no"], PACKAGED["en"]) == 0
    assert vqa_accuracy_normalised("yeah", ["yes"] * 10, PACKAGED["en"]) == 0
    assert vqa_accuracy("none", ["0"] * 9 + ["no"], PACKAGED["en"]) == 1
