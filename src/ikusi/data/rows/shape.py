"""The layout of a row's texts, and the kind of its right answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Layout(Enum):
    """The layout of a row's texts, for whoever writes them one after the other."""

    TEXT = auto()
    """One text."""
    TURNS = auto()
    """What user and assistant say, in turn."""
    QUESTION = auto()
    """A question, and perhaps a list that belongs to it: answers, or choices in their order."""


class Gold(Enum):
    """The kind of right answer to a row that a model is asked about."""

    OPTION = auto()
    """One of several options."""
    ANSWERS = auto()
    """Any of some texts."""
    NOTHING = auto()
    """It is not known."""


@dataclass(frozen=True, slots=True)
class Line:
    """A text of a row for people: `label` is its column or who says it; `right` marks an answer."""

    label: str
    text: str
    right: bool = False
