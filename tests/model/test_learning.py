"""Which parameters learn: by the parts of a model, counted and said."""

import logging

import pytest

from ikusi.errors import InputError
from ikusi.model import fusion
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
