import importlib.util

import pytest

from ikusi import language
from ikusi.language.answers import AnswerLanguage

if importlib.util.find_spec("py3langid") is None:
    pytest.skip("py3langid is not installed", allow_module_level=True)

OTHERS = ["en", *language.load("eu").distractors]


def test_answers_are_told_by_the_code_they_were_asked_in() -> None:
    basque = "Txakur zuri bat dago etxearen atarian."
    english = "There is a white dog at the door of the house."
    assert AnswerLanguage("eu", OTHERS).many([basque, english]) == ["eu", "en"]
    assert AnswerLanguage("en-GB", ["eu"]).many([basque, english]) == ["eu", "en-GB"]


@pytest.mark.parametrize(
    "short", ["", "Bai", "10", "dog", "1234567890 12:30", "🐕🐕🐕🐕🐕🐕🐕🐕🐕🐕🐕"]
)
def test_short_answers_are_not_told(short: str) -> None:
    assert AnswerLanguage("eu", OTHERS).many([short]) == [None]


def test_names_that_several_languages_share_are_not_told() -> None:
    assert AnswerLanguage("gl", ["es", "pt", "en"]).many(["Calendario internacional"]) == [None]


def test_a_language_that_the_library_does_not_know_is_not_told() -> None:
    assert AnswerLanguage("tlh", OTHERS).many(["There is a white dog at the door."]) == [None]


def test_an_answer_in_a_language_that_nobody_thought_of_is_told() -> None:
    german, chinese = "Da steht ein weißer Hund vor der Tür.", "门口有一只白色的狗。"
    assert AnswerLanguage("eu", OTHERS).many([german, chinese]) in (["de", "zh"], ["de", "und"])
    assert AnswerLanguage("zh", ["en"]).many(["白色的狗", "a white dog at the door"]) == [
        "zh",
        "en",
    ]


def test_an_answer_in_another_script_is_told_if_not_by_name() -> None:
    russian = "Перед домом стоит белая собака."
    assert AnswerLanguage("bo", ["en"]).many([russian, "བོད་སྐད་ཡིག་རེད་"]) == ["und", None]


def test_without_the_library_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert AnswerLanguage("eu", OTHERS).many(["Txakur zuri bat dago etxean."]) == [None]


def test_packaged_sentences_are_told_for_what_they_are() -> None:
    for code in ("eu", "en"):
        pack = language.load(code)
        teller = AnswerLanguage(code, ["eu", "en", *pack.distractors])
        sentences = [text for wordings in pack.prompts.values() for text in wordings]
        told = [said for said in teller.many(sentences) if said]
        assert len(told) > 0.8 * len(sentences)
        assert set(told) == {code}


def test_many_answers_keep_their_order() -> None:
    texts = ["Ez dakit zer den hau", "I do not know what this is", "Bai"] * 50
    assert AnswerLanguage("eu", OTHERS).many(texts) == ["eu", "en", None] * 50
