"""Chat templates that end an answer, so that a model learns to stop.

LLaVA-1.5's own does not, though it was trained with an end of text after each answer.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ikusi.errors import InputError
from ikusi.model.chat import end_of_turn
from ikusi.model.tokens import read_template


def make_ending(tokenizer: Any) -> None:
    """Let a chat template that ends answers with no control token end them with the tokenizer's
    end of text; others, and those that cannot be followed at all, stay as they are."""
    own = tokenizer.chat_template
    if not isinstance(own, str) or _ends(tokenizer) or tokenizer.eos_token is None:
        return
    tokenizer.chat_template = read_template("ends.jinja") + own
    if not _ends(tokenizer):
        tokenizer.chat_template = own


def _ends(tokenizer: Any) -> bool:
    with suppress(InputError):
        return bool(end_of_turn(tokenizer))
    return False
