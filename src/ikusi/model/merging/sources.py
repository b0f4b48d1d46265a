"""A checkpoint as its parts: which of its tensors belong to the LLM, the encoder, the connector.

Names are those that stock transformers gives the weights in memory, so that files of any age and
layout fit together: those of a LLaVA's LLM with those of the LLM alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
)
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming, rename_source_key

from ikusi import pretrained
from ikusi.errors import InputError
from ikusi.model import families, hub
from ikusi.model.merging import tensors
from ikusi.model.merging.tensors import Stored

Part = Literal["llm", "connector", "vision"]
PARTS: tuple[Part, ...] = get_args(Part)
HEAD, TABLE = "lm_head.weight", "embed_tokens.weight"


@dataclass(frozen=True)
class Source:
    """A checkpoint on disk, of which only names and sizes are read.

    Attributes:
        folder: of it.
        config: its configuration.
        stored: its tensors by their names in the files.
        parts: part -> name inside the part -> tensor.
    """

    folder: Path
    config: Any
    stored: Mapping[str, Stored]
    parts: Mapping[Part, Mapping[str, Stored]]


def open_source(folder: Path) -> Source:
    """Read what a checkpoint consists of.

    Raises:
        InputError: it is no LLM and no model that sees, by transformers' own classes, or its
            weights are no safetensors.
    """
    with hub.guard_opening(folder, "a model"):
        config = pretrained.load(AutoConfig, folder)
    kind: Any = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING.get(type(config), None)
    sees = kind is not None
    kind = kind or MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    if kind is None:
        raise InputError(
            f"{folder}: expected an LLM or a model that sees pictures, found {config.model_type}"
        )
    stored = tensors.list_stored(folder)
    with torch.device("meta"), hub.guard_opening(folder, "a model"):
        model = kind(config)
    return Source(folder, config, stored, _divide(model, stored, sees))


def _divide(model: Any, stored: Mapping[str, Stored], sees: bool) -> dict[Part, dict[str, Stored]]:
    names = {id(module): name for name, module in model.named_modules()}
    decoder = names[id(model.get_decoder())]
    encoder = names[id(model.get_encoder("image"))] if sees else None
    family = families.find(model.config.model_type) if sees else None
    head = model.get_output_embeddings()
    heads = f"{names[id(head)]}.weight" if head is not None else ""
    renamings = [
        one for one in get_model_conversion_mapping(model) if isinstance(one, WeightRenaming)
    ]
    prefix, known = model.base_model_prefix, model.state_dict()
    parts: dict[Part, dict[str, Stored]] = {}
    for name, one in stored.items():
        key, _ = rename_source_key(name, renamings, [], prefix, known)
        if key == heads:
            parts.setdefault("llm", {})[HEAD] = one
        elif key.startswith(f"{decoder}."):
            parts.setdefault("llm", {})[key.removeprefix(f"{decoder}.")] = one
        elif family:
            parts.setdefault(cast(Part, family.find_part(key)), {})[key] = one
        else:
            sight: Part = "vision" if encoder and key.startswith(f"{encoder}.") else "connector"
            parts.setdefault(sight, {})[key] = one
    llm = parts.get("llm", {})
    if getattr(model.config.get_text_config(), "tie_word_embeddings", False) and TABLE in llm:
        llm.setdefault(HEAD, llm[TABLE])
    return parts
