"""Texts told by their thousands as py3langid tells each; its own `rank` is the judge."""

from copy import copy
from functools import cache
from typing import Any

import pytest
from py3langid import langid

from ikusi.language import automaton
from ikusi.language.automaton import RARE, Automaton
from language.catalogues import PAIRS

LIKELY = ["eu", "en", "es", "fr"]
ODD = ["12", " ", "a", "", "HELLO THERE", "n\u0303o", "日本語", "Ово је мачка", "🙂" * 40]
LONG = ["x" * 5000, "Gizon bat mendian dabil. " * 200]
REAL = [text for pair in PAIRS[:200] for text in pair]


@cache
def opened() -> Any:
    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)


def library(labels: list[str]) -> Any:
    """py3langid's identifier for these languages."""
    found = copy(opened())
    found.set_languages(labels)
    return found


def ranked(judge: Any, text: str) -> dict[str, float]:
    """The library's chances of each language for a text, those weighed less that are not likely."""
    chances = {one: chance * (1 if one in LIKELY else RARE) for one, chance in judge.rank(text)}
    total = sum(chances.values())
    return {one: chance / total for one, chance in chances.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([], "eu"),  # all that it knows
        (["eu", "en", "sr", "uz"], "sr"),  # which two the library has twice, by script
        (["ja", "ru", "ar"], "none of them"),
    ],
)
def test_texts_are_told_as_the_library_tells_each(labels: list[str], expected: str) -> None:
    labels = labels or list(automaton.list_labels())
    texts = REAL[:: 1 if expected == "eu" else 10] + ODD + LONG
    told, judge = Automaton(labels, LIKELY, expected), library(labels)
    for text, many in zip(texts, told.many(texts), strict=True):
        chances = ranked(judge, text)
        (one,) = told.many([text])
        for label, sure, other in (one, many):
            assert chances[label] >= max(chances.values()) - 1e-4
            assert sure == pytest.approx(chances[label], abs=1e-4)
            assert other == pytest.approx(1 - chances.get(expected, 0), abs=1e-4)
        assert one[0] == many[0]


def test_features_are_unpacked_when_a_text_first_has_them() -> None:
    told = Automaton(["eu", "en"], LIKELY, "eu")
    first = told.many(REAL[:50])
    unpacked = int(told._made.sum())
    assert 0 < unpacked < len(told._made) / 10
    assert told.many(REAL[:50]) == first and told._made.sum() == unpacked
