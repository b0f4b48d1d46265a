"""Thoughts that a model writes, separated from its answer.

Reasoning models mark their thoughts in the text where their server has no reader for them. An
answer with a thought in it would be stored as a caption, or be right because the thought names
the right word.
"""

from __future__ import annotations

import re

MARKS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
)
"""Marks around thoughts, as different families of models write them."""

CHANNEL = "<|channel|>"
_CHANNELS = re.compile(
    r"<\|channel\|>\s*(\w+)(?:(?!<\|message\|>|<\|channel\|>).)*<\|message\|>"
    r"((?:(?!<\|(?:end|return|start|call|channel)\|>).)*)",
    re.DOTALL,
)
# The same channels where a server has dropped the control tokens.
_BARE_CHANNELS = re.compile(r"\s*(?:analysis|commentary)(?!\s)(.*)assistant\s?final(.*)", re.DOTALL)


class TornThoughtError(ValueError):
    """A thought does not end, so there is no answer."""


def split(text: str, own: str = "") -> tuple[str, str]:
    """Answer and thoughts of a text; what `own`, the text asked about, marks so is left alone.

    >>> split("<think>The cat is red.</think>Red")
    ('Red', 'The cat is red.')

    Raises:
        TornThoughtError: a thought does not end.
    """
    thoughts: list[str] = []
    if CHANNEL in text and CHANNEL not in own:
        text = _final(text, thoughts)
    elif (bare := _BARE_CHANNELS.fullmatch(text)) and "assistant" not in own:
        thoughts.append(bare[1])
        text = bare[2]
    for opening, closing in MARKS:
        if (opening in text or closing in text) and opening not in own and closing not in own:
            text = _remove_marked(text, opening, closing, thoughts)
    return text, "\n\n".join(thought.strip() for thought in thoughts if thought.strip())


def _final(text: str, thoughts: list[str]) -> str:
    """The text in the channel `final` of a harmony answer."""
    channels = [(kind, content) for kind, content in _CHANNELS.findall(text)]
    thoughts += [
        text[: text.index(CHANNEL)],
        *(content for kind, content in channels if kind != "final"),
    ]
    finals = [content for kind, content in channels if kind == "final"]
    if not finals:
        raise TornThoughtError
    return "".join(finals)


def _remove_marked(text: str, opening: str, closing: str, thoughts: list[str]) -> str:
    """Without what stands between marks; before a lone closing mark all is thought."""
    answer: list[str] = []
    thought: list[str] | None = None
    for piece in re.split(f"({re.escape(opening)}|{re.escape(closing)})", text):
        if piece == closing:
            thoughts.append("".join(answer if thought is None else thought))
            answer, thought = ([] if thought is None else answer), None
        elif thought is not None:
            thought.append(piece)
        elif piece == opening:
            thought = []
        else:
            answer.append(piece)
    if thought is not None:
        raise TornThoughtError
    return "".join(answer)
