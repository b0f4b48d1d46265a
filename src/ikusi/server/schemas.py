"""JSON Schemas for answers: how servers are given one, and whether a server keeps to it.

Some take a schema and answer as they please, so what a server says of itself is not asked.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ikusi.server.client import Connection, NotACompletionError, RefusedError, UnreachedError
from ikusi.server.opening import HELLO

TOKENS = 512
"""Of an answer to the probe: models think first, and some write spaces between its few signs."""

TRIES = 3  # failures on a schema of a server that answers without one
PROBE = {
    "type": "object",
    "properties": {"n": {"type": "integer", "enum": [7]}},
    "required": ["n"],
    "additionalProperties": False,
}
"""A schema that no answer fits by chance."""


def make_format(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema, as servers are given it in `response_format`."""
    inner = {"name": name, "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": inner}


async def probe(server: Connection) -> bool:
    """Ask for an answer that no model gives by chance; returns whether the server keeps to schemas.

    A busy server is asked again; one that fails on schemas alone has none.

    Raises:
        InputError: it answers nothing at all.
    """
    schema: Any = make_format("probe", PROBE)
    for _ in range(TRIES):
        try:
            answer = await server.ask(messages=HELLO, max_tokens=TOKENS, response_format=schema)
        except UnreachedError:
            with suppress(RefusedError):
                await server.ask_until_answered(messages=HELLO, max_tokens=20)
        except (RefusedError, NotACompletionError):
            return False
        else:
            return "".join(answer.text.split()) == '{"n":7}'
    return False
