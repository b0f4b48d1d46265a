"""Types that a translation job and its translators exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ikusi.data.rows.base import RowType

CUT = "cut"
"""The flag of a row that was too long for its engine."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as a translator sees it.

    Args:
        place: its position in the corpus.
        id: its name, for messages.
        row_type: its type.
        texts: what is to be translated, in the order of `RowType.texts`: the one caption or
            question; a question, then its answers or choices; the contents of the turns. Yes and
            no are not among them where they are all the answers: the language packs know them.
    """

    place: int
    id: str
    row_type: RowType
    texts: list[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of the checks of a translated row.

    Args:
        refused: why the row must not be used: `check: expected X, found Y`; None if it may be.
        flags: names of the checks that found something worth a look.
    """

    refused: str | None = None
    flags: tuple[str, ...] = ()


Check = Callable[[Row, Sequence[str]], Verdict]
"""Judges the translated texts of a row; they are as many as the row's own."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try that was refused: what the engine answered, as it came, and why it was refused."""

    raw: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a row's translation.

    Args:
        place: the row's position in the corpus.
        texts: the translations, one for each of the row's texts; None where no try was good.
        score: mean log-probability of a token, in nats, where the engine reports it.
        flags: of the verdict, and the engine's own: `cut` where a text was too long for it.
        attempts: the refused tries, oldest first.
        tokens_read: tokens that the engine was sent, all tries together.
        tokens_written: tokens that it wrote.
        thought: what the model thought aloud before a good answer, which is no part of it.
        unreached: the engine gave no answer at all (it is down, it is too slow). That says nothing
            about the row: the next run of the job tries it again.
    """

    place: int
    texts: list[str] | None
    score: float | None = None
    flags: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    tokens_read: int = 0
    tokens_written: int = 0
    unreached: bool = False
    thought: str = ""


class Translator(Protocol):
    """Translates rows; a job makes one and feeds it all its rows."""

    name: str
    """Stored beside every row: the engine and its model, such as `ctranslate2 mt-hitz-en-eu`."""

    costly: bool
    """Whether each finished row is journalled, so that a killed job never pays for it again."""

    def settings(self) -> dict[str, Any]:
        """All that its translations depend on (model, revision, prompt, sampling), as JSON."""

    def list_learnt(self) -> dict[str, Any]:
        """Facts learnt about the engine while it worked, as JSON, for the record."""

    def tokens(self, row: Row) -> tuple[int, int]:
        """Estimated tokens read and written for a row, for a dry run."""

    def translate(self, rows: Iterable[Row], check: Check) -> Iterator[Outcome]:
        """Translate a stream of rows, in any order, reading no further ahead than it must.

        Every row comes back exactly once. What the check refuses is tried again or comes back
        without texts.

        Raises:
            InputError: the engine cannot work at all (no such model, no such server).
        """

    def close(self) -> None:
        """Free what the engine holds."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A translated sentence; `cut` where the source or the translation was too long."""

    text: str
    score: float | None = None
    cut: bool = False


class SentenceEngine(Protocol):
    """Translates sentences, each by itself: what a `SentenceTranslator` is made with."""

    name: str
    batch: int
    """Sentences it works on best at once; it sorts them by length itself."""

    def settings(self) -> dict[str, Any]:
        """All that its translations depend on, as JSON."""

    def translate(self, sentences: Sequence[str]) -> list[Sentence]:
        """Translate sentences, in order; none of them is empty or holds a line break."""

    def close(self) -> None:
        """Free what the engine holds."""
