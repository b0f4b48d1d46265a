"""The vision encoder of a multimodal model: its features, and how it is taken out of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlavaForConditionalGeneration

__all__ = [
    "compute_tower_features",
    "has_encoder",
    "leave_out_unread",
    "list_unreached",
    "take_out_encoder",
]


def compute_tower_features(
    tower: nn.Module, pixels: Tensor, layers: int | Sequence[int], strategy: str
) -> Tensor:
    """Features [I, N, D] of `pixels` [I, 3, H, W]: the hidden states of `layers`, side by side.

    `strategy`: "default" leaves out the first one (CLIP's CLS), "full" keeps all.
    """
    states = tower(pixels, output_hidden_states=True).hidden_states
    first = int(strategy == "default")
    chosen = [layers] if isinstance(layers, int) else layers
    return torch.cat([states[layer][:, first:] for layer in chosen], dim=-1)


def has_encoder(model: LlavaForConditionalGeneration) -> bool:
    """Whether the vision encoder is in its place (see `take_out_encoder`)."""
    return not isinstance(model.model.vision_tower, nn.Identity)


@contextmanager
def take_out_encoder(model: LlavaForConditionalGeneration) -> Iterator[Any]:
    """Take the vision encoder out for a while, and hand it over.

    A frozen one has no part in what is trained: nothing need shard, wrap or synchronise it.
    """
    tower = model.model.vision_tower
    model.model.vision_tower = nn.Identity()
    try:
        yield tower
    finally:
        model.model.vision_tower = tower


@torch.no_grad()
def leave_out_unread(model: LlavaForConditionalGeneration) -> None:
    """Take out the encoder's layers above the deepest one that is read: they have no effect.

    For a model that is not trained. An encoder that gives other features without them keeps them.
    """
    config, tower = model.config, model.model.vision_tower
    count, size = (getattr(tower.config, key, 0) for key in ("num_hidden_layers", "image_size"))
    candidates = [m for m in tower.modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    if not count or not isinstance(size, int) or len(candidates) != 1:
        return
    read, strategy = config.vision_feature_layer, config.vision_feature_select_strategy
    given = [read] if isinstance(read, int) else list(read)
    places = [layer % (count + 1) for layer in given]
    shades = torch.linspace(-1, 1, 3 * size * size, device=tower.device, dtype=tower.dtype)
    picture = shades.view(1, 3, size, size)
    if len(tower(picture, output_hidden_states=True).hidden_states) != count + 1:
        return
    expected = compute_tower_features(tower, picture, given, strategy)
    above = list(candidates[0][max(places) :])
    del candidates[0][max(places) :]
    if torch.equal(compute_tower_features(tower, picture, places, strategy), expected):
        config.vision_feature_layer = places[0] if isinstance(read, int) else places
    else:
        candidates[0].extend(above)


def list_unreached(own: Iterable[nn.Parameter], features: Tensor) -> list[nn.Parameter]:
    """The encoder's own parameters that `features` do not depend on, such as those of layers above
    the one that is read: they could never learn."""
    parameters = [parameter for parameter in own if parameter.requires_grad]
    gradients = torch.autograd.grad(features.sum(), parameters, allow_unused=True)
    return [p for p, gradient in zip(parameters, gradients, strict=True) if gradient is None]
