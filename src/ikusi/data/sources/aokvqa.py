"""A-OKVQA (Schwenk et al. 2022): questions that need knowledge of the world, with four choices.

Train and validation are read, one after the other. The paper's benchmark has 2.5 thousand rows,
and only 1,145 of validation are labelled: the labels of test are not public, so more than half of
any such subset has to come from train. A model trained on A-OKVQA must not be tested on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ikusi.data.rows import cells
from ikusi.data.rows.cells import pick_value
from ikusi.data.sources.base import Item, Source, SourceRow, convert_rows, read_id
from ikusi.data.sources.pictures import Picture, find_in_cell, find_in_place
from ikusi.data.sources.tables import Origin
from ikusi.data.sources.vqav2 import read_coco_id
from ikusi.yamlfile import Section

HUB = "HuggingFaceM4/A-OKVQA"


class Options(Section):
    """Settings of A-OKVQA."""

    row_type: Literal["choice", "vqa"] = Field(
        default="choice", description="The four choices, or the ten direct answers."
    )
    images: str | None = Field(
        default=None,
        description="Folder of COCO 2017 or its archives, for the authors' own JSON files.",
    )


def _picture(row: dict[str, Any], options: Options) -> Picture:
    image_id = read_coco_id(row)
    if options.images and image_id and row.get("image") is None:
        name = f"{pick_value(row, 'split')}2017/{int(image_id):012}.jpg"
        return find_in_place(Path(options.images), name, image_id)
    return find_in_cell(
        row.get("image"), source=f"COCO {image_id or ''}".strip(), image_id=image_id
    )


def read_choice(row: dict[str, Any]) -> dict[str, Any]:
    """The question, its choices and the right one: the list and the number may be text."""
    return {
        "question": row.get("question"),
        "choices": cells.read_texts(pick_value(row, "choices"), "choices"),
        "answer": cells.read_whole(row.get("correct_choice_idx"), "correct_choice_idx"),
    }


def _direct(row: dict[str, Any]) -> dict[str, Any]:
    answers = cells.read_answers(pick_value(row, "direct_answers"), "direct_answers")
    return {"question": row.get("question"), "answers": answers}


def _read(origin: Origin, options: Options) -> Iterator[Item]:
    columns = {"choice": read_choice, "vqa": _direct}[options.row_type]

    def convert(row: dict[str, Any]) -> Item:
        id = read_id(row, "question_id")
        return SourceRow(id, _picture(row, options), {"en": columns(row)})

    return convert_rows(origin.rows(HUB, "train+validation"), convert, "question_id")


SOURCES = (
    Source(
        name="aokvqa",
        about="18 thousand questions with four choices (train and validation, see its docstring)",
        row_type="choice",
        languages=("en",),
        licence="Apache-2.0",
        pictures="coco-pictures",
        home=f"https://huggingface.co/datasets/{HUB}",
        read=_read,
        options=Options,
    ),
)
