"""Whether yes and no are the words of the target language's pack."""

from collections.abc import Sequence

from pydantic import Field

from ikusi.data.rows.base import RowType
from ikusi.data.rows.shape import Layout
from ikusi.language import LanguagePack
from ikusi.translate.checks.base import Action, Check, Given, Look, shorten, to_plain
from ikusi.translate.contract import Row
from ikusi.yamlfile import Section


class Keys(Section):
    """Its settings."""

    yes_no: Action = Field(default="refuse", description="Yes and no, other than the pack's words.")


def look(given: Given) -> Look:
    """Compare texts that are yes or no with the words of the packs."""
    words = _closed_words(given.source, given.target)

    def check(row: Row, texts: Sequence[str]) -> str | None:
        for source, text in zip(row.texts, texts, strict=True):
            expected = words.get(to_plain(source)) if len(source) < 6 else None
            if expected and to_plain(text) != to_plain(expected):
                return f"expected {expected}, found {shorten(text)}"
        return None

    return check


def translate_closed(
    row_type: RowType, texts: Sequence[str], source: LanguagePack, target: LanguagePack
) -> list[str] | None:
    """Translations of all of a row's texts but its question where these are yes or no; else None.

    Their letter case follows the source's.
    """
    answers = texts[1:] if row_type.layout is Layout.QUESTION else ()
    if not answers or len(answers[0]) > 5:  # saves looking: no such word is longer
        return None
    words = _closed_words(source, target)
    translated = [words.get(answer.lower()) for answer in answers]
    if None in translated:
        return None
    pairs = zip(answers, translated, strict=True)
    return [word.lower() if answer.islower() else word for answer, word in pairs if word]


def _closed_words(source: LanguagePack, target: LanguagePack) -> dict[str, str]:
    return {source.yes.lower(): target.yes, source.no.lower(): target.no}


CHECKS = [Check("yes_no", 30, Keys, look)]
