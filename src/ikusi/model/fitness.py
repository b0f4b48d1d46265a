"""Whether conversations can be trained on, without tokenising each of them.

Most rows differ in their texts alone. So each form of conversation (roles, pictures) is encoded
once with texts of one letter, and texts are searched for what a tokenizer or a template would not
take as text. Only rows in which something is found, or which may be too long, are encoded to know.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from ikusi.errors import InputError
from ikusi.model import chat
from ikusi.model.tokens import compile_control

LETTER = "a"
QUOTED = re.compile(r"'([^'\n]*)'|\"([^\"\n]*)\"")
MARK = re.compile(r"[^\w\s]")

Form = tuple[tuple[str, tuple[str, ...]], ...]


class Fitness:
    """Checks whether conversations can be trained on, for one tokenizer.

    Args:
        tokenizer: with a chat template.
        image_token_id: the id that the template writes for an image.
        max_length: longest sample, in tokens.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, image_token_id: int | None, max_length: int
    ) -> None:
        self._tokenizer, self._max_length = tokenizer, max_length
        self._image_token_id = image_token_id
        self._special = _special(tokenizer)
        self._forms: dict[Form, tuple[int, str | None]] = {}

    def fault(self, messages: Sequence[chat.Message], image: Sequence[int] = ()) -> str | None:
        """Say why a conversation cannot be trained on; None where it can.

        `image`: the tokens that stand for each of its images.
        """
        form = tuple((m["role"], tuple(part["type"] for part in m["content"])) for m in messages)
        if form not in self._forms:
            self._forms[form] = self._try_form(form)
        length, problem = self._forms[form]
        if problem:
            return problem
        text = _text(messages)
        length += chat.count_images(messages) * len(image)
        # A token is at least a byte of its text.
        if length + len(text.encode()) <= self._max_length and not self._special.search(text):
            return None
        return self._encode(messages, image, self._max_length)[1]

    def _try_form(self, form: Form) -> tuple[int, str | None]:
        messages = [
            {"role": role, "content": [{"type": kind, "text": LETTER} for kind in kinds]}
            for role, kinds in form
        ]
        return self._encode(messages, (), None)

    def _encode(
        self, messages: Sequence[chat.Message], image: Sequence[int], limit: int | None
    ) -> tuple[int, str | None]:
        """Length in tokens and what is wrong."""
        images = [image] * chat.count_images(messages)
        try:
            encoded = chat.encode(self._tokenizer, messages, images, self._image_token_id, limit)
        except InputError as error:
            return 0, str(error)
        return len(encoded.input_ids), None


def _text(messages: Sequence[chat.Message]) -> str:
    """All texts, those of one message joined as they are rendered."""
    return "\n".join(
        "".join(part["text"] for part in message["content"] if part["type"] == "text")
        for message in messages
    )


def _special(tokenizer: Any) -> re.Pattern[str]:
    """Pattern of all that is more than text to a tokenizer, or may be to its template: control
    tokens, and marks in the template's own strings, such as `</think>`."""
    strings = (one or other for one, other in QUOTED.findall(str(tokenizer.chat_template)))
    marked = {text for text in map(str.strip, strings) if len(text) > 2 and MARK.search(text)}
    patterns = [compile_control(tokenizer).pattern.pattern, *map(re.escape, sorted(marked))]
    return re.compile("|".join(patterns))
