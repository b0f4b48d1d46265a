"""Forms of answers and refusals, as different makers of servers have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def openai_error(message: str, **more: Any) -> dict[str, Any]:
    """An error as OpenAI has it."""
    return {"error": {"message": message, "type": "invalid_request_error", **more}}


def unsupported(field: str, instead: str = "") -> tuple[int, Any]:
    """OpenAI's refusal of a field."""
    told = f"Unsupported parameter: '{field}' is not supported with this model.{instead}"
    return 400, openai_error(told, param=field, code="unsupported_parameter")


def forbidden(field: str) -> tuple[int, Any]:
    """Mistral's refusal of a field: pydantic's own words."""
    told = {"type": "extra_forbidden", "loc": ["body", field], "input": 0}
    return 422, {"detail": [told | {"msg": "Extra inputs are not permitted"}]}


def unknown(field: str) -> tuple[int, Any]:
    """Gemini's refusal of a field: a list."""
    told = f'Invalid JSON payload received. Unknown name "{field}": Cannot find field.'
    return 400, [{"error": {"code": 400, "message": told, "status": "INVALID_ARGUMENT"}}]


def ended(by: str | None, **more: Any) -> Callable[[str], dict[str, Any]]:
    """Half an answer, and why it ended."""
    return lambda text: {"finish_reason": by, "message": {"content": text[:-4]}, **more}


def said(content: Callable[[str], Any], **beside: Any) -> Callable[[str], dict[str, Any]]:
    """Another content than the plain text."""
    return lambda text: {"message": {"content": content(text), **beside}}


WRONG = "WRONG IS THE CAT, RED {0} "
"""A thought that would be right where thoughts are read for the answer."""

RATE = {"error": {"message": "Rate limit exceeded: free-models-per-min", "code": 429}}
