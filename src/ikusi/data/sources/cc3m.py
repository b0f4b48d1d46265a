"""Conceptual Captions 3M (Sharma et al. 2018): the captions of the paper's first stage.

The captions come split into tokens as in the Penn Treebank, all small letters, and a translator
made for text takes `it 's` or ` ,` for what they are not: so they are put together again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from ikusi.data.rows.cells import pick_value
from ikusi.data.sources.base import Item, NoOptions, Source, SourceRow, convert_rows
from ikusi.data.sources.pictures import find_in_cell
from ikusi.data.sources.tables import Origin

HUB = "pixparse/cc3m-wds"

_BRACKETS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}
_CONTRACTED = r"'(?:s|m|d|re|ve|ll)\b"
_RULES: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (re.compile(r"\s+"), " "),
    (re.compile(r"-(?:[lr][rsc])b-", re.IGNORECASE), lambda match: _BRACKETS[match[0].lower()]),
    (re.compile(r"``|''"), '"'),
    (re.compile(r'" ([^"]*?) "(?!\w)'), r'"\1"'),
    (re.compile(r"(?<![^\s(\[])' ((?:(?!')\S| (?!'))+) '(?= |$)"), r"'\1'"),
    (re.compile(rf" (n't\b|{_CONTRACTED})", re.IGNORECASE), r"\1"),
    (re.compile(r"(?<=s) '(?= |$)"), "'"),
    (re.compile(r" (?=(?:[,;:!?%)\]}]|\.+)(?: |$|[,.;:!?\"'()\[\]]))"), ""),
    (re.compile(r"(?<=[(\[{]) "), ""),
    (re.compile(r"(?<![^\s(\[])([$£€#]) (?=\w)"), r"\1"),
    (re.compile(r"\b(can) (not)\b"), r"\1\2"),
    (re.compile(r"\b(gon|wan) (na)\b|\b(got) (ta)\b"), r"\1\2\3\4"),
    # A dash and a hyphen look alike; these are hyphens whatever stands around them.
    (re.compile(r"\b(\w+) - (and|in|of|to|on|the) - (?=\w)"), r"\1-\2-"),
    (re.compile(r"(?<![\w'])(\w) - (?=\w)"), r"\1-"),
    (re.compile(r"(?<=\w) - (?=(?:up|shaped|sized|like|style|colou?red|old|based)\b)"), "-"),
]


def detokenise(caption: str) -> str:
    """A caption as one writes it.

    >>> detokenise("it 's a close - up of the dog 's nose , is n't it ?")
    "it's a close-up of the dog's nose, isn't it?"
    """
    for pattern, replacement in _RULES:
        caption = pattern.sub(replacement, caption)
    return caption.strip()


def _row(row: dict[str, Any]) -> Item:
    key, caption, about = row["__key__"], pick_value(row, "txt"), row.get("json")
    image = next((row[name] for name in ("jpg", "jpeg", "png", "webp") if name in row), None)
    url = json.loads(about).get("url") if about else None  # the validation split has none
    picture = find_in_cell(image, source=url or f"{HUB}: {key}", image_id=key)
    text = caption.decode("utf-8") if isinstance(caption, bytes) else caption
    return SourceRow(key, picture, {"en": {"text": detokenise(text)}})


def _read(origin: Origin, options: NoOptions) -> Iterator[Item]:
    return convert_rows(origin.rows(HUB, "train"), _row, "__key__")


SOURCES = (
    Source(
        name="cc3m",
        about="2.9 million pictures from the web with a caption each (Conceptual Captions)",
        row_type="caption",
        languages=("en",),
        licence="conceptual-captions (free to use, Google Inc. named as the source)",
        pictures="web-pictures",
        home="https://huggingface.co/datasets/pixparse/cc3m-wds",
        read=_read,
    ),
)
