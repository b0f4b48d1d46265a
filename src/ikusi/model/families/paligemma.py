"""PaliGemma: a picture and a question that see each other whole, then the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ikusi.model.families.base import Family, Shown
from ikusi.model.processors import open_processor

TEMPLATE = (
    "{%- if messages | length > 2 or messages[0]['role'] != 'user' -%}"
    "{{ raise_exception('PaliGemma reads one question and its answer, and nothing before') }}"
    "{%- endif -%}{%- for part in messages[0]['content'] if part['type'] == 'image' -%}"
    "{{ '<image>' }}{%- endfor -%}{{ bos_token }}"
    "{%- for part in messages[0]['content'] if part['type'] == 'text' -%}"
    "{{ part['text'] }}{%- endfor -%}{{ '\n' }}"
    "{%- if messages | length == 2 -%}{{ messages[1]['content'][0]['text'] + eos_token }}"
    "{%- endif -%}"
)
"""Prompts as PaliGemma's own processor writes them. A checkpoint has no template: whoever opens it
with that processor gives it a question, to which it adds the rest."""


class PromptProcessor:
    """PaliGemma's processor for prompts, also for those of text alone, which the stock one refuses.

    Attributes:
        came_from: the folder of the processor.
    """

    image_token = "<image>"
    keeps_template = False

    def __init__(self, stock: Any) -> None:
        self.image_processor, self.tokenizer = stock.image_processor, stock.tokenizer
        self.chat_template, self.came_from = TEMPLATE, stock.came_from
        self._count = int(stock.image_seq_length)

    def apply_chat_template(self, messages: Any, **settings: Any) -> Any:
        """As any processor's."""
        return self.tokenizer.apply_chat_template(
            messages, chat_template=self.chat_template, **settings
        )

    def __call__(
        self, *, text: Sequence[str], images: Any = None, return_tensors: str, **settings: Any
    ) -> dict[str, Tensor]:
        """As PaliGemma's, of prompts as the template writes them: all of each is a prompt."""
        bos, image = str(self.tokenizer.bos_token), self.image_token
        begun = [one if bos in one else bos + one for one in text]
        wide = [one.replace(image, image * self._count) for one in begun]
        settings["add_special_tokens"] = False
        made = dict(self.tokenizer(wide, return_tensors=return_tensors, **settings))
        made["token_type_ids"] = torch.zeros_like(made["input_ids"])
        flat = [one for own in images or () for one in own]
        if flat:
            made |= self.image_processor(images=flat, return_tensors=return_tensors)
        return made


class PaliGemma(Family):
    """Of a row all that comes before the answer is a prefix, whose tokens see each other."""

    name = "PaliGemma"
    model_types = ("paligemma",)
    sized = False
    answering: Mapping[str, int] = {"token_type_ids": 1}

    def open_processor(self, folder: str | Path) -> Any:
        """See `Family`."""
        return PromptProcessor(open_processor(folder, TEMPLATE))

    def show(self, model: Any, processor: Any, size: tuple[int, int]) -> Shown:
        """See `Family`: as many for every picture."""
        made = self.process(processor, [Image.new("RGB", size, "grey")])["input_ids"][0].tolist()
        count = made.count(model.config.image_token_id)
        return Shown((model.config.image_token_id,) * count, count)

    def find_blocks(self, model: Any, ids: Tensor, learned: Sequence[int]) -> Tensor | None:
        """See `Family`: one, up to the first token that is learnt."""
        return torch.where(torch.arange(len(ids)) < min(learned), 0, -1)

    def has_plain_head(self, model: Any) -> bool:
        """See `Family`: not that of PaliGemma 2, whose LLM, a Gemma 2, bounds its logits."""
        return getattr(model.config.get_text_config(), "final_logit_softcapping", None) is None


FAMILIES = [PaliGemma()]
