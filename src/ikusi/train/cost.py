"""What a step of training costs in floating-point operations, and how fast the device could be.

Counted is what the model needs, as is usual for MFU (arXiv 2204.02311, appendix B): activations
that gradient checkpointing computes again are not, nor is padding, of which there is none.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import LlavaForConditionalGeneration, PreTrainedModel

PEAKS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100": 989e12,
    "GH200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
    "L4": 121e12,
    "RTX A6000": 155e12,
    "RTX 3090": 71e12,
    "A10": 125e12,
    "V100": 125e12,
    "T4": 65e12,
}
"""Part of a GPU's name -> its vendor's figure for dense half-precision operations a second."""

MATRIX, TRIES = 1024, 5


@dataclass(frozen=True)
class Cost:
    """Floating-point operations of one pass forward, by what they are for.

    `token`: of the LLM's layers for each token. `pair`: of attention for each pair of tokens that
    see each other. `prediction`: of the output layer for each supervised token. `image`: of the
    encoder, and `feature_tokens` tokens of each image through the connector. `backward`: how many
    times as much the way back takes in the LLM: twice where it learns, once where gradients only
    pass through it.
    """

    token: float
    pair: float
    prediction: float
    image: float
    connector: float
    backward: int
    backward_image: int

    @classmethod
    def of(cls, model: PreTrainedModel, tower: nn.Module | None, image_tokens: int) -> Cost:
        """The cost for a model whose learning parts are set; `tower`: its encoder, if any."""
        multimodal = isinstance(model, LlavaForConditionalGeneration)
        whole: Any = model
        llm = whole.model.language_model if multimodal else whole.base_model
        config = whole.config.text_config if multimodal else whole.config
        heads = config.num_attention_heads
        width = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
        head = whole.get_output_embeddings().weight
        body = _size(llm) - _size(llm.get_input_embeddings())
        projector = whole.model.multi_modal_projector if multimodal else None
        vision_learns = tower is not None and _learns(tower)
        return cls(
            token=2 * body,
            pair=4 * width * config.num_hidden_layers,
            prediction=2 * head.shape[0] * head.shape[1],
            image=2 * _size(tower) * image_tokens if tower is not None else 0,
            connector=2 * _size(projector) * image_tokens if projector is not None else 0,
            backward=2 if _learns(llm) else 1,
            backward_image=2 if vision_learns else 0,
        )

    def step(self, lengths: Sequence[int], supervised: int, images: int) -> float:
        """Operations of one step, there and back, over samples of these lengths."""
        pairs = sum(length * (length + 1) / 2 for length in lengths)
        forward = self.token * sum(lengths) + self.pair * pairs + self.prediction * supervised
        seen = images * (self.image * (1 + self.backward_image) + 3 * self.connector)
        return forward * (1 + self.backward) + seen


def peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second that a device could make: by the vendor, else as measured on products of
    matrices."""
    if device.type == "cuda" and dtype == torch.bfloat16:
        name = torch.cuda.get_device_name(device)
        known = [speed for part, speed in PEAKS.items() if part in name.replace("-", " ").split()
                 or (" " in part and part in name)]  # fmt: skip
        if known:
            return known[0]
    left, right = (torch.randn(MATRIX, MATRIX, device=device, dtype=dtype) for _ in range(2))
    return 2 * MATRIX**3 / min(_seconds(left, right) for _ in range(TRIES))


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    began = time.perf_counter()
    (left @ right).sum().item()
    return time.perf_counter() - began


def _size(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _learns(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())
