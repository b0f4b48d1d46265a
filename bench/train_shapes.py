"""Models of several sizes with random weights, and random samples of pictures and words."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
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


@dataclass(frozen=True)
class Shape:
    """Sizes of an encoder and an LLM; `text`: tokens of text in a sample to align, to instruct."""

    vision: CLIPVisionConfig
    llm: LlamaConfig
    text: tuple[int, int]


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


SHAPES = {
    "8b": Shape(
        clip(1024, 4096, 24, 16, 336, 14), llama(4096, 14336, 32, 32, 8, 128256), (30, 424)
    ),
    "small": Shape(clip(128, 512, 4, 4, 112, 14), llama(384, 1344, 8, 6, 6, 8192), (30, 424)),
    "wide": Shape(clip(128, 512, 4, 4, 112, 14), llama(768, 2688, 4, 12, 4, 16384), (30, 424)),
    "tiny": Shape(clip(32, 64, 3, 2, 56, 14), llama(64, 160, 3, 4, 2, 4096), (14, 48)),
}


def build(shape: Shape, layers: int, device: str) -> Any:
    """Encoder and LLM with random weights in bf16, joined as a recipe's are."""
    config = LlamaConfig(**{**shape.llm.to_dict(), "num_hidden_layers": layers})
    torch.manual_seed(0)
    with torch.device(device):
        tower: Any = CLIPVisionModel._from_config(shape.vision, dtype=torch.bfloat16)
        llm: Any = LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)
    size = shape.vision.image_size
    pictures = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size=size)
    words = shipped.find_model("miniature/llama-en")
    return fusion.assemble(tower, llm, words, image_processor=pictures)[0]


def samples(model: Any, rows: int, text: int, seed: int) -> list[EncodedSample]:
    """Rows of a picture and random words; the second half of the words is supervised."""
    random, patches = np.random.default_rng(seed), model.config.image_seq_length
    image, length = model.config.image_token_id, model.config.image_seq_length + text
    made, shown = [], Shown((image,) * patches, patches)
    for number in range(rows):
        ids = random.integers(100, model.config.text_config.vocab_size, length).astype(np.int32)
        ids[ids == image] -= 1
        ids[1 : 1 + patches] = image
        answer = np.arange(length - text // 2, length, dtype=np.int32)
        picture = (seed, str(number))
        made.append(EncodedSample(str(number), "eu", picture, ids, answer, 1, 0, shown))
    return made


def pixels(model: Any, rows: int, seed: int) -> torch.Tensor:
    """Random pictures [I, 3, H, W]."""
    size = model.config.vision_config.image_size
    return torch.randn(rows, 3, size, size, generator=torch.Generator().manual_seed(seed))
