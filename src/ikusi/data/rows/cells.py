"""Cells of tables, in the forms that data sets have them in, as a row's columns need them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from ikusi.errors import InputError

MARK = "<image>"
ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)


def read_texts(value: Any, name: str) -> list[str]:
    """A list of texts, which may be written as JSON, as Python does or as NumPy does.

    NumPy puts no commas: Python would read `['a cat' 'a dog']` as one text.

    Raises:
        InputError: it is no list of texts.

    >>> read_texts("['a cat' \\"a dog's bone\\"]", "choices")
    ['a cat', "a dog's bone"]
    """
    if isinstance(value, str):
        value = _parse(value.strip())
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{name}: expected a list of texts, found {value!r:.80}")
    return value


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    if not (text.startswith("[") and text.endswith("]")) or _LITERAL.sub("", text).strip("[], \n"):
        return text
    try:
        return [ast.literal_eval(literal) for literal in _LITERAL.findall(text)]
    except (ValueError, SyntaxError):
        return text


def read_answers(value: Any, name: str = "answers") -> list[str]:
    """The answers of several people, in order: texts, or `{"answer": text, ...}` each.

    Raises:
        InputError: they are in neither form.
    """
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = [item.get("answer") if isinstance(item, dict) else item for item in value]
    return read_texts(value, name)


def read_whole(value: Any, name: str) -> int:
    """A whole number, which may be text or have a fraction of zero.

    Raises:
        InputError: it is no whole number.

    >>> read_whole("2", "answer"), read_whole(2.0, "answer")
    (2, 2)
    """
    try:
        number = float(value) if isinstance(value, str) else value
        if not isinstance(number, bool) and int(number) == number:
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{name}: expected a whole number, found {value!r:.80}")


def pick_value(row: Mapping[str, Any], *columns: str) -> Any:
    """The value of the first of some columns that has one.

    Raises:
        InputError: none of them has one.
    """
    for column in columns:
        if row.get(column) is not None:
            return row[column]
    raise InputError(f"{' or '.join(columns)}: expected a value, found none")


def read_turns(conversation: Any) -> tuple[list[dict[str, str]], list[str]]:
    """The turns of a conversation in LLaVA's form or in OpenAI's, and the texts as they were.

    Raises:
        InputError: it is in neither form.
    """
    if not isinstance(conversation, list) or not conversation:
        raise InputError(f"conversations: expected a list of turns, found {conversation!r:.80}")
    turns, raw = [], []
    for turn in conversation:
        role, content = pick_value(turn, "from", "role"), pick_value(turn, "value", "content")
        if not isinstance(content, str):
            raise InputError(f"conversations: expected text, found {content!r:.80}")
        raw.append(content)
        turns.append({"role": ROLES.get(role, role), "content": _remove_mark(content)})
    return turns, raw


def _remove_mark(text: str) -> str:
    before, mark, after = text.partition(MARK)
    if not mark:
        return text
    return "\n".join(part for part in (before.strip(), after.strip()) if part)
