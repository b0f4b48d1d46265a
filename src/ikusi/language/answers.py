"""The language of a free answer: a model asked in one language may answer in another."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from ikusi import writing
from ikusi.language.identify import UNKNOWN, Guess, Identifier

LETTERS = 10
"""Answers with fewer letters are not identified: they are too often taken for another language."""

UNSPACED = 3
"""Letters that an ideograph counts as."""

SURE = 0.8
"""Probability below which the language of an answer is not identified."""


class AnswerLanguage:
    """Identifies the language of answers, where it can.

    A word or two say little, and neighbouring languages share words, so a language is identified
    only in answers of ``LETTERS`` letters or more, and only if its probability is ``SURE`` or more;
    an ideograph, which is a word or half of one, counts as ``UNSPACED`` letters. An answer in
    another script than the asked language's, in an unknown language, is `und`. How often this is
    right on real text is in docs/languages.md (`python bench/answer_language.py`).

    It needs py3langid (`pip install ikusi[translate]`); without it no language is identified. Where
    py3langid does not know the asked language, only answers in another script are, unless its pack
    has an ``identifier``.

    Args:
        asked: code of the language that the questions are in.
        others: languages that answers are likely to be in instead: the others that are evaluated,
            and the ``distractors`` of the asked language's pack.
        given: the ``identifier`` of that pack.
    """

    def __init__(self, asked: str, others: Sequence[str], given: str | None = None) -> None:
        self._codes = {code.partition("-")[0]: code for code in (*others, asked)}
        spec = importlib.util.find_spec("py3langid")
        self._identifier = Identifier(asked, others, given) if spec else None

    def many(self, texts: Sequence[str]) -> list[str | None]:
        """Return the language of each text, by its code as given, or None where it is not
        identified."""
        if self._identifier is None or not self._identifier.able:
            return [None] * len(texts)
        distinct = [text for text in dict.fromkeys(texts) if count_letters(text) >= LETTERS]
        languages = {
            text: self._code(guess)
            for text, guess in zip(distinct, self._identifier.many(distinct), strict=True)
        }
        return [languages.get(text) for text in texts]

    def _code(self, guess: Guess) -> str | None:
        if guess.sure >= SURE and guess.known:
            return self._codes.get(guess.code, guess.code)
        return UNKNOWN if guess.other == 1 else None


def count_letters(text: str) -> int:
    """Return how many letters of any script ``text`` has, ideographs counted as ``UNSPACED``."""
    return sum(map(str.isalpha, text)) + (UNSPACED - 1) * writing.count_ideographs(text)
