"""The model under evaluation: a checkpoint opened, and its way of asking, saying and stopping."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerBase

from ikusi.errors import InputError
from ikusi.evaluate.prefix import Prompt
from ikusi.model import chat, fusion
from ikusi.model.tokens import control


@dataclass
class Subject:
    """A LLaVA checkpoint, or a bare LLM (``processor`` None) that only takes text."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    processor: Any = None
    image_tokens: int = 0
    image_token_id: int | None = None
    stops: frozenset[int] = frozenset()
    _continuations: dict[tuple[tuple[int, ...], str], list[int]] = field(default_factory=dict)

    def prompt(self, question: str, picture: str | None, row: str = "") -> Prompt:
        """Return the tokens to answer from, the picture before the question as in training."""
        messages = [_user_turn(question, picture)]
        ids = chat.prompt_ids(
            self.tokenizer, messages, self.image_tokens, self.image_token_id, row=row
        )
        return Prompt(tuple(ids), picture)

    def continuation(self, prompt: Prompt, question: str, option: str, row: str = "") -> list[int]:
        """Return the token ids of ``option`` said in answer to ``prompt``, end of turn included.

        They are those that training supervises. Tokenizers split text at control tokens, so they
        depend on nothing before the prompt's last one and are remembered by what follows it.
        """
        key = (self._tail(prompt), option)
        if key not in self._continuations:
            self._continuations[key] = self._encoded(prompt, question, option, row)
        return self._continuations[key]

    def _tail(self, prompt: Prompt) -> tuple[int, ...]:
        special = control(self.tokenizer)[1]
        last = max((i for i, token in enumerate(prompt.ids) if token in special), default=0)
        return prompt.ids[last:]

    def _encoded(self, prompt: Prompt, question: str, option: str, row: str) -> list[int]:
        answer = {"role": "assistant", "content": [{"type": "text", "text": option}]}
        messages = [_user_turn(question, prompt.picture), answer]
        whole = chat.encode(
            self.tokenizer, messages, self.image_tokens, self.image_token_id, row=row
        )
        start = len(prompt.ids)
        said = zip(whole.input_ids[start:], whole.supervised[start:], strict=True)
        return [token for token, supervised in said if supervised]

    def features(self, pictures: Mapping[str, Image.Image], batch_size: int) -> dict[str, Tensor]:
        """Return what the LLM sees of each picture: projected features [P, hidden]."""
        names = list(pictures)
        found: dict[str, Tensor] = {}
        for start in range(0, len(names), batch_size):
            batch = names[start : start + batch_size]
            images = [pictures[name] for name in batch]
            pixels = self.processor.image_processor(images, return_tensors="pt")["pixel_values"]
            pixels = pixels.to(self.model.device, self.model.dtype)
            read: Any = self.model
            seen = fusion.project(read, fusion.image_features(read, pixels))
            found.update(zip(batch, seen, strict=True))
        return found

    def text(self, ids: Sequence[int]) -> str:
        """Return generated tokens as text, without control tokens and outer spaces."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()


def open_subject(checkpoint: Path, dtype: torch.dtype, device: str | torch.device) -> Subject:
    """Open a LLaVA checkpoint or a bare causal LLM for evaluation.

    Raises:
        InputError: the folder holds neither.
    """
    if not Path(checkpoint).is_dir():
        raise InputError(f"{checkpoint}: expected the folder of a model, found none")
    try:
        kind = AutoConfig.from_pretrained(checkpoint).model_type
    except (OSError, ValueError) as error:
        raise InputError(f"{checkpoint}: expected a model, found none: {error}") from error
    model: Any
    if kind != "llava":
        model, tokenizer = fusion.load_language_model(checkpoint, dtype=dtype)
        return Subject(model.to(device), tokenizer, stops=_stops(model, tokenizer))
    model, processor = fusion.load(checkpoint, dtype=dtype)
    return Subject(
        model.to(device),
        processor.tokenizer,
        processor,
        fusion.features_per_image(model, processor),
        model.config.image_token_id,
        _stops(model, processor.tokenizer),
    )


def _stops(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Token ids that end an answer: the model's own and the one the chat template writes."""
    settings: Any = model.generation_config
    known = settings.eos_token_id
    listed = known if isinstance(known, list) else [] if known is None else [known]
    return frozenset([*listed, tokenizer.convert_tokens_to_ids(chat.end_of_turn(tokenizer))])


def _user_turn(question: str, picture: str | None) -> dict[str, Any]:
    image = [{"type": "image"}] if picture is not None else []
    return {"role": "user", "content": [*image, {"type": "text", "text": question}]}
