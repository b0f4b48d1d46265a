"""Rows put aside in a temporary file, so that memory holds none of them."""

from __future__ import annotations

import hashlib
import heapq
import pickle
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import Any

from ikusi.data.sources.base import BadRow, Item, LeftOut, SourceRow


class Spool:
    """Objects by key in a temporary database, which SQLite deletes with its connection."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.execute("PRAGMA journal_mode=OFF")
        self._base.execute("CREATE TABLE held (key PRIMARY KEY, value BLOB, taken DEFAULT 0)")
        self._base.execute("BEGIN")

    def put(self, key: str | int, value: Any) -> bool:
        """Keep an object; returns whether the key was free."""
        row = (key, pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
        done = self._base.execute("INSERT OR IGNORE INTO held (key, value) VALUES (?, ?)", row)
        return done.rowcount == 1

    def take(self, key: str | int) -> Any:
        """The object of a key, marked as taken; None if there is none, or it was taken."""
        sql = "UPDATE held SET taken = 1 WHERE key = ? AND NOT taken RETURNING value"
        row = self._base.execute(sql, (key,)).fetchone()
        return pickle.loads(row[0]) if row else None

    def drop(self, key: str | int) -> None:
        """Forget an object."""
        self._base.execute("DELETE FROM held WHERE key = ?", (key,))

    def take_rest(self) -> Iterator[Any]:
        """Yield the objects that were not taken, in the order in which they were put."""
        for (value,) in self._base.execute("SELECT value FROM held WHERE NOT taken ORDER BY rowid"):
            yield pickle.loads(value)

    def close(self) -> None:
        """Delete it."""
        self._base.close()


@contextmanager
def spool() -> Iterator[Spool]:
    """A spool that is deleted when its block ends."""
    held = Spool()
    try:
        yield held
    finally:
        held.close()


def join_rows(
    first: Iterable[Item],
    second: Iterable[Item],
    merge: Callable[[SourceRow, SourceRow], SourceRow | BadRow],
    names: tuple[str, str],
) -> Iterator[Item]:
    """Rows of two tables that have the same id, in the first's order.

    A row without its other half is bad, and so is one whose id comes twice. The second table waits
    on disk.

    Args:
        first: rows, with pictures if there are any.
        second: rows; their pictures are not looked at.
        merge: makes one row of the two.
        names: of the tables, for messages: their languages.
    """
    with spool() as held:
        for item in second:
            if not isinstance(item, SourceRow):
                yield item
            elif not held.put(item.id, item):
                yield BadRow(item.id, f"{names[1]}: expected a new id, found it twice", item.texts)
        for item in first:
            if not isinstance(item, SourceRow):
                yield item
                continue
            other = held.take(item.id)
            if other is None:
                yield BadRow(item.id, f"{names[1]}: expected the same id, found none", item.texts)
            else:
                yield merge(item, other)
        for other in held.take_rest():
            yield BadRow(other.id, f"{names[0]}: expected the same id, found none", other.texts)


def sample_rows(items: Iterable[Item], count: int, seed: int) -> Iterator[Item]:
    """`count` rows, the ones whose hash with the seed is smallest, in their own order.

    A row that was chosen stays chosen when the data set grows, unless a new one comes before it.
    Each stratum gives as many as the others. What is no row passes; rows that were not chosen
    become `LeftOut`. The chosen ones wait on disk.
    """
    heaps: dict[str, list[_Entry]] = defaultdict(list)  # the largest hash first
    ids: set[str] = set()  # of what the heaps hold
    total = 0
    with spool() as held:
        for place, item in enumerate(items):
            if not isinstance(item, SourceRow):
                yield item
            elif item.id in ids:
                yield BadRow(item.id, "expected a new id, found it twice", item.texts)
            else:
                total += 1
                heap, entry = heaps[item.stratum], (-_rank(seed, item.id), -place, item.id)
                heapq.heappush(heap, entry)
                lost = heapq.heappop(heap) if len(heap) > count else None
                if lost != entry:
                    ids.add(item.id)
                    held.put(place, item)
                if lost and lost != entry:
                    ids.remove(lost[2])
                    held.drop(-lost[1])
        places = sorted(_places(heaps, count))
        yield from map(held.take, places)
        yield from repeat(LeftOut("not in the sample"), total - len(places))


_Entry = tuple[int, int, str]  # the hash and the place, both negative; the id


def _rank(seed: int, id: str) -> int:
    digest = hashlib.sha256(f"{seed}\0{id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def _places(heaps: dict[str, list[_Entry]], count: int) -> Iterator[int]:
    """Places of the rows to take: of each stratum the same number."""
    for number, stratum in enumerate(sorted(heaps)):
        share = count // len(heaps) + (number < count % len(heaps))
        for _, place, _ in sorted(heaps[stratum], reverse=True)[:share]:
            yield -place
