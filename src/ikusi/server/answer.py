"""A server's answer, whatever form it came in: text, thoughts, how it ended, what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ikusi.server import thoughts
from ikusi.server.keys import MARK

NATURAL = {"stop", "eos", "eos_token", "stop_sequence", "end_turn"}
"""Names of an end that the model chose: OpenAI's, text-generation-inference's, Anthropic's."""

LIMITED = {"length", "max_tokens", "max_output_tokens"}
"""Names of an end by the limit that was asked for."""

PASSING = {"error", "abort", "cancelled"}
"""Names of an end that another try may not meet."""

DECLINED = {"content_filter", "safety", "refusal", "prohibited_content", "blocklist"}
"""Names of an end by a filter, or by a model that declines: OpenAI's, Gemini's, Anthropic's."""

REFUSAL = "answer: expected text, found a refusal"
NOTHING = "answer: expected text, found none"


class NotACompletionError(Exception):
    """The server's answer is no completion."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a model.

    Args:
        raw: its text as it came, thoughts included.
        text: the same without thoughts.
        thought: what the model thought aloud, in the text or beside it.
        ended: why it ended, in the server's word, in small letters; empty where it did not say.
        torn: why the text must not be used; None where it is whole.
        read: tokens that were sent, as the server counts.
        written: tokens of the answer and its thoughts.
        limit: most tokens that were asked for.
        model: what the server says the answer is of.
        system: what the server calls its configuration.
    """

    raw: str
    text: str
    thought: str = ""
    ended: str = "stop"
    torn: str | None = None
    read: int = 0
    written: int = 0
    limit: int | None = None
    model: str = ""
    system: str = ""

    @property
    def is_declined(self) -> bool:
        """Whether a filter cut it, or the model would not answer."""
        return self.ended in DECLINED or (self.torn or "").startswith(REFUSAL)

    @property
    def has_used_limit(self) -> bool:
        """Whether it has as many tokens as were asked for, as far as the server counts them."""
        return not self.limit or not self.written or self.written >= self.limit

    @property
    def is_limited(self) -> bool:
        """Whether the limit that was asked for cut it."""
        return self.ended in LIMITED

    @property
    def may_pass(self) -> bool:
        """Whether the same request may well be answered the next time."""
        return self.ended in PASSING or (
            self.ended in NATURAL and not self.raw and not self.thought
        )


def read(completion: Any, limit: int | None, own: str = "") -> Answer:
    """Read a completion of a chat; `limit`: tokens asked for; `own`: the text that was asked about.

    Raises:
        NotACompletionError: there is no answer in it at all.
    """
    choice = next(iter(getattr(completion, "choices", None) or ()), None)
    message = getattr(choice, "message", None)
    if choice is None or message is None:
        raise NotACompletionError("no choice")
    content, thought = _parts(getattr(message, "content", None))
    for name in ("reasoning_content", "reasoning"):
        beside = getattr(message, name, None)
        if isinstance(beside, str) and beside.strip() and beside != thought:
            thought = "\n\n".join(filter(None, (thought, beside.strip())))
    ended = str(getattr(choice, "finish_reason", None) or "").lower()
    text, torn = content or "", _explain_torn(choice, ended, limit)
    try:
        text, inside = thoughts.split(text, own)
        thought = "\n\n".join(filter(None, (thought, inside)))
    except thoughts.TornThoughtError:
        text, thought = "", "\n\n".join(filter(None, (thought, text)))
        torn = torn or "answer: expected it after the thought, found the thought cut"
    if torn is None and not text.strip():
        torn = _nothing(message, thought)
    if MARK in (content or "") and MARK not in own:
        torn = "answer: expected text, found the key in it"
    usage = getattr(completion, "usage", None)
    sent, written = (_count(usage, name) for name in ("prompt_tokens", "completion_tokens"))
    identity = [_word(completion, name) for name in ("model", "system_fingerprint")]
    return Answer(content or "", text, thought, ended, torn, sent, written, limit, *identity)


def _parts(content: Any) -> tuple[str | None, str]:
    """Text and thoughts of a message's content: a string, nothing, or a list of parts."""
    if content is None or isinstance(content, str):
        return content, ""
    texts: list[str] = []
    thought: list[str] = []
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            kind = str(part.get("type", "text"))
            inner = _parts(part.get("thinking", part.get("reasoning", part.get("text"))))
            (texts if kind in ("text", "output_text") else thought).append(
                "".join(filter(None, inner))
            )
    return "".join(texts), "\n\n".join(filter(None, thought))


def _explain_torn(choice: Any, ended: str, limit: int | None) -> str | None:
    """Explain why an answer that ended so is not whole; None where it ended by itself."""
    if ended in NATURAL:
        return None
    if ended in LIMITED:
        wanted = f" within {limit} tokens" if limit else ""
        return f"answer: expected it to end{wanted}, found it cut"
    error = getattr(choice, "error", None)
    reason = error.get("message") if isinstance(error, dict) else None
    explanation = f" ({' '.join(str(reason).split())[:100]})" if reason else ""
    return (
        f"answer: expected it to end by itself, found it ended by {ended or 'nothing'}{explanation}"
    )


def _nothing(message: Any, thought: str) -> str:
    """Explain why an answer that ended by itself has no text."""
    refusal = getattr(message, "refusal", None)
    if isinstance(refusal, str) and refusal.strip():
        return f"{REFUSAL}: {' '.join(refusal.split())[:100]}"
    return "answer: expected text, found only a thought" if thought else NOTHING


def _count(usage: Any, name: str) -> int:
    value = getattr(usage, name, 0)
    return int(value) if isinstance(value, int | float) else 0


def _word(completion: Any, name: str) -> str:
    value = getattr(completion, name, None)
    return value if isinstance(value, str) else ""
