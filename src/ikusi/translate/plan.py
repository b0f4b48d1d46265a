"""Plan of a translation: the rows it asks for, by shard; the same texts only once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ikusi import artifact
from ikusi.data.corpus import Corpus
from ikusi.data.rows.base import RowType
from ikusi.language import LanguagePack
from ikusi.translate.checks.yes_no import translate_closed
from ikusi.translate.contract import Row
from ikusi.translate.shards import make_key

BLOCK = 2**16


@dataclass(frozen=True)
class Plan:
    """The rows of a corpus that are translated, by shard.

    Args:
        corpus: the rows.
        source: the pack of the language they are in.
        target: the pack of the language they are translated into.
        shard_rows: rows in a shard.
        keys: names of the rows' texts by content, uint64 [rows].
        first: for each row, the place of the first row with its texts, int32 [rows].
        names: fingerprint of each shard's row ids.
    """

    corpus: Corpus
    source: LanguagePack
    target: LanguagePack
    shard_rows: int
    keys: np.ndarray
    first: np.ndarray
    names: Sequence[str]

    @property
    def rows(self) -> int:
        """Number of rows taken from the corpus."""
        return len(self.keys)

    @property
    def shards(self) -> int:
        """Number of shards that they make."""
        return -(-self.rows // self.shard_rows)

    def bounds(self, number: int) -> tuple[int, int]:
        """First place of a shard, and the place after its last."""
        start = number * self.shard_rows
        return start, min(start + self.shard_rows, self.rows)

    def list_asked(self, number: int) -> np.ndarray:
        """Places of a shard's rows whose texts no earlier row has, int64 [asked]."""
        start, stop = self.bounds(number)
        places = np.arange(start, stop)
        return places[self.first[start:stop] == places]

    def fingerprint(self, number: int) -> str:
        """Names a shard's rows: their ids, their texts, and which of them are asked for."""
        start, stop = self.bounds(number)
        keys, first = self.keys[start:stop].tobytes(), self.first[start:stop].tobytes()
        return artifact.fingerprint(self.names[number], keys, first)

    def read(self, number: int) -> Iterator[Row]:
        """The rows of a shard that are asked for."""
        start, stop = self.bounds(number)
        wanted = self.list_asked(number) - start
        if len(wanted):
            table = self.corpus.rows(self.source.code, start, stop).take(wanted)
            for place, columns in zip(wanted + start, table.to_pylist(), strict=True):
                yield self._row(int(place), columns)

    def _row(self, place: int, columns: Mapping[str, Any]) -> Row:
        texts = list_asked_texts(self.corpus.row_type, columns, self.source, self.target)
        return Row(place, columns["id"], self.corpus.row_type, texts)


def list_asked_texts(
    row_type: RowType, columns: Mapping[str, Any], source: LanguagePack, target: LanguagePack
) -> list[str]:
    """The texts of a row that an engine must translate: yes and no are known from the packs."""
    texts = row_type.texts(columns)
    return texts[:1] if translate_closed(row_type, texts, source, target) is not None else texts


def make(
    corpus: Corpus,
    source: LanguagePack,
    target: LanguagePack,
    shard_rows: int,
    limit: int | None = None,
) -> Plan:
    """Read the corpus once, and plan which rows are asked for: those with the same texts once.

    Args:
        corpus: the rows.
        source: the pack of the language they are in.
        target: the pack of the language they are translated into.
        shard_rows: rows in a shard.
        limit: only the first rows.
    """
    count = len(corpus) if limit is None else min(limit, len(corpus))
    keys, names = np.empty(count, np.uint64), []
    for start in range(0, count, shard_rows):
        stop = min(start + shard_rows, count)
        rows = corpus.rows(source.code, start, stop).to_pylist()
        keys[start:stop] = [
            make_key(list_asked_texts(corpus.row_type, columns, source, target)) for columns in rows
        ]
        names.append(artifact.fingerprint([columns["id"] for columns in rows]))
    return Plan(corpus, source, target, shard_rows, keys, _first(keys), names)


def _first(keys: np.ndarray) -> np.ndarray:
    """Place of the first row with the same key, for each row; in blocks, to hold little."""
    order = np.argsort(keys, kind="stable").astype(np.int32)
    first = np.empty_like(order)
    last_key, last_first = None, 0
    for start in range(0, len(order), BLOCK):
        places = order[start : start + BLOCK]
        sorted_keys = keys[places]
        begins = np.r_[
            last_key is None or sorted_keys[0] != last_key, sorted_keys[1:] != sorted_keys[:-1]
        ]
        begun = np.maximum.accumulate(np.where(begins, np.arange(len(places)), -1))
        first[places] = np.where(begun >= 0, places[begun], last_first)
        last_key, last_first = sorted_keys[-1], first[places[-1]]
    return first
