"""The words of the pages, in the languages that there are files for; in English elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Literal

from pydantic import Field

from ikusi import yamlfile
from ikusi.catalogue import Files
from ikusi.errors import InputError
from ikusi.yamlfile import Section

ENGLISH = "en"
SHARED = Path(__file__).parent / "texts"
"""The words that all pages share."""


class Texts(Section):
    """A file of words: what the language calls itself, which way it runs, the words by key."""

    code: str
    autonym: str
    direction: Literal["ltr", "rtl"] = "ltr"
    parts: dict[str, str] = Field(default_factory=dict)
    texts: dict[str, str]


@dataclass(frozen=True)
class Wording:
    """The words of one person's pages. ``missing`` is a language that would have come first."""

    chosen: Texts
    missing: str

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key with its values filled in."""
        return self.chosen.texts[key].format_map(values)

    def part(self, label: str) -> str:
        """The word for a text of a row: `choice 2` is the word for `choice`, and the number."""
        match = re.fullmatch(r"(.+?)( \d+)?", label)
        name, number = (match[1], match[2] or "") if match else (label, "")
        return self.chosen.parts.get(name, name) + number


@cache
def read_texts(folder: Path) -> Mapping[str, Texts]:
    """The words of a room's pages, and those that all pages share, by language.

    Raises:
        InputError: a file lacks a text that English has, has one more, or has other placeholders;
            or there are no shared words in one of the room's languages.
    """
    shared, own = _read_files(SHARED), _read_files(folder)
    if missing := sorted(own.keys() - shared.keys()):
        raise InputError(f"{SHARED}: expected a file of each language, found none of {missing[0]}")
    return {
        code: words.model_copy(update={"texts": {**shared[code].texts, **words.texts}})
        for code, words in own.items()
    }


def _read_files(folder: Path) -> dict[str, Texts]:
    files = Files("language", [folder])
    documents = {name: yamlfile.read(files.find(name)) for name in files.names()}
    known = yamlfile.list_field_names(Texts)
    every = {name: yamlfile.validate(Texts, one, known) for name, one in documents.items()}
    for name, texts in every.items():
        _expect_alike(documents[name], texts, every[ENGLISH])
    return every


def _expect_alike(document: yamlfile.Document, texts: Texts, english: Texts) -> None:
    for group, ours, theirs in (
        ("parts", texts.parts, english.parts),
        ("texts", texts.texts, english.texts),
    ):
        for key in sorted(ours.keys() | theirs.keys()):
            given, expected = _placeholders(ours.get(key)), _placeholders(theirs.get(key))
            if given != expected:
                raise document.error(
                    (group, key), _describe_placeholders(expected), _describe_placeholders(given)
                )


def _placeholders(text: str | None) -> set[str] | None:
    if text is None:
        return None
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _describe_placeholders(placeholders: set[str] | None) -> str:
    if placeholders is None:
        return "no such text"
    return f"a text with {', '.join(sorted(placeholders)) or 'nothing'} to fill in"


def choose(texts: Mapping[str, Texts], wanted: Iterable[str]) -> Wording:
    """The words in the first language that there is a file for; in English where there is none."""
    asked = [code for code in wanted if code]
    code = next((code for code in asked if code in texts), ENGLISH)
    missing = asked[0] if asked and asked[0] != code else ""
    return Wording(texts[code], missing)


def list_accepted(header: str) -> list[str]:
    """Languages of a browser's `Accept-Language`, the most wanted first.

    >>> list_accepted("es;q=0.5, eu-ES, gl;q=0.7")
    ['eu', 'gl', 'es']
    """
    ranked = []
    for place, part in enumerate(header[:200].split(",")):
        code, _, weight = part.partition(";q=")
        try:
            rank = -float(weight or 1)
        except ValueError:
            rank = 0.0
        ranked.append((rank, place, code.strip().split("-")[0].lower()))
    return [code for _, _, code in sorted(ranked) if code.isalpha()]
