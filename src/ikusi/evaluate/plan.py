"""Which rows are answered, in which order.

Work is ordered by picture, not by benchmark: each picture is decoded, encoded and read by the LLM
once, and all questions about it, in every benchmark and language, are answered before the next.
Rows without a picture come last. The plan holds ten bytes for a row, not the row.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ikusi.data.corpus import Corpus

ROWS_PER_PICTURE = 8
"""A part ends at ``batch_size`` pictures or this many rows for each."""


class Item(NamedTuple):
    """One row to answer: benchmark number, language, place in the corpus."""

    benchmark: int
    language: str
    position: int


class Plan:
    """All rows of an evaluation, cut into parts.

    Args:
        corpora: of each benchmark.
        languages: those in which each benchmark is asked.
        keys: for each corpus, image id -> what tells pictures apart.
        batch_size: pictures of a part.
        limit: most rows of a corpus, from the first; None is all.
    """

    def __init__(
        self,
        corpora: Sequence[Corpus],
        languages: Sequence[Sequence[str]],
        keys: Sequence[Mapping[str | None, str | None]],
        batch_size: int,
        limit: int | None = None,
    ) -> None:
        self.languages = [tuple(codes) for codes in languages]
        numbers: dict[str, int] = {}
        columns = []
        for number, (corpus, key) in enumerate(zip(corpora, keys, strict=True)):
            if self.languages[number]:
                columns.append(_column(number, corpus.image_ids[:limit], key, numbers))
        found = np.concatenate(columns, axis=1) if columns else np.zeros((3, 0), np.int64)
        # Pictures in the order in which they first come; those without any last.
        pictures = np.where(found[0] < 0, len(numbers), found[0])
        order = np.argsort(pictures, kind="stable")
        self._pictures = pictures[order].astype(np.int32)
        self._benchmarks = found[1][order].astype(np.int16)
        self._positions = found[2][order].astype(np.int32)
        counts = np.array([len(codes) for codes in self.languages], np.int64)
        self._asked = counts[self._benchmarks] if columns else np.zeros(0, np.int64)
        self.cuts = self._cuts(batch_size)

    def __len__(self) -> int:
        """Questions in all."""
        return int(self._asked.sum())

    def part(self, number: int) -> list[Item]:
        """The rows of one part, each in all its languages."""
        start, stop = self.cuts[number], self.cuts[number + 1]
        return [
            Item(int(bench), language, int(position))
            for bench, position in zip(
                self._benchmarks[start:stop], self._positions[start:stop], strict=True
            )
            for language in self.languages[bench]
        ]

    def sizes(self) -> Iterator[int]:
        """Questions of each part."""
        for start, stop in zip(self.cuts[:-1], self.cuts[1:], strict=True):
            yield int(self._asked[start:stop].sum())

    def _cuts(self, batch_size: int) -> list[int]:
        cuts, pictures, asked, last = [0], 0, 0, -1
        for place, (picture, more) in enumerate(zip(self._pictures, self._asked, strict=True)):
            new = int(picture) != last
            if asked and (
                (new and pictures == batch_size) or asked + more > batch_size * ROWS_PER_PICTURE
            ):
                cuts.append(place)
                pictures, asked, new = 0, 0, True
            pictures, asked, last = pictures + new, asked + int(more), int(picture)
        return [*cuts, len(self._pictures)] if len(self._pictures) else [0]


def _column(
    number: int,
    image_ids: Sequence[str | None],
    keys: Mapping[str | None, str | None],
    numbers: dict[str, int],
) -> np.ndarray:
    """Picture, benchmark and position of each row of a corpus, int64 [3, N]."""
    pictures = np.empty(len(image_ids), np.int64)
    for place, image_id in enumerate(image_ids):
        key = keys[image_id]
        pictures[place] = -1 if key is None else numbers.setdefault(key, len(numbers))
    return np.stack([pictures, np.full(len(image_ids), number), np.arange(len(image_ids))])
