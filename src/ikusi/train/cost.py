"""The sizes of a model that is there, what a step of it costs, and how fast the device could be."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from ikusi import connectors
from ikusi.model.learning import find_part
from ikusi.train.estimates import Cost, Matrix, Sizes
from ikusi.train.lora import list_linear_layers

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


def find_peak(device: torch.device, dtype: torch.dtype) -> float:
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


def measure_sizes(model: PreTrainedModel, tower: nn.Module | None) -> Sizes:
    """Measure the parts of a model (Llama's layers; it may be on the device "meta").

    Args:
        tower: the encoder, where it was taken out of the model, or its layers count.
    """
    whole: Any = model
    config, llm = whole.config.get_text_config(), whole.get_decoder()
    embedding, head = whole.get_input_embeddings().weight, whole.get_output_embeddings().weight
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    projector: Any = getattr(getattr(whole, "model", None), "multi_modal_projector", None)
    parts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = find_part(model, name)
        parts[part] = parts.get(part, 0) + parameter.numel()
    seen = _measure_encoder(tower) if tower is not None else {"encoder": parts.get("vision", 0)}
    return Sizes(
        hidden=config.hidden_size,
        inner=config.intermediate_size,
        layers=config.num_hidden_layers,
        heads=heads,
        queries=heads * width,
        keys=config.num_key_value_heads * width,
        vocabulary=head.shape[0],
        embedding=embedding.numel(),
        head=0 if head is embedding else head.numel(),
        body=_size(llm) - embedding.numel(),
        matrices=tuple(_describe(model, name) for name in list_linear_layers(model)),
        **seen,
        connector=parts.get("connector", 0),
        identity=_size(projector.linear_2) if _has_identity(whole.config) else 0,
    )


def measure_cost(
    model: PreTrainedModel,
    tower: nn.Module | None,
    image_tokens: int,
    *,
    encodes: bool = True,
    patches: float | None = None,
) -> Cost:
    """The cost for a model whose learning parts are set.

    Args:
        tower: as for `measure_sizes`.
        patches: as for `Cost.of`.
        encodes: whether pictures are looked at, rather than their features read.
    """
    whole: Any = model
    llm = whole.get_decoder()
    learning = sum(p.numel() for p in llm.parameters() if p.requires_grad)
    moving = [name for name, p in model.named_parameters() if p.requires_grad]
    return Cost.of(
        measure_sizes(model, tower),
        image_tokens,
        patches=patches,
        learns=learning / _size(llm),
        encodes=encodes,
        vision_learns=any(find_part(model, name) == "vision" for name in moving),
    )


def _describe(model: PreTrainedModel, name: str) -> Matrix:
    layer: Any = model.get_submodule(name)
    return Matrix(name.rpartition(".")[2], layer.out_features, layer.in_features)


def _measure_encoder(tower: Any) -> dict[str, int]:
    config = tower.config
    return {
        "encoder": _size(tower),
        "encoder_hidden": config.hidden_size,
        "encoder_inner": config.intermediate_size,
        "encoder_layers": config.num_hidden_layers,
        "patches": (config.image_size // config.patch_size) ** 2 + 1,
    }


def _has_identity(config: Any) -> bool:
    """Whether the second layer of a connector never learns."""
    activation = getattr(config, "projector_hidden_act", None)
    return activation is not None and connectors.has_one_layer(activation)


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    began = time.perf_counter()
    (left @ right).sum().item()
    return time.perf_counter() - began


def _size(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
