"""The tables of a release: Parquet that says which column is a picture, in files of known digest.

Row groups go from the corpus's tables to the release's one by one. Pictures stay the bytes that
they are: they are neither decoded nor compressed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ikusi import disk
from ikusi.data.corpus import Corpus
from ikusi.data.groups import IMAGES, Groups
from ikusi.data.parquet import guard_reading, open_table, select_schema
from ikusi.data.released import HELD, LISTED, SHOWN, File
from ikusi.publish.features import describe_features, list_leaves
from ikusi.publish.origins import strip_places

BYTES = "image.bytes"  # the column of pictures, as Parquet calls it
CHUNK = 2**18  # bytes that are hashed at once
BEHIND = 2**25  # bytes that are handed to the disk at once, while more are written
PICTURES_AT_ONCE = 8  # that are laid into a page before its size is looked at
SHARD_BYTES = 500 * 10**6
"""About how large a file becomes: the hub shows and downloads such files well."""


@dataclass(frozen=True)
class Part:
    """A row group to be written: its size in bytes, and how to read it."""

    size: int
    read: Callable[[], pa.Table]


@dataclass(frozen=True)
class Planned:
    """A table to be written: its columns, and its row groups by file."""

    schema: pa.Schema
    files: Mapping[str, Sequence[Part]]


def plan_rows(corpus: Corpus, language: str, split: str) -> Planned:
    """The rows of one language."""
    groups = corpus.row_groups(language)
    sizes = _measure(groups.file, groups.names)
    read = partial(_read_rows, groups)
    parts = [Part(size, partial(read, number)) for number, size in enumerate(sizes)]
    return Planned(corpus.row_type.schema, _name_files(f"data/{language}", split, parts))


def _read_rows(groups: Groups, number: int) -> pa.Table:
    """Rows as a release has them: a program that translated is named, not where it lay."""
    table = groups.group(number)
    place = table.schema.get_field_index("translator")
    if place < 0 or table["translator"].null_count == len(table):
        return table
    names = table["translator"].dictionary_encode().combine_chunks()
    stripped = pa.array([strip_places(name) for name in names.dictionary.to_pylist()], pa.string())
    return table.set_column(place, "translator", stripped.take(names.indices))


def plan_pictures(corpus: Corpus, split: str, *, inline: bool, opened: ExitStack) -> Planned:
    """The pictures, held by the table or only said where they are.

    Args:
        corpus: that stores them.
        split: part of the files' names.
        inline: whether the table holds them.
        opened: closes what is read from.
    """
    parts = []
    for path in (groups.path for groups in corpus.image_groups):
        file = opened.enter_context(open_table(path, IMAGES, mapped=False))
        sizes = _measure(file, IMAGES.names if inline else LISTED.names)
        read = _PictureReader(path, file, inline)
        parts += [Part(size, partial(read, number)) for number, size in enumerate(sizes)]
    return Planned(HELD if inline else LISTED, _name_files("images", split, parts))


@dataclass(frozen=True)
class _PictureReader:
    """Reads row groups of a corpus's pictures as a release has them."""

    path: Path
    file: pq.ParquetFile
    inline: bool

    def __call__(self, number: int) -> pa.Table:
        names = IMAGES.names if self.inline else LISTED.names
        with guard_reading(self.path):
            table = select_schema(self.file.read_row_group(number, columns=names), IMAGES)
        columns = {name: table[name] for name in LISTED.names}
        columns["source"] = _strip_places(columns["source"])
        if self.inline:
            columns["image"] = pa.chunked_array(map(_show, table["bytes"].chunks), SHOWN)
        schema = HELD if self.inline else LISTED
        return pa.table([columns[name] for name in schema.names], schema=schema)


def _show(pictures: pa.BinaryArray) -> pa.StructArray:
    """Pictures as cells, of the same bytes in memory."""
    paths = pa.nulls(len(pictures), pa.string())
    return pa.StructArray.from_arrays([pictures, paths], fields=list(SHOWN))


def _strip_places(sources: pa.ChunkedArray) -> pa.ChunkedArray:
    """The sources of pictures; of a file on the machine that read it, only the file's name."""
    return pc.replace_substring_regex(sources, r"^(?:/|[A-Za-z]:[\\/]).*[\\/]([^\\/]+)$", r"\1")


def _measure(file: pq.ParquetFile, names: Sequence[str]) -> list[int]:
    """Bytes of some columns in each row group, uncompressed."""
    metadata, sizes = file.metadata, []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = (group.column(place) for place in range(group.num_columns))
        wanted = (one for one in columns if one.path_in_schema.split(".")[0] in names)
        sizes.append(sum(one.total_uncompressed_size for one in wanted))
    return sizes


def _name_files(place: str, split: str, parts: Sequence[Part]) -> dict[str, list[Part]]:
    """Row groups in files of about `SHARD_BYTES`, which are named as the hub's are."""
    files: list[list[Part]] = [[]]
    held = 0
    for part in parts:
        if files[-1] and held + part.size > SHARD_BYTES:
            files.append([])
            held = 0
        files[-1].append(part)
        held += part.size
    count = len(files)
    return {f"{place}/{split}-{n:05}-of-{count:05}.parquet": own for n, own in enumerate(files)}


def write_file(path: Path, schema: pa.Schema, parts: Sequence[Part]) -> File:
    """Write a file of a table, whole or not at all.

    The next row group is read, and the one before is hashed, while one is written.
    """
    disk.make_folder(path.parent)
    described, rows = describe_features(schema), 0
    with disk.replace_file(path) as aside, _Follower(aside) as follower:
        with (
            pa.OSFile(str(aside), "wb") as file,
            pq.ParquetWriter(file, described, **_settings(schema)) as writer,
        ):
            for table in _read_ahead(parts):
                writer.write_table(table.replace_schema_metadata(described.metadata))
                rows += len(table)
                follower.follow(file.tell())
        size = aside.stat().st_size
        return File(sha256=follower.find_digest(size), bytes=size, rows=rows)


def _read_ahead(parts: Sequence[Part]) -> Iterator[pa.Table]:
    """The row groups in order, each read while the one before is written."""
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(parts[0].read) if parts else None
        for following in (*parts[1:], None):
            if ahead is None:
                return
            table = ahead.result()
            ahead = pool.submit(following.read) if following else None
            yield table


def _settings(schema: pa.Schema) -> dict[str, Any]:
    """Settings of a table's file: pictures are compressed already, no statistic of them is kept.

    Pages have no checksums, as the digest of the file says more.
    """
    leaves = list_leaves(schema)
    texts = [name for name in leaves if name != BYTES]
    return {
        "compression": {name: "zstd" if name in texts else "none" for name in leaves},
        "use_dictionary": texts,
        "write_batch_size": PICTURES_AT_ONCE if BYTES in leaves else None,
        "write_statistics": texts,
        "write_page_index": True,
    }


class _Follower:
    """Hashes a file behind whoever writes it, and hands it to the disk, each in a thread: both
    free Python for others."""

    def __init__(self, path: Path) -> None:
        self._path, self._digest = path, hashlib.sha256()
        self._hashes, self._flushes = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._ahead = self._handed = 0
        self._held = memoryview(bytearray(CHUNK))  # used again and again, so it stays in the cache
        self._steps: list[Future[None]] = []

    def follow(self, size: int) -> None:
        """Hash what lies before `size`, which is written for good, and hand it to the disk: where
        all of a file is handed over at its end, all wait for it."""
        self._steps.append(self._hashes.submit(self._hash, self._ahead, size))
        self._ahead = size
        if size - self._handed >= BEHIND:
            self._steps.append(self._flushes.submit(disk.flush, self._path))
            self._handed = size

    def find_digest(self, size: int) -> str:
        """The SHA-256 of the whole file, which has this size."""
        self.follow(size)
        for step in self._steps:
            step.result()
        return self._digest.hexdigest()

    def _hash(self, start: int, stop: int) -> None:
        with self._path.open("rb", buffering=0) as file:
            file.seek(start)
            while start < stop:
                count = file.readinto(self._held[: stop - start])
                if not count:
                    raise OSError(f"{self._path}: expected {stop} bytes, found {start}")
                self._digest.update(self._held[:count])
                start += count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in (self._hashes, self._flushes):
            pool.shutdown(cancel_futures=True)
