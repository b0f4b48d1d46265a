"""The parts a multimodal model is assembled from: encoder, LLM, tokenizer, image processor.

Each is opened from a folder or the hub (NAME, NAME@REVISION) or taken as it is, made ready (an
image token, padding, room in the vocabulary) and refused, with the reason, where stock LLaVA could
not hold it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import (
    MODEL_MAPPING,
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoProcessor,
    AutoTokenizer,
    CLIPImageProcessorPil,
    ImageProcessingMixin,
    LlavaConfig,
    LlavaImageProcessorPil,
    LlavaProcessor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ikusi import jsonfile, pretrained
from ikusi.errors import InputError
from ikusi.model import hub
from ikusi.model.chat import end_of_turn, render
from ikusi.model.ends import make_ending
from ikusi.model.rendering import accepts_strings
from ikusi.model.resizing import resize_across_first
from ikusi.model.steady import make_steady
from ikusi.model.tokens import (
    compile_control,
    find_control_tokens,
    set_image_token,
    with_image_parts,
)

logger = logging.getLogger(__name__)

IMAGE_TOKENS = ("<|image|>", "<image>", "<|image_pad|>", "<image_soft_token>", "[IMG]")
PAD_TOKENS = ("<|pad|>", "<pad>", "[PAD]", "<|finetune_right_pad_id|>")
KEPT_BY_PADDING = (
    *("resample", "do_convert_rgb", "do_rescale", "rescale_factor"),
    *("do_normalize", "image_mean", "image_std"),
)
RESERVED = re.compile(r"reserved|unused|control_\d|extra_\d")


def load_language_model(
    folder: str | Path, dtype: torch.dtype | str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Open a text-only causal LLM (a backbone) and its tokenizer. Raises InputError if none."""
    auto: Any = AutoModelForCausalLM
    place, pinned = pretrained.split_place(folder)
    with hub.guard_opening(folder, "a causal LLM"):
        model, report = pretrained.load(
            auto, place, **pinned, dtype=dtype or "auto", output_loading_info=True
        )
    check_loaded(folder, report)
    check_finite(folder, model)
    return model.eval(), open_tokenizer(folder)


def load_processor(folder: str | Path) -> LlavaProcessor:
    """Open a LLaVA checkpoint's processor alone: image processor, and tokenizer with chat template.

    Raises:
        InputError: there is none, or it is another model's.
    """
    place, pinned = pretrained.split_place(folder)
    with hub.guard_opening(folder, "a LLaVA's processor"):
        processor: Any = pretrained.load(AutoProcessor, place, **pinned, backend="pil")
    if not isinstance(processor, LlavaProcessor):
        kind = type(processor).__name__
        raise InputError(f"{folder}: expected a LLaVA's processor, found {kind}")
    resize_across_first(processor.image_processor)
    set_image_token(processor.tokenizer, processor.image_token)
    if processor.tokenizer.chat_template is None:
        processor.tokenizer.chat_template = processor.chat_template
    make_steady(processor.tokenizer)
    make_ending(processor.tokenizer)
    processor.chat_template = processor.tokenizer.chat_template
    opened: LlavaProcessor = processor
    return opened


def open_vision_tower(vision: str | Path | PreTrainedModel) -> Any:
    """The bare vision encoder, also out of a two-tower checkpoint such as CLIP's.

    Raises InputError where there is none, or weights are missing.
    """
    if isinstance(vision, PreTrainedModel):
        return vision.vision_model if hasattr(vision.config, "vision_config") else vision
    place, pinned = pretrained.split_place(vision)
    with hub.guard_opening(vision, "a vision encoder"):
        config = pretrained.load(AutoConfig, place, **pinned)
        config = getattr(config, "vision_config", config)
        kind: Any = MODEL_MAPPING[type(config)]
        tower, report = pretrained.load(
            kind, place, **pinned, config=config, dtype="auto", output_loading_info=True
        )
    if report["missing_keys"]:
        raise InputError(f"{vision}: vision encoder lacks weights: {_some(report['missing_keys'])}")
    check_finite(vision, tower)
    return tower


def open_language_model(llm: str | Path | PreTrainedModel) -> Any:
    """The causal LLM. Raises InputError where its output layer is not a plain matrix."""
    model: Any = llm if isinstance(llm, PreTrainedModel) else load_language_model(llm)[0]
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or head.bias is not None:
        raise InputError(
            f"{model.config.model_type}: expected an output layer without bias, found {head}"
        )
    return model


def open_tokenizer(source: PreTrainedTokenizerBase | PreTrainedModel | str | Path) -> Any:
    """Open a tokenizer, or copy one that is given; its chat template is made steady.

    Raises:
        InputError: there is none, or only a loaded LLM is given, which has no tokenizer.
    """
    if isinstance(source, PreTrainedTokenizerBase):
        made = deepcopy(source)
        make_steady(made)
        return made
    if isinstance(source, PreTrainedModel):
        raise InputError("tokenizer: expected one beside an LLM that is already loaded, found none")
    place, pinned = pretrained.split_place(source)
    with hub.guard_opening(source, "a tokenizer"):
        opened = pretrained.load(AutoTokenizer, place, **pinned)
    make_steady(opened)
    return opened


def prepare_tokens(tokenizer: PreTrainedTokenizerBase, image_token: str | None) -> None:
    """Give the tokenizer an image token, a padding token of its own, and image parts.

    Raises InputError where its chat template ends no turn or cannot show an image.
    """
    ending = end_of_turn(tokenizer)
    own = getattr(tokenizer, "image_token", None)
    image = image_token or own or _free_token(tokenizer, IMAGE_TOKENS, taken=[]) or "<image>"
    _ensure_special(tokenizer, image)
    set_image_token(tokenizer, image)
    if tokenizer.pad_token in (None, tokenizer.eos_token, ending):
        # Padding that doubles as an end of turn would mask real ends; id 0 is a real character in
        # many vocabularies (LLaVA-NeXT issue 338).
        pad = _free_token(tokenizer, PAD_TOKENS, taken=[image]) or "<|pad|>"
        _ensure_special(tokenizer, pad)
        tokenizer.pad_token = pad
    if accepts_strings(tokenizer):
        tokenizer.chat_template = with_image_parts(str(tokenizer.chat_template), image)
    render(tokenizer, [{"role": "user", "content": [{"type": "image"}]}])


def _free_token(
    tokenizer: PreTrainedTokenizerBase, wanted: Iterable[str], taken: Sequence[str]
) -> str | None:
    """A special token the vocabulary already has for the purpose, else its first reserved one."""
    special = [
        str(tokenizer.convert_ids_to_tokens(i)) for i in sorted(compile_control(tokenizer).ids)
    ]
    named = [token for token in wanted if token in special]
    reserved = [token for token in special if RESERVED.search(token)]
    return next((token for token in named + reserved if token not in taken), None)


def _ensure_special(tokenizer: PreTrainedTokenizerBase, token: str) -> None:
    # By its text: asked for the id of a token it lacks, a tokenizer gives its unknown token's.
    if find_control_tokens(tokenizer, token) != [token]:
        tokenizer.add_special_tokens(
            {"extra_special_tokens": [token]}, replace_extra_special_tokens=False
        )


def grow_vocabulary(llm: Any, size: int) -> None:
    """Give added tokens the mean embedding, which no context prefers to the tokens it averages."""
    old = llm.get_input_embeddings().weight.shape[0]
    if size <= old:
        return
    llm.resize_token_embeddings(size, mean_resizing=False)
    for layer in (llm.get_input_embeddings(), llm.get_output_embeddings()):
        with torch.no_grad():
            layer.weight[old:] = layer.weight[:old].mean(dim=0)


def count_extra_tokens(config: Any, feature_layer: int) -> int:
    """Tokens that the encoder puts before its patches: 1 for CLIP's CLS, 0 for SigLIP.

    Raises:
        InputError: its pictures are not square, or it has no hidden state of that number.
    """
    if not isinstance(getattr(config, "image_size", None), int):
        raise InputError("vision encoder: expected one square image size in its configuration")
    with torch.device("meta"):
        pixels = torch.empty(1, config.num_channels, config.image_size, config.image_size)
        tower: Any = AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=False)
        states = tower(pixels, output_hidden_states=True).hidden_states
    if not -len(states) <= feature_layer < len(states):
        raise InputError(
            f"feature_layer: expected one of {len(states)} hidden states, found {feature_layer}"
        )
    return int(states[feature_layer].shape[1]) - (config.image_size // config.patch_size) ** 2


def read_image_tokens(config: LlavaConfig, processor: LlavaProcessor) -> int:
    """Image tokens that each image takes in a conversation, from the configuration alone."""
    vision: Any = config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    dropped = config.vision_feature_select_strategy == "default"
    return int(patches + processor.num_additional_image_tokens - dropped)


def open_image_processor(vision: str | Path | PreTrainedModel, image_size: int) -> Any:
    """The encoder's own preprocessing (with PIL, so that torchvision is not needed), else CLIP's
    at the encoder's image size."""
    if not isinstance(vision, PreTrainedModel):
        place, pinned = pretrained.split_place(vision)
        with hub.guard_opening(vision, "an image processor"):
            if (settings := _image_settings(vision)) is not None:
                return resize_across_first(pretrained.load(_pil_class(settings), place, **pinned))
        logger.info("%s: no image processor, using CLIP's at %d pixels", vision, image_size)
    square = {"height": image_size, "width": image_size}
    own = CLIPImageProcessorPil(size={"shortest_edge": image_size}, crop_size=square)
    return resize_across_first(own)


def make_padding_processor(image_processor: Any, image_size: int) -> LlavaImageProcessorPil:
    """LLaVA-1.5's preprocessing with the numbers of `image_processor`: the shorter side is filled
    up on both ends with the mean colour, then the square is resized to `image_size`. Nothing is
    cut off, whatever the original cuts."""
    own = image_processor.to_dict()
    square = {"height": image_size, "width": image_size}
    made = LlavaImageProcessorPil(
        **{name: own[name] for name in KEPT_BY_PADDING if name in own},
        do_pad=True,
        do_center_crop=False,
        size=square,
        crop_size=square,  # unused, but transformers reads off it how many tokens an image takes
    )
    resize_across_first(made)
    return made


def _image_settings(vision: str | Path) -> dict[str, Any] | None:
    """Settings of a model's image processor, from its files; None where it has none."""
    place, pinned = pretrained.split_place(vision)
    try:
        settings: dict[str, Any] = ImageProcessingMixin.get_image_processor_dict(place, **pinned)[0]
    except OSError:
        if _has_image_settings(vision):
            raise  # they are damaged
        return None
    return settings


def _has_image_settings(vision: str | Path) -> bool:
    try:
        own = hub.find_folder(vision)
    except InputError:
        return False
    if (own / "preprocessor_config.json").exists():
        return True
    whole = own / "processor_config.json"
    return whole.exists() and "image_processor" in jsonfile.read_object(whole)


def _pil_class(settings: dict[str, Any]) -> Any:
    """The image processor class that `settings` name, in its PIL form where it has one."""
    older = settings.get("feature_extractor_type", "").replace("FeatureExtractor", "ImageProcessor")
    name = settings.get("image_processor_type") or older
    return getattr(transformers, name.removesuffix("Fast") + "Pil", AutoImageProcessor)


def check_loaded(folder: str | Path, report: dict[str, Any]) -> None:
    """Raise InputError unless every weight of a checkpoint found its place, and the reverse."""
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[problem]:
            fault = problem.replace("_", " ")
            raise InputError(
                f"{folder}: weights do not fit the model: {fault} {_some(report[problem])}"
            )


def check_finite(folder: str | Path, model: nn.Module) -> None:
    """Raise InputError where a weight is not finite: one is enough to spoil every answer."""
    for name, weight in model.named_parameters():
        if not weight.is_floating_point() or weight.dtype.itemsize == 1 or not weight.numel():
            continue  # formats of 8 bits have no such numbers, or no kernels
        # Both are NaN where any weight is; looking at each would take many times as long.
        least, largest = weight.detach().aminmax()
        if not (least.isfinite() and largest.isfinite()):
            actual = f"{float(least)} to {float(largest)} in {name}"
            raise InputError(f"{folder}: expected finite weights, found {actual}")


def _some(keys: Iterable[Any]) -> str:
    names = sorted(str(key) for key in keys)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
