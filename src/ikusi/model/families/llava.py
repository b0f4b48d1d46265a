"""LLaVA: as many tokens for every picture, of a square; the models that are assembled here too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from ikusi.model import fusion
from ikusi.model.families.base import Family, Shown
from ikusi.model.parts import load_processor
from ikusi.model.pixels import prepare
from ikusi.model.vision import has_encoder, list_unreached


class Llava(Family):
    """Its encoder may stand apart while it is frozen, or its features be stored."""

    name = "LLaVA"
    model_types = ("llava",)
    sized = False

    def open_processor(self, folder: str | Path) -> Any:
        """See `Family`."""
        return load_processor(folder)

    def list_fixed(self, model: Any) -> list[nn.Parameter]:
        """See `Family`: the identity behind a linear connector."""
        learning = {id(one) for one in fusion.list_connector_parameters(model)}
        connector = model.model.multi_modal_projector.parameters()
        return [one for one in connector if id(one) not in learning]

    def list_unreached(self, model: Any, processor: Any) -> list[nn.Parameter]:
        """See `Family`; its blank picture needs no processor."""
        tower = model.model.vision_tower
        blank = self._blank(model, tower.device).to(tower.dtype)
        with torch.enable_grad():
            features = fusion.compute_image_features(model, blank)
        return list_unreached(tower.parameters(), features)

    def make_tokenizer(self, processor: Any) -> Any:
        """See `Family`: its own."""
        return processor.tokenizer

    def prepare(self, model: Any, processor: Any, images: Sequence[Image.Image]) -> Any:
        """See `Family`: pixels [I, 3, H, W]; none without pictures."""
        return prepare(processor.image_processor, images) if images else None

    def show(self, model: Any, processor: Any, size: tuple[int, int]) -> Shown:
        """See `Family`."""
        count = fusion.count_image_tokens(model, processor)
        return Shown((model.config.image_token_id,) * count, count)

    def count_patches(self, model: Any, processor: Any, size: tuple[int, int]) -> int:
        """See `Family`: as many as there are tokens."""
        return fusion.count_image_tokens(model, processor)

    def read(self, model: Any, input_ids: Tensor, pixels: Any, index: Tensor) -> dict[str, Any]:
        """See `Family`: `pixels` may be features [I, N, D] of a frozen encoder, or none."""
        images = self._blank(model, input_ids.device) if pixels is None else pixels
        features = fusion.compute_image_features(model, images) if images.dim() == 4 else images
        weight = model.model.multi_modal_projector.linear_1.weight
        projected = fusion.project(model, features.to(weight.dtype))
        return self.place(model, input_ids, [projected.flatten(0, 1)], index)

    def _blank(self, model: Any, device: torch.device) -> Tensor:
        """A picture of nothing: pixels where the encoder learns, else features."""
        vision: Any = model.config.vision_config
        width = model.model.multi_modal_projector.linear_1.in_features
        shape: tuple[int, ...] = (1, 1, width)
        if has_encoder(model):
            shape = (1, vision.num_channels, vision.image_size, vision.image_size)
        return torch.zeros(shape, device=device)


FAMILIES = [Llava()]
