"""VQAv2 (Goyal et al. 2017): questions about COCO pictures, each answered by ten people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from ikusi.data.rows import cells
from ikusi.data.rows.cells import pick_value
from ikusi.data.sources.base import Item, Source, SourceRow, convert_rows, read_id
from ikusi.data.sources.pictures import Picture, find_in_cell, find_in_place
from ikusi.data.sources.tables import Origin
from ikusi.yamlfile import Section

HUB = "lmms-lab/VQAv2"


class Options(Section):
    """Settings of VQAv2."""

    images: str | None = Field(
        default=None,
        description="Folder of COCO 2014 or its archives, for a table without pictures.",
    )
    coco_folder: str = Field(default="val2014", description="COCO's folder of these pictures.")


def read_coco_id(row: dict[str, Any]) -> str | None:
    """COCO's number of a row's picture, if the row has it."""
    return read_id(row, "image_id") if row.get("image_id") is not None else None


def find_picture(row: dict[str, Any], options: Options) -> Picture:
    """The row's picture: in its cell, or among COCO's files."""
    image_id = read_coco_id(row)
    if options.images and image_id and row.get("image") is None:
        name = f"{options.coco_folder}/COCO_{options.coco_folder}_{int(image_id):012}.jpg"
        return find_in_place(Path(options.images), name, image_id)
    return find_in_cell(
        row.get("image"), source=f"COCO {image_id or ''}".strip(), image_id=image_id
    )


def read_columns(row: dict[str, Any]) -> dict[str, Any]:
    """The question and the ten answers in their order: the metric leaves out each in turn."""
    return {
        "question": row.get("question"),
        "answers": cells.read_answers(pick_value(row, "answers")),
    }


def read_task(row: dict[str, Any]) -> str | None:
    """The kind of answer: `yes/no`, `number` or `other`."""
    kind: str | None = row.get("answer_type")
    return kind


def _read(origin: Origin, options: Options) -> Iterator[Item]:
    def convert(row: dict[str, Any]) -> Item:
        id = read_id(row, "question_id")
        return SourceRow(
            id, find_picture(row, options), {"en": read_columns(row)}, task=read_task(row)
        )

    return convert_rows(origin.rows(HUB, "validation"), convert, "question_id")


SOURCES = (
    Source(
        name="vqav2",
        about="214 thousand questions about COCO pictures, with ten answers each (validation)",
        row_type="vqa",
        languages=("en",),
        licence="CC BY 4.0",
        pictures="coco-pictures",
        home=f"https://huggingface.co/datasets/{HUB}",
        read=_read,
        options=Options,
    ),
)
