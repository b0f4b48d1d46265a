"""Any table, Parquet, JSON or CSV, on this machine: say which column is what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from ikusi.data import rows as row_types
from ikusi.data.rows.cells import pick_value
from ikusi.data.sources.base import (
    Item,
    Source,
    SourceRow,
    convert_rows,
    make_id,
    read_id,
)
from ikusi.data.sources.damage import BadLine
from ikusi.data.sources.pictures import (
    Picture,
    expect_no_video,
    find_at_url,
    find_in_cell,
    find_in_place,
    locate_beside,
)
from ikusi.data.sources.tables import Origin
from ikusi.errors import InputError
from ikusi.yamlfile import Section

KEYS = ("id", "image", "image_url", "image_sha256", "image_id", "group", "task")


class Options(Section):
    """Settings of a table of one's own."""

    row_type: row_types.Name = Field(description="Type of its rows.")
    languages: list[str] = Field(
        default=["en"], min_length=1, description="Codes of the languages that the table holds."
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Our name -> the table's: id, image (bytes, or a file's name), image_url, "
        "image_sha256, image_id, group, task, and the row type's own, such as question or "
        "eu.question. An instruction may be turns, or question and answer. A column of the same "
        "name, eu.question too, needs no entry.",
    )
    images: str | None = Field(
        default=None, description="Folder or ZIP of the pictures; else beside the table."
    )


def _ways(options: Options) -> tuple[tuple[str, ...], ...]:
    """Our names of the columns by which the table may give a row, in as many ways."""
    row_type = row_types.load(options.row_type)
    return row_type.ways or (row_type.names,)


def _expect_our_names(options: Options) -> None:
    """Raise InputError unless all that `columns` gives a column for is ours."""
    own = list(dict.fromkeys(name for way in _ways(options) for name in way))
    known = [*KEYS, *own, *(f"{code}.{name}" for code in options.languages for name in own)]
    for name in options.columns:
        if name not in known:
            raise InputError(f"columns: expected one of {', '.join(known)}, found {name}")


def _column(row: Mapping[str, Any], code: str, name: str, options: Options) -> str:
    """The table's column of one of our names in one language; the language's own comes first."""
    own, names = f"{code}.{name}", options.columns
    if own in names:
        return names[own]
    return own if own in row else names.get(name, name)


def _way(row: Mapping[str, Any], options: Options) -> tuple[str, ...]:
    """The columns by which a table gives its rows: the settings say so, or their names do."""
    *usual, last = _ways(options)
    mapped = {name.rpartition(".")[2] for name in options.columns}
    for way in usual:
        if last[0] in mapped:
            return last
        if any(_column(row, code, way[0], options) in row for code in options.languages):
            return way
    return last


def _expect_own_columns(row: Mapping[str, Any], options: Options) -> None:
    """Check that no column is read in two languages.

    Raises:
        InputError: one is, and one of the two would say what the other says.
    """
    shared = row_types.load(options.row_type).shared
    for name in (name for name in _way(row, options) if name not in shared):
        taken: dict[str, str] = {}
        for code in options.languages:
            theirs = _column(row, code, name, options)
            if theirs in taken:
                raise InputError(
                    f"{code}.{name}: expected a column of its own, such as {code}.{name}, "
                    f"found {theirs}, which is {taken[theirs]}.{name} already"
                )
            taken[theirs] = code


def _columns(row: Mapping[str, Any], code: str, options: Options) -> dict[str, Any]:
    way = _way(row, options)
    cells = {name: pick_value(row, _column(row, code, name, options)) for name in way}
    return row_types.load(options.row_type).read(cells)


def _picture(row: Mapping[str, Any], options: Options, root: Path | None) -> Picture | None:
    names = {name: options.columns.get(name, name) for name in KEYS}
    image, url = row.get(names["image"]), row.get(names["image_url"])
    image_id = row.get(names["image_id"])
    if not image and not url:
        expect_no_video(row)
    if isinstance(image, str) and image and root is not None:
        return find_in_place(root, image, str(image_id) if image_id is not None else None)
    if image:
        return find_in_cell(image, names["image"], str(image_id) if image_id is not None else None)
    return find_at_url(url, row.get(names["image_sha256"])) if url else None


def _read(origin: Origin, options: Options) -> Iterator[Item]:
    if origin.path is None:
        raise InputError("path: expected the table's file or folder, found none")
    _expect_our_names(options)
    root = Path(options.images) if options.images else locate_beside(origin.path)
    names = {name: options.columns.get(name, name) for name in KEYS}

    def convert(row: dict[str, Any]) -> Item:
        _expect_own_columns(row, options)
        texts = {code: _columns(row, code, options) for code in options.languages}
        picture = _picture(row, options, root)
        named = "id" in options.columns or row.get("id") is not None
        shown = picture.image_id if picture else ""
        id = read_id(row, names["id"]) if named else make_id(shown, repr(texts))
        group, task = row.get(names["group"]), row.get(names["task"])
        return SourceRow(id, picture, texts, group or None, task or None)

    rows = origin.rows("table", "train")
    return convert_rows(_check_first(rows, options), convert, names["id"])


def _check_first(
    rows: Iterator[dict[str, Any] | BadLine], options: Options
) -> Iterator[dict[str, Any] | BadLine]:
    """The rows; where the first one's columns are wrong, so are all rows', and nothing is read."""
    first = next(rows, None)
    if first is None:
        return
    if isinstance(first, dict):
        _expect_own_columns(first, options)
    yield first
    yield from rows


SOURCES = (
    Source(
        name="table",
        about="a table of your own: Parquet, JSON or CSV, with a map of its columns",
        row_type="any",
        languages=("en",),
        licence="its own",
        home="",
        read=_read,
        options=Options,
        remote=True,
    ),
)
