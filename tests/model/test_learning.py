"""The parameters that learn, by the parts of a model: counted, and printed."""

import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import AyaVisionConfig, AyaVisionForConditionalGeneration

from ikusi.errors import InputError
from ikusi.model import families, fusion
from ikusi.model.learning import set_trainable
from model.families import tokenizer
from model.pairs import llm, tower


def test_trainable_freezes_the_rest_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    model, _ = fusion.assemble(tower(), llm(), tokenizer("plain"), "mlp2x_gelu")
    with caplog.at_level(logging.INFO):
        counts = set_trainable(model, ["connector"])
    assert counts == {"connector": 32 * 48 + 48 + 48 * 48 + 48}
    assert "trainable: connector 3,936 of" in caplog.text
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 3936
    # What the encoder has above the layer that is read cannot learn.
    unread = [
        p
        for name, p in model.model.vision_tower.named_parameters()
        if "layers.2." in name or "post_layernorm" in name
    ]
    assert unread
    assert sum(set_trainable(model, ["connector", "llm", "vision"]).values()) == sum(
        p.numel() for p in model.parameters()
    ) - sum(p.numel() for p in unread)
    assert not any(p.requires_grad for p in unread)
    assert set_trainable(model, []) == {}


def test_tied_embeddings_are_counted_once() -> None:
    tied = llm(tie_word_embeddings=True)
    assert set_trainable(tied, ["llm"])["llm"] == sum(p.numel() for p in tied.parameters())
    model, _ = fusion.assemble(tower(), tied, tokenizer("plain"))
    assert set_trainable(model, ["llm"])["llm"] == sum(p.numel() for p in tied.parameters())


def test_a_part_the_model_lacks_is_refused() -> None:
    with pytest.raises(InputError, match="expected parts among llm, found 'connector'"):
        set_trainable(llm(), ["connector"])


FAMILY = """
from ikusi.model.families.base import Family


class AyaVision(Family):
    name = "Aya Vision"
    model_types = ("aya_vision",)


FAMILIES = [AyaVision()]
"""


def test_a_family_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    eyes = {"model_type": "siglip_vision_model", **small, "image_size": 16, "patch_size": 4}
    mind = {"model_type": "cohere2", **small, "num_key_value_heads": 2, "vocab_size": 50}
    model = AyaVisionForConditionalGeneration(
        AyaVisionConfig(vision_config=eyes, text_config=mind, image_token_index=3)
    )
    with pytest.raises(InputError, match=r"one that sees of the kinds .*, found aya_vision"):
        set_trainable(model, ["connector"])
    (tmp_path / "aya.py").write_text(FAMILY)
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path)])
    vars(families.REGISTRY).pop("every")
    try:
        counts = set_trainable(model, ["connector", "llm"])
    finally:
        vars(families.REGISTRY).pop("every")
        sys.modules.pop("ikusi.model.families.aya", None)
    wanted = sum(p.numel() for p in model.model.multi_modal_projector.parameters())
    assert counts["connector"] == wanted
    assert sum(counts.values()) == sum(p.numel() for p in model.parameters() if p.requires_grad)
