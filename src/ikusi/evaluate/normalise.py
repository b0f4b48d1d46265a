"""Normalisation of texts, by the rules of their language, before answers are compared.

What is true of one language only (number words, articles, contractions, endings) comes from its
language pack, so the official English processing is one case among many.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

from ikusi import writing
from ikusi.language import LanguagePack

SHORTEST_BASE = 2
"""Letters that must be left of a word when an ending is taken off."""

REMEMBERED = 2**13
"""Texts and words whose reading is kept: gold answers recur, and so do the words of answers."""

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_MARK = re.compile(rf"[.{re.escape(_PUNCTUATION)}]")
_DIGIT_COMMA_DIGIT = re.compile(r"\d,\d")
_PERIOD_BEFORE_NO_DIGIT = re.compile(r"\.(?!\d)")
_OFFICIAL_PERIOD_LIMIT = 32  # the official code passes re.UNICODE, which is 32, as the count


@dataclass(frozen=True, slots=True)
class Reading:
    """One text as every metric needs it.

    ``official`` is the text after the official VQA processing, ``words`` its words joined by
    single spaces. ``stems`` has, for each word, all it may be an inflected form of; it is None
    where the pack says nothing about inflection.
    """

    official: str
    words: str
    stems: tuple[frozenset[str], ...] | None


class Normaliser:
    """The text processing of one language, built from its pack.

    ``official`` follows the official VQA evaluation step by step, odd corners included, after
    letters were made plain where the pack does not ask for ``official_letters``; ``tokens`` is the
    plain word sequence that inclusion looks into. Only the latter reads the pack's ``yes_words``
    and ``no_words``.
    """

    def __init__(self, pack: LanguagePack) -> None:
        self._capitals, self._as_official = pack.capitals, pack.official_letters
        numbers = {word: str(value) for value, word in enumerate(pack.numbers)}
        numbers |= {word: str(value) for word, value in pack.number_words.items()}
        answers = dict.fromkeys(pack.yes_words, pack.yes)
        answers |= dict.fromkeys(pack.no_words, pack.no)
        self._numbers = _replacer({self._lower(word): digit for word, digit in numbers.items()})
        self._numbers_and_answers = _replacer(
            {self._words(word): self._words(read) for word, read in (answers | numbers).items()}
        )
        self._articles = frozenset(map(self._lower, pack.articles))
        self._contractions = dict(pack.contractions)
        self._endings = tuple(pack.endings)
        self._stem = snowballstemmer.stemmer(pack.stemmer).stemWord if pack.stemmer else None
        self._stems = lru_cache(REMEMBERED)(self._stems_of)
        self.read = lru_cache(REMEMBERED)(self._read)
        """A text in every form that metrics compare; the latest texts are remembered."""

    def official(self, text: str) -> str:
        """Return ``text`` as the official VQA code compares it: punctuation, numbers, articles."""
        plain = to_one_line(text if self._as_official else writing.to_plain(text))
        if _MARK.search(plain):
            plain = _strip_punctuation(plain)
        return " ".join(self._keep_words(self._numbers(self._small(plain).split())))

    def tokens(self, text: str) -> tuple[str, ...]:
        """Return the words of ``text``: lower case, without articles, number words as digits.

        Unlike the official processing it never glues two words together. In a script that writes
        no spaces between words, each letter with its marks is a word (`writing.split_words`).
        """
        return tuple(self._keep_words(self._numbers_and_answers(self._words(text).split())))

    def stems(self, word: str) -> frozenset[str] | None:
        """Return all that ``word`` may be a form of, or None where the pack does not say.

        These are its Snowball stem, if the pack names a stemmer, and what is left of it without
        each of the pack's endings that it has. Two words are forms of one where these meet.
        """
        return self._stems(word) if self._endings or self._stem else None

    def _read(self, text: str) -> Reading:
        words = self.tokens(text)
        inflects = self._endings or self._stem
        stems = tuple(map(self._stems, words)) if inflects else None
        return Reading(self.official(text), " ".join(words), stems)

    def _small(self, text: str) -> str:
        return writing.to_small(text, {} if self._as_official else self._capitals)

    def _lower(self, word: str) -> str:
        """A word of the pack as the official processing meets it."""
        return self._small(word if self._as_official else writing.to_plain(word))

    def _words(self, text: str) -> str:
        """The words of a text, joined by single spaces."""
        return " ".join(
            writing.split_words(writing.to_small(writing.to_plain(text), self._capitals))
        )

    def _keep_words(self, words: Sequence[str]) -> list[str]:
        kept = [word for word in words if word not in self._articles]
        return [self._contractions.get(word, word) for word in kept]

    def _stems_of(self, word: str) -> frozenset[str]:
        stems = {self._stem(word)} if self._stem else {word}
        for ending in self._endings:
            if word.endswith(ending) and len(word) >= len(ending) + SHORTEST_BASE:
                stems.add(word[: -len(ending)])
        return frozenset(stems)


def to_one_line(text: str) -> str:
    """Return ``text`` without line breaks and tabs, as the official code begins."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def _replacer(table: Mapping[str, str]) -> Callable[[Sequence[str]], Sequence[str]]:
    """A function that replaces the table's phrases, then its words, in a sequence of words."""
    phrases = sorted((key for key in table if " " in key), key=len, reverse=True)
    pattern = re.compile(rf"(?<!\S)(?:{'|'.join(map(re.escape, phrases))})(?!\S)")

    def replace(words: Sequence[str]) -> Sequence[str]:
        if phrases and len(words) > 1:
            words = pattern.sub(lambda match: table[match[0]], " ".join(words)).split()
        return " ".join([table.get(word, word) for word in words]).split()

    return replace


def _strip_punctuation(text: str) -> str:
    """Delete or blank punctuation as the official code does.

    A mark that touches a space anywhere in the text is deleted everywhere, and so is every mark
    once the text has a comma between digits; otherwise the mark becomes a space. This joins the
    first two words of "dog,cat, bird", as it does officially.
    """
    digits = _DIGIT_COMMA_DIGIT.search(text) is not None
    stripped = text
    for mark in _PUNCTUATION:
        if mark in text:
            deleted = digits or mark + " " in text or " " + mark in text
            stripped = stripped.replace(mark, "" if deleted else " ")
    return _PERIOD_BEFORE_NO_DIGIT.sub("", stripped, count=_OFFICIAL_PERIOD_LIMIT)
