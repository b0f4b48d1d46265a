"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: pictures of any size, and positions in three axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ikusi.model.families.base import Family, Pixels, Shown


class Qwen(Family):
    """Pictures keep their shape; a token's position is its time, its row and its column."""

    name = "Qwen2-VL"
    model_types: tuple[str, ...] = ("qwen2_vl", "qwen2_5_vl")
    parts: Mapping[str, tuple[str, ...]] = {
        "vision": ("model.visual.",),
        "connector": ("model.visual.merger.",),
        "llm": ("model.language_model.", "lm_head."),
    }
    placing = ("image_grid_thw",)

    def compute_positions(self, model: Any, ids: Tensor, shown: Sequence[Shown]) -> Tensor:
        """See `Family`: the model's own, [3, T]."""
        kinds = (ids == model.config.image_token_id).int()
        grids = torch.cat([one.inputs["image_grid_thw"] for one in shown]) if shown else None
        positions, _ = model.get_rope_index(ids[None], kinds[None], image_grid_thw=grids)
        placed: Tensor = positions[:, 0]
        return placed


class Qwen3(Qwen):
    """The first layers of the LLM are given features of earlier layers of the encoder."""

    name = "Qwen3-VL"
    model_types = ("qwen3_vl",)
    parts: Mapping[str, tuple[str, ...]] = {
        **Qwen.parts,
        "connector": ("model.visual.merger.", "model.visual.deepstack_merger_list."),
    }

    def compute_features(self, model: Any, pixels: Pixels) -> list[Tensor]:
        """See `Family`: those that take the places of tokens, then those for each of the layers."""
        made = model.get_image_features(**pixels, return_dict=True)
        return [torch.cat(list(one)) for one in (made.pooler_output, *made.deepstack_features)]

    def fill_in(self, model: Any, input_ids: Tensor, features: list[Tensor]) -> dict[str, Any]:
        """See `Family`: the model puts them in their places itself."""
        seen = BaseModelOutputWithPooling(pooler_output=(features[0],))
        seen.deepstack_features = [(one,) for one in features[1:]]
        return {"input_ids": input_ids, "mm_encoder_outputs": {"image": seen}}


FAMILIES = [Qwen(), Qwen3()]
