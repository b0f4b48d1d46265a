"""The base of checks of translated rows, and what a check is made for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ikusi.data.rows.base import RowType
from ikusi.language import LanguagePack
from ikusi.translate.contract import Row
from ikusi.yamlfile import Section

Action = Literal["refuse", "flag", "off"]
Look = Callable[[Row, Sequence[str]], "str | None"]
"""Says what is wrong with the translated texts of a row: `expected X, found Y`; or nothing."""


class Mild(str):
    """A fault worth a look but no reason to refuse a row, whatever the settings say."""

    __slots__ = ()


@dataclass(frozen=True)
class Given:
    """The settings, rows and languages that a check is made for.

    Attributes:
        settings: those of all checks, by their keys.
        row_type: type of the rows.
        source: the pack of the language they are translated from.
        target: the pack of the language they are translated into.
    """

    settings: Any
    row_type: RowType
    source: LanguagePack
    target: LanguagePack


@dataclass(frozen=True)
class Check:
    """A check of every translated row.

    Attributes:
        name: its key in `checks`, whose value is an `Action`.
        place: checks are made in the order of this number; a row has the first reason found.
        keys: that key and the further ones of its settings.
        make: makes what looks at a row; called once for a job.
    """

    name: str
    place: int
    keys: type[Section]
    make: Callable[[Given], Look]


def shorten(text: str) -> str:
    """A text as an error shows it: its beginning, on one line."""
    return " ".join(text.split())[:60]


def to_plain(text: str) -> str:
    """A text without what does not distinguish answers: letter case and outer punctuation."""
    return text.strip(" .!?;,:\n\t").casefold()
