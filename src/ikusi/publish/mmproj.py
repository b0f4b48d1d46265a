"""Write the GGUF file by which llama.cpp sees: the vision encoder and the connector of a LLaVA.

llama.cpp's converter writes such files for many models, but of stock LLaVAs only for Pixtral's
kind (its `conversion/llava.py`), so this one is written here, with llama.cpp's own `gguf` package.
The file is of llama.cpp's projector type `mlp`: two layers with GELU between them. The paper's
linear connector has no GELU; it is the same function all the same, because GELU(x) - GELU(-x) = x,
so a first layer that also gives -x and a second that subtracts the two halves undo it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

from ikusi.errors import InputError

TOWERS = ("clip_vision_model", "siglip_vision_model")
CONNECTORS = ("linear", "gelu", "gelu_new", "gelu_pytorch_tanh")
ENCODERS = {"quick_gelu": None, "gelu": "gelu", "gelu_pytorch_tanh": "gelu", "silu": "silu"}
"""Activation of an encoder -> llama.cpp's flag for it; without any it takes the quick GELU."""

FEATURE_LAYER = "clip.vision.feature_layer"
LAYERS = "encoder.layers."
NUMBERS = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
"""The dtypes of checkpoints that GGUF has as well, by its names for them."""


def check(config: LlavaConfig) -> None:
    """Raise InputError unless llama.cpp would compute what the LLaVA of `config` computes."""
    if importlib.util.find_spec("gguf") is None:
        raise InputError("gguf: expected the package, found none: pip install 'ikusi[export]'")
    vision: Any = config.vision_config
    _expect("vision encoder", vision.model_type, TOWERS)
    _expect("activation of the vision encoder", vision.hidden_act, tuple(ENCODERS))
    _expect("activation of the connector", config.projector_hidden_act, CONNECTORS)
    wanted = "default" if has_class_token(config) else "full"
    _expect("vision_feature_select_strategy", config.vision_feature_select_strategy, (wanted,))
    layers = list_feature_layers(config)
    if layers != sorted(set(layers)) or layers[0] < 1:
        raise InputError(f"vision_feature_layer: expected layers in order, found {layers}")
    if vision.intermediate_size == vision.hidden_size:
        # By this equality llama.cpp knows files of old, in which the two layers are exchanged.
        raise InputError(
            f"vision encoder: expected an intermediate size that is not its hidden size, "
            f"found {vision.hidden_size} for both"
        )


def has_class_token(config: LlavaConfig) -> bool:
    """Whether the encoder puts a class token before its patches."""
    return bool(config.vision_config.model_type == "clip_vision_model")


def list_feature_layers(config: LlavaConfig) -> list[int]:
    """The hidden states of the encoder that the connector reads, counted from its input (0)."""
    layers = config.vision_feature_layer
    states = int(config.vision_config.num_hidden_layers) + 1
    chosen = [layers] if isinstance(layers, int) else list(layers)
    return [layer % states for layer in chosen]


@torch.no_grad()
def write(
    model: LlavaForConditionalGeneration, processor: LlavaProcessor, path: Path, name: str
) -> None:
    """Write encoder and connector of `model` to `path`, matrices in the model's dtype.

    `name`: what the file calls itself. The model must be one that `check` lets pass.
    """
    from gguf import GGMLQuantizationType, GGUFWriter, quants

    writer = GGUFWriter(path, "clip")
    _describe(writer, model, processor, name)
    matrices = GGMLQuantizationType[NUMBERS[model.dtype]]
    for key, tensor in _tensors(model):
        kind = matrices if _is_matrix(key, tensor) else GGMLQuantizationType.F32
        writer.add_tensor(key, quants.quantize(tensor.float().numpy(), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _expect(what: str, actual: str, known: tuple[str, ...]) -> None:
    if actual not in known:
        raise InputError(f"{what}: llama.cpp expects one of {', '.join(known)}, found {actual!r}")


def _describe(
    writer: Any, model: LlavaForConditionalGeneration, processor: LlavaProcessor, name: str
) -> None:
    """The keys by which llama.cpp builds the encoder and prepares pictures."""
    from gguf import GGUFType, LlamaFileType

    config: Any = model.config
    vision = config.vision_config
    kinds = {"F32": "ALL_F32", "F16": "MOSTLY_F16", "BF16": "MOSTLY_BF16"}
    layers = list_feature_layers(config)
    writer.add_type(GGUFType.MMPROJ)
    writer.add_name(name)
    writer.add_file_type(LlamaFileType[kinds[NUMBERS[model.dtype]]])
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("mlp")
    writer.add_vision_projection_dim(config.text_config.hidden_size)
    writer.add_vision_image_size(vision.image_size)
    writer.add_vision_patch_size(vision.patch_size)
    writer.add_vision_embedding_length(vision.hidden_size)
    writer.add_vision_feed_forward_length(vision.intermediate_size)
    writer.add_vision_block_count(max(layers))
    writer.add_vision_head_count(vision.num_attention_heads)
    writer.add_vision_attention_layernorm_eps(vision.layer_norm_eps)
    writer.add_array(FEATURE_LAYER, layers)
    activation = ENCODERS[vision.hidden_act]
    if activation is not None:
        getattr(writer, f"add_vision_use_{activation}")(True)
    writer.add_vision_image_mean(list(processor.image_processor.image_mean))
    writer.add_vision_image_std(list(processor.image_processor.image_std))


def _tensors(model: LlavaForConditionalGeneration) -> Iterator[tuple[str, Tensor]]:
    """Encoder and connector by llama.cpp's names; what only unread layers need is left out."""
    from gguf import MODEL_ARCH, get_tensor_name_map

    depth = max(list_feature_layers(model.config))
    names = get_tensor_name_map(MODEL_ARCH.MMPROJ, depth)
    for key, tensor in model.model.vision_tower.state_dict().items():
        own = key.removeprefix("vision_model.")
        if own.startswith(LAYERS) and int(own.removeprefix(LAYERS).partition(".")[0]) >= depth:
            continue
        if own.startswith(("post_layernorm.", "head.")) or own.endswith("position_ids"):
            continue
        known = names.get_name(f"vision_tower.vision_model.{own}", (".weight", ".bias"))
        if known is None:
            raise InputError(f"vision encoder: expected weights llama.cpp knows, found {key}")
        yield known, tensor
    yield from _connector(model)


def _connector(model: LlavaForConditionalGeneration) -> Iterator[tuple[str, Tensor]]:
    projector: Any = model.model.multi_modal_projector
    first, second = projector.linear_1, projector.linear_2
    layers = [(layer.weight, _bias(layer)) for layer in (first, second)]
    if model.config.projector_hidden_act == "linear":
        (into, shift), (out, end) = layers
        layers = [(torch.cat([into, -into]), torch.cat([shift, -shift])), (_halves(out), end)]
    for place, (weight, bias) in zip((0, 2), layers, strict=True):
        yield f"mm.{place}.weight", weight
        yield f"mm.{place}.bias", bias


def _bias(layer: Any) -> Tensor:
    return layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias


def _halves(weight: Tensor) -> Tensor:
    return torch.cat([weight, -weight], dim=1)


def _is_matrix(key: str, tensor: Tensor) -> bool:
    """Whether a tensor is one that llama.cpp multiplies by; what it adds it wants in fp32."""
    return tensor.dim() == 2 and not key.startswith("v.position_embd")
