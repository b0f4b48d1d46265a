"""Parts of a tokenizer that a chat needs: control tokens, an image token, a template.

A control token is one the tokenizer treats as special (turn headers, end of turn, image, padding):
it structures a conversation, and text that merely spells it must never become it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from ikusi.errors import InputError

PAD, END, USER, ASSISTANT, SYSTEM, IMAGE = SPECIAL_TOKENS = (
    "<|pad|>",
    "<|end|>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "<|image|>",
)
"""Control tokens of the plain template, in the order a tokenizer trainer should number them."""


class Control(NamedTuple):
    """The control tokens of a tokenizer: a pattern of their texts, and the id of each text."""

    pattern: re.Pattern[str]
    numbers: Mapping[str, int]
    ids: frozenset[int]


_known: WeakKeyDictionary[PreTrainedTokenizerBase, tuple[int, Control]] = WeakKeyDictionary()


def make_plain_template() -> str:
    """The shortest useful chat template: one control token before a turn and one after it."""
    return read_template("plain.jinja")


def make_plain_tokenizer(backend: Any) -> PreTrainedTokenizerFast:
    """Wrap a trained `tokenizers.Tokenizer` whose vocabulary holds `SPECIAL_TOKENS`.

    The result has the plain template, ends turns with `<|end|>`, pads with a token of its own and
    knows its image token. Raises InputError naming the control tokens the vocabulary lacks.
    """
    missing = [token for token in SPECIAL_TOKENS if backend.token_to_id(token) is None]
    if missing:
        raise InputError(f"tokenizer: expected the control tokens {' '.join(missing)}, found none")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=END,
        pad_token=PAD,
        extra_special_tokens={"image_token": IMAGE},
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_special_tokens({"extra_special_tokens": [USER, ASSISTANT, SYSTEM]})
    tokenizer.chat_template = make_plain_template()
    return tokenizer


def with_image_parts(template: str, image_token: str) -> str:
    """Prefix an LLM's chat template so that it also takes lists of text and image parts.

    Anything that serves the checkpoint (`AutoProcessor.apply_chat_template` included) then builds
    exactly the prompt `render` builds. Already prefixed templates are returned as they are.
    """
    prelude = _image_parts(image_token)
    return template if template.startswith(prelude) else prelude + template


def without_image_parts(template: str, image_token: str) -> str:
    """The LLM's own chat template again: what `with_image_parts` was given."""
    return template.removeprefix(_image_parts(image_token))


def with_text_parts(template: str) -> str:
    """Prefix a template that wants lists of parts so that it also takes contents as strings."""
    return read_template("text_parts.jinja") + template


def with_media_lines(template: str) -> str:
    """Prefix a template so that llama.cpp's mark of an image is a line of its own, as `render`
    writes images."""
    return read_template("llama_cpp_images.jinja") + template


def find_image_token(tokenizer: PreTrainedTokenizerBase) -> str:
    """The text of the tokenizer's image token. Raises InputError where it has none."""
    token = getattr(tokenizer, "image_token", None)
    if token is None:
        raise InputError("tokenizer: expected an image token, found none (assemble a model first)")
    return str(token)


def set_image_token(tokenizer: PreTrainedTokenizerBase, token: str) -> None:
    """Let the tokenizer know its image token; it must be in the vocabulary already."""
    if getattr(tokenizer, "image_token", None) != token:
        tokenizer.image_token = token


def find_control_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[str]:
    """Control (special) tokens that `text` spells out, in order; empty for ordinary text."""
    return compile_control(tokenizer).pattern.findall(text)


def compile_control(tokenizer: PreTrainedTokenizerBase) -> Control:
    """The control tokens; remembered, as asking the tokenizer is slow."""
    known = _known.get(tokenizer)
    if known is None or known[0] != len(tokenizer):
        special = {
            token.content: i for i, token in tokenizer.added_tokens_decoder.items() if token.special
        }
        longest_first = sorted(special, key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        known = (len(tokenizer), Control(pattern, special, frozenset(special.values())))
        _known[tokenizer] = known
    return known[1]


@cache
def _image_parts(image_token: str) -> str:
    return read_template("image_parts.jinja").replace("IMAGE_TOKEN", image_token)


def read_template(name: str) -> str:
    """A template, or a part of one, that comes with the package."""
    return resources.files("ikusi.model").joinpath("templates", name).read_text("utf-8").strip()
