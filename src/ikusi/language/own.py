"""Languages that py3langid does not know, identified by a word list or a fastText model."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ikusi import content, writing
from ikusi.errors import InputError
from ikusi.language import automaton, fasttext_file

MODEL = (".bin", ".ftz")  # endings of fastText's files; all else is a list of words
IN_LIST = 0.5
"""Share of a text's words that stand in the list, from which on it is in the language."""
FEWEST = 3  # words: of fewer a list says nothing
LABELS = 50  # the likeliest labels of a text that are looked at
PREFIX = "__label__"  # with which fastText marks labels

Labelled = tuple[str, float, float]
"""The most likely label, its probability, and that of any but the expected label."""


class LabelModel(Protocol):
    """Identifies whether texts are in one language."""

    def many(self, texts: Sequence[str]) -> list[Labelled]:
        """For each text the most likely label, its probability, and that of any but the
        expected."""


class WordList:
    """Takes texts for the language if most of their words stand in its list.

    Args:
        path: a text file, one word or phrase a line, in UTF-8.
        expected: label of the language.
        other: label of texts in another one.

    Raises:
        InputError: there is no such file, it is not text, or without words.
    """

    def __init__(self, path: Path, expected: str, other: str) -> None:
        content.expect_plain(path)
        try:
            text = path.read_text("utf-8-sig")
        except OSError as error:
            raise InputError(f"{path}: expected a list of words, found {error.strerror}") from None
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise InputError(f"{path}:{line}: expected text in UTF-8, found other bytes") from None
        self.words = frozenset(_words(text))
        if not self.words:
            raise InputError(f"{path}: expected words, a line each, found none")
        self.expected, self.other = expected, other

    def many(self, texts: Sequence[str]) -> list[Labelled]:
        """See `LabelModel`."""
        return list(map(self._identify, texts))

    def _identify(self, text: str) -> Labelled:
        words = _words(text)
        if len(words) < FEWEST:
            return self.expected, 0.0, 0.0
        if sum(word in self.words for word in words) >= IN_LIST * len(words):
            return self.expected, 1.0, 0.0
        return self.other, 1.0, 1.0


class FastText:
    """A fastText model whose labels are languages: GlotLID, lid.176, one of one's own.

    Args:
        path: the model, `.bin` or `.ftz`.
        likely: labels that weigh 1, where the others weigh `automaton.RARE`.
        expected: the label that is expected.
        name_of: makes our label of the model's (`eus_Latn`).

    Raises:
        InputError: the file is not whole, has no such language, or the package is missing.
    """

    def __init__(
        self,
        path: Path,
        likely: Collection[str],
        expected: str,
        name_of: Callable[[str], str],
    ) -> None:
        labels = fasttext_file.read_labels(path)
        self.names = {label: name_of(label.removeprefix(PREFIX)) for label in labels}
        if expected not in self.names.values():
            raise InputError(
                f"{path}: expected a label for {expected}, found {len(labels):,} others"
            )
        self.weights: Mapping[str, float] = {
            label: 1.0 if name in likely else automaton.RARE for label, name in self.names.items()
        }
        self.expected = expected
        try:
            import fasttext
        except ImportError:
            raise InputError(
                f"{path}: expected the package fasttext-community, found none "
                "(pip install ikusi[fasttext])"
            ) from None
        self._model = fasttext.load_model(str(path))

    def many(self, texts: Sequence[str]) -> list[Labelled]:
        """See `LabelModel`."""
        lines = [" ".join(text.split()) for text in texts]
        labels, chances = self._model.predict(lines, k=LABELS)
        return [self._identify(*some) for some in zip(labels, chances, strict=True)]

    def _identify(self, labels: Sequence[str], chances: Sequence[float]) -> Labelled:
        weighed: dict[str, float] = {}
        for label, chance in zip(labels, chances, strict=True):
            name = self.names[label]
            weighed[name] = weighed.get(name, 0.0) + self.weights[label] * float(chance)
        total = math.fsum(weighed.values())
        if not total:
            return self.expected, 0.0, 0.0
        best = max(weighed, key=weighed.__getitem__)
        return best, weighed[best] / total, 1 - weighed.get(self.expected, 0.0) / total


def is_model(path: Path) -> bool:
    """Whether a file is taken for a fastText model, by its ending."""
    return path.suffix.lower() in MODEL


def _words(text: str) -> list[str]:
    return [
        word
        for word in writing.split_words(writing.to_plain(text).lower())
        if not word[0].isdigit()
    ]
