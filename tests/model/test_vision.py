"""Parts that an encoder can do without when it does not learn."""

from typing import Any

import pytest
import torch
from transformers import CLIPVisionConfig, LlamaConfig, SiglipVisionConfig

from ikusi.model import fusion
from ikusi.model.vision import leave_out_unread
from model.families import tokenizer
from model.pairs import llm, tower


def seeing(config: Any, layer: Any) -> Any:
    """A LLaVA that reads these hidden states of its encoder."""
    model = fusion.assemble(tower(config), llm(LlamaConfig), tokenizer("plain"))[0]
    model.config.vision_feature_layer = layer
    return model.eval()


@pytest.mark.parametrize(
    ("layer", "left"), [(-2, 2), (-1, 3), (1, 1), ([-3, -2], 2)], ids=lambda value: str(value)
)
@pytest.mark.parametrize("config", [CLIPVisionConfig, SiglipVisionConfig])
def test_an_encoder_says_the_same_without_the_layers_that_are_not_read(
    config: Any, layer: Any, left: int
) -> None:
    model = seeing(config, layer)
    pixels = torch.randn(2, 3, 32, 32)
    expected = fusion.compute_image_features(model, pixels)
    leave_out_unread(model)
    assert torch.equal(fusion.compute_image_features(model, pixels), expected)
    assert len(model.model.vision_tower.encoder.layers) == left


def test_an_encoder_that_says_something_else_without_them_keeps_its_layers() -> None:
    model = seeing(SiglipVisionConfig, -2)
    model.model.vision_tower.config.tie_last_hidden_states = True  # the last, normalised
    pixels = torch.randn(2, 3, 32, 32)
    expected = fusion.compute_image_features(model, pixels)
    leave_out_unread(model)
    assert torch.equal(fusion.compute_image_features(model, pixels), expected)
    assert len(model.model.vision_tower.encoder.layers) == 3
