"""The JSON object in an answer of a model, read only where there is no doubt which it is."""

from __future__ import annotations

import json
import re
from typing import Any

FENCE = re.compile(r"```[\w-]*[ \t]*\n(.*?)\n?```", re.DOTALL)


class UnreadableError(ValueError):
    """An answer that cannot be read with certainty; says why."""


def drop_fence(text: str) -> str:
    """A text without a code fence around the whole.

    Raises:
        UnreadableError: there are several fences, or one that does not end, or no text.
    """
    text = text.strip()
    if text.startswith("```"):
        fenced = FENCE.fullmatch(text)
        if fenced is None or "```" in fenced[1]:
            raise UnreadableError("answer: expected one code fence at most, found others")
        text = fenced[1].strip()
    if not text:
        raise UnreadableError("answer: expected text, found none")
    return text


def read(text: str) -> dict[str, Any]:
    """The one JSON object of an answer; words around it do no harm.

    Raises:
        UnreadableError: there is none, or there are several, or it has a key twice.
    """
    start = text.find("{")
    try:
        decoder = json.JSONDecoder(object_pairs_hook=_refuse_twice)
        value, end = decoder.raw_decode(text, max(start, 0))
    except UnreadableError:
        raise
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"answer: expected JSON, found: {str(error)[:60]}") from None
    if not isinstance(value, dict):
        raise UnreadableError(f"answer: expected a JSON object, found a {type(value).__name__}")
    if "{" in text[end:]:
        raise UnreadableError("answer: expected one JSON object, found more")
    return value


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UnreadableError(f"{twice}: expected it once, found it twice")
    return result
