"""py3langid's model for many texts at once, and for one text without its detours."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

BLOCK = 2048  # texts that go through the automaton together
LONG = 2000  # characters: longer ones go alone, as a block is as wide as its longest text
ALONE = 16  # texts: fewer are read one by one
RARE = 1e-3
"""Prior of a language that is not expected, where that of a likely one is 1."""
NO_LANGUAGE = "zxx"  # py3langid's label of what is in no language


class Automaton:
    """Identifies which of some languages a text is in, with py3langid's probabilities.

    The library reads a text byte by byte through an automaton, whose states stand for features,
    and scores languages by how often each feature came (naive Bayes, Lui and Baldwin 2012).

    Args:
        labels: the languages to choose from.
        likely: labels that weigh 1, where the others weigh `RARE`.
        expected: the label that is expected, if it is among them.
    """

    def __init__(self, labels: Container[str], likely: Container[str], expected: str) -> None:
        model = _open()
        self.moves = np.frombuffer(model.tk_nextmove, np.uint32)
        self.rows, self.outputs = np.array(model._rowbase), np.array(model.tk_output, np.int32)
        self.columns = [place for place, one in enumerate(model.nb_classes) if one in labels]
        self.labels: list[str] = [model.nb_classes[place] for place in self.columns]
        self.prior = model.nb_pc[self.columns]
        self.again = _again(self.labels)
        self.weights = np.array([1 if one in likely else RARE for one in self.labels], np.float32)
        self.expected = self.labels.index(expected) if expected in self.labels else None
        # Features as float32, each made when a text first has it: most texts have a few of them.
        self._table = np.zeros((len(model.nb_ptc), len(self.columns)), np.float32)
        self._made = np.zeros(len(model.nb_ptc), bool)

    def many(self, texts: Sequence[str]) -> list[tuple[str, float, float]]:
        """For each text: the most likely label, its probability, and that of any but the expected
        label."""
        data = list(map(_open()._encode, texts))
        short = [place for place, some in enumerate(data) if len(some) <= LONG]
        if len(short) < ALONE:
            return [self._one(some) for some in data]
        results = {
            place: self._one(data[place]) for place in set(range(len(data))).difference(short)
        }
        for start in range(0, len(short), BLOCK):
            places = short[start : start + BLOCK]
            results.update(zip(places, self._block([data[place] for place in places]), strict=True))
        return [results[place] for place in range(len(data))]

    def _one(self, data: bytes) -> tuple[str, float, float]:
        chances = self._chances(self._score(data), len(data) ** -0.5 if data else 1.0)
        best = int(chances.argmax())
        other = 1 - float(chances[self.expected]) if self.expected is not None else 1.0
        return self.labels[best], float(chances[best]), other

    def _block(self, data: Sequence[bytes]) -> Iterator[tuple[str, float, float]]:
        lengths = np.maximum(_measure(data), 1).astype(np.float32)
        chances = self._chances(self._scores(data), 1 / np.sqrt(lengths)[:, None])
        best = chances.argmax(axis=1)
        sure = chances[np.arange(len(best)), best]
        other = 1 - chances[:, self.expected] if self.expected is not None else np.ones(len(best))
        names = [self.labels[place] for place in best.tolist()]
        return zip(names, sure.tolist(), other.tolist(), strict=True)

    def _chances(self, scores: np.ndarray, cooling: np.ndarray | float) -> np.ndarray:
        """From log-posteriors [..., labels], which are changed, to probabilities."""
        scores *= cooling
        scores -= scores.max(axis=-1, keepdims=True)
        chances = np.exp(scores, out=scores)
        for first, second in self.again:
            chances[..., first] += chances[..., second]
            chances[..., second] = 0.0
        chances *= self.weights
        chances /= chances.sum(axis=-1, keepdims=True)
        return chances

    def _score(self, data: bytes) -> np.ndarray:
        """Log-posteriors of one text, float32 [labels]; zero for a text without any feature."""
        from py3langid import langid

        model = _open()
        visits = langid.visit_counts(model.tk_nextmove, model._rowbase, model.tk_output, data)
        if not visits:
            return np.zeros(len(self.labels), np.float32)
        counts = np.fromiter(visits.values(), np.float32, len(visits))
        features = np.fromiter(visits, np.intp, len(visits))
        self._make(features)
        return np.log1p(counts) @ self._table.take(features, 0) + self.prior

    def _scores(self, data: Sequence[bytes]) -> np.ndarray:
        """The same of many texts, float32 [texts, labels]."""
        from scipy.sparse import csr_array

        keys, counts = np.unique(self._features(data), return_counts=True)
        places, features = np.divmod(keys, len(self._table))
        self._make(features)
        ends = np.searchsorted(places, np.arange(len(data) + 1))
        weights = np.log1p(counts.astype(np.float32))
        shape = (len(data), len(self._table))
        scores = np.asarray(csr_array((weights, features, ends), shape) @ self._table)
        scores += np.diff(ends).astype(bool)[:, None] * self.prior
        return scores

    def _make(self, features: np.ndarray) -> None:
        """Have the rows of these features in the table."""
        new = features[~self._made[features]]
        if len(new):
            new = np.unique(new)
            self._table[new] = _open().nb_ptc[new][:, self.columns]
            self._made[new] = True

    def _features(self, data: Sequence[bytes]) -> np.ndarray:
        """Every feature that comes, each time it comes, as text * features + feature, int64."""
        order = np.argsort(-_measure(data), kind="stable")
        lengths = _measure(data)[order]
        letters = np.zeros((len(data), lengths.max(initial=0)), np.uint8)
        inside = np.arange(letters.shape[1]) < lengths[:, None]
        letters[inside] = np.frombuffer(b"".join(map(data.__getitem__, order)), np.uint8)
        first = order * len(self._table)
        states = np.zeros(len(data), np.int64)
        parts = []
        for step in range(letters.shape[1]):
            going = int(np.searchsorted(-lengths, -step, side="left"))  # texts longer than `step`
            states[:going] = self.moves[self.rows[states[:going]] + letters[:going, step]]
            features = self.outputs[states[:going]]
            parts.append((first[:going] + features)[features >= 0])
        return np.concatenate(parts) if parts else np.empty(0, np.int64)


@cache
def list_labels() -> tuple[str, ...]:
    """The codes of the languages that py3langid knows."""
    return tuple(label for label in _open().labels if label != NO_LANGUAGE)


def _measure(data: Sequence[bytes]) -> np.ndarray:
    """Bytes of each text, int64 [texts]."""
    return np.fromiter(map(len, data), np.int64, len(data))


def _again(labels: Sequence[str]) -> list[tuple[int, int]]:
    """First and second place of each label that comes twice, the second time in another script."""
    return [
        (labels.index(label), place)
        for place, label in enumerate(labels)
        if labels.index(label) < place
    ]


@cache
def _open() -> Any:
    from py3langid import langid

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
