"""Refusals of a server that does not answer: the reason in one line, and the kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

LONGEST = 200
"""Characters of a reason that are shown."""

GONE = (401, 402, 403, 404, 405)
"""Statuses that no further request will change: the key, the bill, the model, the address."""

BUSY = (408, 409, 425, 429)
"""Statuses that pass; those of 500 and more do, too."""

_KINDS = (
    (429, r"rate.?limit|too many|quota|throttl|capacity|overload|busy|try again|exhausted"),
    (401, r"api.?key|unauthori[sz]ed|authentication"),
    (404, r"model.{0,80}not.{0,5}(found|exist)|no such model"),
    (400, r"invalid.?request|content.?(filter|policy)|moderation|context.?length|maximum context"),
)
_REASONS = ("error", "message", "detail", "msg", "errors", "reason", "title", "error_message")
_MODERATED = re.compile(r"moderation|flagged|content.?polic", re.IGNORECASE)
_FILTERED = re.compile(
    rf"{_MODERATED.pattern}|content.?filter|was filtered|content.?management|safety|harmful",
    re.IGNORECASE,
)


class UnreachedError(Exception):
    """No answer came, but one may come later."""


class RefusedError(Exception):
    """The server will never take this request; ``reason``: in one line; ``field``: the field that
    it names."""

    def __init__(self, reason: str, status: int, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.status, self.field = reason, status, field

    @property
    def is_final(self) -> bool:
        """Whether every other request would be refused as well."""
        return self.status in GONE and not _MODERATED.search(self.reason)

    @property
    def is_filter(self) -> bool:
        """Whether a filter of contents refused what was asked."""
        return bool(_FILTERED.search(self.reason))


def read_refusal(status: int, body: str) -> RefusedError:
    """The refusal that an answer with a status of 400 to 499 is."""
    value = _json(body)
    value = value[0] if isinstance(value, list) and value else value
    error = value.get("error") if isinstance(value, dict) else None
    field = error.get("param") if isinstance(error, dict) else None
    return RefusedError(
        read_reason(status, body), status, field if isinstance(field, str) else None
    )


def read_reason(status: int, body: str) -> str:
    """The reason in one line, whatever the body is: JSON of any make, HTML, plain text, nothing.

    >>> read_reason(422, '{"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]}')
    '422: body.seed: Extra inputs'
    >>> read_reason(502, "<html><head><title>Bad gateway</title></head></html>")
    '502: Bad gateway'
    """
    value = _json(body)
    reason = _of_page(body) if value is None else "; ".join(dict.fromkeys(_list_reasons(value)))
    if not reason:
        reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else "no reason"
    return shorten(f"{status}: {reason}")


def shorten(text: str) -> str:
    """A text on one line, without control characters, not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 4] + " ..."


def find_status(body: Any) -> int | None:
    """The status that an answer of status 200 should have had; None where it is no error.

    >>> find_status({"error": {"message": "Rate limit exceeded", "code": 429}})
    429
    """
    if not isinstance(body, dict) or body.get("choices") or body.get("data"):
        return None
    error = body.get("error")
    named = body.get("object") == "error" or "detail" in body or "message" in body
    if not error and (not named or "choices" in body):
        return None
    for place in (error, body):
        for name in ("code", "status", "status_code"):
            code = place.get(name) if isinstance(place, dict) else None
            if str(code).isdigit() and 400 <= int(str(code)) < 600:
                return int(str(code))
    text = json.dumps(body)
    kinds = (status for status, words in _KINDS if re.search(words, text, re.IGNORECASE))
    return next(kinds, 503)


def _json(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _list_reasons(value: Any, depth: int = 0) -> Iterator[str]:
    """The reasons in a body, outermost first."""
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, list):
        for part in value[:3]:
            yield from _list_reasons(part, depth + 1)
    elif isinstance(value, dict) and depth < 8:
        where = value.get("loc")
        before = ".".join(map(str, where)) + ": " if isinstance(where, list) else ""
        for name in _REASONS:
            if value.get(name):
                yield from (before + text for text in _list_reasons(value[name], depth + 1))
                break
        behind = value.get("metadata")  # of a provider behind a router
        if isinstance(behind, dict) and isinstance(behind.get("raw"), str):
            yield behind["raw"].strip()


def _of_page(body: str) -> str:
    """The title of a page, or its words."""
    title = re.search(r"<title[^>]*>([^<]*)</title", body, re.IGNORECASE)
    if title and title[1].strip():
        return title[1]
    if "<" in body:
        body = re.sub(r"<(style|script)\b[^>]*>[^<]*</\1>|<[^>]*>", " ", body)
    return body
