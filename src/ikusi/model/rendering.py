"""The chat template of an LLM: what it takes, and what it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerBase

from ikusi.errors import InputError
from ikusi.model.tokens import without_image_parts

Message = Mapping[str, Any]


def accepts_strings(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the chat template writes contents given as strings (else it wants lists)."""
    return _writes_strings(tokenizer, _template(tokenizer))


def accepts_flattened(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether contents are given to it as strings, as `flatten` makes them, else as parts."""
    return _choose(tokenizer, _template(tokenizer))[0]


def flatten(content: str | Sequence[Message], image: str) -> str:
    """The one rule: texts run on, an image is its token and a newline."""
    if isinstance(content, str):
        return content
    return "".join(image + "\n" if part["type"] == "image" else part["text"] for part in content)


def apply_template(
    tokenizer: PreTrainedTokenizerBase,
    conversations: list[list[dict[str, Any]]],
    add_generation_prompt: bool,
    where: str,
) -> list[str]:
    """Conversations as the template writes them; contents are strings where it `accepts_flattened`.

    Raises:
        InputError: starting with `where`; the template refuses one of them.
    """
    try:
        return list(
            tokenizer.apply_chat_template(
                # An empty one is refused alone, but not among others.
                conversations if all(conversations) else [],
                chat_template=_choose(tokenizer, _template(tokenizer))[1],
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
            )
        )
    except (TemplateError, TypeError, ValueError) as error:
        raise InputError(f"{where}the chat template refuses the conversation: {error}") from error


def _template(tokenizer: PreTrainedTokenizerBase) -> str:
    template = tokenizer.chat_template
    if not isinstance(template, str):
        raise InputError(
            "tokenizer: expected one chat template, found "
            + ("none" if template is None else f"{len(template)}: {', '.join(template)}")
        )
    return template


@lru_cache(maxsize=32)
def _choose(tokenizer: PreTrainedTokenizerBase, template: str) -> tuple[bool, str]:
    """Whether contents are given as strings, and the template that then writes the same: what lets
    an LLM's own take lists as well leaves strings as they are, but takes ten times as long."""
    flat = _writes_strings(tokenizer, template) and not _writes_images(tokenizer, template)
    image = getattr(tokenizer, "image_token", None)
    return flat, without_image_parts(template, image) if flat and image else template


@lru_cache(maxsize=32)
def _writes_strings(tokenizer: PreTrainedTokenizerBase, template: str) -> bool:
    return "ikusi" in _try_out(tokenizer, template, "ikusi")


@lru_cache(maxsize=32)
def _writes_images(tokenizer: PreTrainedTokenizerBase, template: str) -> bool:
    """Whether it writes an image, given as a part, otherwise than as a line of its own."""
    if (image := getattr(tokenizer, "image_token", None)) is None:
        return False
    parts = [{"type": "image"}, {"type": "text", "text": "ikusi"}]
    own = _try_out(tokenizer, template, parts)
    return image in own and own != _try_out(tokenizer, template, flatten(parts, image))


def _try_out(tokenizer: PreTrainedTokenizerBase, template: str, content: Any) -> str:
    """A user's turn as a template writes it; empty where the template refuses it."""
    probe = [{"role": "user", "content": content}]
    try:
        return str(tokenizer.apply_chat_template(probe, chat_template=template, tokenize=False))
    except (TemplateError, TypeError, ValueError):
        return ""
