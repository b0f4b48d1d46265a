"""Which language a free answer is in: a model asked in one language may answer in another."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from ikusi.translate.identify import Identifier

LETTERS = 10
"""Answers with fewer letters are not told: they are too often taken for another language."""

SURE = 0.8
"""Probability below which an answer is not told."""


class AnswerLanguage:
    """Tells in which of a few languages answers are, and says nothing where it cannot.

    Answers of a word or two tell little, and neighbouring languages share words, so an answer is
    told only from ``LETTERS`` letters on, and if one language is at least ``SURE``. Of messages
    that people wrote or translated, 92 % of the Basque ones that long are told, 71 % of the English
    and 44 % of the Galician (Portuguese and Spanish are near); of those told, 3, 0.3 and 2 in 1,000
    are wrong (`python bench/answer_language.py`; docs/languages.md has its table).

    It needs py3langid (`pip install ikusi[translate]`) and a language that py3langid knows; without
    either no answer is told.

    Args:
        asked: code of the language that the questions are in.
        others: languages that answers may be in instead: the others that are evaluated, and the
            ``distractors`` of the asked language's pack.
    """

    def __init__(self, asked: str, others: Sequence[str]) -> None:
        self._codes = {code.partition("-")[0]: code for code in (*others, asked)}
        found = importlib.util.find_spec("py3langid")
        self._identifier = Identifier(asked, others) if found else None

    def many(self, texts: Sequence[str]) -> list[str | None]:
        """Return the language of each text, by its code as given, or None where it is not told."""
        if self._identifier is None or not self._identifier.able:
            return [None] * len(texts)
        distinct = [text for text in dict.fromkeys(texts) if letters(text) >= LETTERS]
        guesses = zip(distinct, self._identifier.many(distinct), strict=True)
        told = {text: self._codes[code] for text, (code, sure) in guesses if sure >= SURE}
        return [told.get(text) for text in texts]


def letters(text: str) -> int:
    """Return how many letters of any script ``text`` has."""
    return sum(map(str.isalpha, text))
