"""Tables of a corpus read where they are: rows by position, pictures by id.

Only the row groups used last are held in memory, up to a number of bytes for each file.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ikusi.data.parquet import guard_reading, open_table, select_schema

BYTES_HELD = 256 * 2**20  # of decoded row groups, for each open file
ROWS_AT_ONCE = 4096  # of columns that are read through
ASKED_AGAIN = 1024  # pictures whose numbers are remembered
IMAGES = pa.schema(
    [
        ("image_id", pa.string()),
        ("bytes", pa.binary()),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("sha256", pa.string()),
        ("source", pa.string()),
    ]
)
"""Columns of a table of pictures."""


class Pictures:
    """The pictures of a corpus by number, and their numbers by id; 16 bytes are held for each.

    Ids are distinguished by 64 bits of their hash.
    """

    def __init__(self, parts: Sequence[Groups]) -> None:
        self.parts = list(parts)
        self._starts = np.cumsum([0, *(part.count for part in self.parts)])
        hashes = np.fromiter(map(_hash, self.values("image_id")), np.uint64, self._starts[-1])
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]
        self.number = lru_cache(ASKED_AGAIN)(self._number)
        """The number of a picture, or None where there is none of that name."""

    def values(self, name: str) -> Iterator[Any]:
        """A column, from the first part to the last."""
        return chain.from_iterable(part.values(name) for part in self.parts)

    def _number(self, image_id: str) -> int | None:
        wanted = _hash(image_id)
        place = self._hashes.searchsorted(wanted)
        is_known = place < len(self._hashes) and self._hashes[place] == wanted
        return int(self._order[place]) if is_known else None

    def row(self, number: int) -> dict[str, Any]:
        """The columns of a picture."""
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self.parts[part].row(number - int(self._starts[part]))

    def size(self, number: int) -> tuple[int, int]:
        """Width and height of a picture in pixels, as its table says; its bytes are not read."""
        width, height = self._sizes[number].tolist()
        return width, height

    @cached_property
    def _sizes(self) -> np.ndarray:
        sides = [np.fromiter(self.values(side), np.int32) for side in ("width", "height")]
        return np.stack(sides, axis=1)


def _hash(name: str) -> np.uint64:
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.frombuffer(digest, np.uint64)[0]


class Groups:
    """Rows of a Parquet file by position; the last row groups used are held.

    Args:
        path: the file.
        schema: columns that are read, and their types.
        optional: columns that the file may lack.
        check: called with each row group that is read for the first time; raises InputError.

    Raises:
        InputError: the file cannot be read, or has other columns. Every method raises it where
            rows are damaged.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        optional: Collection[str] = (),
        check: Callable[[pa.Table], None] | None = None,
    ) -> None:
        self.path, self.schema = path, schema
        self.file = open_table(path, schema, optional)
        self.names = [name for name in self.file.schema_arrow.names if name in schema.names]
        sizes = [
            self.file.metadata.row_group(number).num_rows
            for number in range(self.file.num_row_groups)
        ]
        self.starts = np.cumsum([0, *sizes])
        self.count = int(self.starts[-1])
        self.bytes_held = BYTES_HELD
        self._held: OrderedDict[int, pa.Table] = OrderedDict()
        # The next slice of whoever reads in order lies in the same row groups, mostly.
        self._sliced: tuple[tuple[int, int] | None, pa.Table] = None, pa.table({})
        self._check, self._checked = check, set[int]()

    def columns(self, *names: str) -> pa.Table:
        """Some columns, whole."""
        with guard_reading(self.path):
            return select_schema(self.file.read(columns=list(names)), self.schema)

    def batches(self, *names: str) -> Iterator[pa.RecordBatch]:
        """Some columns, so many rows at a time."""
        with guard_reading(self.path):
            yield from self.file.iter_batches(ROWS_AT_ONCE, columns=list(names))

    def values(self, name: str) -> Iterator[Any]:
        """A column, so many rows at a time."""
        for batch in self.batches(name):
            yield from batch.column(0).to_pylist()

    def column(self, name: str) -> list[Any]:
        """A column as a list."""
        values: list[Any] = self.columns(name).column(0).to_pylist()
        return values

    def table(self) -> pa.Table:
        """All rows."""
        return self._read(range(self.file.num_row_groups))

    def slice(self, start: int, stop: int) -> pa.Table:
        """The rows from `start` up to `stop`; only their row groups are read.

        Raises:
            IndexError: they are not all in the table.
        """
        if not 0 <= start < stop <= self.count:
            raise IndexError(f"{self.path}: rows {start} to {stop} of {self.count}")
        first, last = (
            int(np.searchsorted(self.starts, index, side="right")) - 1
            for index in (start, stop - 1)
        )
        held, groups = self._sliced  # at once: another thread may be reading too
        if held != (first, last):
            groups = self._read(range(first, last + 1))
            self._sliced = (first, last), groups
        return groups.slice(start - int(self.starts[first]), stop - start)

    def group(self, number: int) -> pa.Table:
        """A row group, which is not held."""
        return self._read([number])

    def row(self, index: int) -> dict[str, Any]:
        """One row.

        Raises:
            IndexError: it is not in the table.
        """
        if not 0 <= index < self.count:
            raise IndexError(f"{self.path}: row {index} of {self.count}")
        number = int(np.searchsorted(self.starts, index, side="right")) - 1
        offset = index - int(self.starts[number])
        values: dict[str, Any] = self._group(number).slice(offset, 1).to_pylist()[0]
        return values

    def take(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Several rows, in the order of `indices`."""
        numbers = np.searchsorted(self.starts, indices, side="right") - 1
        taken: list[Any] = [None] * len(indices)
        for number in np.unique(numbers):
            places = np.flatnonzero(numbers == number)
            offsets = np.asarray(indices)[places] - self.starts[number]
            rows = self._group(int(number)).take(pa.array(offsets)).to_pylist()
            for place, row in zip(places, rows, strict=True):
                taken[place] = row
        return taken

    def _group(self, number: int) -> pa.Table:
        if number not in self._held:
            self._held[number] = self._read([number])
            while len(self._held) > 1 and self._measure_held() > self.bytes_held:
                self._held.popitem(last=False)
        self._held.move_to_end(number)
        return self._held[number]

    def _read(self, numbers: Sequence[int]) -> pa.Table:
        """Row groups, checked if they are read for the first time."""
        with guard_reading(self.path):
            groups = select_schema(self.file.read_row_groups(numbers, self.names), self.schema)
        if self._check is not None and not self._checked.issuperset(numbers):
            self._check(groups)
            self._checked.update(numbers)
        return groups

    def _measure_held(self) -> int:
        return sum(table.nbytes for table in self._held.values())
