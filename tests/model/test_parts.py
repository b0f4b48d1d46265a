"""Encoders, LLMs and tokenizers are opened, made ready, or refused with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, Gemma2Config

from ikusi.errors import InputError
from ikusi.model import chat, fusion
from ikusi.model.parts import open_image_processor
from model.families import tokenizer
from model.pairs import TOWER, llm, tower


@pytest.mark.slow
def test_a_reserved_token_becomes_the_image_token_where_there_is_one() -> None:
    _, reserved = fusion.assemble(tower(), llm(), tokenizer("llama-3.1"))
    assert reserved.image_token == "<|reserved_special_token_0|>"
    assert reserved.tokenizer.pad_token == "<|finetune_right_pad_id|>"
    _, named = fusion.assemble(tower(), llm(), tokenizer("chatml"))
    assert named.image_token == "<|image_pad|>"
    _, chosen = fusion.assemble(tower(), llm(), tokenizer("plain"), image_token="<|system|>")
    assert chosen.image_token == "<|system|>"


def test_added_tokens_get_the_mean_embedding() -> None:
    words = tokenizer("mistral")
    old = len(words)
    model: Any
    model, processor = fusion.assemble(tower(), llm(words=old), words)
    assert processor.image_token == "<image>" and len(processor.tokenizer) == old + 2
    for layer in (model.get_input_embeddings(), model.lm_head):
        assert layer.weight.shape[0] == old + 2 == model.config.text_config.vocab_size
        torch.testing.assert_close(layer.weight[old], layer.weight[:old].mean(dim=0))


def test_tokens_are_added_also_where_unknown_words_have_a_token_of_their_own() -> None:
    words = tokenizer("mistral")
    words.unk_token = "<unk>"
    model, processor = fusion.assemble(tower(), llm(words=len(words)), words)
    own = processor.tokenizer
    assert len(own) == len(words) + 2
    assert model.config.image_token_id == own.get_vocab()["<image>"] != own.unk_token_id
    assert own.pad_token_id not in (own.unk_token_id, model.config.image_token_id)


def test_the_tokenizer_that_was_handed_in_is_left_as_it_was() -> None:
    words = tokenizer("mistral")
    size, template = len(words), words.chat_template
    fusion.assemble(tower(), llm(), words)
    assert (len(words), words.chat_template, words.pad_token) == (size, template, None)


@pytest.mark.slow
def test_parts_are_opened_from_folders(tmp_path: Path) -> None:
    both = CLIPModel(
        CLIPConfig(
            vision_config=TOWER,
            text_config={
                key: TOWER[key]
                for key in ("hidden_size", "intermediate_size", "num_attention_heads")
            },
        )
    )
    both.save_pretrained(tmp_path / "clip")
    CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, image_mean=[0.25] * 3
    ).save_pretrained(tmp_path / "clip")
    backbone = llm()
    fusion.save(backbone, tokenizer("plain"), tmp_path / "llm")

    model, processor = fusion.assemble(tmp_path / "clip", str(tmp_path / "llm"))
    pixels = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = both.eval().vision_model(pixels, output_hidden_states=True).hidden_states[-2]
        assert torch.equal(fusion.compute_image_features(model, pixels), expected[:, 1:])
        assert torch.equal(model(torch.tensor([[7]])).logits, backbone(torch.tensor([[7]])).logits)
    assert list(processor.image_processor.image_mean) == [0.25] * 3

    alone, words = fusion.load_language_model(tmp_path / "llm")
    assert torch.equal(alone.lm_head.weight, backbone.lm_head.weight)
    assert chat.end_of_turn(words) == "<|end|>" and chat.find_image_token(words) == "<|image|>"


def test_llms_whose_logits_stock_llava_would_change_are_refused() -> None:
    capped = llm(Gemma2Config, final_logit_softcapping=0.01, initializer_range=1.0)
    with pytest.raises(InputError, match="gemma2: expected logits from a plain output layer"):
        fusion.assemble(tower(), capped, tokenizer("plain"))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"connector": "qformer"}, "connector: expected one of linear, mlp2x_gelu"),
        ({"feature_layer": -9}, "feature_layer: expected one of 4 hidden states, found -9"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        fusion.assemble(tower(), llm(), tokenizer("plain"), **settings)


def test_a_loaded_llm_needs_its_tokenizer() -> None:
    with pytest.raises(InputError, match="tokenizer: expected one beside an LLM"):
        fusion.assemble(tower(), llm())


def test_folders_without_a_llava_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a LLaVA checkpoint, found none"):
        fusion.load(tmp_path)
    with pytest.raises(InputError, match="expected a causal LLM, found none"):
        fusion.load_language_model(tmp_path)
    llm().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="expected a LLaVA checkpoint, found a 'llama' one"):
        fusion.load(tmp_path)


def test_checkpoints_that_lack_weights_are_refused(tmp_path: Path) -> None:
    model, processor = fusion.assemble(tower(), llm(), tokenizer("plain"))
    state = {k: v for k, v in model.state_dict().items() if "linear_1" not in k}
    model.save_pretrained(tmp_path, state_dict=state)
    processor.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"weights do not fit the model: missing keys .*linear_1"):
        fusion.load(tmp_path)


@pytest.mark.parametrize(
    "kind",
    [
        {"image_processor_type": "CLIPImageProcessor"},
        {"image_processor_type": "CLIPImageProcessorFast"},
        {"feature_extractor_type": "CLIPFeatureExtractor"},
    ],
    ids=lambda kind: next(iter(kind.values())),
)
def test_image_processors_old_and_new_are_read_without_torchvision(
    kind: dict[str, str], tmp_path: Path
) -> None:
    settings = {**kind, "image_mean": [0.25] * 3, "size": 32, "crop_size": 32}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    opened = open_image_processor(tmp_path, 32)
    assert isinstance(opened, CLIPImageProcessorPil)
    assert list(opened.image_mean) == [0.25] * 3
    assert dict(opened.size) == {"shortest_edge": 32}


@pytest.mark.parametrize("text", ["{", "[1]", '{"image_processor_type": 3}', "\udcff"])
def test_a_damaged_image_processor_is_not_replaced_by_clips(text: str, tmp_path: Path) -> None:
    path = tmp_path / "preprocessor_config.json"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError, match=r"expected an image processor, found none: [^\n]*$"):
        open_image_processor(tmp_path, 32)


def test_a_damaged_nested_image_processor_is_not_replaced_by_clips(tmp_path: Path) -> None:
    path = tmp_path / "processor_config.json"
    path.write_text('{"image_processor": {', encoding="utf-8")
    with pytest.raises(InputError, match=r"processor_config\.json: expected"):
        open_image_processor(tmp_path, 32)
    path.write_text('{"processor_class": "other"}', encoding="utf-8")
    assert isinstance(open_image_processor(tmp_path, 32), CLIPImageProcessorPil)
