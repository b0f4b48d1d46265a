"""Any table, Parquet, JSON or CSV, on this machine: say which column is what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from ikusi.data.rows.schema import COLUMNS, RowType
from ikusi.data.sources import cells
from ikusi.data.sources.base import (
    Item,
    Source,
    SourceRow,
    content_id,
    converted,
    exchange,
    number_or_text,
    wanted,
)
from ikusi.data.sources.damage import BadLine
from ikusi.data.sources.llava import turns
from ikusi.data.sources.pictures import (
    Picture,
    at_url,
    beside,
    expect_no_video,
    in_cell,
    in_place,
)
from ikusi.data.sources.tables import Origin
from ikusi.errors import InputError
from ikusi.yamlfile import Section

KEYS = ("id", "image", "image_url", "image_sha256", "image_id", "group", "task")


class Options(Section):
    """Settings of a table of one's own."""

    row_type: RowType = Field(description="caption, instruction, vqa, choice or open.")
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


def _expect_our_names(options: Options) -> None:
    """Raise InputError unless all that `columns` gives a column for is ours."""
    own = [field.name for field in COLUMNS[options.row_type]]
    if options.row_type == "instruction":
        own += ["question", "answer"]
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


def _has_turns(row: Mapping[str, Any], options: Options) -> bool:
    """Whether an instruction is given as turns, rather than as question and answer."""
    if any(name.rpartition(".")[2] == "question" for name in options.columns):
        return False
    return any(_column(row, code, "turns", options) in row for code in options.languages)


def _spoken(row: Mapping[str, Any], options: Options) -> list[str]:
    """Our names of the columns that differ from language to language."""
    if options.row_type == "instruction":
        return ["turns"] if _has_turns(row, options) else ["question", "answer"]
    return [field.name for field in COLUMNS[options.row_type] if field.name != "answer"]


def _expect_own_columns(row: Mapping[str, Any], options: Options) -> None:
    """Check that no column is read in two languages.

    Raises:
        InputError: one is, and one of the two would say what the other says.
    """
    for name in _spoken(row, options):
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
    def cell(name: str) -> Any:
        return wanted(row, _column(row, code, name, options))

    if options.row_type == "caption":
        return {"text": cell("text")}
    if options.row_type == "instruction":
        if _has_turns(row, options):
            return {"turns": turns(cell("turns"))[0]}
        return {"turns": exchange(cell("question"), cell("answer"))}
    if options.row_type == "vqa":
        return {"question": cell("question"), "answers": cells.answers(cell("answers"))}
    if options.row_type == "choice":
        choices = cells.texts(cell("choices"), "choices")
        answer = cells.whole(cell("answer"), "answer")
        return {"question": cell("question"), "choices": choices, "answer": answer}
    return {"question": cell("question")}


def _picture(row: Mapping[str, Any], options: Options, root: Path | None) -> Picture | None:
    names = {name: options.columns.get(name, name) for name in KEYS}
    image, url = row.get(names["image"]), row.get(names["image_url"])
    told = row.get(names["image_id"])
    if not image and not url:
        expect_no_video(row)
    if isinstance(image, str) and image and root is not None:
        return in_place(root, image, str(told) if told is not None else None)
    if image:
        return in_cell(image, names["image"], str(told) if told is not None else None)
    return at_url(url, row.get(names["image_sha256"])) if url else None


def _read(origin: Origin, options: Options) -> Iterator[Item]:
    if origin.path is None:
        raise InputError("path: expected the table's file or folder, found none")
    _expect_our_names(options)
    root = Path(options.images) if options.images else beside(origin.path)
    names = {name: options.columns.get(name, name) for name in KEYS}

    def convert(row: dict[str, Any]) -> Item:
        _expect_own_columns(row, options)
        texts = {code: _columns(row, code, options) for code in options.languages}
        picture = _picture(row, options, root)
        named = "id" in options.columns or row.get("id") is not None
        shown = picture.image_id if picture else ""
        id = number_or_text(row, names["id"]) if named else content_id(shown, repr(texts))
        group, task = row.get(names["group"]), row.get(names["task"])
        return SourceRow(id, picture, texts, group or None, task or None)

    rows = origin.rows("table", "train")
    return converted(_first_checked(rows, options), convert, names["id"])


def _first_checked(
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
