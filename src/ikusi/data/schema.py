"""What a row of each type holds, and how a bad row is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import pyarrow as pa

RowType = Literal["caption", "instruction", "vqa", "choice", "open"]
ROW_TYPES: tuple[str, ...] = get_args(RowType)
ROLES = ("system", "user", "assistant")

TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
KEYS = [
    pa.field("id", pa.string()),
    pa.field("image_id", pa.string()),
    pa.field("group", pa.string()),
    pa.field("task", pa.string()),
]
COLUMNS: dict[str, list[pa.Field]] = {
    "caption": [pa.field("text", pa.string())],
    "instruction": [pa.field("turns", pa.list_(TURN))],
    "vqa": [pa.field("question", pa.string()), pa.field("answers", pa.list_(pa.string()))],
    "choice": [
        pa.field("question", pa.string()),
        pa.field("choices", pa.list_(pa.string())),
        pa.field("answer", pa.int32()),
    ],
    "open": [pa.field("question", pa.string())],
}
PROVENANCE = [  # of rows that were translated
    pa.field("translator", pa.string()),
    pa.field("flags", pa.list_(pa.string())),
    pa.field("score", pa.float64()),
]
IMAGES = pa.schema(
    [
        ("image_id", pa.string()),
        ("bytes", pa.binary()),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("sha256", pa.string()),
        ("source", pa.string()),
    ]
)


def rows_schema(row_type: str) -> pa.Schema:
    """Columns of a text table: keys, the type's own, and where a translation comes from."""
    return pa.schema([*KEYS, *COLUMNS[row_type], *PROVENANCE])


def fault(row_type: str, columns: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a row's columns: `column: expected X, found Y`; None if nothing."""
    own = [field.name for field in COLUMNS[row_type]]
    allowed = {*own, *(field.name for field in PROVENANCE)}
    for name in columns:
        if name not in allowed:
            return f"{name}: expected one of {', '.join(own)}, found {name}"
    for name in own:
        if name not in columns:
            return f"{name}: expected a value, found none"
        if problem := CHECKS[name](columns[name], columns):
            return f"{name}: {problem}"
    return None


def _text(value: Any, _: Mapping[str, Any]) -> str | None:
    if isinstance(value, str) and value.strip():
        return None
    return f"expected text, found {value!r}"


def _texts(value: Any, _: Mapping[str, Any]) -> str | None:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return None
    return f"expected a list of texts, found {value!r}"


def _answer(value: Any, columns: Mapping[str, Any]) -> str | None:
    count = len(columns["choices"])
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count:
        return None
    return f"expected a number from 0 to {count - 1}, found {value!r}"


def _turns(value: Any, _: Mapping[str, Any]) -> str | None:
    if not isinstance(value, list) or not value:
        return f"expected a list of turns, found {value!r}"
    for number, turn in enumerate(value):
        if not isinstance(turn, Mapping) or set(turn) != {"role", "content"}:
            return f"expected turn {number} to have a role and content, found {turn!r}"
        if turn["role"] not in ROLES:
            return f"expected turn {number} to be of {', '.join(ROLES)}, found {turn['role']!r}"
        if not isinstance(turn["content"], str) or not turn["content"].strip():
            return f"expected turn {number} to say something, found {turn['content']!r}"
    if value[-1]["role"] != "assistant":
        return f"expected the assistant to have the last turn, found {value[-1]['role']}"
    return None


CHECKS = {
    "text": _text,
    "turns": _turns,
    "question": _text,
    "answers": _texts,
    "choices": _texts,
    "answer": _answer,
}
