"""Whether a fastText model's file is whole: as long as its own header says.

The library (fastText 0.9, file format 12) reads a file without looking where it ends.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from ikusi import content
from ikusi.errors import InputError

MAGIC, VERSION = 793712314, 12
SETTINGS = struct.Struct("<12id")  # dimension, ..., pace of the learning rate, threshold
COUNTS = struct.Struct("<3i2q")  # entries, words, labels, tokens, pruned rows (or -1)
SHAPE = struct.Struct("<2q")
QUANTISER = struct.Struct("<4i")  # dimension, parts, their width, that of the last
CENTROIDS = 256  # of each dimension, as float32
LABEL = 1  # type of an entry that is a label


def read_labels(path: Path) -> list[str]:
    """The labels of a fastText model, in its order; the file is checked to be whole.

    Raises:
        InputError: there is no such file, it is no fastText model, or not whole.
    """
    content.expect_plain(path)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data).read()
    except OSError as error:
        raise InputError(
            f"{path}: expected a fastText model, found {error.strerror or error}"
        ) from None
    except (ValueError, struct.error) as error:  # an empty file cannot be mapped
        reason = str(error) if isinstance(error, _DamageError) else "a file that ends too early"
        raise InputError(f"{path}: expected a whole fastText model, found {reason}") from None


class _DamageError(ValueError):
    """A file is damaged; the message describes the damage."""


class _Reader:
    """Steps over the parts of a file, one after the other."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.place = data, 0

    def read(self) -> list[str]:
        if self._next(struct.Struct("<2i")) != (MAGIC, VERSION):
            raise _DamageError("another kind of file")
        self._next(SETTINGS)
        entries, _, _, _, pruned = self._next(COUNTS)
        names = [name for name, kind in (self._entry() for _ in range(entries)) if kind == LABEL]
        self.place += 8 * max(0, pruned)
        small = self._flag()
        self._matrix(small)
        self._matrix(self._flag() and small)
        if self.place != len(self.data):
            raise _DamageError(f"{len(self.data):,} bytes where its header says {self.place:,}")
        return names

    def _next(self, form: struct.Struct) -> tuple[int, ...]:
        values = form.unpack_from(self.data, self.place)
        self.place += form.size
        return values

    def _flag(self) -> bool:
        return bool(self._next(struct.Struct("<?"))[0])

    def _entry(self) -> tuple[str, int]:
        """A word or label with its count and type."""
        end = self.data.find(b"\0", self.place)
        if end < 0:
            raise _DamageError("a file that ends too early")
        name = self.data[self.place : end].decode("utf-8", "replace")
        self.place = end + 1
        _, kind = self._next(struct.Struct("<qb"))
        return name, kind

    def _matrix(self, quantised: bool) -> None:
        if not quantised:
            rows, columns = self._next(SHAPE)
            self.place += 4 * rows * columns
            return
        with_norms = self._flag()
        rows, _ = self._next(SHAPE)
        (codes,) = self._next(struct.Struct("<i"))
        self.place += codes
        self._quantiser()
        if with_norms:
            self.place += rows
            self._quantiser()

    def _quantiser(self) -> None:
        dimension, *_ = self._next(QUANTISER)
        self.place += 4 * dimension * CENTROIDS
