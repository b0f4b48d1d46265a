"""Answers without the names by which models identify themselves: a judge may know its own
family."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from pydantic import Field

from ikusi import yamlfile
from ikusi.yamlfile import Section

WORDS = Path(__file__).parent / "identities.yaml"
_SENTENCES = re.compile(r"([^.!?\n]*[.!?\n]*)")


class Identities(Section):
    """Names of models and their makers, as data."""

    mask: str = Field(description="What stands in their place.")
    names: list[str] = Field(description="Names that nothing else has.")
    names_of_other_things: list[str] = Field(description="Names that other things have, too.")
    itself: list[str] = Field(description="Words in which a model speaks of itself.")


@cache
def load_identities() -> Identities:
    """The list that comes with Ikusi."""
    document = yamlfile.read(WORDS)
    return yamlfile.validate(Identities, document, yamlfile.list_field_names(Identities))


def hide_names(text: str) -> tuple[str, int]:
    """A text with such names blanked out, and how many were.

    >>> hide_names("I am ChatGPT-4, made by OpenAI. The llama looks at you.")
    ('I am [...], made by [...]. The llama looks at you.', 2)
    """
    names, others, itself = _patterns()
    mask = load_identities().mask
    masked, count = names.subn(mask, text)
    parts = []
    for sentence in _SENTENCES.findall(masked):
        if itself.search(sentence):
            sentence, more = others.subn(mask, sentence)
            count += more
        parts.append(sentence)
    return "".join(parts), count


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    known = load_identities()
    return (
        _names(known.names),
        _names(known.names_of_other_things),
        _either(known.itself, r"(?!\w)"),
    )


def _names(names: list[str]) -> re.Pattern[str]:
    """A name, with what a language puts to its end, and a version such as ` 3.5` or `-4o`."""
    return _either(names, r"(?:[-. ]?\d+)*\w*(?:-\w+)?")


def _either(words: list[str], after: str) -> re.Pattern[str]:
    some = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{some}){after}", re.IGNORECASE)
