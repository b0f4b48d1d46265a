"""Which language a text is in: by its script, then by all languages that are known."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Sequence
from copy import copy
from functools import cache, cached_property
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import yaml

from ikusi import writing

BLOCK = 2048  # texts that go through the automaton together
LONG = 2000  # characters: longer ones go alone, as a block is as wide as its longest text
ALONE = 16  # texts: fewer are read one by one by the library itself
UNKNOWN = "und"  # as BCP 47 has it
RARE = 1e-3
"""How likely a language is that nobody expects, where one that may be there is 1."""
OWN_SCRIPT = 0.25  # share of letters: with less, a text is in another script; names may be more
BEYOND_LATIN = "\u0250"  # what stands before is Latin, or no letter; saves counting
UNSURE = 0.5  # probability below which a language is not named
NO_LANGUAGE = "zxx"  # py3langid's label of what is in no language
logger = logging.getLogger(__name__)


class Guess(NamedTuple):
    """What a text seems to be in.

    ``sure`` is the probability of ``code``, ``other`` that of any language but the expected;
    ``known`` says whether ``code`` was told from others, or stands for a language that cannot be.
    """

    code: str
    sure: float
    other: float
    known: bool = True


class Identifier:
    """Tells whether texts are in the language expected, and in which they are if not.

    Scripts come first: a text with hardly a letter of its own script is in another language.
    The languages that share the script are told apart by py3langid, all of them, where those that
    may be there are favoured: `RARE` is the prior of the others. Where no language reaches
    `UNSURE`, and where there are no letters, a text is in an `UNKNOWN` one.

    Args:
        expected: code of the target language. Where the library does not know it, only another
            script is noticed, and a line in the log says so.
        likely: codes of languages that may be there instead: the source, those a model slips into.
    """

    def __init__(self, expected: str, likely: Sequence[str]) -> None:
        self.expected = expected.partition("-")[0]
        self.scripts = scripts_of(expected)
        self._names = {label_of(code): code.partition("-")[0] for code in (*likely, expected)}
        own = label_of(expected)
        known = [label for label in _labels() if label != NO_LANGUAGE]
        near = [label for label in known if _shares(label, self.scripts)]
        far = [label for label in known if not set(scripts_of(label)) <= set(self.scripts)]
        self._near_labels = near if own in near else []
        self._far_labels = far if self.scripts else []
        if not self._near_labels:
            told = "only other scripts are noticed" if self.scripts else "that check is off"
            logger.warning("%s: no language identification knows it, so %s", expected, told)

    @property
    def able(self) -> bool:
        """Whether any language is told from the expected; where not, every text passes for it."""
        return bool(self._near_labels or self._far_labels)

    @cached_property
    def _near(self) -> _Automaton:
        return self._apart(self._near_labels)

    @cached_property
    def _far(self) -> _Automaton:
        return self._apart(self._far_labels)

    def __call__(self, text: str) -> Guess:
        """What one text is in."""
        (guess,) = self.many([text])
        return guess

    def many(self, texts: Sequence[str]) -> list[Guess]:
        """What each of many texts is in; together they take a fraction of the time."""
        found = [Guess(self.expected, 1.0, 0.0, known=False)] * len(texts)
        near: list[int] = []
        far: list[int] = []
        for place, text in enumerate(texts):
            if not any(map(str.isalpha, text)):
                found[place] = Guess(UNKNOWN, 0.0, 0.0, known=False)
            elif self._is_far(text):
                far.append(place)
            elif self._near_labels:
                near.append(place)
        for place, guess in self._told(self._near, texts, near) if near else ():
            found[place] = guess
        for place, guess in self._told(self._far, texts, far) if far else ():
            found[place] = guess._replace(other=1.0)
        return found

    def _is_far(self, text: str) -> bool:
        """Whether hardly a letter is of a script that the expected language is written in."""
        if not self.scripts or ("Latn" in self.scripts and max(text) < BEYOND_LATIN):
            return False
        own, all_ = writing.letters_in(text, self.scripts)
        return own < OWN_SCRIPT * all_

    def _told(
        self, model: _Automaton, texts: Sequence[str], places: Sequence[int]
    ) -> Iterator[tuple[int, Guess]]:
        guesses = model.many([texts[place] for place in places])
        for place, (label, sure, other) in zip(places, guesses, strict=True):
            code = self._names.get(label, label) if sure >= UNSURE else UNKNOWN
            yield place, Guess(code, sure, other)

    def _apart(self, labels: Sequence[str]) -> _Automaton:
        return _Automaton(_restricted(tuple(labels)), self._names, label_of(self.expected))


class _Automaton:
    """py3langid's identifier for many texts at once; as likely as it has them.

    The library reads a text byte by byte through an automaton, whose states stand for features,
    and scores languages by how often each feature came (naive Bayes, Lui and Baldwin 2012).

    Args:
        identifier: py3langid's, restricted to some languages.
        likely: labels that weigh 1, where the others weigh `RARE`.
        expected: the label that is expected, if it is among them.
    """

    def __init__(self, identifier: Any, likely: Container[str], expected: str) -> None:
        self.identifier = identifier
        self.moves = np.frombuffer(identifier.tk_nextmove, np.uint32)
        self.rows = np.array(identifier._rowbase)
        self.outputs = np.array(identifier.tk_output, np.int32)
        self.table = np.ascontiguousarray(identifier.nb_ptc, np.float32)
        self.labels: list[str] = list(identifier.nb_classes)
        self.weights = np.array([1 if one in likely else RARE for one in self.labels])
        self.expected = self.labels.index(expected) if expected in self.labels else None

    def many(self, texts: Sequence[str]) -> list[tuple[str, float, float]]:
        """The most likely label of each text, its probability, that of all but the expected."""
        found: list[tuple[str, float, float]] = []
        for start in range(0, len(texts), BLOCK):
            block = texts[start : start + BLOCK]
            chances = np.empty((len(block), len(self.labels)), np.float32)
            short = [place for place, text in enumerate(block) if len(text) <= LONG]
            if len(short) < ALONE:
                short = []
            if short:
                chances[short] = self._chances([block[place] for place in short])
            for place in set(range(len(block))) - set(short):
                chances[place] = self._alone(block[place])
            found += self._best(chances * self.weights)
        return found

    def _best(self, chances: np.ndarray) -> list[tuple[str, float, float]]:
        chances /= chances.sum(axis=1, keepdims=True)
        best = chances.argmax(axis=1)
        sure = chances[np.arange(len(best)), best]
        other = 1 - chances[:, self.expected] if self.expected is not None else np.ones(len(best))
        return [
            (self.labels[one], *some)
            for one, *some in zip(best.tolist(), sure.tolist(), other.tolist(), strict=True)
        ]

    def _alone(self, text: str) -> list[float]:
        """The same chances by the library itself."""
        ranked = dict(self.identifier.rank(text))
        return [ranked.pop(label, 0.0) for label in self.labels]  # some come twice

    def _chances(self, texts: Sequence[str]) -> np.ndarray:
        """The probability of each language for each text, float32 [texts, languages]."""
        model = self.identifier
        data = [model._encode(text) for text in texts]
        scores = self._scores(data) / np.sqrt([[max(1, len(some))] for some in data])
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        for first, alias in model._alias_pairs:
            scores[:, first] += scores[:, alias]
            scores[:, alias] = 0.0
        return scores.astype(np.float32)

    def _scores(self, data: Sequence[bytes]) -> np.ndarray:
        """Log-posteriors, float32 [texts, languages]; zero for a text without any feature."""
        from scipy.sparse import csr_array

        keys, counts = np.unique(self._features(data), return_counts=True)
        places, features = np.divmod(keys, len(self.table))
        shape = (len(data), len(self.table))
        weights = np.log1p(counts.astype(np.float32))
        scores = np.asarray(csr_array((weights, (places, features)), shape) @ self.table)
        scores[np.unique(places)] += self.identifier.nb_pc
        return scores

    def _features(self, data: Sequence[bytes]) -> np.ndarray:
        """Every feature that comes, each time it comes, as text * features + feature, int64."""
        order = sorted(range(len(data)), key=lambda place: -len(data[place]))
        lengths = np.array([len(data[place]) for place in order])
        letters = np.zeros((len(data), lengths.max(initial=0)), np.uint8)
        for row, place in enumerate(order):
            letters[row, : lengths[row]] = np.frombuffer(data[place], np.uint8)
        first = np.array(order, np.int64) * len(self.table)
        states = np.zeros(len(data), np.int64)
        found = []
        for step in range(letters.shape[1]):
            going = int(np.searchsorted(-lengths, -step, side="left"))  # texts longer than `step`
            states[:going] = self.moves[self.rows[states[:going]] + letters[:going, step]]
            features = self.outputs[states[:going]]
            found.append((first[:going] + features)[features >= 0])
        return np.concatenate(found) if found else np.empty(0, np.int64)


def scripts_of(code: str) -> tuple[str, ...]:
    """The scripts that write a language, by ISO 15924; none where that is not known.

    >>> scripts_of("eu"), scripts_of("ja"), scripts_of("az-Cyrl")
    (('Latn',), ('Hani', 'Hira', 'Kana'), ('Cyrl',))
    """
    base, *subtags = code.split("-")
    written = [subtag for subtag in subtags if len(subtag) == 4]
    if written:
        return _ALIKE.get(written[0], (written[0],))
    return _scripts().get(base, ())


_ALIKE = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}


def label_of(code: str) -> str:
    """The code under which py3langid knows a language, if it does (`no` for `nb`)."""
    base = code.partition("-")[0]
    return base if base in _labels() else _tables()["aliases"].get(base, base)


def _shares(label: str, scripts: Sequence[str]) -> bool:
    own = scripts_of(label)
    return not own or not scripts or not set(own).isdisjoint(scripts)


@cache
def _scripts() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for script, codes in _tables()["scripts"].items():
        for code in codes.split():
            found[code] = (*found.get(code, ()), script)
    for code, label in _tables()["aliases"].items():
        found[label] = tuple(dict.fromkeys((*found.get(label, ()), *found.get(code, ()))))
    return found


@cache
def _tables() -> dict[str, Any]:
    path = resources.files(__package__).joinpath("scripts.yaml")
    return dict(yaml.safe_load(path.read_text("utf-8")))


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
