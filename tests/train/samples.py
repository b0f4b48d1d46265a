"""A small LLaVA, a small LLM, and in-memory samples with and without pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)

import tiny_llava
from ikusi.model import fusion
from ikusi.recipe import Stage

ANSWERS = ["a dog", "a cat and a dog", "no", "two red dog stand on the left house", "yes", "blue"]


@dataclass
class Pictures:
    """A corpus as far as training looks at it: coloured squares by their id."""

    opened: list[str] = field(default_factory=list)

    def image_size(self, image_id: str) -> tuple[int, int]:
        return 16, 16

    def image(self, image_id: str) -> Image.Image:
        self.opened.append(image_id)
        pixels = np.random.default_rng(int(image_id)).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        return Image.fromarray(pixels)


@dataclass(frozen=True)
class Row:
    id: str
    language: str
    corpus: Any
    image_id: str | None
    messages: list[dict[str, Any]]


@dataclass
class Samples:
    """`rows` samples; every third without a picture, pictures shared by neighbours."""

    rows: int = 12
    pictures: bool = True
    corpus: Pictures = field(default_factory=Pictures)

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int) -> Row:
        image_id = self.image_id(index)[1]
        shown = [{"type": "image"}] if image_id else []
        question = "what is on the left ?" if index % 2 else "a house and a cat stand ?"
        messages = [
            {"role": "user", "content": [*shown, {"type": "text", "text": question}]},
            {"role": "assistant", "content": [{"type": "text", "text": ANSWERS[index % 6]}]},
        ]
        return Row(f"row-{index}", "en" if index % 4 else "eu", self.corpus, image_id, messages)

    def take(self, indices: Sequence[int]) -> list[Row]:
        return [self[index] for index in indices]

    def image_id(self, index: int) -> tuple[int, str | None]:
        return 0, str(index // 2) if self.pictures and index % 3 else None

    def order(self, epoch: int) -> Sequence[int]:
        return [int(i) for i in np.random.default_rng([7, epoch]).permutation(self.rows)]


def language_model(seed: int = 0) -> tuple[Any, Any]:
    """2 layers, grouped-query attention, and its tokenizer."""
    import torch

    torch.manual_seed(seed)
    words = tiny_llava.tokenizer()
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return LlamaForCausalLM(config).eval(), words


def multimodal_model(connector: str = "linear") -> tuple[Any, Any]:
    """The same LLM with a 2-layer CLIP encoder: 4 features per picture."""
    llm, words = language_model()
    vision = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=16,
            patch_size=8,
        )
    )
    square = {"height": 16, "width": 16}
    processor = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=square)
    return fusion.assemble(vision, llm, words, connector, image_processor=processor)


def stage(**changes: Any) -> Stage:
    settings = {
        "corpus": "memory",
        "trainable": ["connector", "llm"],
        "learning_rate": 1e-2,
        "batch_size": 4,
        "epochs": 2,
        "precision": "fp32",
        "max_length": 64,
        "save_every": 2,
    }
    return Stage.model_validate(settings | changes)
