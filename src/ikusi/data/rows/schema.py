"""What a row of each type holds, and how a bad row is told."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from math import isfinite
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
OPTIONAL = frozenset({"image_id", "group", "task", *(field.name for field in PROVENANCE)})
"""Columns that a table of rows may lack, as its rows may have nothing there."""

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


def texts(row_type: str, columns: Mapping[str, Any]) -> list[str]:
    """The texts of a row in the order in which they are translated.

    >>> texts("choice", {"question": "What is it?", "choices": ["a cat", "a dog"], "answer": 0})
    ['What is it?', 'a cat', 'a dog']
    """
    if row_type == "caption":
        return [columns["text"]]
    if row_type == "instruction":
        return [turn["content"] for turn in columns["turns"]]
    return [columns["question"], *columns.get("answers", ()), *columns.get("choices", ())]


def with_texts(row_type: str, columns: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """The type's own columns of a row with other texts, in the order of `texts`.

    >>> with_texts("vqa", {"question": "Is it?", "answers": ["yes"]}, ["Al da?", "bai"])
    {'question': 'Al da?', 'answers': ['bai']}
    """
    if row_type == "caption":
        return {"text": texts[0]}
    if row_type == "instruction":
        turns = zip(columns["turns"], texts, strict=True)
        return {"turns": [{"role": turn["role"], "content": text} for turn, text in turns]}
    if row_type == "vqa":
        return {"question": texts[0], "answers": list(texts[1:])}
    if row_type == "choice":
        return {"question": texts[0], "choices": list(texts[1:]), "answer": columns["answer"]}
    return {"question": texts[0]}


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
    for name in (*own, *(name for name in columns if name not in own)):
        if problem := CHECKS[name](columns[name], columns):
            return f"{name}: {problem}"
    return None


def key_fault(id: Any, group: Any, task: Any) -> str | None:
    """Say what is wrong with a row's own names, as `fault` does."""
    if not _is_text(id) or not id:
        return f"id: expected text, found {_told(id)}"
    for name, value in (("group", group), ("task", task)):
        if value is not None and not _is_text(value):
            return f"{name}: expected text or nothing, found {_told(value)}"
    return None


def _is_text(value: Any) -> bool:
    """Whether a value is text that can be stored: half of a surrogate pair cannot."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _told(value: Any) -> str:
    """A value in a message: on one line, and short."""
    return " ".join(_short.repr(value).split())


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def _text(value: Any, _: Mapping[str, Any]) -> str | None:
    if _is_text(value) and value.strip():
        return None
    return f"expected text, found {_told(value)}"


def _texts(value: Any, _: Mapping[str, Any]) -> str | None:
    if isinstance(value, list) and value and all(_is_text(item) for item in value):
        return None
    return f"expected a list of texts, found {_told(value)}"


def _answers(value: Any, columns: Mapping[str, Any]) -> str | None:
    if problem := _texts(value, columns):
        return problem
    if not value[0].strip():  # the one that is trained on
        return f"expected the first answer to say something, found {_told(value[0])}"
    return None


def _choices(value: Any, columns: Mapping[str, Any]) -> str | None:
    if problem := _texts(value, columns):
        return problem
    if not all(item.strip() for item in value):
        return f"expected every choice to say something, found {_told(value)}"
    if len(set(value)) < len(value):
        return f"expected different choices, found {_told(value)}"
    return None


def _translator(value: Any, _: Mapping[str, Any]) -> str | None:
    return None if value is None or _is_text(value) else f"expected text, found {_told(value)}"


def _flags(value: Any, columns: Mapping[str, Any]) -> str | None:
    return None if value is None or value == [] else _texts(value, columns)


def _score(value: Any, _: Mapping[str, Any]) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or (number and isfinite(value)):
        return None
    return f"expected a number, found {_told(value)}"


def _answer(value: Any, columns: Mapping[str, Any]) -> str | None:
    count = len(columns["choices"])
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count:
        return None
    return f"expected a number from 0 to {count - 1}, found {_told(value)}"


def _turns(value: Any, _: Mapping[str, Any]) -> str | None:
    if not isinstance(value, list) or not value:
        return f"expected a list of turns, found {_told(value)}"
    for number, turn in enumerate(value):
        if not isinstance(turn, Mapping) or set(turn) != {"role", "content"}:
            return f"expected turn {number} to have a role and content, found {_told(turn)}"
        if turn["role"] not in ROLES:
            told = _told(turn["role"])
            return f"expected turn {number} to be of {', '.join(ROLES)}, found {told}"
        if not _is_text(turn["content"]) or not turn["content"].strip():
            return f"expected turn {number} to say something, found {_told(turn['content'])}"
    if value[-1]["role"] != "assistant":
        return f"expected the assistant to have the last turn, found {value[-1]['role']}"
    first = next(turn["role"] for turn in value if turn["role"] != "system")
    if first != "user":
        return f"expected the user to have the first turn after any system's, found {first}"
    return None


CHECKS = {
    "text": _text,
    "turns": _turns,
    "question": _text,
    "answers": _answers,
    "choices": _choices,
    "answer": _answer,
    "translator": _translator,
    "flags": _flags,
    "score": _score,
}
