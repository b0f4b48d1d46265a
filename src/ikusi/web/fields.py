"""The fields of a form as somebody's browser sent them, cleaned."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

Fields = Mapping[str, Sequence[str]]

MOST_FIELDS = 200
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class RefusedError(Exception):
    """A form that cannot be taken: ``key`` names the text that says why."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key, self.values = key, values


def clean(text: str) -> str:
    r"""A text with plain line ends, and a sign in the place of each control character.

    >>> clean("a\r\nb\x1b")
    'a\nb\ufffd'
    """
    return _CONTROLS.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def take_one(fields: Fields, name: str) -> str:
    """The first value of a field; empty where there is none."""
    values = fields.get(name)
    return values[0] if values else ""


async def read_fields(request: Request) -> dict[str, list[str]]:
    """The fields of a form, cleaned; of another kind of body none."""
    body = (await request.body()).decode("utf-8", "replace")
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise HTTPException(400) from None
    for name, value in pairs:
        fields.setdefault(name, []).append(clean(value))
    return fields
