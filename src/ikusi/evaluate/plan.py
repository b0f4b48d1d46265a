"""The rows that are answered, and their order.

Work is ordered by picture, not by benchmark: each picture is decoded, encoded and read by the LLM
once, and all questions about it, in every benchmark and language, are answered before the next.
Rows without a picture come last. The plan holds ten bytes for a row, not the row.
"""

from collections.abc import Iterator, Sequence
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
        batch_size: pictures of a part.
        limit: most rows of a corpus, from the first; None is all.
    """

    def __init__(
        self,
        corpora: Sequence[Corpus],
        languages: Sequence[Sequence[str]],
        batch_size: int,
        limit: int | None = None,
    ) -> None:
        self.languages = [tuple(codes) for codes in languages]
        shown = [corpus.row_digests()[:limit] for corpus in corpora]
        pictures = _in_order(np.concatenate(shown) if shown else np.zeros(0, "S32"))
        order = np.argsort(pictures, kind="stable")
        self._pictures = pictures[order]
        sizes = np.array([len(rows) for rows in shown], np.int64)
        self._benchmarks = np.repeat(np.arange(len(sizes), dtype=np.int16), sizes)[order]
        positions = [np.arange(size, dtype=np.int32) for size in sizes]
        self._positions = np.concatenate([*positions, np.zeros(0, np.int32)])[order]
        self._counts = np.array([len(codes) for codes in self.languages], np.int64)
        self.cuts = self._cuts(batch_size)

    def __len__(self) -> int:
        """Questions in all."""
        return int(self._counts[self._benchmarks].sum())

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
            yield int(self._counts[self._benchmarks[start:stop]].sum())

    def _cuts(self, batch_size: int) -> list[int]:
        cuts, pictures, asked, last = [0], 0, 0, -1
        asked_of_each = self._counts[self._benchmarks]
        for place, (picture, more) in enumerate(zip(self._pictures, asked_of_each, strict=True)):
            new = int(picture) != last
            if asked and (
                (new and pictures == batch_size) or asked + more > batch_size * ROWS_PER_PICTURE
            ):
                cuts.append(place)
                pictures, asked, new = 0, 0, True
            pictures, asked, last = pictures + new, asked + int(more), int(picture)
        return [*cuts, len(self._pictures)] if len(self._pictures) else [0]


def _in_order(pictures: np.ndarray) -> np.ndarray:
    """Number pictures in the order in which they first come, int32 [N]; no picture comes last."""
    _, first, inverse = np.unique(pictures, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return np.where(pictures == b"", np.int32(len(first)), rank[inverse])
