"""The Basque sets that the paper's first author published, as ready-made targets.

https://huggingface.co/collections/lukasArana/towards-a-multimodal-large-language-model-for-basque
has the data of the Master's thesis that the paper grew from. The benchmarks have a split for each
language, and an id may be in one of them only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pydantic import Field

from ikusi.data.rows.cells import pick_value
from ikusi.data.rows.instruction import exchange
from ikusi.data.sources import aokvqa, vqav2
from ikusi.data.sources.base import (
    BadRow,
    Item,
    Source,
    SourceRow,
    convert_rows,
    find_yes_no,
    make_id,
    read_id,
)
from ikusi.data.sources.bertaqa import join_choices
from ikusi.data.sources.pictures import find_in_cell
from ikusi.data.sources.pixmo import find_picture
from ikusi.data.sources.spool import join_rows
from ikusi.data.sources.tables import Origin
from ikusi.errors import InputError
from ikusi.yamlfile import Section

AUTHOR = "lukasArana"


class Parallel(Section):
    """Settings of a set that has a split for each language."""

    languages: list[str] = Field(
        default=["en", "eu"],
        min_length=1,
        max_length=2,
        description="Both languages, joined by id; or one, with all of its rows.",
    )


Converter = Callable[[str], Callable[[dict[str, Any]], Item]]


def _together(first: SourceRow, second: SourceRow) -> SourceRow | BadRow:
    texts = {**first.texts, **second.texts}
    if all("choices" in columns for columns in texts.values()):
        return join_choices(first, second)
    return SourceRow(first.id, first.picture, texts, first.group, first.task)


def _read(name: str, converter: Converter, origin: Origin, options: Parallel) -> Iterator[Item]:
    def table(code: str) -> Iterator[Item]:
        rows = origin.rows(f"{AUTHOR}/{name}", code)
        return convert_rows(rows, converter(code), "question_id")

    if len(options.languages) == 1:
        return table(options.languages[0])
    if origin.split:
        raise InputError("split: expected none where languages are joined, give one of languages")
    one, other = options.languages
    return join_rows(table(one), table(other), _together, (one, other))


def _aokvqa(code: str) -> Callable[[dict[str, Any]], Item]:
    def convert(row: dict[str, Any]) -> Item:
        id = read_id(row, "question_id")
        shown = find_in_cell(row.get("image"), source=f"COCO, A-OKVQA {id}")
        return SourceRow(id, shown, {code: aokvqa.read_choice(row)})

    return convert


def _vqav2(code: str) -> Callable[[dict[str, Any]], Item]:
    def convert(row: dict[str, Any]) -> Item:
        id, image_id = read_id(row, "question_id"), vqav2.read_coco_id(row)
        shown = find_in_cell(row.get("image"), f"COCO, VQAv2 {id}", image_id)
        return SourceRow(id, shown, {code: vqav2.read_columns(row)}, task=vqav2.read_task(row))

    return convert


def _wildvision(code: str) -> Callable[[dict[str, Any]], Item]:
    def convert(row: dict[str, Any]) -> Item:
        id = read_id(row, "question_id")
        shown = find_in_cell(row.get("image"), source=f"WildVision {id}")
        return SourceRow(
            id, shown, {code: {"question": pick_value(row, "instruction", "question")}}
        )

    return convert


def _capqa(code: str) -> Callable[[dict[str, Any]], Item]:
    """The rows have no id: a row is the n-th about its picture, in either language."""
    words = find_yes_no(code)
    known = {
        word.lower(): place
        for pack in (words, find_yes_no("en"))
        for place, word in enumerate(pack)
    }
    seen: Counter[str] = Counter()

    def convert(row: dict[str, Any]) -> Item:
        shown = find_in_cell(row.get("image"), source="PixMo-CapQA")
        seen[shown.image_id] += 1
        answer = str(pick_value(row, "answer")).strip(" .").lower()
        if answer not in known:
            raise InputError(f"answer: expected {' or '.join(words)}, found {answer!r:.80}")
        columns = {
            "question": row.get("question"),
            "choices": list(words),
            "answer": known[answer],
        }
        id = f"{shown.image_id[:16]}-{seen[shown.image_id]}"
        return SourceRow(id, shown, {code: columns}, stratum=str(known[answer]))

    return convert


def _ama(code: str) -> Callable[[dict[str, Any]], Item]:
    def convert(row: dict[str, Any]) -> Item:
        question, answer, shown = (
            pick_value(row, "question"),
            pick_value(row, "answer"),
            find_picture(row),
        )
        id = make_id(shown.image_id, str(question), str(answer))
        return SourceRow(id, shown, {code: {"turns": exchange(question, answer)}})

    return convert


class OnlyBasque(Parallel):
    """Settings of a set that has one split, in Basque."""

    languages: list[str] = Field(
        default=["eu"], min_length=1, max_length=1, description="The language of its rows."
    )


def _read_ama(origin: Origin, options: OnlyBasque) -> Iterator[Item]:
    rows = origin.rows(f"{AUTHOR}/pixmo-ask-model-anything-eu", "train")
    return convert_rows(rows, _ama(options.languages[0]), "image_url")


def _source(
    name: str, dataset: str, row_type: str, about: str, converter: Converter, pictures: str
) -> Source:
    return Source(
        name=name,
        about=about,
        row_type=row_type,
        languages=("en", "eu"),
        licence="as the set it was translated from",
        pictures=pictures,
        home=f"https://huggingface.co/datasets/{AUTHOR}/{dataset}",
        read=partial(_read, dataset, converter),
        options=Parallel,
    )


SOURCES = (
    _source(
        "aokvqa_eu",
        "A-OK-VQA-eu",
        "choice",
        "2.5 thousand A-OKVQA rows in Basque",
        _aokvqa,
        "coco-pictures",
    ),
    _source(
        "vqav2_eu",
        "vqa-v2-eu",
        "vqa",
        "5 thousand VQAv2 rows in Basque",
        _vqav2,
        "coco-pictures",
    ),
    _source(
        "pixmo_capqa_eu",
        "Pixmo-cap-qa-eu",
        "choice",
        "5 thousand CapQA rows in Basque",
        _capqa,
        "web-pictures",
    ),
    _source(
        "wildvision_eu",
        "WildVision",
        "open",
        "the WildVision rows kept, in Basque",
        _wildvision,
        "none is stated",
    ),
    Source(
        name="pixmo_ama_eu",
        about="146 thousand rows of PixMo Ask-Model-Anything in Basque",
        row_type="instruction",
        languages=("eu",),
        licence="ODC-BY-1.0",
        home=f"https://huggingface.co/datasets/{AUTHOR}/pixmo-ask-model-anything-eu",
        pictures="web-pictures",
        read=_read_ama,
        options=OnlyBasque,
        remote=True,
    ),
)
