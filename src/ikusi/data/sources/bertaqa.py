"""BertaQA (Etxaniz et al. 2024): trivia with three choices, about the Basque Country and at large.

The rows are parallel by id. `bertaqa.yaml` says which of the data set's groups are local.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ikusi import yamlfile
from ikusi.data.rows import cells
from ikusi.data.rows.cells import pick_value
from ikusi.data.sources.base import (
    BadRow,
    Item,
    NoOptions,
    Source,
    SourceRow,
    convert_rows,
    read_id,
)
from ikusi.data.sources.spool import join_rows
from ikusi.data.sources.tables import Origin

HUB = "HiTZ/BertaQA"
GROUPS = Path(__file__).with_suffix(".yaml")


def join_choices(first: SourceRow, second: SourceRow) -> SourceRow | BadRow:
    """A question in both languages, with the same choice right in both."""
    texts = {**first.texts, **second.texts}
    one, other = texts.values()
    counts = len(one["choices"]), len(other["choices"])
    if counts[0] != counts[1]:
        reason = f"choices: expected as many in both languages, found {counts[0]} and {counts[1]}"
        return BadRow(first.id, reason, texts)
    if one["answer"] != other["answer"]:
        answers = f"{one['answer']} and {other['answer']}"
        reason = f"answer: expected the same in both languages, found {answers}"
        return BadRow(first.id, reason, texts)
    return SourceRow(first.id, first.picture, texts, first.group, first.task, first.stratum)


def _table(origin: Origin, code: str) -> Iterator[Item]:
    groups = yamlfile.read(GROUPS).data

    def convert(row: dict[str, Any]) -> Item:
        columns = {
            "question": row.get("question"),
            "choices": cells.read_texts(pick_value(row, "candidates"), "candidates"),
            "answer": cells.read_whole(row.get("answer"), "answer"),
        }
        group = row.get("group")
        group = groups.get(str(group), group)
        id = read_id(row, "id")
        return SourceRow(id, None, {code: columns}, group=group, task=row.get("category"))

    return convert_rows(origin.rows(HUB, "test", config=code), convert)


def _read(origin: Origin, options: NoOptions) -> Iterator[Item]:
    return join_rows(_table(origin, "eu"), _table(origin, "en"), join_choices, ("eu", "en"))


SOURCES = (
    Source(
        name="bertaqa",
        about="4,756 trivia questions in Basque and English, local and global; no pictures",
        row_type="choice",
        languages=("eu", "en"),
        licence="CC BY 4.0",
        home=f"https://huggingface.co/datasets/{HUB}",
        read=_read,
    ),
)
