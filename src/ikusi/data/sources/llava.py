"""Files in LLaVA's form (https://github.com/haotian-liu/LLaVA): a list of conversations.

Pictures come first in the corpus format, so the mark `<image>` is taken out of the text. Where it
stood elsewhere, the row is flagged `picture_moved`. An id that comes again gets a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ikusi.data.rows.cells import MARK, read_turns
from ikusi.data.sources.base import Item, Source, SourceRow, convert_rows, read_id
from ikusi.data.sources.pictures import Picture, expect_no_video, find_in_place
from ikusi.data.sources.tables import Origin
from ikusi.errors import InputError
from ikusi.yamlfile import Section

MOVED = "picture_moved"
FILES = {
    "LLaVA-Pretrain": "blip_laion_cc_sbu_558k.json",
    "LLaVA-CC3M-Pretrain-595K": "chat.json",
}


class Options(Section):
    """Settings of a file in LLaVA's form."""

    table: Literal["LLaVA-Pretrain", "LLaVA-CC3M-Pretrain-595K"] = Field(
        default="LLaVA-Pretrain", description="Which of LLaVA's own data sets, on the hub."
    )
    images: str | None = Field(
        default=None, description="Folder or ZIP of the pictures; else beside the file."
    )
    languages: list[str] = Field(
        default=["en"], min_length=1, max_length=1, description="Language of the conversations."
    )


def _picture(row: dict[str, Any], root: Path | None) -> Picture | None:
    name = row.get("image")
    if isinstance(name, list):
        if len(name) > 1:
            raise InputError(f"image: expected one picture, found {len(name)}")
        name = name[0] if name else None
    if not name:
        expect_no_video(row)
        return None
    if not isinstance(name, str) or root is None:
        raise InputError(f"image: expected a file's name, found {name!r:.80}")
    return find_in_place(root, name)


def _flags(raw: list[str], pictured: bool) -> list[str]:
    marks = sum(text.count(MARK) for text in raw)
    if marks > int(pictured):
        raise InputError(f"{MARK}: expected at most {int(pictured)}, found {marks}")
    at_start = any(text.lstrip().startswith(MARK) for text in raw if raw[0] == text)
    return [MOVED] if marks and not at_start else []


def _read(origin: Origin, options: Options) -> Iterator[Item]:
    hub = f"liuhaotian/{options.table}"
    root = Path(options.images) if options.images else origin.pictures(hub, "images.zip")
    seen: Counter[str] = Counter()

    def convert(row: dict[str, Any]) -> Item:
        id, picture = read_id(row, "id"), _picture(row, root)
        turns, raw = read_turns(row.get("conversations"))
        columns: dict[str, Any] = {"turns": turns}
        if flags := _flags(raw, picture is not None):
            columns["flags"] = flags
        seen[id] += 1
        name = id if seen[id] == 1 else f"{id}#{seen[id]}"
        return SourceRow(name, picture, {options.languages[0]: columns})

    return convert_rows(origin.rows(hub, "train", file=FILES[options.table]), convert)


SOURCES = (
    Source(
        name="llava",
        about="conversations in LLaVA's JSON: LLaVA-Pretrain, CC3M-595K, or a file of your own",
        row_type="instruction",
        languages=("en",),
        licence="other (the licences of CC3M, LAION, SBU; captions by BLIP)",
        pictures="web-pictures",
        home="https://huggingface.co/datasets/liuhaotian/LLaVA-Pretrain",
        read=_read,
        options=Options,
    ),
)
