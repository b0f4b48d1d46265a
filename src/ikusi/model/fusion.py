"""A vision encoder, a connector and an LLM as one stock LLaVA checkpoint.

What comes out is transformers' own `LlavaForConditionalGeneration`, so whatever reads stock LLaVA
reads it, with no code of ours. Any vision encoder and causal LLM that transformers knows will do,
as long as the stock class computes what the parts compute; where it would not, `assemble` refuses.

Connectors: `mlp2x_gelu` is the stock projector. `linear` is the paper's single linear layer
(arXiv 2511.09396, section 4): the stock projector with no activation and with its second layer
fixed to the identity, which gives a lone `nn.Linear`'s outputs to the last bit.
"""

from __future__ import annotations

import logging
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    BaseImageProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.conversion_mapping import get_model_conversion_mapping

from ikusi import connectors, pretrained
from ikusi.errors import InputError
from ikusi.model import hub, processors, sharing
from ikusi.model.chat import end_of_turn
from ikusi.model.parts import (
    check_finite,
    check_loaded,
    count_extra_tokens,
    grow_vocabulary,
    load_language_model,
    load_processor,
    make_padding_processor,
    open_image_processor,
    open_language_model,
    open_tokenizer,
    open_vision_tower,
    prepare_tokens,
    read_image_tokens,
)
from ikusi.model.vision import compute_tower_features

__all__ = [
    "ASPECTS",
    "assemble",
    "check_same_logits",
    "compute_image_features",
    "count_image_tokens",
    "embed",
    "list_connector_parameters",
    "load",
    "load_language_model",
    "project",
    "save",
]

logger = logging.getLogger(__name__)

ASPECTS = ("square", "pad")
"""How a picture that is not square is brought to the encoder's square."""


def assemble(
    vision: str | Path | PreTrainedModel,
    llm: str | Path | PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase | str | Path | None = None,
    connector: str = "linear",
    image_token: str | None = None,
    feature_layer: int = -2,
    seed: int = 0,
    image_processor: BaseImageProcessor | None = None,
    aspect: str = "square",
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """Fuse a vision encoder and an LLM with a fresh connector.

    `vision`, `llm`, `tokenizer`: checkpoint folders, hub names (`NAME`, `NAME@REVISION`) or loaded
    objects (which the fused model then shares); the tokenizer defaults to the LLM's. `image_token`
    defaults to the tokenizer's own or a reserved one, and is added only where there is neither.
    `feature_layer`: the hidden states of the encoder that the connector reads (the last but one,
    as in LLaVA).
    `aspect`: "square" is the encoder's own preprocessing, which cuts out a picture's middle (CLIP)
    or squashes it (SigLIP); "pad" fills up its shorter side with the mean colour, as LLaVA-1.5.
    The whole model takes the LLM's dtype and device.

    Raises InputError where the parts cannot be expressed as a stock LLaVA.
    """
    between = connectors.REGISTRY.find(connector)
    if aspect not in ASPECTS:
        raise InputError(f"aspect: expected one of {', '.join(ASPECTS)}, found {aspect!r}")
    tower = open_vision_tower(vision)
    language_model = open_language_model(llm)
    speaker = open_tokenizer(llm if tokenizer is None else tokenizer)
    prepare_tokens(speaker, image_token)
    grow_vocabulary(language_model, len(speaker))
    extra = count_extra_tokens(tower.config, feature_layer)
    config = _config(tower, language_model, speaker, between.activation, feature_layer, extra)
    model = _join(config, tower, language_model, seed)
    _end_generation(model, language_model, speaker)
    size = tower.config.image_size
    seeing = image_processor or open_image_processor(vision, size)
    processor = LlavaProcessor(
        image_processor=make_padding_processor(seeing, size) if aspect == "pad" else seeing,
        tokenizer=speaker,
        patch_size=tower.config.patch_size,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        chat_template=speaker.chat_template,
        image_token=speaker.image_token,
        num_additional_image_tokens=extra,
    )
    return model, processor


def save(
    model: PreTrainedModel, processor: Any, folder: str | Path, *, weightless: bool = False
) -> None:
    """Write weights (safetensors), configuration, processor and chat template to `folder`.

    `processor` is the model's own, or the tokenizer of a bare LLM. Weights get the names that
    stock checkpoints have on the hub, which for a CLIP or SigLIP encoder are not those in memory.
    `weightless`: write everything else.
    """
    if getattr(model.config, "vision_config", None) is not None:
        # As if it had been read from there; transformers drops a prefix of models made here.
        whole: Any = model
        whole._weight_conversions = get_model_conversion_mapping(model, add_legacy=False)
    sharing.forget_places(model.config)
    model.save_pretrained(folder, state_dict={} if weightless else None)
    processors.save_processor(processor, Path(folder))
    sharing.share_weights(Path(folder))


def load(
    folder: str | Path, dtype: torch.dtype | str | None = None
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """Open a LLaVA checkpoint, ours or anyone's, in the dtype it was saved in unless `dtype` is
    given.

    Raises InputError where `folder` holds no LLaVA, or its weights do not fit its configuration.
    """
    _expect_llava(folder)
    place, pinned = pretrained.split_place(folder)
    settings: dict[str, Any] = {"dtype": dtype or "auto", "output_loading_info": True}
    with hub.guard_opening(folder, "a LLaVA checkpoint"):
        model, report = pretrained.load(LlavaForConditionalGeneration, place, **pinned, **settings)
    check_loaded(folder, report)
    check_finite(folder, model)
    _freeze_identity(model)
    return model.eval(), load_processor(folder)


def list_connector_parameters(model: LlavaForConditionalGeneration) -> list[nn.Parameter]:
    """The parameters of the connector that can learn."""
    projector = model.model.multi_modal_projector
    learning = projector.linear_1 if _is_linear(model.config) else projector
    return list(learning.parameters())


def count_image_tokens(model: LlavaForConditionalGeneration, processor: LlavaProcessor) -> int:
    """Image tokens that each image takes in a conversation."""
    return read_image_tokens(model.config, processor)


def compute_image_features(
    model: LlavaForConditionalGeneration, pixel_values: Tensor, tower: nn.Module | None = None
) -> Tensor:
    """Features that the connector reads, by the tower: [I, N, D] of `pixel_values` [I, 3, H, W].

    With `project`, exactly the stock model's `get_image_features`; apart from it, features of a
    frozen tower can be computed once and kept. `tower`: the encoder where it has been taken out of
    the model (`take_out_encoder`).
    """
    config = model.config
    encoder = model.model.vision_tower if tower is None else tower
    layers, strategy = config.vision_feature_layer, config.vision_feature_select_strategy
    return compute_tower_features(encoder, pixel_values, layers, strategy)


@torch.no_grad()
def calibrate(model: LlavaForConditionalGeneration, pixel_values: Tensor) -> None:
    """Set the connector's initial weights by the encoder's features of some pictures.

    An encoder's patch features may share one large common part, and be far longer than word
    embeddings: a fresh connector then hands the LLM nearly the same long vector for every patch,
    which training takes long to undo. Here its first layer is rescaled and shifted so that each
    feature counts by its deviation from its mean, and what comes out is as long as the LLM's
    embeddings are. The connector stays the same layer; only its initial weights change.

    Args:
        pixel_values: some pictures [I, 3, H, W], as the processor prepares them.

    Raises:
        InputError: a feature is not finite.
    """
    features = compute_image_features(model, pixel_values).flatten(0, 1).float()  # [I * N, D]
    if not features.isfinite().all():
        raise InputError("vision encoder: expected finite features, found others")
    mean, deviation = features.mean(0), features.std(0).clamp(min=1e-6)
    first = model.model.multi_modal_projector.linear_1
    weight = first.weight.float() / deviation
    embeddings = model.get_input_embeddings().weight.float()
    spread = ((features - mean) @ weight.T).pow(2).mean().sqrt()
    weight *= embeddings.pow(2).mean().sqrt() / spread
    first.weight.copy_(weight)
    if first.bias is not None:
        first.bias.copy_(-weight @ mean)


def project(model: LlavaForConditionalGeneration, features: Tensor) -> Tensor:
    """Tower features [I, N, D] into the LLM's embedding space [I, N, H]."""
    projected: Tensor = model.model.multi_modal_projector(features)
    return projected


def embed(
    model: LlavaForConditionalGeneration, input_ids: Tensor, projected: Tensor | None
) -> Tensor:
    """Input embeddings [B, T, H] of `input_ids` [B, T], image tokens replaced in order by
    `projected` [I, N, H]. Raises InputError where there are not as many of one as of the other.
    """
    embeddings: Tensor = model.get_input_embeddings()(input_ids)
    mask = input_ids == model.config.image_token_id
    tokens = int(mask.sum())
    features = 0 if projected is None else projected.shape[0] * projected.shape[1]
    if tokens != features:
        raise InputError(
            f"expected an image feature per image token, found {features} for {tokens}"
        )
    if projected is None:
        return embeddings
    return embeddings.masked_scatter(mask.unsqueeze(-1), projected.to(embeddings.dtype))


def _config(
    tower: Any,
    llm: Any,
    tokenizer: Any,
    activation: str,
    feature_layer: int,
    extra: int,
) -> LlavaConfig:
    patches = (tower.config.image_size // tower.config.patch_size) ** 2
    return LlavaConfig(
        vision_config=tower.config,
        text_config=llm.config,
        image_token_index=tokenizer.convert_tokens_to_ids(tokenizer.image_token),
        image_seq_length=patches + max(extra - 1, 0),
        projector_hidden_act=activation,
        vision_feature_select_strategy="default" if extra else "full",
        vision_feature_layer=feature_layer,
        tie_word_embeddings=llm.config.tie_word_embeddings,
    )


def _join(config: LlavaConfig, tower: Any, llm: Any, seed: int) -> LlavaForConditionalGeneration:
    """The stock model with the parts in the places of its own: nothing is copied or initialised
    but the connector."""
    with torch.device("meta"):
        model: Any = LlavaForConditionalGeneration(config)
    for name, part in (("vision_tower", tower), ("language_model", llm.base_model)):
        expected = type(getattr(model.model, name))
        if type(part) is not expected:
            raise InputError(
                f"{name}: expected a {expected.__name__} as in stock LLaVA, "
                f"found a {type(part).__name__}"
            )
    model.model.vision_tower = tower.to(device=llm.device, dtype=llm.dtype)
    model.model.language_model = llm.base_model
    model.lm_head = llm.get_output_embeddings()
    model.model.multi_modal_projector.to_empty(device=llm.device).to(llm.dtype)
    _initialise_connector(model, seed)
    _freeze_identity(model)
    check_same_logits(model.eval(), llm.eval())
    return model


def _initialise_connector(model: LlavaForConditionalGeneration, seed: int) -> None:
    """Small normal weights, zero biases; for a linear connector, the identity after them."""
    if model.device.type == "meta":
        return
    projector = model.model.multi_modal_projector
    generator = torch.Generator().manual_seed(seed)
    deviation = getattr(model.config.text_config, "initializer_range", 0.02)
    with torch.no_grad():
        for layer in (projector.linear_1, projector.linear_2):
            weight = torch.empty(layer.weight.shape).normal_(0, deviation, generator=generator)
            layer.weight.copy_(weight)
            layer.bias.zero_()
        if _is_linear(model.config):
            nn.init.eye_(projector.linear_2.weight)


def _is_linear(config: LlavaConfig) -> bool:
    return connectors.has_one_layer(config.projector_hidden_act)


def _freeze_identity(model: LlavaForConditionalGeneration) -> None:
    if _is_linear(model.config):
        model.model.multi_modal_projector.linear_2.requires_grad_(False)


def check_same_logits(model: Any, llm: Any) -> None:
    """Refuse LLMs that do to their logits what the stock class would leave out (soft caps, scales);
    a few tokens show it."""
    if model.device.type == "meta":
        return
    tokens = torch.arange(4, device=llm.device)[None]
    with torch.no_grad():
        own, fused = llm(tokens).logits, model(tokens).logits
    if not torch.allclose(own, fused, rtol=1e-3, atol=1e-5):
        raise InputError(
            f"{llm.config.model_type}: expected logits from a plain output layer; "
            "this LLM changes them afterwards, which stock LLaVA would not do"
        )


def _end_generation(
    model: LlavaForConditionalGeneration, llm: Any, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Stop generating where the LLM stops, and at the end of a turn in any case."""
    settings = deepcopy(llm.generation_config)
    stops = settings.eos_token_id
    known = [] if stops is None else stops if isinstance(stops, list) else [stops]
    ending = tokenizer.convert_tokens_to_ids(end_of_turn(tokenizer))
    settings.eos_token_id = known if ending in known else [*known, ending]
    settings.pad_token_id = tokenizer.pad_token_id
    model.generation_config = settings


def _expect_llava(folder: str | Path) -> None:
    place, pinned = pretrained.split_place(folder)
    with hub.guard_opening(folder, "a LLaVA checkpoint"):
        kind = pretrained.load(AutoConfig, place, **pinned).model_type
    if kind != "llava":
        raise InputError(f"{folder}: expected a LLaVA checkpoint, found a {kind!r} one")
