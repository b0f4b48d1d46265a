"""Cells that were meant to be lists or numbers, and became text on the way to the hub."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from ikusi.errors import InputError

_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)


def texts(value: Any, name: str) -> list[str]:
    """A list of texts, which may be written as JSON, as Python does or as NumPy does.

    NumPy puts no commas: Python would read `['a cat' 'a dog']` as one text.

    Raises:
        InputError: it is none.

    >>> texts("['a cat' \\"a dog's bone\\"]", "choices")
    ['a cat', "a dog's bone"]
    """
    if isinstance(value, str):
        value = _parsed(value.strip())
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{name}: expected a list of texts, found {value!r:.80}")
    return value


def _parsed(text: str) -> Any:
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


def answers(value: Any, name: str = "answers") -> list[str]:
    """The answers of several people, in order: texts, or `{"answer": text, ...}` each.

    Raises:
        InputError: they are none of these.
    """
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        value = [item.get("answer") if isinstance(item, dict) else item for item in value]
    return texts(value, name)


def whole(value: Any, name: str) -> int:
    """A whole number, which may be text or have a fraction of zero.

    Raises:
        InputError: it is none.

    >>> whole("2", "answer"), whole(2.0, "answer")
    (2, 2)
    """
    try:
        number = float(value) if isinstance(value, str) else value
        if not isinstance(number, bool) and int(number) == number:
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{name}: expected a whole number, found {value!r:.80}")
