"""An answer that a server sends in pieces, put together while somebody reads along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from ikusi.server import thoughts
from ikusi.server.keys import Secrets

Say = Callable[[str], bool]
"""Is given the text so far, without thoughts and keys; False ends the answer there."""

THOUGHTS = ("reasoning_content", "reasoning")
"""What servers call the thoughts that they send beside the text."""


async def collect(chunks: Any, say: Say, secrets: Secrets, own: str) -> Any:
    """Put the pieces of an answer together; returns it as a completion that came at once.

    Args:
        chunks: the SDK's, which are closed when no more of them are wanted.
        say: reads along.
        secrets: what is blanked, also where it comes in several pieces.
        own: the text that was asked about; marks of thoughts in it are no marks.
    """
    text = thought = ""
    ended: str | None = None
    try:
        async for chunk in chunks:
            choice = next(iter(getattr(chunk, "choices", None) or ()), None)
            if choice is None:
                continue  # what the answer has cost
            whole = getattr(choice, "message", None)
            if isinstance(whole, dict):  # from a server that sends no pieces
                ended = getattr(choice, "finish_reason", None)
                return _lay_out(whole, ended)
            text += _take_text(choice, "content")
            thought += next(filter(None, (_take_text(choice, name) for name in THOUGHTS)), "")
            ended = getattr(choice, "finish_reason", None) or ended
            shown = secrets.blank_all(text, is_answer=True)
            if not ended and not say(secrets.leave_out_begun(_leave_out_thoughts(shown, own))):
                ended = "stop"
                break
    finally:
        await chunks.close()
    if ended is None and not text and not thought:
        return SimpleNamespace(choices=[])
    words = {"content": text, "reasoning_content": thought}
    return _lay_out(secrets.blank_all(words, is_answer=True), ended)


def _lay_out(message: Mapping[str, Any], ended: str | None) -> Any:
    """A completion with one choice, as the SDK has it."""
    choice = SimpleNamespace(message=SimpleNamespace(**message), finish_reason=ended)
    return SimpleNamespace(choices=[choice])


def _take_text(choice: Any, name: str) -> str:
    value = getattr(getattr(choice, "delta", None), name, None)
    return value if isinstance(value, str) else ""


def _leave_out_thoughts(text: str, own: str) -> str:
    try:
        return thoughts.split(text, own)[0].strip()
    except thoughts.TornThoughtError:
        return ""
