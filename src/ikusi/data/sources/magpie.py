"""Magpie instructions as Latxa was trained on them (Sainz et al. 2025): text without pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import Field

from ikusi.data.rows.cells import read_turns
from ikusi.data.sources.base import (
    BadRow,
    Item,
    LeftOut,
    Source,
    SourceRow,
    convert_rows,
    read_id,
)
from ikusi.data.sources.spool import join_rows
from ikusi.data.sources.tables import Origin
from ikusi.errors import InputError
from ikusi.yamlfile import Section

HUBS = {
    "en": "HiTZ/Magpie-Llama-3.1-8B-Instruct-Filtered-1M",
    "eu": "HiTZ/Magpie-Llama-3.1-8B-Instruct-Filtered-translated-1M",
}


class Options(Section):
    """Settings of Magpie."""

    languages: list[str] = Field(
        default=["en", "eu"],
        min_length=1,
        max_length=2,
        description="Both languages, joined by conversation; or one, with all of its rows.",
    )


def _converter(code: str) -> Callable[[dict[str, Any]], Item]:
    def convert(row: dict[str, Any]) -> Item:
        id = read_id(row, "conversation_id")
        if id.startswith("translation_"):  # which the data set's card advises against
            return LeftOut("a conversation about translation")
        turns, _ = read_turns(row.get("conversations"))
        return SourceRow(id, None, {code: {"turns": turns}})

    return convert


def _table(origin: Origin, code: str) -> Iterator[Item]:
    if code not in HUBS:
        raise InputError(f"languages: expected {' or '.join(HUBS)}, found {code}")
    hub = HUBS[code]
    table = origin.within(hub.partition("/")[2])
    return convert_rows(table.rows(hub, "train"), _converter(code), "conversation_id")


def merge_languages(first: SourceRow, second: SourceRow) -> SourceRow | BadRow:
    """A conversation in both languages, as long in one as in the other."""
    texts = {**first.texts, **second.texts}
    ours, theirs = ([turn["role"] for turn in columns["turns"]] for columns in (*texts.values(),))
    if ours != theirs:
        reason = f"turns: expected as many in both languages, found {len(ours)} and {len(theirs)}"
        return BadRow(first.id, reason, texts)
    return SourceRow(first.id, first.picture, texts)


def _read(origin: Origin, options: Options) -> Iterator[Item]:
    if len(options.languages) == 1:
        return _table(origin, options.languages[0])
    one, other = options.languages
    return join_rows(_table(origin, one), _table(origin, other), merge_languages, (one, other))


SOURCES = (
    Source(
        name="magpie",
        about="a million instructions without pictures, in English and in Basque",
        row_type="instruction",
        languages=("en", "eu"),
        licence="the Llama 3.1 community licence, as the model that wrote them",
        home=f"https://huggingface.co/datasets/{HUBS['en']}",
        read=_read,
        options=Options,
    ),
)
