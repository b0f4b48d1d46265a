"""Every answer of a server on its way in: keys blanked, errors given the status they ought to have.

Apart from `client`, because the class needs the SDK, which is loaded only when a server is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai

from ikusi.server.keys import Secrets
from ikusi.server.refusals import find_status

KEPT = ("content-type", "retry-after", "retry-after-ms", "x-should-retry")
"""Headers of an answer that anything here reads."""

EVENTS = "text/event-stream"
"""The kind of an answer that comes in pieces."""

LONGEST_ERROR = 20_000  # characters of an error that are looked at


class _Client(openai.DefaultAsyncHttpxClient):
    """Sends requests for the SDK, and reads their answers before it does."""

    def __init__(self, secrets: Secrets, on_trouble: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self._secrets, self._on_trouble = secrets, on_trouble

    async def send(self, request: Any, **options: Any) -> Any:
        """Send a request and return its answer, mended.

        One that comes in pieces is blanked where these are put together (`pieces.collect`); one
        that was to do so, and came at once, is returned as a single piece.
        """
        self._secrets.add(request.headers.get("authorization", "").partition(" ")[2])
        response = await super().send(request, **options)
        streams = bool(options.get("stream"))
        if streams and response.is_success and EVENTS in response.headers.get("content-type", ""):
            return response
        await response.aread()
        status, body = mend_answer(response.status_code, response.text, self._secrets)
        if status == 429 or status >= 500:
            self._on_trouble()
        if streams and status < 400:
            body = f"data: {body}\n\n"
        headers = {
            name: self._secrets.blank(response.headers[name])
            for name in KEPT
            if name in response.headers
        }
        return type(response)(status, headers=headers, content=body.encode(), request=request)


def make_client(secrets: Secrets, on_trouble: Callable[[], None], use_proxies: bool) -> Any:
    """The HTTP client that the SDK sends its requests by.

    Args:
        secrets: what no answer may get past with.
        on_trouble: called when a server is too busy, or fails.
        use_proxies: go through the proxies that the environment names; never to this machine.
    """
    return _Client(secrets, on_trouble, trust_env=use_proxies)


def mend_answer(status: int, text: str, secrets: Secrets) -> tuple[int, str]:
    """Status and body of an answer as they ought to be, without any key."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return status, secrets.blank(text[:LONGEST_ERROR])
    if status < 400:
        status = find_status(body) or status
    body = secrets.blank_all(body, is_answer=status < 400)
    # Halves of surrogate pairs, which servers do send, stay escaped.
    return status, json.dumps(body)
