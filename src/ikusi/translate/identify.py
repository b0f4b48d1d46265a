"""Which language a text is in, told among a few."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import copy
from functools import cache, cached_property
from typing import Any

import numpy as np

BLOCK = 2048  # texts that go through the automaton together
LONG = 2000  # characters: longer ones go alone, as a block is as wide as its longest text
logger = logging.getLogger(__name__)


class Identifier:
    """Tells the target language from the source and from what a model may slip into.

    py3langid knows 140 languages; restricted to the few that may be there, it is right on 99 % of
    sentences where it is at 94 to 98 % over all.

    Args:
        expected: code of the target language. Where the library does not know it, every text
            passes, and a line in the log says so.
        codes: all languages that are told apart; those the library does not know are left out.
    """

    def __init__(self, expected: str, codes: Sequence[str]) -> None:
        self.expected = expected.partition("-")[0]
        wanted = {code.partition("-")[0] for code in (expected, *codes)}
        known = sorted(wanted & set(_labels()))
        self._identifier = None
        if self.expected in known and len(known) > 1:
            self._identifier = _restricted(tuple(known))
        else:
            logger.warning("%s: no language identification, so that check is off", expected)

    @property
    def able(self) -> bool:
        """Whether languages are told apart; where not, every text passes for the target's."""
        return self._identifier is not None

    @cached_property
    def _automaton(self) -> _Automaton:
        return _Automaton(self._identifier)

    def __call__(self, text: str) -> tuple[str, float]:
        """The most likely language, and its probability among those told apart."""
        if self._identifier is None:
            return self.expected, 1.0
        found: tuple[str, float] = self._identifier.classify(text)
        return found

    def many(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """The same for many texts, several times as fast: all go through the automaton together."""
        if self._identifier is None:
            return [(self.expected, 1.0)] * len(texts)
        found: list[tuple[str, float]] = []
        for start in range(0, len(texts), BLOCK):
            block = texts[start : start + BLOCK]
            short = [text for text in block if len(text) <= LONG]
            told = iter(self._automaton.classify(short))
            found += [next(told) if len(text) <= LONG else self(text) for text in block]
        return found


class _Automaton:
    """py3langid's identifier for many texts at once; gives what its `classify` gives.

    The library reads a text byte by byte through an automaton, whose states stand for features,
    and scores languages by how often each feature came (naive Bayes, Lui and Baldwin 2012).
    """

    def __init__(self, identifier: Any) -> None:
        self.identifier = identifier
        self.moves = np.frombuffer(identifier.tk_nextmove, np.uint32)
        self.rows = np.array(identifier._rowbase)
        self.outputs = np.array(identifier.tk_output, np.int32)

    def classify(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """The most likely language of each text, and its probability."""
        model = self.identifier
        data = [model._encode(text) for text in texts]
        scores = self._scores(data) / np.sqrt([[max(1, len(some))] for some in data])
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        for first, alias in model._alias_pairs:
            scores[:, first] += scores[:, alias]
            scores[:, alias] = 0.0
        best = scores.argmax(axis=1)
        return [
            (model.nb_classes[one], float(row[one])) for one, row in zip(best, scores, strict=True)
        ]

    def _scores(self, data: Sequence[bytes]) -> np.ndarray:
        """Log-posteriors, float32 [texts, languages]; zero for a text without any feature."""
        scores = np.zeros((len(data), len(self.identifier.nb_pc)), np.float32)
        keys, counts = np.unique(self._features(data), return_counts=True)
        if len(keys) == 0:
            return scores
        places, features = np.divmod(keys, len(self.identifier.nb_ptc))
        weights = np.log1p(counts.astype(np.float32))[:, None] * self.identifier.nb_ptc[features]
        starts = np.flatnonzero(np.r_[True, places[1:] != places[:-1]])
        scores[places[starts]] = np.add.reduceat(weights, starts) + self.identifier.nb_pc
        return scores

    def _features(self, data: Sequence[bytes]) -> np.ndarray:
        """Every feature that comes, each time it comes, as text * features + feature, int64."""
        order = sorted(range(len(data)), key=lambda place: -len(data[place]))
        lengths = np.array([len(data[place]) for place in order])
        letters = np.zeros((len(data), lengths.max(initial=0)), np.uint8)
        for row, place in enumerate(order):
            letters[row, : lengths[row]] = np.frombuffer(data[place], np.uint8)
        first = np.array(order, np.int64) * len(self.identifier.nb_ptc)
        states = np.zeros(len(data), np.int64)
        found = []
        for step in range(letters.shape[1]):
            going = int(np.searchsorted(-lengths, -step, side="left"))  # texts longer than `step`
            states[:going] = self.moves[self.rows[states[:going]] + letters[:going, step]]
            features = self.outputs[states[:going]]
            found.append((first[:going] + features)[features >= 0])
        return np.concatenate(found) if found else np.empty(0, np.int64)


@cache
def _labels() -> tuple[str, ...]:
    return tuple(_opened().labels)


@cache
def _restricted(codes: tuple[str, ...]) -> Any:
    identifier = copy(_opened())
    identifier.set_languages(list(codes))
    return identifier


@cache
def _opened() -> Any:
    from py3langid import langid

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
