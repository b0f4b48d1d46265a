"""Models of several sizes with random weights, and random samples of pictures and words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from ikusi.miniature.bases import shipped
from ikusi.model import fusion
from ikusi.model.families.base import Shown
from ikusi.train.batches import EncodedSample
from ikusi.train.cost import measure_sizes
from ikusi.train.estimates import Sizes


@dataclass(frozen=True)
class Shape:
    """A LLaVA: sizes of an encoder and an LLM.

    Attributes:
        stages: a name and the tokens of text in a sample, for each way in which it is trained.
    """

    vision: CLIPVisionConfig
    llm: LlamaConfig
    stages: tuple[tuple[str, int], ...]

    @property
    def layers(self) -> int:
        """Of the LLM."""
        return int(self.llm.num_hidden_layers)

    @property
    def tokens(self) -> int:
        """Of a picture."""
        return int((self.vision.image_size // self.vision.patch_size) ** 2)

    def build(self, layers: int, device: str) -> Any:
        """Encoder and LLM with random weights in bf16, joined as a recipe's are."""
        config = LlamaConfig(**{**self.llm.to_dict(), "num_hidden_layers": layers})
        torch.manual_seed(0)
        with torch.device(device):
            tower: Any = CLIPVisionModel._from_config(self.vision, dtype=torch.bfloat16)
            llm: Any = LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)
        size = self.vision.image_size
        pictures = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size=size)
        words = shipped.find_model("miniature/llama-en")
        return fusion.assemble(tower, llm, words, image_processor=pictures)[0]

    def draw(self, model: Any, rows: int, text: int, seed: int) -> list[EncodedSample]:
        """Rows of a picture and random words; the second half of the words is supervised."""
        random, image = np.random.default_rng(seed), model.config.image_token_id
        made, shown = [], Shown((image,) * self.tokens, self.tokens)
        length = self.tokens + text
        for number in range(rows):
            ids = random.integers(100, model.config.text_config.vocab_size, length).astype(np.int32)
            ids[ids == image] -= 1
            ids[1 : 1 + self.tokens] = image
            answer = np.arange(length - text // 2, length, dtype=np.int32)
            picture = (seed, str(number))
            made.append(EncodedSample(str(number), "eu", picture, ids, answer, 1, 0, shown))
        return made

    def look(self, rows: Sequence[EncodedSample], seed: int) -> Tensor:
        """Random pictures of these rows, [I, 3, H, W]."""
        size = self.vision.image_size
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(len(rows), 3, size, size, generator=generator)

    def lay(self, model: Any) -> None:
        """Tokens stand one after the other."""

    def size_up(self, model: Any, rows: Sequence[EncodedSample]) -> Sizes:
        """Sizes of its parts."""
        return measure_sizes(model, model.model.vision_tower)

    def count_places(self, rows: Sequence[EncodedSample]) -> tuple[int, int]:
        """Tokens of a picture, and places that the encoder sees in it."""
        return self.tokens, self.tokens


def clip(hidden: int, inner: int, layers: int, heads: int, size: int, patch: int) -> Any:
    """The configuration of a CLIP encoder."""
    return CLIPVisionConfig(
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=size,
        patch_size=patch,
        hidden_act="quick_gelu",
    )


def llama(hidden: int, inner: int, layers: int, heads: int, keys: int, vocabulary: int) -> Any:
    """The configuration of a Llama."""
    return LlamaConfig(
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=keys,
        vocab_size=vocabulary,
        max_position_embeddings=131072,
    )


ROWS = (("align", 30), ("instruct", 424))
SHAPES = {
    "8b": Shape(clip(1024, 4096, 24, 16, 336, 14), llama(4096, 14336, 32, 32, 8, 128256), ROWS),
    "small": Shape(clip(128, 512, 4, 4, 112, 14), llama(384, 1344, 8, 6, 6, 8192), ROWS),
    "wide": Shape(clip(128, 512, 4, 4, 112, 14), llama(768, 2688, 4, 12, 4, 16384), ROWS),
    "tiny": Shape(
        clip(32, 64, 3, 2, 56, 14), llama(64, 160, 3, 4, 2, 4096), (("align", 14), ("instruct", 48))
    ),
}
