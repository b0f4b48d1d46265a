"""Mixtures: a view that decides in which language each row is read; nothing is copied."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ikusi.data.alike import warn_if_alike
from ikusi.data.corpus import Corpus
from ikusi.data.rows.base import RowType
from ikusi.errors import InputError

Message = dict[str, Any]


@dataclass(frozen=True)
class MixturePart:
    """A corpus inside a mixture.

    Args:
        corpus: the rows.
        ratio: share of its rows that are read in the target language.
        rows: how many rows to take (None: all); the same ones whatever the ratio, and those taken
            for a smaller number are among those taken for a larger one.
        prompts: language -> wordings of the request that a row answers (`RowType.requests`).
    """

    corpus: Corpus
    ratio: float
    rows: int | None = None
    prompts: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """One row in the language it is read in, as a conversation."""

    id: str
    language: str
    corpus: Corpus
    image_id: str | None
    messages: list[Message]


class Mixture(Sequence[Sample]):
    """Samples of several corpora, each row in one of two languages (paper, section 5.1).

    The count of target-language rows is exact, decided by a seed, and nested: rows that are in the
    target language at 20 % still are at 80 %. Every ratio holds the same rows.

    Args:
        parts: the corpora.
        target: code of the target language.
        source: code of the source language.
        seed: of the choice of rows and languages, and of their order.
        batch_size: with it, each batch of so many samples is of one task of one part, as far as
            there are enough.
    """

    def __init__(
        self,
        parts: Sequence[MixturePart],
        target: str,
        source: str,
        seed: int,
        batch_size: int | None = None,
    ) -> None:
        self.parts, self.target, self.source, self.seed = list(parts), target, source, seed
        self.batch_size = batch_size
        for part in self.parts:
            warn_if_alike(part.corpus, (target, source))
        self._rows = [_choose_rows(part, seed) for part in self.parts]
        self._speaks = [
            choose_target_rows([part.corpus.ids[i] for i in rows], part.ratio, seed)
            for part, rows in zip(self.parts, self._rows, strict=True)
        ]
        self._ends = np.cumsum([len(rows) for rows in self._rows])

    def __len__(self) -> int:
        return int(self._ends[-1]) if self.parts else 0

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number, language, place = self._locate_sample(int(index))
        part = self.parts[number]
        return self._sample(part, language, part.corpus.row(language, place))

    def take(self, indices: Sequence[int]) -> list[Sample]:
        """Several samples in this order; many times as fast as one by one."""
        asked: dict[tuple[int, str], list[tuple[int, int]]] = {}
        for order, index in enumerate(indices):
            number, language, place = self._locate_sample(index)
            asked.setdefault((number, language), []).append((order, place))
        samples: list[Any] = [None] * len(indices)
        for (number, language), wanted in asked.items():
            part = self.parts[number]
            rows = part.corpus.take(language, [place for _, place in wanted])
            for (order, _), row in zip(wanted, rows, strict=True):
                samples[order] = self._sample(part, language, row)
        return samples

    def _locate_sample(self, index: int) -> tuple[int, str, int]:
        """Number of a sample's part, the language it is read in, and its place in the corpus."""
        number, place = self._place(index)
        language = self.target if self._speaks[number][place] else self.source
        return number, language, int(self._rows[number][place])

    def _sample(self, part: MixturePart, language: str, row: Mapping[str, Any]) -> Sample:
        messages = to_messages(row, part.corpus.row_type, part.prompts.get(language, ()))
        return Sample(row["id"], language, part.corpus, row["image_id"], messages)

    def image_id(self, index: int) -> tuple[int, str | None]:
        """Number of the part and the picture of a sample, without reading its text."""
        number, place = self._place(index)
        return number, self.parts[number].corpus.image_ids[int(self._rows[number][place])]

    def find_places(self, part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rows that a part takes, in order.

        Returns:
            Places in its corpus, which of them are in the target language, and their numbers as
            samples of the mixture: int, bool, int [n].
        """
        rows, stop = self._rows[part], int(self._ends[part])
        return rows, self._speaks[part], np.arange(stop - len(rows), stop)

    def order(self, epoch: int) -> np.ndarray:
        """The order of one pass: a permutation of all samples, the same for every ratio."""
        random = np.random.default_rng([self.seed, 17, epoch])
        order = random.permutation(len(self))
        if self.batch_size is None:
            return order
        filled = -epoch * len(self) % self.batch_size  # what the last batch of earlier passes lacks
        batches = _sort_into_batches(order[filled:], self._tasks, self.batch_size)
        whole = len(order[filled:]) // self.batch_size  # the last one may be smaller
        mixed = [batches[place] for place in random.permutation(whole)]
        return np.concatenate([order[:filled], *mixed, *batches[whole:]])

    @cached_property
    def _tasks(self) -> np.ndarray:
        """Number of each sample's part and task, int [N]."""
        numbers: dict[tuple[int, str | None], int] = {}
        return np.array(
            [
                numbers.setdefault((part, self.parts[part].corpus.tasks[row]), len(numbers))
                for part, rows in enumerate(self._rows)
                for row in rows
            ]
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """Corpus name -> language -> rows, as realised."""
        totals: dict[str, dict[str, int]] = {}
        for part, speaks in zip(self.parts, self._speaks, strict=True):
            realised = totals.setdefault(part.corpus.folder.name, {self.target: 0, self.source: 0})
            realised[self.target] += int(speaks.sum())
            realised[self.source] += int((~speaks).sum())
        return totals

    def _place(self, index: int) -> tuple[int, int]:
        number = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[number - 1]) if number else 0
        return number, index - start


def choose_target_rows(ids: Sequence[str], ratio: float, seed: int) -> np.ndarray:
    """Choose the rows read in the target language: exactly round(ratio * n), nested in the ratio.

    Rows are ranked by a hash of seed and id, so a row's rank does not depend on the order of the
    rows.

    Returns:
        Boolean array [n].

    Raises:
        InputError: the ratio is not a share.

    >>> ids = [str(i) for i in range(10)]
    >>> few, many = choose_target_rows(ids, 0.2, 0), choose_target_rows(ids, 0.8, 0)
    >>> int(few.sum()), int(many.sum()), bool((few <= many).all())
    (2, 8, True)
    """
    if not 0 <= ratio <= 1:
        raise InputError(f"ratio: expected a share between 0 and 1, found {ratio}")
    speaks = np.zeros(len(ids), dtype=bool)
    speaks[_rank(ids, f"language {seed}")[: round(ratio * len(ids))]] = True
    return speaks


def to_messages(row: Mapping[str, Any], row_type: RowType, prompts: Sequence[str]) -> list[Message]:
    """A row as chat messages; the picture, if any, comes first in the first user turn."""
    messages: list[Message] = [
        {"role": role, "content": [{"type": "text", "text": text}]}
        for role, text in row_type.turns(row, prompts)
    ]
    if row["image_id"] is not None:
        first = next(message for message in messages if message["role"] == "user")
        first["content"].insert(0, {"type": "image"})
    return messages


def _sort_into_batches(order: np.ndarray, tasks: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut samples into batches of one task each, then what is left of all tasks into mixed ones, of
    which the last may be smaller."""
    by_task = np.argsort(tasks[order], kind="stable")
    borders = np.flatnonzero(np.diff(tasks[order[by_task]])) + 1
    whole, left = [], []
    for places in np.split(by_task, borders):
        end = len(places) - len(places) % size
        whole += [order[some] for some in places[:end].reshape(-1, size)]
        left.append(places[end:])
    rest = order[np.sort(np.concatenate(left))]
    return [*whole, *(rest[start : start + size] for start in range(0, len(rest), size))]


def _choose_rows(part: MixturePart, seed: int) -> np.ndarray:
    """Positions of the rows a part takes, in the corpus's order."""
    count = len(part.corpus)
    if part.rows is None:
        return np.arange(count)
    if part.rows > count:
        raise InputError(f"{part.corpus.folder}: expected {part.rows} rows, found {count}")
    return np.sort(_rank(part.corpus.ids, f"rows {seed}")[: part.rows])


def _rank(ids: Sequence[str], salt: str) -> np.ndarray:
    """Positions ordered by a hash of salt and id."""
    hashes = (int.from_bytes(_hash(f"{salt} {id}")[:8]) for id in ids)
    return np.argsort(np.fromiter(hashes, np.uint64, len(ids)), kind="stable")


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
