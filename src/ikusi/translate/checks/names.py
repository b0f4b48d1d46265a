"""Whether names left a trace."""

import re
import unicodedata
from collections.abc import Sequence

from pydantic import Field

from ikusi.translate.checks.base import Action, Check, Given, Look, shorten
from ikusi.translate.contract import Row
from ikusi.yamlfile import Section

WORD = re.compile(r"[^\W\d_]{3,}")
NAME = re.compile(r"(?<=[\w,;] )[A-Z][^\W\d_A-Z]{2,}")  # a capital within a sentence


class Keys(Section):
    """Its settings."""

    names: Action = Field(
        default="off",
        description="Names that left no trace: no word begins with their first three letters. Also "
        "finds months and languages, which English writes like names.",
    )


def look(given: Given) -> Look:
    """Look for words that begin like the source's names."""
    return _names


def _names(row: Row, texts: Sequence[str]) -> str | None:
    roots = {_root(word) for text in texts for word in WORD.findall(text)}
    lost = [name for text in row.texts for name in NAME.findall(text) if _root(name) not in roots]
    return f"expected {', '.join(map(shorten, lost[:5]))}, found no trace" if lost else None


def _root(word: str) -> str:
    """The first three letters, without case and accents: names take endings."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))[:3]


CHECKS = [Check("names", 100, Keys, look)]
