"""Everything one language says in the miniature: CLDR's words inside the pack's sentences."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

from ikusi.language import LanguagePack
from ikusi.miniature.words.cldr import Locale, load_locale
from ikusi.miniature.words.concepts import Concept

MAX_KEYWORDS = 4
KINDS = {
    "animal": "🐾",
    "plant": "🌱",
    "food_drink": "🍴",
    "building": "🏛",
    "travel": "🧭",
    "weather": "🌤",
    "sport": "🏅",
    "activities": "🎲",
    "objects": "📦",
}
VARIANTS = 3  # wordings of a question or statement that training goes round


@dataclass(frozen=True)
class Speaker:
    """A language of the miniature; its words for concepts are CLDR's."""

    pack: LanguagePack

    @cached_property
    def words(self) -> Locale:
        """CLDR's words in this language."""
        return load_locale(self.pack.code)

    @property
    def code(self) -> str:
        """The language's code."""
        return self.pack.code

    def name(self, concept: Concept) -> str:
        """The concept's name."""
        return concept.name(self.words)

    def keywords(self, concept: Concept) -> list[str]:
        """Words that describe the concept, its own name left out where others remain."""
        keywords = self.words.keywords(concept.emoji)
        others = [word for word in keywords if word != self.name(concept)]
        return (others or keywords or [self.name(concept)])[:MAX_KEYWORDS]

    def kind(self, concept: Concept) -> str:
        """The label of the concept's category; a sign where CLDR has none in this language."""
        return self.words.labels.get(concept.kind) or KINDS[concept.kind]

    def number(self, value: int) -> str:
        """The word of a number up to ten."""
        return self.pack.numbers[value]

    def join_list(self, items: Sequence[str]) -> str:
        """Items as a plain list."""
        return ", ".join(items)


Phrase = Callable[[Speaker], str]  # what is said, whatever the language


def name_concept(concept: Concept) -> Phrase:
    """The concept's name, in whatever language it is asked for."""
    return lambda speaker: speaker.name(concept)


def list_concept_names(concepts: Sequence[Concept]) -> Phrase:
    """The concepts' names as a list, in whatever language they are asked for."""
    return lambda speaker: speaker.join_list([speaker.name(concept) for concept in concepts])


@dataclass(frozen=True)
class Exchange:
    """One question and its answer, independent of the language it is asked in.

    Args:
        about: all that one has to know to answer, such as a concept that is named.
        reveals: what is known once the question and its answer have been read.
    """

    task: str
    variant: int
    values: dict[str, Phrase]
    answer: Phrase
    golds: Callable[[Speaker], list[str]] | None = None  # None: the answer alone
    options: tuple[Phrase, ...] = ()
    right: int = -1
    about: frozenset[Hashable] = frozenset()
    reveals: frozenset[Hashable] = frozenset()

    def question(self, speaker: Speaker) -> str:
        """The question as this language asks it."""
        values = {key: phrase(speaker) for key, phrase in self.values.items()}
        return speaker.pack.ask(self.task, self.variant, **values)

    def gold(self, speaker: Speaker) -> list[str]:
        """Every answer that counts as right."""
        return self.golds(speaker) if self.golds else [self.answer(speaker)]


class Same(TypedDict):
    """`about` and `reveals` of an exchange that reveals what it is about, and nothing else."""

    about: frozenset[Hashable]
    reveals: frozenset[Hashable]


def repeat(*known: Hashable) -> Same:
    """An exchange's `about` and `reveals` where both are this."""
    return {"about": frozenset(known), "reveals": frozenset(known)}


def is_given_away(exchanges: Iterable[Exchange]) -> bool:
    """Whether one of these can be answered from those before it."""
    known: frozenset[Hashable] = frozenset()
    for exchange in exchanges:
        if exchange.about and exchange.about <= known:
            return True
        known |= exchange.reveals
    return False
