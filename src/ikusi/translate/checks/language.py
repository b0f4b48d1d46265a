"""Whether a translation is in the language that it should be in."""

from collections.abc import Sequence

from pydantic import Field

from ikusi import writing
from ikusi.language import LanguagePack
from ikusi.language.identify import Guess, Identifier
from ikusi.recipe.values import Text
from ikusi.translate.checks.base import Action, Check, Given, Look
from ikusi.translate.checks.preserved import TOKEN_SIGNS, TOKENS
from ikusi.translate.contract import Row
from ikusi.yamlfile import Section


class Keys(Section):
    """Its settings."""

    language: Action = Field(default="refuse", description="Another language than the target's.")
    language_words: int = Field(
        default=4,
        ge=1,
        description="Fewest words to identify a language by (two letters of a script without "
        "spaces count as one); with fewer, the row passes.",
    )
    language_probability: float = Field(
        default=0.5, gt=0, le=1, description="Least probability of other languages to count."
    )
    distractors: list[Text] = Field(
        default=["es", "fr"],
        description="Languages that a translation is likely to slip into, besides the source and "
        "the `distractors` of the target's pack; others need to be more probable.",
    )


def look(given: Given) -> Look:
    """Identify the language of a row's texts together."""
    identifier = open_identifier(given.settings, given.source, given.target)

    def language(row: Row, texts: Sequence[str]) -> str | None:
        text = join_prose(texts, given.settings.language_words)
        if text is None:
            return None
        return describe_foreign(identifier.expected, identifier(text), given.settings)

    return language


def open_identifier(settings: Keys, source: LanguagePack, target: LanguagePack) -> Identifier:
    """The identifier of the target language among those that a translation may be in instead."""
    likely = [source.code, *target.distractors, *settings.distractors]
    return Identifier(target.code, likely, target.identifier)


def join_prose(texts: Sequence[str], least: int) -> str | None:
    """A row's prose, by which its language is identified; None if that is less than so many
    words."""
    text = " ".join(texts)
    if TOKEN_SIGNS.search(text):
        text = TOKENS.sub(" ", text)
    return text if writing.count_words(text) >= least else None


def describe_foreign(expected: str, guess: Guess, settings: Keys) -> str | None:
    """Describe a row that is likely in another language than expected; None for any other row."""
    if guess.code == expected or guess.other < settings.language_probability:
        return None
    return f"expected {expected}, found {guess.code} ({guess.other:.2f})"


CHECKS = [Check("language", 60, Keys, look)]
