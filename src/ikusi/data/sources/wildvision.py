"""WildVision (Lu et al. 2024): what people asked about their own pictures; no right answers.

The paper keeps 199 of 500 rows, which a person chose: give their ids in a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ikusi.data.sources.base import (
    BadRow,
    Item,
    LeftOut,
    Source,
    SourceRow,
    convert_rows,
    read_id,
)
from ikusi.data.sources.pictures import find_in_cell
from ikusi.data.sources.tables import Origin
from ikusi.errors import InputError
from ikusi.yamlfile import Section

BENCH, ARENA = "WildVision/wildvision-bench", "WildVision/wildvision-arena-data"
TABLES = {
    "vision_bench_0617": (BENCH, "test"),
    "vision_bench_0701": (BENCH, "test"),
    "release_bench_0617": (ARENA, "test500"),
    "release_bench_0617_with_modelresponse": (ARENA, "test500"),
}


class Options(Section):
    """Settings of WildVision."""

    table: Literal[
        "vision_bench_0617",
        "vision_bench_0701",
        "release_bench_0617",
        "release_bench_0617_with_modelresponse",
    ] = Field(default="vision_bench_0617", description="Which release; the first two are bench's.")
    keep: str | None = Field(
        default=None, description="File with an id a line: only these rows are wanted."
    )


def read_keep_list(path: str | None) -> set[str] | None:
    """The ids of a keep-list, a line each; blank lines and lines that begin with # do not count.

    Raises:
        InputError: the file cannot be read, or names no row.
    """
    if path is None:
        return None
    try:
        lines = map(str.strip, Path(path).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a file of ids, found {error}") from error
    ids = {line for line in lines if line and not line.startswith("#")}
    if not ids:
        raise InputError(f"{path}: expected an id a line, found none")
    return ids


def keep_only(items: Iterator[Item], ids: set[str] | None) -> Iterator[Item]:
    """The rows with these ids; an id that no row has becomes a `BadRow`."""
    if ids is None:
        yield from items
        return
    missing = set(ids)
    for item in items:
        if isinstance(item, SourceRow) and item.id not in ids:
            yield LeftOut("not in the keep-list")
            continue
        if isinstance(item, SourceRow | BadRow):
            missing.discard(item.id)
        yield item
    for id in sorted(missing):
        yield BadRow(id, "keep-list: expected a row of this id, found none", None)


def _convert(row: dict[str, Any]) -> Item:
    if (row.get("language") or "English") != "English":
        return LeftOut("not in English")
    id = read_id(row, "question_id")
    picture = find_in_cell(row.get("image"), source=f"WildVision {id}")
    return SourceRow(id, picture, {"en": {"question": row.get("instruction")}})


def _read(origin: Origin, options: Options) -> Iterator[Item]:
    hub, split = TABLES[options.table]
    rows = origin.rows(hub, split, config=options.table)
    return keep_only(convert_rows(rows, _convert, "question_id"), read_keep_list(options.keep))


SOURCES = (
    Source(
        name="wildvision",
        about="500 questions of people about their own pictures, without answers",
        row_type="open",
        languages=("en",),
        licence="CC BY 4.0 (arena data; none is stated for bench)",
        pictures="none is stated",
        home=f"https://huggingface.co/datasets/{BENCH}",
        read=_read,
        options=Options,
    ),
)
