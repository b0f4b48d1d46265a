"""A corpus that was published: its `release.json`, and its tables read and checked.

`release.json` lists every file with its SHA-256. Rows lie in `data/<language>/`, pictures in
`images/`, each once; all are Parquet, and a table is one or more files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from ikusi import jsonfile
from ikusi.content import expect_plain
from ikusi.data import rows as row_types
from ikusi.data.groups import IMAGES, Groups
from ikusi.data.judged import Accepted
from ikusi.data.parquet import guard_reading, open_table, select_schema
from ikusi.data.rows.base import RowType
from ikusi.data.rows.columns import OPTIONAL
from ikusi.errors import InputError
from ikusi.recipe.values import is_name

ABOUT = "release.json"
FORMAT = 1
PICTURES = "images"
"""Name of the table of pictures; the tables of rows have that of their language."""

SHOWN = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""A picture in a cell, as the `datasets` library has it."""

LISTED = pa.schema([IMAGES.field(name) for name in IMAGES.names if name != "bytes"])
"""Columns of a table of pictures that says where they are and does not hold them."""

HELD = pa.schema([LISTED.field(0), pa.field("image", SHOWN), *list(LISTED)[1:]])
"""Columns of a table that holds them."""


class File(jsonfile.Record):
    """A file of a release: its digest, its size in bytes, and the rows of a table in it."""

    sha256: str
    bytes: int
    rows: int | None = None


class Release(jsonfile.Record):
    """The content of a release's `release.json`.

    ``pictures``: whether it holds them (`inline`) or says where they are (`url`). ``made``: how
    the corpus was made, step by step. ``used``: training of a study -> language -> rows that it
    read. ``tables``: the files of each table, in order.
    """

    format: int
    kind: Literal["corpus"]
    name: str
    row_type: row_types.Name
    languages: list[str]
    split: str
    rows: int
    images: int
    pictures: Literal["inline", "url"]
    accepted: Accepted | None = None
    made: list[dict[str, Any]]
    used: dict[str, dict[str, int]] = Field(default_factory=dict)
    tables: dict[str, list[str]]
    files: dict[str, File]


def is_release(folder: Path) -> bool:
    """Whether a folder holds a release of a corpus, whole or not."""
    return (folder / ABOUT).is_file()


def read_about(folder: Path) -> Release:
    """Read the `release.json` of a release.

    Raises:
        InputError: there is no release, it is of another kind or of a later version, or it names
            files that are not its own.
    """
    path = folder / ABOUT
    release = jsonfile.read(path, Release, "a release of a corpus")
    if release.format != FORMAT:
        raise InputError(f"{path}: format: expected {FORMAT}, found {release.format}")
    codes = release.languages
    if not codes or not all(map(is_name, codes)) or len(set(codes)) != len(codes):
        actual = ", ".join(map(repr, codes)) or "none"
        raise InputError(f"{path}: languages: expected different codes, found {actual}")
    wanted = {*codes, *([PICTURES] if release.images else [])}
    if missing := wanted - set(release.tables):
        raise InputError(f"{path}: tables: expected {', '.join(sorted(missing))}, found none")
    for name in (*release.files, *(name for names in release.tables.values() for name in names)):
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or not all(map(is_name, parts)):
            raise InputError(f"{path}: files: expected names below its folder, found {name!r}")
        if name not in release.files:
            raise InputError(f"{path}: files: expected {name}, found none")
    return release


def check_files(
    folder: Path, release: Release, progress: Callable[[int], None] | None = None
) -> None:
    """Check that every file of a release is there, with the bytes that it says.

    Raises:
        InputError: one is absent, or has others.
    """
    done = 0
    for name, wanted in release.files.items():
        path = folder / name
        expect_plain(path)
        if not path.is_file():
            raise InputError(f"{path}: expected a file of the release, found none")
        digest = hash_plainly(path)
        if digest != wanted.sha256:
            problem = f"expected bytes with the SHA-256 {wanted.sha256}, found {digest}"
            raise InputError(f"{path}: {problem}")
        done += wanted.bytes
        if progress:
            progress(done)


def hash_plainly(path: Path) -> str:
    """The SHA-256 of a file, as the hub and Croissant give it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_rows(folder: Path, release: Release, language: str) -> Iterator[pa.Table]:
    """The rows of one language, a row group at a time.

    Raises:
        InputError: a table cannot be read, or a row is bad.
    """
    row_type = row_types.load(release.row_type)
    for name in release.tables[language]:
        path = folder / name
        groups = Groups(path, row_type.schema, OPTIONAL, _make_check(path, row_type))
        for number in range(groups.file.num_row_groups):
            yield groups.group(number)


def _make_check(path: Path, row_type: RowType) -> Callable[[pa.Table], None]:
    def check(rows: pa.Table) -> None:
        for place, problem in row_type.faults(rows).items():
            raise InputError(f"{path}: row {rows['id'][place]}: {problem}")

    return check


def read_together(folder: Path, release: Release) -> Iterator[dict[str, pa.Table]]:
    """The same rows in all languages, some at a time.

    Raises:
        InputError: a table cannot be read, a row is bad, or a language has more rows than another.
    """
    streams = {code: read_rows(folder, release, code) for code in release.languages}
    held: dict[str, pa.Table | None] = dict.fromkeys(streams)
    while True:
        for code, stream in streams.items():
            if held[code] is None:
                held[code] = next((table for table in stream if len(table)), None)
        tables = {code: table for code, table in held.items() if table is not None}
        if not tables:
            return
        if len(tables) < len(streams):
            ended = ", ".join(streams.keys() - tables.keys())
            raise InputError(f"{folder}: {ended}: expected as many rows as in {', '.join(tables)}")
        count = min(map(len, tables.values()))
        yield {code: table.slice(0, count) for code, table in tables.items()}
        for code, table in tables.items():
            held[code] = table.slice(count) if len(table) > count else None


def read_pictures(folder: Path, release: Release) -> Iterator[pa.Table]:
    """The pictures as a corpus stores them, a row group at a time.

    Raises:
        InputError: a table cannot be read.
    """
    for name in release.tables.get(PICTURES, []):
        path = folder / name
        with open_table(path, HELD, mapped=False) as file, guard_reading(path):
            for number in range(file.num_row_groups):
                yield _to_stored(select_schema(file.read_row_group(number, HELD.names), HELD))


def _to_stored(table: pa.Table) -> pa.Table:
    held = table["image"].combine_chunks()
    columns: Mapping[str, Any] = {name: table[name] for name in LISTED.names}
    columns = {**columns, "bytes": pc.struct_field(held, "bytes")}
    return pa.table([columns[name] for name in IMAGES.names], schema=IMAGES)
